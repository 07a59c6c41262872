"""The pull secret in a pod: in imagePullSecrets it is admitted, and added; anywhere else it is refused.

Source: threat AD-15; kubernetes.md 3.2.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.installed import CHART, Installed, pod
from tests.tools.cel import CelChecker
from tests.tools.charts import Charts, NotRendered, Object
from tests.tools.kubeclient import DRY_RUN, Response, wait_until

pytestmark = pytest.mark.slow

OURS = {"name": "portreeve-pull"}
ENV = {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {**OURS, "key": ".dockerconfigjson"}}}]}
ENV_FROM = {"envFrom": [{"secretRef": OURS}]}
OTHER = {"name": "c2", "image": "registry.example.com/app:1"}


def volume(**source: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "v", **source}]}


WAYS: dict[str, dict[str, Any]] = {
    "secret volume": volume(secret={"secretName": "portreeve-pull"}),
    "optional secret volume": volume(secret={"secretName": "portreeve-pull", "optional": True}),
    "projected volume": volume(projected={"sources": [{"configMap": {"name": "x"}}, {"secret": OURS}]}),
    "variable": {"container": ENV},
    "all variables": {"container": ENV_FROM},
    "variable of an init container": {"initContainers": [{**OTHER, **ENV}]},
    "all variables of a sidecar": {"initContainers": [{**OTHER, **ENV_FROM, "restartPolicy": "Always"}]},
    "driver of a volume": volume(csi={"driver": "x.example.com", "nodePublishSecretRef": OURS}),
    "azureFile": volume(azureFile={"secretName": "portreeve-pull", "shareName": "s"}),
    "cephfs": volume(cephfs={"monitors": ["m"], "secretRef": OURS}),
    "rbd": volume(rbd={"monitors": ["m"], "image": "i", "secretRef": OURS}),
    "iscsi": volume(
        iscsi={"targetPortal": "192.0.2.1:3260", "iqn": "iqn.2001-04.com.example:x", "lun": 0, "secretRef": OURS}
    ),
    "flexVolume": volume(flexVolume={"driver": "x/y", "secretRef": OURS}),
    "scaleIO": volume(scaleIO={"gateway": "https://g", "system": "s", "volumeName": "v", "secretRef": OURS}),
    "storageos": volume(storageos={"volumeName": "v", "secretRef": OURS}),
}


def refused(answer: Response) -> bool:
    """By this policy, with its sentence."""
    return answer.status == 403 and "name it in imagePullSecrets, not in a volume or a variable" in answer.message


@pytest.mark.parametrize("way", WAYS)
def test_a_pod_does_not_read_it(way: str, scene: Installed) -> None:
    assert refused(scene.admin.create(pod(scene.namespace, **WAYS[way]), DRY_RUN))
    harmless = _renamed(pod(scene.namespace, **WAYS[way]))
    scene.admin.create(harmless, DRY_RUN).expect(201)


def test_an_ephemeral_container_does_not_read_it(scene: Installed) -> None:
    running = pod(scene.namespace, "debugged")
    scene.admin.create(running).expect(201)
    path = scene.admin.path("v1", "Pod", "debugged", scene.namespace, "ephemeralcontainers")
    for added, allowed in ((ENV, False), (ENV_FROM, False), ({}, True)):
        body = {"spec": {"ephemeralContainers": [{**OTHER, "name": "debug", **added}]}}
        answer = scene.admin.request("PATCH", path, body, "application/strategic-merge-patch+json", DRY_RUN)
        assert answer.ok if allowed else refused(answer), answer.message
    scene.admin.delete(running, {"gracePeriodSeconds": "0"}).expect(200)


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("apps/v1", "Deployment"),
        ("apps/v1", "ReplicaSet"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("batch/v1", "Job"),
        ("batch/v1", "CronJob"),
        ("v1", "ReplicationController"),
        ("v1", "PodTemplate"),
    ],
)
def test_nor_does_a_template(api_version: str, kind: str, scene: Installed) -> None:
    made = workload(api_version, kind, scene.namespace, WAYS["secret volume"])
    assert refused(scene.admin.create(made, DRY_RUN))
    pulls = workload(api_version, kind, scene.namespace, {"imagePullSecrets": [OURS]})
    scene.admin.create(pulls, DRY_RUN).expect(201)


def workload(api_version: str, kind: str, namespace: str, spec: dict[str, Any]) -> Object:
    jobs = kind in ("Job", "CronJob")
    inside = {**pod("", **spec)["spec"], **({"restartPolicy": "Never"} if jobs else {})}
    template = {"metadata": {"labels": {"app": "x"}}, "spec": inside}
    shapes: dict[str, Object] = {
        "PodTemplate": {"template": template},
        "CronJob": {"spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": template}}}},
        "Job": {"spec": {"template": template}},
        "ReplicationController": {"spec": {"selector": {"app": "x"}, "template": template}},
    }
    selected = {"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template}}
    metadata = {"name": "w", "namespace": namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **shapes.get(kind, selected)}


def test_both_policies_compile_on_the_oldest_release_and_let_old_objects_be_scaled(
    charts: Charts, cel_checker: CelChecker
) -> None:
    rendered = charts.render(CHART, {"server": "https://x.example"}, kube_version="v1.30.0")
    for policy in rendered.all_of("ValidatingAdmissionPolicy"):
        assert cel_checker.compile(policy) == []
    old = workload("apps/v1", "Deployment", "shop", WAYS["secret volume"])
    changed = {**old, "metadata": {**old["metadata"], "labels": {"a": "b"}}, "spec": {**old["spec"], "replicas": 3}}
    anew = workload("apps/v1", "Deployment", "shop", {**WAYS["secret volume"], "nodeSelector": {"a": "b"}})
    mounted = pod("shop", **WAYS["secret volume"])
    labelled = {**mounted, "metadata": {**mounted["metadata"], "finalizers": []}}
    with cel_checker.evaluator(rendered.of("ValidatingAdmissionPolicy", "portreeve-no-read")) as evaluator:
        assert not evaluator.review(old).allowed
        assert evaluator.review(changed, old, operation="UPDATE").allowed
        assert not evaluator.review(anew, old, operation="UPDATE").allowed
        assert evaluator.review(labelled, mounted, operation="UPDATE").allowed
        empty = {
            "apiVersion": "v1",
            "kind": "ReplicationController",
            "metadata": {"name": "w"},
            "spec": {"replicas": 0},
        }
        assert evaluator.review(empty).allowed
        many = pod("shop", initContainers=[{**OTHER, "name": f"c{n}", "env": [{"name": "A"}] * 50} for n in range(200)])
        review = evaluator.review(many)
        assert review.allowed
        assert 0 < review.cost < 5_000_000, "of 10,000,000 that a binding has"


def _renamed(one: Any) -> Any:
    """The same with another Secret, to show that nothing else is wrong with it."""
    if isinstance(one, dict):
        return {key: _renamed(value) for key, value in one.items()}
    if isinstance(one, list):
        return [_renamed(value) for value in one]
    return "theirs" if one == "portreeve-pull" else one


MINE, ACCOUNTS = {"name": "mine"}, {"name": "account-s"}


@pytest.mark.parametrize(
    ("own", "account", "wanted"),
    [
        (None, [], [OURS]),
        ([], [], [OURS]),
        ([MINE], [], [MINE, OURS]),
        ([OURS], [], [OURS]),
        ([OURS, MINE], [], [OURS, MINE]),
        (None, [ACCOUNTS], [ACCOUNTS, OURS]),
        ([MINE], [ACCOUNTS, OURS], [MINE, OURS]),
        (None, [OURS], [OURS]),
    ],
)
def test_a_pod_gets_it_beside_its_own(
    own: list[Any] | None, account: list[Any], wanted: list[Any], scene: Installed
) -> None:
    """Those that it names itself, or those of its ServiceAccount."""
    metadata = {"name": "puller", "namespace": scene.namespace}
    puller = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "imagePullSecrets": account}
    scene.admin.create(puller).expect(201)
    named: dict[str, Any] = {} if own is None else {"imagePullSecrets": own}
    made = pod(scene.namespace, serviceAccountName="puller", **named)
    try:
        wait_until(lambda: attached(scene, made) == wanted, "the policy that attaches", 10)
    finally:
        scene.admin.delete(puller).expect(200)


def attached(scene: Installed, made: Object) -> Any:
    """What a pod names once it is admitted; None while the server does not see its ServiceAccount yet."""
    answer = scene.admin.create(made, DRY_RUN)
    return None if answer.status == 403 else answer.expect(201).body["spec"].get("imagePullSecrets")


def test_a_pod_elsewhere_does_not_get_it(scene: Installed) -> None:
    wait_until(
        lambda: "imagePullSecrets" in scene.admin.create(pod(scene.namespace), DRY_RUN).expect(201).body["spec"],
        "the policy that attaches",
    )
    for namespace in ("default", "kube-system"):
        answer = scene.admin.create(pod(namespace), DRY_RUN).expect(201)
        assert "imagePullSecrets" not in answer.body["spec"]


def test_a_cluster_that_cannot_attach_says_so_before_anything_is_installed(charts: Charts) -> None:
    with pytest.raises(NotRendered, match=r"needs Kubernetes 1\.36"):
        charts.render(CHART, {"server": "https://x.example", "attach": {"enabled": True}}, kube_version="v1.35.4")
