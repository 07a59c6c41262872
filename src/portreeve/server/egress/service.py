"""Working out what an environment must reach: the registries granted there, its policy's sources, and our own agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from portreeve.core.audit import Action as Recorded
from portreeve.core.audit import ObjectKind, Target, digest, escaped
from portreeve.core.egress import HostNeed, host_needs
from portreeve.core.egress_rules import Difference, difference, rules
from portreeve.core.environments import Environment
from portreeve.core.policy import Stage
from portreeve.core.sources import ResolvedSources
from portreeve.errors import PortreeveError
from portreeve.providers import firewall
from portreeve.server.audit.journal import Entry
from portreeve.server.database.engine import Database
from portreeve.server.database.writer import Transaction, Writer, unavailable
from portreeve.server.documents.proposal import Outcome
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.egress import store
from portreeve.server.egress.store import Export
from portreeve.server.http.answers import json_bytes
from portreeve.server.http.caller import Acting, Caller
from portreeve.server.images.verdicts import governed
from portreeve.transport import reach
from portreeve.transport.address_rules import AddressRules
from portreeve.transport.guarded import Resolver, resolve_here

RESOLVE_S = 5.0
"""For all look-ups of one answer together: what is slower than that stands there as a name without addresses."""


@dataclass(frozen=True, slots=True)
class Egress:
    """What one environment must reach, what of it is new since the last export, and that export."""

    needs: tuple[HostNeed, ...]
    changed: Difference
    last: Export | None


class EgressRules:
    """The service."""

    def __init__(
        self,
        writer: Writer,
        database: Database,
        rules: AddressRules,
        clock: Callable[[], datetime],
        resolver: Resolver = resolve_here,
    ) -> None:
        self._writer = writer
        self._database = database
        self._rules = rules
        self._resolver = resolver
        self._clock = clock

    def now(self) -> datetime:
        """The time, for what is resolved now."""
        return self._clock()

    async def of(self, snapshot: Snapshot, environment: Environment) -> Egress:
        """What an environment must reach now.

        Raises:
            Unavailable: the database does not answer.
        """
        found = needs(snapshot, environment, self._clock())
        try:
            async with self._database.reader.connect() as connection:
                last = await store.find(connection, environment.name)
        except (SQLAlchemyError, OSError) as error:
            raise unavailable(error) from None
        return Egress(found, difference(last.rules if last else (), rules(found)), last)

    async def export(self, snapshot: Snapshot, environment: Environment, caller: Caller) -> Egress:
        """Remember what the environment must reach now as handed over; what was new until then."""
        found = await self.of(snapshot, environment)
        handed = rules(found.needs)
        before = digest(json_bytes([list(one) for one in found.last.rules])) if found.last else None
        target = Target(ObjectKind.ENVIRONMENT, escaped(environment.name), environment=escaped(environment.name))

        async def job(transaction: Transaction) -> None:
            after = digest(json_bytes([list(one) for one in handed]))
            transaction.record(
                Entry(caller.actor, Recorded.EGRESS_EXPORT, target, caller.request, before=before, after=after)
            )
            by = caller.principal.user
            await store.save(transaction.connection, environment.name, handed, by, transaction.now)

        await self._writer.run(job)
        return found

    async def addresses(self, needed: Iterable[HostNeed]) -> Mapping[str, Sequence[str]]:
        """Host → its addresses now, of the names that can be looked up in time."""
        hosts = sorted({(need.host, need.port) for need in needed if not need.host.startswith("*.")})

        async def one(place: tuple[str, int]) -> tuple[str, Sequence[str]]:
            host, port = place
            try:
                async with asyncio.timeout(RESOLVE_S):
                    return host, [
                        str(one) for one in await reach.resolve(host, port, self._rules, resolver=self._resolver)
                    ]
            except (PortreeveError, TimeoutError):
                return host, ()

        return dict(await asyncio.gather(*map(one, hosts)))


class Forget:
    """A follower: what was handed over for a deleted environment goes with it."""

    async def follow(self, transaction: Transaction, caller: Acting, found: Outcome) -> None:  # noqa: ARG002 - protocol
        """As `documents.service.Follower`."""
        for change in found.changes:
            if change.key.kind == "Environment" and change.after is None:
                await store.forget(transaction.connection, change.key.name)


def needs(snapshot: Snapshot, environment: Environment, now: datetime) -> tuple[HostNeed, ...]:
    """The hosts of every registry granted in the environment, and of what its policy allows besides."""
    held = governed(snapshot, environment, now)
    granted = {grant.registry for grant in held.state.grants}
    registries = [one for one in snapshot.estate.registries if one.name in granted]
    sources = held.state.sources or ResolvedSources("", 0, Stage.OFF, {}, {})
    return host_needs(sources, registries, needs=firewall.needs)
