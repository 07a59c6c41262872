"""Secrets come in and are never told: setting, keeping, rotating, and what happens to them when documents change."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from portreeve.core.estate import Key
from portreeve.server.database.tables import AUDIT_EVENTS, CREDENTIAL_VERSIONS, OWNER_KEYS
from tests.server.plane import Plane, document

SECRET = "canary-7f3a9c51-secret"
DECLARED = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}
URL = "/api/v1/registries/harbor/credentials/pull"


def registry(name: str = "harbor", **spec: Any) -> dict[str, Any]:
    given = {"provider": "harbor", "host": "harbor.example.com", "credentials": [DECLARED]}
    return document("Registry", name, **given | spec)


async def planned(client: httpx2.AsyncClient, method: str, path: str, body: Any = None) -> httpx2.Response:
    """A change with the plan that its preview gave, at the version that is there."""
    held = await client.get(path)
    headers = {"If-Match": held.headers["ETag"]} if held.status_code == 200 and "ETag" in held.headers else {}
    preview = await client.request(method, f"{path}?dryRun=All", json=body, headers=headers)
    if preview.status_code != 200:
        return preview
    headers |= {"Portreeve-Plan": preview.json()["digest"]}
    return await client.request(method, path, json=body, headers=headers)


async def opened(plane: Plane, name: str = "harbor") -> bytes:
    row = (await plane.server.documents.snapshot()).credentials[name, "pull"]
    async with plane.server.database.reader.connect() as connection:
        return (await plane.server.credentials.keeper.open(connection, row)).reveal()


@pytest.fixture
async def stored(plane: Plane, admin: httpx2.AsyncClient) -> httpx2.AsyncClient:
    await plane.put(registry())
    done = await admin.put(URL, json={"secret": SECRET})
    assert done.status_code == 200
    return admin


async def test_a_secret_is_stored_and_answered_by_nobody(plane: Plane, stored: httpx2.AsyncClient) -> None:
    assert await opened(plane) == SECRET.encode()
    status = (await stored.get("/api/v1/registries/harbor")).json()["status"]
    assert (status["ready"], status["credentials"][0]["state"]) == (True, "stored")
    for path in ("registries/harbor", "registries", "registries.json", "registries.csv", "registries.yaml"):
        assert SECRET not in (await stored.get(f"/api/v1/{path}")).text
    async with plane.server.database.reader.connect() as connection:
        leaves = (await connection.execute(select(AUDIT_EVENTS.c.leaf))).scalars().all()
        envelopes = (await connection.execute(select(CREDENTIAL_VERSIONS.c.envelope))).scalars().all()
    assert not any(SECRET.encode() in bytes(one) for one in (*leaves, *envelopes))


async def test_an_empty_secret_keeps_the_stored_one(plane: Plane, stored: httpx2.AsyncClient) -> None:
    ends = "2027-02-01T00:00:00Z"
    kept = await stored.put(URL, json={"secret": "", "expiresAt": ends})
    assert (kept.json()["version"], kept.json()["expiresAt"]) == (1, ends)
    assert await opened(plane) == SECRET.encode()
    spec = (await stored.get("/api/v1/registries/harbor")).json()["spec"]
    assert spec["credentials"][0]["expiresAt"] == ends


async def test_the_same_secret_again_makes_no_new_version(plane: Plane, stored: httpx2.AsyncClient) -> None:
    assert (await stored.put(URL, json={"secret": SECRET})).json()["version"] == 1
    assert (await stored.post(f"{URL}/rotate", json={"secret": SECRET})).json()["version"] == 2
    assert (await stored.put(URL, json={"secret": "another"})).json()["version"] == 3
    assert await opened(plane) == b"another"


async def test_the_first_secret_may_not_be_empty(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await plane.put(registry())
    refused = await admin.put(URL, json={"secret": ""})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "secret_missing")


async def test_rotation_is_the_next_version_and_keeps_the_one_before(plane: Plane, stored: httpx2.AsyncClient) -> None:
    for number in range(2, 5):
        done = await stored.post(f"{URL}/rotate", json={"secret": f"next-{number}"})
        assert done.json()["version"] == number
    assert await opened(plane) == b"next-4"
    async with plane.server.database.reader.connect() as connection:
        versions = (await connection.execute(select(CREDENTIAL_VERSIONS.c.version))).scalars().all()
    # The one before goes as soon as nobody waits for it; those before that are gone at once.
    assert 4 in versions
    assert set(versions) <= {3, 4}


async def test_a_registry_with_a_secret_cannot_be_pointed_elsewhere(stored: httpx2.AsyncClient) -> None:
    changes: dict[str, dict[str, Any]] = {
        "spec.host": {"host": "evil.example.com"},
        "spec.provider": {"provider": "generic"},
        "spec.tls": {"tls": {"insecureSkipVerify": True}},
        "spec.tokenRealm": {"tokenRealm": "https://evil.example.com/token"},
    }
    for field, spec in changes.items():
        path = "/api/v1/registries/harbor"
        etag = (await stored.get(path)).headers["ETag"]
        refused = await stored.put(f"{path}?dryRun=All", json=registry(**spec), headers={"If-Match": etag})
        assert [(one["code"], one["field"]) for one in refused.json()["refusals"]] == [
            ("credential_bound", f"Registry/harbor {field}")
        ]
        answer = await planned(stored, "PUT", path, registry(**spec))
        assert answer.json()["code"] == "plan_refused"


async def test_a_parameter_that_steers_the_secret_is_bound_to_it(plane: Plane) -> None:
    """GitLab's own host gets the token, too, to browse."""
    admin = await plane.client("root", "platform-admin")

    def gitlab(host: str, **more: str) -> dict[str, Any]:
        entry = {"purpose": "pull", "method": "token", "parameters": {"username": "u", "gitlabHost": host}, **more}
        return document("Registry", "gitlab", provider="gitlab", host="registry.example.com", credentials=[entry])

    await plane.put(gitlab("gitlab.example.com"))
    path = "/api/v1/registries/gitlab"
    assert (await admin.put(f"{path}/credentials/pull", json={"secret": "glpat"})).status_code == 200
    for changed in (gitlab("evil.example.com"), gitlab("gitlab.example.com", method="deploy-token")):
        refused = await planned(admin, "PUT", path, changed)
        assert refused.json()["code"] == "plan_refused"
        assert "credential_bound" in refused.text
    renamed = gitlab("gitlab.example.com")
    renamed["spec"]["credentials"][0]["parameters"]["username"] = "v"
    assert (await planned(admin, "PUT", path, renamed)).status_code == 200


