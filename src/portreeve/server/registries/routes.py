"""The routes of registries as they are reached: providers, what a pasted text is, validation, browsing, limits.

A developer browses what is granted to them: who may browse an access in any place of theirs may browse its registry,
and sees of what runs only their own. Secrets go in by the routes of credentials and come out by none of these.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path
from fastapi import Query as Parameter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from portreeve import providers
from portreeve.core.audit import Action as Recorded
from portreeve.core.audit import ObjectKind, Target, escaped
from portreeve.core.authorization import Resource
from portreeve.core.blast_radius import RunningImage
from portreeve.core.checklist import REACHED, Check, Outcome, judged
from portreeve.core.estate import Key
from portreeve.core.permissions import Action, Kind
from portreeve.core.policy import Registry, RegistryAccess
from portreeve.core.rate_limit import forecasts
from portreeve.core.reference import DIGEST_PATTERN, TAG_PATTERN
from portreeve.core.usage import example_repository
from portreeve.errors import Invalid, Problem
from portreeve.providers.contract import Place, Query, is_tag
from portreeve.providers.recognise import recognise
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.documents import store as documents_store
from portreeve.server.documents.service import Documents
from portreeve.server.documents.snapshot import Checked, Snapshot
from portreeve.server.documents.view import time
from portreeve.server.http.answers import Answer
from portreeve.server.http.body import read_json
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import (
    GuardedRoute,
    authorised,
    caller_of,
    decided,
    may,
    may_not,
    refused,
    signed_in,
)
from portreeve.server.http.lists import DEFAULT_LIMIT, MAX_LIMIT, csv_twin, json_twin, page, yaml_twin
from portreeve.server.http.problems import Rejected
from portreeve.server.images.service import visible
from portreeve.server.images.verdicts import governed
from portreeve.server.registries import store
from portreeve.server.registries.browsing import Browsing, Page, candidates, inside, uses
from portreeve.server.registries.contact import Contact, Contacts
from portreeve.server.registries.limits import Limits
from portreeve.server.registries.validation import Validation
from portreeve.server.registries.view import (
    check_row,
    claim_row,
    forecast_row,
    granted_in,
    image_document,
    provider_row,
    repository_rows,
    tag_rows,
    usage_document,
    use_rows,
)

Name = Annotated[str, Path(description="metadata.name of the Registry", max_length=253)]
RepositoryName = Annotated[str, Parameter(max_length=255, description="path without the host")]
Search = Annotated[str, Parameter(max_length=255, description="part of the name")]
Limit = Annotated[int, Parameter(ge=1, le=MAX_LIMIT)]
Cursor = Annotated[str | None, Parameter(max_length=4096)]
Form = Annotated[Literal["json", "csv", "yaml"], Path()]
ReferenceText = Annotated[str, Parameter(max_length=200, description="a tag or a digest")]

MAX_PASTED: Final = 4096
"""Characters of a pasted text: a console's address with its query has some hundred."""

MAX_TWIN_ROWS: Final = 50_000
"""Rows of one twin. Each page of it is a request to the registry, so it ends somewhere; a program pages."""

BROWSE: Final = ((Kind.REGISTRY, Action.BROWSE), (Kind.REGISTRY_ACCESS, Action.BROWSE))


@dataclass(frozen=True)
class Parts:
    """What the routes stand on."""

    documents: Documents
    writer: Writer
    contacts: Contacts
    browsing: Browsing
    limits: Limits
    clock: Callable[[], datetime]

    async def contact(
        self, request: Request, name: str, action: Action, purposes: tuple[str, ...] = ("management", "pull")
    ) -> tuple[Contact, Snapshot, Sequence[RunningImage]]:
        """The contact of a registry with which the caller may do this, and what they may see of what runs.

        Raises:
            NotFound: there is none of this name, for this caller.
        """
        caller, snapshot = caller_of(request), await self.documents.snapshot()
        allow(request, caller, snapshot, name, action)
        return await self.contacts.contact(snapshot, name, purposes), snapshot, visible(caller, snapshot)


