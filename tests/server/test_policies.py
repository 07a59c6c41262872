"""The effect of a draft over HTTP, and how policies stand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from portreeve.core.blast_radius import RunningImage
from portreeve.errors import Invalid
from portreeve.server.database.writer import Transaction
from portreeve.server.images.service import Observation, observe
from portreeve.server.policies.effect import read_question
from tests.server.plane import Plane, document, running

pytestmark = pytest.mark.wide

FLEET = (
    document("EnvironmentGroup", "production"),
    document("EnvironmentGroup", "development"),
    document("Environment", "prod-eu", tier="production", group="production"),
    document("Environment", "prod-us", tier="production", group="production"),
    document("Environment", "dev", tier="development", group="development"),
    document("Registry", "harbor", provider="harbor", host="harbor.example.com", path="shop"),
)
EFFECT = "/api/v1/policies/effect"


def draft(name: str = "p", *prefixes: str, **spec: Any) -> dict[str, Any]:
    sources = [{"prefix": one, "scope": "Global"} for one in prefixes]
    given = {"groups": ["production"], "restrict": {"stage": "deny", "allowedSources": sources}}
    return document("RegistryPolicy", name, **given | spec)


async def runs(plane: Plane, environment: str, *images: tuple[str, str], kubernetes: str = "v1.33.1") -> None:
    """The environment has told what runs there, as (namespace, image)."""
    facts = {"kubernetes": kubernetes, "namespaces": [{"name": "shop", "labels": {}}, {"name": "pay", "labels": {}}]}
    rows = [(RunningImage(environment, namespace, "Deployment/api", image), "") for namespace, image in images]

    async def job(transaction: Transaction) -> None:
        await observe(transaction, Observation(environment, 1, facts, rows))

    await plane.server.writer.run(job)


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    """On SQLite alone: nothing here asks a database anything of its own."""
    async with running(f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path) as started:
        yield started


@pytest.fixture
async def admin(plane: Plane) -> httpx2.AsyncClient:
    return await plane.client("root", "platform-admin")


@pytest.fixture
async def fleet(plane: Plane) -> Plane:
    await plane.put(*FLEET)
    await runs(plane, "prod-eu", ("shop", "harbor.example.com/shop/api:1"), ("pay", "evil.example.com/x:1"))
    return plane


async def test_a_draft_is_judged_and_nothing_is_stored(fleet: Plane, admin: httpx2.AsyncClient) -> None:
    access = [{"registry": "harbor", "namespaces": {"names": ["shop"]}}]
    answer = await admin.post(EFFECT, json={"document": draft("p", "base.example.com", access=access)})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["counts"] == {
        "running": 2, "allowed": 1, "blocked": 1, "unknown": 0, "reported": 0, "workloads": 1,
    }  # fmt: skip
    assert [(one["environment"], one["namespace"], one["image"]) for one in found["blocked"]] == [
        ("prod-eu", "pay", "evil.example.com/x:1")
    ]
    assert [(one["matches"], one["namespaces"]["first"]) for one in found["grants"]] == [(1, ["shop"])]
    assert [one["name"] for one in found["namespaces"]] == ["pay", "shop"]
    assert found["exists"] is False
    oldest = found["freshness"].pop("oldest")
    assert oldest == "2026-11-20T12:00:00Z"
    assert found["freshness"] == {"of": 2, "reported": 1, "silent": ["prod-us"]}
    assert {one["environment"]: one["restricts"] for one in found["places"]} == {"prod-eu": True, "prod-us": None}
    assert (await admin.get("/api/v1/policies")).json()["items"] == []


async def test_the_groups_say_which_policy_covers_them(fleet: Plane, admin: httpx2.AsyncClient) -> None:
    await fleet.put(draft("old"))
    found = (await admin.post(EFFECT, json={"document": draft("new")})).json()
    assert found["groups"] == [{"name": "production", "known": True, "coveredBy": "old"}]
    # A policy that is changed does not replace itself.
    found = (await admin.post(EFFECT, json={"document": draft("old", "a.example.com")})).json()
    assert found["groups"][0]["coveredBy"] is None
    assert found["counts"]["running"] == 2


async def test_the_draft_counts_and_not_the_policy_that_it_replaces(fleet: Plane, admin: httpx2.AsyncClient) -> None:
    await fleet.put(draft("a-first-by-name", "evil.example.com"))
    found = (await admin.post(EFFECT, json={"document": draft("z-last", "harbor.example.com")})).json()
    assert (found["counts"]["allowed"], found["blocked"][0]["image"]) == (1, "evil.example.com/x:1")


async def test_a_typed_image_names_its_row_and_a_typed_prefix_its_bounds(
    fleet: Plane, admin: httpx2.AsyncClient
) -> None:
    asked = {"images": ["a.example.com/x", "nginx", "Nginx/x"], "prefixes": ["registry.corp", "nginx"]}
    found = (await admin.post(EFFECT, json={"document": draft("p", "a.example.com"), **asked})).json()
    allowed, denied, unsafe = found["matched"]
    assert (allowed["verdict"], allowed["rows"][0]["field"]) == ("ALLOW", "spec.restrict.allowedSources[0]")
    assert (denied["canonical"], denied["verdict"]) == ("docker.io/library/nginx:latest", "DENY")
    assert (unsafe["canonical"], unsafe["unsafe"]) == (None, "upper_case_single_label_host")
    good, bad = found["prefixes"]
    assert "registry.corp.evil.example/app" in good["coversNot"]
    assert (bad["problem"]["code"], bad["problem"]["hint"]) == (
        "prefix_without_host", "write docker.io/library/nginx",
    )  # fmt: skip


async def test_what_is_kept_of_a_draft_is_for_nobody_else(fleet: Plane, admin: httpx2.AsyncClient) -> None:
    policy = draft("p", "harbor.example.com")
    await fleet.put(policy)
    developer = await fleet.client("dora", "developer", environments=["prod-eu", "prod-us"], namespaces=["shop"])
    for _ in range(2):
        assert (await admin.post(EFFECT, json={"document": policy})).json()["counts"]["running"] == 2
        assert (await developer.post(EFFECT, json={"document": policy})).json()["counts"]["running"] == 1
    await runs(fleet, "prod-eu", ("shop", "harbor.example.com/shop/api:1"))
    assert (await admin.post(EFFECT, json={"document": policy})).json()["counts"]["running"] == 1


async def test_an_old_cluster_is_named_with_why(fleet: Plane, admin: httpx2.AsyncClient) -> None:
    await runs(fleet, "prod-us", kubernetes="v1.29.4")
    places = (await admin.post(EFFECT, json={"document": draft()})).json()["places"]
    assert places[1]["restricts"] is False
    assert places[1]["why"] == "Kubernetes v1.29.4 cannot restrict sources; needs 1.30 or newer"


async def test_only_what_the_caller_may_see_is_counted(fleet: Plane, admin: httpx2.AsyncClient) -> None:
    await fleet.put(draft("p", "harbor.example.com", groups=["production"]))
    developer = await fleet.client("dora", "developer", environments=["prod-eu"], namespaces=["shop"])
    stored = (await developer.get("/api/v1/policies/p")).json()
    found = (await developer.post(EFFECT, json={"document": stored})).json()
    assert (found["counts"]["running"], found["counts"]["blocked"], found["hiddenEnvironments"]) == (1, 0, 1)
    assert (await developer.post(EFFECT, json={"document": draft("p")})).status_code == 404
    row = (await developer.get("/api/v1/policycoverage")).json()["items"][0]
    assert (row["wouldBlock"], row["hiddenEnvironments"]) == (0, 1)
    assert (await admin.get("/api/v1/policycoverage")).json()["items"][0]["wouldBlock"] == 1


async def test_whom_a_policy_for_docker_may_name_is_told_to_who_may_write_it(
    fleet: Plane, admin: httpx2.AsyncClient
) -> None:
    hosts = document("EnvironmentGroup", "hosts", type="docker")
    host = document("Environment", "host", type="docker", tier="production", group="hosts")
    await fleet.put(hosts, host)
    carla = await fleet.client("carla", "operator", groups=["hosts"])
    policy = draft("docked", type="docker", groups=["hosts"])
    found = (await admin.post(EFFECT, json={"document": policy})).json()
    assert found["subjects"] == {"teams": [], "users": ["carla"]}
    assert (found["places"][0]["restricts"], found["places"][0]["enforcedBy"]) == (False, "deployment time only")
    await fleet.put(policy)
    assert (await carla.post(EFFECT, json={"document": policy})).json()["subjects"] == {"teams": [], "users": []}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"document": draft(), "images": "nginx"}, "images"),
        ({"document": draft(), "prefixes": ["x"] * 21}, "prefixes"),
        ({"document": draft(), "namespace": 7}, "namespace"),
        ({"document": draft(), "more": 1}, "body"),
        ({"document": draft("p", "https://x.example.com")}, "spec.restrict.allowedSources[0].prefix"),
        ({"document": document("Team", "t")}, "kind"),
    ],
)
def test_a_question_that_cannot_be_read_names_the_field(body: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_question(body)
    assert field in {one.field for one in refused.value.problems}


async def test_policies_stand_by_what_they_would_block(fleet: Plane, admin: httpx2.AsyncClient) -> None:
    off = {"stage": "off", "allowedSources": [{"prefix": "harbor.example.com", "scope": "Global"}]}
    await fleet.put(draft("p", restrict=off), draft("d", "x.example.com", groups=["development"], title="Developers"))
    items = (await admin.get("/api/v1/policycoverage")).json()["items"]
    assert [(one["name"], one["wouldBlock"], one["violations"]) for one in items] == [("p", 1, None), ("d", None, None)]
    assert (items[0]["enforcement"], items[0]["connected"]) == ({"Off": 2}, 0)
    # Nothing has told what runs in development: that is not "no violations".
    assert items[1]["freshness"]["reported"] == 0
    found = (await admin.get("/api/v1/policycoverage?q=developers")).json()
    assert [one["name"] for one in found["items"]] == ["d"]
    twin = await admin.get("/api/v1/policycoverage.csv?stage=off")
    assert twin.text.splitlines()[1].startswith("p,Kubernetes > Registry,production,off,")


async def test_the_list_goes_page_by_page(fleet: Plane, admin: httpx2.AsyncClient) -> None:
    await fleet.put(*(draft(f"p-{n}", groups=[]) for n in range(5)))
    names: list[str] = []
    url: str | None = "/api/v1/policycoverage?limit=2"
    while url:
        page = (await admin.get(url)).json()
        names += [one["name"] for one in page["items"]]
        more = page["metadata"].get("continue")
        url = f"/api/v1/policycoverage?limit=2&cursor={more}" if more else None
    assert names == [f"p-{n}" for n in range(5)]


async def test_what_has_changed_is_looked_at_again(fleet: Plane, admin: httpx2.AsyncClient) -> None:
    await fleet.put(draft("p", "harbor.example.com"))
    assert (await admin.get("/api/v1/policycoverage")).json()["items"][0]["wouldBlock"] == 1
    await runs(fleet, "prod-eu", ("shop", "harbor.example.com/shop/api:1"))
    fleet.clock.move(timedelta(minutes=2))
    assert (await admin.get("/api/v1/policycoverage")).json()["items"][0]["wouldBlock"] == 0


async def test_an_exemption_that_has_ended_covers_nothing_any_more(fleet: Plane, admin: httpx2.AsyncClient) -> None:
    await fleet.put(draft("p", "harbor.example.com"))
    dora = await fleet.client("dora", "developer", environments=["prod-eu"])
    wish = document(
        "Exemption", "e", policy="p", scope={"groups": ["production"], "image": "evil.example.com/x"},
        reason="no mirror", owner="pay", expiresAt="2026-11-20T12:30:30Z",
    )  # fmt: skip
    assert (await dora.post("/api/v1/exemptions", json=wish)).status_code == 201
    assert (await admin.post("/api/v1/exemptions/e/approve", json={})).status_code == 200

    async def blocked() -> int:
        return int((await admin.get("/api/v1/policycoverage")).json()["items"][0]["wouldBlock"])

    fleet.clock.move(timedelta(minutes=30, seconds=10))
    assert await blocked() == 0
    fleet.clock.move(timedelta(seconds=30))
    assert await blocked() == 1
    fleet.clock.move(timedelta(minutes=5))
    assert await blocked() == 1
