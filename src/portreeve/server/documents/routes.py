"""The routes of documents: for each kind the same ones, made from the table of kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Resource
from portreeve.core.estate import Key
from portreeve.core.permissions import Action
from portreeve.core.platform import NAME
from portreeve.errors import Invalid, Problem
from portreeve.server.database.writer import Transaction, Writer
from portreeve.server.documents.kinds import BY_PLURAL, KINDS, Kind
from portreeve.server.documents.proposal import NEW, Proposal, Put, Removal
from portreeve.server.documents.service import Committed, Confirmation, Documents
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.stored import Stored
from portreeve.server.documents.view import answered
from portreeve.server.http.answers import Answer, carried_out, repeatable
from portreeve.server.http.body import read_json
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, may, refused
from portreeve.server.http.lists import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    MAX_ROWS,
    Order,
    at,
    csv_twin,
    cut,
    json_twin,
    order,
    page,
    yaml_twin,
)
from portreeve.server.http.problems import Rejected
from portreeve.server.plans.view import plan_document
from portreeve.wire.documents import read_document
from portreeve.wire.dump import dump

Name = Annotated[str, Path(description="metadata.name", max_length=253)]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="rows of one page")]
Cursor = Annotated[str | None, Query(max_length=4096, description="metadata.continue of the page before")]
DryRun = Annotated[Literal["All"] | None, Query(alias="dryRun", description="All: answer the plan, write nothing")]
Search = Annotated[str | None, Query(max_length=253, description="text that the name or the title holds")]
Label = Annotated[list[str] | None, Query(max_length=20, description="key=value of metadata.labels; all must hold")]


def routes(
    documents: Documents,
    writer: Writer,
    clock: Callable[[], datetime],
    confirmation: Callable[[Request], Any],
) -> APIRouter:
    """All of them. `confirmation` makes of a request's headers what its caller has seen (plans know how)."""
    router = APIRouter(route_class=GuardedRoute)
    for kind in BY_PLURAL.values():
        _add(router, kind, _Handlers(kind, documents, writer, clock, confirmation))
    _add_settings(router, _Handlers(KINDS["Settings"], documents, writer, clock, confirmation))
    return router


class _Handlers:
    """What the routes of one kind share."""

    def __init__(
        self,
        kind: Kind,
        documents: Documents,
        writer: Writer,
        clock: Callable[[], datetime],
        confirmation: Callable[[Request], Any],
    ) -> None:
        self.kind = kind
        self.documents = documents
        self.writer = writer
        self.clock = clock
        self.confirmation = confirmation

    async def rows(
        self, request: Request, label: list[str] | None, q: str | None
    ) -> tuple[Sequence[Stored], Snapshot, Order]:
        """The documents that the caller may see and has asked for, in the order that they have asked for."""
        wanted, sorting = filters(request, self.kind), order(request.query_params.get("sort"), dict(self.kind.sorts))
        labels = dict(_pair(one) for one in label or ())
        visible, snapshot = await self.documents.visible(caller_of(request), self.kind)
        decided(request)
        now = self.clock()
        if labels:
            visible = [one for one in visible if all(one.labels.get(name) == value for name, value in labels.items())]
        if wanted:
            # A status is made for the few rows that are shown, unless it is asked for by name.
            whole = any(path.startswith("status.") for path in wanted)
            visible = [
                one
                for one in visible
                if _matches(answered(one, snapshot, now) if whole else {"spec": one.spec}, wanted)
            ]
        if q:
            visible = [one for one in visible if _holds(one, q.casefold())]
        if sorting != Order():
            visible = sorted(visible, key=self.sort_key(sorting, snapshot), reverse=sorting.descending)
        return visible, snapshot, sorting

    def sort_key(self, sorting: Order, snapshot: Snapshot) -> Callable[[Stored], str]:
        """What a row is sorted by. As with filters, a status is made for all rows only if it is asked for by name."""
        now, path = self.clock(), sorting.path

        def key(one: Stored) -> str:
            if path.startswith("status."):
                return sorting.key(at(answered(one, snapshot, now), path), one.key.name)
            return sorting.key(at({"spec": one.spec}, path) if path else None, one.key.name)

        return key

    def shown(self, rows: Sequence[Stored], snapshot: Snapshot) -> list[dict[str, Any]]:
        """Rows as they are answered."""
        now = self.clock()
        return [answered(one, snapshot, now) for one in rows]

    async def put(self, request: Request, name: str | None, *, dry_run: bool) -> Response:
        """Store the document in the body, under the name in the path if there is one."""
        body = await read_json(request)
        put = self._put(request, body, name)
        if dry_run:
            return await self.preview(request, Proposal((put,), (), *consents(request)))
        return await self.change(request, Proposal((put,), (), *consents(request)), body, put.key)

    def _put(self, request: Request, body: Any, name: str | None) -> Put:
        if not isinstance(body, Mapping):
            raise Rejected(400, "body_type", "the body must be a document")
        read = read_document({part: value for part, value in body.items() if part != "status"})
        if read.kind != self.kind.name:
            raise _wrong("kind", f"is not {self.kind.name}", f"send a {self.kind.name} here")
        if name is not None and read.value.name != name:
            raise _wrong("metadata.name", "is not the name in the path", "names do not change")
        return Put(read, NEW if name is None else expected(request))

    async def delete(self, request: Request, name: str, *, dry_run: bool) -> Response:
        """Delete a document."""
        removal = Removal(Key(self.kind.name, name), expected(request))
        proposal = Proposal((), (removal,), *consents(request))
        if dry_run:
            return await self.preview(request, proposal)
        return await self.change(request, proposal, None, removal.key, going=True)

    async def preview(self, request: Request, proposal: Proposal) -> Response:
        """The plan of a change that is not made."""
        found = await self.documents.preview(caller_of(request), proposal)
        decided(request)
        return Answer(200, plan_document(found), {"Portreeve-Plan": found.digest}).response()

    async def change(
        self, request: Request, proposal: Proposal, body: Any, key: Key, *, going: bool = False
    ) -> Response:
        """Make a change and answer the document that came of it, if there is one still."""
        caller = caller_of(request)
        seen: Confirmation | None = await self.confirmation(request)
        again = repeatable(request, body)

        async def job(transaction: Transaction) -> Committed:
            return await self.documents.in_transaction(transaction, caller, proposal, seen)

        found = await carried_out(self.writer, caller, again, job, lambda made: self._answer(made, key, going=going))
        decided(request)
        return found

    def _answer(self, made: Committed, key: Key, *, going: bool) -> Answer:
        stored = made.snapshot.documents.get(key)
        headers = {"Portreeve-Plan": made.outcome.digest}
        if stored is None:
            return Answer(204, None, headers)
        created = made.outcome.before.documents.get(key) is None
        headers |= {"ETag": stored.etag}
        if created:
            path = self.kind.plural if self.kind.single else f"{self.kind.plural}/{key.name}"
            headers["Location"] = f"/api/v1/{path}"
        # One that is deleted and still there is on its way out.
        return Answer(201 if created else 202 if going else 200, answered(stored, made.snapshot, self.clock()), headers)