async def test_another_user_name_delivers_the_same_secret_as_a_new_version(
    plane: Plane, stored: httpx2.AsyncClient
) -> None:
    changed = registry(credentials=[DECLARED | {"parameters": {"username": "robot-2"}}])
    assert (await planned(stored, "PUT", "/api/v1/registries/harbor", changed)).status_code == 200
    assert (await plane.server.documents.snapshot()).credentials["harbor", "pull"].version == 2
    assert await opened(plane) == SECRET.encode()


async def test_what_is_no_longer_declared_is_destroyed(plane: Plane, stored: httpx2.AsyncClient) -> None:
    done = await planned(stored, "PUT", "/api/v1/registries/harbor", registry(credentials=[]))
    assert done.status_code == 200, done.text
    await plane.put(registry("other"))
    assert (await planned(stored, "DELETE", "/api/v1/registries/other")).status_code == 204
    assert (await plane.server.documents.snapshot()).credentials == {}
    async with plane.server.database.reader.connect() as connection:
        assert (await connection.execute(select(CREDENTIAL_VERSIONS))).all() == []


async def test_deleting_a_project_erases_the_key_of_its_secrets(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await plane.put(document("Project", "shop"), registry(project="shop"))
    assert (await admin.put(URL, json={"secret": SECRET})).status_code == 200
    uid = (await plane.server.documents.snapshot()).documents[Key("Project", "shop")].uid
    assert (await admin.delete("/api/v1/projects/shop")).json()["code"] == "plan_refused"
    assert (await planned(admin, "DELETE", "/api/v1/registries/harbor")).status_code == 204
    assert (await planned(admin, "DELETE", "/api/v1/projects/shop")).status_code == 204
    async with plane.server.database.reader.connect() as connection:
        keys = (await connection.execute(select(OWNER_KEYS))).all()
    assert [(key.owner, key.wrapped) for key in keys] == [(uid, None)]


async def test_production_refuses_a_secret_that_never_ends(plane: Plane, stored: httpx2.AsyncClient) -> None:
    await plane.put(
        document("EnvironmentGroup", "production"),
        document("Environment", "prod", tier="production", group="production"),
        registry("other"),
        document("RegistryAccess", "shop", registry="other", environment="prod", namespaces={"names": ["shop"]}),
    )
    url = "/api/v1/registries/other/credentials/pull"
    refused = await stored.put(url, json={"secret": SECRET})
    assert refused.json()["errors"][0]["code"] == "credential_without_expiry"
    assert (await stored.put(url, json={"secret": SECRET, "expiresAt": "2027-02-01T00:00:00Z"})).status_code == 200


async def test_an_error_does_not_repeat_the_secret(stored: httpx2.AsyncClient) -> None:
    bodies: list[Any] = [
        {"secret": SECRET, "password": SECRET},
        {"secret": SECRET, "expiresAt": SECRET},
        {"secret": [SECRET]},
        {SECRET: "x"},
        [SECRET],
        SECRET,
    ]
    for body in bodies:
        refused = await stored.put(URL, json=body)
        assert 400 <= refused.status_code < 500
        assert SECRET not in refused.text


async def test_a_team_without_the_project_cannot_set_its_secret(plane: Plane, stored: httpx2.AsyncClient) -> None:
    operator = await plane.client("op", "operator")
    there = await operator.put(URL, json={"secret": "x"})
    missing = await operator.put(URL.replace("harbor", "harbox"), json={"secret": "x"})
    assert there.status_code == missing.status_code == 404
    assert there.json()["detail"].replace("harbor", "harbox") == missing.json()["detail"]
    assert await opened(plane) == SECRET.encode()