def allow(request: Request, caller: Caller, snapshot: Snapshot, name: str, action: Action) -> None:
    """Decide whether the caller may do this with a registry; browsing also counts where it is granted to them.

    Raises:
        NotFound: they may not, or there is none of this name.
    """
    stored = snapshot.documents.get(Key("Registry", name))
    if stored is None:
        decision = may_not(caller, action, Kind.REGISTRY, name)
    else:
        decision = may(caller, action, snapshot.parts(stored))
        if not decision.allowed and action is Action.BROWSE:
            granted = (may(caller, Action.BROWSE, parts) for parts in _grants_of(snapshot, name))
            decision = next((one for one in granted if one.allowed), decision)
    decided(request)
    if not decision.allowed:
        raise refused(decision, named=True)


def _grants_of(snapshot: Snapshot, registry: str) -> Iterator[Sequence[Resource]]:
    """Where a registry is granted, each place by its parts: by accesses, and by policies in namespaces by name."""
    for access in snapshot.of_kind("RegistryAccess").values():
        if isinstance(access.value, RegistryAccess) and access.value.registry == registry:
            yield snapshot.parts(access)
    for environment in snapshot.estate.environments:
        policy = snapshot.estate.policy_of(environment)
        for granted in policy.access if policy is not None else ():
            if granted.registry == registry:
                for namespace in granted.namespaces.names:
                    place = (environment.name, environment.group, (namespace,))
                    yield (Resource(Kind.REGISTRY_ACCESS, "", *place),)


def routes(parts: Parts) -> APIRouter:
    """All of them."""
    router = APIRouter(route_class=GuardedRoute, tags=["registries"])
    _add_providers(router)
    _add_validation(router, parts)
    _add_browsing(router, parts)
    _add_usage(router, parts)
    _add_changes(router, parts)
    _add_limits(router, parts)
    return router


def _add_providers(router: APIRouter) -> None:
    @router.get("/api/v1/providers", operation_id="list_providers", summary="The products behind registries")
    @signed_in
    async def listed(request: Request) -> Response:  # noqa: ARG001 - every handler takes the request
        items = [provider_row(one) for one in providers.every().values()]
        return Answer(200, {"kind": "ProviderList", "items": items}).response()

    @router.post("/api/v1/recognise", operation_id="recognise", summary="What a pasted text says of a registry")
    @signed_in
    async def recognised(request: Request) -> Response:
        body = await read_json(request)
        text = body.get("text") if isinstance(body, Mapping) else None
        if not isinstance(text, str) or len(text) > MAX_PASTED or set(body) != {"text"}:
            raise Rejected(400, "body_type", 'the body must be {"text": …}', hint=f"at most {MAX_PASTED} characters")
        return Answer(200, {"kind": "ClaimList", "items": [claim_row(one) for one in recognise(text)]}).response()


def _add_validation(router: APIRouter, parts: Parts) -> None:
    @router.post(
        "/api/v1/registries/{name}/validate",
        operation_id="validate_registry",
        summary="Try a registry, stage by stage; with Accept: text/event-stream as it happens",
    )
    @authorised((Kind.REGISTRY, Action.VALIDATE))
    async def validate(
        request: Request,
        name: Name,
        image: Annotated[
            str | None, Parameter(max_length=400, description="REPOSITORY:TAG or REPOSITORY@DIGEST")
        ] = None,
        purpose: Annotated[Literal["pull", "management"] | None, Parameter(description="only this credential")] = None,
    ) -> Response:
        purposes = (purpose,) if purpose else ("pull", "management")
        contact, _, running = await parts.contact(request, name, Action.VALIDATE, purposes)
        named = (_image(contact, image),) if image else candidates(contact.place, running)
        validation = Validation(parts.contacts, contact, parts.clock, named)
        caller = caller_of(request)
        if "text/event-stream" in request.headers.get("accept", ""):
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            return StreamingResponse(
                _streamed(parts, caller, contact, validation), media_type="text/event-stream", headers=headers
            )
        begun = perf_counter()
        checks = [check async for check in validation.run()]
        return Answer(200, await _kept(parts, caller, contact, checks, perf_counter() - begun)).response()


