"""A policy on the real API server: enforced when it is proved, set back when it is changed, nobody else's touched."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from portreeve.core.desired import sources_document
from portreeve.core.policy import AllowedSource, RegistryPolicy, Stage
from portreeve.core.reference import parse_prefix
from portreeve.core.render import (
    DENY_BINDING,
    POLICY_NAME,
    SYSTEM_BINDING,
    WARN_BINDING,
    compile_policy,
    digest,
)
from portreeve.core.sources import resolve
from portreeve.kube.client import Client
from portreeve.kube.resources import PODS
from portreeve.reconciler.enforcing import Enforcing
from tests.fakes.fault_proxy import FaultProxy, LosesAnswer, Resets, Says
from tests.kube.conftest import as_token, client, namespace, proxy, through_proxy
from tests.reconciler.keeping import until
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import DRY_RUN, KubeClient

__all__ = ["client", "namespace", "proxy", "through_proxy"]

pytestmark = pytest.mark.slow

API = "admissionregistration.k8s.io/v1"
KINDS = {
    POLICY_NAME: "ValidatingAdmissionPolicy",
    DENY_BINDING: "ValidatingAdmissionPolicyBinding",
    WARN_BINDING: "ValidatingAdmissionPolicyBinding",
    SYSTEM_BINDING: "ValidatingAdmissionPolicyBinding",
}
GOOD, BAD, OWN = "ghcr.io/acme/app:1", "ghcr.io/acme-evil/app:1", "registry.example.com/own/app:1"
CONFLICT = Says(409, body={"kind": "Status", "reason": "Conflict", "code": 409})
BUSY = Says(429, {"Retry-After": "1"}, {"kind": "Status", "reason": "TooManyRequests", "code": 429})


class Kept:
    """Records in memory."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.full = False

    def load(self) -> Mapping[str, str]:
        return dict(self.held)

    def save(self, records: Mapping[str, str]) -> None:
        if self.full:
            raise OSError("no space left on device")
        self.held = dict(records)


def document(generation: int, stage: Stage | None, namespace: str = "shop", *extra: str) -> dict[str, Any]:
    """As the control plane sends it, through JSON; None is no policy."""
    found: dict[str, Any] = {"generation": generation, "policy": None, "sources": None, "notAfter": None}
    if stage is not None:
        listed = (
            *(AllowedSource(parse_prefix(prefix)) for prefix in ("ghcr.io/acme", *extra)),
            AllowedSource(parse_prefix("registry.example.com/own"), (namespace,)),
        )
        sources = resolve(RegistryPolicy("prod", stage=stage, generation=generation, sources=listed))
        rendered = digest(list(compile_policy(sources)))
        found["policy"] = {
            "name": "prod",
            "version": generation,
            "stage": str(stage),
            "enforcedBy": "admission",
            "renderDigest": rendered,
        }
        found["sources"] = sources_document(sources)
    read: dict[str, Any] = json.loads(json.dumps(found))
    return read


RULES = [
    {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
        "resourceNames": list(KINDS),
        "verbs": ["get", "list", "watch", "create", "patch", "delete"],
    },
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]},
]
"""The agent's whole role for enforcing. Source: kubernetes.md 2.4."""


@contextmanager
def bound(kube: KubeClient, namespace: str) -> Iterator[str]:
    """A token of a ServiceAccount that has the role."""
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    name = f"enforcing-{namespace}"
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "enforcing", "namespace": namespace}}
    role = {**rbac, "kind": "ClusterRole", "metadata": {"name": name}, "rules": RULES}
    binding = {
        **rbac,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "enforcing", "namespace": namespace}],
    }
    for one in (account, role, binding):
        kube.create(one).expect(201)
    path = kube.path("v1", "ServiceAccount", "enforcing", namespace, "token")
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    yield kube.request("POST", path, asked).expect(201).body["status"]["token"]
    for one in (binding, role):
        kube.delete(one)


def there(kube: KubeClient) -> dict[str, Any]:
    """Our names that are there → the object."""
    found = {}
    for name, kind in KINDS.items():
        answer = kube.get(API, kind, name).expect(200, 404)
        if answer.status == 200:
            found[name] = answer.body
    return found


def clean(kube: KubeClient) -> None:
    for name, kind in reversed(KINDS.items()):
        kube.delete({"apiVersion": API, "kind": kind, "metadata": {"name": name}}).expect(200, 404)


