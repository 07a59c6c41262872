"""Documents over HTTP: reading, changing through a plan, and what is refused."""

from __future__ import annotations

from datetime import timedelta

import httpx2

from tests.server.plane import Plane, document

HARBOR = document("Registry", "harbor", provider="harbor", host="harbor.example.com", path="shop")


async def test_a_registry_is_created_through_its_plan(admin: httpx2.AsyncClient) -> None:
    refused = await admin.post("/api/v1/registries", json=HARBOR)
    assert (refused.status_code, refused.json()["code"]) == (428, "plan_needed")
    preview = await admin.post("/api/v1/registries?dryRun=All", json=HARBOR)
    assert preview.status_code == 200
    assert (await admin.get("/api/v1/registries")).json()["items"] == []
    headers = {"Portreeve-Plan": preview.json()["digest"]}
    created = await admin.post("/api/v1/registries", json=HARBOR, headers=headers)
    assert created.status_code == 201
    found = await admin.get("/api/v1/registries/harbor")
    assert found.headers["ETag"] == created.headers["ETag"]
    assert found.json()["spec"] == HARBOR["spec"]


async def test_a_change_without_the_version_that_was_read_is_refused(admin: httpx2.AsyncClient) -> None:
    team = document("Team", "shop")
    created = await admin.post("/api/v1/teams", json=team)
    changed = document("Team", "shop", title="Shop")
    assert (await admin.put("/api/v1/teams/shop", json=changed)).json()["code"] == "version_needed"
    etag = {"If-Match": created.headers["ETag"]}
    assert (await admin.put("/api/v1/teams/shop", json=changed, headers=etag)).status_code == 200
    again = await admin.put("/api/v1/teams/shop", json=document("Team", "shop", title="B"), headers=etag)
    assert (again.status_code, again.json()["code"]) == (412, "version_outdated")


