"""What objects of the API become in the inventory, whatever stands in them."""

from __future__ import annotations

import gc
import json
import sys
from enum import Enum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core import inventory as core
from portreeve.core.inventory import NEEDED
from portreeve.core.namespace_view import EventSaid, Tool
from portreeve.core.pull_failure import Cause
from portreeve.kube.objects import Event, Pod, ServiceAccount, Workload
from portreeve.kube.resources import PODS, SERVICE_ACCOUNTS, WORKLOADS
from portreeve.reconciler.inventory import InventoryKeeper, InventoryPart, account_said, event_said, pod_said
from portreeve.wire.channel import Report, read_report, report_document
from tests.core.test_pull_failure import IMAGE, MESSAGES

A, B = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def read(value: Any, into: Any) -> Any:
    """As from the API server."""
    return msgspec.json.decode(json.dumps(value).encode(), type=into)


def pod(name: str = "api-1", spec: Any = None, statuses: Any = None, **metadata: Any) -> Pod:
    found: Pod = read(
        {
            "metadata": {"name": name, "namespace": "shop", **metadata},
            "spec": spec or {"containers": [{"name": "app", "image": IMAGE}]},
            "status": {"phase": "Running", **(statuses or {})},
        },
        Pod,
    )
    return found


def waiting(reason: str, message: str = "", container: str = "app") -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"containerStatuses": [{"name": container, "image": IMAGE, "state": state}]}


def test_images_of_every_kind_of_container_with_their_digests() -> None:
    spec = {
        "containers": [{"name": "app", "image": "app:1"}, {"name": "twin", "image": "app:1"}],
        "initContainers": [{"name": "init", "image": "init:1"}],
        "ephemeralContainers": [{"name": "debug", "image": "debug:1"}],
        # A volume may have the name of a container: the digest of that is not its own.
        "volumes": [{"name": "app", "image": {"reference": "data:1"}}, {"name": "tmp", "emptyDir": {}}],
    }
    statuses = {
        "containerStatuses": [
            {"name": "app", "image": "app:1", "imageID": ""},
            {"name": "twin", "image": "app:1", "imageID": f"registry.example.com/app@{A}"},
        ],
        "initContainerStatuses": [{"name": "init", "image": "init:1", "imageID": f"docker-pullable://init@{B}"}],
        # The id of a configuration, as of an image that was built on the node: no digest that anybody could pull.
        "ephemeralContainerStatuses": [{"name": "debug", "image": "debug:1", "imageID": A}],
    }
    assert pod_said(pod(spec=spec, statuses=statuses)).images == (
        ("app:1", A), ("data:1", ""), ("debug:1", ""), ("init:1", B),
    )  # fmt: skip


@pytest.mark.parametrize(("cause", "frame", "why"), MESSAGES)
def test_a_waiting_container_says_what_its_message_says(cause: Cause, frame: str, why: str) -> None:
    message = frame.format(image=IMAGE, why=why)
    said = pod_said(pod(statuses=waiting("ErrImagePull", message), creationTimestamp="2026-11-28T12:00:00Z"))
    assert said.failing == ((IMAGE, cause),)
    assert said.since == "2026-11-28T12:00:00Z"
    assert why not in repr(said)


def test_a_container_that_waits_for_something_else_has_not_failed_to_be_pulled() -> None:
    assert pod_said(pod(statuses=waiting("CrashLoopBackOff", "unauthorized"))).failing == ()
    assert pod_said(pod(statuses=waiting("ContainerCreating"))).since == ""


EVENTS: list[tuple[str, str, str, Cause | None]] = [
    ("Pod", "Failed", 'Failed to pull image "nginx": 401 Unauthorized', Cause.UNAUTHORIZED),
    ("Pod", "Failed", "Error: ImagePullBackOff", None),
    ("Pod", "Failed", "failed to start container: permission denied", None),
    ("Pod", "FailedScheduling", "0/3 nodes: connection refused", None),
    ("Pod", "FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (a)", Cause.SECRET_MISSING),
    ("ReplicaSet", "FailedCreate", "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: x", Cause.ADMISSION),
    ("ReplicaSet", "FailedCreate", 'pods "a" is forbidden: exceeded quota', None),
    ("ReplicaSet", "Failed", 'Failed to pull image "nginx": 401 Unauthorized', None),
    ("Pod", "FailedCreate", "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: x", None),
]


