"""Which tokens are needed: one for each stored pull credential that mints, however many environments get it (U-20)."""

from __future__ import annotations

from dataclasses import dataclass

from portreeve import providers
from portreeve.core.egress import Purpose
from portreeve.core.estate import Key
from portreeve.core.policy import Registry
from portreeve.core.refresh import Wanted
from portreeve.errors import PortreeveError
from portreeve.providers.contract import Place, Provider
from portreeve.server import logs
from portreeve.server.credentials.material import place_of
from portreeve.server.documents.snapshot import PULL, CredentialRow, Snapshot, method_of
from portreeve.server.documents.stored import Stored


@dataclass(frozen=True, slots=True)
class Need:
    """A wanted token, and what it is minted from."""

    wanted: Wanted
    registry: Stored
    row: CredentialRow


def needs(snapshot: Snapshot) -> dict[str, Need]:
    """Mint key → need. A provider that cannot say whom it would ask keeps no other from its token."""
    found = {}
    for (name, purpose), row in sorted(snapshot.credentials.items()):
        registry = snapshot.documents.get(Key("Registry", name))
        if purpose != PULL or registry is None:
            continue
        try:
            need = _need(registry, row)
        except PortreeveError as error:
            logs.refreshing(name, "not understood", error.code)
            continue
        if need is not None:
            found[need.wanted.key] = need
    return found


def _need(registry: Stored, row: CredentialRow) -> Need | None:
    method = method_of(registry, PULL)
    if method is None or method.life is None:
        return None
    assert isinstance(registry.value, Registry)
    provider, place = providers.named(registry.value.provider), place_of(registry)
    # A credential is that of one registry, and a registry lies in one region. Were the region a part of the key, a
    # change of it would let go of the old token before there is a new one; so the credential's version says it.
    wanted = Wanted(row.id, _peer(provider, place), row.version, method.life.total_seconds())
    return Need(wanted, registry, row)


def _peer(provider: Provider, place: Place) -> str:
    """Whom minting asks: the provider's own API or token service, where it names one, else the registry itself."""
    hosts = provider.hosts(place)
    for purpose in (Purpose.API, Purpose.AUTH):
        for host in hosts:
            if host.purpose is purpose:
                return host.name
    return place.host