async def test_missing_and_forbidden_are_one_answer(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await admin.post("/api/v1/teams", json=document("Team", "shop"))
    nobody = await plane.client("nobody")
    there, missing = await nobody.get("/api/v1/teams/shop"), await nobody.get("/api/v1/teams/shox")
    assert there.status_code == missing.status_code == 404
    assert there.json()["detail"].replace("shop", "shox") == missing.json()["detail"]
    assert (await nobody.get("/api/v1/teams")).json()["items"] == []


async def test_a_refused_change_does_not_tell_whether_the_name_is_taken(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    await admin.post("/api/v1/teams", json=document("Team", "shop"))
    nobody = await plane.client("nobody", "developer")

    async def tried(name: str) -> list[tuple[int, str]]:
        path, body = f"/api/v1/teams/{name}", document("Team", name, title="x")
        answers = [
            await nobody.post("/api/v1/teams", json=body),
            await nobody.post("/api/v1/teams?dryRun=All", json=body),
            await nobody.put(path, json=body),
            await nobody.put(path, json=body, headers={"If-Match": '"x.1"'}),
            await nobody.delete(path),
            await nobody.post("/api/v1/plans", json={"documents": [body]}),
        ]
        return [(one.status_code, one.json()["detail"].replace(name, "NAME")) for one in answers]

    there, missing = await tried("shop"), await tried("shox")
    assert there == missing
    assert {status for status, _ in there} == {404}


async def test_who_guesses_a_document_does_not_hear_that_it_is_so(plane: Plane, admin: httpx2.AsyncClient) -> None:
    team = document("Team", "shop", title="Shop")
    await admin.post("/api/v1/teams", json=team)
    nobody = await plane.client("nobody", "developer")
    for answer in (
        await nobody.put("/api/v1/teams/shop", json=team),
        await nobody.put("/api/v1/teams/shop?dryRun=All", json=team),
        await nobody.post("/api/v1/teams", json=team),
        await nobody.post("/api/v1/teams?dryRun=All", json=team),
        await nobody.post("/api/v1/plans", json={"documents": [team]}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    auditor = await plane.client("auditor", "auditor")
    assert (await auditor.put("/api/v1/teams/shop", json=team)).status_code == 200
    assert (await auditor.post("/api/v1/teams", json=team)).status_code == 404


async def test_a_digest_confirms_what_was_previewed_and_nothing_else(admin: httpx2.AsyncClient) -> None:
    """Also where the difference is one that no decision sees: a title, or a registry's TLS trust."""
    preview = await admin.post("/api/v1/registries?dryRun=All", json=HARBOR)
    headers = {"Portreeve-Plan": preview.json()["digest"]}
    trusting = {**HARBOR, "spec": {**HARBOR["spec"], "tls": {"insecureSkipVerify": True}}}
    other = await admin.post("/api/v1/registries", json=trusting, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "plan_outdated")
    planned = await admin.post("/api/v1/plans", json={"documents": [HARBOR]})
    headers = {"Portreeve-Plan": planned.json()["digest"]}
    other = await admin.post("/api/v1/registries", json=trusting, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "plan_outdated")
    assert (await admin.post("/api/v1/registries", json=HARBOR, headers=headers)).status_code == 201


async def test_a_request_with_an_idempotency_key_is_carried_out_once(plane: Plane, admin: httpx2.AsyncClient) -> None:
    key, team = {"Idempotency-Key": "once-1"}, document("Team", "shop")
    first = await admin.post("/api/v1/teams", json=team, headers=key)
    again = await admin.post("/api/v1/teams", json=team, headers=key)
    assert (again.status_code, again.content, again.headers["ETag"]) == (201, first.content, first.headers["ETag"])
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await admin.post("/api/v1/teams", json=document("Team", "another"), headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    plane.clock.move(timedelta(hours=25))
    late = await admin.post("/api/v1/teams", json=team, headers=key)
    assert (late.status_code, late.json()["code"]) == (409, "name_taken")


async def test_whoever_may_change_a_grant_cannot_carry_it_elsewhere(plane: Plane) -> None:
    """The path of an update asks for what the path of a creation asks for (threat API-03)."""
    await plane.put(
        document("EnvironmentGroup", "production"),
        document("Environment", "prod", tier="development", group="production"),
        document("Project", "shop", namespaces=[{"environment": "prod", "names": ["shop"]}]),
        document("Registry", "theirs", provider="harbor", host="harbor.example.com", project="shop"),
        document("RegistryAccess", "shop", registry="theirs", environment="prod", namespaces={"names": ["shop"]}),
    )
    environment_admin = await plane.client("edgar", "environment-admin", groups=["production"])
    path = "/api/v1/access/shop"
    etag = {"If-Match": (await environment_admin.get(path)).headers["ETag"]}

    async def asked(*namespaces: str, **delivery: str) -> int:
        names = {"names": [*namespaces]}
        spec = {"registry": "theirs", "environment": "prod", "namespaces": names}
        body = document("RegistryAccess", "shop", **spec, **({"delivery": delivery} if delivery else {}))
        return (await environment_admin.put(f"{path}?dryRun=All", json=body, headers=etag)).status_code

    assert await asked("shop", mode="workload") == 200
    assert await asked("shop", "mine") == 404
    assert await asked("mine") == 404


async def test_what_its_provider_finds_wrong_refuses_a_registry(admin: httpx2.AsyncClient) -> None:
    pull = {"purpose": "pull", "method": "basic"}
    for spec, found in (
        ({"provider": "harbr"}, [("provider_unknown", "spec.provider")]),
        ({"credentials": [pull]}, [("parameter_missing", "spec.credentials[0].parameters.username")]),
        ({"credentials": [pull | {"method": "aws-key"}]}, [("credential_method", "spec.credentials[0].method")]),
        (
            {"credentials": [pull | {"parameters": {"username": "u", "region": "x"}}]},
            [("parameter_unknown", "spec.credentials[0].parameters.region")],
        ),
    ):
        wrong = {**HARBOR, "spec": {**HARBOR["spec"], **spec}}
        preview = await admin.post("/api/v1/registries?dryRun=All", json=wrong)
        refusals = [(one["code"], one["field"]) for one in preview.json()["refusals"]]
        assert refusals == [(code, f"Registry/harbor {field}") for code, field in found]
        headers = {"Portreeve-Plan": preview.json()["digest"]}
        refused = await admin.post("/api/v1/registries", json=wrong, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (422, "plan_refused")
    assert (await admin.get("/api/v1/registries")).json()["items"] == []
