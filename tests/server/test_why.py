"""What whoever holds an admission message may ask without signing in, and what everybody else hears."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from portreeve.server.images.service import Observation, observe
from portreeve.server.why.asking import AT_ONCE
from tests.server.plane import Plane, document, running

ADDRESS = "https://portreeve.example.com/here"
SOURCES = [
    {"prefix": "harbor.example.com/hub", "scope": "Global"},
    {"prefix": "harbor.example.com/shop/api", "scope": {"namespaces": ["shop"]}, "note": "canary-note"},
]
SCENE = (
    document("EnvironmentGroup", "production"),
    document("Environment", "prod", tier="production", group="production"),
    document("Environment", "west", tier="production", group="production"),
    document("RegistryPolicy", "sources", groups=["production"], restrict={"stage": "deny", "allowedSources": SOURCES}),
)


@pytest.fixture
async def plane(database_url: str, tmp_path: Path) -> AsyncIterator[Plane]:
    async with running(database_url, tmp_path, public_url=ADDRESS) as started:
        await started.put(*SCENE)
        yield started


async def link(plane: Plane, environment: str = "prod") -> str:
    await plane.server.desired.sweep()
    held = await plane.server.desired.current(environment)
    assert held is not None
    sources = json.loads(held.document)["document"]["sources"]
    return str(sources.get("whyUrl", "")) if sources else ""


async def token(plane: Plane, environment: str = "prod") -> str:
    return (await link(plane, environment)).partition("#")[2].rstrip("/")


async def asked(plane: Plane, held: str, image: str = "redis:7", namespace: str = "shop") -> httpx2.Response:
    # By the name that browsers use, and with nothing that says who asks.
    body = {"token": held, "image": image, "namespace": namespace}
    headers = {"Host": "portreeve.example.com"}
    return await plane.anonymous(headers).post("/api/v1/why", json=body)


async def test_the_link_answers_what_the_message_said_and_what_to_use_instead(plane: Plane) -> None:
    assert (await link(plane)).startswith(f"{ADDRESS}/why#")
    answer = await asked(plane, await token(plane))
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json() == {
        "verdict": "DENY",
        "code": "source_not_allowed",
        "image": "redis:7",
        "canonical": "docker.io/library/redis:7",
        "namespace": "shop",
        "policy": {"name": "sources", "generation": 1},
        "nearest": None,
        "alternative": "harbor.example.com/hub/library/redis:7",
        "command": "portreeve explain redis:7 -n shop",
    }
    near = (await asked(plane, await token(plane), "harbor.example.com/shop/web:1")).json()
    assert (near["nearest"], near["alternative"]) == ("harbor.example.com/shop/api", None)
    fine = (await asked(plane, await token(plane), "harbor.example.com/hub/library/redis:7")).json()
    assert (fine["verdict"], fine["nearest"], fine["alternative"]) == ("ALLOW", None, None)
    odd = (await asked(plane, await token(plane), "$(reboot) 'x")).json()
    assert (odd["verdict"], odd["code"], odd["canonical"]) == ("DENY", "unsafe_reference", None)
    assert odd["command"] == """portreeve explain '$(reboot) '"'"'x' -n shop"""


async def test_whoever_may_look_is_shown_the_message_with_its_link(plane: Plane, admin: httpx2.AsyncClient) -> None:
    found = await link(plane)
    query = {"image": "redis:7", "environment": "prod", "namespace": "shop"}
    assert (await admin.get("/api/v1/verdict", params=query)).json()["message"] is None, "no cluster is known to refuse"
    facts = {"kubernetes": "v1.33.1", "namespaces": []}
    await plane.server.writer.run(lambda transaction: observe(transaction, Observation("prod", 1, facts, ())))
    told = (await admin.get("/api/v1/verdict", params=query)).json()["message"]
    assert told.endswith(f"why: portreeve explain redis:7 -n shop or open {found}shop/redis:7")


async def test_no_name_of_anything_else_is_told(plane: Plane) -> None:
    """A source of another namespace shows neither that namespace nor why it is there."""
    answer = await asked(plane, await token(plane), "harbor.example.com/shop/api:1", "other")
    assert answer.json()["verdict"] == "DENY"
    for untold in ("canary-note", "prod", '"shop"', "production"):
        assert untold not in answer.text


async def test_each_policy_and_environment_has_a_token_of_its_own_that_outlives_changes_of_the_policy(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    first, west = await token(plane), await token(plane, "west")
    assert first != west
    found = await admin.get("/api/v1/policies/sources")
    changed = {**found.json(), "spec": {**found.json()["spec"], "restrict": {"stage": "audit", "allowedSources": []}}}
    etag = {"If-Match": found.headers["ETag"]}
    preview = await admin.put("/api/v1/policies/sources?dryRun=All", json=changed, headers=etag)
    headers = {**etag, "Portreeve-Plan": preview.json()["digest"]}
    made = await admin.put("/api/v1/policies/sources", json=changed, headers=headers)
    assert made.status_code == 200, made.text
    assert await token(plane) == first
    assert (await asked(plane, first)).json()["policy"]["generation"] == 2


async def unknown(plane: Plane, held: str) -> dict[str, Any]:
    answer = await asked(plane, held)
    assert answer.status_code == 404
    return {name: value for name, value in answer.json().items() if name != "request"}


async def test_a_wrong_token_and_one_whose_policy_has_gone_get_one_answer(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    held = await token(plane)
    wrong = await unknown(plane, "A" * 24)
    assert wrong["code"] == "why_unknown"
    assert await unknown(plane, held[:-1]) == await unknown(plane, "é") == wrong
    preview = (await admin.delete("/api/v1/policies/sources?dryRun=All")).json()
    gone = await admin.delete("/api/v1/policies/sources", headers={"Portreeve-Plan": preview["digest"]})
    assert gone.status_code == 204, gone.text
    assert await unknown(plane, held) == wrong
    await plane.put(SCENE[-1])
    assert await unknown(plane, held) == wrong, "a policy of the same name is another one"
    assert (await asked(plane, await token(plane))).status_code == 200


async def test_without_a_public_address_a_message_stays_as_it_is(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as plane:
        await plane.put(*SCENE)
        assert await link(plane) == ""


async def test_an_address_may_ask_often_but_not_without_end(plane: Plane) -> None:
    held = await token(plane)
    answers = await asyncio.gather(*(asked(plane, held) for _ in range(AT_ONCE + 1)))
    assert sorted(one.status_code for one in answers) == [200] * AT_ONCE + [429]
    late = next(one for one in answers if one.status_code == 429)
    assert (late.json()["code"], late.headers["Retry-After"]) == ("why_throttled", "1")
    plane.clock.move(timedelta(seconds=1))
    assert (await asked(plane, held)).status_code == 200


@pytest.mark.parametrize("namespace", ["", "UPPER", "a.b", "a/b", "x" * 64, "-"])
async def test_what_is_no_namespace_is_no_question(plane: Plane, namespace: str) -> None:
    assert (await asked(plane, "A" * 24, namespace=namespace)).status_code == 422
