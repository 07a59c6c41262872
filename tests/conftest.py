"""Fixtures of the real parts, for every test, and how the laws are tried."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from itertools import islice

import pytest
from hypothesis import settings

from tests.tools.memory import in_memory
from tests.tools.required import real_parts_required

pytest_plugins = ["tests.tools.fixtures"]

# By itself Python looks for garbage after each 700 objects, and through all of them when there is a quarter more. An
# application is 100,000, and a test throws one away: looking was a sixth of the processor's time.
gc.set_threshold(50_000, 20, 20)

# The directories of tests are in memory where that is possible; some tests put programs there. Those of failed tests
# stay.
if place := in_memory(programs=True):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(place))

# No test may fail for being slow. Where a run is a gate it tries the same examples each time, so that what it says is
# about the change; on a developer's machine every run tries new ones. `make check` asks for fewer of them.
settings.register_profile("portreeve", deadline=None, derandomize=real_parts_required())
settings.register_profile("check", settings.get_profile("portreeve"), max_examples=30)
settings.load_profile("portreeve")

WHOLE = frozenset({"control_plane", "postgres", "postgres_database"})
"""Fixtures that run a database server, or the program against a control plane that listens: seconds for each test."""


LONGEST = (
    "test_python_and_cel_agree_on_generated_references",
    "test_a_kill_at_any_statement_loses_nothing_and_leaves_nothing_half_done",
    "test_generated_and_good_requests_are_answered_as_described",
    "test_no_secret_is_in_any_byte_that_is_left",
    "test_the_real_api_server_refuses_exactly_what_the_corpus_says",
    "test_a_wheel_of_the_source_archive_answers_the_console",
    "test_killed_at_any_statement_it_comes_to_the_head",
    "test_more_drawn_worlds_break_none",
    "test_hostile_names_parameters_and_headers_are_refused_or_found_to_be_nothing",
    "test_every_changed_byte_of_300_events_is_detected",
    "test_thousands_of_drawn_clusters_break_none_and_every_fault_happens",
    "test_the_story_comes_out_as_it_says",
    "test_the_1_30_evaluator_refuses_exactly_what_the_corpus_says",
    "test_ecr_tokens_are_renewed_by_themselves_for_three_days",
    "test_an_etcd_that_was_restored_to_an_older_state_is_caught_up_with",
    "test_no_credential_is_in_any_byte_but_in_the_secret",
    "test_hundreds_of_drawn_worlds_break_none",
    "test_two_replicas_mint_two_hundred_tokens_once_each",
    "test_storms_of_faults_end_in_what_is_wanted",
    "test_the_script_goes_from_a_first_start_to_a_second_control_plane",
    "test_the_matrix_holds_on_postgresql",
    "test_each_is_called_what_it_is_and_gets_nothing_in_little_memory",
    "test_reading_says_that_the_database_is_away",
)
"""Of a quarter of a minute and more, the longest first: begun early, so that none of them is waited for at the end."""

SHARED = ("kubernetes", "browser")
"""What is dear to start and idles to the end: one worker has a cluster, another one Chromium. What uses one goes there
first, module by module, so that little of it is left when workers take from each other.
"""


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """What goes through whole processes is `wide`, so that `make check` answers within two minutes.

    What a run takes of them is known only after that, and is what is put in order.
    """
    for item in items:
        if WHOLE & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.wide)
    yield
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers > 1:
        items[:] = in_order(items, workers)


def in_order(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """The items in as many parts of one size as there are workers, which begin with one part each."""
    parts: list[list[pytest.Item]] = [[] for _ in range(workers)]
    long = sorted((item for item in items if not _shared(item) and _rank(item) < len(LONGEST)), key=_rank)
    for kind, name in enumerate(SHARED):
        own = [item for item in items if _shared(item) == name]
        parts[kind % workers].extend(sorted(own, key=lambda item: item.nodeid.partition("::")[0]))
    for number, item in enumerate(long):
        parts[-1 - number % max(1, workers - len(SHARED))].append(item)
    begun = {id(item) for part in parts for item in part}
    rest = iter([item for item in items if id(item) not in begun])
    for number, part in enumerate(parts):
        part.extend(
            islice(rest, max(0, len(items) * (number + 1) // workers - len(items) * number // workers - len(part)))
        )
    parts[-1].extend(rest)
    return [item for part in parts for item in part]


def _shared(item: pytest.Item) -> str:
    names = getattr(item, "fixturenames", ())
    return next((name for name in SHARED if name in names), "")


def _rank(item: pytest.Item) -> int:
    """Its place in LONGEST; behind all of them if it has none."""
    return next((rank for rank, name in enumerate(LONGEST) if item.name.startswith(name)), len(LONGEST))


def pytest_collection_finish() -> None:
    """Take what stays to the end out of the garbage collector's sight: a million objects of imported modules and tests.

    Each full collection looked through them all, a second a time and a fifth of the whole run. What tests make is
    collected still.
    """
    gc.collect()
    gc.freeze()
