"""The route of what `portreeve check` found last, run by the user whose process the control plane is.

It is read anew at each request, as `portreeve check` may have run since. What stands in the file is shown and never
acted upon; the commands in the answer are for a person, who sees them.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.permissions import Action, Kind
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, authorised, reads_settings
from portreeve.workspace.last_check import MOST_OTHERS, From, LastCheck, Nothing, Totals, file_of, read

STANDARD_INPUT: Final = "-"


def routes(surroundings: Mapping[str, str], clock: Callable[[], datetime]) -> APIRouter:
    """The one route."""
    router = APIRouter(route_class=GuardedRoute, tags=["settings"])
    file = file_of(surroundings)

    @router.get("/api/v1/last-check", operation_id="read_last_check", summary="What portreeve check found last here")
    @authorised((Kind.SETTINGS, Action.READ))
    async def last_check(request: Request) -> Response:
        reads_settings(request)
        found = await asyncio.to_thread(read, file, clock())
        return Answer(200, {"file": str(file) if file else None, **answered(found)}).response()

    return router


def answered(found: LastCheck | Nothing) -> dict[str, Any]:
    """As it is answered; `reason` says why a file that is there counts for none."""
    if isinstance(found, Nothing):
        return {"reason": found.reason, "check": None}
    return {
        "reason": "",
        "check": {
            "at": found.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "directory": found.directory,
            "paths": list(found.paths),
            "policy": found.policy or None,
            "stage": found.stage or None,
            "policyFiles": list(found.policy_files),
            "exitCode": found.exit_code,
            "totals": _totals(found.totals),
            "findings": [
                asdict(one) | {"canonical": one.canonical or None, "verdict": one.verdict or None}
                for one in found.findings
            ],
            "notEvaluated": [asdict(one) for one in found.not_evaluated],
            "sources": [_source(one) for one in found.sources],
            "next": _next(found),
        },
    }


def _totals(totals: Totals) -> dict[str, int]:
    counts = asdict(totals)
    return counts | {"notEvaluated": counts.pop("not_evaluated")}


def _source(source: From) -> dict[str, Any]:
    row = asdict(source)
    return row | {"byDigest": row.pop("by_digest")}


def _next(found: LastCheck) -> list[dict[str, str]]:
    """The command lines that lead on from the folder that was checked, ready to be pasted."""
    if MOST_OTHERS in (len(found.paths), len(found.options), len(found.policy_files)):
        return []  # there may have been more, and half a command does something else
    place = f"{shlex.join(('cd', found.directory))} &&\n"
    dashes = ("--",) if any(one.startswith("-") and one != STANDARD_INPUT for one in found.paths) else ()
    what = shlex.join((*found.options, *dashes, *found.paths))
    again = ", with the same input piped in" if STANDARD_INPUT in (*found.paths, *found.policy_files) else ""
    if found.policy:
        files = " ".join(f"-p {shlex.quote(one)}" for one in found.policy_files)
        return [_step(f"check again, with the same policy{again}", f"{place}portreeve check {files} {what}")]
    return [
        _step(f"draft a policy from these sources{again}", f"{place}portreeve suggest {what} > policy.yaml"),
        _step(f"judge by it{again}; the answer will stand here", f"{place}portreeve check -p policy.yaml {what}"),
    ]


def _step(does: str, command: str) -> dict[str, str]:
    return {"does": does, "command": command}
