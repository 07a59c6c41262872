"""How a registry looks from a cluster: by what its agent tells of pulls, as far as the caller may see it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2

from tests.server.agents.agent import enrolled
from tests.server.plane import Plane, document

REGISTRY = document("Registry", "harbor", provider="harbor", host="harbor.example.com")
OTHER = document("Registry", "quay", provider="quay", host="quay.io")
GRANT = document("RegistryAccess", "one", registry="harbor", environment="prod", namespaces={"names": ["shop"]})
RUNS = [{"namespace": "shop", "owner": "Deployment/api", "image": "harbor.example.com/shop/api:1"}]


def failed(owner: str, image: str, cause: str) -> dict[str, Any]:
    return {"owner": owner, "image": image, "cause": cause, "count": 1}


async def seen(client: httpx2.AsyncClient, registry: str = "harbor") -> list[dict[str, Any]]:
    answer = await client.get(f"/api/v1/registries/{registry}/overview")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["vantages"]
    assert answer.json()["vantagesTotal"] == len(found)
    return found


async def test_a_registry_is_seen_from_where_its_images_are_pulled(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await plane.put(REGISTRY, OTHER, GRANT)
    (never,) = await seen(admin)
    assert (never["environment"], never["outcome"], never["at"]) == ("prod", "unknown", None)
    assert await seen(admin, "quay") == []

    agent = await enrolled(plane, admin)
    spaces: dict[str, Any] = {"added": [{"name": name, "labels": {}} for name in ("shop", "pay")]}
    assert (await agent.report(namespaces=spaces, images={"added": RUNS}, inventory=[])).status_code == 200
    await agent.desired()
    await plane.server.doorbell.note()
    (good,) = await seen(admin)
    assert (good["outcome"], good["images"], good["failing"]) == ("ok", 1, [])
    assert good["at"] is not None

    refused = [
        failed("Deployment/web", "harbor.example.com/shop/web:2", "unauthorized"),
        failed("Deployment/own", "harbor.example.com/shop/own:2", "disk_full"),
        failed("Deployment/new", "quay.io/acme/new:1", "news"),
    ]
    assert (await agent.report(inventory=[{"namespace": "shop", "pullFailures": refused}])).status_code == 200
    (bad,) = await seen(admin)
    assert bad["outcome"] == "failed"
    assert [(one["cause"], one["workloads"]) for one in bad["failing"]] == [("unauthorized", 1)]
    assert bad["failing"][0]["do"]
    (elsewhere,) = await seen(admin, "quay")
    assert (elsewhere["outcome"], elsewhere["failing"][0]["cause"]) == ("failed", "unknown")

    # Who sees no workloads of that namespace is told of none of its pulls.
    place = {"environment": "prod", "names": ["pay"]}
    await plane.put(
        document("Project", "pay", admins={"users": ["keeper"]}, namespaces=[place]),
        document("Registry", "own", provider="generic", host="harbor.example.com", path="shop", project="pay"),
    )
    assert [one["outcome"] for one in await seen(admin, "own")] == ["failed"]
    assert await seen(await plane.client("keeper"), "own") == []

    plane.clock.move(timedelta(days=1))
    (silent,) = await seen(admin)
    assert silent["outcome"] == "unknown"
    assert "has not come lately" in silent["message"]
