"""The reflector against the real API server, and against everything that may come between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from portreeve.core.manifests import Place
from portreeve.errors import Denied, PortreeveError, Throttled, Unavailable
from portreeve.kube import asking as asking_module
from portreeve.kube.answers import Page, WatchEvent
from portreeve.kube.client import Client, Selection
from portreeve.kube.errors import Gone
from portreeve.kube.objects import LabelledMetadata, Meta, Pod, Workload, owner_of
from portreeve.kube.reflector import (
    LONGEST_S,
    SHORTEST_S,
    Added,
    Deleted,
    Interrupted,
    Modified,
    Reflector,
    Relisted,
    Synced,
)
from portreeve.kube.resources import DEPLOYMENTS, EVENTS, PODS, SECRETS, Resource
from tests.fakes.fault_proxy import Delays, FaultProxy, Resets, Says, Truncates
from tests.kube.conftest import as_token
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import KubeClient

Object = dict[str, Any]
CONFIG_MAPS = Resource("", "v1", "ConfigMap", "configmaps")
GONE = {"kind": "Status", "reason": "Expired", "code": 410}


async def at_once(seconds: float) -> None:
    """No test waits for a back-off."""
    await asyncio.sleep(0)


def longest(low: float, high: float) -> float:
    return high


def config_map(namespace: str, name: str, **data: str) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": {"test": "yes"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def ours(namespace: str) -> Selection:
    return Selection(namespace, labels="test=yes")


@asynccontextmanager
async def watching(reflector: Reflector[Any]) -> AsyncIterator[Any]:
    """Its events, one by one, as `await anext(…)`; two minutes are for a machine that is busy."""
    async with asyncio.timeout(120), aclosing(reflector.events()) as events:
        yield events


def short(event: Any) -> tuple[str, str]:
    match event:
        case Added(one) | Modified(one):
            return type(event).__name__, one.metadata.name
        case Deleted(key, _):
            return "Deleted", key[1]
    return type(event).__name__, ""


@pytest.mark.slow
async def test_a_kind_is_listed_and_then_kept_up_with(client: Client, kube_client: KubeClient, namespace: str) -> None:
    kube_client.create(config_map(namespace, "a")).expect(201)
    reflector = Reflector(client, CONFIG_MAPS, Meta, ours(namespace), uniform=longest, metadata_only=True)
    async with watching(reflector) as events:
        assert [short(await anext(events)) for _ in range(2)] == [("Added", "a"), ("Synced", "")]
        kube_client.create(config_map(namespace, "b")).expect(201)
        kube_client.server_side_apply(config_map(namespace, "a", x="y"), "t", {"force": "true"}).expect(200)
        kube_client.delete(config_map(namespace, "b")).expect(200)
        seen = [short(await anext(events)) for _ in range(3)]
    assert seen == [("Added", "b"), ("Modified", "a"), ("Deleted", "b")]


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Resets(), Says(410, body=GONE), Says(503, {"Retry-After": "1"}), Says(429)])
async def test_nothing_is_lost_or_told_twice_when_a_watch_cannot_begin(
    fault: Any, through_proxy: Client, proxy: FaultProxy, kube_client: KubeClient, namespace: str
) -> None:
    kube_client.create(config_map(namespace, "a")).expect(201)
    kube_client.create(config_map(namespace, "b")).expect(201)
    proxy.inject(fault, "GET", contains="watch=true", times=2)
    reflector = Reflector(through_proxy, CONFIG_MAPS, Meta, ours(namespace), uniform=longest, sleep=at_once)
    seen: list[tuple[str, str]] = []
    async with watching(reflector) as events:
        async for event in events:
            if isinstance(event, Synced):
                kube_client.delete(config_map(namespace, "a")).expect(200)
                kube_client.create(config_map(namespace, "c")).expect(201)
            seen += [short(event)] if not isinstance(event, Interrupted | Synced | Relisted) else []
            if ("Deleted", "a") in seen and ("Added", "c") in seen:
                break
    assert sorted(seen) == [("Added", "a"), ("Added", "b"), ("Added", "c"), ("Deleted", "a")]


@pytest.mark.slow
async def test_a_watch_that_is_cut_off_goes_on_where_it_was(
    through_proxy: Client, proxy: FaultProxy, kube_client: KubeClient, namespace: str
) -> None:
    """The connection ends within an event, which comes whole the next time, and once."""
    proxy.inject(Truncates(700), "GET", contains="watch=true", times=3)
    reflector = Reflector(through_proxy, CONFIG_MAPS, Meta, ours(namespace), uniform=longest, sleep=at_once)
    names = []
    async with watching(reflector) as events:
        async for event in events:
            if isinstance(event, Synced):
                for number in range(20):
                    kube_client.create(config_map(namespace, f"n{number:02}")).expect(201)
            if isinstance(event, Added):
                names.append(event.object.metadata.name)
            if isinstance(event, Relisted):
                pytest.fail("there was no need for another list")
            if len(names) == 20:
                break
    assert names == [f"n{number:02}" for number in range(20)]
    assert proxy.faulted == {"Truncates": 3}


@pytest.mark.slow
async def test_a_watch_that_nobody_answers_is_given_up(
    through_proxy: Client, proxy: FaultProxy, kube_client: KubeClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-open connection: the request was taken, and nothing comes, not even a bookmark."""
    monkeypatch.setattr(asking_module, "WATCH_WAIT_S", 0.3)
    proxy.inject(Delays(asyncio.Event()), "GET", contains="watch=true")
    reflector = Reflector(through_proxy, CONFIG_MAPS, Meta, ours(namespace), uniform=longest, sleep=at_once)
    async with watching(reflector) as events:
        assert isinstance(await anext(events), Synced)
        interrupted = await anext(events)
        assert isinstance(interrupted, Interrupted)
        assert interrupted.error.code == "no_answer"
        kube_client.create(config_map(namespace, "a")).expect(201)
        async for event in events:
            if not isinstance(event, Interrupted):
                break
    assert short(event) == ("Added", "a")


