"""The route of what could be connected from the machine that the control plane runs on."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.permissions import Action, Kind
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, authorised, reads_settings
from portreeve.workspace.discovery import Context, Discovery, Engine, Login, discover


def routes(surroundings: Mapping[str, str]) -> APIRouter:
    """The one route. It looks anew at each request, as files and sockets come and go."""
    router = APIRouter(route_class=GuardedRoute, tags=["settings"])

    @router.get("/api/v1/discovery", operation_id="read_discovery", summary="What could be connected from here")
    @authorised((Kind.SETTINGS, Action.READ))
    async def read(request: Request) -> Response:
        reads_settings(request)
        return Answer(200, answered(await asyncio.to_thread(discover, surroundings))).response()

    return router


def answered(found: Discovery) -> dict[str, Any]:
    """As it is answered: names and places, and no value of any login; each with the commands that connect it."""
    return {
        "contexts": [
            {
                "name": one.name,
                "file": one.file,
                "namespace": one.namespace,
                "current": one.current,
                "tool": one.local,
                "connect": _context(one),
            }
            for one in found.contexts
        ],
        "engines": [{"name": one.name, "address": one.address, "connect": _engine(one)} for one in found.engines],
        "logins": [
            {
                "host": one.host,
                "file": one.file,
                "kept": "helper" if one.helper else "file",
                "helper": one.helper,
                "connect": _login(one),
            }
            for one in found.logins
        ],
        "unread": [{"file": one.file, "reason": one.reason} for one in found.unread],
        "contacted": False,
    }


Steps = list[dict[str, Any]]


def _context(one: Context) -> Steps:
    """What only reads comes first."""
    files = ("--kubeconfig", one.file, "--context", one.name)
    return [
        _step("list the pull secrets that are there, as yourself", "adopt", "--context", one.name, reads=True),
        _step("let an agent keep it: one command to run there", "add", "environment", one.name),
        _step("keep it from here, without an agent", "up", *files, "--environment", one.name),
    ]


def _engine(one: Engine) -> Steps:
    kind = "docker" if one.name in {"docker", "podman"} else "kubernetes"
    return [_step("name it as an environment", "add", "environment", f"{one.name}-here", "--type", kind)]


def _login(one: Login) -> Steps:
    # A password that stands in a file of somebody's is not read from here; they hand it over, or leave it there.
    helper = ("--from-helper", one.helper) if one.helper else ("--secret-stdin",)
    return [_step("add the registry, and try it", "add", "registry", one.host, *helper)]


def _step(does: str, *words: str, reads: bool = False) -> dict[str, Any]:
    return {"does": does, "command": shlex.join(("portreeve", *words)), "readsOnly": reads}
