"""Where a credential may be sent: to the registry's own origin, and to realms that a person approved for it.

Theory of operation. The registry names the realm, so a registry that was taken over, or a proxy before it, could name
its own and be handed the credential. Hence the pair (registry, realm) is fixed beforehand: scheme, host, port and path
must be those of an approved realm. Without a credential there is nothing to lose, and any https realm will do.

Sources: CVE-2019-10214 and its many sisters (threats RC-01); Docker's "Token Authentication Specification".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from portreeve.core.reference import shown
from portreeve.errors import Denied, Invalid
from portreeve.transport.addresses import redacted
from portreeve.transport.origin import Origin, split_url


@dataclass(frozen=True, slots=True)
class Realm:
    """A token service: its origin and path. There is no query."""

    origin: Origin
    path: str

    @classmethod
    def of(cls, url: str) -> Realm:
        """The realm at an address.

        Raises:
            Invalid: `url_refused`: no http or https address, or one with user, password, query or fragment.
        """
        origin, path, query = split_url(url)
        if query or "?" in url:
            raise Invalid(
                "url_refused",
                f"the token service {redacted(url)} was named with a query",
                hint="see what stands before the registry",
            )
        return cls(origin, path)

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"


def allowed(realm: str, registry: Origin, approved: Iterable[str], *, credential: bool) -> Realm:
    """The realm that may be asked.

    Args:
        realm: as the registry said it.
        approved: addresses of realms that somebody approved for this registry.
        credential: whether one would be sent.
    Raises:
        Invalid: `url_refused`: it is no address, or neither https nor at the origin of a registry without TLS.
        Denied: `realm_not_pinned`.
    """
    asked = Realm.of(realm)
    if asked.origin.scheme != "https" and asked.origin != registry:
        raise Invalid(
            "url_refused",
            f"the token service {shown(str(asked))} is not encrypted",
            hint="set the registry up to name it by https",
        )
    if credential and asked.origin != registry and asked not in {Realm.of(each) for each in approved}:
        raise Denied(
            "realm_not_pinned",
            f"{registry} wants its credential sent to {shown(str(asked))}, which nobody has approved for it",
            hint="if that is its token service, approve the realm of this registry; if not, do not use the registry",
        )
    return asked
