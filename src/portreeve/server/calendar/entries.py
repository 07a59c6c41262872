"""The calendar of a snapshot: an entry for each stored credential, minted token and exemption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from portreeve.core.calendar import Entry, Impact, Lane
from portreeve.core.policy import Exemption, Registry
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.reach import reaches
from portreeve.server.documents.service import seen
from portreeve.server.documents.snapshot import CredentialRow, Snapshot, can_end
from portreeve.server.documents.stored import Stored
from portreeve.server.http.caller import Caller


def visible(caller: Caller, snapshot: Snapshot) -> list[Entry]:
    """The entries of what the caller may see: a credential with its registry, an exemption as it is."""
    impacts = reached(snapshot)
    registries = seen(caller, KINDS["Registry"], snapshot)
    exemptions = seen(caller, KINDS["Exemption"], snapshot)
    return [*_credentials(registries, snapshot, impacts), *_exemptions(exemptions, snapshot)]


def _credentials(registries: Sequence[Stored], snapshot: Snapshot, impacts: Mapping[str, Impact]) -> Iterator[Entry]:
    names = {one.key.name: one for one in registries}
    for row in snapshot.credentials.values():
        registry = names.get(row.registry)
        if registry is None:
            continue
        impact = impacts.get(row.registry, Impact()) if row.purpose == "pull" else Impact()
        facts = _facts(registry, row) | {"impact": impact}
        yield Entry(Lane.CREDENTIAL, row.id, expires_at=row.expires_at, can_end=can_end(registry, row.purpose), **facts)
        token = snapshot.tokens.get(row.id)
        if token is not None and token.held is not None:
            yield Entry(Lane.TOKEN, row.id, expires_at=token.held.expires_at, **facts)


def _facts(registry: Stored, row: CredentialRow) -> dict[str, Any]:
    assert isinstance(registry.value, Registry)
    name = f"{row.registry}/{row.purpose}"
    return {"name": name, "registry": row.registry, "purpose": row.purpose, "project": registry.value.project}


def _exemptions(exemptions: Sequence[Stored], snapshot: Snapshot) -> Iterator[Entry]:
    for stored in exemptions:
        one = stored.value
        if isinstance(one, Exemption) and one.in_force:
            places = sum(environment.group in one.groups for environment in snapshot.estate.environments)
            impact = Impact(0, len(one.namespaces), places)
            yield Entry(Lane.EXEMPTION, stored.uid, one.name, one.expires_at, impact=impact)


def reached(snapshot: Snapshot) -> Mapping[str, Impact]:
    """Registry → what its pull credential reaches, over all environments."""
    grants: Counter[str] = Counter()
    namespaces: Counter[str] = Counter()
    environments: Counter[str] = Counter()
    for environment in snapshot.estate.environments:
        for registry, found in reaches(snapshot, environment).items():
            grants[registry] += found.grants
            namespaces[registry] += len(found.namespaces)
            environments[registry] += 1
    return {name: Impact(count, namespaces[name], environments[name]) for name, count in grants.items()}
