"""Bringing the stored desired states to what follows from the documents: a sweep that finds whatever is due.

Theory of operation. Nothing is told to be done anew; a sweep works out the desired state of every environment from the
snapshot and writes those whose hash, recipient key or validity has changed, each as the next generation. It runs after
changes and with time, on every replica; two that do so at once find in the transaction that nothing is due any more. A
generation never decreases, also not for an environment that was deleted and made anew under its old name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from portreeve.core.desired import DesiredState, desired, emptied, next_generation
from portreeve.core.environments import Environment
from portreeve.core.estate import Key
from portreeve.errors import PortreeveError
from portreeve.server import logs
from portreeve.server.credentials.keeper import Keeper
from portreeve.server.credentials.material import deliverable
from portreeve.server.database.engine import Database
from portreeve.server.database.sweeping import Sweeping
from portreeve.server.database.writer import Job, Transaction, Writer
from portreeve.server.desired import store
from portreeve.server.desired.document import signed, wanted
from portreeve.server.desired.store import StoredState
from portreeve.server.documents.snapshot import CredentialRow, Snapshot
from portreeve.vault import sealing
from portreeve.vault.sealing import Delivery
from portreeve.vault.signing import SigningKey

VALID_FOR: Final = timedelta(days=14)
"""How long an agent may act on a document without hearing from us: it outlives a long weekend and a change freeze."""

RENEWED_AT: Final = timedelta(days=7)
"""Less than this left, and the document is renewed, as another generation."""

AT_ONCE: Final = 64
"""Environments that are written together; other changes wait no longer than for these."""

PAUSE_S: Final = 0.2
"""Seconds that changes are gathered for before a sweep; a sweep looks at every environment. An agent polls for long."""

MOST_AHEAD: Final = 100_000
"""Generations that an agent may be ahead of a restored database. One that says more is not believed: numbers end."""

SWEEP_S: Final = 60
"""Seconds between sweeps without any change: exemptions end, documents have to be renewed."""


Present: TypeAlias = StoredState
"""The present document of an environment, as others see it."""

WhyUrl: TypeAlias = Callable[[Snapshot, Environment], str]
"""The page that explains a refusal of an environment's policy; "" for none."""


async def recipient(transaction: Transaction, environment: str, key: bytes | None) -> None:
    """From now the environment's credentials are sealed for this key, or for nobody; a part of a job."""
    if key is None:
        await store.withdraw_sealing_key(transaction.connection, environment)
    else:
        await store.save_sealing_key(transaction.connection, environment, key, transaction.now)


