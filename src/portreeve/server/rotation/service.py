"""Ending rotations: a sweep that lets the version before go once everybody has the present one, or the grace ended.

Theory of operation. That a rotation overlaps is a stored fact of the credential, and who has confirmed follows from
what environments have reported; `core.rotation` decides. So a sweep of any replica, after any kill, goes on with what
is stored. In the transaction that ends an overlap its envelope is deleted; with that the old version leaves the desired
states, which the next sweep of those writes and the agents carry out. The event says why, and the log who had not
confirmed.

Sources: mission rule 7; requirement U-05. Decision record: docs/adr/0025.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from portreeve.core.audit import Action, ObjectKind, Target, escaped
from portreeve.core.estate import Key
from portreeve.core.policy import Registry
from portreeve.core.rotation import Standing, Why, ended, standing
from portreeve.server import logs
from portreeve.server.audit.journal import Entry
from portreeve.server.credentials.rewrap import US
from portreeve.server.credentials.service import Credentials
from portreeve.server.database.engine import Database
from portreeve.server.database.sweeping import Sweeping
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.documents.snapshot import CredentialRow, Snapshot
from portreeve.server.rotation.progress import grants_of, held_in

SWEEP_S: Final = 60
"""Seconds between sweeps without any change: graces end."""


class Rotations:
    """The service."""

    def __init__(
        self,
        writer: Writer,
        database: Database,
        credentials: Credentials,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._writer = writer
        self._database = database
        self._credentials = credentials
        self._clock = clock
        self._new_id = new_id
        self._sweeping = Sweeping(writer, "rotations", self.sweep, lambda: SWEEP_S)

    def start(self) -> None:
        """Sweep from now on."""
        self._sweeping.start()

    async def stop(self) -> None:
        """Sweep no more; a sweep that is under way is finished."""
        await self._sweeping.stop()

    async def sweep(self) -> int:
        """End the overlaps that are over; how many those were."""
        snapshot, now, done = await self._writer.current(), self._clock(), 0
        for row in [one for one in snapshot.credentials.values() if one.overlap is not None]:
            standings = await self._standings(snapshot, row, now)
            assert row.overlap is not None
            why = ended(standings.values(), row.overlap.until, now)
            if why is not None:
                done += await self._end(row, why, standings)
        return done

    async def _standings(self, snapshot: Snapshot, row: CredentialRow, now: datetime) -> dict[str, Standing]:
        """Environment → how it stands to the present version."""
        assert row.overlap is not None
        found = {}
        async with self._database.reader.connect() as connection:
            for environment, grants in grants_of(snapshot, row.registry):
                held = await held_in(connection, snapshot, environment, grants, row.id)
                found[environment.name] = standing(held, row.version, row.overlap.begun_at, now)
        return found

    async def _end(self, row: CredentialRow, why: Why, standings: dict[str, Standing]) -> bool:
        async def job(transaction: Transaction) -> bool:
            held = transaction.snapshot.credentials.get((row.registry, row.purpose))
            # Rotated or set anew meanwhile: that is another overlap, with facts of its own.
            if held is None or (held.id, held.version, held.overlap) != (row.id, row.version, row.overlap):
                return False
            await self._credentials.retire(transaction, held, self._entry(transaction.snapshot, held, why))
            return True

        done = await self._writer.run(job)
        if done:
            behind = sorted(name for name, one in standings.items() if one in {Standing.WAITING, Standing.UNREACHABLE})
            logs.rotated(row.registry, str(why), behind)
        return done

    def _entry(self, snapshot: Snapshot, row: CredentialRow, why: Why) -> Entry:
        stored = snapshot.documents.get(Key("Registry", row.registry))
        project = stored.value.project if stored is not None and isinstance(stored.value, Registry) else ""
        target = Target(
            ObjectKind.CREDENTIAL,
            escaped(f"{row.registry}/{row.purpose}"),
            project=escaped(project) if project else None,
        )
        return Entry(US, Action.CREDENTIAL_RETIRE, target, f"rotation-{self._new_id()}", reason=str(why))
