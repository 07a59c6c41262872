"""The routes of credentials: they take secrets and answer none. They take no Idempotency-Key, as what is stored of a
request would be a digest of its secret."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.permissions import Action, Kind
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Problem
from portreeve.server.credentials.service import MOST_OVERLAP, OVERLAP, Credentials
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.documents.snapshot import CredentialRow, Snapshot
from portreeve.server.documents.view import time
from portreeve.server.http.answers import Answer
from portreeve.server.http.body import read_json
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided
from portreeve.server.http.problems import Rejected
from portreeve.wire.times import read_time

MAX_SECRET_BYTES: Final = 64 << 10
"""A service account key of Google has 2,400 bytes; a client certificate with its chain some 10 KB."""

RegistryName = Annotated[str, Path(description="metadata.name of the Registry", max_length=253)]
Purpose = Annotated[Literal["pull", "management"], Path()]


def routes(credentials: Credentials, writer: Writer) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["credentials"])
    base = "/api/v1/registries/{name}/credentials/{purpose}"

    @router.put(base, operation_id="set_credentials", summary="Set a secret; an empty one keeps the stored one")
    @authorised((Kind.CREDENTIAL, Action.CREATE), (Kind.CREDENTIAL, Action.UPDATE))
    async def put(request: Request, name: RegistryName, purpose: Purpose) -> Response:
        return await store(request, name, purpose, rotating=False)

    @router.post(f"{base}/rotate", operation_id="rotate_credentials", summary="Store a new secret as the next version")
    @authorised((Kind.CREDENTIAL, Action.ROTATE))
    async def rotate(request: Request, name: RegistryName, purpose: Purpose) -> Response:
        return await store(request, name, purpose, rotating=True)

    @router.delete(base, operation_id="delete_credentials", summary="Delete a secret with all its versions")
    @authorised((Kind.CREDENTIAL, Action.DELETE))
    async def delete(request: Request, name: RegistryName, purpose: Purpose) -> Response:
        caller = caller_of(request)

        async def job(transaction: Transaction) -> None:
            await credentials.delete(transaction, caller, name, purpose)

        await writer.run(job)
        decided(request)
        return Answer(204).response()

    async def store(request: Request, name: str, purpose: str, *, rotating: bool) -> Response:
        caller = caller_of(request)
        body = await read_json(request, 2 * MAX_SECRET_BYTES)
        overlap = read_overlap(body) if rotating else OVERLAP
        secret, expires_at = read_body(body, needed=rotating)

        async def job(transaction: Transaction) -> tuple[CredentialRow, Snapshot]:
            return await credentials.put(
                transaction, caller, name, purpose, secret, expires_at, rotating=rotating, overlap=overlap
            )

        row, snapshot = await writer.run(job)
        decided(request)
        return Answer(200, answered(row, snapshot.revision)).response()

    return router


def read_overlap(body: Any) -> timedelta:
    """How long a rotation keeps the version before: `overlapSeconds`, which is taken out of the body.

    Raises:
        Invalid: it is no number of seconds, or too many.
    """
    given = body.pop("overlapSeconds", None) if isinstance(body, dict) else None
    if given is None:
        return OVERLAP
    most = int(MOST_OVERLAP.total_seconds())
    if type(given) is not int or not 0 <= given <= most:
        problem = Problem("field_type", f"must be a whole number of seconds, 0 to {most:,}", "overlapSeconds")
        raise Invalid("credential_invalid", "the credential cannot be read", problems=(problem,))
    return timedelta(seconds=given)


def read_body(body: Any, *, needed: bool) -> tuple[SecretValue | None, datetime | None]:
    """The secret, None for an empty one, and its end.

    Raises:
        Rejected, Invalid: with the field and never with its value.
    """
    if not isinstance(body, Mapping):
        raise Rejected(400, "body_type", "the body must be a mapping with secret")
    problems = [Problem("field_unknown", "is not a field here", "body") for name in body if name not in _FIELDS]
    secret, written = body.get("secret", ""), body.get("expiresAt")
    expires_at = None
    if not isinstance(secret, str) or len(secret.encode(errors="replace")) > MAX_SECRET_BYTES:
        problems.append(Problem("field_type", f"must be text of at most {MAX_SECRET_BYTES:,} bytes", "secret"))
    elif needed and not secret:
        problems.append(Problem("secret_missing", "is empty", "secret", "send the new secret"))
    if written is not None:
        try:
            expires_at = read_time(written)
        except ValueError as error:
            problems.append(Problem("time", str(error), "expiresAt", "write RFC 3339 in UTC, as 2027-01-31T00:00:00Z"))
    if problems:
        raise Invalid("credential_invalid", "the credential cannot be read", problems=tuple(problems))
    return (SecretValue(secret) if secret else None), expires_at


_FIELDS: Final = frozenset({"secret", "expiresAt"})


def overlap_shown(row: CredentialRow) -> dict[str, Any] | None:
    """The version before that a rotation still delivers, and until when at most."""
    held = row.overlap
    return None if held is None else {"version": held.version, "since": time(held.begun_at), "until": time(held.until)}


def answered(row: CredentialRow, revision: int) -> dict[str, Any]:
    """What is told of a credential."""
    return {
        "registry": row.registry,
        "purpose": row.purpose,
        "id": row.id,
        "version": row.version,
        "expiresAt": time(row.expires_at),
        "state": "stored",
        "overlap": overlap_shown(row),
        "revision": revision,
    }
