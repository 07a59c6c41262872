"""Desired states: numbered, signed, renewed, with credentials that only the environment's agent can open."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from portreeve.core.blast_radius import RunningImage
from portreeve.core.credential import decode_login
from portreeve.server.database.writer import Transaction
from portreeve.server.desired.document import PURPOSE, canonical
from portreeve.server.desired.store import StoredState, save_sealing_key
from portreeve.server.images.service import Observation, observe
from portreeve.vault import sealing
from portreeve.vault.sealing import Delivery
from portreeve.vault.signing import verify
from tests.server.plane import Plane, document

SECRET = "canary-desired-91c2"
SCENE = (
    document("EnvironmentGroup", "production"),
    document("Environment", "prod", tier="production", group="production"),
    document(
        "Registry",
        "harbor",
        provider="harbor",
        host="harbor.example.com",
        credentials=[
            {
                "purpose": "pull",
                "method": "basic",
                "parameters": {"username": "robot"},
                "expiresAt": "2027-02-01T00:00:00Z",
            }
        ],
    ),
    document("RegistryAccess", "shop", registry="harbor", environment="prod", namespaces={"names": ["shop"]}),
)


@pytest.fixture
async def scene(plane: Plane, admin: httpx2.AsyncClient) -> httpx2.AsyncClient:
    await plane.put(*SCENE)
    answer = await admin.put("/api/v1/registries/harbor/credentials/pull", json={"secret": SECRET})
    assert answer.status_code == 200
    return admin


async def swept(plane: Plane, environment: str = "prod") -> tuple[StoredState, dict[str, Any]]:
    await plane.server.desired.sweep()
    held = await plane.server.desired.current(environment)
    assert held is not None
    return held, json.loads(held.document)["document"]


async def enrolled(plane: Plane) -> sealing.OpeningKey:
    """An agent's key, told to the control plane."""
    key = sealing.generate()
    public = sealing.public_bytes(key.sealing_key)

    async def job(transaction: Transaction) -> None:
        await save_sealing_key(transaction.connection, "prod", public, transaction.now)

    await plane.server.writer.run(job)
    return key


async def test_a_change_makes_the_next_generation_and_nothing_else_does(
    plane: Plane, scene: httpx2.AsyncClient
) -> None:
    first, _ = await swept(plane)
    again, _ = await swept(plane)
    assert again == first
    await scene.post("/api/v1/registries/harbor/credentials/pull/rotate", json={"secret": "next"})
    second, shown = await swept(plane)
    assert (second.generation, second.previous_hash) == (first.generation + 1, first.hash)
    assert shown["grants"][0]["credential"]["version"] == 2


async def test_the_document_is_signed(plane: Plane, scene: httpx2.AsyncClient) -> None:
    held, shown = await swept(plane)
    whole = json.loads(held.document)
    public, signature = plane.server.desired.key.public, base64.b64decode(whole["signature"])
    assert verify(public, PURPOSE, canonical(shown), signature)
    assert not verify(public, PURPOSE, canonical(shown | {"generation": shown["generation"] + 1}), signature)
    assert not verify(public, "another purpose", canonical(shown), signature)


async def test_only_the_agent_opens_the_credential_and_only_in_its_generation(
    plane: Plane, scene: httpx2.AsyncClient
) -> None:
    _, before = await swept(plane)
    assert before["grants"][0]["credential"]["sealed"] is None
    key = await enrolled(plane)
    held, shown = await swept(plane)
    assert held.generation == before["generation"] + 1
    credential = shown["grants"][0]["credential"]
    sealed = base64.b64decode(credential["sealed"])
    delivery = Delivery("prod", "harbor", credential["id"], credential["version"], held.generation)
    login = decode_login(sealing.open_sealed(sealed, delivery, key))
    assert (login.username, login.password.reveal()) == ("robot", SECRET.encode())
    assert SECRET.encode() not in held.document
    answer = await scene.get("/api/v1/environments/prod/desired")
    assert answer.json()["grants"][0]["credential"]["sealed"] is True


async def test_a_document_is_renewed_before_it_ends(plane: Plane, scene: httpx2.AsyncClient) -> None:
    first, _ = await swept(plane)
    plane.clock.move(timedelta(days=6))
    assert (await swept(plane))[0].generation == first.generation
    plane.clock.move(timedelta(days=2))
    second, _ = await swept(plane)
    assert second.generation == first.generation + 1
    assert second.not_after > first.not_after


async def test_a_policy_that_is_enforced_names_the_objects_that_the_agent_renders(
    plane: Plane, scene: httpx2.AsyncClient
) -> None:
    async def job(transaction: Transaction) -> None:
        facts = {"kubernetes": "v1.33.1", "namespaces": [{"name": "shop", "labels": {}}]}
        await observe(transaction, Observation("prod", 1, facts, []))

    await plane.server.writer.run(job)
    source = {"prefix": "harbor.example.com/shop", "scope": "Global"}
    restrict = {"stage": "deny", "allowedSources": [source]}
    await plane.put(document("RegistryPolicy", "sources", groups=["production"], allowOverride=True, restrict=restrict))
    _, shown = await swept(plane)
    assert str(shown["policy"]["renderDigest"]).startswith("sha256:")