@pytest.mark.slow
async def test_a_version_that_etcd_has_forgotten_is_listed_anew(
    through_proxy: Client, proxy: FaultProxy, kubernetes: Cluster, kube_client: KubeClient, namespace: str
) -> None:
    def event(name: str) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {"namespace": namespace},
        }

    kube_client.create(event("a")).expect(201)
    reflector = Reflector(through_proxy, EVENTS, Meta, Selection(namespace), uniform=longest, sleep=at_once)
    async with watching(reflector) as events:
        assert [short(await anext(events)) for _ in range(2)] == [("Added", "a"), ("Synced", "")]
        proxy.inject(Resets(), "GET", contains="watch=true", times=2)
        interrupted = await anext(events)
        assert isinstance(interrupted, Interrupted)
        kube_client.delete(event("a")).expect(200)
        kube_client.create(event("b")).expect(201)
        for number in range(3):
            kube_client.create(config_map(namespace, f"n{number}")).expect(201)
        kubernetes.compact()
        seen = [await anext(events) for _ in range(3)]
    assert [short(one) for one in seen] == [("Added", "b"), ("Deleted", "a"), ("Relisted", "")]
    assert not seen[-1].went_back


@pytest.mark.slow
async def test_a_right_that_is_taken_away_and_given_back_leaves_what_was_seen(
    kubernetes: Cluster, kube_client: KubeClient, namespace: str
) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "read", "namespace": namespace},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"]}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "read", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "read"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "developer"}],
    }
    kube_client.create(role).expect(201)
    kube_client.create(config_map(namespace, "a")).expect(201)

    async def a_moment(seconds: float) -> None:
        await asyncio.sleep(0.05)

    async with Client(as_token(kubernetes, kubernetes.token("developer"))) as client:
        reflector = Reflector(client, CONFIG_MAPS, Meta, ours(namespace), uniform=longest, sleep=a_moment)
        async with watching(reflector) as events:
            first = await anext(events)
            assert isinstance(first, Interrupted)
            assert isinstance(first.error, Denied)
            kube_client.create(binding).expect(201)
            async for event in events:
                if not isinstance(event, Interrupted):
                    break
            assert short(event) == ("Added", "a")


