"""An origin: scheme, host and port. Credentials belong to exactly one.

Source: RFC 6454 sections 4 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from portreeve.errors import Invalid
from portreeve.transport.addresses import redacted, split

DEFAULT_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Origin:
    """`host` in lower case, IPv6 without brackets."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of an http or https address.

        Raises:
            Invalid: `url_refused`: it has none, or there is a user or password in it.
        """
        return split_url(url)[0]

    @property
    def address(self) -> str:
        """`host` or `host:port`, as in a URL, without the scheme's own port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}"


def split_url(url: str) -> tuple[Origin, str, str]:
    """Origin, path (at least "/") and query (without its mark) of an address.

    Raises:
        Invalid: `url_refused`: no http or https address, or one with a user, password or fragment in it.
    """
    parts = split(url)
    if parts is None or parts.hostname is None:
        raise _refused("an address cannot be read as one")
    if "@" in parts.netloc:
        raise _refused(f"{redacted(url)} was given with a user or password in it")
    if "#" in url:
        raise _refused(f"{redacted(url)} was given with a fragment")
    if parts.scheme not in DEFAULT_PORTS:
        raise _refused("an address is neither https nor http")
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return Origin(parts.scheme, parts.hostname, port), parts.path or "/", parts.query


def joined(base: str, target: str) -> str:
    """The address that `target`, whole or relative, is at `base`.

    Raises:
        Invalid: `url_refused`: it cannot be read as one.
    """
    try:
        return urljoin(base, target)
    except ValueError:
        raise _refused(f"{redacted(base)} names an address that cannot be read as one") from None


def _refused(message: str) -> Invalid:
    return Invalid("url_refused", message, hint="write it as https://host.example.com/path")
