"""The settings: one document, which decides on selectors and on what people are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2

from tests.server.plane import Plane, document, running


def settings(**spec: Any) -> dict[str, Any]:
    return document("Settings", "platform", **spec)


async def test_a_selector_may_use_listed_labels_alone(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await plane.put(
        document("EnvironmentGroup", "dev"),
        document("Environment", "dev", tier="development", group="dev"),
        document("Registry", "harbor", provider="harbor", host="harbor.example.com"),
    )
    selecting = {"selector": {"matchLabels": {"team": "shop"}}}
    access = document("RegistryAccess", "shop", registry="harbor", environment="dev", namespaces=selecting)
    refused = (await admin.post("/api/v1/access?dryRun=All", json=access)).json()
    assert [one["code"] for one in refused["refusals"]] == ["selector_label"]
    written = await admin.put("/api/v1/settings", json=settings(selectorLabels=["team"]))
    assert written.status_code == 201, written.text
    assert (await admin.post("/api/v1/access?dryRun=All", json=access)).json()["refusals"] == []
    everything = document("RegistryAccess", "all", registry="harbor", environment="dev", namespaces={"selector": {}})
    assert (await admin.post("/api/v1/access?dryRun=All", json=everything)).json()["refusals"] == []


async def test_a_label_that_is_selected_by_is_not_taken_out(plane: Plane, admin: httpx2.AsyncClient) -> None:
    def selecting(*keys: str) -> dict[str, Any]:
        return {"namespaces": {"selector": {"matchExpressions": [{"key": key, "operator": "Exists"} for key in keys]}}}

    def access(name: str, **spec: Any) -> dict[str, Any]:
        return document("RegistryAccess", name, registry="harbor", environment="dev", **spec)

    await plane.put(
        settings(selectorLabels=["team", "tenant", "spare"]),
        document("EnvironmentGroup", "dev"),
        document("Environment", "dev", tier="development", group="dev"),
        document("Registry", "harbor", provider="harbor", host="harbor.example.com"),
        access("by-team", **selecting("team")),
        access("by-both", **selecting("team", "tenant", "kubernetes.io/metadata.name")),
        access("never-listed", **selecting("other")),
        document("RegistryPolicy", "p", groups=["dev"], access=[{"registry": "harbor", **selecting("tenant")}]),
    )
    etag = {"If-Match": (await admin.get("/api/v1/settings")).headers["ETag"]}

    async def asked(*keys: str) -> httpx2.Response:
        return await admin.put("/api/v1/settings", json=settings(selectorLabels=[*keys]), headers=etag)

    refused = await asked("tenant", "spare")
    assert (refused.status_code, refused.json()["code"]) == (409, "plan_blocked")
    assert [(one["code"], one["field"]) for one in refused.json()["errors"]] == [
        ("label_in_use", "RegistryAccess/by-both spec.namespaces.selector"),
        ("label_in_use", "RegistryAccess/by-team spec.namespaces.selector"),
    ]
    assert "replace" not in refused.text
    everything = (await asked()).json()["errors"]
    assert [one["field"].split()[0] for one in everything] == [
        "RegistryAccess/by-both", "RegistryAccess/by-both", "RegistryAccess/by-team", "RegistryPolicy/p",
    ]  # fmt: skip
    # Consent to something else is no consent to this, and deleting the settings is no way around it.
    plan = {"documents": [settings(selectorLabels=["spare"])], "replace": True, "force": True}
    gone = {"delete": [{"kind": "Settings", "name": "platform"}]}
    for body in (plan, gone):
        made = (await admin.post("/api/v1/plans", json=body)).json()
        assert {one["code"] for one in made["conflicts"]} == {"label_in_use"}
        assert (await admin.post(f"/api/v1/plans/{made['id']}/confirm")).status_code == 409
    assert (await asked("team", "tenant")).status_code == 200, "what nothing selects by is free"
    # What stops selecting by it in the same plan is not in the way.
    named = [access(name, namespaces={"names": ["shop"]}) for name in ("by-team", "by-both")]
    plan = {"documents": [settings(selectorLabels=["tenant"]), *named]}
    made = (await admin.post("/api/v1/plans", json=plan)).json()
    assert (made["conflicts"], made["refusals"]) == ([], [])
    assert (await admin.post(f"/api/v1/plans/{made['id']}/confirm")).status_code == 200
    assert (await admin.get("/api/v1/settings")).json()["spec"] == {"selectorLabels": ["tenant"]}


async def test_the_settings_have_defaults_a_version_and_one_name(admin: httpx2.AsyncClient) -> None:
    first = await admin.get("/api/v1/settings")
    assert (first.status_code, first.json()["spec"]) == (200, {})
    wrong = document("Settings", "other")
    assert (await admin.put("/api/v1/settings", json=wrong)).status_code == 422
    made = await admin.put("/api/v1/settings", json=settings(hideAnonymousDockerHub=True))
    again = await admin.put("/api/v1/settings", json=settings())
    assert (again.status_code, again.json()["code"]) == (428, "version_needed")
    etag = {"If-Match": made.headers["ETag"]}
    assert (await admin.put("/api/v1/settings", json=settings(), headers=etag)).status_code == 200


async def test_an_auditor_reads_them_and_nobody_else_writes(plane: Plane, admin: httpx2.AsyncClient) -> None:
    auditor, developer = await plane.client("a", "auditor"), await plane.client("d", "developer")
    assert (await auditor.get("/api/v1/settings")).status_code == 200
    assert (await developer.get("/api/v1/settings")).status_code == 404
    for client in (auditor, developer):
        assert (await client.put("/api/v1/settings", json=settings())).status_code == 404
    plan = {"documents": [settings(hideAnonymousDockerHub=True)]}
    assert (await developer.post("/api/v1/plans", json=plan)).status_code == 404
    assert (await admin.post("/api/v1/plans", json=plan)).status_code == 201


async def test_people_choose_among_what_is_granted_to_them(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await plane.put(
        document("EnvironmentGroup", "dev"),
        document("EnvironmentGroup", "prod"),
        document("Environment", "dev", tier="development", group="dev"),
        document("Environment", "prod", tier="production", group="prod"),
        document("Registry", "harbor", provider="harbor", host="harbor.example.com"),
        document("Registry", "quay", provider="quay", host="quay.example.com"),
        document("RegistryAccess", "shop", registry="harbor", environment="dev", namespaces={"names": ["shop"]}),
        document("RegistryAccess", "cache", registry="quay", environment="dev", namespaces={"names": ["cache"]}),
    )
    developer = await plane.client("d", "developer", environments=["dev", "prod"], namespaces=["shop"])

    async def choices(environment: str, client: httpx2.AsyncClient) -> list[str]:
        answer = await client.get(f"/api/v1/environments/{environment}/registries")
        return [one["registry"] for one in answer.json()["items"]]

    hub = "docker-hub-anonymous"
    assert await choices("dev", developer) == ["harbor", hub]
    assert await choices("dev", admin) == ["harbor", "quay", hub]
    assert await choices("prod", developer) == []
    await admin.put("/api/v1/settings", json=settings(hideAnonymousDockerHub=True))
    assert await choices("dev", developer) == ["harbor"]
    nobody = await plane.client("n")
    assert (await nobody.get("/api/v1/environments/dev/registries")).status_code == 404


async def test_what_the_server_was_told_from_outside_is_read_without_secrets_and_paths(
    database_url: str, tmp_path: Path
) -> None:
    told: dict[str, Any] = {
        "private_addresses": ("10.1.2.0/24",),
        "public_url": "https://portreeve.example.com",
        "oidc_file": "",
    }
    async with running(database_url, tmp_path, audit_checkpoints=tmp_path / "kept", **told) as plane:
        headers = {"Host": "portreeve.example.com"}
        auditor = await plane.client("ada", "auditor")
        answer = await auditor.get("/api/v1/server", headers=headers)
        assert answer.json()["privateAddresses"] == ["10.1.2.0/24"]
        assert answer.json()["database"] == ("sqlite" if "sqlite" in database_url else "postgresql")
        assert str(tmp_path) not in answer.text
        developer = await plane.client("dev", "developer")
        assert (await developer.get("/api/v1/server", headers=headers)).json()["code"] == "forbidden"
