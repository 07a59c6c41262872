"""Where the pull credential of a registry is wanted, and what those places have reported of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.agent_identity import ADMITTED
from portreeve.core.cluster import SYSTEM_NAMESPACES
from portreeve.core.desired import Grant, granted
from portreeve.core.environments import Environment
from portreeve.core.policy import DeliveryMode
from portreeve.core.rotation import Entry, EnvironmentHeld, NamespaceHeld
from portreeve.server.documents.snapshot import CredentialRow, Snapshot
from portreeve.server.images.service import said

Grants = tuple[tuple[Environment, tuple[Grant, ...]], ...]


def grants_of(snapshot: Snapshot, registry: str) -> Grants:
    """The environments where a registry is granted, with its grants there, sorted by name."""
    found = []
    for environment in sorted(snapshot.estate.environments, key=lambda one: one.name):
        held = tuple(one for one in granted(snapshot.estate, environment) if one.registry == registry)
        if held:
            found.append((environment, held))
    return tuple(found)


def wanted_version(snapshot: Snapshot, row: CredentialRow, now: datetime) -> int | None:
    """The version that environments should have: the stored one's, or the number of the token minted from it."""
    delivered = snapshot.estate.delivered(row.registry, now)
    return None if delivered is None else delivered.version


async def held_in(
    connection: AsyncConnection,
    snapshot: Snapshot,
    environment: Environment,
    grants: tuple[Grant, ...],
    credential: str,
) -> EnvironmentHeld:
    """What an environment has reported of a credential."""
    facts = await said(connection, environment.name)
    agent = snapshot.agents.get(environment.name)
    return EnvironmentHeld(
        environment.name,
        agent is not None and agent.state in ADMITTED,
        None if agent is None else agent.seen_at or agent.enrolled_at,
        sees(facts),
        _must_hold(snapshot, environment, grants),
        tuple(namespace_held(one, credential) for one in facts.get("pullSecrets", ())),
    )


def sees(facts: Mapping[str, Any]) -> bool:
    """Whether an environment has reported, and does not say that it cannot watch its cluster."""
    conditions = {one["type"]: one["status"] for one in facts.get("conditions", ())}
    return bool(facts) and conditions.get("ClusterSeen", "True") == "True"


def namespace_held(told: Mapping[str, Any], credential: str) -> NamespaceHeld:
    """One namespace of a report, with its entries of one credential."""
    entries = tuple(
        Entry(one["version"], one["state"] == "live", one.get("expiresAt"))
        for one in told["entries"]
        if one["credential"] == credential
    )
    return NamespaceHeld(told["namespace"], told.get("phase", ""), told.get("conflict"), entries)


def _must_hold(snapshot: Snapshot, environment: Environment, grants: tuple[Grant, ...]) -> frozenset[str]:
    known = snapshot.estate.capabilities_of(environment).namespaces
    if known is None:
        return frozenset()
    always = (one for one in grants if one.delivery.mode is DeliveryMode.STANDING)
    return frozenset(name for one in always for name in one.selected(known)).difference(SYSTEM_NAMESPACES)
