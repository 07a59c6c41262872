"""Browsing real registries through the API: pages, search, one image with what refers to it, and changing tags."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from portreeve.core.blast_radius import RunningImage
from portreeve.server.images.service import Observation, observe
from tests.fakes.images import CONFIG, Built, image, index, referrer
from tests.oci.behaviour import BOM, SIGNATURE
from tests.server.plane import Plane, document
from tests.server.registries.reached import as_writer, fresh, plane_here, pushed, registered, spec_of
from tests.tools.registry import Access, DockerRegistry, ReferrersRegistry

pytestmark = pytest.mark.slow

Start = Callable[[Access], DockerRegistry]
OTHER = "sha256:" + "0" * 64


@pytest_asyncio.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with plane_here(tmp_path) as found:
        yield found


async def runs(plane: Plane, *images: tuple[str, str, str]) -> None:
    """What runs in prod-eu: (namespace, owner, image)."""
    await plane.put(
        document("EnvironmentGroup", "production", type="kubernetes"),
        document("Environment", "prod-eu", type="kubernetes", tier="production", group="production"),
    )
    held = [(RunningImage("prod-eu", *one), "") for one in images]
    await plane.server.writer.run(lambda t: observe(t, Observation("prod-eu", 1, {}, held)))


async def test_repositories_come_in_pages_and_are_searched(plane: Plane, docker_registry: Start) -> None:
    registry = docker_registry(Access.HTPASSWD)
    names = sorted(fresh() for _ in range(3))
    for name in names:
        await pushed(registry, name, image("one"), "1")
    held = await registered(plane, spec_of(registry), as_writer())
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    for _ in range(500):
        page = (await held.get("repositories", limit=1, **cursor)).json()
        assert page["metadata"]["source"] == "catalog"
        seen += [row["name"] for row in page["items"]]
        if "continue" not in page["metadata"]:
            break
        cursor = {"cursor": page["metadata"]["continue"]}
    assert len(seen) == len(set(seen))
    assert set(names) <= set(seen)
    found = (await held.get("repositories", search=names[1])).json()
    assert [row["name"] for row in found["items"]] == [names[1]]


async def test_only_what_lies_below_the_registrations_path_is_shown(plane: Plane, docker_registry: Start) -> None:
    registry, repository = docker_registry(Access.HTPASSWD), fresh()
    await pushed(registry, repository, image("one"), "1")
    held = await registered(plane, spec_of(registry, path=repository), as_writer())
    found = (await held.get("repositories")).json()
    assert [row["name"] for row in found["items"]] == [repository]
    refused = await held.get("tags", repository=f"{repository}-evil")
    assert (refused.status_code, refused.json()["code"]) == (422, "repository_outside")


async def test_tags_and_their_twins(plane: Plane, docker_registry: Start) -> None:
    registry, repository = docker_registry(Access.HTPASSWD), fresh()
    for tag in ("1.4", "1.5", "latest"):
        await pushed(registry, repository, image(tag), tag)
    held = await registered(plane, spec_of(registry), as_writer())
    await runs(plane, ("shop", "Deployment/api", f"127.0.0.1:{registry.port}/{repository}:1.4"))
    found = (await held.get("tags", repository=repository)).json()
    assert sorted((row["name"], row["runningIn"]) for row in found["items"]) == [("1.4", 1), ("1.5", 0), ("latest", 0)]
    searched = (await held.get("tags", repository=repository, search="1.")).json()
    assert sorted(row["name"] for row in searched["items"]) == ["1.4", "1.5"]
    rows = (await held.get("tags.json", repository=repository)).json()
    assert sorted(row["name"] for row in rows) == ["1.4", "1.5", "latest"]
    lines = (await held.get("tags.csv", repository=repository)).text.splitlines()
    assert lines[0].startswith("NAME,DIGEST")
    assert len(lines) == 4


async def test_an_image_tells_its_platforms_and_what_refers_to_it(
    plane: Plane, referrers_registry: ReferrersRegistry
) -> None:
    repository = fresh()
    amd, arm = image("amd"), image("arm")
    for one in (amd, arm):
        await pushed(referrers_registry, repository, one)
    both = index([amd, arm], ["linux/amd64", "linux/arm64"])
    await pushed(referrers_registry, repository, both, "1.4")
    for kind in (SIGNATURE, BOM):
        await pushed(referrers_registry, repository, referrer(both, kind))
    held = await registered(plane, spec_of(referrers_registry))
    found = (await held.get("image", repository=repository, reference="1.4")).json()
    assert found["digest"] == both.digest
    assert found["pin"] == f"127.0.0.1:{referrers_registry.port}/{repository}@{both.digest}"
    assert [one["platform"] for one in found["platforms"]] == ["linux/amd64", "linux/arm64"]
    assert [one["sizeBytes"] for one in found["platforms"]] == [_size(amd), _size(arm)]
    assert found["artifacts"] == {"sbom": 1, "signature": 1}


def _size(built: Built) -> int:
    return sum(map(len, built.blobs.values()))


async def test_a_helm_chart_is_told_from_an_image(plane: Plane, docker_registry: Start) -> None:
    registry, repository = docker_registry(Access.HTPASSWD), fresh()
    chart = image("chart")
    helm = "application/vnd.cncf.helm.config.v1+json"
    content = chart.content.replace(CONFIG.encode(), helm.encode())
    await pushed(registry, repository, replace(chart, content=content), "0.1.0")
    held = await registered(plane, spec_of(registry), as_writer())
    found = (await held.get("image", repository=repository, reference="0.1.0")).json()
    assert found["artifactType"] == helm


async def test_what_environments_run_stands_in_for_a_catalogue_and_is_said_to(
    plane: Plane, docker_registry: Start
) -> None:
    """The token service lets nobody see the catalogue."""
    registry = docker_registry(Access.TOKEN)
    held = await registered(plane, spec_of(registry), {"username": "reader", "secret": "registry-password-2"})
    host = f"127.0.0.1:{registry.port}"
    await runs(plane, ("shop", "Deployment/api", f"{host}/team/api:1"), ("pay", "Deployment/b", f"{host}/team/b:1"))
    found = (await held.get("repositories")).json()
    assert found["metadata"]["source"] == "inventory"
    assert "environments run" in found["metadata"]["note"]
    assert [row["name"] for row in found["items"]] == ["team/api", "team/b"]
    developer = await plane.client("dev", "developer", environments=["prod-eu"], namespaces=["shop"])
    namespaces = {"names": ["shop"]}
    await plane.put(
        document("RegistryAccess", "shop-here", registry="here", environment="prod-eu", namespaces=namespaces)
    )
    answer = await developer.get("/api/v1/registries/here/repositories")
    assert [row["name"] for row in answer.json()["items"]] == ["team/api"]


async def test_what_a_policy_grants_may_be_browsed_where_it_does(plane: Plane, docker_registry: Start) -> None:
    held = await registered(plane, spec_of(docker_registry(Access.OPEN)))
    await runs(plane)
    granted = [{"registry": "here", "namespaces": {"names": ["shop"]}}]
    await plane.put(document("RegistryPolicy", "prod", groups=["production"], access=granted))
    for namespace, status in (("shop", 200), ("pay", 404)):
        developer = await plane.client(namespace, "developer", environments=["prod-eu"], namespaces=[namespace])
        assert (await developer.get("/api/v1/registries/here/repositories")).status_code == status
    assert (await held.get("repositories")).status_code == 200


async def test_how_a_registry_is_used_says_whether_it_is_granted_where_the_caller_may_see(plane: Plane) -> None:
    held = await registered(plane, {"provider": "harbor", "host": "harbor.example.com", "path": "shop"})
    await runs(plane)
    namespaces = {"names": ["shop"]}
    await plane.put(document("RegistryAccess", "a", registry="here", environment="prod-eu", namespaces=namespaces))
    found = (await held.get("usage", namespace="shop", environment="prod-eu", tag="1.4")).json()
    assert found["annotation"] == {"key": "portreeve.io/registry.here", "value": "here"}
    assert found["pod"]["spec"]["containers"][0]["image"] == "harbor.example.com/shop/app:1.4"
    pinned = (await held.get("usage", namespace="shop", tag=OTHER)).json()
    assert pinned["pod"]["spec"]["containers"][0]["image"] == f"harbor.example.com/shop/app@{OTHER}"
    assert f"--image=harbor.example.com/shop/app@{OTHER}" in pinned["command"]
    assert list(found["pullSecret"]["content"]["auths"]) == ["harbor.example.com/shop/"]
    assert found["granted"] is True
    assert (await held.get("usage", namespace="pay", environment="prod-eu")).json()["granted"] is False
    developer = await plane.client("dev", "developer", environments=["prod-eu"], namespaces=["shop"])
    path = "/api/v1/registries/here/usage"
    own = await developer.get(path, params={"namespace": "shop", "environment": "prod-eu"})
    foreign = await developer.get(path, params={"namespace": "pay", "environment": "prod-eu"})
    assert (own.json()["granted"], foreign.json().get("granted")) == (True, None)
    outside = await held.get("usage", repository="pay/api")
    assert outside.json()["code"] == "repository_outside"


async def test_a_tag_moves_only_from_what_was_looked_at(plane: Plane, docker_registry: Start) -> None:
    registry, repository = docker_registry(Access.HTPASSWD), fresh()
    old, new = image("old"), image("new")
    await pushed(registry, repository, old, "stable")
    await pushed(registry, repository, new, "1.5")
    held = await registered(plane, spec_of(registry), as_writer())
    path = "/api/v1/registries/here/retag"
    query = {"repository": repository, "reference": "1.5", "tag": "stable"}
    unseen = await held.client.post(path, params=query)
    assert (unseen.status_code, unseen.json()["code"]) == (428, "precondition_needed")
    moved = await held.client.post(path, params=query, headers={"If-Match": f'"{OTHER}"'})
    assert (moved.status_code, moved.json()["code"]) == (412, "tag_moved")
    done = await held.client.post(path, params=query, headers={"If-Match": f'"{old.digest}"'})
    assert done.status_code == 200, done.text
    assert (await held.get("image", repository=repository, reference="stable")).json()["digest"] == new.digest
    fresh_tag = await held.client.post(path, params={**query, "tag": "next"}, headers={"If-None-Match": "*"})
    assert fresh_tag.status_code == 200
    events = (await held.client.get("/api/v1/audit", params={"action": "image.tag"})).json()["items"]
    told = [(event["outcome"], event.get("before"), event["after"]) for event in reversed(events)]
    assert told == [
        ("intended", old.digest, new.digest),
        ("done", old.digest, new.digest),
        ("intended", None, new.digest),
        ("done", None, new.digest),
    ]


async def test_deleting_shows_first_who_runs_it(plane: Plane, docker_registry: Start) -> None:
    registry, repository = docker_registry(Access.HTPASSWD), fresh()
    built = image("gone")
    await pushed(registry, repository, built, "1.4")
    held = await registered(plane, spec_of(registry), as_writer())
    await runs(plane, ("shop", "Deployment/api", f"127.0.0.1:{registry.port}/{repository}:1.4"))
    path, query = "/api/v1/registries/here/image", {"repository": repository, "reference": built.digest}
    shown = await held.client.delete(path, params={**query, "reference": "1.4", "dryRun": "All"})
    assert shown.json()["usedBy"][0]["owner"] == "Deployment/api"
    assert (await held.client.delete(path, params=query)).status_code == 428
    assert (
        await held.client.delete(path, params=query, headers={"If-Match": shown.headers["etag"]})
    ).status_code == 204
    gone = await held.get("image", repository=repository, reference="1.4")
    assert (gone.status_code, gone.json()["code"]) == (404, "manifest_unknown")
    events = (await held.client.get("/api/v1/audit", params={"action": "image.delete"})).json()["items"]
    assert [event["outcome"] for event in events] == ["done", "intended"]


async def test_what_a_product_never_deletes_is_refused_before_it_is_asked(plane: Plane) -> None:
    held = await registered(plane, {"provider": "docker-hub", "host": "docker.io", "path": "acme"})
    answer = await held.client.delete(
        "/api/v1/registries/here/image",
        params={"repository": "acme/api", "reference": "1"},
        headers={"If-Match": f'"{OTHER}"'},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "delete_unsupported")


async def test_a_change_that_the_registry_refuses_is_recorded_as_failed(
    plane: Plane, referrers_registry: ReferrersRegistry, docker_registry: Start
) -> None:
    """Docker's registry deletes no tags."""
    registry, repository = docker_registry(Access.HTPASSWD), fresh()
    built = image("kept")
    await pushed(registry, repository, built, "1.4")
    held = await registered(plane, spec_of(registry), as_writer())
    query = {"repository": repository, "reference": "1.4"}
    answer = await held.client.delete(
        "/api/v1/registries/here/image", params=query, headers={"If-Match": f'"{built.digest}"'}
    )
    assert answer.status_code >= 400
    assert answer.status_code != 500 or answer.json()["code"] == "registry_unsupported"
    events = (await held.client.get("/api/v1/audit", params={"action": "image.delete"})).json()["items"]
    assert [event["outcome"] for event in events] == ["failed", "intended"]
    assert events[0]["reason"] == answer.json()["code"]


@pytest.mark.parametrize(
    "repository", ["../../v1/keys", "team/..%2f", "TEAM/api", "team//api", "a" * 300, "team/api?x=1"]
)
async def test_a_repository_that_is_none_reaches_no_registry(
    plane: Plane, docker_registry: Start, repository: str
) -> None:
    held = await registered(plane, spec_of(docker_registry(Access.OPEN)))
    answer = await held.get("tags", repository=repository)
    assert answer.status_code in {400, 422}, answer.text