def event(kind: str, reason: str, message: str, **more: Any) -> Event:
    about = {"kind": kind, "namespace": "shop", "name": "api", "uid": "u"}
    metadata = {"name": "e", "namespace": "shop"}
    found: Event = read(
        {"metadata": metadata, "involvedObject": about, "reason": reason, "message": message, **more}, Event
    )
    return found


@pytest.mark.parametrize(("kind", "reason", "message", "cause"), EVENTS)
def test_events_that_tell_of_a_pull(kind: str, reason: str, message: str, cause: Cause | None) -> None:
    said = event_said(event(kind, reason, message))
    assert (said.cause if said else None) == cause


def test_an_event_is_counted_since_its_first_time() -> None:
    times = {"firstTimestamp": "2026-11-28T12:00:00Z", "lastTimestamp": "2026-11-28T13:00:00Z", "count": 9}
    said = event_said(event("Pod", "Failed", 'Failed to pull image "nginx": 401 Unauthorized', **times))
    assert said == EventSaid("shop", "e", "Pod", "api", "u", Cause.UNAUTHORIZED, "nginx", 9, "2026-11-28T12:00:00Z")
    newer = event_said(event("Pod", "Failed", "no such host", eventTime="2026-11-28T12:00:00.123456Z"))
    assert newer is not None
    assert newer.since == "2026-11-28T12:00:00Z"


def test_an_event_that_says_something_else_now_is_forgotten() -> None:
    keeper = listed()
    keeper.seen("ReplicaSet", read({"metadata": {"name": "api", "namespace": "shop", "uid": "u"}}, Workload))
    keeper.seen("Event", event(*EVENTS[5][:3]))
    assert keeper.delta()["inventory"][0]["pullFailures"][0]["cause"] == "admission"
    keeper.seen("Event", event(*EVENTS[6][:3]))
    assert keeper.delta()["inventory"] == ()


TRACKED = "shop:apps/Deployment:shop/api"
KEEPERS: list[tuple[dict[str, str], dict[str, str], Tool | None, str]] = [
    ({"argocd.argoproj.io/tracking-id": TRACKED}, {}, Tool.ARGO_CD, "shop"),
    ({}, {"argocd.argoproj.io/instance": "shop"}, Tool.ARGO_CD, "shop"),
    ({}, {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"},
     Tool.FLUX, "flux-system/apps"),
    ({}, {"helm.toolkit.fluxcd.io/name": "api", "helm.toolkit.fluxcd.io/namespace": "shop"}, Tool.FLUX, "shop/api"),
    ({"meta.helm.sh/release-name": "api"}, {"app.kubernetes.io/managed-by": "Helm"}, None, ""),
]  # fmt: skip


@pytest.mark.parametrize(("annotations", "labels", "tool", "app"), KEEPERS)
def test_which_tool_keeps_an_account(
    annotations: dict[str, str], labels: dict[str, str], tool: Tool | None, app: str
) -> None:
    metadata = {"name": "builder", "namespace": "shop", "annotations": annotations, "labels": labels}
    said = account_said(read({"metadata": metadata}, ServiceAccount))
    assert (said.tool, said.app) == (tool, app)


def listed() -> InventoryKeeper:
    keeper = InventoryKeeper()
    for kind in NEEDED:
        keeper.listed(kind)
    return keeper


def test_there_is_an_inventory_from_the_first_complete_look_on() -> None:
    keeper = InventoryKeeper()
    assert keeper.delta() == {}
    assert listed().delta() == {"images_added": (), "images_removed": (), "inventory": ()}


def test_as_a_part_it_says_when_there_is_something_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "BATCH_LINES", 1)
    calls: list[None] = []
    part = InventoryPart(InventoryKeeper(), lambda: calls.append(None))
    for name in ("a", "b"):
        metadata = {"name": "api", "namespace": name}
        part.seen(PODS, read({"metadata": metadata, "spec": {"containers": [{"image": IMAGE}]}}, Pod))
    for resource in (PODS, SERVICE_ACCOUNTS, *WORKLOADS):
        assert calls == []
        part.complete(resource, went_back=False)
    assert len(calls) == 1
    assert len(part.delta()["images_added"]) == 1
    part.acknowledged()
    assert len(calls) == 2  # the report did not hold all of it
    assert [one.namespace for one in part.delta()["images_added"]] == ["b"]
    part.acknowledged()
    assert len(calls) == 2
    part.gone(PODS, "a", "api", "")
    assert len(part.delta()["images_removed"]) == 1


