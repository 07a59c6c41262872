"""Below a path of a host that is not ours alone: whether or not the proxy takes it away, everything stays there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from portreeve.errors import Invalid
from portreeve.server.http.prefix import Prefix
from tests.server.agents.agent import ENVIRONMENTS, TRUST, enrolled
from tests.server.console.conftest import PAGE, Serve
from tests.server.people.person import new_user
from tests.server.plane import Plane

PUBLIC = "https://tools.example.com/portreeve"
BOTH = ("/portreeve", "")


@pytest.fixture
async def plane(serve: Serve) -> AsyncIterator[Plane]:
    async with serve(public_url=PUBLIC) as started:
        yield started


async def test_the_page_is_told_where_it_is(plane: Plane) -> None:
    client = plane.anonymous({"Host": "tools.example.com"})
    for path in ("/portreeve", "/portreeve/", "/portreeve/fleet/x", "/", "/fleet/x"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert answer.text == PAGE.replace('<base href="/">', '<base href="/portreeve/">')


@pytest.mark.parametrize("below", BOTH)
async def test_files_api_and_health_answer_both_kinds_of_proxies(plane: Plane, below: str) -> None:
    client = plane.anonymous({"Host": "tools.example.com"})
    assert (await client.get(f"{below}/assets/index-0a1b2c3d.js")).status_code == 200
    assert (await client.get(f"{below}/healthz")).json() == {"status": "ok"}
    assert (await client.get(f"{below}/api/v1/sign-in")).status_code == 200
    assert (await client.get(f"{below}/api/v1/me")).status_code == 401
    assert (await client.get(f"{below}/nothing")).json()["code"] == "no_route"


async def test_what_only_looks_like_the_prefix_is_none(plane: Plane) -> None:
    client = plane.anonymous({"Host": "tools.example.com"})
    for path in ("/portreeves/healthz", "/Portreeve/healthz", "/portreeve/portreeve/healthz", "/x/portreeve/healthz"):
        assert (await client.get(path)).status_code == 404


async def test_the_host_is_looked_at_below_the_prefix_too(plane: Plane) -> None:
    answer = await plane.anonymous({"Host": "evil.example"}).get("/portreeve/healthz")
    assert (answer.status_code, answer.json()["code"]) == (421, "host_unknown")


async def test_a_link_leads_below_the_prefix_and_its_session_stays_there(plane: Plane) -> None:
    await new_user(plane)
    issued = await plane.server.writer.run(lambda one: plane.server.people.issue_link(one, "ada"))
    address, _, token = issued.address.reveal().decode().partition("#t=")
    assert address == f"{PUBLIC}/login"
    client = plane.anonymous({"Host": "tools.example.com", "Sec-Fetch-Site": "same-origin"})
    answer = await client.post("/portreeve/api/v1/sign-in/link", json={"token": token})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Secure-portreeve=")
    assert "; Path=/portreeve/;" in cookie
    me = await client.get("/portreeve/api/v1/me", headers={"Cookie": cookie.partition(";")[0]})
    assert me.json()["user"] == "ada"


@pytest.mark.parametrize("below", BOTH)
async def test_agents_reach_their_channel_and_sign_what_is_behind_the_prefix(
    serve: Serve, tmp_path: Path, below: str
) -> None:
    (tmp_path / "trust.pem").write_text(TRUST)
    async with serve(public_url=PUBLIC, agents_trust=tmp_path / "trust.pem") as plane:
        await plane.put(*ENVIRONMENTS)
        agent = await enrolled(plane, await plane.client("root", "platform-admin"))
        agent.client.base_url = f"http://127.0.0.1:8420{below}"
        assert (await agent.report()).status_code == 200
        assert (await agent.desired()).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api", "/agent/x", "/login", "/fleet/portreeve", "/assets", "/healthz", "/openapi.json"]
)
async def test_a_prefix_that_begins_as_an_address_of_ours_is_refused(serve: Serve, path: str) -> None:
    with pytest.raises(Invalid, match="PUBLIC_URL"):
        async with serve(public_url=f"https://tools.example.com{path}"):
            pass


@pytest.mark.parametrize(
    ("path", "left"),
    [("/a b", "/a b"), ("/p", "/"), ("/p/", "/"), ("/p//x", "//x"), ("/p/é?#", "/é?#"), ("/px", "/px"), ("", "")],
)
async def test_a_path_and_its_raw_form_agree(path: str, left: str) -> None:
    seen = []

    async def app(scope: object, *_: object) -> None:
        seen.append(scope)

    scope = {"type": "http", "path": path, "raw_path": path.encode()}
    await Prefix(app, "/p")(scope, None, None)  # type: ignore[arg-type] # nothing is received or sent
    assert seen[0]["path"] == left  # type: ignore[index] # a scope
    assert scope["path"] == path, "the caller's own scope is left alone"
