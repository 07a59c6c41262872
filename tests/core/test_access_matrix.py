"""Registries beside namespaces: delivery and use are two answers, and what nobody says is never a good one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from portreeve.core.access_matrix import Cell, Granted, Heard, State, Use, Why, for_people, is_in, table
from portreeve.core.cluster import LabelSelector, Namespace, NamespaceSelection
from portreeve.core.credential import CredentialRef
from portreeve.core.desired import Grant
from portreeve.core.estate import CredentialFacts
from portreeve.core.grant_use import Needed, Unused
from portreeve.core.people import Subjects
from portreeve.core.policy import NO_NAMESPACES, Delivery, DeliveryMode
from portreeve.core.reported_secrets import HeldSecret, held_secrets
from tests.core.estates import NOW

SPACES = [Namespace(name) for name in ("kube-system", "pay", "shop")]
STORED = CredentialFacts("c-1", 3)


def grant(*namespaces: str, mode: DeliveryMode = DeliveryMode.STANDING, owner: str = "access a") -> Grant:
    held = NamespaceSelection(namespaces)
    return Grant(owner, "harbor", "k/", held, Subjects(), Delivery(mode), STORED, delivered=CredentialRef("c-1", 3))


def secret(
    version: int = 3, *, state: str = "live", ends: datetime | None = None, **more: str
) -> dict[str, HeldSecret]:
    until = ends.strftime("%Y-%m-%dT%H:%M:%SZ") if ends else None
    entry = {"registry": "harbor", "credential": "c-1", "version": version, "state": state, "expiresAt": until}
    return held_secrets([{"namespace": "shop", "entries": [entry], **more}])


def heard(secrets: dict[str, HeldSecret] | None = None, **known: bool) -> Heard:
    facts = {"enrolled": True, "connected": True, "reported": True, "complete": True, **known}
    return Heard(**facts, secrets=secrets or {})


def shop(held: Heard, *grants: Grant) -> Cell:
    return table(SPACES, Granted(grants or (grant("shop"),)), held, [], [], NOW)["shop"]["harbor"]


@pytest.mark.parametrize(
    ("held", "state", "why"),
    [
        (heard(secret()), State.SYNCED, Why.LIVE),
        (heard(secret(state="hollow", ends=NOW)), State.SYNCED, Why.HOLLOW),
        (heard(secret(2)), State.STALE, Why.BEHIND),
        (heard(secret(ends=NOW)), State.STALE, Why.ENDED),
        (heard(secret(ends=NOW + timedelta(seconds=1))), State.SYNCED, Why.LIVE),
        (heard(secret(conflict="not ours", phase="NameTaken")), State.CONFLICT, Why.IN_THE_WAY),
        (heard(), State.GRANTED, Why.PENDING),
        (heard(held_secrets([{"namespace": "shop", "entries": [], "phase": "NothingToDeliver"}])), State.GRANTED,
         Why.NOTHING_TO_DELIVER),
        (heard(secret(), enrolled=False), State.UNKNOWN, Why.NO_AGENT),
        (heard(secret(), connected=False), State.UNKNOWN, Why.SILENT),
        (heard(reported=False), State.UNKNOWN, Why.NOT_TOLD),
    ],
)  # fmt: skip
def test_what_is_there_beside_what_should_be(held: Heard, state: State, why: Why) -> None:
    assert (shop(held).state, shop(held).why) == (state, why)


def test_what_an_agent_said_before_it_fell_silent_is_told_and_not_believed() -> None:
    found = shop(heard(secret(2), connected=False))
    assert (found.state, found.version, found.wanted) == (State.UNKNOWN, 2, 3)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (grant("shop", mode=DeliveryMode.NODE), Why.NO_SECRET),
        (grant("shop", mode=DeliveryMode.CLUSTER_IDENTITY), Why.NO_SECRET),
        (grant("shop", mode=DeliveryMode.WORKLOAD), Why.WAITS_FOR_WORKLOAD),
        (replace(grant("shop"), credential=None, delivered=None), Why.NO_CREDENTIAL),
        (replace(grant("shop"), delivered=None), Why.NOTHING_TO_DELIVER),
    ],
)
def test_a_grant_without_anything_to_deliver_is_granted_and_says_why(given: Grant, why: Why) -> None:
    found = shop(heard(), given)
    assert (found.state, found.why) == (State.GRANTED, why)


def test_what_a_policy_masks_counts_for_nothing_and_use_is_beside_the_state() -> None:
    masked = grant("shop", owner="access mine")
    found = table(SPACES, Granted((grant("pay", owner="policy p"),), (masked,)), heard(), [], [], NOW)
    assert (found["shop"]["harbor"].state, found["shop"]["harbor"].grants[0].in_force) == (State.MASKED, False)
    both = table(SPACES, Granted((grant("shop", owner="policy p"),), (masked,)), heard(secret()), [], [], NOW)["shop"]
    assert both["harbor"].state is State.SYNCED
    assert [(one.owner, one.in_force) for one in both["harbor"].grants] == [("policy p", True), ("access mine", False)]
    idle = [Unused("prod", "shop", "harbor", "access a")]
    cell = table(SPACES, Granted((grant("shop"),)), heard(secret()), [], idle, NOW)["shop"]["harbor"]
    assert (cell.state, cell.use) == (State.SYNCED, Use.UNUSED)
    assert [word for word in ("unused", "synced", "stale") if is_in(cell, word)] == ["unused", "synced"]
    assert shop(heard(secret(), complete=False)).use is Use.UNKNOWN


def test_what_is_needed_has_a_cell_and_what_is_not_has_none() -> None:
    needed = [Needed("prod", "pay", "quay", 2)]
    found = table(SPACES, Granted((grant("shop"),)), heard(secret()), needed, [], NOW)
    assert {name: list(cells) for name, cells in found.items()} == {
        "kube-system": [],
        "pay": ["quay"],
        "shop": ["harbor"],
    }
    assert (found["pay"]["quay"].state, found["pay"]["quay"].uses) == (State.NEEDED, 2)
    masked = table(SPACES, Granted((), (replace(grant("pay"), registry="quay"),)), heard(), needed, [], NOW)
    assert (masked["pay"]["quay"].state, masked["pay"]["quay"].why) == (State.NEEDED, Why.POLICY)


def test_a_selector_reaches_what_is_known_and_names_count_where_nothing_is() -> None:
    wide = replace(grant(), namespaces=NamespaceSelection(("later",), LabelSelector()))
    assert [*table(SPACES, Granted((wide,)), heard(), [], [], NOW)] == ["kube-system", "pay", "shop"]
    (cell,) = table(SPACES, Granted((wide,)), heard(), [], [], NOW)["kube-system"].values()
    assert (cell.why, cell.grants[0].by_selector) == (Why.SYSTEM, True)
    assert [*table(None, Granted((wide,)), heard(reported=False), [], [], NOW)] == ["later"]


def test_people_have_what_names_them() -> None:
    given = replace(grant(), namespaces=NO_NAMESPACES, subjects=Subjects(("ops",), ("ada",)))
    granted = Granted((), (given,))
    assert for_people(granted, "ada", team=True) == {}
    assert for_people(granted, "ops", team=True)["harbor"].state is State.MASKED
    assert for_people(Granted((given,)), "ada", team=False)["harbor"].why is Why.DEPLOYMENT_TIME