@pytest.mark.slow
async def test_our_secrets_are_watched_by_name_without_the_right_to_list_secrets(
    kubernetes: Cluster, kube_client: KubeClient, namespace: str
) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["portreeve-pull"], "verbs": ["list", "watch"]}
    ]
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    name = f"watch-{namespace}"
    subject = {"kind": "User", "name": "developer", "apiGroup": "rbac.authorization.k8s.io"}
    role = {**rbac, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
    binding = {
        **rbac,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [subject],
    }
    for one in (role, binding):
        kube_client.create(one).expect(201)
    for secret in ("portreeve-pull", "theirs"):
        obj = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret, "namespace": namespace}}
        kube_client.create(obj).expect(201)
    selection = Selection(fields="metadata.name=portreeve-pull")
    try:
        async with Client(as_token(kubernetes, kubernetes.token("developer"))) as client:
            assert not await client.can_i("list", SECRETS)
            reflector = Reflector(client, SECRETS, Meta, selection, uniform=longest, metadata_only=True)
            async with watching(reflector) as events:
                seen = []
                async for event in events:
                    if isinstance(event, Synced):
                        break
                    seen.append(event)
    finally:
        for one in (binding, role):
            kube_client.delete(one)
    assert {one.object.metadata.name for one in seen} == {"portreeve-pull"}
    assert namespace in {one.object.metadata.namespace for one in seen}


@pytest.mark.slow
async def test_pods_and_workloads_are_read_in_parts(client: Client, kube_client: KubeClient, namespace: str) -> None:
    spec = {
        "containers": [
            {"name": "app", "image": "registry.example.com/team/app:1", "env": [{"name": "A", "value": "b"}]}
        ],
        "initContainers": [{"name": "init", "image": "busybox"}],
        "volumes": [
            {"name": "model", "image": {"reference": "registry.example.com/models/m:1"}},
            {"name": "empty", "emptyDir": {}},
        ],
        "imagePullSecrets": [{"name": "theirs"}],
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": "api"}},
            "template": {
                "metadata": {"labels": {"app": "api"}, "annotations": {"portreeve.io/registry.a": "harbor", "x": "y"}},
                "spec": spec,
            },
        },
    }
    kube_client.create(deployment).expect(201)
    (workload,) = await client.list(DEPLOYMENTS, Workload, Selection(namespace))
    assert workload.template.metadata.annotations == {"portreeve.io/registry.a": "harbor"}
    assert [use.place for use in workload.image_uses("Deployment")] == [
        Place.CONTAINERS,
        Place.INIT_CONTAINERS,
        Place.VOLUMES,
    ]
    reflector = Reflector(client, PODS, Pod, Selection(namespace), uniform=longest)
    async with watching(reflector) as events:
        async for event in events:
            if isinstance(event, Added):
                pod = event.object
                break
    assert pod.spec.pull_secrets == ("theirs",)
    assert pod.spec.service_account_name == "default"
    assert pod.image_uses()[0].image == "registry.example.com/team/app:1"
    controller = pod.metadata.controller
    assert controller is not None
    assert controller.kind == "ReplicaSet"
    assert owner_of(pod, {}) == f"ReplicaSet/{controller.name}"


# What no real server does on demand: a scripted client.


def meta(name: str, uid: str, version: int) -> Meta:
    return Meta(LabelledMetadata(name=name, namespace="shop", uid=uid, resource_version=str(version)))