def expected(request: Request) -> str | None:
    """The version that the request names.

    Raises:
        Rejected: 400 `precondition`.
    """
    if_match, if_none = request.headers.get("if-match"), request.headers.get("if-none-match")
    if if_none is not None:
        if if_none != "*" or if_match is not None:
            raise Rejected(400, "precondition", "If-None-Match takes * here, and no If-Match beside it")
        return NEW
    if if_match is not None and (if_match == "*" or if_match.startswith("W/") or "," in if_match):
        raise Rejected(400, "precondition", "If-Match takes one strong ETag", hint="send the ETag that was read")
    return if_match


def consents(request: Request) -> tuple[bool, bool]:
    """What the request consents to: `?replace=true` and `?force=true`.

    Raises:
        Rejected: 400 `consent`.
    """
    return _consent(request, "replace"), _consent(request, "force")


def _consent(request: Request, parameter: str) -> bool:
    value = request.query_params.get(parameter, "false")
    if value not in {"true", "false"}:
        raise Rejected(400, "consent", f"{parameter} is true or false")
    return value == "true"


def filters(request: Request, kind: Kind) -> dict[str, str]:
    """Path → value of the filters in the query; their names are a closed list (threat API-02).

    Raises:
        Rejected: 400 `filter_unknown`.
    """
    known = dict(kind.filters)
    given = {name: value for name, value in request.query_params.multi_items() if name not in LIST_PARAMETERS}
    if set(given) - set(known):  # not named: it may be a secret in the wrong place
        hint = f"known here: {', '.join([*known, *sorted(LIST_PARAMETERS)])}"
        raise Rejected(400, "filter_unknown", f"{kind.plural} cannot be filtered by all that was named", hint=hint)
    return {known[name]: value for name, value in given.items()}


LIST_PARAMETERS: Final = frozenset({"limit", "cursor", "label", "q", "sort"})


def _holds(one: Stored, text: str) -> bool:
    """Whether the name or the title holds the text, which is casefolded."""
    return text in one.key.name or text in str(one.spec.get("title", "")).casefold()


