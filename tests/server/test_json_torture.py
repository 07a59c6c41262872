"""Bodies that JSON readers disagree on: each is read as RFC 8259 and RFC 7493 say or refused with where and why.

Source: threat API-09.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.cases.json_torture import CASES, Case
from tests.server.plane import running
from tests.server.scene import Scene, set_up

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATHS = {
    "teams": ("POST", "/api/v1/teams"),
    "plans": ("POST", "/api/v1/plans"),
    "credentials": ("PUT", "/api/v1/registries/shop-registry/credentials/pull"),
}
AT_ONCE = 40


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    directory = tmp_path_factory.mktemp("torture")
    async with running(f"sqlite:///{directory / 'portreeve.db'}", directory) as plane:
        yield await set_up(plane)


async def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    assert len(CASES) >= 318
    assert len({case.name for case in CASES}) == len(CASES)
    assert {case.expected for case in CASES} == {"yes", "no", "either"}


async def wrong(scene: Scene, case: Case, method: str, path: str) -> str:
    """What is wrong with the answer to a case, "" if nothing is."""
    headers = {"Content-Type": "application/json"}
    answer = await scene.root.request(method, path, content=case.data, headers=headers)
    told = f"{case.name} ({case.expected}) answered {answer.status_code} {answer.text[:200]!r}"
    if answer.status_code >= 500:
        return told
    if answer.is_success:
        # The one body that asks for something: a plan of nothing, or to keep the secret that is stored.
        return "" if case.data == b"{}" and not path.endswith("/teams") else told
    if answer.headers["content-type"] != "application/problem+json":
        return told
    if (answer.json()["code"], case.expected) == ("body_too_large", "no"):
        return ""
    refused = answer.json()["code"] == "body_syntax"
    if refused and not answer.json()["detail"].partition(": ")[2]:
        return told
    return "" if case.expected == "either" or refused == (case.expected == "no") else told


@pytest.mark.parametrize("where", list(PATHS))
async def test_a_body_is_read_strictly_or_refused_with_a_reason(scene: Scene, where: str) -> None:
    before = await scene.plane.server.documents.snapshot()
    found = []
    for start in range(0, len(CASES), AT_ONCE):
        asked = (wrong(scene, case, *PATHS[where]) for case in CASES[start : start + AT_ONCE])
        found += [why for why in await asyncio.gather(*asked) if why]
    assert not found, "\n".join(found)
    after = await scene.plane.server.documents.snapshot()
    assert (after.documents, after.credentials) == (before.documents, before.credentials)
