"""What namespaces ask for: told by an agent, listed, granted by a plan as any other grant, or refused with a reason."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from portreeve.core.access_requests import AccessRequest
from portreeve.server.documents import store
from portreeve.wire.channel import access_request_document
from tests.server.agents.agent import Agent, enrolled
from tests.server.plane import Plane, document

pytestmark = pytest.mark.wide

PATH = "/api/v1/access-requests"
ONE = f"{PATH}/prod/shop/harbor"
NAMESPACES: dict[str, Any] = {"added": [{"name": name, "labels": {}} for name in ("kube-system", "pay", "shop")]}


def asked(namespace: str = "shop", name: str = "harbor", **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"uid": f"u-{namespace}-{name}", "generation": 1, "registry": "r", "reason": "our images"}
    return access_request_document(AccessRequest(namespace, name, **given | more))


@pytest.fixture
async def agent(plane: Plane, admin: httpx2.AsyncClient) -> Agent:
    found = await enrolled(plane, admin)
    await plane.put(document("Registry", "r", provider="harbor", host="r.example.com"))
    answer = await found.report(accessRequests=[asked(), asked("pay")], namespaces=NAMESPACES)
    assert answer.status_code == 200, answer.text
    return found


async def rows(client: httpx2.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(PATH, params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def states(client: httpx2.AsyncClient, **query: Any) -> dict[str, str]:
    return {f"{one['namespace']}/{one['name']}": one["state"] for one in await rows(client, **query)}


async def wanted(plane: Plane) -> dict[str, Any]:
    """The document of the environment's agent."""
    await plane.server.desired.sweep()
    held = await plane.server.desired.current("prod")
    assert held is not None
    found: dict[str, Any] = json.loads(held.document)["document"]
    return found


async def approved(client: httpx2.AsyncClient, path: str = ONE) -> dict[str, Any]:
    """A request that was approved: the plan that ran."""
    answer = await client.post(f"{path}/approve")
    assert answer.status_code == 201, answer.text
    plan: dict[str, Any] = answer.json()
    done = await client.post(f"/api/v1/plans/{plan['id']}/confirm")
    assert done.status_code == 200, done.text
    return plan


async def test_a_request_is_listed_planned_and_granted(plane: Plane, admin: httpx2.AsyncClient, agent: Agent) -> None:
    pay, shop = await rows(admin)
    assert (pay["namespace"], shop["namespace"]) == ("pay", "shop")
    assert (shop["state"], shop["reason"], shop["registry"]) == ("requested", "our images", "r")
    assert shop["command"] == "portreeve approve request prod/shop/harbor"
    assert "requests" not in await wanted(plane)
    assert (await admin.post(f"{ONE}/approve")).status_code == 201
    assert await states(admin) == {"pay/harbor": "requested", "shop/harbor": "requested"}, "a plan grants nothing"
    plan = await approved(admin)
    assert [(one["kind"], one["name"], one["change"]) for one in plan["documents"]] == [
        ("RegistryAccess", "requested-r-prod", "create")
    ]
    assert await states(admin) == {"pay/harbor": "requested", "shop/harbor": "granted"}
    [grant] = (await wanted(plane))["grants"]
    assert (grant["owner"], grant["namespaces"]["names"]) == ("access requested-r-prod", ["shop"])
    # The next one widens the same document; a wish for something else makes another one.
    await approved(admin, f"{PATH}/prod/pay/harbor")
    [grant] = (await wanted(plane))["grants"]
    assert grant["namespaces"]["names"] == ["pay", "shop"]
    await agent.report(accessRequests=[asked(), asked("cellar", mode="lease", accounts=("builder",))])
    await approved(admin, f"{PATH}/prod/cellar/harbor")
    found = (await admin.get("/api/v1/access/requested-r-prod-cellar")).json()["spec"]
    assert found["delivery"] == {"mode": "lease", "serviceAccounts": {"names": ["builder"]}}
    # A request that is withdrawn takes no grant along.
    await agent.report(accessRequests=[])
    assert await rows(admin) == []
    assert len((await wanted(plane))["grants"]) == 2