def _matches(document: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    for path, value in wanted.items():
        found = at(document, path)
        if value not in map(str, found) if isinstance(found, list | tuple) else str(found) != value:
            return False
    return True


def _pair(label: str) -> tuple[str, str]:
    name, equals, value = label.partition("=")
    if not equals or not name:
        raise Rejected(400, "label", "label takes key=value")
    return name, value


def _wrong(field: str, message: str, hint: str) -> Invalid:
    return Invalid("documents_invalid", "1 problem in what was read", problems=(Problem("name", message, field, hint),))


def _add_settings(router: APIRouter, held: _Handlers) -> None:
    """The one document that holds for the whole control plane; until it is written it has its defaults."""
    what, key = held.kind.permission, Key("Settings", NAME)

    @router.get("/api/v1/settings", operation_id="read_settings", summary="Read the settings", tags=["settings"])
    @authorised((what, Action.READ))
    async def read(request: Request) -> Response:
        snapshot = await held.documents.snapshot()
        decision = may(caller_of(request), Action.READ, [Resource(what, NAME)])
        decided(request)
        if not decision.allowed:
            raise refused(decision, named=True)
        stored = snapshot.documents.get(key)
        if stored is None:
            return Answer(200, dump(snapshot.settings)).response()
        return Answer(200, answered(stored, snapshot, held.clock()), {"ETag": stored.etag}).response()

    @router.put("/api/v1/settings", operation_id="replace_settings", summary="Write the settings", tags=["settings"])
    @authorised((what, Action.UPDATE))
    async def replace(request: Request, dry_run: DryRun = None) -> Response:
        return await held.put(request, NAME, dry_run=dry_run is not None)


def _add(router: APIRouter, kind: Kind, held: _Handlers) -> None:
    base, what = f"/api/v1/{kind.plural}", kind.permission

    @authorised((what, Action.LIST))
    async def listed(
        request: Request, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None, label: Label = None, q: Search = None
    ) -> Response:
        rows, snapshot, sorting = await held.rows(request, label, q)
        query = {"kind": kind.name, "filters": sorted(request.query_params.multi_items())}
        query["filters"] = [pair for pair in query["filters"] if pair[0] not in {"cursor", "limit"}]
        asked, key = page(query, limit=limit, cursor=cursor), held.sort_key(sorting, snapshot)
        found, more = cut(rows, asked, key, descending=sorting.descending)
        metadata: dict[str, Any] = {"revision": snapshot.revision, "total": len(rows)}
        if more:
            metadata["continue"] = more
        body = {
            "apiVersion": "portreeve.io/v1",
            "kind": f"{kind.name}List",
            "metadata": metadata,
            "items": held.shown(found, snapshot),
        }
        return Answer(200, body).response()

    @authorised((what, Action.LIST))
    async def twin(
        request: Request,
        form: Annotated[Literal["json", "csv", "yaml"], Path()],
        label: Label = None,
        q: Search = None,
    ) -> Response:
        rows, snapshot, _ = await held.rows(request, label, q)
        items = held.shown(rows[:MAX_ROWS], snapshot)
        if form == "json":
            return json_twin(items)
        if form == "yaml":
            return yaml_twin([{name: part for name, part in item.items() if name != "status"} for item in items])
        columns = ("NAME", *(title for title, _ in kind.columns))
        paths = ("metadata.name", *(path for _, path in kind.columns))
        return csv_twin(columns, [[at(item, path) for path in paths] for item in items])

    @authorised((what, Action.READ))
    async def read(request: Request, name: Name) -> Response:
        stored, snapshot = await held.documents.get(caller_of(request), kind, name)
        decided(request)
        headers = {"ETag": stored.etag}
        if request.headers.get("if-none-match") == stored.etag:
            return Answer(304, None, headers).response()
        return Answer(200, answered(stored, snapshot, held.clock()), headers).response()

    @authorised((what, Action.CREATE))
    async def create(request: Request, dry_run: DryRun = None) -> Response:
        return await held.put(request, None, dry_run=dry_run is not None)

    @authorised((what, Action.CREATE), *(((what, Action.UPDATE),) if what.value != "exemption" else ()))
    async def replace(request: Request, name: Name, dry_run: DryRun = None) -> Response:
        return await held.put(request, name, dry_run=dry_run is not None)

    @authorised((what, Action.DELETE))
    async def delete(request: Request, name: Name, dry_run: DryRun = None) -> Response:
        return await held.delete(request, name, dry_run=dry_run is not None)

    for path, method, handler, title in (
        (f"{base}.{{form}}", "GET", twin, f"List {kind.plural} as a table"),
        (base, "GET", listed, f"List {kind.plural}"),
        (base, "POST", create, f"Create a {kind.name}"),
        (f"{base}/{{name}}", "GET", read, f"Read a {kind.name}"),
        (f"{base}/{{name}}", "PUT", replace, f"Create or replace a {kind.name}"),
        (f"{base}/{{name}}", "DELETE", delete, f"Delete a {kind.name}"),
    ):
        operation = f"{handler.__name__}_{kind.plural}"
        router.add_api_route(
            path, handler, methods=[method], name=operation, operation_id=operation, summary=title, tags=[kind.plural]
        )