async def _streamed(parts: Parts, caller: Caller, contact: Contact, validation: Validation) -> AsyncIterator[bytes]:
    begun, checks = perf_counter(), []
    # Whoever hangs up ends the line to the registry, too, and not when memory is next tidied.
    async with aclosing(validation.run()) as found:
        async for check in found:
            checks.append(check)
            yield _event("CHECK", check_row(check))
    yield _event("DONE", await _kept(parts, caller, contact, checks, perf_counter() - begun))


async def _kept(
    parts: Parts, caller: Caller, contact: Contact, checks: Sequence[Check], seconds: float
) -> dict[str, Any]:
    """Store what was found, with its event, and give it as it is answered."""
    outcome, ms = judged(checks), round(seconds * 1000)
    shown = [check_row(check) for check in checks]

    async def job(transaction: Transaction) -> None:
        stored = transaction.snapshot.documents.get(Key("Registry", contact.name))
        if stored is None:
            return  # It was deleted meanwhile.
        assert isinstance(stored.value, Registry)
        target = Target(ObjectKind.REGISTRY, escaped(contact.name), project=stored.value.project or None)
        reason = next((check.code for check in checks if check.outcome is Outcome.FAILED and check.code), None)
        transaction.record(Entry(caller.actor, Recorded.REGISTRY_VALIDATE, target, caller.request, reason=reason))
        await store.save_checks(transaction.connection, contact.name, str(outcome), shown, ms, transaction.now)
        revision = transaction.next_revision()
        key = Key(documents_store.CHECK, contact.name)
        await documents_store.note(transaction.connection, revision, key, "updated", revision, transaction.now)
        reached = not any(check.outcome is Outcome.FAILED and check.stage in REACHED for check in checks)
        checked = Checked(str(outcome), reason or "", transaction.now, ms, reached)
        transaction.snapshot = transaction.snapshot.with_check(revision, contact.name, checked)

    await parts.writer.run(job)
    return {
        "kind": "Validation",
        "registry": contact.name,
        "outcome": str(outcome),
        "credential": contact.purpose or None,
        "checkedAt": time(parts.clock()),
        "ms": ms,
        "checks": shown,
    }