async def test_a_refusal_is_answered_until_something_else_is_asked_for(
    plane: Plane, admin: httpx2.AsyncClient, agent: Agent
) -> None:
    before = await wanted(plane)
    answer = await admin.post(f"{ONE}/deny", json={"comment": "use the mirror"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["why"], answer.json()["decidedBy"]) == (
        "refused", "use the mirror", "root")  # fmt: skip
    after = await wanted(plane)
    assert after["generation"] == before["generation"] + 1
    assert after["requests"] == [{"namespace": "shop", "name": "harbor", "uid": "u-shop-harbor", "generation": 1,
                                  "state": "Refused", "why": "use the mirror"}]  # fmt: skip
    # An agent that begins anew, and has not looked yet, does not make the answer come and go.
    await agent.report(whole=True)
    assert await states(admin, state="refused") == {"shop/harbor": "refused"}
    assert await wanted(plane) == after
    # Refused once more is told anew; asked for something else is not refused.
    assert (await admin.post(f"{ONE}/deny", json={"comment": "still no"})).status_code == 200
    assert (await wanted(plane))["requests"][0]["why"] == "still no"
    await agent.report(accessRequests=[asked(generation=2)])
    assert await states(admin) == {"shop/harbor": "requested"}
    assert "requests" not in await wanted(plane)
    # A grant counts before a refusal.
    assert (await admin.post(f"{ONE}/deny")).status_code == 200
    await approved(admin)
    assert await states(admin) == {"shop/harbor": "granted"}
    assert [(one["action"], one["outcome"]) for one in await refusals(admin)] == [("access.refuse", "done")] * 3


async def refusals(admin: httpx2.AsyncClient) -> list[dict[str, Any]]:
    found = (await admin.get("/api/v1/audit", params={"limit": 200})).json()["items"]
    return [one for one in found if one["action"] == "access.refuse"]


async def test_what_is_granted_is_neither_granted_again_nor_refused(admin: httpx2.AsyncClient, agent: Agent) -> None:
    await approved(admin)
    for verb in ("approve", "deny"):
        answer = await admin.post(f"{ONE}/{verb}")
        assert (answer.status_code, answer.json()["code"]) == (409, "request_state")
    assert [one["outcome"] for one in await refusals(admin)] == ["refused"]
    # Whoever has granted it, and why: by a selector of everything, too, but for system namespaces.
    await agent.report(accessRequests=[asked("pay", "again"), asked("kube-system")])
    everywhere = {"registry": "r", "environment": "prod", "namespaces": {"selector": {}}}
    access = document("RegistryAccess", "all", **everywhere)
    plan = (await admin.post("/api/v1/plans", json={"documents": [access]})).json()
    await admin.post(f"/api/v1/plans/{plan['id']}/confirm")
    assert await states(admin) == {"kube-system/harbor": "requested", "pay/again": "granted"}


async def test_who_may_decide_is_who_may_grant_there(plane: Plane, agent: Agent) -> None:
    developer = await plane.client("dev", "developer", environments=["prod"], namespaces=["shop"])
    assert await states(developer) == {"shop/harbor": "requested"}
    operator = await plane.client("op", "operator", environments=["prod"])
    for client in (developer, operator):
        for verb in ("approve", "deny"):
            assert (await client.post(f"{ONE}/{verb}")).status_code == 404
    keeper = await plane.client("keeper", "environment-admin", environments=["prod"])
    await approved(keeper)
    assert (await keeper.post(f"{PATH}/prod/pay/harbor/deny", json={"comment": "no"})).status_code == 200
    assert await states(keeper) == {"pay/harbor": "refused", "shop/harbor": "granted"}


async def test_admins_of_a_project_decide_on_its_registries_in_its_namespaces(plane: Plane, agent: Agent) -> None:
    held = [{"environment": "prod", "names": ["shop"]}]
    await plane.put(
        document("Project", "shop-team", admins={"users": ["keeper"]}, namespaces=held),
        document("Registry", "own", provider="harbor", host="own.example.com", project="shop-team"),
    )
    asks = [asked(registry="own"), asked("pay", registry="own"), asked(name="shared")]
    assert (await agent.report(accessRequests=asks)).status_code == 200
    keeper = await plane.client("keeper")
    assert set(await states(keeper)) == {"shop/harbor", "shop/shared"}
    for place in ("pay/harbor", "shop/shared"):
        for verb in ("approve", "deny"):
            assert (await keeper.post(f"{PATH}/prod/{place}/{verb}")).status_code == 404
    await approved(keeper)
    assert await states(keeper) == {"shop/harbor": "granted", "shop/shared": "requested"}


async def test_nonsense_is_refused(admin: httpx2.AsyncClient, agent: Agent) -> None:
    for path in (f"{PATH}/prod/shop/none", f"{PATH}/prod/none/harbor", f"{PATH}/none/shop/harbor"):
        for verb in ("approve", "deny"):
            assert (await admin.post(f"{path}/{verb}")).status_code == 404
    for body in ({"comment": "a\nb"}, {"comment": 1}, {"comment": "x" * 1001}, {"secret": "y"}):
        assert (await admin.post(f"{ONE}/deny", json=body)).status_code == 422
    assert (await admin.post(f"{ONE}/approve", json={"comment": 1})).status_code == 422
    # A registry that nobody has: the plan says so.
    await agent.report(accessRequests=[asked(registry="no-such")])
    answer = await admin.post(f"{ONE}/approve")
    assert answer.json().get("blocked") or answer.status_code in {404, 422}
    wrong = [asked() | {"reason": "x" * 1001}, asked() | {"extra": 1}, {"namespace": "shop"}]
    for one in wrong:
        assert (await agent.report(accessRequests=[one])).status_code == 422
    twin = await admin.get(f"{PATH}.csv")
    assert twin.text.splitlines()[0].startswith("ENVIRONMENT,NAMESPACE,NAME,REGISTRY,STATE")


async def test_refusals_survive_a_start_and_go_with_the_environment(
    plane: Plane, admin: httpx2.AsyncClient, agent: Agent
) -> None:
    assert (await admin.post(f"{ONE}/deny", json={"comment": "no"})).status_code == 200
    async with plane.server.database.reader.connect() as connection:  # as a replica that starts
        loaded = await store.load(connection, plane.server.writer.snapshot.revision)
    assert loaded.refusals == plane.server.writer.snapshot.refusals
    assert loaded.reports["prod"].requests == plane.server.writer.snapshot.reports["prod"].requests
    assert loaded.estate.refusals == plane.server.writer.snapshot.estate.refusals != {}
    await agent.report(accessRequests=[])
    assert plane.server.writer.snapshot.estate.refusals == {}
    gone = {"delete": [{"kind": "Environment", "name": "prod"}], "force": True}
    plan = (await admin.post("/api/v1/plans", json=gone)).json()
    assert (await admin.post(f"/api/v1/plans/{plan['id']}/confirm")).status_code == 200
    async with plane.server.database.reader.connect() as connection:
        loaded = await store.load(connection, plane.server.writer.snapshot.revision)
    assert loaded.refusals == plane.server.writer.snapshot.refusals == {}
