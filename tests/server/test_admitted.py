"""Where images would be admitted, by tier: what is said of each must be what the one evaluation says there."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx2

from portreeve.core.blast_radius import RunningImage
from portreeve.server.images.service import Observation, observe
from tests.server.plane import Plane, document

APPROVED = {"prefix": "mirror.example.com/approved", "scope": "Global"}
DIGEST = "sha256:" + "a" * 64


async def scene(plane: Plane) -> httpx2.AsyncClient:
    groups = {"dev": "development", "stage": "staging", "prod": "production"}
    for name, tier in groups.items():
        await plane.put(
            document("EnvironmentGroup", name), document("Environment", f"{name}-eu", tier=tier, group=name)
        )
        facts = {"kubernetes": "v1.33.1", "namespaces": [{"name": one, "labels": {}} for one in ("shop", "pay", "web")]}
        seen = Observation(f"{name}-eu", 1, facts, [(RunningImage(f"{name}-eu", "shop", "Deployment/a", "a"), "")])
        await plane.server.writer.run(partial(observe, observed=seen))
    await plane.put(
        document("Registry", "harbor", provider="harbor", host="harbor.example.com"),
        document(
            "RegistryPolicy", "staging", groups=["stage"],
            access=[{"registry": "harbor", "namespaces": {"names": ["shop"]}}],
            restrict={"stage": "audit", "allowedSources": [{"prefix": "mirror.example.com", "scope": "Global"}]},
        ),
        document(
            "RegistryPolicy", "production", groups=["prod"],
            restrict={"stage": "deny", "allowedSources": [APPROVED]},
        ),
    )  # fmt: skip
    return await plane.client("root", "platform-admin")


async def tiers(client: httpx2.AsyncClient, image: str) -> dict[str, dict[str, Any]]:
    answer = await client.post("/api/v1/verdicts", json={"images": [image]})
    assert answer.status_code == 200, answer.text
    return {one["tier"]: one for one in answer.json()["items"][0]["tiers"]}


async def test_each_tier_says_what_its_policies_say(plane: Plane) -> None:
    admin = await scene(plane)

    async def words(image: str) -> list[str]:
        return [one["admitted"] for one in (await tiers(admin, image)).values()]

    assert await words("mirror.example.com/approved/api:1") == ["unrestricted", "yes", "yes"]
    assert await words("mirror.example.com/other:1") == ["unrestricted", "yes", "no"]
    assert await words("harbor.example.com/shop/api:1") == ["unrestricted", "partly", "no"]
    assert await words("nginx") == ["unrestricted", "no", "no"]
    assert await words("not an image") == ["unrestricted", "no", "no"]
    found = await tiers(admin, "harbor.example.com/shop/api:1")
    assert found["staging"]["allowedIn"] == ["stage-eu/shop"]
    assert found["production"]["reason"]["code"] == "source_not_allowed"
    assert found["production"]["stages"] == {"deny": 1}


async def test_it_agrees_with_the_verdict_in_every_namespace(plane: Plane) -> None:
    admin = await scene(plane)
    for image in ("mirror.example.com/approved/api:1", "harbor.example.com/shop/api:1", "nginx"):
        found = await tiers(admin, image)
        for environment, tier in (("stage-eu", "staging"), ("prod-eu", "production")):
            asked = {
                name: (
                    await admin.get(
                        "/api/v1/verdict", params={"image": image, "environment": environment, "namespace": name}
                    )
                ).json()
                for name in ("shop", "pay", "web")
            }
            allowed = [f"{environment}/{name}" for name in sorted(asked) if asked[name]["verdict"] == "ALLOW"]
            assert found[tier]["allowedIn"] == allowed
            one = await admin.post(
                "/api/v1/verdicts", params={"environment": environment, "namespace": "shop"}, json={"images": [image]}
            )
            assert one.json()["items"] == [asked["shop"]]


async def test_an_exemption_of_a_digest_admits_that_digest_alone(plane: Plane) -> None:
    admin = await scene(plane)
    exemption = document(
        "Exemption", "once", policy="production", scope={"namespaces": ["pay"], "image": DIGEST},
        reason="until the mirror has it", owner="pay", expiresAt="2026-12-01T00:00:00Z",
    )  # fmt: skip
    await admin.post("/api/v1/exemptions", json=exemption)
    other = await plane.client("approver", "platform-admin")
    etag = (await other.get("/api/v1/exemptions/once")).headers["ETag"]
    assert (await other.post("/api/v1/exemptions/once/approve", headers={"If-Match": etag}, json={})).is_success
    pinned, tagged = f"docker.io/library/nginx@{DIGEST}", "docker.io/library/nginx:1"
    both = await admin.post("/api/v1/verdicts", json={"images": [tagged, pinned]})
    found = [{one["tier"]: one for one in item["tiers"]}["production"] for item in both.json()["items"]]
    assert [one["admitted"] for one in found] == ["no", "partly"]
    assert found[1]["allowedIn"] == ["prod-eu/pay"]


async def test_a_developer_hears_of_their_namespaces_alone(plane: Plane) -> None:
    await scene(plane)
    developer = await plane.client("dev", "developer", environments=["stage-eu"], namespaces=["shop"])
    found = await tiers(developer, "harbor.example.com/shop/api:1")
    assert [(tier, one["admitted"]) for tier, one in found.items()] == [("staging", "yes")]
    nobody = await plane.client("nobody")
    assert await tiers(nobody, "nginx") == {}


async def test_what_is_no_list_of_images_is_refused(plane: Plane) -> None:
    admin = await plane.client("root", "platform-admin")
    for body in ({}, {"images": "nginx"}, {"images": [1]}, {"images": ["a"] * 201}, {"images": [], "more": 1}):
        answer = await admin.post("/api/v1/verdicts", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "body_type")