def _add_browsing(router: APIRouter, parts: Parts) -> None:
    base = "/api/v1/registries/{name}"
    may_browse = authorised(*BROWSE)

    @router.get(
        f"{base}/repositories.{{form}}", operation_id="twin_repositories", summary="All repositories as a table"
    )
    @may_browse
    async def repository_twin(request: Request, name: Name, form: Form, search: Search = "") -> Response:
        contact, _, running = await parts.contact(request, name, Action.BROWSE)
        rows = await _all(lambda query: parts.browsing.repositories(contact, running, query), search)
        return _twin(form, repository_rows(rows, contact, running), _REPOSITORY)

    @router.get(f"{base}/repositories", operation_id="list_repositories", summary="Repositories of a registry")
    @may_browse
    async def repositories(
        request: Request, name: Name, search: Search = "", limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
    ) -> Response:
        contact, _, running = await parts.contact(request, name, Action.BROWSE)
        asked = page({"kind": "Repository", "of": [name, search]}, limit=limit, cursor=cursor)
        found = await parts.browsing.repositories(contact, running, Query(search, asked.after, limit))
        items = repository_rows(found.rows, contact, running)
        return _page("RepositoryList", found, items, asked.cursor)

    @router.get(f"{base}/tags.{{form}}", operation_id="twin_tags", summary="All tags of a repository as a table")
    @may_browse
    async def tag_twin(
        request: Request, name: Name, form: Form, repository: RepositoryName, search: Search = ""
    ) -> Response:
        contact, _, running = await parts.contact(request, name, Action.BROWSE)
        rows = await _all(lambda query: parts.browsing.tags(contact, repository, query), search)
        return _twin(form, tag_rows(rows, contact, repository, running), _TAG)

    @router.get(f"{base}/tags", operation_id="list_tags", summary="Tags of a repository")
    @may_browse
    async def tags(
        request: Request,
        name: Name,
        repository: RepositoryName,
        search: Search = "",
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Response:
        contact, _, running = await parts.contact(request, name, Action.BROWSE)
        asked = page({"kind": "Tag", "of": [name, repository, search]}, limit=limit, cursor=cursor)
        found = await parts.browsing.tags(contact, repository, Query(search, asked.after, limit))
        items = tag_rows(found.rows, contact, repository, running)
        return _page("TagList", found, items, asked.cursor)

    @router.get(f"{base}/image", operation_id="read_image", summary="One image: platforms, sizes, what refers to it")
    @may_browse
    async def image(request: Request, name: Name, repository: RepositoryName, reference: ReferenceText) -> Response:
        contact, _, running = await parts.contact(request, name, Action.BROWSE)
        found = await parts.browsing.image(contact, repository, _reference(reference))
        return Answer(200, image_document(found, contact, running), {"ETag": f'"{found.digest}"'}).response()


def _add_usage(router: APIRouter, parts: Parts) -> None:
    @router.get(
        "/api/v1/registries/{name}/usage",
        operation_id="read_usage",
        summary="How a workload uses the registry: annotation, pod, command, and what a pull secret holds",
    )
    @authorised(*BROWSE)
    async def usage(
        request: Request,
        name: Name,
        namespace: Annotated[str, Parameter(max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] = "default",
        repository: Annotated[str | None, Parameter(max_length=255)] = None,
        tag: ReferenceText = "latest",
        environment: Annotated[str | None, Parameter(max_length=253, description="is it granted there")] = None,
    ) -> Response:
        snapshot = await parts.documents.snapshot()
        allow(request, caller_of(request), snapshot, name, Action.BROWSE)
        registry = snapshot.documents[Key("Registry", name)].value
        assert isinstance(registry, Registry)
        place = Place(registry.prefix.host, registry.prefix.path)
        path = repository or example_repository(registry.prefix)
        inside(place, path)
        held = snapshot.estate.environments_by_name.get(environment or "")
        keys = providers.named(registry.provider).keys(place)
        body = usage_document(registry, keys, namespace, path, _reference(tag))
        if held is not None:
            there = Resource(Kind.REGISTRY_ACCESS, "", held.name, held.group, (namespace,))
            if may(caller_of(request), Action.LIST, [there]).allowed:
                body["granted"] = granted_in(governed(snapshot, held, parts.clock()), registry.name, namespace)
        return Answer(200, body).response()


def _add_changes(router: APIRouter, parts: Parts) -> None:
    base = "/api/v1/registries/{name}"

    @router.post(f"{base}/retag", operation_id="retag_image", summary="Let a tag name another image")
    @authorised((Kind.REGISTRY, Action.RETAG))
    async def retag(
        request: Request, name: Name, repository: RepositoryName, reference: ReferenceText, tag: ReferenceText
    ) -> Response:
        contact, _, running = await parts.contact(request, name, Action.RETAG)
        expected = _expected(request, new_allowed=True)
        digest = await parts.browsing.retag(
            contact, caller_of(request), repository, _reference(reference), _tag_name(tag), expected
        )
        affected = uses(contact.place, running, repository, tag, expected or "")
        body = {
            "repository": repository,
            "tag": tag,
            "digest": digest,
            "before": expected,
            "usedBy": use_rows(affected),
        }
        return Answer(200, body).response()

    @router.delete(
        f"{base}/image", operation_id="delete_image", summary="Delete a tag, or a manifest with all its tags"
    )
    @authorised((Kind.REGISTRY, Action.DELETE_IMAGE))
    async def delete(
        request: Request,
        name: Name,
        repository: RepositoryName,
        reference: ReferenceText,
        dry_run: Annotated[Literal["All"] | None, Parameter(alias="dryRun")] = None,
    ) -> Response:
        contact, _, running = await parts.contact(request, name, Action.DELETE_IMAGE)
        which = _reference(reference)
        if dry_run is not None:
            found = await parts.browsing.image(contact, repository, which)
            affected = uses(contact.place, running, repository, which, found.digest)
            body = {"repository": repository, "reference": which, "digest": found.digest, "usedBy": use_rows(affected)}
            return Answer(200, body, {"ETag": f'"{found.digest}"'}).response()
        expected = _expected(request, new_allowed=False)
        await parts.browsing.delete(contact, caller_of(request), repository, which, expected or "")
        return Answer(204).response()


def _add_limits(router: APIRouter, parts: Parts) -> None:
    @router.get(
        "/api/v1/registries/{name}/rate-limit",
        operation_id="read_rate_limit",
        summary="How much may still be pulled, for each address or account, and until when that lasts",
    )
    @authorised(*BROWSE)
    async def limit(
        request: Request,
        name: Name,
        fresh: Annotated[bool, Parameter(description="read it now, and not only what was read before")] = False,
    ) -> Response:
        contact, _, _ = await parts.contact(request, name, Action.BROWSE, ("pull", "management"))
        unlimited = fresh and await parts.limits.read(contact) is None
        readings = await parts.limits.readings(name)
        items = [forecast_row(one, readings) for one in forecasts(readings)]
        return Answer(200, {"kind": "RateLimit", "registry": name, "unlimited": unlimited, "items": items}).response()


async def _all(ask: Callable[[Query], Any], search: str) -> list[Any]:
    """All rows, page by page, until the last or MAX_TWIN_ROWS."""
    rows: list[Any] = []
    after = ""
    while len(rows) < MAX_TWIN_ROWS:
        found: Page[Any] = await ask(Query(search, after, MAX_LIMIT))
        rows += found.rows
        if not found.after or found.after == after:
            break
        after = found.after
    return rows


def _page(kind: str, found: Page[Any], items: list[dict[str, Any]], cursor: Callable[[str], str]) -> Response:
    metadata: dict[str, Any] = {"source": found.source}
    if found.note:
        metadata["note"] = found.note
    if found.after:
        metadata["continue"] = cursor(found.after)
    return Answer(200, {"kind": kind, "metadata": metadata, "items": items}).response()


_REPOSITORY: Final = ("name", "tags", "pushedAt", "pulls", "runningIn")
_TAG: Final = ("name", "digest", "sizeBytes", "platforms", "pushedAt", "pulledAt", "runningIn")


def _twin(form: str, items: list[dict[str, Any]], fields: Sequence[str]) -> Response:
    if form == "csv":
        return csv_twin([field.upper() for field in fields], [[item[field] for field in fields] for item in items])
    return json_twin(items) if form == "json" else yaml_twin(items)


def _event(what: str, body: Any) -> bytes:
    return f"data: {json.dumps({'type': what, 'object': body}, separators=(',', ':'))}\n\n".encode()


def _image(contact: Contact, text: str) -> tuple[str, str]:
    """Repository and reference of what was asked for, with or without the registry's host in front."""
    path = text.removeprefix(f"{contact.place.host}/")
    repository, at, digest = path.partition("@")
    if at:
        reference = digest
    else:
        repository, _, reference = path.rpartition(":") if ":" in path else (path, "", "latest")
    inside(contact.place, repository)
    return repository, _reference(reference)


def _reference(text: str) -> str:
    if not re.fullmatch(f"{TAG_PATTERN}|{DIGEST_PATTERN}", text):
        problem = Problem("reference_invalid", "is neither a tag nor a digest", "reference")
        raise Invalid("reference_invalid", "the image cannot be named like this", problems=(problem,))
    return text


def _tag_name(text: str) -> str:
    if not is_tag(text):
        problem = Problem("reference_invalid", "is no tag", "tag", "letters, digits, _ . -; at most 128")
        raise Invalid("reference_invalid", "the image cannot be named like this", problems=(problem,))
    return text


def _expected(request: Request, *, new_allowed: bool) -> str | None:
    """The digest that the request names in If-Match, None for `If-None-Match: *`.

    Raises:
        Rejected: 428 `precondition_needed`, 400 `precondition`.
    """
    if_match, if_none = request.headers.get("if-match"), request.headers.get("if-none-match")
    if if_none == "*" and if_match is None and new_allowed:
        return None
    if if_match is None:
        hint = 'look at it first, and send its digest: If-Match: "sha256:…"'
        raise Rejected(428, "precondition_needed", "the request does not say what is there now", hint=hint)
    digest = if_match.strip('"')
    if if_none is not None or not re.fullmatch(DIGEST_PATTERN, digest):
        raise Rejected(400, "precondition", "If-Match takes one digest in quotes, and no If-None-Match beside it")
    return digest
