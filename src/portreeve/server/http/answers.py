"""Answers as values, and requests that may be sent twice.

With an `Idempotency-Key` a request is carried out once: its answer is stored in the transaction of the change, and who
sends it again gets that answer. Source: draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import delete, insert, select
from starlette.requests import Request
from starlette.responses import Response

from portreeve.errors import Conflict
from portreeve.server.database.tables import ANSWERS
from portreeve.server.database.writer import Job, Transaction, Writer
from portreeve.server.http.caller import Caller
from portreeve.server.http.problems import Rejected

KEPT_FOR: Final = timedelta(hours=24)
"""How long an answer is kept. Whoever retries does so within minutes; a day covers a pipeline that is run again."""

_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body as plain values (None: no body), and headers."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """The body as JSON in UTF-8."""
        return b"" if self.body is None else json_bytes(self.body)

    def response(self) -> Response:
        """For the router."""
        return _response(self.status, self.encoded(), self.headers)


def json_bytes(value: Any) -> bytes:
    """JSON without spaces; characters outside ASCII as themselves."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request that may be sent again: digests of its key, which may be anything at all, and of what it asks."""

    key: str
    request: str


def repeatable(request: Request, body: Any) -> Repeatable | None:
    """The request's key, None without one.

    Raises:
        Rejected: 400 `idempotency_key`.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise Rejected(400, "idempotency_key", "the Idempotency-Key is not 1 to 128 visible ASCII characters")
    # The preconditions are part of what is asked: the same key with another plan is another request.
    asked = [request.method, request.url.path, request.url.query, body]
    asked += [request.headers.get(name) for name in ("if-match", "if-none-match", "portreeve-plan")]
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"))
    return Repeatable(hashlib.sha256(key.encode()).hexdigest(), hashlib.sha256(text.encode()).hexdigest())


async def carried_out(
    writer: Writer,
    caller: Caller,
    again: Repeatable | None,
    job: Job[Result],
    render: Callable[[Result], Answer],
) -> Response:
    """Run the job and answer it; with a key at most once, whoever asks how often.

    Raises:
        Conflict: `idempotency_key_reused`: the key stands for another request.
    """

    async def whole(transaction: Transaction) -> tuple[int, bytes, Mapping[str, str]]:
        if again is not None:
            stored = await _stored(transaction, caller, again)
            if stored is not None:
                return stored
        answer = render(await job(transaction))
        found = (answer.status, answer.encoded(), dict(answer.headers))
        if again is not None:
            await _store(transaction, caller, again, found)
        return found

    return _response(*await writer.run(whole))


async def _stored(
    transaction: Transaction, caller: Caller, again: Repeatable
) -> tuple[int, bytes, Mapping[str, str]] | None:
    mine = (ANSWERS.c.principal == caller.principal.user) & (ANSWERS.c.key == again.key)
    row = (await transaction.connection.execute(select(ANSWERS).where(mine))).one_or_none()
    if row is None or row.expires_at <= transaction.now:
        return None
    if row.request != again.request:
        raise Conflict(
            "idempotency_key_reused", "this Idempotency-Key stands for another request", hint="take a new key"
        )
    return row.status, bytes(row.body), {**row.headers, "Idempotency-Replayed": "true"}


async def _store(
    transaction: Transaction, caller: Caller, again: Repeatable, found: tuple[int, bytes, Mapping[str, str]]
) -> None:
    status, body, headers = found
    # An answer that has ended makes room, also for its own key.
    await transaction.connection.execute(delete(ANSWERS).where(ANSWERS.c.expires_at <= transaction.now))
    await transaction.connection.execute(
        insert(ANSWERS).values(
            principal=caller.principal.user,
            key=again.key,
            request=again.request,
            status=status,
            headers=dict(headers),
            body=body,
            expires_at=transaction.now + KEPT_FOR,
        )
    )


def _response(status: int, body: bytes, headers: Mapping[str, str]) -> Response:
    found = Response(body, status, dict(headers))
    if body:
        found.headers["content-type"] = "application/json"
    return found
