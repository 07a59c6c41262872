"""The policy on the real API server: applied in order, proved by dry runs, set back, and nobody else's touched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from portreeve.core.admission_objects import Admitted, Refused, Untold
from portreeve.core.policy import AllowedSource, RegistryPolicy, Stage
from portreeve.core.reference import parse_prefix
from portreeve.core.render import DENY_BINDING, POLICY_NAME, Manifest, compile_policy
from portreeve.core.sources import resolve
from portreeve.errors import Invalid
from portreeve.kube import admission
from portreeve.kube.admission import Applied, Gone, NotOurs, Probe, Raced
from portreeve.kube.client import Client
from portreeve.kube.ownership import Ownership
from tests.e2e.governed import remove as taken_away
from tests.fakes.fault_proxy import FaultProxy, Says
from tests.tools.kubeclient import KubeClient

pytestmark = pytest.mark.slow

GOOD, BAD = "ghcr.io/acme/app:1", "ghcr.io/acme-evil/app:1"
POLICY = RegistryPolicy("prod", stage=Stage.DENY, generation=1, sources=(AllowedSource(parse_prefix("ghcr.io/acme")),))


def compiled(stage: Stage = Stage.DENY, generation: int = 1) -> tuple[Manifest, ...]:
    return compile_policy(resolve(replace(POLICY, stage=stage, generation=generation)))


@pytest.fixture
async def cluster(client: Client, kube_client: KubeClient, namespace: str) -> AsyncIterator[Client]:
    """Without a policy of our name before and after."""
    yield client
    await asyncio.to_thread(taken_away, kube_client, compiled(), namespace)


async def apply(client: Client, manifests: tuple[Manifest, ...], recorded: dict[str, str]) -> list[bool]:
    """Apply all; remember their UIDs; which took a write."""
    outcomes = await admission.apply(client, manifests, recorded_uids=recorded)
    assert all(isinstance(one, Applied) for one in outcomes), outcomes
    recorded |= {one.name: one.uid for one in outcomes if isinstance(one, Applied)}
    return [one.written for one in outcomes if isinstance(one, Applied)]


async def probed(client: Client, namespace: str) -> Probe:
    return await admission.probe(client, namespace, refused=BAD, allowed=GOOD)


async def until(ask: Callable[[], Awaitable[Any]], wanted: Any) -> None:
    """Ask again: the server takes a policy up within about a second."""
    async with asyncio.timeout(60):
        while (said := await ask()) != wanted:
            assert said is not None
            await asyncio.sleep(0.05)


async def test_a_policy_is_applied_proved_read_back_and_then_left_alone(cluster: Client, namespace: str) -> None:
    recorded: dict[str, str] = {}
    assert await apply(cluster, compiled(), recorded) == [True] * 4
    await until(lambda: probed(cluster, namespace), Probe(Refused(POLICY_NAME, DENY_BINDING, 1), Admitted()))
    assert await apply(cluster, compiled(), recorded) == [False] * 4

    async def read_back() -> tuple[bool, int]:
        seen = await admission.observe(cluster, "ValidatingAdmissionPolicy", POLICY_NAME)
        assert seen is not None
        assert (seen.marked, seen.uid) == (True, recorded[POLICY_NAME])
        digest = "portreeve.io/render-digest"
        assert seen.annotations[digest] == compiled()[0]["metadata"]["annotations"][digest]
        return seen.compiled, seen.doubts

    await until(read_back, (True, 0))


async def test_a_stage_is_changed_in_place(cluster: Client, namespace: str) -> None:
    recorded: dict[str, str] = {}
    await apply(cluster, compiled(Stage.AUDIT), recorded)
    before = dict(recorded)
    assert await probed(cluster, namespace) == Probe(Admitted(), Admitted())
    await apply(cluster, compiled(Stage.WARN, 2), recorded)
    await until(lambda: probed(cluster, namespace), Probe(Admitted(DENY_BINDING, 2), Admitted()))
    await apply(cluster, compiled(Stage.DENY, 3), recorded)
    await until(lambda: probed(cluster, namespace), Probe(Refused(POLICY_NAME, DENY_BINDING, 3), Admitted()))
    assert recorded == before


async def test_a_quota_that_is_used_up_is_asked_after_the_policy(
    cluster: Client, kube_client: KubeClient, namespace: str
) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": namespace}}
    kube_client.create({**quota, "spec": {"hard": {"pods": "0"}}}).expect(201)
    # The controller that counts does not run here.
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/none/status"
    counted = {"status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}}
    kube_client.request("PATCH", path, counted, "application/merge-patch+json").expect(200)
    await apply(cluster, compiled(), {})
    full = Probe(Refused(POLICY_NAME, DENY_BINDING, 1), Untold("kube_quota"))
    await until(lambda: probed(cluster, namespace), full)
    kube_client.delete(quota).expect(200)


EXCLUDED = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/spec/failurePolicy", "Ignore"),
        ("/spec/matchConstraints/excludeResourceRules", [EXCLUDED]),
        ("/spec/matchConstraints/namespaceSelector", {"matchLabels": {"governed": "yes"}}),
        # An item of a list that is merged by name: no apply of ours removes it.
        ("/spec/matchConditions/-", {"name": "never", "expression": "false"}),
    ],
)
async def test_what_somebody_loosens_is_set_back(
    path: str, value: Any, cluster: Client, kube_client: KubeClient
) -> None:
    """By another manager and under its own name."""
    recorded: dict[str, str] = {}
    await apply(cluster, compiled(), recorded)
    at = kube_client.path("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", POLICY_NAME)
    before = kube_client.request("GET", at).expect(200).body["spec"]
    patch = [{"op": "add", "path": path, "value": value}]
    loosened = kube_client.request("PATCH", at, patch, "application/json-patch+json", {"fieldManager": "somebody"})
    assert loosened.expect(200).body["spec"] != before
    assert await apply(cluster, compiled(), recorded) == [True, False, False, False]
    assert await apply(cluster, compiled(), recorded) == [False] * 4
    assert kube_client.request("GET", at).expect(200).body["spec"] == before


async def test_a_policy_of_our_name_that_is_not_ours_is_left_alone_and_nothing_is_bound_to_it(
    cluster: Client, kube_client: KubeClient
) -> None:
    theirs = {**compiled()[0], "metadata": {"name": POLICY_NAME}}
    before = kube_client.create(theirs).expect(201).body["metadata"]
    (outcome,) = await admission.apply(cluster, compiled(), recorded_uids={POLICY_NAME: before["uid"]})
    assert outcome == NotOurs(POLICY_NAME, before["uid"], Ownership.FOREIGN)
    kind = "ValidatingAdmissionPolicy"
    assert await admission.remove(cluster, kind, POLICY_NAME, recorded_uid=before["uid"]) == outcome
    after = kube_client.get("admissionregistration.k8s.io/v1", kind, POLICY_NAME).expect(200).body["metadata"]
    assert (after["uid"], after["generation"]) == (before["uid"], before["generation"])
    assert "labels" not in after  # its status is the cluster's own to write


async def test_it_is_taken_away_bindings_first(cluster: Client) -> None:
    recorded: dict[str, str] = {}
    await apply(cluster, compiled(), recorded)
    for manifest in reversed(compiled()):
        name, kind = manifest["metadata"]["name"], manifest["kind"]
        gone = await admission.remove(cluster, kind, name, recorded_uid=recorded[name])
        assert gone == Gone(name, written=True)
        again = await admission.remove(cluster, kind, name, recorded_uid=recorded[name])
        assert again == Gone(name, written=False)
        assert await admission.observe(cluster, kind, name) is None


async def test_a_status_that_is_written_meanwhile_is_no_race_that_is_lost(
    through_proxy: Client, proxy: FaultProxy, cluster: Client
) -> None:
    conflict = Says(409, body={"kind": "Status", "reason": "Conflict", "code": 409})
    unprocessable = Says(422, body={"kind": "Status", "reason": "Invalid", "code": 422})
    recorded: dict[str, str] = {}
    await apply(cluster, compiled(), recorded)
    path = "PATCH /apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/"
    proxy.inject(conflict, path, times=admission.ATTEMPTS - 1)
    assert await apply(through_proxy, compiled(generation=2), recorded) == [True] * 4
    proxy.inject(conflict, path, times=admission.ATTEMPTS)
    (outcome,) = await admission.apply(through_proxy, compiled(generation=3), recorded_uids=recorded)
    assert outcome == Raced(POLICY_NAME)
    proxy.inject(unprocessable, path)
    with pytest.raises(Invalid):
        await admission.apply(through_proxy, compiled(generation=4), recorded_uids=recorded)


async def test_a_dry_run_that_fails_for_another_reason_says_nothing_about_the_policy(
    client: Client, namespace: str
) -> None:
    said = await admission.probe(client, namespace, refused=BAD, allowed=GOOD, service_account="missing")
    assert said == Probe(Untold("kube_forbidden"), Untold("kube_forbidden"))
    assert await admission.probe(client, "never-made", refused=BAD, allowed=GOOD) == Probe(
        Untold("kube_not_found"), Untold("kube_not_found")
    )


async def test_the_probing_pod_passes_the_strictest_pod_security(
    client: Client, kube_client: KubeClient, namespace: str
) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    path = kube_client.path("v1", "Namespace", namespace)
    kube_client.request("PATCH", path, {"metadata": {"labels": labels}}, "application/merge-patch+json").expect(200)
    assert (await probed(client, namespace)).allowed == Admitted()
