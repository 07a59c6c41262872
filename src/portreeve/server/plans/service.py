"""Making plans and confirming them: the plan that is confirmed is the one that runs, or it is refused (rule 9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.requests import Request

from portreeve.core.estate import Key
from portreeve.errors import Conflict, Invalid, NotFound, Problem
from portreeve.server.database.engine import Database
from portreeve.server.database.writer import Refusal, Transaction, Writer
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.proposal import ANY, NEW, Outcome, Proposal, Put, Removal
from portreeve.server.documents.service import Committed, Confirmation, Documents
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import caller_of
from portreeve.server.http.problems import Rejected
from portreeve.server.plans import store
from portreeve.server.plans.store import StoredPlan
from portreeve.server.plans.view import basis_document, plan_document, read_basis
from portreeve.wire.documents import read_document

VALID_FOR: Final = timedelta(hours=24)
"""How long a plan may be confirmed: a reviewer's day. The world is compared anyway."""

MOST_DOCUMENTS: Final = 20_000
"""Documents of one proposal: a whole export of a large fleet."""

PLAN_HEADER: Final = "portreeve-plan"


class Plans:
    """The service."""

    def __init__(
        self,
        documents: Documents,
        writer: Writer,
        database: Database,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._documents = documents
        self._writer = writer
        self._database = database
        self._clock = clock
        self._new_id = new_id

    async def make(self, caller: Caller, body: object) -> tuple[StoredPlan, Outcome]:
        """The plan of a proposal, stored so that it can be confirmed; what it is about stays as it is."""
        # What was read and what is pinned must be one moment: versions are those of the snapshot behind the preview.
        proposal = read_proposal(body)
        found = await self._documents.preview(caller, proposal)
        now = self._clock()
        plan = StoredPlan(
            id=self._new_id(),
            digest=found.digest,
            proposer=caller.principal.user,
            proposal=_proposal_document(proposal, found),
            basis=basis_document(found.basis),
            summary=plan_document(found),
            state="open",
            created_at=now,
            expires_at=now + VALID_FOR,
        )

        async def job(transaction: Transaction) -> None:
            await store.purge(transaction.connection, now)
            await store.insert_plan(transaction.connection, plan)

        await self._writer.run(job)
        return plan, found

    async def get(self, caller: Caller, plan_id: str) -> StoredPlan:
        """A plan of the caller's own, or one that they could have made.

        Raises:
            NotFound: there is none for this caller.
        """
        async with self._database.reader.connect() as connection:
            plan = await store.find(connection, plan_id)
        if plan is None or plan.expires_at <= self._clock():
            raise _no_plan()
        await self._refuse_foreign(caller, plan)
        return plan

    async def _refuse_foreign(self, caller: Caller, plan: StoredPlan) -> None:
        """See that the plan is the caller's own, or one of which they may plan all: that may be seen."""
        if plan.proposer != caller.principal.user:
            try:
                await self._documents.preview(caller, _read_stored(plan, versions=False))
            except NotFound:
                raise _no_plan() from None

    async def confirm(self, transaction: Transaction, caller: Caller, plan_id: str) -> Committed:
        """Run the plan, as a part of a job.

        Raises:
            NotFound: there is none for this caller.
            Conflict: `plan_outdated`, `plan_confirmed`; and what `Documents.change` raises.
        """
        plan = await store.find(transaction.connection, plan_id)
        if plan is None or plan.expires_at <= transaction.now:
            raise _no_plan()
        if plan.state != "open":
            await self._refuse_foreign(caller, plan)
            raise Conflict("plan_confirmed", "this plan has run already", hint="make another one")
        confirmation = Confirmation(plan.digest, read_basis(plan.basis), plan.summary["content"])
        proposal = _read_stored(plan)
        try:
            made = await self._documents.in_transaction(transaction, caller, proposal, confirmation)
        except Refusal as refusal:
            if isinstance(refusal.error, NotFound) and plan.proposer != caller.principal.user:
                # The refusal would name what another person has planned.
                raise Refusal(_no_plan(), refusal.entry) from None
            raise
        await store.confirmed(transaction.connection, plan_id, transaction.now)
        return made

    async def confirmation(self, request: Request) -> Confirmation | None:
        """What the caller of a single change has seen, by the header that names a plan's digest.

        Raises:
            Rejected: 400 `plan_header`.
        """
        digest = request.headers.get(PLAN_HEADER)
        if digest is None:
            return None
        if not digest.startswith("sha256:") or len(digest) != len("sha256:") + 64:
            raise Rejected(400, "plan_header", "Portreeve-Plan is the digest of a plan: sha256:…")
        user = caller_of(request).principal.user
        async with self._database.reader.connect() as connection:
            plan = await store.find_by_digest(connection, digest, user, self._clock())
        if plan is None:
            return Confirmation(digest)
        return Confirmation(digest, read_basis(plan.basis), plan.summary["content"])


def read_proposal(body: object) -> Proposal:
    """A proposal as `POST /api/v1/plans` takes it. Documents without a version take that which is there.

    Raises:
        Rejected, Invalid: with the place of every problem.
    """
    fields = _mapping(body, {"documents", "delete", "replace", "force"})
    documents = _list(fields.get("documents", []), "documents")
    removals = _list(fields.get("delete", []), "delete")
    if not documents and not removals:
        problem = Problem(
            "plan_empty", "is empty, and so is delete", "documents", "send documents, or name some to delete"
        )
        raise Invalid("documents_invalid", "1 problem in what was read", problems=(problem,))
    if len(documents) + len(removals) > MOST_DOCUMENTS:
        raise Rejected(413, "body_too_large", f"a plan has at most {MOST_DOCUMENTS:,} documents")
    puts: list[Put] = []
    problems: list[Problem] = []
    seen: dict[Key, int] = {}
    for number, entry in enumerate(documents):
        where = f"documents[{number}]"
        try:
            put = Put(read_document(_without_status(entry), where=where), _expected(entry))
        except Invalid as error:
            problems += error.problems or (Problem(error.code, error.message, where, error.hint),)
            continue
        if seen.setdefault(put.key, number) != number:
            problems.append(Problem("name_twice", f"is {put.key}, as documents[{seen[put.key]}]", where, "send one"))
        puts.append(put)
    if problems:
        raise Invalid("documents_invalid", f"{len(problems)} problems in what was read", problems=tuple(problems))
    gone = tuple(_removal(entry, f"delete[{number}]") for number, entry in enumerate(removals))
    return Proposal(tuple(puts), gone, _flag(fields, "replace"), _flag(fields, "force"))


def _mapping(body: object, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(body, Mapping):
        raise Rejected(400, "body_type", "the body must be a mapping with documents or delete")
    if set(body) - known:
        problem = Problem("field_unknown", "is not a field here", "body", f"one of {sorted(known)}")
        raise Invalid("documents_invalid", "1 problem in what was read", problems=(problem,))
    return body


def _list(value: object, field: str) -> list[Any]:
    if not isinstance(value, list):
        problem = Problem("field_type", "must be a list", field)
        raise Invalid("documents_invalid", "1 problem in what was read", problems=(problem,))
    return value


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        problem = Problem("field_type", "must be true or false", name)
        raise Invalid("documents_invalid", "1 problem in what was read", problems=(problem,))
    return value


def _without_status(entry: object) -> object:
    return {name: part for name, part in entry.items() if name != "status"} if isinstance(entry, Mapping) else entry


def _expected(entry: object) -> str:
    """The version that a document was read at: the ETag in its status, if it still has one; else whichever is there."""
    status = entry.get("status") if isinstance(entry, Mapping) else None
    etag = status.get("etag") if isinstance(status, Mapping) else None
    return etag if isinstance(etag, str) else ANY


def _removal(entry: object, where: str) -> Removal:
    fields = entry if isinstance(entry, Mapping) else {}
    kind, name, etag = fields.get("kind"), fields.get("name"), fields.get("etag")
    texts = isinstance(kind, str) and isinstance(name, str) and (etag is None or isinstance(etag, str))
    if not texts or kind not in KINDS or set(fields) - {"kind", "name", "etag"}:
        problem = Problem("removal", "names no document", where, "write {kind: …, name: …}")
        raise Invalid("documents_invalid", "1 problem in what was read", problems=(problem,))
    return Removal(Key(str(kind), str(name)), etag)


def _proposal_document(proposal: Proposal, found: Outcome) -> dict[str, Any]:
    """What is stored of a proposal: each document with the version that it was compared with."""
    held = found.before.documents

    def etag(key: Key) -> str | None:
        stored = held.get(key)
        return stored.etag if stored else None

    return {
        "documents": [
            {
                "kind": put.key.kind,
                "name": put.key.name,
                "labels": dict(put.read.labels),
                "annotations": dict(put.read.annotations),
                "spec": dict(put.read.spec),
                "etag": etag(put.key),
            }
            for put in proposal.puts
        ],
        "delete": [[one.key.kind, one.key.name, etag(one.key)] for one in proposal.removals],
        "replace": proposal.replacing,
        "force": proposal.force,
    }


def _read_stored(plan: StoredPlan, *, versions: bool = True) -> Proposal:
    """The proposal of a stored plan, with the versions that its documents were at, or with none."""
    stored = plan.proposal
    puts = tuple(
        Put(
            read_document(
                {
                    "apiVersion": "portreeve.io/v1",
                    "kind": one["kind"],
                    "metadata": {
                        "name": one["name"],
                        "labels": one["labels"],
                        "annotations": one["annotations"],
                    },
                    "spec": one["spec"],
                }
            ),
            (one["etag"] or NEW) if versions else ANY,
        )
        for one in stored["documents"]
    )
    removals = tuple(Removal(Key(kind, name), etag if versions else None) for kind, name, etag in stored["delete"])
    return Proposal(puts, removals, stored["replace"], stored["force"])


def _no_plan() -> NotFound:
    return NotFound("not_found", "there is no plan of this id that you may confirm", hint="make a plan")
