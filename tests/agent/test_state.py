"""The agent's directory: for its owner alone, written whole, and read again as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from portreeve.agent.state import Enrolled, StateDirectory
from portreeve.errors import Conflict, Invalid, NotFound
from portreeve.vault import agent_keys, certificates, sealing
from portreeve.vault.certificates import Identity

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
AUTHORITY = certificates.generate(NOW)
ENROLLED = Enrolled("https://plane.example.com", "prod", "0a1b", "cluster", b"k" * 32)


def certified(state: StateDirectory, counter: int = 1) -> str:
    return AUTHORITY.issue(agent_keys.request(state.next_key()), Identity("0a1b", counter), NOW).pem


def test_everything_is_for_its_owner_alone(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    state.opening_key()
    state.enrol(ENROLLED, certified(state), AUTHORITY.pem)
    state.keep_document(b"{}")
    assert state.path.stat().st_mode & 0o777 == 0o700
    assert {one.stat().st_mode & 0o777 for one in state.path.iterdir()} == {0o600}
    assert not [one for one in state.path.iterdir() if one.name.endswith(".new")]


def test_a_directory_that_others_may_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state").chmod(0o750)
    with pytest.raises(Invalid, match="may be used by others"):
        StateDirectory(tmp_path / "state")


def test_what_was_kept_is_read_again(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    opening = state.opening_key()
    state.enrol(ENROLLED, certified(state), AUTHORITY.pem)
    again = StateDirectory(state.path)
    assert again.enrolled() == ENROLLED
    assert again.trust() == AUTHORITY.pem
    assert sealing.public_bytes(again.opening_key().sealing_key) == sealing.public_bytes(opening.sealing_key)
    key, certificate = again.held()
    assert agent_keys.belongs(key, certificate)
    with pytest.raises(Conflict, match="has enrolled with"):
        again.refuse_enrolled()


def test_the_key_of_a_renewal_is_the_same_until_it_is_certified(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    state.enrol(ENROLLED, certified(state), AUTHORITY.pem)
    first = agent_keys.request(state.next_key())
    restarted = StateDirectory(state.path)
    assert restarted.next_key().equals_in_constant_time(state.next_key())
    foreign = AUTHORITY.issue(agent_keys.request(agent_keys.generate()), Identity("0a1b", 2), NOW)
    with pytest.raises(Invalid, match="for another key"):
        state.accept(state.next_key(), foreign.pem, AUTHORITY.pem)
    state.accept(state.next_key(), AUTHORITY.issue(first, Identity("0a1b", 2), NOW).pem, AUTHORITY.pem)
    assert not agent_keys.belongs(state.next_key(), state.held()[1])


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path / "state")
    with pytest.raises(NotFound, match="no agent has enrolled"):
        state.enrolled()
    (state.path / "enrolment.json").write_text("{}")
    with pytest.raises(Invalid, match="cannot be read"):
        state.enrolled()
    (state.path / "identity.pem").write_text("x")
    with pytest.raises(Invalid, match="no certificate with its key"):
        state.held()
