"""JFrog Artifactory: <instance>.jfrog.io/<repository>, and instances of one's own.

A Docker repository is reached by a path (`<host>/<repository>/…`), a subdomain (`<repository>.<host>`), or a port.
Signs in with an access token that is scoped to the repository, or with a user's name and password; both pull as they
are stored. Artifactory can refresh access tokens; we do not: a token is set anew before it ends.

Needs: Read on the repository (a token's scope: applied-permissions/groups of a group with Read alone).
Lists: `_catalog` of the repository.
Limits: 429 on jfrog.io; not told in headers.

Source: JFrog help, "Docker Registry", "Access Tokens".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from portreeve.providers.contract import Claim, Field, Method, Place, Provider, leading

_SAAS: Final = re.compile(r"(?:[a-z0-9-]+|[*])\.jfrog\.io")
_NEEDS: Final = ("Read on the repository", "to browse: the same")


class Artifactory(Provider):
    """JFrog Artifactory."""

    name = "artifactory"
    title = "JFrog Artifactory"
    methods = (
        Method(
            "token",
            "Access token",
            "Access token",
            (Field("username", "User name", pattern=r"[^:\s]{1,255}", hint="the one that the token was made for"),),
            needs=_NEEDS,
        ),
        Method(
            "basic",
            "User name and password",
            "Password or identity token",
            (Field("username", "User name", pattern=r"[^:\s]{1,255}"),),
            needs=_NEEDS,
            advice="a password opens all of Artifactory: use a token that is scoped to the repository",
        ),
    )
    depth = 1
    notes = (
        "layers may be redirected to the cloud's storage; Artifactory can be told to send them itself",
        "a remote repository contacts its upstream: Artifactory needs those hosts, the cluster does not",
    )

    def claim(self, host: str, path: str = "") -> Claim | None:
        if _SAAS.fullmatch(host) is not None:
            return Claim(self.name, Place(host, leading(path, 1)))
        if host.startswith("artifactory."):
            note = "perhaps an Artifactory: by its name"
            return Claim(self.name, Place(host, leading(path, 1)), certain=False, note=note)
        return None

    def realms(self, place: Place) -> Sequence[str]:
        first = leading(place.path, 1)
        found = [f"https://{place.host}/v2/token"]
        if first:
            found.append(f"https://{place.host}/artifactory/api/docker/{first}/v2/token")
        return tuple(found)


PROVIDER: Final = Artifactory()
