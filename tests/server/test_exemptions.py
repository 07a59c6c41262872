"""Exemptions: asked for by one person, decided on by another, and over by themselves."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from tests.server.plane import Plane, document

URL = "/api/v1/exemptions/redis"
SCENE = (
    document("EnvironmentGroup", "production"),
    document("EnvironmentGroup", "other"),
    document("Environment", "prod", tier="production", group="production"),
    document("RegistryPolicy", "sources", groups=["production"], restrict={"stage": "deny"}),
)


def exemption(**spec: Any) -> dict[str, Any]:
    given = {
        "policy": "sources",
        "scope": {"groups": ["production"], "namespaces": ["cache"], "image": "public.ecr.aws/docker/library/redis"},
        "reason": "mirror not ready",
        "owner": "cache-team",
        "expiresAt": "2026-12-01T00:00:00Z",
    }
    return document("Exemption", "redis", **given | spec)


@pytest.fixture
async def requested(plane: Plane) -> httpx2.AsyncClient:
    """The client of the developer who has asked for it."""
    await plane.put(*SCENE)
    developer = await plane.client("dev", "developer", environments=["prod"], namespaces=["cache"])
    answer = await developer.post("/api/v1/exemptions", json=exemption())
    assert answer.status_code == 201, answer.text
    assert answer.json()["status"]["state"] == "requested"
    return developer


async def exempted(plane: Plane) -> list[str]:
    await plane.server.desired.sweep()
    held = await plane.server.desired.current("prod")
    assert held is not None
    return [one[0] for one in json.loads(held.document)["document"]["sources"]["exemptions"]]


async def test_an_exemption_counts_once_another_person_has_approved_it(
    plane: Plane, requested: httpx2.AsyncClient
) -> None:
    assert await exempted(plane) == []
    assert (await requested.post(f"{URL}/approve")).status_code == 404
    approver = await plane.client("approver", "environment-admin", groups=["production"])
    answer = await approver.post(f"{URL}/approve", json={"comment": "until the mirror is there"})
    assert answer.status_code == 200, answer.text
    status = answer.json()["status"]
    assert (status["state"], status["requestedBy"], status["decidedBy"]) == ("active", "dev", "approver")
    assert await exempted(plane) == ["redis"]
    plane.clock.move(timedelta(days=11))
    assert await exempted(plane) == []
    assert (await requested.get(URL)).json()["status"]["state"] == "expired"


async def test_nobody_approves_what_they_asked_for(plane: Plane) -> None:
    await plane.put(*SCENE)
    admin = await plane.client("root", "platform-admin")
    assert (await admin.post("/api/v1/exemptions", json=exemption())).status_code == 201
    assert (await admin.post(f"{URL}/approve")).status_code == 404
    assert (await admin.post(f"{URL}/revoke")).json()["status"]["state"] == "revoked"


async def test_somebody_elsewhere_does_not_decide(plane: Plane, requested: httpx2.AsyncClient) -> None:
    elsewhere = await plane.client("else", "environment-admin", groups=["other"])
    assert (await elsewhere.post(f"{URL}/approve")).status_code == 404
    assert (await elsewhere.post(f"{URL}/deny")).status_code == 404


async def test_what_was_asked_for_does_not_change(plane: Plane, requested: httpx2.AsyncClient) -> None:
    etag = {"If-Match": (await requested.get(URL)).headers["ETag"]}
    wider = exemption(scope={"groups": ["production"], "image": "docker.io/library/redis"})
    narrow = exemption(reason="another reason")
    assert (await requested.put(URL, json=narrow, headers=etag)).json()["errors"][0]["code"] == "exemption_fixed"
    assert (await requested.put(URL, json=wider, headers=etag)).status_code in {404, 422}


async def test_a_renewal_needs_a_new_approval_by_another_person(plane: Plane, requested: httpx2.AsyncClient) -> None:
    approver = await plane.client("approver", "environment-admin", groups=["production"])
    assert (await approver.post(f"{URL}/approve")).status_code == 200
    later = {"expiresAt": "2027-01-01T00:00:00Z"}
    assert (await approver.post(f"{URL}/renew", json=later)).status_code == 200
    assert (await approver.get(URL)).json()["spec"]["expiresAt"] == "2026-12-01T00:00:00Z"
    # The approver asked for the renewal, so now somebody else has to decide on it.
    assert (await approver.post(f"{URL}/approve")).status_code == 404
    other = await plane.client("other", "environment-admin", groups=["production"])
    answer = await other.post(f"{URL}/approve")
    assert (answer.status_code, answer.json()["spec"]["expiresAt"]) == (200, "2027-01-01T00:00:00Z")
    plane.clock.move(timedelta(days=20))
    assert await exempted(plane) == ["redis"]


async def test_an_exemption_ends_within_ninety_days_of_when_it_is_asked_for_or_renewed(
    plane: Plane, requested: httpx2.AsyncClient
) -> None:
    def refused(answer: httpx2.Response) -> bool:
        told = [(one["code"], one["hint"]) for one in answer.json()["errors"]]
        return answer.status_code == 422 and told == [("exemption_expiry", told[0][1])] and "2027-02-18" in told[0][1]

    last, beyond = "2027-02-18T12:00:00Z", "2027-02-18T12:00:01Z"  # the plane's clock stands at 2026-11-20, noon
    other = exemption(expiresAt=beyond)
    other["metadata"]["name"] = "other"
    assert refused(await requested.post("/api/v1/exemptions", json=other))
    other["spec"]["expiresAt"] = last
    assert (await requested.post("/api/v1/exemptions", json=other)).status_code == 201
    approver = await plane.client("approver", "environment-admin", groups=["production"])
    assert (await approver.post(f"{URL}/approve")).status_code == 200
    assert refused(await requested.post(f"{URL}/renew", json={"expiresAt": beyond}))
    assert (await requested.post(f"{URL}/renew", json={"expiresAt": last})).status_code == 200


@pytest.mark.parametrize("step", ["approve", "deny", "revoke", "renew"])
async def test_what_was_revoked_stays_revoked(plane: Plane, requested: httpx2.AsyncClient, step: str) -> None:
    approver = await plane.client("approver", "platform-admin")
    assert (await approver.post(f"{URL}/revoke")).status_code == 200
    body = {"expiresAt": "2027-01-01T00:00:00Z"} if step == "renew" else {}
    answer = await approver.post(f"{URL}/{step}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "exemption_state")
    assert await exempted(plane) == []
