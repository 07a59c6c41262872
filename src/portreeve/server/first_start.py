"""The first administrator, and the links by which whoever runs the program lets somebody in.

There is no default password: the first start makes the user `admin` with its role, and a link that is good for one
sign-in. Whoever can run `portreeve up --link` can write the database anyway, so the link gives them nothing new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from portreeve.core.audit import Actor, digest
from portreeve.core.people import Role, User
from portreeve.core.policy import API_VERSION
from portreeve.errors import NotFound
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Transaction
from portreeve.server.documents import store
from portreeve.server.documents.proposal import NEW, Proposal, Put, drafted
from portreeve.server.documents.service import recorded, target
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.caller import SYSTEM
from portreeve.server.people import links
from portreeve.server.people.links import Link
from portreeve.wire.documents import read_document

ADMIN: Final = "admin"
_BY: Final = Actor("portreeve", SYSTEM)
_REQUEST: Final = "up"
"""What stands where other events name their request."""


async def first_link(transaction: Transaction, base: str, new_id: Callable[[], str]) -> Link | None:
    """Make the first administrator and a link for them, in one transaction; None if anybody is there already."""
    if transaction.snapshot.of_kind("User") or transaction.snapshot.of_kind("RoleBinding"):
        return None
    binding = {"role": str(Role.PLATFORM_ADMIN), "subjects": {"users": [ADMIN]}}
    proposal = Proposal((_put("User", {"title": "Administrator"}), _put("RoleBinding", binding)))
    draft = drafted(transaction.snapshot, proposal, by=_BY.principal, now=transaction.now, new_id=new_id)
    for change in draft.changes:
        assert change.after is not None
        stored = replace(change.after, revision=transaction.next_revision())
        await store.write(transaction.connection, stored, before=None)
        after = digest(stored.canonical())
        transaction.record(Entry(_BY, recorded(change), target(change, draft), _REQUEST, after=after))
        transaction.snapshot = transaction.snapshot.with_documents(transaction.revision, [stored])
    return await links.issue(transaction, ADMIN, base, by=_BY, request=_REQUEST)


async def another_link(transaction: Transaction, base: str) -> Link:
    """A link for an administrator: the first one made, or else the first by name.

    Raises:
        NotFound: `no_administrator`: nobody who may do everything may sign in.
    """
    found = sorted(administrators(transaction.snapshot))
    if not found:
        raise NotFound(
            "no_administrator", "no user who may sign in is a platform-admin", hint="restore a backup of the database"
        )
    user = ADMIN if ADMIN in found else found[0]
    return await links.issue(transaction, user, base, by=_BY, request=_REQUEST)


def administrators(snapshot: Snapshot) -> Iterator[str]:
    """Users who may do everything and are not disabled; groups of an identity provider are not known here."""
    bindings = [one for one in snapshot.estate.bindings if one.role is Role.PLATFORM_ADMIN]
    for name, stored in snapshot.of_kind("User").items():
        teams = [team.name for team in snapshot.estate.teams if team.has(name, ())]
        enabled = isinstance(stored.value, User) and not stored.value.disabled
        if enabled and any(one.subjects.name(name, teams) for one in bindings):
            yield name


def _put(kind: str, spec: dict[str, Any]) -> Put:
    return Put(read_document({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": ADMIN}, "spec": spec}), NEW)
