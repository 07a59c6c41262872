"""What agents tell of workloads and pull secrets: kept by namespace, shown with a remedy, set beside grants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from portreeve.server.agents import observing
from tests.server.agents.agent import Agent, enrolled
from tests.server.plane import Plane, document

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "cases/inventory_report.json").read_text())
DIGEST = f"sha256:{'a' * 64}"
PATH = "/api/v1/environments/prod/inventory"
NAMESPACES: dict[str, Any] = {"added": [{"name": name, "labels": {}} for name in ("kube-system", "pay", "shop")]}


async def told(agent: Agent, *inventory: dict[str, Any], **more: Any) -> None:
    answer = await agent.report(inventory=list(inventory), **more)
    assert answer.status_code == 200, answer.text


async def rows(client: httpx2.AsyncClient, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_an_inventory_is_shown_with_commands_and_advice(plane: Plane, admin: httpx2.AsyncClient) -> None:
    assert (await admin.get(PATH)).json()["metadata"]["told"] is False
    await told(await enrolled(plane, admin), *GOLDEN["inventory"])
    answer = (await admin.get(PATH)).json()
    (shop,) = answer["items"]
    assert answer["metadata"]["told"] is True
    assert shop["workloads"] == GOLDEN["inventory"][0]["workloads"]
    assert shop["references"] == GOLDEN["inventory"][0]["pullSecretReferences"]
    assert shop["serviceAccounts"] == [{"name": "builder", "tool": "argocd", "app": "shop"}]
    assert [one["command"].partition(" -p ")[0] for one in shop["missed"]] == [
        "kubectl rollout restart deployment/api -n shop",
        "kubectl patch statefulset/db -n shop",
    ]
    (failed,) = shop["pullFailures"]
    assert (failed["cause"], failed["count"], failed["since"]) == ("unauthorized", 2, "2026-11-28T12:00:00Z")
    assert failed["meaning"].startswith("the registry does not know who asks")
    assert shop["leftOut"] == 1


async def test_each_namespace_is_replaced_by_itself(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent = await enrolled(plane, admin)
    asleep = [{"owner": "Deployment/asleep", "image": "nginx:1"}]
    await told(agent, {"namespace": "shop", "workloads": asleep}, {"namespace": "pay", "registries": ["harbor"]})
    await told(agent, {"namespace": "pay", "workloads": asleep})
    assert [(one["namespace"], one["registries"]) for one in await rows(admin, PATH)] == [("pay", []), ("shop", [])]
    await told(agent, {"namespace": "shop"})
    assert [one["namespace"] for one in await rows(admin, PATH)] == ["pay"]
    assert await rows(admin, PATH, namespace="shop") == []
    assert (await agent.report(conditions=[])).status_code == 200  # what it does not speak of stays
    assert [one["namespace"] for one in await rows(admin, PATH)] == ["pay"]
    number = agent.reports + 1
    assert (await agent.send("POST", "observed", {"report": number, "generation": 1, "whole": True})).status_code == 200
    assert (await admin.get(PATH)).json()["metadata"]["told"] is False


@pytest.mark.wide
async def test_an_agent_that_is_blind_does_not_say_that_nothing_runs(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent = await enrolled(plane, admin)
    images = [{"namespace": "shop", "owner": "Pod/a", "image": f"nginx:{n}", "digest": DIGEST} for n in (1, 2)]
    await told(agent, images={"added": images})
    blind = {"report": 10, "generation": 1, "whole": True}
    assert (await agent.send("POST", "observed", blind)).status_code == 200
    assert [one["digest"] for one in await rows(admin, "/api/v1/images")] == [DIGEST, DIGEST]
    seeing = {**blind, "report": 11, "inventory": []}
    assert (await agent.send("POST", "observed", seeing)).status_code == 200
    assert await rows(admin, "/api/v1/images") == []


@pytest.mark.wide
async def test_running_images_are_shown_with_their_digests(plane: Plane, admin: httpx2.AsyncClient) -> None:
    images = [
        {"namespace": "shop", "owner": "Pod/a", "image": "nginx:1", "digest": DIGEST},
        {"namespace": "shop", "owner": "Pod/b", "image": "nginx:1"},
    ]
    await told(await enrolled(plane, admin), images={"added": images})
    found = await rows(admin, "/api/v1/images")
    assert [(one["owner"], one["digest"]) for one in found] == [("Pod/a", DIGEST), ("Pod/b", None)]
    assert [one["digest"] for one in (await admin.get("/api/v1/images.json")).json()] == [DIGEST, None]


@pytest.mark.wide
async def test_too_much_of_it_is_refused(
    plane: Plane, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "MOST_INVENTORY", 2)
    agent = await enrolled(plane, admin)
    await told(agent, {"namespace": "shop", "registries": ["a", "b"]})
    answer = await agent.report(inventory=[{"namespace": "pay", "registries": ["a"]}])
    assert (answer.status_code, answer.json()["code"]) == (422, "report_too_large")


@pytest.mark.wide
async def test_what_an_agent_makes_up_becomes_no_command(plane: Plane, admin: httpx2.AsyncClient) -> None:
    missed = [{"owner": "Deployment/a; rm -rf ~", "why": "started_before", "pods": 1},
              {"owner": "Deployment/a", "why": "news", "pods": 1}]  # fmt: skip
    failures = [{"owner": "Pod/a", "image": "i", "cause": "news", "count": 1}]
    await told(await enrolled(plane, admin), {"namespace": "shop", "missed": missed, "pullFailures": failures})
    (shop,) = await rows(admin, PATH)
    assert [one["command"] for one in shop["missed"]] == ["", ""]
    assert shop["pullFailures"][0]["meaning"] == "nothing that is known here"


async def scene(plane: Plane) -> None:
    names = {"names": ["shop"]}
    hosts = {"harbor": "harbor.example.com", "quay": "quay.io", "idle": "idle.example.com"}
    await plane.put(
        *(document("Registry", name, provider="generic", host=host) for name, host in hosts.items()),
        document("Registry", "harbor-shop", provider="generic", host="harbor.example.com", path="shop"),
        document("RegistryAccess", "shop-harbor", registry="harbor", environment="prod", namespaces=names),
        document("RegistryAccess", "shop-idle", registry="idle", environment="prod", namespaces=names),
        document("RegistryAccess", "west-idle", registry="idle", environment="west", namespaces=names),
    )


async def test_grants_are_set_beside_what_is_used(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await scene(plane)
    agent = await enrolled(plane, admin)
    images = [
        {"namespace": "pay", "owner": "Deployment/pay", "image": "harbor.example.com/shop/api:1"},
        {"namespace": "pay", "owner": "Deployment/pay", "image": "nginx:1"},
        {"namespace": "kube-system", "owner": "DaemonSet/proxy", "image": "quay.io/kube/proxy:1"},
    ]
    await told(agent, GOLDEN["inventory"][0] | {"leftOut": 0}, images={"added": images}, namespaces=NAMESPACES)
    needed = await rows(admin, "/api/v1/access-needed")
    assert [(one["namespace"], one["registry"], one["owners"]) for one in needed] == [
        # The narrower of two registries; harbor is granted in shop, by which harbor-shop is not needed there.
        ("pay", "harbor-shop", ["Deployment/pay"]),
        ("shop", "quay", ["CronJob/nightly"]),
    ]
    assert [one["registry"] for one in await rows(admin, "/api/v1/access-needed", registry="quay")] == ["quay"]
    assert needed[1]["command"] == "portreeve grant quay --environment prod -n shop"
    answer = (await admin.get("/api/v1/access-unused")).json()
    place = {"environment": "prod", "namespace": "shop"}
    assert answer["items"] == [{**place, "registry": "idle", "kind": "RegistryAccess", "name": "shop-idle"}]
    assert answer["metadata"]["unknown"] == ["west"]  # its agent has told nothing: nothing there is called unused
    csv = (await admin.get("/api/v1/access-needed.csv", params={"namespace": "shop"})).text.splitlines()
    assert csv[1].startswith("prod,shop,quay,1,CronJob/nightly,quay.io/shop/report:2,")


@pytest.mark.wide
async def test_granting_and_using_end_both(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await scene(plane)
    agent = await enrolled(plane, admin)
    await told(agent, {"namespace": "shop", "registries": ["idle", "quay", "unknown"]}, namespaces=NAMESPACES)
    # By annotation: idle is used, quay is needed although no image names it; harbor is not used.
    assert [one["registry"] for one in await rows(admin, "/api/v1/access-unused")] == ["harbor"]
    assert [(one["registry"], one["uses"]) for one in await rows(admin, "/api/v1/access-needed")] == [("quay", 0)]
    await plane.put(
        document("RegistryAccess", "q", registry="quay", environment="prod", namespaces={"names": ["shop"]})
    )
    assert await rows(admin, "/api/v1/access-needed") == []
    await told(agent, {"namespace": "shop", "leftOut": 5})
    answer = (await admin.get("/api/v1/access-unused")).json()
    assert (answer["items"], answer["metadata"]["unknown"]) == ([], ["prod", "west"])


async def test_who_holds_a_role_in_one_namespace_sees_that_one(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await scene(plane)
    agent = await enrolled(plane, admin)
    await told(agent, *({"namespace": name, "registries": ["quay"]} for name in ("pay", "shop")), namespaces=NAMESPACES)
    operator = await plane.client("opal", "operator", environments=["prod"], namespaces=["shop"])
    assert [one["namespace"] for one in await rows(operator, PATH)] == ["shop"]
    assert await rows(operator, "/api/v1/access-needed") == []  # registries are not theirs to see
    assert {one["name"] for one in await rows(operator, "/api/v1/access-unused")} == {"shop-harbor", "shop-idle"}
    west = await operator.get("/api/v1/environments/west/inventory")
    assert (west.status_code, west.json()["code"]) == (404, "not_found")


@pytest.mark.wide
async def test_what_could_run_is_in_the_policy_of_the_inventory(plane: Plane, admin: httpx2.AsyncClient) -> None:
    asleep = [{"owner": "CronJob/nightly", "image": f"quay.io/shop/{name}:2"} for name in ("report", "mail")]
    await told(await enrolled(plane, admin), {"namespace": "shop", "workloads": asleep})
    body = (await admin.get("/api/v1/policytemplates/from-inventory")).json()
    assert body["coverage"]["uses"] == 2
