"""To see what another sees: it shows theirs and nothing more, and it does nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import pytest

from portreeve.core.audit import Via, ViaKind
from portreeve.core.authorization import Authentication, authenticated
from portreeve.server.http.caller import Caller
from tests.server.people.person import by_link, code, events, new_user
from tests.server.plane import Plane, document

AS_DORA = {"Portreeve-View-As": "dora"}


@pytest.fixture
async def root(plane: Plane) -> httpx2.AsyncClient:
    """A platform-admin, beside dora, who develops in dev."""
    await plane.put(
        document("EnvironmentGroup", "all"),
        document("Environment", "dev", tier="development", group="all"),
        document("Environment", "prod", tier="development", group="all"),
        document("User", "dora", title="Dora"),
        document("User", "root"),
        document(
            "RoleBinding", "dora-dev", role="developer", subjects={"users": ["dora"]}, scope={"environments": ["dev"]}
        ),
    )
    return await plane.client("root", "platform-admin")


async def names(who: httpx2.AsyncClient, path: str, **headers: str) -> list[str]:
    answer = await who.get(f"/api/v1/{path}", headers=headers)
    assert answer.status_code == 200, answer.text
    return [one["metadata"]["name"] for one in answer.json()["items"]]


async def test_lists_and_pages_are_theirs(plane: Plane, root: httpx2.AsyncClient) -> None:
    dora = await plane.client("dora")
    for path in ("environments", "groups", "users", "rolebindings", "registries"):
        theirs = await names(dora, path)
        assert await names(root, path, **AS_DORA) == theirs, path
    assert await names(root, "environments") == ["dev", "prod"]
    assert await names(root, "environments", **AS_DORA) == ["dev"]
    hidden = await root.get("/api/v1/environments/prod", headers=AS_DORA)
    assert code(hidden) == code(await dora.get("/api/v1/environments/prod")) == (404, "not_found")


async def test_who_one_is_then_says_both(plane: Plane, root: httpx2.AsyncClient) -> None:
    theirs = (await (await plane.client("dora")).get("/api/v1/me")).json()
    seen = (await root.get("/api/v1/me", headers=AS_DORA)).json()
    assert seen.pop("askedBy") == "root"
    # What they may do is to be seen, too, though nothing can be done: only how one is signed in is one's own.
    for one in (seen, theirs):
        one.pop("signedIn")
    assert seen == theirs
    assert "askedBy" not in (await root.get("/api/v1/me")).json()
    assert "askedBy" not in (await root.get("/api/v1/me", headers={"Portreeve-View-As": "root"})).json()


CHANGES: list[tuple[str, str, Any]] = [
    ("POST", "plans", {"documents": []}),
    ("PUT", "registries/r", document("Registry", "r", provider="generic", host="r.example.com")),
    ("DELETE", "environments/dev", None),
    ("POST", "me/tokens", {"title": "ci", "expiresAt": "2027-01-01T00:00:00Z"}),
    ("PUT", "me/password", {"password": "a sentence that nobody guesses"}),
    ("POST", "registries/r/validate", None),
    ("POST", "sign-out", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES, ids=lambda one: str(one) if isinstance(one, str) else "")
async def test_nothing_can_be_done(plane: Plane, root: httpx2.AsyncClient, method: str, path: str, body: Any) -> None:
    before = len(await events(plane))
    answer = await root.request(method, f"/api/v1/{path}", json=body, headers=AS_DORA)
    assert code(answer) == (403, "viewing_as")
    assert len(await events(plane)) == before


async def test_what_only_reads_may_be_posted(plane: Plane, root: httpx2.AsyncClient) -> None:
    asked = {"images": ["docker.io/library/nginx:1"]}
    seen = await root.post("/api/v1/verdicts", json=asked, headers=AS_DORA)
    assert seen.status_code == 200, seen.text
    assert seen.json() == (await (await plane.client("dora")).post("/api/v1/verdicts", json=asked)).json()
    assert (await root.post("/api/v1/verdicts", json=asked)).json() != seen.json()


async def test_only_a_platform_admin_may(plane: Plane, root: httpx2.AsyncClient) -> None:
    for user, role in (("vera", "auditor"), ("olaf", "operator"), ("dora", "")):
        await plane.put(document("User", user)) if user != "dora" else None
        who = await plane.client(user, role)
        answer = await who.get("/api/v1/me", headers={"Portreeve-View-As": "root"})
        assert code(answer) == (403, "forbidden"), user
        # That tells nobody who there is.
        assert code(await who.get("/api/v1/me", headers={"Portreeve-View-As": "nobody"})) == (403, "forbidden")
    assert code(await root.get("/api/v1/me", headers={"Portreeve-View-As": "nobody"})) == (404, "not_found")
    assert code(await root.get("/api/v1/me", headers={"Portreeve-View-As": ""})) == (404, "not_found")
    await plane.put(document("User", "gone", disabled=True))
    assert code(await root.get("/api/v1/me", headers={"Portreeve-View-As": "gone"})) == (404, "not_found")
    assert code(await plane.anonymous(AS_DORA).get("/api/v1/me")) == (401, "unauthenticated")


async def test_a_token_stays_within_its_kinds(plane: Plane, root: httpx2.AsyncClient) -> None:
    await new_user(plane, "ada")
    await plane.put(document("RoleBinding", "ada", role="platform-admin", subjects={"users": ["ada"]}))
    asked = {"title": "ci", "expiresAt": "2026-12-01T00:00:00Z", "scope": {"readOnly": True, "kinds": ["environment"]}}
    made = await (await by_link(plane)).post("/api/v1/me/tokens", json=asked)
    assert made.status_code == 201, made.text
    narrow = plane.anonymous({"Authorization": f"Bearer {made.json()['token']}"})
    assert await names(narrow, "environments", **AS_DORA) == ["dev"]
    assert (await narrow.get("/api/v1/registries", headers=AS_DORA)).json().get("items", []) == []


async def test_what_is_kept_of_it_names_who_asked(root: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert (await root.get("/api/v1/environments", headers=AS_DORA)).status_code == 200
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "/api/v1/environments" in one]
    assert "principal=root" in line
    assert "seen_as=dora" in line


def test_an_event_is_of_whoever_it_was() -> None:
    dora = authenticated("dora", Authentication.TOKEN)
    caller = Caller(dora, Via(ViaKind.TOKEN, "t1"), "r1", asked_by="root")
    assert caller.actor.principal == "root"
    assert replace(caller, asked_by="").actor.principal == "dora"
