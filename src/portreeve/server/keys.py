"""The master keys at a start: found, made at the very first one, and proven before anything is written with them.

A new key is made only where nothing has been stored yet. A database that names a key and finds another one, or none,
does not start (F-40, F-41): a new key would open nothing of what is stored, and would hide that for a while.

The key's file lies in a directory of its own, beside the settings: a backup of the database's directory then holds no
key, and whoever gets hold of that backup alone reads no credential. Source: threat CS-05; OWASP ASVS 5.0, 13.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, insert, inspect, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.errors import Invalid
from portreeve.server import data_directory
from portreeve.server.database import migrate
from portreeve.server.database.engine import Database
from portreeve.server.database.tables import KEY_CHECKS, OWNER_KEYS
from portreeve.server.settings import Settings
from portreeve.vault import certificates, key_providers, signing
from portreeve.vault.certificates import Authority
from portreeve.vault.key_check import KeyCheck, make, verify
from portreeve.vault.key_uris import master_key
from portreeve.vault.ports import MasterKey, MasterKeys
from portreeve.vault.signing import SigningKey

FILE: Final = "master.key"
SIGNING_FILE: Final = "signing.key"
AGENTS_FILE: Final = "agents.pem"

MAX_TRUST_BYTES: Final = 65_536
"""Of a file of certificates; a chain has about five thousand."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What the database knows of master keys: their check values, and the ids that wrapped keys name."""

    checks: tuple[KeyCheck, ...] = ()
    in_use: frozenset[str] = frozenset()

    @property
    def first_start(self) -> bool:
        """Whether nothing was ever stored under a key."""
        return not self.checks and not self.in_use


async def verified(
    database: Database, settings: Settings, environment: Mapping[str, str], clock: Callable[[], datetime]
) -> MasterKeys:
    """The keys in the settings, proven to be those of the database. Nothing is written to the database.

    Raises:
        Stalled: a key is wrong or missing (`master_key_wrong`, `master_key_missing`).
        Invalid: a key cannot be read, or lies beside the database.
    """
    async with database.reader.connect() as connection:
        stored = await _stored(connection)
    return await asyncio.to_thread(_verified, stored, settings, environment, clock)


def signing_key(settings: Settings) -> SigningKey:
    """The key that agents know this control plane by; made where there is none.

    Raises:
        Invalid, Stalled: it cannot be read or made.
    """
    data_directory.prepare(settings.keys_directory)
    return signing.from_file(settings.keys_directory / SIGNING_FILE)


def agent_authority(settings: Settings, now: datetime) -> Authority:
    """The authority for agents' certificates; made where there is none. Replicas share it, as they do the keys.

    Raises:
        Invalid, Stalled: it cannot be read or made.
    """
    data_directory.prepare(settings.keys_directory)
    return certificates.from_file(settings.keys_directory / AGENTS_FILE, now)


def agent_trust(settings: Settings) -> str:
    """The certificates that agents trust, in PEM; "" where there is no TLS that anything is known of.

    Raises:
        Invalid: `trust_bundle`.
    """
    file = settings.agents_trust or settings.tls_certificate
    if file is None:
        return ""
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_TRUST_BYTES).decode("ascii", "replace")
    except OSError as error:
        raise Invalid("trust_bundle", f"{file} cannot be read: {error.strerror}", hint="see its mode") from None
    return certificates.authorities(text) if settings.agents_trust is None else certificates.bundle(text)


async def remember(database: Database, keys: MasterKeys) -> None:
    """Store a check value of each key that has none. The tables must be those of this release.

    Raises:
        Stalled: `master_key_missing`: another replica made its first start meanwhile, with another key.
    """
    made = {key.key_id: await asyncio.to_thread(make, key) for key in (keys.current, *keys.retiring)}
    async with database.writer.begin() as connection:
        await migrate.lock(database, connection)
        stored = await _stored(connection)
        known = {check.key_id for check in stored.checks}
        # Each replica with a key of its own would open only what it has wrapped itself.
        for key_id in sorted(_needed(stored, keys)):
            keys.named(key_id)
        rows = [{"master_key": name, "value": one.value} for name, one in made.items() if name not in known]
        if rows:
            await connection.execute(insert(KEY_CHECKS), rows)


async def _stored(connection: AsyncConnection) -> Stored:
    if not await connection.run_sync(_has_tables):
        return Stored()
    checks = await connection.execute(select(KEY_CHECKS))
    named = await connection.scalars(select(OWNER_KEYS.c.master_key).where(OWNER_KEYS.c.master_key.is_not(None)))
    return Stored(tuple(KeyCheck(row.master_key, row.value) for row in checks), frozenset(named))


def _has_tables(connection: Connection) -> bool:
    # Looked at before the migrations, so that a start which is refused has changed nothing.
    return {KEY_CHECKS.name, OWNER_KEYS.name} <= set(inspect(connection).get_table_names())


def _verified(
    stored: Stored, settings: Settings, environment: Mapping[str, str], clock: Callable[[], datetime]
) -> MasterKeys:
    retiring = tuple(_named(uri, settings, environment, clock) for uri in settings.retiring_keys)
    if settings.master_key:
        current = _named(settings.master_key, settings, environment, clock)
    else:
        current = _from_own_file(settings, first=stored.first_start)
    keys = MasterKeys(current, retiring)
    verify(keys, stored.checks, _needed(stored, keys))
    return keys


def _needed(stored: Stored, keys: MasterKeys) -> frozenset[str]:
    """The key ids that have to be there. Where only a check was ever stored, its key counts as one in use.

    A key that nothing needs any more may be gone; but a database of which no key at all is known has got a wrong one.
    """
    known = {check.key_id for check in stored.checks}
    return stored.in_use if stored.in_use or known & set(keys.ids) else frozenset(known)


def _from_own_file(settings: Settings, *, first: bool) -> MasterKey:
    path = settings.keys_directory / FILE
    _refuse_beside_database(path, settings)
    if first and not path.exists() and not path.is_symlink():
        data_directory.prepare(settings.keys_directory)
        return key_providers.create_file(path)
    return key_providers.from_file(path)


def _named(uri: str, settings: Settings, environment: Mapping[str, str], clock: Callable[[], datetime]) -> MasterKey:
    scheme, _, rest = uri.partition(":")
    if scheme == "file":
        _refuse_beside_database(Path(rest), settings)
    return master_key(uri, environment, clock=clock)


def _refuse_beside_database(path: Path, settings: Settings) -> None:
    if path.resolve().is_relative_to(settings.data.resolve()):
        raise Invalid(
            "master_key_place",
            f"{path} lies in the data directory {settings.data}, so one backup would hold both",
            hint="keep the key elsewhere: PORTREEVE_SERVER_KEYS, or PORTREEVE_SERVER_MASTER_KEY=file:/path",
        )
