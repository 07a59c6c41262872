"""The whole way of a request: asked for with kubectl's means, decided on with ours, and seen in the cluster."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.governed import KEY, Governed, governed, until
from tests.deploy.definition import ask, conditions, defined, read
from tests.kube.conftest import namespace
from tests.tools.cluster import Cluster

__all__ = ["namespace"]

pytestmark = pytest.mark.slow


@pytest.fixture
def scene(kubernetes: Cluster, tmp_path: Path) -> Iterator[Governed]:
    with kubernetes.client() as admin, defined(admin), governed(kubernetes, tmp_path) as found:
        yield found


def states(scene: Governed) -> dict[str, str]:
    """Request → state, as the control plane lists them."""
    return {one["name"]: one["state"] for one in scene.ask("GET", "access-requests")["items"]}


def test_a_request_is_approved_and_delivered_another_refused(
    scene: Governed, kubernetes: Cluster, namespace: str
) -> None:
    kube = scene.kube
    scene.registry("canary-of-a-request")
    ask(kube, namespace, "wanted", reason="the shop's images")
    ask(kube, namespace, "unwanted", registry="no-such")
    until(lambda: states(scene) == {"unwanted": "requested", "wanted": "requested"}, "listed")
    until(lambda: conditions(read(kube, namespace, "wanted")).get("Ready") == ("False", "Requested"), "answered")

    place = f"access-requests/prod/{namespace}"
    plan = scene.ask("POST", f"{place}/wanted/approve")
    scene.ask("POST", f"plans/{plan['id']}/confirm")
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("NOT RUN: kubectl is not on PATH (Debian package kubernetes-client); it is no part of the product")
    command = [program, "--kubeconfig", str(kubernetes.kubeconfig), "-n", namespace]
    waited = [*command, "wait", "--for=condition=Ready", "registryaccess/wanted", "--timeout=30s"]
    subprocess.run(waited, check=True, capture_output=True, timeout=60)
    assert scene.holds(namespace, "canary-of-a-request")
    status = read(kube, namespace, "wanted")["status"]
    assert (status["state"], status["expiresAt"], status["keys"]) == ("Granted", "2030-01-01T00:00:00Z", [KEY])
    assert status["grantedBy"] == "access requested-r-prod"
    assert "canary" not in str(status)
    assert states(scene)["wanted"] == "granted"

    scene.ask("POST", f"{place}/unwanted/deny", json={"comment": "there is no such registry; ask for r"})
    until(lambda: conditions(read(kube, namespace, "unwanted")).get("Stalled") == ("True", "Refused"), "refused")
    refused = read(kube, namespace, "unwanted")["status"]
    assert refused["state"] == "Refused"
    assert "ask for r" in refused["conditions"][0]["message"]
    described = [*command, "describe", "registryaccess", "unwanted"]

    def told() -> bool:
        shown = subprocess.run(described, check=True, capture_output=True, timeout=60, text=True).stdout
        return "Warning Refused" in " ".join(shown.split())

    until(told, "the Event")

    # The grant is taken back: the request stands again as it stood at first, and nothing is delivered.
    scene.confirmed("DELETE", "access/requested-r-prod")
    until(lambda: scene.secret(namespace) is None, "taken back")
    until(lambda: read(kube, namespace, "wanted")["status"]["state"] == "Requested", "asked for again")
    assert "secretName" not in read(kube, namespace, "wanted")["status"]
    assert scene.agent.stop() == 0
    log = scene.agent.log.read_text()
    assert "Traceback" not in log, log
    assert "canary" not in log
