"""Microsoft Artifact Registry: mcr.microsoft.com, and mcr.azure.cn. Nobody signs in.

Needs: nothing.
Lists: `_catalog`, which is not promised by Microsoft.
Limits: by location, 429; not told in headers.

Source: Microsoft Artifact Registry, "Client firewall rules".
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from portreeve.core.egress import Purpose
from portreeve.providers.contract import REDIRECT_NOTE, Claim, Host, Method, Place, Provider, is_repository, own_host

HOST: Final = "mcr.microsoft.com"
CHINA: Final = "mcr.azure.cn"
_PAGE: Final = re.compile(
    r"(?:[a-z]{2}(?:-[a-z]{2,4})?/)?(?:artifact/mar|product)/([a-z0-9_./-]+?)(?:/(?:tags|about).*)?"
)


class Mcr(Provider):
    """Microsoft Artifact Registry."""

    name = "mcr"
    title = "Microsoft Artifact Registry"
    methods: ClassVar[tuple[Method, ...]] = ()
    public = True
    deletes = False
    notes = ("only Microsoft publishes here; in staging and production it counts as an upstream of mirrors only",)

    def claim(self, host: str, path: str = "") -> Claim | None:
        return Claim(self.name, Place(host)) if host in {HOST, CHINA} else None

    def console(self, host: str, path: str) -> Claim | None:
        found = _PAGE.fullmatch(path) if host == HOST else None
        return None if found is None else self.claim(host, found[1] if is_repository(found[1]) else "")

    def hosts(self, place: Place) -> tuple[Host, ...]:
        if place.host == HOST:
            return (own_host(place), Host("*.data.mcr.microsoft.com", Purpose.BLOBS))
        return (own_host(place, REDIRECT_NOTE),)


PROVIDER: Final = Mcr()
