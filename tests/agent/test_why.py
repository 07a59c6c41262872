"""The link in the message of a real API server opens the answer that lets the pod in: journey 2, without its page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.agent.governed import Governed, governed, until
from tests.kube.conftest import namespace
from tests.server.plane import document
from tests.tools.cluster import Cluster

__all__ = ["namespace"]

pytestmark = pytest.mark.slow

ADDRESS = "https://portreeve.example.com"


def test_the_link_of_a_refusal_opens_the_place_where_the_image_is_allowed(
    kubernetes: Cluster, tmp_path: Path, namespace: str
) -> None:
    with governed(kubernetes, tmp_path, public_url=ADDRESS) as scene:
        sources = [{"prefix": "harbor.example.com/hub", "scope": "Global"}]
        restrict = {"stage": "deny", "allowedSources": sources}
        scene.confirmed(
            "POST", "policies", json=document("RegistryPolicy", "p", groups=["production"], restrict=restrict)
        )
        until(lambda: scene.reason("Enforced") == "PolicyEnforced", "enforced")

        message = tried(scene, namespace, "redis:7").expect(422, 403).message
        assert f"not allowed in namespace {namespace} (policy p, generation 1); why: portreeve explain" in message
        found = re.search(rf"{ADDRESS}/why#([^/\s]+)/([^/\s]+)/(\S+)$", message)
        assert found, message
        asked = {"token": found[1], "namespace": found[2], "image": found[3]}
        assert (asked["namespace"], asked["image"]) == (namespace, "redis:7")

        answer = ask(scene, asked)
        assert (answer["verdict"], answer["policy"]) == ("DENY", {"name": "p", "generation": 1})
        tried(scene, namespace, answer["alternative"]).expect(201)

        # Nothing that a shell or a browser would read otherwise gets into the link.
        odd = tried(scene, namespace, "x#y?z").expect(422, 403).message
        assert odd.endswith(f"/why#{found[1]}/{namespace}/"), odd
        assert "\n" not in odd


def tried(scene: Governed, namespace: str, image: str) -> Any:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried", "namespace": namespace}}
    pod["spec"] = {"containers": [{"name": "main", "image": image}]}
    return scene.kube.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod, query={"dryRun": "All"})


def ask(scene: Governed, asked: dict[str, str]) -> dict[str, Any]:
    """As a browser would, which is not signed in."""

    async def sent() -> httpx2.Response:
        client = scene.served.plane.anonymous({"Host": "portreeve.example.com"})
        return await client.post("/api/v1/why", json=asked)

    answer = scene.served.run(sent())
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read