async def test_an_environment_made_anew_goes_on_counting(plane: Plane, scene: httpx2.AsyncClient) -> None:
    first, _ = await swept(plane)
    for path in ("access/shop", "environments/prod"):
        preview = await scene.delete(f"/api/v1/{path}?dryRun=All")
        digest = {"Portreeve-Plan": preview.json()["digest"]}
        assert (await scene.delete(f"/api/v1/{path}", headers=digest)).status_code == 204
    await plane.server.desired.sweep()
    await plane.put(SCENE[1])
    again, _ = await swept(plane)
    assert again.generation == first.generation + 1


async def test_what_an_environment_reports_is_listed_and_judged(plane: Plane, scene: httpx2.AsyncClient) -> None:
    names = ("shop", "kube-system")
    facts = {"kubernetes": "v1.33.1", "namespaces": [{"name": name, "labels": {}} for name in names]}
    images = [
        (RunningImage("prod", "shop", "Deployment/api", "harbor.example.com/shop/api:1"), "sha256:" + "0" * 64),
        (RunningImage("prod", "shop", "Deployment/web", "nginx"), ""),
    ]

    async def job(transaction: Transaction) -> None:
        await observe(transaction, Observation("prod", 1, facts, images))

    await plane.server.writer.run(job)
    policy = document("RegistryPolicy", "sources", groups=["production"], restrict={"stage": "deny"})
    preview = (await scene.post("/api/v1/plans", json={"documents": [policy]})).json()
    assert [one["image"] for one in preview["newlyDenied"]] == ["harbor.example.com/shop/api:1", "nginx"]
    allowing = policy | {"spec": policy["spec"] | {"allowOverride": True}}
    preview = (await scene.post("/api/v1/plans", json={"documents": [allowing]})).json()
    assert [one["image"] for one in preview["newlyDenied"]] == ["nginx"]
    done = await scene.post(f"/api/v1/plans/{preview['id']}/confirm")
    assert done.status_code == 200
    rows = (await scene.get("/api/v1/images")).json()["items"]
    assert [(row["image"], row["verdict"]) for row in rows] == [
        ("harbor.example.com/shop/api:1", "ALLOW"),
        ("nginx", "DENY"),
    ]
    asked = {"image": "harbor.example.com/shop/api:1", "environment": "prod", "namespace": "shop"}
    answer = (await scene.get("/api/v1/verdict", params=asked)).json()
    assert (answer["verdict"], answer["enforcedBy"], answer["pull"]["registry"]) == ("ALLOW", "admission", "harbor")
    assert answer["pull"]["credential"]["expiresAt"] == "2027-02-01T00:00:00Z"


async def test_a_registry_that_is_deleted_names_the_workloads_that_use_it(
    plane: Plane, scene: httpx2.AsyncClient
) -> None:
    async def job(transaction: Transaction) -> None:
        image = RunningImage("prod", "shop", "Deployment/api", "harbor.example.com/shop/api:1")
        await observe(transaction, Observation("prod", 1, {}, [(image, "")]))

    await plane.server.writer.run(job)
    preview = (await scene.delete("/api/v1/registries/harbor?dryRun=All")).json()
    assert [(one["owner"], one["registry"]) for one in preview["uses"]] == [("Deployment/api", "harbor")]
    assert preview["blocked"]  # an access still names it


async def test_of_several_credentials_for_a_host_the_one_with_the_longest_path_pulls(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    named = {"names": ["shop"]}
    await plane.put(
        *SCENE,
        document("Registry", "team", provider="harbor", host="harbor.example.com", path="team"),
        document("Registry", "app", provider="harbor", host="harbor.example.com", path="team/app"),
        document("RegistryAccess", "team", registry="team", environment="prod", namespaces=named),
        document("RegistryAccess", "app", registry="app", environment="prod", namespaces=named),
    )

    async def pulled_by(image: str, namespace: str = "shop") -> str | None:
        asked = {"image": image, "environment": "prod", "namespace": namespace}
        pull = (await admin.get("/api/v1/verdict", params=asked)).json()["pull"]
        return pull and str(pull["registry"])

    assert await pulled_by("harbor.example.com/other:1") == "harbor"
    assert await pulled_by("harbor.example.com/team/web:1") == "team"
    assert await pulled_by("harbor.example.com/team/app/api:1") == "app"
    # The kubelet takes an entry for what lies below its path.
    assert await pulled_by("harbor.example.com/team/app:1") == "team"
    assert await pulled_by("harbor.example.com/team-b/web:1") == "harbor"
    assert await pulled_by("harbor.example.com/team/web:1", "cache") is None
    assert await pulled_by("harbor.example.com.evil.io/team/web:1") is None
