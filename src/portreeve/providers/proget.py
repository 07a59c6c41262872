"""Inedo ProGet: <host>/<feed>/<image>, where the feed is part of every name.

Signs in with an API key, as user `api`, or with a user's name and password. Neither has an end.

Needs: an API key of the feed with View/Download alone (a user: the task "View & Download Packages").
Lists: `_catalog`, whose names hold the feed.
Limits: none that are told.

Left out: ProGet's own scanning; it counts as a source of findings only once its answers were compared (B-48).
Source: Inedo docs, "ProGet Docker Feeds", "API Keys".
"""

from __future__ import annotations

from typing import Final

from portreeve.core.credential import Login
from portreeve.providers.contract import Claim, Field, Method, Place, Provider, Stored, leading

API_USER: Final = "api"
"""Source: Inedo docs, "Authenticating to Docker feeds"."""

_NEEDS: Final = ("View & Download on the feed",)


class ProGet(Provider):
    """Inedo ProGet."""

    name = "proget"
    title = "ProGet"
    methods = (
        Method("api-key", "API key", "API key", ends=False, needs=_NEEDS, advice="an API key never ends: rotate it"),
        Method(
            "basic",
            "User name and password",
            "Password",
            (Field("username", "User name", pattern=r"[^:\s]{1,255}"),),
            ends=False,
            needs=_NEEDS,
        ),
    )
    depth = 1
    notes = (
        "the feed is the first part of every name: set it as path",
        "an image is deleted by its digest only",
        "layers of Windows images may come from somewhere else: they are named by their address",
    )

    def claim(self, host: str, path: str = "") -> Claim | None:
        if not host.startswith("proget."):
            return None
        note = "perhaps a ProGet: by its name"
        return Claim(self.name, Place(host, leading(path, 1)), certain=False, note=note)

    def login(self, place: Place, stored: Stored) -> Login | None:
        self.method(stored.method)
        username = API_USER if stored.method == "api-key" else stored.parameters.get("username", "")
        return Login(username, stored.secret)


PROVIDER: Final = ProGet()
