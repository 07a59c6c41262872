"""The routes of exemptions, besides those that every document has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.permissions import Action, Kind
from portreeve.errors import Invalid, Problem
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.documents.routes import expected
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.stored import Stored
from portreeve.server.documents.view import answered
from portreeve.server.exemptions.service import Step, step
from portreeve.server.http.answers import Answer, carried_out, repeatable
from portreeve.server.http.body import read_json
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided
from portreeve.server.http.problems import Rejected
from portreeve.wire.times import read_time

MAX_COMMENT: Final = 2_000
"""Characters of a decision's comment."""

_PERMISSIONS: Final = {
    Step.APPROVE: Action.APPROVE,
    Step.DENY: Action.APPROVE,
    Step.REVOKE: Action.REVOKE,
    Step.RENEW: Action.CREATE,
}


def routes(writer: Writer, clock: Callable[[], datetime]) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["exemptions"])
    for what in Step:
        _add(router, what, writer, clock)
    return router


def _add(router: APIRouter, what: Step, writer: Writer, clock: Callable[[], datetime]) -> None:
    @authorised((Kind.EXEMPTION, _PERMISSIONS[what]))
    async def taken(request: Request, name: Annotated[str, Path(max_length=253)]) -> Response:
        caller = caller_of(request)
        body = await read_json(request)
        comment, expires_at = _read(body, renewing=what is Step.RENEW)
        version = expected(request)

        async def job(transaction: Transaction) -> tuple[Stored, Snapshot]:
            return await step(transaction, caller, name, what, comment=comment, expires_at=expires_at, expected=version)

        def render(made: tuple[Stored, Snapshot]) -> Answer:
            return Answer(200, answered(*made, clock()), {"ETag": made[0].etag})

        found = await carried_out(writer, caller, repeatable(request, body), job, render)
        decided(request)
        return found

    router.add_api_route(
        f"/api/v1/exemptions/{{name}}/{what}",
        taken,
        methods=["POST"],
        name=f"{what}_exemptions",
        operation_id=f"{what}_exemptions",
        summary=f"{what.capitalize()} an exemption",
    )


def _read(body: Any, *, renewing: bool) -> tuple[str, datetime | None]:
    if body is None:
        body = {}
    if not isinstance(body, Mapping):
        raise Rejected(400, "body_type", "the body must be a mapping, or empty")
    known = {"comment", "expiresAt"} if renewing else {"comment"}
    problems = [
        Problem("field_unknown", "has a field that is none here (not shown)", "body")
        for name in body
        if name not in known
    ]
    comment = body.get("comment", "")
    if not isinstance(comment, str) or len(comment) > MAX_COMMENT:
        problems.append(Problem("field_type", f"must be text of at most {MAX_COMMENT:,} characters", "comment"))
    expires_at = None
    if "expiresAt" in body:
        try:
            expires_at = read_time(body["expiresAt"])
        except ValueError as error:
            problems.append(Problem("time", str(error), "expiresAt", "write RFC 3339 in UTC"))
    if problems:
        raise Invalid("request_invalid", "the body cannot be read", problems=tuple(problems))
    return str(comment), expires_at