class Scene:
    """An agent's half on a cluster, and what it has told."""

    def __init__(self, client: Client, kube: KubeClient, namespace: str, kept: Kept) -> None:
        self.kube, self.namespace, self.told = kube, namespace, list[str]()
        self.enforcing = Enforcing(
            client,
            kept,
            namespaces=lambda: {"default", "kube-system", namespace},
            clock=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            chance=random.random,
            changed=self._note,
        )
        self._moved = asyncio.Event()

    def _note(self) -> None:
        (condition,) = self.enforcing.conditions()
        self.told.append(str(condition["reason"]))
        self._moved.set()

    async def until(self, reason: str, generation: int) -> Mapping[str, Any]:
        async with asyncio.timeout(120):
            while True:
                for one in self.enforcing.conditions():
                    if (one["reason"], one["observedGeneration"]) == (reason, generation):
                        return one
                self._moved.clear()
                await self._moved.wait()

    async def becomes(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(120):
            holding = await asyncio.to_thread(holds)
            while not holding:
                await asyncio.sleep(0.05)
                holding = await asyncio.to_thread(holds)

    def said(self, image: str) -> tuple[int, tuple[str, ...]]:
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "asked", "namespace": self.namespace},
            "spec": {"containers": [{"name": "c", "image": image}]},
        }
        answer = self.kube.create(pod, DRY_RUN)
        return answer.status, answer.warnings

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.enforcing.serve())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def kube(kube_client: KubeClient) -> Iterator[KubeClient]:
    clean(kube_client)
    yield kube_client
    clean(kube_client)


@pytest.fixture
async def scene(client: Client, kube: KubeClient, namespace: str) -> AsyncIterator[Scene]:
    scene = Scene(client, kube, namespace, Kept())
    async with scene.serving():
        yield scene


async def test_from_nothing_through_all_stages_and_back_to_nothing(scene: Scene) -> None:
    await scene.enforcing.act(document(1, Stage.AUDIT, scene.namespace))
    condition = await scene.until("PolicyAuditing", 1)
    assert condition["status"] == "False"
    assert [scene.said(image) for image in (GOOD, BAD, OWN)] == [(201, ())] * 3
    await scene.enforcing.act(document(2, Stage.WARN, scene.namespace))
    await scene.until("PolicyWarning", 2)
    assert [bool(scene.said(image)[1]) for image in (GOOD, BAD, OWN)] == [False, True, False]
    await scene.enforcing.act(document(3, Stage.DENY, scene.namespace))
    condition = await scene.until("PolicyEnforced", 3)
    assert condition["status"] == "True"
    assert [scene.said(image)[0] for image in (GOOD, BAD, OWN)] == [201, 403, 201]
    uids = {name: one["metadata"]["uid"] for name, one in there(scene.kube).items()}
    begun = time.monotonic()
    await scene.enforcing.act(document(4, Stage.AUDIT, scene.namespace))
    await scene.becomes(lambda: scene.said(BAD)[0] == 201)
    print(f"deny to audit: a pod passes after {time.monotonic() - begun:.2f} s")
    await scene.until("PolicyAuditing", 4)
    assert {name: one["metadata"]["uid"] for name, one in there(scene.kube).items()} == uids
    await scene.enforcing.act(document(5, None))
    await scene.until("PolicyOff", 5)
    assert there(scene.kube) == {}
    assert "PolicyEnforced" in scene.told
    assert not {"Drifted", "NotApplied", "BypassDetected", "OverBlocking"} & set(scene.told)


async def test_what_somebody_changes_or_deletes_is_set_back_and_proved_again(scene: Scene) -> None:
    await scene.enforcing.act(document(1, Stage.DENY, scene.namespace))
    await scene.until("PolicyEnforced", 1)
    before = {name: one["spec"] for name, one in there(scene.kube).items()}
    policy = scene.kube.path(API, KINDS[POLICY_NAME], POLICY_NAME)
    loosened = [{"op": "replace", "path": "/spec/failurePolicy", "value": "Ignore"}]
    scene.kube.request("PATCH", policy, loosened, "application/json-patch+json").expect(200)
    await scene.until("Drifted", 1)
    await scene.becomes(lambda: {name: one["spec"] for name, one in there(scene.kube).items()} == before)
    await scene.until("PolicyEnforced", 1)
    scene.kube.delete({"apiVersion": API, "kind": KINDS[DENY_BINDING], "metadata": {"name": DENY_BINDING}}).expect(200)
    await scene.until("Drifted", 1)
    await scene.becomes(lambda: {name: one["spec"] for name, one in there(scene.kube).items()} == before)
    await scene.until("PolicyEnforced", 1)
    assert scene.said(BAD)[0] == 403


@pytest.mark.parametrize("name", [POLICY_NAME, DENY_BINDING])
async def test_an_object_of_our_name_that_is_not_ours_is_a_gap_and_left_alone(name: str, scene: Scene) -> None:
    manifests = {
        one["metadata"]["name"]: one for one in compile_policy(resolve(RegistryPolicy("own", stage=Stage.AUDIT)))
    }
    theirs = {**manifests[name], "metadata": {"name": name}}
    before = scene.kube.create(theirs).expect(201).body
    await scene.enforcing.act(document(1, Stage.DENY, scene.namespace))
    condition = await scene.until("NameTaken", 1)
    assert condition["status"] == "False"
    await scene.enforcing.act(document(2, None))
    await scene.until("PolicyOff", 2)
    left = there(scene.kube)
    assert set(left) == {name}
    assert left[name]["spec"] == before["spec"]
    assert left[name]["metadata"]["uid"] == before["metadata"]["uid"]
    assert "labels" not in left[name]["metadata"]


