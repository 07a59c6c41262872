"""What is worth doing first: by how much stands still, then by how much is exposed; unknown is never good."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.enforcement_messages import Enforcement
from portreeve.core.fleet import (
    EXPIRING,
    SOON,
    Asked,
    Ending,
    Facts,
    Failing,
    Health,
    Lapse,
    Place,
    Standing,
    Tally,
    Thing,
    Ungranted,
    Word,
    counted,
    health,
    largest,
    listed,
    things,
    word,
)
from portreeve.core.policy import Stage
from portreeve.core.verdict import Decision

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def standing(
    name: str,
    *,
    tally: Tally | None = None,
    enforcement: Enforcement = Enforcement.ENFORCED,
    health: Health = Health.READY,
    policy: str | None = "prod",
    stage: Stage | None = Stage.DENY,
) -> Standing:
    """An environment at which nothing is wrong."""
    return Standing(name, "production", enforcement, health, policy, stage, Tally(3) if tally is None else tally)


def pasted(one: Thing) -> str:
    return " | ".join(shlex.join(words) for words in one.command)


def test_where_nothing_is_wrong_there_is_nothing_to_do() -> None:
    assert things(Facts([standing("eu"), standing("us")]), NOW) == ()


def test_what_stands_still_comes_before_what_is_merely_exposed() -> None:
    facts = Facts(
        [
            standing("dev", policy=None, stage=None, enforcement=Enforcement.OFF, tally=Tally(not_judged=5000)),
            standing("prod", tally=Tally(allow=90, deny=4, violations=4, refused=4)),
        ],
        endings=[Ending("harbor", "pull", NOW + DAY, 40, 7, 2)],
        failing=[Failing("prod", "shop", "rate_limit", "the registry counts pulls", 6)],
    )
    found = things(facts, NOW)
    assert [(one.code, one.stops, one.exposed) for one in found] == [
        ("credential_ends", 40, 0),
        ("pulls_fail", 6, 0),
        ("refused_when_restarted", 4, 0),
        ("not_governed", 0, 5000),
    ]


def test_equal_radii_keep_the_order_from_broken_to_untidy() -> None:
    facts = Facts(
        [
            standing("new", health=Health.UNKNOWN, tally=Tally()),
            standing("gone", health=Health.UNREACHABLE, tally=Tally()),
        ],
        asked=[Asked("eu", "shop", "wish", "harbor")],
    )
    assert [one.code for one in things(facts, NOW)] == ["environment_silent", "environment_unknown", "requests_wait"]


def test_a_credential_is_something_to_do_from_two_weeks_before_its_end_and_after_it() -> None:
    ends = {"far": SOON + DAY, "near": SOON, "over": -DAY}
    facts = Facts(endings=[Ending(name, "pull", NOW + left, 1, 1, 1) for name, left in ends.items()])
    found = {one.title for one in things(facts, NOW)}
    assert found == {"The pull credential of near ends in 14 days", "The pull credential of over has ended"}


def test_each_thing_has_one_command_that_can_be_pasted_and_a_page() -> None:
    facts = Facts(
        [
            standing("a b", enforcement=Enforcement.GAP),
            standing("quiet", health=Health.UNREACHABLE),
            standing("odd", tally=Tally(unknown=2)),
            standing("free", policy=None, stage=None),
        ],
        endings=[Ending("harbor", "management", NOW, 0, 0, 0)],
        ungranted=[Ungranted("eu", "shop", "quay", 3), Ungranted("eu", "pay", "quay", 9)],
        lapses=[Lapse("old-one", NOW + DAY, 2), Lapse("idle", NOW + DAY, 0)],
        asked=[Asked("eu", "shop", "wish", "harbor"), Asked("eu", "pay", "wish", "quay")],
    )
    found = {one.code: one for one in things(facts, NOW) if one.code != "exemption_ends"}
    assert {code: pasted(one) for code, one in found.items()} == {
        "enforcement_gap": "portreeve attachments --environment 'a b'",
        "environment_silent": "portreeve describe environment quiet",
        "verdict_unknown": "portreeve describe environment odd",
        "not_governed": "portreeve suggest . --name starter | portreeve apply -f -",
        "credential_ends": "portreeve rotate registry harbor --purpose management --from-env NEW_SECRET",
        "not_granted": "portreeve grant quay --environment eu -n pay",
        "requests_wait": "portreeve approve request eu/pay/wish",
    }
    ends = [pasted(one) for one in things(facts, NOW) if one.code == "exemption_ends"]
    assert ends == [
        "portreeve exempt renew old-one --expires-at 2026-12-29T12:00:00Z",
        "portreeve exempt revoke idle",
    ]
    assert all(one.link.page and one.why.endswith(".") for one in found.values())


@pytest.mark.parametrize(
    ("agent", "connected", "ends", "expected"),
    [
        (False, False, None, Health.UNKNOWN),
        (False, True, NOW + 90 * DAY, Health.UNKNOWN),
        (True, False, NOW, Health.UNREACHABLE),
        (True, True, None, Health.READY),
        (True, True, NOW + EXPIRING + timedelta(seconds=1), Health.READY),
        (True, True, NOW + EXPIRING, Health.EXPIRING),
        (True, True, NOW - DAY, Health.EXPIRING),
    ],
)
def test_nobody_is_ready_of_whom_nothing_is_known(
    agent: bool, connected: bool, ends: datetime | None, expected: Health
) -> None:
    assert health(agent=agent, connected=connected, ends=ends, now=NOW) is expected


def test_the_worst_verdict_is_never_allow_where_anything_else_is() -> None:
    assert Tally(allow=900, unknown=1).worst is Word.UNKNOWN
    assert Tally(allow=900, unknown=1, deny=1).worst is Word.DENY
    assert Tally(allow=900, not_judged=1).worst is Word.NOT_JUDGED
    assert Tally(allow=1).worst is Word.ALLOW
    assert Tally().worst is None
    assert Tally().coverage is None
    assert Tally(allow=1, not_judged=3).coverage == 0.25


def test_every_decision_has_a_word() -> None:
    assert {word(one) for one in (*Decision, None)} == set(Word)


TALLIES = st.builds(Tally, *(st.integers(0, 50) for _ in range(4)))
PLACES = st.lists(
    st.builds(Place, st.sampled_from("gh"), st.sampled_from("abc"), st.uuids().map(str), TALLIES, st.booleans()),
    max_size=30,
)


@given(PLACES, st.integers(0, 20))
def test_no_area_of_the_map_is_lost_in_the_rest(places: list[Place], most: int) -> None:
    shown, rest = largest(places, most)
    assert len(shown) == min(most, len(places))
    every = sum((one.tally for one in places), Tally())
    left = sum((one.tally for one in rest), Tally())
    assert sum((one.tally for one in shown), left) == every
    assert len(shown) + sum(one.namespaces for one in rest) == len(places)
    if rest and shown:
        others = [one for one in places if one not in shown]
        assert min(one.tally.images for one in shown) >= max(one.tally.images for one in others)


def test_of_equal_squares_the_worse_one_is_shown() -> None:
    places = [Place("g", "a", "fine", Tally(allow=5)), Place("g", "a", "wrong", Tally(deny=5))]
    shown, rest = largest(places, 1)
    assert [one.namespace for one in shown] == ["wrong"]
    assert [(one.namespaces, one.tally) for one in rest] == [(1, Tally(allow=5))]


def test_sentences_count_and_name() -> None:
    assert counted(1, "image") == "1 image"
    assert counted(1200, "image") == "1,200 images"
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a and b"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