TEXT = st.text(max_size=30) | st.sampled_from(["x" * 3000, "\u202enginx", "a\nb", "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace")])  # fmt: skip # noqa: E501


@given(image=TEXT, secret=TEXT, owner=TEXT, kind=TEXT, mark=TEXT, reason=TEXT, message=TEXT)
def test_whatever_stands_in_objects_the_report_is_understood(
    image: str, secret: str, owner: str, kind: str, mark: str, reason: str, message: str
) -> None:
    """Nobody who may make a pod keeps the agent from reporting."""
    keeper = listed()
    spec = {
        "containers": [{"name": "app", "image": image}],
        "imagePullSecrets": [{"name": secret}],
        "serviceAccountName": "builder",
    }
    owners = [{"kind": kind, "name": owner, "uid": "u", "controller": True}]
    annotations = {"portreeve.io/registry.a": mark, "argocd.argoproj.io/tracking-id": mark}
    metadata = {"name": "a", "namespace": "shop", "annotations": annotations}
    keeper.seen(
        "Pod", pod("a", spec, waiting("ErrImagePull", message), annotations=annotations, ownerReferences=owners)
    )
    keeper.seen("CronJob", read({"metadata": metadata, "spec": {"jobTemplate": {"spec": {"template": {
        "metadata": metadata, "spec": spec}}}}}, Workload))  # fmt: skip
    account = {"metadata": {**metadata, "name": "builder"}, "imagePullSecrets": [{"name": "portreeve-pull"}]}
    keeper.seen("ServiceAccount", read(account, ServiceAccount))
    keeper.seen("Event", event(kind, reason, message))
    report = Report(1, True, 1, **keeper.delta())
    assert read_report(json.loads(json.dumps(report_document(report)))) == report


COUNT = 2_000


def filled(keeper: InventoryKeeper) -> int:
    """Told of many pods, three of each ReplicaSet; the lines of images that are reported."""
    spec = {
        "containers": [{"name": "app", "image": IMAGE}, {"name": "proxy", "image": "istio/proxyv2:1.24.1"}],
        "imagePullSecrets": [{"name": "portreeve-pull"}],
    }
    statuses = {"containerStatuses": [{"name": "app", "image": IMAGE, "imageID": f"{IMAGE}@{A}"}]}
    for number in range(COUNT):
        above = number // 3
        owners = [{"kind": "ReplicaSet", "name": f"api-{above}", "uid": f"{above:036}", "controller": True}]
        keeper.seen("Pod", pod(f"api-{above}-{number:05}", spec, statuses, ownerReferences=owners))
    lines = len(keeper.delta()["images_added"])
    keeper.acknowledged()
    return lines


def weight(root: object) -> int:
    """Bytes of all that hangs on an object, each counted once; classes, which are there anyway, are not."""
    seen: dict[int, object] = {}
    following = [root]
    while following:
        one = following.pop()
        if id(one) not in seen and not isinstance(one, type | Enum):
            seen[id(one)] = one
            following += gc.get_referents(one)
    return sum(map(sys.getsizeof, seen.values()))


def test_ten_thousand_pods_have_room() -> None:
    """A kilobyte for each pod at most, with two containers and what was told of it; measured on a fifth of them."""
    keeper = listed()
    empty = weight(keeper)
    assert filled(keeper) == 2 * (COUNT // 3 + 1)
    assert 200 < (weight(keeper) - empty) / COUNT < 1024
