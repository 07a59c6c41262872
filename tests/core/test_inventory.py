"""The inventory of a cluster: whatever order its objects come in, the same is told, once, and as little as is new."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core import inventory as module
from portreeve.core.inventory import NEEDED, Delta, Inventory
from portreeve.core.namespace_view import (
    MOST_NAMES,
    NOTHING,
    TEMPLATES,
    AccountSaid,
    EventSaid,
    Failed,
    Kept,
    Line,
    Missed,
    PodSaid,
    Referenced,
    Said,
    TemplateSaid,
    Tool,
    View,
    Why,
    remedy,
)
from portreeve.core.observation import PULL_SECRET
from portreeve.core.pull_failure import Cause

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def of(*said: Said, listed: bool = True) -> Inventory:
    """An inventory of these objects."""
    found = Inventory()
    for one in said:
        found.changed(one)
    for kind in NEEDED if listed else ():
        found.listed(kind)
    return found


def pod(name: str = "api-1", **said: Any) -> PodSaid:
    return PodSaid("shop", name, said.pop("owner", f"Pod/{name}"), **said)


def template(kind: str = "Deployment", name: str = "api", **said: Any) -> TemplateSaid:
    return TemplateSaid("shop", kind, name, **said)


REPLICA_SET = template("ReplicaSet", "api-7d", uid="rs", above="Deployment/api", images=("nginx:1",))


def test_a_pod_belongs_to_what_stands_above_its_replica_set_whichever_is_seen_first() -> None:
    one = pod(owner="ReplicaSet/api-7d", controller="rs", images=(("nginx:1", A),))
    first, second = of(one, REPLICA_SET), of(REPLICA_SET, one)
    assert first.view("shop") == second.view("shop")
    assert first.view("shop").images == (Line("Deployment/api", "nginx:1", A),)
    first.deleted("ReplicaSet", "shop", "api-7d")
    assert first.view("shop").images == (Line("ReplicaSet/api-7d", "nginx:1", A),)


def test_pods_of_a_replica_set_that_was_made_anew_are_not_those_of_the_first() -> None:
    held = of(REPLICA_SET, pod(owner="ReplicaSet/api-7d", controller="rs", images=(("nginx:1", A),)))
    held.changed(replace(REPLICA_SET, uid="another"))
    assert held.view("shop").images == (Line("ReplicaSet/api-7d", "nginx:1", A),)


def test_templates_are_told_as_far_as_they_do_not_run() -> None:
    running = pod(owner="ReplicaSet/api-7d", controller="rs", images=(("nginx:1", A),))
    told = of(
        template(images=("nginx:1", "sidecar:2")),
        REPLICA_SET,
        running,
        template(name="asleep", images=("old:1",)),
        template("CronJob", "nightly", images=("job:1",)),
        template("Job", "nightly-17", uid="j", above="CronJob/nightly", images=("job:1",)),
    ).view("shop")
    assert told.templates == (
        ("CronJob/nightly", "job:1"),
        ("Deployment/api", "sidecar:2"),
        ("Deployment/asleep", "old:1"),
    )


def test_a_pod_that_has_finished_runs_nothing_and_misses_nothing() -> None:
    account = AccountSaid("shop", "default", (PULL_SECRET,))
    told = of(pod(images=(("nginx:1", A),), account="default", finished=True), account).view("shop")
    assert (told.images, told.missed) == ((), ())


def test_of_several_digests_the_usual_one_is_told() -> None:
    pods = [pod(str(number), owner="DaemonSet/a", images=(("i", digest),)) for number, digest in enumerate((A, B, B))]
    assert of(*pods, pod("4", owner="DaemonSet/a", images=(("i", ""),))).view("shop").images[0].digest == B
    assert of(*pods[:2]).view("shop").images[0].digest == A


def test_pull_secrets_are_told_by_name_with_who_names_them() -> None:
    told = of(
        pod(owner="Deployment/api", pull_secrets=("theirs", "theirs")),
        pod("api-2", owner="Deployment/api", pull_secrets=("theirs",)),
        template("CronJob", "nightly", pull_secrets=("old",)),
        AccountSaid("shop", "default", ("theirs", PULL_SECRET)),
    ).view("shop")
    assert told.references == (
        Referenced("old", 0, ("CronJob/nightly",)),
        Referenced(PULL_SECRET, 0, (), ("default",)),
        Referenced("theirs", 2, ("Deployment/api",), ("default",)),
    )


def test_of_many_who_name_a_secret_the_first_are_named_and_the_others_counted() -> None:
    accounts = [AccountSaid("shop", f"sa-{number:03}", ("theirs",)) for number in range(MOST_NAMES + 3)]
    (reference,) = of(*accounts).view("shop").references
    assert (len(reference.accounts), reference.more) == (MOST_NAMES, 3)


def test_accounts_that_a_tool_keeps() -> None:
    told = of(AccountSaid("shop", "a", tool=Tool.FLUX, app="flux-system/shop"), AccountSaid("shop", "b")).view("shop")
    assert told.accounts == (Kept("a", Tool.FLUX, "flux-system/shop"),)


MISSED: list[tuple[dict[str, Any], tuple[str, ...], Why | None]] = [
    ({}, (PULL_SECRET,), Why.STARTED_BEFORE),
    ({"pull_secrets": (PULL_SECRET,)}, (PULL_SECRET,), None),
    ({}, (), None),
    ({"pull_secrets": ("theirs",)}, ("theirs", PULL_SECRET), Why.STARTED_BEFORE),
    ({"pull_secrets": ("own",)}, ("theirs", PULL_SECRET), Why.OWN_SECRETS),
    ({"account": "other"}, (PULL_SECRET,), None),
]


@pytest.mark.parametrize(("said", "account", "why"), MISSED)
def test_who_missed_our_pull_secret(said: dict[str, Any], account: tuple[str, ...], why: Why | None) -> None:
    one = pod(owner="StatefulSet/db", **{"account": "default", **said})
    told = of(one, AccountSaid("shop", "default", account)).view("shop")
    assert told.missed == (() if why is None else (Missed("StatefulSet/db", why, 1),))


@pytest.mark.parametrize(("own", "why"), [((), Why.STARTED_BEFORE), (("theirs",), Why.OWN_SECRETS)])
def test_a_template_says_whose_the_secrets_of_its_pods_are(own: tuple[str, ...], why: Why) -> None:
    one = pod(owner="ReplicaSet/api-7d", controller="rs", account="default", pull_secrets=("theirs",))
    account = AccountSaid("shop", "default", ("theirs", PULL_SECRET))
    told = of(one, account, REPLICA_SET, template(pull_secrets=own)).view("shop")
    assert told.missed == (Missed("Deployment/api", why, 1),)


def test_the_remedy_is_a_command_and_holds_nothing_but_names() -> None:
    assert remedy("Deployment/api", "shop", Why.STARTED_BEFORE) == "kubectl rollout restart deployment/api -n shop"
    patch = remedy("StatefulSet/db", "shop", Why.OWN_SECRETS)
    assert patch.startswith("kubectl patch statefulset/db -n shop -p '")
    assert '"imagePullSecrets":[{"name":"portreeve-pull"}]' in patch
    for owner, namespace in (
        ("Job/x", "shop"),
        ("Pod/x", "shop"),
        ("Deployment/a;b", "shop"),
        ("Deployment/a", "$(b)"),
    ):
        assert remedy(owner, namespace, Why.STARTED_BEFORE) == ""


def test_failures_are_counted_by_owner_image_and_cause_since_the_first() -> None:
    failing = {"owner": "ReplicaSet/api-7d", "controller": "rs", "failing": (("i:1", Cause.UNAUTHORIZED),)}
    told = of(
        pod("a", **failing, since="2026-11-28T12:00:00Z"),
        pod("b", **failing, since="2026-11-28T11:00:00Z"),
        REPLICA_SET,
        EventSaid("shop", "e", "ReplicaSet", "api-7d", "rs", Cause.ADMISSION, "", 7, "2026-11-28T10:00:00Z"),
    ).view("shop")
    assert told.failures == (
        Failed("Deployment/api", "", Cause.ADMISSION, 7, "2026-11-28T10:00:00Z"),
        Failed("Deployment/api", "i:1", Cause.UNAUTHORIZED, 2, "2026-11-28T11:00:00Z"),
    )


CLEARER = [
    (Cause.UNKNOWN, Cause.NOT_FOUND, "i:1", Cause.NOT_FOUND),
    (Cause.UNKNOWN, Cause.NOT_FOUND, "other:1", Cause.UNKNOWN),
    (Cause.DNS, Cause.NOT_FOUND, "i:1", Cause.DNS),
    (Cause.UNAUTHORIZED, Cause.SECRET_MISSING, "", Cause.SECRET_MISSING),
    (Cause.DNS, Cause.SECRET_MISSING, "", Cause.DNS),
]


@pytest.mark.parametrize(("waiting", "event", "image", "told"), CLEARER)
def test_an_event_of_a_pod_says_what_the_pod_says_no_more(
    waiting: Cause, event: Cause, image: str, told: Cause
) -> None:
    said = pod(failing=(("i:1", waiting),)), EventSaid("shop", "e", "Pod", "api-1", "", event, image)
    assert [one.cause for one in of(*said).view("shop").failures] == [told]


def test_an_event_without_a_waiting_pod_is_over() -> None:
    assert of(EventSaid("shop", "e", "Pod", "api-1", "", Cause.NOT_FOUND, "i:1")).view("shop").failures == ()


def test_nothing_is_told_before_everything_was_listed_once() -> None:
    held = of(pod(images=(("i", A),)), listed=False)
    for kind in sorted(NEEDED):
        assert (held.due, held.delta()) == (False, Delta())
        held.listed(kind)
    assert held.due
    assert held.delta().added == (("shop", Line("Pod/api-1", "i", A)),)


def test_what_says_nothing_new_is_not_told_again() -> None:
    held = of(pod(images=(("i", A),), pull_secrets=("s",)))
    assert len(held.delta().changed) == 1
    held.acknowledged()
    held.changed(pod(images=(("i", A),), pull_secrets=("s",)))
    assert not held.due
    held.changed(pod(images=(("i", B),), pull_secrets=("s",)))
    assert held.delta() == Delta(added=(("shop", Line("Pod/api-1", "i", B)),))


def test_what_was_not_acknowledged_is_told_again() -> None:
    held = of(pod(images=(("i", A),)))
    assert held.delta() == held.delta() != Delta()
    held.acknowledged()
    held.deleted("Pod", "shop", "api-1")
    assert held.delta() == held.delta() == Delta(removed=(("shop", Line("Pod/api-1", "i", A)),))
    held.acknowledged()
    assert held.delta() == Delta()


def test_a_change_while_a_report_is_under_way_comes_with_the_next() -> None:
    held = of(pod(images=(("i", A),)))
    held.delta()
    held.changed(pod("b", images=(("j", A),)))
    held.acknowledged()
    assert held.delta().added == (("shop", Line("Pod/b", "j", A)),)


def test_after_a_reset_everything_is_told() -> None:
    held = of(pod(images=(("i", A),)), AccountSaid("pay", "default", ("s",)))
    first = held.delta()
    held.acknowledged()
    held.reset()
    assert held.delta() == first


def test_a_delta_has_an_end_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_LINES", 3)
    held = of(*(PodSaid(name, "p", "Pod/p", images=(("i", A), ("j", A))) for name in ("a", "b", "c")))
    told = []
    while held.due:
        told.append({namespace for namespace, _ in held.delta().added})
        held.acknowledged()
    assert told == [{"a"}, {"b"}, {"c"}]


NAMESPACES, NAMES = st.sampled_from(["shop", "pay"]), st.sampled_from(["a", "b", "c"])
IMAGES = st.sampled_from(["nginx:1", "harbor.example.com/shop/api:1"])
SECRETS = st.lists(st.sampled_from(["theirs", PULL_SECRET]), max_size=2, unique=True).map(tuple)
UIDS = st.sampled_from(["", "ReplicaSet/a/1", "ReplicaSet/a/2", "Job/b/1"])
"""Of what stands between: a second one was made anew under the name of the first."""
PODS = st.builds(
    PodSaid,
    NAMESPACES,
    NAMES,
    st.sampled_from(["ReplicaSet/a", "Job/b", "Pod/a"]),
    UIDS,
    st.lists(st.tuples(IMAGES, st.sampled_from(["", A, B])), max_size=2, unique_by=lambda pair: pair[0]).map(tuple),
    NAMES,
    SECRETS,
    st.lists(st.tuples(IMAGES, st.sampled_from(Cause)), max_size=2, unique=True).map(tuple),
    st.sampled_from(["", "2026-11-28T12:00:00Z"]),
    st.lists(st.sampled_from(["harbor"]), max_size=1).map(tuple),
    st.booleans(),
)
WORKLOADS = st.builds(
    TemplateSaid,
    NAMESPACES,
    st.sampled_from(TEMPLATES),
    NAMES,
    st.sampled_from(["1", "2"]),
    st.sampled_from(["", "Deployment/a"]),
    st.lists(IMAGES, max_size=2, unique=True).map(tuple),
    SECRETS,
)
WORKLOADS = WORKLOADS.map(lambda one: replace(one, uid=f"{one.owner}/{one.uid}"))
ACCOUNTS = st.builds(AccountSaid, NAMESPACES, NAMES, SECRETS, st.none() | st.sampled_from(Tool), st.just("app"))
EVENTS = st.builds(
    EventSaid, NAMESPACES, NAMES, st.sampled_from(["Pod", "ReplicaSet"]), NAMES, UIDS, st.sampled_from(Cause),
    st.just(""), st.integers(1, 5),
)  # fmt: skip
SAID = st.one_of(PODS, WORKLOADS, ACCOUNTS, EVENTS)


def key(said: Said) -> tuple[str, str, str]:
    return module._kind(said), said.namespace, said.name


def views(held: Inventory) -> dict[str, View]:
    return {namespace: held.view(namespace) for namespace in ("shop", "pay")}


@given(st.data(), st.lists(SAID, max_size=12), st.lists(SAID, max_size=12))
def test_events_in_any_order_say_what_a_list_says(data: st.DataObject, history: list[Said], last: list[Said]) -> None:
    """Whatever came before and whatever was reported meanwhile: what is told in the end is what a list of it says."""
    final = {key(one): one for one in last}
    held, told = Inventory(), Told()
    for one in data.draw(st.permutations(history)):
        held.changed(one)
    for kind in NEEDED:
        held.listed(kind)
    told.take(held, taken=data.draw(st.booleans()))
    changes: Iterable[Any] = data.draw(
        st.permutations([*final.values(), *({key(one) for one in history} - set(final))])
    )
    for change in changes:
        if isinstance(change, tuple):
            held.deleted(*change)
        else:
            held.changed(change)
        if data.draw(st.booleans()):
            told.take(held, taken=data.draw(st.booleans()))
    told.take(held, taken=True)
    listed = of(*final.values())
    assert views(held) == views(listed)
    assert told.views == {namespace: view for namespace, view in views(listed).items() if view != NOTHING}


class Told:
    """What the other side knows from deltas alone."""

    def __init__(self) -> None:
        self._lines: dict[str, dict[tuple[str, str], Line]] = {"shop": {}, "pay": {}}
        self._rest: dict[str, View] = {}

    def take(self, held: Inventory, *, taken: bool) -> None:
        """One report, which arrives or is lost on its way."""
        delta = held.delta()
        if not taken:
            return
        held.acknowledged()
        for namespace, line in delta.removed:
            self._lines[namespace].pop((line.owner, line.image))
        for namespace, line in delta.added:
            self._lines[namespace][line.owner, line.image] = line
        for namespace, view in delta.changed:
            self._rest[namespace] = view.rest

    @property
    def views(self) -> dict[str, View]:
        """Namespace → everything that was told of it."""
        found = {
            name: replace(self._rest.get(name, NOTHING), images=tuple(sorted(lines.values())))
            for name, lines in self._lines.items()
        }
        return {name: view for name, view in found.items() if view != NOTHING}
