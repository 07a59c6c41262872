"""The access matrix over HTTP: rows, cells and counts, what each role sees of it, and what is kept of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from portreeve.core import desired
from portreeve.core.desired import Grant
from portreeve.core.environments import Environment
from portreeve.core.estate import Estate
from portreeve.server.access_matrix import service
from tests.server.agents.agent import Agent, enrolled
from tests.server.plane import Plane, document

PATH = "/api/v1/access-matrix"
NAMESPACES: dict[str, Any] = {"added": [{"name": name, "labels": {"team": name}} for name in ("pay", "shop")]}


async def asked(client: httpx2.AsyncClient, path: str = PATH, **query: Any) -> dict[str, Any]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def cells(answer: dict[str, Any]) -> dict[tuple[str, str], tuple[str, str]]:
    """Row and registry → state and why."""
    return {
        (row["namespace"] or row["subject"]["name"], cell["registry"]): (cell["state"], cell["why"])
        for row in answer["items"]
        for cell in row["cells"]
    }


async def scene(plane: Plane, admin: httpx2.AsyncClient) -> Agent:
    hosts = {"harbor": "harbor.example.com", "quay": "quay.io", "idle": "idle.example.com"}
    credential = [{"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}]
    only = {"names": ["shop"]}
    await plane.put(
        *(
            document("Registry", name, provider="generic", host=host, credentials=credential)
            for name, host in hosts.items()
        ),
        document("RegistryAccess", "shop-harbor", registry="harbor", environment="prod", namespaces=only),
        document("RegistryAccess", "west-idle", registry="idle", environment="west", namespaces=only),
    )
    answer = await admin.put("/api/v1/registries/harbor/credentials/pull", json={"secret": "good"})
    assert answer.status_code == 200, answer.text
    agent = await enrolled(plane, admin)
    images = [{"namespace": "pay", "owner": "Deployment/pay", "image": "quay.io/pay/api:1"}]
    answer = await agent.report(namespaces=NAMESPACES, images={"added": images}, inventory=[{"namespace": "shop"}])
    assert answer.status_code == 200, answer.text
    await plane.server.doorbell.note()
    return agent


async def told(agent: Agent, version: int, **more: Any) -> None:
    credential = {"credential": "c", "registry": "harbor", "version": version, "state": "live"}
    held = [{"namespace": "shop", "uid": "u", "entries": [credential], **more}]
    assert (await agent.report(pullSecrets=held)).status_code == 200


async def test_a_grant_from_what_is_wanted_to_what_is_there(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent = await scene(plane, admin)
    answer = await asked(admin)
    assert cells(answer) == {
        ("pay", "quay"): ("needed", "not-granted"),
        ("shop", "harbor"): ("granted", "pending"),
        ("shop", "idle"): ("granted", "no-credential"),
    }
    assert answer["counts"] | {"unused": 1, "needed": 1, "granted": 2} == answer["counts"]
    assert answer["heard"] == answer["heard"] | {"environments": 2, "connected": 1, "silent": ["west"]}
    assert [row["labels"] for row in answer["items"]] == [{"team": "pay"}, {"team": "shop"}, {}]
    await told(agent, 1)
    assert cells(await asked(admin, environment="prod"))["shop", "harbor"] == ("synced", "live")
    await told(agent, 1, conflict="there is a Secret of this name that is not ours", phase="NameTaken")
    (row,) = (await asked(admin, state="conflict"))["items"]
    assert (row["namespace"], row["cells"][0]["conflict"][:8]) == ("shop", "there is")
    plane.clock.move(timedelta(minutes=3))
    assert cells(await asked(admin))["shop", "harbor"] == ("unknown", "silent")


async def test_pages_filters_and_twins_are_of_one_list(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await scene(plane, admin)
    first = await asked(admin, limit=2)
    assert first["metadata"]["total"] == 3
    second = await asked(admin, limit=2, cursor=first["metadata"]["continue"])
    names = [(row["environment"], row["namespace"]) for page in (first, second) for row in page["items"]]
    assert names == [("prod", "pay"), ("prod", "shop"), ("west", "shop")]
    assert [row["environment"] for row in (await asked(admin, q="WEST"))["items"]] == ["west"]
    assert cells(await asked(admin, registry=["idle"], state="unused")) == {}  # west has told nothing
    assert cells(await asked(admin, registry=["harbor"], state="unused")) == {
        ("shop", "harbor"): ("granted", "pending")
    }
    assert [one["name"] for one in (await asked(admin, registry=["harbor"]))["registries"]] == ["harbor"]
    lines = (await admin.get(f"{PATH}.csv", params={"state": "needed"})).text.splitlines()
    assert lines[1].startswith("prod,pay,,quay,needed,not-granted,used,,,")


@pytest.mark.wide
async def test_people_see_what_is_granted_to_them_and_no_registry_as_such(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    await scene(plane, admin)
    operator = await plane.client("opal", "operator", environments=["prod"], namespaces=["shop"])
    answer = await asked(operator)
    assert cells(answer) == {("shop", "harbor"): ("granted", "pending")}
    assert [one["name"] for one in answer["registries"]] == ["harbor"]
    everywhere = await plane.client("olga", "operator", environments=["prod"])
    assert set(cells(await asked(everywhere))) == {("shop", "harbor")}  # that quay is needed is not theirs to see


@pytest.mark.wide
async def test_a_grant_on_docker_names_who_has_a_role_there(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await scene(plane, admin)
    scope = {"environments": ["host"]}
    await plane.put(
        document("EnvironmentGroup", "hosts", type="docker"),
        document("Environment", "host", type="docker", tier="development", group="hosts"),
        *(document("Team", name, members=[f"{name}-one"]) for name in ("ops", "strangers")),
        document("RoleBinding", "ops", role="operator", subjects={"teams": ["ops"]}, scope=scope),
        document("RegistryAccess", "h", registry="harbor", environment="host", subjects={"teams": ["ops"]}),
    )
    there = await asked(admin, "/api/v1/environments/host/identities")
    assert there["items"] == [{"kind": "team", "name": "ops"}, {"kind": "user", "name": "ops-one"}]
    assert (await asked(admin, "/api/v1/environments/host/identities", q="ONE"))["metadata"]["total"] == 1
    rows = (await asked(admin, rows="people"))["items"]
    assert {row["type"] for row in (await asked(admin, rows="namespaces"))["items"]} == {"kubernetes"}
    assert [row["subject"] for row in rows] == [{"kind": "user", "name": "ops-one"}, {"kind": "team", "name": "ops"}]
    assert [len(row["cells"]) for row in rows] == [0, 1]
    member = await plane.client("ops-one")
    assert cells(await asked(member)) == {("ops", "harbor"): ("granted", "deployment-time")}


async def test_what_counts_is_explained_and_hides_what_is_not_to_be_seen(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    await scene(plane, admin)
    policy = {"groups": ["production"], "access": [{"registry": "harbor", "namespaces": {"names": ["pay"]}}]}
    await plane.put(document("RegistryPolicy", "sources", **policy, restrict={"stage": "audit"}))
    found = await asked(admin, "/api/v1/environments/prod/policy")
    assert [one["name"] for one in found["inForce"]] == ["sources"]
    assert [one["name"] for one in found["masked"]] == ["shop-harbor"]
    assert found["policy"] == found["policy"] | {"name": "sources", "stage": "audit", "allowOverride": False}
    assert cells(await asked(admin))["shop", "harbor"] == ("masked", "policy")
    developer = await plane.client("dora", "developer", environments=["prod"], namespaces=["pay"])
    theirs = await asked(developer, "/api/v1/environments/prod/policy")
    assert (theirs["masked"], theirs["hidden"]) == ([], 1)


@pytest.mark.wide
async def test_a_report_of_one_environment_leaves_what_is_known_of_the_others(
    plane: Plane, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await scene(plane, admin)
    made: list[str] = []

    def work(estate: Estate, one: Environment) -> tuple[tuple[Grant, ...], tuple[Grant, ...]]:
        made.append(one.name)
        return desired.accesses(estate, one)

    monkeypatch.setattr(service, "accesses", work)
    await asked(admin)
    await asked(admin)
    await told(agent, 1)
    await asked(admin)
    assert made == ["prod", "west", "prod"]
    await plane.put(document("RegistryAccess", "q", registry="quay", environment="west", namespaces={"names": ["x"]}))
    assert ("x", "quay") in cells(await asked(admin))
