"""Keeping every minted token fresh: a sweep that claims what is due, mints it, and stores it.

Theory of operation. `core.refresh` decides. Its state lies in the database, and each step of it is a job of the writer,
so there is one order of all steps over all replicas: a replica *claims* a token by storing that an attempt is under
way, mints outside any transaction, and *settles* by storing the token together with the state, if the attempt still is
the one that is waited for. Whoever is killed in between leaves a lease that ends, and the next sweep of any replica
takes over. Nothing is remembered between two sweeps but which keys this process is minting.

A minted token is sealed under its credential's owner, as the credential itself is, and noted as a change of the
credential, so that the sweep of desired states delivers it. Every token that is minted is an event, and so are the
first failure, the alerts and the end; an attempt that fails again is not.

Left out: the calendar of stored credentials (`server.calendar`). Sources: mission rule 6; reliability F-37 and F-61.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from portreeve.core.audit import Action, ObjectKind, Outcome, Target, digest, escaped
from portreeve.core.estate import Key
from portreeve.core.policy import Registry
from portreeve.core.refresh import (
    MINTING_S,
    Effect,
    Event,
    Failed,
    Forget,
    Keep,
    Line,
    Mint,
    Notice,
    State,
    Tell,
    Tick,
    Wants,
    Why,
    step,
)
from portreeve.core.refresh import Minted as Answered
from portreeve.errors import Denied, Invalid, PortreeveError, Problem, Throttled, Unauthenticated, Unavailable
from portreeve.providers.contract import Minted
from portreeve.server import logs
from portreeve.server.audit.journal import Entry
from portreeve.server.credentials.keeper import Keeper
from portreeve.server.credentials.material import material
from portreeve.server.credentials.rewrap import US
from portreeve.server.database.engine import Database
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.documents import store as documents
from portreeve.server.documents.snapshot import TokenRow
from portreeve.server.http.answers import json_bytes
from portreeve.server.refresh import store
from portreeve.server.refresh.minter import Minter
from portreeve.server.refresh.needs import Need, needs

TICK_S: Final = 5
"""Seconds between sweeps: with a minute of backing off and an attempt that hangs, less than two minutes."""

SUCCESS: Final = "success"
"""The result of an attempt that brought a token; the others are the kinds of failure."""

_CHANCE: Final = secrets.SystemRandom()


class Refresh:
    """The service. `chance` gives numbers in [0, 1)."""

    def __init__(
        self,
        writer: Writer,
        database: Database,
        keeper: Keeper,
        minter: Minter,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        chance: Callable[[], float] = _CHANCE.random,
    ) -> None:
        self._writer = writer
        self._database = database
        self._keeper = keeper
        self.minter = minter
        self._clock = clock
        self._new_id = new_id
        self._chance = chance
        self._holder = new_id()
        self.minting: dict[str, asyncio.Task[None]] = {}
        self.results: Counter[str] = Counter()
        """How attempts of this process ended: SUCCESS, or the kind of failure."""
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Sweep from now on."""
        self._task = asyncio.create_task(self._run(), name="refresh")

    async def stop(self) -> None:
        """Sweep no more. An attempt that is under way is broken off: its lease ends, and another replica takes over."""
        self._stopping.set()
        for task in self.minting.values():
            task.cancel()
        await asyncio.gather(*self.minting.values(), return_exceptions=True)
        if self._task is not None:
            await self._task

    def problems(self) -> tuple[Problem, ...]:
        """Tokens that are about to end, or have, while minting fails."""
        snapshot = self._writer.snapshot
        names = {row.id: row.registry for row in snapshot.credentials.values()}
        return tuple(
            Problem(token.code, f"the token of {names.get(credential, credential)} ends and cannot be minted anew")
            for credential, token in sorted(snapshot.tokens.items())
            if token.told >= Notice.SOON
        )

    async def sweep(self) -> int:
        """Mint what is due, and wait for it; how many attempts that were."""
        begun = await self._claim()
        await asyncio.gather(*begun, return_exceptions=True)
        return len(begun)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._claim()
            except Exception as error:  # noqa: BLE001 -- whatever is due is found again, once the database is back
                logs.task_failed("refresh", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._stopping.wait()

    async def _claim(self) -> list[asyncio.Task[None]]:
        """Take the leases of what is due, and begin to mint; the tasks that do."""
        snapshot, now, busy = await self._writer.current(), self._clock(), frozenset(self.minting)
        async with self._database.reader.connect() as connection:
            state = await store.load(connection)
        # Looked at first without a transaction: most sweeps find nothing.
        wanted = [need.wanted for need in needs(snapshot).values()]
        if _steps(state, Wants(wanted, now), Tick(now, busy)) == (state, []):
            return []

        async def job(transaction: Transaction) -> list[tuple[Need, Mint]]:
            found = needs(transaction.snapshot)
            before = await store.load(transaction.connection)
            events = Wants([need.wanted for need in found.values()], transaction.now), Tick(transaction.now, busy)
            after, effects = _steps(before, *events)
            await self._stored(transaction, found, before, after, effects)
            if after.buckets != before.buckets:
                await store.save_peers(transaction.connection, after.buckets)
            return [(found[one.key], one) for one in effects if isinstance(one, Mint)]

        return [self._begin(need, mint) for need, mint in await self._writer.run(job)]

    def _begin(self, need: Need, mint: Mint) -> asyncio.Task[None]:
        task = asyncio.create_task(self._attempt(need, mint), name=f"mint {need.row.registry}")
        self.minting[mint.key] = task
        task.add_done_callback(lambda _: self.minting.pop(mint.key, None))
        return task

    async def _attempt(self, need: Need, mint: Mint) -> None:
        """Mint and settle. What is raised here is the database's: the lease ends, and it is tried again."""
        try:
            minted = await self._minted(need, mint)
            self.results[str(minted.why) if isinstance(minted, Failed) else SUCCESS] += 1
            if isinstance(minted, Failed):
                await self._settle(minted, None)
            else:
                ends = minted.expires_at
                await self._settle(Answered(mint.key, mint.attempt, ends, self._clock(), self._chance()), minted)
        except Exception as error:  # noqa: BLE001 -- see above
            logs.task_failed("refresh", error)

    async def _minted(self, need: Need, mint: Mint) -> Minted | Failed:
        try:
            async with self._database.reader.connect() as connection:
                secret = await self._keeper.open(connection, need.row, mint.source)
            stored = material(need.registry, need.row, secret)
            async with asyncio.timeout(MINTING_S):
                return await self.minter.mint(need.registry, stored, self._clock())
        except TimeoutError:
            why, code, after = Why.UNREACHABLE, "mint_timeout", None
        except PortreeveError as error:
            why, code, after = kind_of(error), error.code, error.retry_after_s
        except Exception as error:  # noqa: BLE001 -- a provider's mistake is the failure of this token alone
            logs.task_failed(f"mint {need.row.registry}", error)
            why, code, after = Why.ANSWER, "internal", None
        return Failed(mint.key, mint.attempt, why, code, self._clock(), self._chance(), after)

    async def _settle(self, event: Answered | Failed, minted: Minted | None) -> None:
        async def job(transaction: Transaction) -> None:
            found = needs(transaction.snapshot)
            if await store.holder(transaction.connection, event.key) != self._holder or event.key not in found:
                return
            before = await store.load(transaction.connection, event.key)
            after, effects = step(before, event)
            await self._stored(transaction, found, before, after, effects, minted)

        await self._writer.run(job)

    async def _stored(
        self,
        transaction: Transaction,
        found: Mapping[str, Need],
        before: State,
        after: State,
        effects: Sequence[Effect],
        minted: Minted | None = None,
    ) -> None:
        """Store what a step has changed, tokens first, with the events of it."""
        gone = [await self._forgotten(transaction, one.key) for one in effects if isinstance(one, Forget)]
        told = []
        for effect in effects:
            if isinstance(effect, Keep):
                assert minted is not None
                need = found[effect.key]
                await self._keeper.keep_token(
                    transaction.connection, minted.login, need.row, effect.key, effect.held, transaction.now
                )
                transaction.record(self._entry(need, after.lines[effect.key]))
                told.append(effect.key)
            elif isinstance(effect, Tell):
                if effect.notice is not Notice.RECOVERED:
                    transaction.record(self._entry(found[effect.key], after.lines[effect.key], effect))
                logs.refreshing(found[effect.key].row.registry, effect.notice.name.lower(), effect.code)
                told.append(effect.key)
        for key, line in after.lines.items():
            if line != before.lines.get(key):
                need = found[key]
                await store.save_line(transaction.connection, line, need.row.id, self._holder, transaction.now)
        await self._publish(transaction, [(found[key], after.lines[key]) for key in dict.fromkeys(told)], gone)

    async def _forgotten(self, transaction: Transaction, key: str) -> str:
        """Delete a line and its token; the id of the credential, which is the key, and may be gone."""
        await self._keeper.drop_token(transaction.connection, key)
        await store.drop_line(transaction.connection, key)
        return key

    @staticmethod
    async def _publish(transaction: Transaction, lines: Sequence[tuple[Need, Line]], gone: Sequence[str]) -> None:
        """Let everybody see it: the sweep of desired states, watchers, other replicas."""
        names = {row.id: row.registry for row in transaction.snapshot.credentials.values()}
        noted = [(need.row.registry, need.row.version) for need, _ in lines]
        noted += [(names[one], 0) for one in gone if one in names]
        for name, version in noted:
            key = Key(documents.CREDENTIAL, name)
            revision = transaction.next_revision()
            await documents.note(transaction.connection, revision, key, "updated", version, transaction.now)
        if noted or gone:
            rows = [TokenRow(need.row.id, one.held, one.why, one.code, one.told) for need, one in lines]
            transaction.snapshot = transaction.snapshot.with_tokens(transaction.revision, rows, gone)

    def _entry(self, need: Need, line: Line, told: Tell | None = None) -> Entry:
        """The event of a token that was minted, or of what is told of one that was not."""
        assert isinstance(need.registry.value, Registry)
        name, project = f"{need.row.registry}/{need.row.purpose}", need.registry.value.project
        target = Target(ObjectKind.CREDENTIAL, escaped(name), project=escaped(project) if project else None)
        request = f"refresh-{self._new_id()}"
        if told is None:
            assert line.held is not None
            after = digest(json_bytes([need.row.id, line.held.serial, line.held.source]))
            return Entry(US, Action.TOKEN_MINT, target, request, after=after)
        action = Action.TOKEN_MINT if told.notice is Notice.FAILING else Action.CREDENTIAL_EXPIRING
        return Entry(US, action, target, request, Outcome.REFUSED, told.code)


def kind_of(error: PortreeveError) -> Why:
    """What to do about a failure."""
    match error:
        case Denied() | Unauthenticated() | Invalid():
            return Why.REFUSED
        case Throttled():
            return Why.THROTTLED
        case Unavailable():
            return Why.UNREACHABLE
        case _:
            return Why.ANSWER


def _steps(state: State, *events: Event) -> tuple[State, list[Effect]]:
    found: list[Effect] = []
    for event in events:
        state, effects = step(state, event)
        found += effects
    return state, found
