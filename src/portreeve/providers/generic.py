"""Any server with the OCI Distribution API, and no more said of it.

Signs in with a name and a password, with a token (under any name), or not at all.

Needs: the right to pull, whatever the server calls it.
Lists: `_catalog`, where it is not switched off.
Limits: none that are known.

Left out: client certificates. What is delivered is a name and a password in a pull secret, which cannot hold a
certificate; nodes need such certificates in the configuration of their runtime.
Source: OCI Distribution Specification 1.1.
"""

from __future__ import annotations

from typing import Final

from portreeve.core.credential import Login
from portreeve.providers.contract import (
    REDIRECT_NOTE,
    Claim,
    Field,
    Host,
    Method,
    Place,
    Provider,
    Stored,
    own_host,
)

_MOVING: Final = frozenset({"registry.k8s.io"})
"""Hosts whose backends change at any time, as their project says. Source: registry.k8s.io, README."""

TOKEN_USER: Final = "token"  # noqa: S105 -- a name, for servers that look at the token alone


class Generic(Provider):
    """Any server with the OCI Distribution API."""

    name = "generic"
    title = "OCI registry"
    methods = (
        Method(
            "basic",
            "User name and password",
            "Password",
            (Field("username", "User name", pattern=r"[^:\x00-\x1f]{1,255}", example="robot$portreeve"),),
            ends=False,
            needs=("the right to pull",),
        ),
        Method(
            "token",
            "Token",
            "Token",
            (
                Field(
                    "username", "User name", False, r"[^:\x00-\x1f]{1,255}", hint="where the server wants a certain one"
                ),
            ),
            ends=False,
            needs=("the right to pull",),
        ),
    )
    notes = (
        "a realm on another host goes into spec.tokenRealm, else no credential is sent there",
        "client certificates are not delivered: a pull secret holds a name and a password",
    )

    def claim(self, host: str, path: str = "") -> Claim | None:
        if host not in _MOVING:
            return None
        note = "anybody can pull here; its backends change at any time: mirror these images"
        return Claim(self.name, Place(host), note=note)

    def hosts(self, place: Place) -> tuple[Host, ...]:
        if place.host in _MOVING:
            note = "its backends change at any time: mirror these images instead of listing hosts"
            return (own_host(place, note, certain=False),)
        return (own_host(place, REDIRECT_NOTE),)

    def login(self, place: Place, stored: Stored) -> Login | None:
        self.method(stored.method)
        username = stored.parameters.get("username", "")
        return Login(username or (TOKEN_USER if stored.method == "token" else ""), stored.secret)


PROVIDER: Final = Generic()
