"""What a request is told, over everything that can be known of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from portreeve.core.access_requests import MOST_IN_NAMESPACE, MOST_REQUESTS, AccessRequest, Refusal, told
from portreeve.core.access_status import AccessGrant, Decisions, Place, Reason, State, same, status
from portreeve.core.agent_messages import Phase
from portreeve.core.cluster import LabelSelector, NamespaceSelection
from portreeve.core.credential import CredentialRef
from portreeve.core.observation import EntryFact

NOW = datetime(2026, 7, 1, tzinfo=UTC)
UNSEEN = Place()
DAY = timedelta(days=1)
REQUEST = AccessRequest("shop", "harbor", "u1", 3, "r")
SHOP = NamespaceSelection(("shop",))


def grant(**more: Any) -> AccessGrant:
    given: dict[str, Any] = {"owner": "access a", "registry": "r", "keys": ("r.example.com/",), "namespaces": SHOP,
             "credential": CredentialRef("c", 1)}  # fmt: skip
    return AccessGrant(**given | more)


def delivered(ends: datetime | None = None, *, version: int = 1, live: bool = True) -> Place:
    fact = EntryFact("r.example.com/", CredentialRef("c", version, ends), live)
    return Place({}, Phase.DELIVERED, (fact,))


def said(
    decisions: Decisions, place: Place = UNSEEN, before: Mapping[str, Any] | None = None, now: datetime = NOW
) -> dict[str, Any]:
    found = status(REQUEST, before or {}, decisions, place, now)
    assert found is not None
    return found


def ready(found: Mapping[str, Any]) -> tuple[str, str, str]:
    """State, and status and reason of Ready."""
    one = found["conditions"][0]
    assert one["type"] == "Ready"
    return found["state"], one["status"], one["reason"]


GRANTED = Decisions((grant(),))
REFUSED = Decisions((), (Refusal("shop", "harbor", "u1", 3, "no"),))


@pytest.mark.parametrize(
    ("decisions", "place", "expected"),
    [
        (Decisions(), Place(), ("Requested", "False", "Requested")),
        (REFUSED, Place(), ("Refused", "False", "Refused")),
        (Decisions((), (Refusal("shop", "harbor", "u1", 2, "no"),)), Place(), ("Requested", "False", "Requested")),
        (Decisions((), (Refusal("shop", "harbor", "u0", 3, "no"),)), Place(), ("Requested", "False", "Requested")),
        (Decisions(GRANTED.grants, REFUSED.refusals), delivered(), ("Granted", "True", "SecretSynced")),
        (Decisions((grant(registry="other"),)), delivered(), ("Requested", "False", "Requested")),
        (GRANTED, delivered(live=False), ("Granted", "True", "SecretSynced")),
        (GRANTED, Place({}, Phase.PENDING), ("Granted", "False", "Delivering")),
        (GRANTED, Place({}, Phase.DELIVERED), ("Granted", "False", "Delivering")),
        (GRANTED, Place({}, Phase.NOTHING), ("Granted", "False", "NothingToDeliver")),
        (GRANTED, Place({}, Phase.TAKEN), ("Granted", "False", "SecretConflict")),
        (GRANTED, Place({}, Phase.IMMUTABLE), ("Granted", "False", "SecretConflict")),
        (GRANTED, Place({}, Phase.DISAGREEING), ("Granted", "False", "SecretConflict")),
        (GRANTED, Place({}, Phase.FORBIDDEN), ("Granted", "False", "SecretConflict")),
        (GRANTED, Place({}, Phase.REFUSED), ("Granted", "False", "SecretConflict")),
        (Decisions((grant(credential=None),)), Place(), ("Granted", "True", "NoSecretNeeded")),
        (Decisions((grant(brings_secret=False),)), Place(), ("Granted", "True", "NoSecretNeeded")),
        (GRANTED, delivered(NOW), ("Expired", "False", "CredentialsExpired")),
        (GRANTED, delivered(NOW + DAY), ("Granted", "True", "SecretSynced")),
    ],
)
def test_every_stand_has_its_words(decisions: Decisions, place: Place, expected: tuple[str, str, str]) -> None:
    assert ready(said(decisions, place)) == expected


def test_while_a_rotation_overlaps_the_newer_version_is_told() -> None:
    older, newer = (delivered(NOW + days * DAY, version=days).entries for days in (1, 30))
    for entries in (older + newer, newer + older):
        found = said(GRANTED, Place({}, Phase.DELIVERED, entries))
        assert (found["credential"]["version"], found["expiresAt"]) == (30, "2026-07-31T00:00:00Z")


def test_conditions_are_as_kstatus_wants_them() -> None:
    """Exactly one of current, in progress and failed; and never a reason that is not public."""
    places = [Place({}, phase) for phase in Phase] + [delivered(NOW), delivered(), delivered(live=False)]
    for decisions, place in product((Decisions(), GRANTED, REFUSED, Decisions((grant(credential=None),))), places):
        found = said(decisions, place)
        held = {one["type"]: one["status"] for one in found["conditions"]}
        assert sorted(held) == ["Ready", "Reconciling", "Stalled"]
        assert list(held.values()).count("True") == 1
        assert {one["reason"] for one in found["conditions"]} <= set(Reason)
        assert found["state"] in set(State)
        assert {one["observedGeneration"] for one in found["conditions"]} == {found["observedGeneration"]} == {3}
        assert all(one["message"] for one in found["conditions"])
        # At rest: the same world says the same, whenever it is asked.
        again = status(REQUEST, json.loads(json.dumps(found)), decisions, place, NOW + timedelta(seconds=1))
        assert again == found


def test_an_agent_that_has_not_looked_yet_says_nothing() -> None:
    assert status(REQUEST, {}, GRANTED, Place(), NOW) is None


def test_a_selector_needs_the_labels_and_system_namespaces_are_granted_nothing() -> None:
    chosen = NamespaceSelection((), LabelSelector((("team", "shop"),)))
    decisions = Decisions((grant(namespaces=chosen),))
    assert ready(said(decisions))[0] == "Requested"
    place = delivered()
    assert ready(said(decisions, Place({"team": "shop"}, place.phase, place.entries)))[0] == "Granted"
    everywhere = Decisions((grant(namespaces=NamespaceSelection((), LabelSelector())),))
    system = AccessRequest("kube-system", "harbor", "u1", 3, "r")
    found = status(system, {}, everywhere, place, NOW)
    assert found is not None
    assert found["state"] == "Requested"


def test_times_tell_when_something_changed() -> None:
    waiting = said(Decisions())
    first = said(GRANTED, delivered(NOW + 40 * DAY), waiting, NOW + DAY)
    since = {one["type"]: one["lastTransitionTime"] for one in first["conditions"]}
    assert since == {"Ready": "2026-07-02T00:00:00Z", "Reconciling": "2026-07-02T00:00:00Z",
                     "Stalled": "2026-07-01T00:00:00Z"}  # fmt: skip
    assert (first["lastRefreshTime"], first["expiresAt"]) == ("2026-07-02T00:00:00Z", "2026-08-10T00:00:00Z")
    later = said(GRANTED, delivered(NOW + 40 * DAY), first, NOW + 2 * DAY)
    assert later["lastRefreshTime"] == first["lastRefreshTime"]
    rotated = said(GRANTED, delivered(NOW + 80 * DAY, version=2), later, NOW + 3 * DAY)
    assert rotated["lastRefreshTime"] == "2026-07-04T00:00:00Z"
    assert rotated["conditions"][1:] == [{**one, "message": rotated["conditions"][0]["message"]}
                                         for one in first["conditions"][1:]]  # fmt: skip


@pytest.mark.parametrize(
    ("life", "left", "reason"),
    [
        (timedelta(hours=12), timedelta(hours=6), "SecretSynced"),
        (timedelta(hours=12), timedelta(hours=3, seconds=1), "SecretSynced"),
        (timedelta(hours=12), timedelta(hours=3), "CredentialsExpiring"),
        (400 * DAY, timedelta(days=7, seconds=1), "SecretSynced"),
        (400 * DAY, timedelta(days=7), "CredentialsExpiring"),
        (400 * DAY, timedelta(0), "CredentialsExpired"),
    ],
)
def test_what_is_not_renewed_in_time_is_told_before_it_ends(life: timedelta, left: timedelta, reason: str) -> None:
    first = said(GRANTED, delivered(NOW + life))
    assert ready(said(GRANTED, delivered(NOW + life), first, NOW + life - left))[2] == reason


def test_whatever_stands_in_a_status_is_no_obstacle() -> None:
    """Somebody with rights to it may have written anything that the schema lets through."""
    odd: list[dict[str, Any]] = [
        {"conditions": []},
        {"conditions": [{"type": "Ready", "status": "True"}], "credential": {}},
        {"credential": {"id": "c", "version": 1}, "lastRefreshTime": "2026-07-01T00:00:00.5Z"},
    ]
    for before in odd:
        assert ready(said(GRANTED, delivered(NOW + DAY), before))[1] == "True"


def test_the_order_of_conditions_does_not_count() -> None:
    found = said(GRANTED, delivered())
    assert same(found, {**found, "conditions": found["conditions"][::-1]})
    assert not same(found, {**found, "state": "Expired"})


def test_one_namespace_cannot_crowd_out_the_others() -> None:
    many = [AccessRequest("a", f"n{number:04}", "u", 1, "r") for number in range(MOST_REQUESTS + 1)]
    found = list(told([*many, REQUEST]))
    assert len(found) == MOST_IN_NAMESPACE + 1
    assert found[-1] == REQUEST
    left_out = status(many[-1], {}, Decisions(), Place(), NOW, is_told=False)
    assert left_out is not None
    assert ready(left_out)[2] == "TooManyRequests"
    spread = [AccessRequest(f"n{number:04}", "r", "u", 1, "r") for number in range(MOST_REQUESTS + 5)]
    assert len(list(told(spread))) == MOST_REQUESTS
