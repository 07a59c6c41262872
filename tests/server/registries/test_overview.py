"""Registries as they stand: where they are granted and what runs from them, as far as the caller may see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest_asyncio

from portreeve.core.blast_radius import RunningImage
from portreeve.server.images.service import Observation, observe
from tests.server.plane import Plane, document
from tests.server.registries.reached import plane_here

WITH_KEY = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}


@pytest_asyncio.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with plane_here(tmp_path) as found:
        await found.put(
            document("EnvironmentGroup", "production"),
            document("EnvironmentGroup", "staging"),
            document("Environment", "prod-eu", tier="production", group="production"),
            document("Environment", "stage-eu", tier="staging", group="staging"),
            document("Registry", "harbor", provider="harbor", host="harbor.example.com", title="Zebra"),
            document("Registry", "acme", provider="docker-hub", host="docker.io", path="acme", credentials=[WITH_KEY]),
            document("Registry", "idle", provider="generic", host="idle.example.com", title="Ant"),
            access("one", registry="harbor", environment="prod-eu", namespaces={"names": ["shop", "pay"]}),
            access("two", registry="harbor", environment="stage-eu", namespaces={"selector": {}}),
        )
        await reported(
            found,
            "prod-eu",
            ("shop", "Deployment/api", "harbor.example.com/shop/api:1"),
            ("shop", "Deployment/api", "acme/tools:2"),
            ("pay", "Deployment/pay", "harbor.example.com/pay/app:1"),
            ("pay", "Deployment/pay", "nginx"),
        )
        await reported(found, "stage-eu", ("shop", "Deployment/api", "harbor.example.com/shop/api:2"))
        yield found


def access(name: str, **spec: Any) -> dict[str, Any]:
    return document("RegistryAccess", name, **spec)


async def reported(plane: Plane, environment: str, *images: tuple[str, str, str]) -> None:
    namespaces: list[dict[str, Any]] = [{"name": name, "labels": {}} for name in ("shop", "pay", "kube-system")]
    facts = {"kubernetes": "v1.33.1", "namespaces": namespaces}
    held = [(RunningImage(environment, *one), "") for one in images]
    await plane.server.writer.run(lambda t: observe(t, Observation(environment, 1, facts, held)))


async def names(client: httpx2.AsyncClient, path: str, **query: Any) -> list[str]:
    found = (await client.get(path, params=query)).json()["items"]
    return [one.get("name") or one["metadata"]["name"] for one in found]


async def test_a_row_counts_grants_and_what_runs(plane: Plane) -> None:
    admin = await plane.client("root", "platform-admin")
    rows = {one["name"]: one for one in (await admin.get("/api/v1/registry-overview")).json()["items"]}
    assert rows["harbor"]["grants"] == {"documents": 2, "environments": 2, "namespaces": 5, "selectors": 1}
    assert rows["harbor"]["uses"] == {"images": 3, "workloads": 3, "namespaces": 3, "environments": 2}
    # It is written without its host, and is read as it is pulled.
    assert rows["acme"]["uses"]["images"] == 1
    assert rows["acme"]["ready"]["reason"] == "CredentialsMissing"
    assert rows["idle"]["uses"]["images"] == rows["idle"]["grants"]["documents"] == 0


async def test_docker_hub_without_signing_in_is_what_no_registry_covers(plane: Plane) -> None:
    admin = await plane.client("root", "platform-admin")
    found = (await admin.get("/api/v1/registry-overview")).json()["metadata"]["anonymousDockerHub"]
    assert found["uses"]["images"] == 1
    assert found["shownIn"] == ["development"]
    await plane.put(document("Settings", "platform", hideAnonymousDockerHub=True))
    hidden = (await admin.get("/api/v1/registry-overview")).json()["metadata"]["anonymousDockerHub"]
    assert hidden["shownIn"] == []


async def test_it_is_sorted_and_searched_by_the_server_page_by_page(plane: Plane) -> None:
    admin = await plane.client("root", "platform-admin")
    path = "/api/v1/registry-overview"
    assert await names(admin, path, sort="-running") == ["harbor", "acme", "idle"]
    assert await names(admin, path, sort="title") == ["idle", "harbor", "acme"]
    assert await names(admin, path, q="ZEB") == ["harbor"]
    assert await names(admin, path, ready="False") == ["acme"]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(3):
        page = (await admin.get(path, params={"sort": "-running", "limit": 1, **cursor})).json()
        seen += [one["name"] for one in page["items"]]
        cursor = {"cursor": page["metadata"].get("continue", "")}
    assert seen == ["harbor", "acme", "idle"]
    assert cursor == {"cursor": ""}
    other = await admin.get(path, params={"sort": "running", "limit": 1, "cursor": "e30"})
    assert (other.status_code, other.json()["code"]) == (400, "cursor")


async def test_documents_are_searched_by_name_and_title_and_sorted_by_a_closed_list(plane: Plane) -> None:
    admin = await plane.client("root", "platform-admin")
    path = "/api/v1/registries"
    assert await names(admin, path, q="zebra") == ["harbor"]
    assert await names(admin, path, q="CM") == ["acme"]
    assert await names(admin, path, sort="title") == ["idle", "harbor", "acme"]
    assert await names(admin, path, sort="-name") == ["idle", "harbor", "acme"]
    assert await names(admin, path, sort="-provider", limit=2) == ["harbor", "idle"]
    first = (await admin.get(path, params={"sort": "-provider", "limit": 2})).json()["metadata"]["continue"]
    assert await names(admin, path, sort="-provider", limit=2, cursor=first) == ["acme"]
    refused = await admin.get(path, params={"sort": "spec.tokenRealm"})
    assert (refused.status_code, refused.json()["code"]) == (400, "sort_unknown")
    assert (await admin.get("/api/v1/registries.csv?sort=-name&q=i")).text.splitlines()[1].startswith("idle")


async def test_who_sees_a_part_has_a_part_counted(plane: Plane) -> None:
    await plane.put(
        document(
            "Project", "shop", admins={"users": ["keeper"]}, namespaces=[{"environment": "prod-eu", "names": ["shop"]}]
        ),
        document("Registry", "own", provider="generic", host="harbor.example.com", path="shop", project="shop"),
    )
    keeper = await plane.client("keeper")
    rows = (await keeper.get("/api/v1/registry-overview")).json()["items"]
    assert [(one["name"], one["uses"]["images"]) for one in rows] == [("own", 1)]
    admin = await plane.client("root", "platform-admin")
    assert (await admin.get("/api/v1/registries/own/overview")).json()["uses"]["images"] == 2
    assert (await keeper.get("/api/v1/registries/harbor/uses")).status_code == 404


async def test_one_registry_with_its_credential_hosts_and_workloads(plane: Plane) -> None:
    admin = await plane.client("root", "platform-admin")
    path = "/api/v1/registries/acme"
    await admin.put(f"{path}/credentials/pull", json={"secret": "canary-one", "expiresAt": "2027-02-01T00:00:00Z"})
    plane.clock.now += timedelta(hours=1)
    await admin.post(
        f"{path}/credentials/pull/rotate", json={"secret": "canary-two", "expiresAt": "2027-03-01T00:00:00Z"}
    )
    answer = await admin.get(f"{path}/overview")
    found = answer.json()
    assert "canary" not in answer.text
    (credential,) = found["credentials"]
    assert (credential["version"], credential["setAt"]) == (2, f"{plane.clock.now:%Y-%m-%dT%H:%M:%SZ}")
    # Nobody is granted it, so nobody has to confirm the new version.
    assert credential["overlap"] is None
    assert "registry-1.docker.io" in [one["host"] for one in found["hosts"]]
    assert found["checks"] is None
    uses = (await admin.get(f"{path}/uses")).json()
    assert [(one["namespace"], one["owner"], one["image"]) for one in uses["items"]] == [
        ("shop", "Deployment/api", "acme/tools:2")
    ]
    assert uses["metadata"]["counts"]["workloads"] == 1
    assert (await admin.get(f"{path}/uses.csv")).text.splitlines()[1].split(",")[:2] == ["prod-eu", "shop"]


async def test_the_last_checklist_is_kept_with_causes_and_what_to_do(plane: Plane) -> None:
    await plane.put(document("Registry", "private", provider="generic", host="10.1.2.3:5000"))
    admin = await plane.client("root", "platform-admin")
    done = (await admin.post("/api/v1/registries/private/validate")).json()
    found = (await admin.get("/api/v1/registries/private/overview")).json()
    assert found["checks"] == done["checks"]
    assert found["check"]["outcome"] == "failed"
