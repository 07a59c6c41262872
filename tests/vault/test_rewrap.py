"""The machine of core.rewrap with real keys: killed anywhere, everything still opens, and nowhere else than before."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from portreeve.core.rewrap import (
    Changed,
    Count,
    Counted,
    Effect,
    Event,
    Item,
    Move,
    Moved,
    Page,
    Phase,
    ReadPage,
    Resume,
    State,
    step,
)
from portreeve.core.secret import SecretValue
from portreeve.errors import Stalled
from portreeve.vault import aead, envelope, key_check, owner_keys
from portreeve.vault.binding import Owner, Place
from portreeve.vault.key_providers import LocalMasterKey
from portreeve.vault.owner_keys import WrappedOwnerKey
from portreeve.vault.ports import MasterKeys

OLD, NEW = LocalMasterKey(aead.new_key()), LocalMasterKey(aead.new_key())
BOTH = MasterKeys(NEW, (OLD,))
OWNERS = (Owner(), Owner("a"), Owner("b"))
PLACES = {owner: Place(owner, "r", "password", 1) for owner in OWNERS}


@dataclass
class Database:
    """Wrapped owner keys by record id, and one envelope of each owner."""

    keys: dict[str, WrappedOwnerKey]
    envelopes: dict[Owner, bytes]

    def do(self, effect: Effect) -> Event:
        match effect:
            case ReadPage(after, target):
                left = [record for record, key in self.keys.items() if key.master_key_id != target and record > after]
                return Page(tuple(Item(record, self.keys[record].master_key_id) for record in sorted(left)[:2]))
            case Move(record, from_key):
                if self.keys[record].master_key_id != from_key:
                    return Changed(record)
                self.keys[record] = owner_keys.rewrapped(self.keys[record], BOTH)
                return Moved(record)
            case Count(target):
                return Counted(sum(key.master_key_id != target for key in self.keys.values()))


def made() -> Database:
    keys = {owner: owner_keys.create(owner, [], OLD) for owner in OWNERS}
    sealed = {
        owner: envelope.seal(SecretValue(str(owner)), PLACES[owner], owner_keys.unwrap(key, BOTH))
        for owner, key in keys.items()
    }
    return Database({str(owner): key for owner, key in keys.items()}, sealed)


def scope(database: Database, masters: MasterKeys) -> set[tuple[str, Owner, Owner]]:
    """Which owner key opens which envelope at which place."""
    found = set()
    for record, stored in database.keys.items():
        for owner, sealed in database.envelopes.items():
            for place in PLACES.values():
                try:
                    envelope.open_sealed(sealed, place, owner_keys.unwrap(stored, masters))
                except Stalled:
                    continue
                found.add((record, owner, place.owner))
    return found


@pytest.mark.parametrize("acknowledged", [False, True])
@pytest.mark.parametrize("at", range(9))
def test_a_kill_at_any_step_keeps_everything_open_and_no_wider(at: int, acknowledged: bool) -> None:
    database = made()
    before = scope(database, BOTH)
    assert len(before) == len(OWNERS)
    saved, effects = step(State(NEW.key_id), Resume())
    for number in range(at + 1):
        if not effects:
            break
        event = database.do(effects[0])
        assert scope(database, BOTH) == before
        if number < at or acknowledged:
            saved, effects = step(saved, event)
    state, effects = step(saved, Resume())
    while effects:
        state, effects = step(state, database.do(effects[0]))
    assert state.phase is Phase.DONE
    assert scope(database, MasterKeys(NEW)) == before
    assert scope(database, MasterKeys(OLD)) == set()


def test_half_way_both_master_keys_are_needed_to_start() -> None:
    database = made()
    _, effects = step(State(NEW.key_id), Resume())
    page = database.do(effects[0])
    assert isinstance(page, Page)
    database.do(Move(page.items[0].record, OLD.key_id, NEW.key_id))
    in_use = [key.master_key_id for key in database.keys.values()]
    checks = [key_check.make(OLD), key_check.make(NEW)]
    key_check.verify(BOTH, checks, in_use)
    for alone in (MasterKeys(NEW), MasterKeys(OLD)):
        with pytest.raises(Stalled):
            key_check.verify(alone, checks, in_use)
