"""The routes of the audit log."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from portreeve.core.merkle import MAX_SIZE
from portreeve.core.permissions import Action, Kind
from portreeve.server.audit.finding import FILTERS, Found, Wanted
from portreeve.server.audit.service import AuditLog
from portreeve.server.audit.store import Stored
from portreeve.server.audit.visibility import not_all, sees_all
from portreeve.server.http.answers import Answer
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, signed_in
from portreeve.server.http.lists import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Page,
    at,
    csv_twin,
    json_twin,
    page,
    yaml_twin,
)
from portreeve.server.http.problems import Rejected

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="rows of one page")]
After = Annotated[
    str | None, Query(alias="cursor", max_length=4096, description="metadata.continue of the page before")
]
Order = Annotated[Literal["newest", "oldest"], Query(description="which events come first")]
Sequence_ = Annotated[int, Path(ge=0, lt=MAX_SIZE, alias="sequence", description="number of the event, from 0")]
Number = Annotated[int, Query(ge=0, le=MAX_SIZE)]

MOST_ROWS: Final = 10_000
"""Rows of a twin: a megabyte or ten. Who wants more wants an export, which is streamed and can be verified."""

PARAMETERS: Final = frozenset({"limit", "cursor", "order"})
TIMES: Final = ("since", "until")
TEXT: Final = "q"
MAX_TEXT: Final = 100
"""Characters."""
COLUMNS: Final = (
    ("SEQUENCE", "sequence"), ("TIME", "time"), ("PRINCIPAL", "actor.principal"), ("ONBEHALFOF", "actor.onBehalfOf"),
    ("VIA", "actor.via.kind"), ("VIAID", "actor.via.id"), ("ACTION", "action"), ("KIND", "object.kind"),
    ("NAME", "object.name"), ("ENVIRONMENT", "object.environment"), ("PROJECT", "object.project"),
    ("OUTCOME", "outcome"), ("REASON", "reason"), ("REQUEST", "request"), ("BEFORE", "before"), ("AFTER", "after"),
)  # fmt: skip

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d))?", re.ASCII)
_READ: Final = (Kind.AUDIT, Action.READ_AUDIT)


def routes(log: AuditLog) -> APIRouter:
    """All of them. Fixed paths go before the one with a number."""
    router = APIRouter(route_class=GuardedRoute, tags=["audit"])
    _add_list(router, log)
    _add_whole(router, log)

    @router.get("/api/v1/audit/key", operation_id="read_audit_key", summary="The public key of the log")
    @signed_in
    async def key(_: Request) -> Response:
        return PlainTextResponse(f"{await log.verifier()}\n")

    @router.get("/api/v1/audit/{sequence}", operation_id="read_audit", summary="Read an event")
    @authorised(_READ)
    async def read(request: Request, sequence: Sequence_) -> Response:
        caller = caller_of(request)
        found = await log.event(caller, sequence)
        decided(request)
        now = await log.standing(caller, found)
        told = None if now is None else {"kind": now.plural, "name": now.name, "same": now.same}
        return Answer(200, {**shown(found), "leaf": b64encode(found.leaf).decode(), "standing": told}).response()

    return router


def _add_list(router: APIRouter, log: AuditLog) -> None:
    @router.get("/api/v1/audit.{form}", operation_id="twin_audit", summary="List events as a table")
    @authorised(_READ)
    async def twin(
        request: Request, form: Annotated[Literal["json", "csv", "yaml"], Path()], order: Order = "newest"
    ) -> Response:
        wanted, oldest = filters(request), order == "oldest"
        rows = await log.all_events(caller_of(request), wanted, oldest_first=oldest, most=MOST_ROWS + 1)
        decided(request)
        if len(rows) > MOST_ROWS:
            hint = "narrow it with since and until, or take /api/v1/audit/export"
            raise Rejected(400, "audit_rows", f"more than {MOST_ROWS:,} events fit", hint=hint)
        # YAML of 10,000 events takes seconds, in which others want to be answered.
        return await asyncio.to_thread(_twin, form, rows)

    @router.get("/api/v1/audit", operation_id="list_audit", summary="List events")
    @authorised(_READ)
    async def listed(
        request: Request, limit: Limit = DEFAULT_LIMIT, cursor: After = None, order: Order = "newest"
    ) -> Response:
        wanted = filters(request)
        asked = [pair for pair in sorted(request.query_params.multi_items()) if pair[0] not in {"cursor", "limit"}]
        part = page({"kind": "audit", "filters": asked}, limit=limit, cursor=cursor)
        found = await log.events(
            caller_of(request), wanted, oldest_first=order == "oldest", after=_after(part), limit=limit + 1
        )
        decided(request)
        metadata = _more(found, part)
        items = [shown(row) for row in found.rows[:limit]]
        body = {"apiVersion": "portreeve.io/v1", "kind": "AuditEventList", "metadata": metadata, "items": items}
        return Answer(200, body).response()


def _add_whole(router: APIRouter, log: AuditLog) -> None:
    @router.get("/api/v1/audit/checkpoint", operation_id="read_audit_checkpoint", summary="The last signed checkpoint")
    @authorised(_READ)
    async def checkpoint(request: Request) -> Response:
        _whole(request)
        return Response(await log.last_checkpoint(), media_type="text/plain; charset=utf-8")

    @router.get(
        "/api/v1/audit/proof/inclusion", operation_id="prove_audit_inclusion", summary="Prove that an event is in it"
    )
    @authorised(_READ)
    async def inclusion(request: Request, sequence: Number, size: Number) -> Response:
        _whole(request)
        found = await log.inclusion(sequence, size)
        body = {"sequence": sequence, "size": size, "leafHash": _text(found.leaf), "root": _text(found.root)}
        return Answer(200, {**body, "hashes": [*map(_text, found.hashes)]}).response()

    @router.get(
        "/api/v1/audit/proof/consistency",
        operation_id="prove_audit_consistency",
        summary="Prove that it only grew between two sizes",
    )
    @authorised(_READ)
    async def consistency(request: Request, old: Number, new: Number) -> Response:
        _whole(request)
        found = await log.consistency(old, new)
        body = {"old": old, "new": new, "oldRoot": _text(found.old_root), "newRoot": _text(found.root)}
        return Answer(200, {**body, "hashes": [*map(_text, found.hashes)]}).response()

    @router.get("/api/v1/audit/export", operation_id="export_audit", summary="Export all of it, to be verified offline")
    @authorised(_READ)
    async def export(request: Request) -> Response:
        lines = await log.export(caller_of(request))
        decided(request)
        headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"', "Cache-Control": "no-store"}
        return StreamingResponse(lines, 200, headers, "application/jsonl")


def _whole(request: Request) -> None:
    allowed = sees_all(caller_of(request))
    decided(request)
    if not allowed:
        raise not_all()


def filters(request: Request) -> Wanted:
    """What the query asks for; its parameters are a closed list (threat API-02).

    Raises:
        Rejected: 400 `filter_unknown`, `filter_value`.
    """
    given = [(name, value) for name, value in request.query_params.multi_items() if name not in PARAMETERS]
    found = dict(given)
    known = [*FILTERS, *TIMES, TEXT]
    if found.keys() - set(known):
        hint = f"known here: {', '.join([*known, *sorted(PARAMETERS)])}"
        raise Rejected(400, "filter_unknown", "events cannot be filtered by that (not shown)", hint=hint)
    if len(found) != len(given) or not all(found.values()):
        raise Rejected(400, "filter_value", "a filter has one value, and no empty one")
    times = {name: _time(name, found.pop(name)) for name in TIMES if name in found}
    text = found.pop(TEXT, "")
    if len(text) > MAX_TEXT:
        raise Rejected(400, "filter_value", f"{TEXT} has more than {MAX_TEXT} characters")
    return Wanted(found, text=text, **times)


def _time(name: str, text: str) -> datetime:
    # A plus that was not encoded arrives as a space.
    text = text.replace(" ", "+")
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Rejected(400, "filter_value", f"{name} is no time", hint="write 2026-11-20T10:00:00Z") from None


def _more(found: Found, part: Page) -> dict[str, Any]:
    """Where the next page begins. A page may be short and have one: then `lookedTo` says how far this one looked."""
    if len(found.rows) > part.limit:
        return {"continue": part.cursor(str(found.rows[part.limit - 1].sequence))}
    if found.looked_to is not None:
        return {"continue": part.cursor(str(found.looked_to)), "lookedTo": found.looked_to}
    return {}


def _after(part: Page) -> int | None:
    if not part.after:
        return None
    if not re.fullmatch("[0-9]{1,19}", part.after) or int(part.after) > MAX_SIZE:
        raise Rejected(400, "cursor", "the cursor does not belong to this list", hint="begin again without a cursor")
    return int(part.after)


def shown(stored: Stored) -> dict[str, Any]:
    """An event as it is answered: what its leaf says. A leaf that was changed beyond reading is named as that."""
    try:
        found = json.loads(stored.leaf)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"sequence": stored.sequence, "damaged": True}


def _twin(form: str, rows: Sequence[Stored]) -> Response:
    items: list[Mapping[str, Any]] = [shown(row) for row in rows]
    if form == "json":
        return json_twin(items)
    if form == "yaml":
        return yaml_twin(items)
    return csv_twin([title for title, _ in COLUMNS], [[at(item, path) for _, path in COLUMNS] for item in items])


def _text(value: bytes) -> str:
    return b64encode(value).decode()
