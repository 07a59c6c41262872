"""The real agent, a process of its own, with nothing but the rights that the chart gives, under the chart's guard.

Whatever the agent comes to need shows here first: a right that is missing leaves something undelivered.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.agent.governed import governed, until
from tests.deploy.definition import ask, conditions, read
from tests.deploy.installed import Installed

pytestmark = pytest.mark.slow


def test_it_delivers_rotates_and_takes_away(scene: Installed, tmp_path: Path) -> None:
    account = scene.admin.path("v1", "ServiceAccount", "default", scene.namespace)

    def attached() -> bool:
        named = scene.admin.request("GET", account).body.get("imagePullSecrets", [])
        return {"name": "portreeve-pull"} in named

    with governed(scene.cluster, tmp_path, kubeconfig=kubeconfig(scene, tmp_path / "agent.kubeconfig")) as one:
        one.registry("first-s3cret")
        one.grant(scene.namespace)
        until(lambda: one.holds(scene.namespace, "first-s3cret"), one.agent.log.read_text())
        until(attached, "the attachment")
        ask(one.kube, scene.namespace)
        until(
            lambda: conditions(read(one.kube, scene.namespace)).get("Ready") == ("True", "SecretSynced"), "the status"
        )
        one.rotate("second-s3cret")
        until(lambda: one.holds(scene.namespace, "second-s3cret"), "the rotation")
        one.confirmed("DELETE", "access/a")
        until(lambda: one.secret(scene.namespace) is None and not attached(), "the removal")
        until(lambda: conditions(read(one.kube, scene.namespace)).get("Ready") == ("False", "Requested"), "the status")
        told = one.agent.log.read_text()
    # Namespaces of tests before this one may be on their way out: nothing can be said of requests in them.
    assert [one for one in told.splitlines() if "was not taken" in one and "is being deleted" not in one] == []
    assert "cannot be watched" not in told
    assert "Traceback" not in told


def kubeconfig(scene: Installed, path: Path) -> Path:
    """The agent's token, as its pod would have it."""
    cluster = {"server": scene.cluster.url, "certificate-authority": str(scene.cluster.ca_file)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "agent", "user": {"token": scene.token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "agent"}}],
        "current-context": "test",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(document))
    return path
