"""Watching a kind by server-sent events: what the caller may see, as it changes.

Each watcher holds the versions that it was told and gets the difference, so that it hears of exactly what it may see:
an object that comes into its view is ADDED, one that leaves it is DELETED, whatever the reason. Who connects again and
names the revision they had (Last-Event-ID) gets nothing if it is the present one, else everything once more, behind a
RESET. Roles and sessions are looked at again with each event and each heartbeat; who may no longer ask is hung up on.

Source: HTML, "Server-sent events".
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from portreeve.core.permissions import Action
from portreeve.errors import Unauthenticated, Unavailable
from portreeve.server.database.writer import Writer
from portreeve.server.documents.kinds import BY_PLURAL, Kind
from portreeve.server.documents.service import Documents, seen
from portreeve.server.documents.view import answered
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import Authenticator, GuardedRoute, authorised, caller_of, decided
from portreeve.server.http.problems import Rejected

HEARTBEAT_S: Final = 15
"""Seconds between comments on a quiet stream: below the minute after which proxies close."""

POLL_S: Final = 1
"""Seconds after which another replica's changes are seen, at the latest."""

MOST_WATCHERS: Final = 500
"""Streams of one process. Each holds a connection and the versions that it was told."""


class Watchers:
    """Counts the streams that are open."""

    def __init__(self) -> None:
        self.open = 0


def routes(documents: Documents, writer: Writer, clock: Callable[[], datetime]) -> APIRouter:
    """The one route."""
    router = APIRouter(route_class=GuardedRoute, tags=["watch"])
    watchers = Watchers()

    @router.get("/api/v1/watch", operation_id="watch", summary="Changes of one kind as server-sent events")
    @authorised(*((kind.permission, Action.LIST) for kind in BY_PLURAL.values()))
    async def watch(
        request: Request, kind: Annotated[str, Query(max_length=40, description="as in the paths of lists")]
    ) -> Response:
        wanted = BY_PLURAL.get(kind)
        if wanted is None:
            hint = f"one of {', '.join(BY_PLURAL)}"
            raise Rejected(400, "kind_unknown", "there is no list of that name to watch", hint=hint)
        if watchers.open >= MOST_WATCHERS:
            raise Unavailable("too_many_watchers", f"{MOST_WATCHERS} streams are open here", hint="try again later")
        decided(request)
        stream = _stream(request, wanted, documents, writer, clock, watchers)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    return router


async def _stream(
    request: Request,
    kind: Kind,
    documents: Documents,
    writer: Writer,
    clock: Callable[[], datetime],
    watchers: Watchers,
) -> AsyncIterator[bytes]:
    authenticator: Authenticator = request.app.state.authenticator
    caller: Caller = caller_of(request)
    last = request.headers.get("last-event-id", "")
    told: dict[str, str] = {}
    first = True
    watchers.open += 1
    try:
        while not await request.is_disconnected():
            snapshot = await documents.snapshot()
            now = clock()
            visible = {one.key.name: one for one in seen(caller, kind, snapshot)}
            if first and last == str(snapshot.revision):
                told = {name: one.etag for name, one in visible.items()}
            elif first and last:
                yield _event("RESET", None, snapshot.revision)
            first = False
            for name in sorted(told.keys() - visible.keys()):
                del told[name]
                yield _event("DELETED", {"kind": kind.name, "metadata": {"name": name}}, snapshot.revision)
            for name, stored in visible.items():
                if told.get(name) != stored.etag:
                    what = "MODIFIED" if name in told else "ADDED"
                    told[name] = stored.etag
                    yield _event(what, answered(stored, snapshot, now), snapshot.revision)
            yield f": {snapshot.revision}\n\n".encode()
            await _changed(writer, documents, snapshot.revision)
            caller = await authenticator.caller(request)
    except Unauthenticated:
        return
    finally:
        watchers.open -= 1


async def _changed(writer: Writer, documents: Documents, revision: int) -> None:
    """Wait until something has changed, here or on another replica, or a heartbeat is due."""
    for _ in range(HEARTBEAT_S // POLL_S):
        try:
            # Not `asyncio.wait_for`: it waits in a task of its own, which may get the lock after a stream was hung up
            # on, and would keep it. Then nothing could be written any more.
            async with asyncio.timeout(POLL_S), writer.changed:
                await writer.changed.wait_for(lambda: writer.snapshot.revision != revision)
        except TimeoutError:
            if (await documents.snapshot()).revision == revision:
                continue
        return


def _event(what: str, document: Any, revision: int) -> bytes:
    data = json.dumps({"type": what, "object": document}, separators=(",", ":"))
    return f"id: {revision}\ndata: {data}\n\n".encode()
