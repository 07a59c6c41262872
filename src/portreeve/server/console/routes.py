"""The console's page and files. Anybody may read them: they are the program, and hold nothing of anybody.

Every page of the console is the same document; which of them it shows, it reads from its address. The first segments
are a closed set, so that a mistyped path of the API stays a problem document. None of this is in the OpenAPI document,
which describes what programs call.

Sources: Content Security Policy Level 3; Trusted Types (W3C); RFC 9110, section 12.5.3; RFC 8246 (immutable);
OWASP ASVS 5.0, 3.4; threat API-10.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from portreeve.server.console import built
from portreeve.server.http.guard import GuardedRoute, public
from portreeve.server.http.problems import Rejected

PAGES: Final = (
    "access",
    "attachments",
    "audit",
    "credentials",
    "deploy",
    "environments",
    "exemptions",
    "fleet",
    "groups",
    "images",
    "login",
    "policies",
    "registries",
    "requests",
    "settings",
    "why",
)
"""First segments of the console's addresses; console/src knows the same."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing inline, nothing from elsewhere, and no text that becomes markup."""

_PAGE_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_FOREVER: Final = "public, max-age=31536000, immutable"
_NOT_BUILT: Final = (
    "Portreeve's console is not here: this installation was made from a working copy, and the console was not built.\n"
    "Build it with:  make console\n"
    "and start Portreeve again. The API and the command line work without it.\n"
)


def routes(prefix: str, directory: Path = built.STATIC) -> APIRouter:
    """All of them. `prefix` is the path of the public address, "" for none."""
    router = APIRouter(route_class=GuardedRoute)
    found = built.read(directory, prefix)

    def add(path: str, handler: Callable[[Request], Awaitable[Response]]) -> None:
        router.add_api_route(path, public(handler), methods=["GET", "HEAD"], include_in_schema=False)

    async def page(request: Request) -> Response:
        if found is None:
            return _answer(request, _NOT_BUILT.encode(), "text/plain; charset=utf-8", {}, status=503)
        return _answer(request, found.page, "text/html; charset=utf-8", _PAGE_HEADERS)

    async def asset(request: Request) -> Response:
        one = found.assets.get(request.path_params["name"]) if found else None
        if one is None:
            raise Rejected(404, "no_route", "the console has no such file", hint="load the page anew")
        headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
        path = one.path
        if one.packed is not None and takes_gzip(request.headers.getlist("accept-encoding")):
            path, headers["Content-Encoding"] = one.packed, "gzip"
        return _answer(request, await asyncio.to_thread(path.read_bytes), one.media_type, headers)

    add("/", page)
    for name in PAGES:
        add(f"/{name}", page)
        add(f"/{name}/{{rest:path}}", page)
    add("/assets/{name}", asset)
    return router


def takes_gzip(accepted: list[str]) -> bool:
    """Whether one of these values of Accept-Encoding names gzip and does not rule it out."""
    for part in ",".join(accepted).lower().split(","):
        coding, *parameters = (piece.strip() for piece in part.split(";"))
        if coding == "gzip":
            return not any(piece.startswith("q=") and not piece[2:].strip("0.") for piece in parameters)
    return False


def _answer(request: Request, body: bytes, media_type: str, headers: dict[str, str], status: int = 200) -> Response:
    whole = {**headers, "Content-Type": media_type, "Content-Length": str(len(body))}
    return Response(b"" if request.method == "HEAD" else body, status, whole)
