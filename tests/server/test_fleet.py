"""The fleet over HTTP: how environments stand, what to do first, the map, and lists that say what the numbers say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from portreeve.core.blast_radius import RunningImage
from portreeve.server.database.writer import Transaction
from portreeve.server.images.service import Observation, observe
from tests.server.agents.agent import Agent, agents_plane, enrolled
from tests.server.plane import Plane, document

SOURCES = [{"prefix": "harbor.example.com/shop", "scope": "Global"}]
DECLARED = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}

SCENE = (
    document("EnvironmentGroup", "production"),
    document("EnvironmentGroup", "development"),
    document("Environment", "prod", tier="production", group="production", title="The shop"),
    document("Environment", "west", tier="production", group="production"),
    document("Environment", "dev", tier="development", group="development"),
    document("Registry", "harbor", provider="harbor", host="harbor.example.com", path="shop", credentials=[DECLARED]),
    document(
        "RegistryPolicy",
        "prod-sources",
        groups=["production"],
        access=[{"registry": "harbor", "namespaces": {"names": ["shop"]}}],
        restrict={"stage": "deny", "allowedSources": SOURCES},
    ),
)

RUNS = {
    "prod": [
        ("shop", "Deployment/api", "harbor.example.com/shop/api:1"),
        ("shop", "Deployment/web", "harbor.example.com/shop/web:1"),
        ("shop", "Deployment/cache", "docker.io/library/redis:7"),
        ("kube-system", "DaemonSet/proxy", "docker.io/other/proxy:1"),
    ],
    "dev": [("play", "Pod/try", "nginx"), ("play", "Pod/again", "ghcr.io/me/thing:2")],
}


async def reports(plane: Plane, name: str, runs: list[tuple[str, str, str]], **told: Any) -> None:
    """What an environment says of itself, as its agent's report becomes it."""
    spaces = [{"name": one, "labels": {}} for one in sorted({namespace for namespace, _, _ in runs})]
    facts = {"kubernetes": "v1.33.1", "namespaces": spaces, **told}
    images = [(RunningImage(name, *line), "sha256:" + "a" * 64) for line in runs]

    async def job(transaction: Transaction) -> None:
        await observe(transaction, Observation(name, 1, facts, images))

    await plane.server.writer.run(job)


@pytest.fixture
async def plane(database_url: str, tmp_path: Path) -> AsyncIterator[Plane]:
    async with agents_plane(database_url, tmp_path, 0.01, public_url="http://127.0.0.1:8420") as started:
        yield started


@pytest.fixture
async def scene(plane: Plane, admin: httpx2.AsyncClient) -> httpx2.AsyncClient:
    await plane.put(*SCENE)
    for name, runs in RUNS.items():
        await reports(plane, name, runs)
    return admin


async def comes(plane: Plane, agent: Agent) -> None:
    """It asks for what is wanted, and that it did is noted."""
    await agent.desired()
    await plane.server.doorbell.note()


