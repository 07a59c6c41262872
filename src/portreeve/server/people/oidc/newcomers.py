"""A user for somebody who signs in at a provider for the first time.

The provider's name for them is a wish. They get a name that no user has and, as important, that nothing mentions:
roles, teams and grants may name users who are not there yet, and whoever chose such a name would get what is meant for
another. For the same reason nobody is linked to a user who is there already.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from portreeve.core.audit import Action, Actor, ObjectKind, Target, Via, digest
from portreeve.core.estate import Key
from portreeve.core.policy import API_VERSION
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Transaction
from portreeve.server.documents import store as documents
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.stored import Stored
from portreeve.server.people.principals import Account
from portreeve.wire.documents import read_document

MAX_LABEL: Final = 63
NAMELESS: Final = "user"


@dataclass(frozen=True, slots=True)
class Newcomer:
    """What is wished for, and the id that the document gets."""

    name: str
    title: str
    uid: str


async def welcome(transaction: Transaction, newcomer: Newcomer, *, by: Via, request: str) -> Account:
    """Make a user, with its event; they may do nothing but what their groups' teams may."""
    name = free(transaction.snapshot, newcomer.name)
    spec = {"title": newcomer.title} if newcomer.title else {}
    read = read_document({"apiVersion": API_VERSION, "kind": "User", "metadata": {"name": name}, "spec": spec})
    now, revision = transaction.now, transaction.next_revision()
    stored = Stored(Key("User", name), newcomer.uid, 1, revision, {}, {}, read.spec, {}, now, now, read.value)
    await documents.write(transaction.connection, stored, before=None)
    transaction.snapshot = transaction.snapshot.with_documents(revision, [stored])
    target = Target(ObjectKind.USER, name)
    after = digest(stored.canonical())
    transaction.record(Entry(Actor(name, by), Action.USER_CREATE, target, request, after=after))
    return Account(name, newcomer.uid, newcomer.title)


def label(wish: str) -> str:
    """A DNS label like the wish; the part before an @ if it has one."""
    plain = unicodedata.normalize("NFKD", wish.partition("@")[0]).casefold()
    dashed = re.sub("[^a-z0-9]+", "-", plain.encode("ascii", "ignore").decode())
    return dashed[:MAX_LABEL].strip("-") or NAMELESS


def free(snapshot: Snapshot, wish: str) -> str:
    """The label, or the label with the first number that makes it nobody's."""
    base, taken = label(wish), mentioned(snapshot)
    name, number = base, 1
    while name in taken:
        number += 1
        ending = f"-{number}"
        name = base[: MAX_LABEL - len(ending)].rstrip("-") + ending
    return name


def mentioned(snapshot: Snapshot) -> frozenset[str]:
    """Every user's name that is there, or that anything speaks of."""
    estate = snapshot.estate
    found = set(snapshot.of_kind("User"))
    found.update(user for team in estate.teams for user in team.members)
    found.update(user for binding in estate.bindings for user in binding.subjects.users)
    found.update(user for project in estate.projects for user in project.admins.users)
    found.update(user for access in estate.accesses for user in access.subjects.users)
    for stored in snapshot.of_kind("Exemption").values():
        found.update(str(stored.state.get(part, "")) for part in ("requestedBy", "decidedBy"))
    return frozenset(found)
