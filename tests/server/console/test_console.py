"""The console's page and files, as a browser asks for them."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from portreeve.server.console import built
from portreeve.server.console.routes import PAGES, POLICY, takes_gzip
from portreeve.server.http.guard import GuardedRoute, Who
from portreeve.server.http.headers import ALWAYS
from portreeve.server.http.openapi import describe
from tests.server.console.conftest import FONT, PAGE, SCRIPT, Serve
from tests.server.plane import Plane


async def test_every_page_is_the_same_document_with_strict_headers(plane: Plane) -> None:
    client = plane.anonymous()
    for path in ("/", "/login", "/fleet", "/fleet/", "/registries/harbor/tags?sort=-pushed", "/images/a%2Fb/c%3Fd"):
        answer = await client.get(path)
        assert (answer.status_code, answer.text) == (200, PAGE), path
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        for name in set(ALWAYS) - {"Content-Security-Policy"}:
            assert answer.headers[name] == ALWAYS[name]
        assert "set-cookie" not in answer.headers
    for name in PAGES:
        assert (await client.get(f"/{name}/x/y")).text == PAGE


def test_the_policy_of_pages_lets_nothing_inline_in() -> None:
    assert "unsafe" not in POLICY
    assert "*" not in POLICY
    assert POLICY.startswith("default-src 'none'; ")
    assert {"frame-ancestors 'none'", "require-trusted-types-for 'script'"} <= set(POLICY.split("; "))


@pytest.mark.parametrize(
    "path", ["/nothing", "/fleets", "/Fleet", "/index.html", "/api/v1/nothing", "//login", "/assets"]
)
async def test_what_is_no_page_is_a_problem(plane: Plane, path: str) -> None:
    answer = await plane.anonymous().get(f"http://127.0.0.1:8420{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_route")
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_pages_are_read_and_nothing_else(plane: Plane) -> None:
    client = plane.anonymous()
    for path in ("/", "/fleet", "/assets/index-0a1b2c3d.js"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = await client.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (405, "method")


async def test_a_head_is_told_the_length_and_gets_nothing(plane: Plane) -> None:
    client = plane.anonymous()
    for path in ("/", "/why/prod", "/assets/index-0a1b2c3d.js", "/assets/text-8c9d0e1f.woff2"):
        whole, head = await client.get(path), await client.head(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("Content-Length", "Content-Type", "Cache-Control", "Content-Security-Policy"):
            assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("name", "media_type", "content"),
    [
        ("index-0a1b2c3d.js", "text/javascript; charset=utf-8", SCRIPT.encode()),
        ("index-4e5f6a7b.css", "text/css; charset=utf-8", b"body { margin: 0 }\n"),
        ("text-8c9d0e1f.woff2", "font/woff2", FONT),
        ("mark-2a3b4c5d.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    ],
)
async def test_a_file_is_kept_by_browsers_for_good(plane: Plane, name: str, media_type: str, content: bytes) -> None:
    for _ in range(2):
        answer = await plane.anonymous().get(f"/assets/{name}", headers={"Accept-Encoding": "identity"})
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["Content-Type"] == media_type
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        # A drawing that is opened by itself runs nothing.
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; frame-ancestors 'none'")


@pytest.mark.parametrize(
    "name",
    [
        "../secret.js",
        "%2e%2e/secret.js",
        "..%2fsecret.js",
        "%2e%2e%2fsecret.js",
        "..%5csecret.js",
        "..%252fsecret.js",
        "%2fetc%2fpasswd",
        "index-0a1b2c3d.js%00.css",
        "index-0a1b2c3d.js/",
        "index-0a1b2c3d.js.gz",
        "INDEX-0A1B2C3D.JS",
        "./index-0a1b2c3d.js%20",
        "notes.txt",
        "",
        ".",
        "%c0%ae%c0%ae/secret.js",
    ],
)
async def test_no_name_but_one_of_the_list_reaches_a_file(plane: Plane, name: str) -> None:
    # As it stands, as a client that is no browser sends it.
    scope_path = f"http://127.0.0.1:8420/assets/{name}"
    answer = await plane.anonymous().get(scope_path)
    assert answer.status_code == 404, answer.text
    assert "beside" not in answer.text


async def test_a_file_that_is_gone_since_the_start_gives_nothing_away(plane: Plane, static: Path) -> None:
    (static / "assets/index-4e5f6a7b.css").unlink()
    (static / "assets/later.js").write_text("later")
    answer = await plane.anonymous().get("/assets/index-4e5f6a7b.css")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert str(static) not in answer.text
    assert (await plane.anonymous().get("/assets/later.js")).status_code == 404


async def test_what_the_build_has_packed_is_sent_packed_to_who_takes_it(plane: Plane) -> None:
    client = plane.anonymous()
    path = "/assets/index-0a1b2c3d.js"
    async with client.stream("GET", path, headers={"Accept-Encoding": "br, gzip"}) as packed:
        raw = b"".join([part async for part in packed.aiter_raw()])
    assert gzip.decompress(raw) == SCRIPT.encode()
    assert (packed.headers["Content-Encoding"], packed.headers["Content-Length"]) == ("gzip", str(len(raw)))
    assert len(raw) < len(SCRIPT)
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    unpacked = await client.get("/assets/index-4e5f6a7b.css", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in unpacked.headers, "the build has packed none"


@pytest.mark.parametrize(
    ("values", "takes"),
    [
        (["gzip"], True),
        (["br", "GZip ; q=0.5"], True),
        (["deflate,gzip"], True),
        ([], False),
        (["gzip;q=0"], False),
        (["gzip; q=0.000"], False),
        (["identity", "xgzip"], False),
        (["*"], False),
        ([",;,"], False),
    ],
)
def test_who_takes_gzip(values: list[str], takes: bool) -> None:
    assert takes_gzip(values) is takes


async def test_without_a_build_the_page_says_what_to_do(serve: Serve, tmp_path: Path) -> None:
    async with serve(static=tmp_path / "none") as plane:
        client = plane.anonymous()
        for path in ("/", "/login", "/fleet/x"):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert "make console" in answer.text
            assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert answer.headers["Cache-Control"] == "no-store"
        assert (await client.get("/assets/index-0a1b2c3d.js")).status_code == 404
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize("page", ["<html></html>", '<base href="/"><base href="/">', '<base href="/x">'])
def test_a_page_without_its_one_base_is_no_build(static: Path, page: str) -> None:
    (static / "index.html").write_text(page)
    assert built.read(static, "") is None


def test_the_base_may_be_written_as_xhtml_has_it(static: Path) -> None:
    (static / "index.html").write_text(PAGE.replace('"/">', '"/" />'))
    found = built.read(static, "/x")
    assert found is not None
    assert '<base href="/x/">' in found.page.decode()


def test_half_a_build_is_none(static: Path) -> None:
    (static / "index.html").write_bytes(b"\xff")
    assert built.read(static, "") is None
    (static / "index.html").unlink()
    assert built.read(static, "") is None


@pytest.mark.parametrize("prefix", ['/"><script>alert(1)</script>', "/a'b&c", "/<", '/" onload="x'])
def test_a_prefix_stays_within_its_attribute(static: Path, prefix: str) -> None:
    """The settings refuse these; the page does not rely on it."""
    found = built.read(static, prefix)
    assert found is not None
    page = found.page.decode()
    written = page.partition('<base href="')[2].partition('">')[0]
    assert not set("<>\"'") & set(written)
    assert len(page) == len(PAGE) + len(written) - 1


async def test_the_consoles_routes_are_public_and_no_part_of_the_api(plane: Plane) -> None:
    hidden = [route for route in plane.app.routes if isinstance(route, APIRoute) and not route.include_in_schema]
    assert all(isinstance(route, GuardedRoute) and route.policy.who is Who.PUBLIC for route in hidden)
    assert all(route.methods == {"GET", "HEAD"} for route in hidden)
    pages = {f"/{name}" for name in PAGES}
    assert {route.path for route in hidden} == {
        "/",
        "/assets/{name}",
        *pages,
        *(f"{one}/{{rest:path}}" for one in pages),
    }
    described = describe(plane.app)["paths"]
    assert not [path for path in described if path.split("/")[1] in {"", "assets", *PAGES}]


async def test_no_page_takes_an_address_of_the_api(plane: Plane) -> None:
    taken = {
        route.path.split("/")[1]
        for route in plane.app.routes
        if isinstance(route, APIRoute) and route.include_in_schema
    }
    assert not {*PAGES, "assets"} & (taken | {"agent"})


def test_every_address_of_the_console_is_answered_with_it() -> None:
    console = Path(__file__).parents[3] / "console/src/pages"
    sources = [path.read_text(encoding="utf-8") for path in console.rglob("routes.ts*")]
    found = {name for source in sources for name in re.findall(r"path: '/([a-z]+)", source)}
    assert {"fleet", "registries", "why"} <= found
    assert found <= set(PAGES), "a new first segment also belongs to server/console/routes.py"
