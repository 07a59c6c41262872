"""Taking in what environments report, and listing what runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.authorization import Resource, Scope, visible_scope
from portreeve.core.blast_radius import RunningImage
from portreeve.core.estate import Key
from portreeve.core.permissions import Action, Kind
from portreeve.server.database.writer import Transaction
from portreeve.server.documents import store as documents
from portreeve.server.documents.proposal import Outcome
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.caller import Acting, Caller
from portreeve.server.http.guard import in_scope
from portreeve.server.images import store

MOST_NAMED: Final = 500
"""Images that one query names, which is a page of them; for more, all of an environment are read."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What one environment reports: facts as the channel writes them, and all images that run there, with digests.

    None for images means that they are as before.
    """

    environment: str
    generation: int
    facts: Mapping[str, Any]
    images: Sequence[tuple[RunningImage, str]] | None


async def observe(transaction: Transaction, observed: Observation) -> None:
    """Store a whole report in the place of the one before, as a part of a job."""
    revision = transaction.next_revision()
    connection, now, name = transaction.connection, transaction.now, observed.environment
    await store.replace_facts(connection, name, observed.facts, observed.generation, revision, now)
    if observed.images is None:
        running = transaction.snapshot.running.get(name, ())
    else:
        await store.replace_images(connection, name, observed.images, now)
        running = tuple(image for image, _ in observed.images)
    await documents.note(connection, revision, Key(documents.OBSERVATION, name), "updated", revision, now)
    transaction.snapshot = transaction.snapshot.with_observed(
        revision,
        name,
        documents.capabilities(observed.facts),
        running,
        documents.reported(observed.facts, observed.generation, now),
    )


async def said(connection: AsyncConnection, environment: str) -> Mapping[str, Any]:
    """The facts of the last report of an environment; none if it has not reported."""
    return await store.facts(connection, environment)


async def running_with_digests(connection: AsyncConnection, environment: str) -> Mapping[tuple[str, str, str], str]:
    """(namespace, owner, image) → digest, of what an environment reported."""
    return await store.digests(connection, environment)


async def digests_of(connection: AsyncConnection, rows: Sequence[RunningImage]) -> Mapping[RunningImage, str]:
    """Row → digest, for those of which one is known. They are not in the snapshot: nothing decides by them."""
    images: dict[str, set[str]] = {}
    for one in rows:
        images.setdefault(one.environment, set()).add(one.image)
    found: dict[RunningImage, str] = {}
    for environment, names in images.items():
        held = await store.digests(connection, environment, names if len(names) <= MOST_NAMED else None)
        found.update((RunningImage(environment, *line), digest) for line, digest in held.items() if digest)
    return found


class Forget:
    """A follower: what a deleted environment reported goes with it."""

    async def follow(self, transaction: Transaction, caller: Acting, found: Outcome) -> None:  # noqa: ARG002 - protocol
        """As `documents.service.Follower`."""
        for change in found.changes:
            if change.key.kind == "Environment" and change.after is None:
                name, revision = change.key.name, transaction.next_revision()
                await store.forget(transaction.connection, name)
                key = Key(documents.OBSERVATION, name)
                await documents.note(transaction.connection, revision, key, "deleted", 0, transaction.now)
                transaction.snapshot = replace(transaction.snapshot.without_observed(name), revision=revision)


class Places:
    """Where running images may be listed within a scope; each place is asked about once."""

    def __init__(self, scope: Scope, snapshot: Snapshot) -> None:
        self._scope = scope
        self._groups = {one.name: one.group for one in snapshot.estate.environments}
        self._known: dict[tuple[str, str], bool] = {}

    def admit(self, environment: str, namespace: str) -> bool:
        """Whether they may in this namespace."""
        found = self._known.get((environment, namespace))
        if found is None:
            names = (namespace,) if namespace else ()
            group = self._groups.get(environment, "")
            found = self._scope.admits(Resource(Kind.WORKLOAD, "", environment, group, names))
            self._known[environment, namespace] = found
        return found


def scope_of(caller: Caller) -> Scope:
    """What of running images the caller may list."""
    if not in_scope(caller, Action.LIST, Kind.WORKLOAD):
        return Scope(Kind.WORKLOAD)
    return visible_scope(caller.principal, Kind.WORKLOAD)


def visible(caller: Caller, snapshot: Snapshot) -> Sequence[RunningImage]:
    """What runs where the caller may see it, sorted by image; worked out once for each revision and scope."""
    scope = scope_of(caller)
    found = snapshot.seen_images.get(scope)
    if found is None:
        places = Places(scope, snapshot)
        rows = (one for one in snapshot.inventory.images if places.admit(one.environment, one.namespace))
        found = snapshot.seen_images[scope] = tuple(sorted(rows, key=row_key))
    return found


def row_key(image: RunningImage) -> str:
    """The order of the list, and what its cursor holds."""
    return f"{image.image}\n{image.environment}\n{image.namespace}\n{image.owner}"