async def fleet(client: httpx2.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get("/api/v1/fleet", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def members(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for group in body["groups"] for one in group["members"]}


async def images(client: httpx2.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get("/api/v1/images", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_numbers_are_those_of_the_lists_that_they_lead_to(scene: httpx2.AsyncClient) -> None:
    body = await fleet(scene)
    assert body["totals"]["verdicts"] == {"ALLOW": 2, "DENY": 2, "UNKNOWN": 0, "NOT_JUDGED": 2}
    for word, count in body["totals"]["verdicts"].items():
        assert (await images(scene, verdict=word))["metadata"]["total"] == count
    prod = members(body)["prod"]
    for word, count in prod["verdicts"].items():
        assert (await images(scene, verdict=word, environment="prod"))["metadata"]["total"] == count
    # What the cluster's own parts run is counted, and is no violation: nothing there is ever refused.
    assert (prod["violations"], prod["refused"], prod["images"]) == (1, 1, 4)
    assert (await images(scene))["metadata"]["verdicts"] == body["totals"]["verdicts"]


async def test_what_nobody_has_told_is_unknown_and_not_0(scene: httpx2.AsyncClient) -> None:
    west = members(await fleet(scene))["west"]
    assert (west["images"], west["verdicts"], west["coverage"], west["worst"]) == (None, None, None, None)
    assert (west["enforcement"], west["health"], west["knownAt"]) == ("Unknown", "Unknown", None)
    dev = members(await fleet(scene))["dev"]
    # No policy is a fact, and no agent is none.
    assert (dev["enforcement"], dev["health"], dev["coverage"]) == ("Off", "Unknown", 0)


async def test_the_axis_of_health_follows_the_agent_and_the_credentials(
    plane: Plane, scene: httpx2.AsyncClient
) -> None:
    agent = await enrolled(plane, scene, "prod")
    await comes(plane, agent)
    assert members(await fleet(scene))["prod"]["health"] == "Ready"
    ends = (plane.clock() + timedelta(days=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    path = "/api/v1/registries/harbor/credentials/pull"
    assert (await scene.put(path, json={"secret": "one", "expiresAt": ends})).status_code == 200
    prod = members(await fleet(scene))["prod"]
    assert (prod["health"], prod["ends"], prod["expiring"]) == ("Expiring", ends, 1)
    [ending] = [one for one in (await fleet(scene))["things"] if one["code"] == "credential_ends"]
    assert (ending["stops"], ending["title"]) == (2, "The pull credential of harbor ends in 10 days")
    assert ending["command"] == "portreeve rotate registry harbor --from-env NEW_SECRET"
    plane.clock.move(timedelta(hours=3))
    found = await fleet(scene)
    assert members(found)["prod"]["health"] == "Unreachable"
    assert "environment_silent" in [one["code"] for one in (await fleet(scene, things=50))["things"]]


async def test_the_first_three_things_are_those_with_the_largest_radius(
    plane: Plane, scene: httpx2.AsyncClient
) -> None:
    failing = {"owner": "Deployment/api", "image": "a/b", "cause": "rate_limit", "count": 9}
    await reports(plane, "prod", RUNS["prod"], inventory={"shop": {"pullFailures": [failing]}})
    body = await fleet(scene)
    assert [one["code"] for one in body["things"]] == ["pulls_fail", "refused_when_restarted", "not_governed"]
    assert body["thingsTotal"] == 4
    assert all(one["why"] and one["command"].startswith("portreeve ") for one in body["things"])
    assert body["things"][1]["link"] == {"page": "images", "search": {"verdict": "DENY", "stage": "deny"}}


async def test_a_report_changes_the_numbers_of_its_environment_alone(plane: Plane, scene: httpx2.AsyncClient) -> None:
    before = members(await fleet(scene))
    await reports(plane, "prod", [*RUNS["prod"], ("shop", "Job/once", "harbor.example.com/shop/once:1")])
    after = members(await fleet(scene))
    assert after["prod"]["images"] == before["prod"]["images"] + 1
    assert after["dev"] == before["dev"]


async def test_a_policy_changes_what_is_said_of_what_runs_already(plane: Plane, scene: httpx2.AsyncClient) -> None:
    assert (await images(scene, environment="dev", verdict="NOT_JUDGED"))["metadata"]["total"] == 2
    await plane.put(document("RegistryPolicy", "dev", groups=["development"], restrict={"stage": "audit"}))
    body = await images(scene, environment="dev")
    assert [(one["verdict"], one["stage"]) for one in body["items"]] == [("DENY", "audit")] * 2
    assert members(await fleet(scene))["dev"]["violations"] == 2


async def test_an_exemption_counts_until_the_second_in_which_it_ends(plane: Plane, scene: httpx2.AsyncClient) -> None:
    ends = (plane.clock() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    scope = {"groups": ["production"], "namespaces": ["shop"], "image": "docker.io/library/redis"}
    wish = document(
        "Exemption", "redis", policy="prod-sources", scope=scope, owner="shop", reason="soon gone", expiresAt=ends
    )
    developer = await plane.client("dev", "developer")
    assert (await developer.post("/api/v1/exemptions", json=wish)).status_code == 201
    assert (await scene.post("/api/v1/exemptions/redis/approve")).status_code == 200
    [row] = (await images(scene, q="redis"))["items"]
    assert (row["verdict"], row["code"]) == ("ALLOW", "exempted")
    [lapse] = [one for one in (await fleet(scene, things=50))["things"] if one["code"] == "exemption_ends"]
    assert lapse["stops"] == 1
    plane.clock.move(timedelta(days=2))
    [row] = (await images(scene, q="redis"))["items"]
    assert row["verdict"] == "DENY"


async def test_a_click_is_a_filtered_list(scene: httpx2.AsyncClient) -> None:
    redis, proxy = "docker.io/library/redis:7", "docker.io/other/proxy:1"
    api, web = "harbor.example.com/shop/api:1", "harbor.example.com/shop/web:1"
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"verdict": "DENY"}, [redis, proxy]),
        ({"verdict": ["ALLOW", "NOT_JUDGED"], "environment": "dev"}, ["ghcr.io/me/thing:2", "nginx"]),
        ({"stage": "deny", "verdict": "DENY"}, [redis]),
        ({"registry": "harbor"}, [api, web]),
        ({"host": "docker.io", "environment": "dev"}, ["nginx"]),
        ({"q": "DEPLOYMENT/c"}, [redis]),
        ({"namespace": "play", "sort": "-image"}, ["nginx", "ghcr.io/me/thing:2"]),
        ({"environment": "prod", "sort": "verdict"}, [redis, proxy, api, web]),
    ]
    for query, expected in cases:
        assert [one["image"] for one in (await images(scene, **query))["items"]] == expected, query
        twin = await scene.get("/api/v1/images.json", params=query)
        assert [one["image"] for one in twin.json()] == expected, query


async def test_pages_in_any_order_hold_each_row_once(scene: httpx2.AsyncClient) -> None:
    for sort in ("image", "-image", "environment", "-namespace", "owner", "registry", "-verdict"):
        found, cursor = [], None
        while True:
            body = await images(scene, sort=sort, limit=2, **({"cursor": cursor} if cursor else {}))
            found += [(one["image"], one["environment"], one["owner"]) for one in body["items"]]
            cursor = body["metadata"].get("continue")
            if cursor is None:
                break
        every = (await images(scene, sort=sort))["items"]
        assert found == [(one["image"], one["environment"], one["owner"]) for one in every], sort
        assert len(set(found)) == 6


async def test_an_order_that_there_is_not_is_refused(scene: httpx2.AsyncClient) -> None:
    assert (await scene.get("/api/v1/images", params={"sort": "digest"})).status_code == 422
    assert (await scene.get("/api/v1/images", params={"verdict": "GOOD"})).status_code == 422


async def test_the_map_has_every_namespace_or_says_how_many_more(scene: httpx2.AsyncClient) -> None:
    body = (await scene.get("/api/v1/fleet/map")).json()
    places = {(one["environment"], one["namespace"]): (one["images"], one["worst"]) for one in body["squares"]}
    assert places == {
        ("dev", "play"): (2, "NOT_JUDGED"), ("prod", "shop"): (3, "DENY"), ("prod", "kube-system"): (1, "DENY"),
    }  # fmt: skip
    body = (await scene.get("/api/v1/fleet/map", params={"limit": 1})).json()
    assert [one["namespace"] for one in body["squares"]] == ["shop"]
    assert {one["environment"]: (one["namespaces"], one["images"]) for one in body["rest"]} == {
        "dev": (1, 2), "prod": (1, 1),
    }  # fmt: skip
    # Nobody has come from there: what is told of it may be old.
    assert {one["stale"] for one in body["squares"]} == {True}


async def test_nobody_is_counted_in_what_they_may_not_see(plane: Plane, scene: httpx2.AsyncClient) -> None:
    narrow = {"environments": ["prod"], "namespaces": ["shop"]}
    developer = await plane.client("dev", "developer", **narrow)
    body = await fleet(developer, things=50)
    assert list(members(body)) == ["prod"]
    assert members(body)["prod"]["images"] == body["totals"]["images"] == 3
    assert "kube-system" not in (await developer.get("/api/v1/fleet/map")).text
    stranger = await plane.client("nobody")
    assert (await fleet(stranger))["totals"] == {
        "environments": 0, "reported": 0, "oldest": None, "enforcement": {}, "health": {}, "expiring": 0,
        "images": None, "verdicts": None, "violations": None, "refused": None, "coverage": None, "worst": None,
        "exemptions": 0,
    }  # fmt: skip


async def test_an_agent_that_comes_makes_what_it_told_fresh(plane: Plane, scene: httpx2.AsyncClient) -> None:
    told = (await fleet(scene))["metadata"]["freshness"]
    assert (told["environments"], told["reported"], told["silentTotal"]) == (3, 2, 3)
    agent = await enrolled(plane, scene, "prod")
    plane.clock.move(timedelta(minutes=30))
    await comes(plane, agent)
    now = plane.clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    told = (await fleet(scene))["metadata"]["freshness"]
    assert (told["newest"], told["silentTotal"]) == (now, 2)
    assert "prod" not in [one["environment"] for one in told["silent"]]


async def test_a_verdict_has_its_trace_and_the_cluster_s_own_words(plane: Plane, scene: httpx2.AsyncClient) -> None:
    query = {"image": "docker.io/library/redis:7", "environment": "prod", "namespace": "shop"}
    found = (await scene.get("/api/v1/verdict", params=query)).json()
    said, _, opened = found["message"].partition(" or open ")
    assert said == (
        "image docker.io/library/redis:7 not allowed in namespace shop (policy prod-sources, generation 1);"
        " why: portreeve explain docker.io/library/redis:7 -n shop"
    )
    # The link is that of the cluster: whoever follows it without signing in is told the same.
    token, _, _ = opened.partition("/why#")[2].partition("/")
    asked = {"token": token, "namespace": "shop", "image": "docker.io/library/redis:7"}
    assert (await plane.anonymous().post("/api/v1/why", json=asked)).json()["verdict"] == "DENY"
    assert [one["rule"] for one in found["trace"]] == [
        "policy", "stage", "reference", "sources", "verdict", "credential",
    ]  # fmt: skip
    query["namespace"] = "kube-system"
    found = (await scene.get("/api/v1/verdict", params=query)).json()
    assert (found["verdict"], found["message"]) == ("DENY", None)


async def test_environments_are_chosen_by_state_and_text(scene: httpx2.AsyncClient) -> None:
    cases: list[tuple[dict[str, str], set[str]]] = [
        ({"group": "production"}, {"prod", "west"}),
        ({"q": "SHOP"}, {"prod"}),
        ({"q": "develop"}, {"dev"}),
        ({"enforcement": "Off"}, {"dev"}),
        ({"health": "Ready"}, set()),
        ({"health": "Unknown", "enforcement": "Unknown"}, {"prod", "west"}),
    ]
    for query, expected in cases:
        body = await fleet(scene, **query)
        assert set(members(body)) == expected, query
        assert body["metadata"]["environments"] == len(expected)
        # The numbers above stay those of everything: a filter looks at less, and nothing is less for that.
        assert body["totals"]["environments"] == 3