class DesiredStates:
    """The service."""

    def __init__(
        self,
        writer: Writer,
        database: Database,
        keeper: Keeper,
        key: SigningKey,
        clock: Callable[[], datetime],
        why_url: WhyUrl,
    ) -> None:
        self._writer = writer
        self._database = database
        self._keeper = keeper
        self.key = key
        self._clock = clock
        self._sweeping = Sweeping(writer, "desired states", self.sweep, lambda: SWEEP_S, pause_s=PAUSE_S)
        self._why_url = why_url

    def start(self) -> None:
        """Sweep from now on."""
        self._sweeping.start()

    async def stop(self) -> None:
        """Sweep no more; a sweep that is under way is finished, so that no connection is broken off."""
        await self._sweeping.stop()

    async def current(self, environment: str) -> StoredState | None:
        """The present document of an environment."""
        async with self._database.reader.connect() as connection:
            return await store.find(connection, environment)

    async def generations(self, since: datetime | None) -> tuple[dict[str, int], datetime | None]:
        """Environment → generation, of what was written since (all without it), and when the newest of it was."""
        async with self._database.reader.connect() as connection:
            return await store.generations(connection, since)

    async def catch_up(self, environment: str, generation: int) -> None:
        """Go on behind a generation that an environment's agent already has.

        A database that was restored to an earlier state would give numbers that its agents have seen, and that they
        refuse. The number is skipped, so that the document behind it need not follow on what nobody here knows.
        """

        async def job(transaction: Transaction) -> None:
            held = await store.find(transaction.connection, environment)
            if held is not None and held.generation < generation <= held.generation + MOST_AHEAD:
                await store.save(transaction.connection, replace(held, generation=generation + 1, hash=""))
                present = transaction.snapshot.environment(environment)
                if present is not None:
                    keys = await store.sealing_keys(transaction.connection)
                    await self._job(present, keys.get(environment))(transaction)

        await self._writer.run(job)

    async def sweep(self) -> int:
        """Write what is due; how many environments that were."""
        snapshot, now = await self._writer.current(), self._clock()
        async with self._database.reader.connect() as connection:
            held = await store.every(connection)
            keys = await store.sealing_keys(connection)
        due = await asyncio.to_thread(self._due, snapshot, held, keys, now)
        for start in range(0, len(due), AT_ONCE):
            # Together, so that they share transactions.
            batch = due[start : start + AT_ONCE]
            await asyncio.gather(*(self._writer.run(self._job(one, keys.get(one.name))) for one in batch))
        return len(due)

    def _job(self, environment: Environment, agent: bytes | None) -> Job[None]:
        async def job(transaction: Transaction) -> None:
            held = await store.find(transaction.connection, environment.name)
            present = transaction.snapshot.environment(environment.name)
            if present is None or not self._is_due(transaction.snapshot, present, held, agent, transaction.now):
                return
            state = _numbered(self._state(transaction.snapshot, present, held, transaction.now), held)
            sealed = await self._sealed(transaction, state, agent)
            previous = held.hash if held else ""
            document = signed(wanted(state, previous, sealed) | {"sealedFor": _name(agent)}, self.key)
            assert state.not_after is not None
            await store.save(
                transaction.connection,
                StoredState(
                    environment.name,
                    state.generation,
                    state.hash,
                    previous,
                    document,
                    transaction.snapshot.revision,
                    state.not_after,
                    transaction.now,
                ),
            )

        return job

    def _due(
        self, snapshot: Snapshot, held: dict[str, StoredState], keys: dict[str, bytes], now: datetime
    ) -> list[Environment]:
        return [
            one
            for one in (*snapshot.estate.environments, *snapshot.leaving.values())
            if self._is_due(snapshot, one, held.get(one.name), keys.get(one.name), now)
        ]

    def _is_due(
        self, snapshot: Snapshot, environment: Environment, held: StoredState | None, agent: bytes | None, now: datetime
    ) -> bool:
        if held is None or held.not_after - now < RENEWED_AT:
            return True
        if _name(agent) is not None and f'"sealedFor":"{_name(agent)}"'.encode() not in held.document:
            return True
        return self._state(snapshot, environment, held, now).hash != held.hash

    def _state(
        self, snapshot: Snapshot, environment: Environment, held: StoredState | None, now: datetime
    ) -> DesiredState:
        fresh = held is None or held.not_after - now < RENEWED_AT
        # Whole days, so that two replicas which renew at once write the same.
        until = (now + VALID_FOR).replace(hour=0, minute=0, second=0, microsecond=0)
        not_after = until if fresh or held is None else held.not_after
        if environment.name in snapshot.leaving:
            return emptied(environment, not_after=not_after)
        return desired(
            snapshot.estate, environment, now=now, not_after=not_after, why_url=self._why_url(snapshot, environment)
        )

    async def _sealed(
        self, transaction: Transaction, state: DesiredState, agent: bytes | None
    ) -> dict[tuple[str, int], bytes]:
        """Every credential of the state, sealed for the agent's key, this environment and this generation."""
        if agent is None:
            return {}
        key = sealing.read_public(agent)
        rows = {row.id: row for row in transaction.snapshot.credentials.values()}
        found = {}
        versions = (one for grant in state.grants for one in (grant.delivered, grant.older) if one)
        for credential in dict.fromkeys(versions):
            row: CredentialRow | None = rows.get(credential.id)
            registry = transaction.snapshot.documents.get(Key("Registry", row.registry)) if row else None
            if row is None or registry is None:
                continue
            try:
                login = await deliverable(self._keeper, transaction, registry, row, credential)
            except PortreeveError as error:
                # One credential that cannot be used keeps no other from its environment.
                logs.not_delivered(row.registry, state.environment, error.code)
                continue
            delivery = Delivery(state.environment, row.registry, row.id, credential.version, state.generation)
            found[credential.id, credential.version] = sealing.seal(login, delivery, key)
        return found


def empty_since(environment: Environment, held: StoredState | None) -> int | None:
    """The generation of an environment's document, if that wants nothing of ours there."""
    if held is None or emptied(environment, not_after=held.not_after).hash != held.hash:
        return None
    return held.generation


def _numbered(state: DesiredState, held: StoredState | None) -> DesiredState:
    if held is None:
        return next_generation(None, state)
    before = replace(state, generation=held.generation, hash=held.hash)
    numbered = next_generation(before, state)
    # The same state for another recipient is another document, and agents take each generation once.
    return numbered if numbered.generation > held.generation else replace(numbered, generation=held.generation + 1)


def _name(agent: bytes | None) -> str | None:
    return None if agent is None else sealing.read_public(agent).fingerprint.hex()