@dataclass
class Script:
    """Stands in for `Client`: pages and watches as told, in order. The last watch never ends."""

    lists: list[list[Page[Meta]] | PortreeveError] = field(default_factory=list)
    watches: list[list[WatchEvent[Meta] | PortreeveError]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def pages(self, *_: Any, not_older_than: str = "", **__: Any) -> AsyncIterator[Page[Meta]]:
        self.asked.append(f"list {not_older_than}".strip())
        told = self.lists.pop(0)
        if isinstance(told, PortreeveError):
            raise told
        for page in told:
            yield page

    async def watch(self, *_: Any, resource_version: str, **__: Any) -> AsyncIterator[WatchEvent[Meta]]:
        self.asked.append(f"watch {resource_version}")
        if not self.watches:
            await asyncio.Event().wait()
        for event in self.watches.pop(0):
            if isinstance(event, PortreeveError):
                raise event
            yield event


def page(version: int, *items: Meta, first: bool = True) -> Page[Meta]:
    return Page(list(items), str(version), first)


def changed(kind: str, one: Meta) -> WatchEvent[Meta]:
    return WatchEvent(kind, one, one.metadata.resource_version)


async def told(script: Script, count: int, waits: list[float] | None = None) -> list[Any]:
    async def sleep(seconds: float) -> None:
        if waits is not None:
            waits.append(seconds)

    reflector: Reflector[Meta] = Reflector(script, PODS, Meta, uniform=longest, sleep=sleep)  # type: ignore[arg-type]  # its two methods are all that is asked
    async with watching(reflector) as events:
        return [await anext(events) for _ in range(count)]


async def test_an_object_made_again_is_one_deleted_and_one_added() -> None:
    script = Script([[page(5, meta("a", "1", 4))]], [[changed("MODIFIED", meta("a", "2", 7))]])
    events = await told(script, 4)
    assert [short(one)[0] for one in events] == ["Added", "Synced", "Deleted", "Added"]
    assert (events[2].uid, events[3].object.metadata.uid) == ("1", "2")


async def test_a_repeated_and_an_older_event_are_dropped() -> None:
    script = Script(
        [[page(5, meta("a", "1", 4))]],
        [
            [
                changed("ADDED", meta("a", "1", 4)),
                changed("MODIFIED", meta("a", "1", 7)),
                changed("MODIFIED", meta("a", "1", 6)),
                changed("MODIFIED", meta("a", "1", 7)),
                changed("DELETED", meta("a", "1", 8)),
                changed("DELETED", meta("a", "1", 8)),
                changed("ADDED", meta("b", "2", 9)),
            ]
        ],
    )
    events = await told(script, 5)
    assert [short(one) for one in events[2:]] == [("Modified", "a"), ("Deleted", "a"), ("Added", "b")]


async def test_a_list_that_begins_anew_voids_its_first_pages() -> None:
    script = Script(
        [
            [
                page(5, meta("a", "1", 4), meta("b", "2", 4)),
                page(6, meta("b", "2", 4)),
                page(6, meta("c", "3", 6), first=False),
            ]
        ]
    )
    events = await told(script, 5)
    assert [short(one) for one in events] == [
        ("Added", "a"),
        ("Added", "b"),
        ("Added", "c"),
        ("Deleted", "a"),
        ("Synced", ""),
    ]


async def test_a_list_that_is_older_than_what_was_seen_is_asked_for_again() -> None:
    gone = Gone("kube_gone", "gone")
    stale, fresh = [page(3)], [page(9, meta("a", "1", 8))]
    script = Script([[page(8, meta("a", "1", 8))], stale, fresh], [[gone]])
    events = await told(script, 3)
    assert events[2] == Relisted("9", went_back=False)
    assert script.asked == ["list", "watch 8", "list", "list 8"]


async def test_a_cluster_that_was_restored_is_told_of_and_followed() -> None:
    ahead = Unavailable("kube_version_ahead", "ahead")
    restored = [page(3, meta("b", "2", 2))]
    bookmark: WatchEvent[Meta] = WatchEvent("BOOKMARK", None, "3")
    script = Script([[page(8, meta("a", "1", 8))], restored, ahead, restored], [[bookmark]])
    events = await told(script, 5)
    assert [short(one) for one in events[2:4]] == [("Added", "b"), ("Deleted", "a")]
    assert events[4] == Relisted("3", went_back=True)


async def test_bookmarks_move_the_version_on() -> None:
    script = Script([[page(5)]], [[WatchEvent("BOOKMARK", None, "40")], [changed("ADDED", meta("a", "1", 41))]])
    await told(script, 2)
    assert script.asked == ["list", "watch 5", "watch 40"]


async def test_waits_grow_by_a_drawn_factor_up_to_a_minute_and_follow_what_the_server_names() -> None:
    down = Unavailable("no_answer", "down")
    busy = Throttled("kube_throttled", "busy")
    busy.retry_after_s = 100.0
    waits: list[float] = []
    script = Script([*[down] * 6, busy, [page(5)]])
    events = await told(script, 8, waits)
    assert waits == [1.5, 4.5, 13.5, 40.5, LONGEST_S, LONGEST_S, 100.0]
    assert [one.wait_s for one in events[:7]] == waits
    assert waits[0] > SHORTEST_S


async def test_a_watch_that_ends_at_once_each_time_does_not_spin() -> None:
    waits: list[float] = []
    script = Script([[page(5)]], [[], [], [changed("ADDED", meta("a", "1", 6))]])
    events = await told(script, 2, waits)
    assert short(events[1]) == ("Added", "a")
    assert waits == [1.5, 4.5]