async def test_an_agent_without_its_records_takes_up_what_is_marked(
    scene: Scene, client: Client, kube: KubeClient
) -> None:
    await scene.enforcing.act(document(1, Stage.DENY, scene.namespace))
    await scene.until("PolicyEnforced", 1)
    before = {name: one["metadata"]["uid"] for name, one in there(kube).items()}
    kept = Kept()
    second = Scene(client, kube, scene.namespace, kept)
    async with second.serving():
        await second.enforcing.act(document(1, Stage.DENY, scene.namespace))
        await second.until("PolicyEnforced", 1)
        assert {name: one["metadata"]["uid"] for name, one in there(kube).items()} == before
        await second.enforcing.act(document(2, None))
        await second.until("PolicyOff", 2)
        # It is told before it is written down that nothing is left.
        await until(lambda: not kept.held)
    assert kept.held == {}


async def test_what_is_not_recorded_is_made_and_not_changed(client: Client, kube: KubeClient, namespace: str) -> None:
    kept = Kept()
    kept.full = True
    scene = Scene(client, kube, namespace, kept)
    async with scene.serving():
        await scene.enforcing.act(document(1, Stage.DENY, namespace))
        await scene.until("PolicyEnforced", 1)
        assert kept.held == {}
        kept.full = False
        await scene.enforcing.act(document(2, Stage.AUDIT, namespace))
        await scene.until("PolicyAuditing", 2)
    assert kept.held == {name: one["metadata"]["uid"] for name, one in there(kube).items()}


async def test_the_agent_s_role_is_enough(kubernetes: Cluster, kube: KubeClient, namespace: str) -> None:
    """List and watch with `resourceNames`, by a field selector on the name."""
    with bound(kube, namespace) as token:
        async with Client(as_token(kubernetes, token)) as agent:
            async with asyncio.timeout(60):
                # The authorizer sees a new role a moment later.
                while not await agent.can_i("create", PODS, namespace="default"):  # noqa: ASYNC110 -- another process
                    await asyncio.sleep(0.05)
            scene = Scene(agent, kube, namespace, Kept())
            async with scene.serving():
                await scene.enforcing.act(document(1, Stage.DENY, namespace))
                await scene.until("PolicyEnforced", 1)
                gone = {"apiVersion": API, "kind": KINDS[DENY_BINDING], "metadata": {"name": DENY_BINDING}}
                kube.delete(gone).expect(200)
                await scene.until("Drifted", 1)
                await scene.until("PolicyEnforced", 1)
                await scene.enforcing.act(document(2, None))
                await scene.until("PolicyOff", 2)
    assert there(kube) == {}


async def test_one_that_renders_otherwise_changes_nothing(scene: Scene) -> None:
    other = document(1, Stage.DENY, scene.namespace)
    other["policy"]["renderDigest"] = "sha256:" + "0" * 64
    await scene.enforcing.act(other)
    await scene.until("RenderDiffers", 1)
    assert there(scene.kube) == {}


async def test_storms_of_faults_end_in_what_is_wanted(
    through_proxy: Client, proxy: FaultProxy, kube: KubeClient, namespace: str
) -> None:
    at = "/apis/admissionregistration.k8s.io/"
    scene = Scene(through_proxy, kube, namespace, Kept())
    proxy.inject(CONFLICT, f"PATCH {at}", times=9)
    proxy.inject(BUSY, "POST /api/v1/namespaces/default/pods", times=2)
    proxy.inject(Says(503), "GET /version", times=1)
    proxy.inject(Resets(), f"GET {at}", times=2)
    async with scene.serving():
        await scene.enforcing.act(document(1, Stage.DENY, namespace))
        await scene.until("PolicyEnforced", 1)
        proxy.inject(LosesAnswer(), f"PATCH {at}", times=2)
        proxy.inject(BUSY, f"PATCH {at}", times=2)
        begun = time.monotonic()
        await scene.enforcing.act(document(2, Stage.AUDIT, namespace))
        await scene.becomes(lambda: scene.said(BAD)[0] == 201)
        print(f"deny to audit, with answers lost: a pod passes after {time.monotonic() - begun:.2f} s")
        await scene.until("PolicyAuditing", 2)
        proxy.inject(CONFLICT, f"DELETE {at}", times=9)
        proxy.inject(BUSY, f"DELETE {at}", times=1)
        await scene.enforcing.act(document(3, None))
        await scene.until("PolicyOff", 3)
    assert there(kube) == {}
    assert {"Says", "LosesAnswer"} <= set(proxy.faulted)
