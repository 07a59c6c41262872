"""Egress of an environment: what its grants and its policy need, what is new since it was handed over, and as rules."""

from __future__ import annotations

import httpx2
import pytest_asyncio
import yaml

from tests.server.plane import Plane, document

PATH = "/api/v1/environments/prod-eu/egress"


@pytest_asyncio.fixture
async def admin(plane: Plane) -> httpx2.AsyncClient:
    """An administrator of a plane whose prod-eu may pull from an ECR, and from a Harbor of one's own by its policy."""
    await plane.put(
        document("EnvironmentGroup", "production", type="kubernetes"),
        document("Environment", "prod-eu", type="kubernetes", tier="production", group="production"),
        document("Registry", "ecr", provider="ecr", host="123456789012.dkr.ecr.eu-west-1.amazonaws.com"),
        document("Registry", "elsewhere", provider="generic", host="elsewhere.example.com"),
        document("RegistryAccess", "shop-ecr", registry="ecr", environment="prod-eu", namespaces={"names": ["shop"]}),
        document(
            "RegistryPolicy",
            "prod",
            type="kubernetes",
            groups=["production"],
            allowOverride=True,
            restrict={"stage": "deny", "allowedSources": [{"prefix": "harbor.example.com/shop", "scope": "Global"}]},
        ),
    )
    return await plane.client("root", "platform-admin")


async def hosts(client: httpx2.AsyncClient) -> list[str]:
    return [row["host"] for row in (await client.get(PATH)).json()["hosts"]]


async def test_grants_and_sources_need_hosts_and_what_is_granted_elsewhere_does_not(admin: httpx2.AsyncClient) -> None:
    found = await hosts(admin)
    assert "123456789012.dkr.ecr.eu-west-1.amazonaws.com" in found
    assert "api.ecr.eu-west-1.amazonaws.com" in found
    assert "harbor.example.com" in found
    assert "elsewhere.example.com" not in found


async def test_an_export_is_where_the_next_difference_begins(admin: httpx2.AsyncClient, plane: Plane) -> None:
    before = (await admin.get(PATH)).json()
    assert before["lastExport"] is None
    assert len(before["changed"]["added"]) == len({(row["host"], row["port"]) for row in before["hosts"]})
    assert (await admin.post(f"{PATH}/exports")).json()["changed"] == before["changed"]
    assert (await admin.get(PATH)).json()["changed"]["added"] == []
    namespaces = {"names": ["shop"]}
    await plane.put(
        document("RegistryAccess", "more", registry="elsewhere", environment="prod-eu", namespaces=namespaces)
    )
    after = (await admin.get(PATH)).json()
    assert after["changed"]["added"] == [{"host": "elsewhere.example.com", "port": 443}]
    assert after["lastExport"]["by"] == "root"
    events = (await admin.get("/api/v1/audit", params={"action": "egress.export"})).json()["items"]
    assert [event["object"]["name"] for event in events] == ["prod-eu"]


async def test_it_is_said_that_nothing_here_enforces_it(admin: httpx2.AsyncClient) -> None:
    assert "the network" in (await admin.get(PATH)).json()["enforcedBy"]


async def test_rules_for_pods(admin: httpx2.AsyncClient) -> None:
    cilium = yaml.safe_load((await admin.get(f"{PATH}/rules", params={"format": "cilium"})).text)
    assert cilium["kind"] == "CiliumNetworkPolicy"
    names = [name for rule in cilium["spec"]["egress"] for name in rule.get("toFQDNs", ())]
    assert {"matchName": "harbor.example.com"} in names
    policy = yaml.safe_load((await admin.get(f"{PATH}/rules", params={"namespace": "build"})).text)
    assert (policy["kind"], policy["metadata"]["namespace"]) == ("NetworkPolicy", "build")
    # The resolver of the tests answers addresses that may not be contacted: no rule opens what we would not go to.
    assert "harbor.example.com" in policy["metadata"]["annotations"]["portreeve.io/not-expressible"]
    assert len(policy["spec"]["egress"]) == 1


async def test_twins_have_the_same_rows(admin: httpx2.AsyncClient) -> None:
    rows = (await admin.get(f"{PATH}.json")).json()
    assert [row["host"] for row in rows] == await hosts(admin)
    lines = (await admin.get(f"{PATH}.csv")).text.splitlines()
    assert len(lines) == len(rows) + 1


async def test_what_was_handed_over_goes_with_its_environment(admin: httpx2.AsyncClient, plane: Plane) -> None:
    await plane.put(document("Environment", "gone", type="kubernetes", tier="development", group="production"))
    path = "/api/v1/environments/gone"
    assert (await admin.post(f"{path}/egress/exports")).status_code == 200
    planned = await admin.post("/api/v1/plans", json={"delete": [{"kind": "Environment", "name": "gone"}]})
    done = await admin.post(f"/api/v1/plans/{planned.json()['id']}/confirm")
    assert done.status_code == 200, done.text
    await plane.put(document("Environment", "gone", type="kubernetes", tier="development", group="production"))
    assert (await admin.get(f"{path}/egress")).json()["lastExport"] is None
