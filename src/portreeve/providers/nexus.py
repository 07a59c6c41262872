"""Sonatype Nexus Repository: Docker repositories by a path, by a subdomain, or by a port of their own.

Signs in with a user's name and password, or with a user token (its two parts in place of name and password). The
"Docker Bearer Token Realm" must be active in Nexus, also for pulls without a credential.

Needs: nx-repository-view-docker-<repository>-read, and -browse to browse.
Lists: `_catalog` of the repository that the host, port or path stands for.
Limits: none that are told.

Source: Sonatype help, "Docker Registry", "User Tokens".
"""

from __future__ import annotations

from typing import Final

from portreeve.providers.contract import Claim, Field, Method, Place, Provider, leading

_NEEDS: Final = (
    "nx-repository-view-docker-<repository>-read",
    "to browse: nx-repository-view-docker-<repository>-browse",
)


class Nexus(Provider):
    """Sonatype Nexus Repository."""

    name = "nexus"
    title = "Nexus Repository"
    methods = (
        Method(
            "user-token",
            "User token",
            "Pass code of the token",
            (Field("username", "Name code of the token", pattern=r"[^:\s]{1,255}"),),
            needs=_NEEDS,
        ),
        Method(
            "basic",
            "User name and password",
            "Password",
            (Field("username", "User name", pattern=r"[^:\s]{1,255}"),),
            needs=_NEEDS,
        ),
    )
    depth = 1
    notes = (
        "the Docker Bearer Token Realm must be active, also for pulls without a credential",
        "a repository may have a port of its own: it is part of the host then",
        "a proxy repository contacts its upstream: Nexus needs those hosts, the cluster does not",
    )

    def claim(self, host: str, path: str = "") -> Claim | None:
        if not host.startswith("nexus."):
            return None
        note = "perhaps a Nexus: by its name"
        return Claim(self.name, Place(host, leading(path, 1)), certain=False, note=note)


PROVIDER: Final = Nexus()
