"""Whatever changes something in the console has a test that runs the command it shows, or a reason to have none."""

from __future__ import annotations

from tests.console.mutations import AS_TEXT, EXCEPT, places, run_by_tests


def test_every_mutation_has_its_command_run() -> None:
    there, run = places(), run_by_tests()
    unrun = [f"{place} ({there[place]})" for place in there if place not in run and place not in EXCEPT]
    assert not unrun, "no test runs what these show; see tests/console/mutations.py"
    assert len(there) > 50, "the sources are not read as they are written any more"


def test_what_is_named_is_there() -> None:
    there, run = places(), run_by_tests()
    assert not set(run) - set(there), "tests name places that the console has not"
    assert not (set(EXCEPT) | set(AS_TEXT)) - set(there), "reasons are given for places that the console has not"
    assert not set(EXCEPT) & set(run), "what a test runs needs no reason"
    assert all((*EXCEPT.values(), *AS_TEXT.values()))
