"""The cookie that carries a session, and the one that carries a sign-in under way.

By https their names begin with `__Host-`: a browser then takes them only with Secure, for this very host and the whole
of it, so that no neighbour on a subdomain can plant one. Where a proxy shows us below a path, others are on the same
host: then they are for that path alone, so that no neighbour's server is sent a session, and begin with `__Secure-`, as
`__Host-` would not have a path. On plain http, which is for loopback, their names begin with neither.
SameSite is Lax: Strict would leave the cookie out when an identity provider sends the browser back here.

Sources: RFC 6265bis, section 4.1.3; OWASP ASVS 5.0, 3.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from portreeve.core.secret import SecretValue

SESSION: Final = "portreeve"
SIGN_IN: Final = "portreeve-sign-in"
_MOST: Final = 128
"""Characters of a value that can be ours: a token has 43."""


class Cookies:
    """`secure`: browsers come by https. `below`: the path of ours on a host that is not ours alone, "" for none."""

    def __init__(self, *, secure: bool, below: str = "") -> None:
        self._prefix = ("__Secure-" if below else "__Host-") if secure else ""
        self._attributes = f"Path={below}/; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"

    def read(self, cookies: Mapping[str, str], name: str) -> SecretValue | None:
        """The value that a browser sent; what cannot be one of ours is none."""
        found = cookies.get(self._prefix + name, "")
        return SecretValue(found) if found.isascii() and 0 < len(found) <= _MOST else None

    def set(self, name: str, value: SecretValue, lasts: timedelta) -> str:
        """A Set-Cookie."""
        seconds = int(lasts.total_seconds())
        return f"{self._prefix}{name}={value.reveal().decode()}; Max-Age={seconds}; {self._attributes}"

    def cleared(self, name: str) -> str:
        """A Set-Cookie that takes it away."""
        return f"{self._prefix}{name}=; Max-Age=0; {self._attributes}"
