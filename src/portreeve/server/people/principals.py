"""From a proven identity to a principal: the roles are those of the snapshot, at each request anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from portreeve.core.authorization import Authentication, Principal, authenticated
from portreeve.core.estate import Key
from portreeve.core.people import User
from portreeve.errors import Unauthenticated
from portreeve.server.documents.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Account:
    """A user who may sign in. `uid` tells them from an earlier user of the same name."""

    name: str
    uid: str
    title: str = ""


def account(snapshot: Snapshot, name: str) -> Account | None:
    """The user of this name; None if there is none, or it is disabled."""
    stored = snapshot.documents.get(Key("User", name))
    if stored is None or not isinstance(stored.value, User) or stored.value.disabled:
        return None
    return Account(name, stored.uid, stored.value.title)


def disabled(snapshot: Snapshot) -> Iterable[str]:
    """The names of users who may not sign in."""
    for name, stored in snapshot.of_kind("User").items():
        if isinstance(stored.value, User) and stored.value.disabled:
            yield name


def principal(
    snapshot: Snapshot, user: str, how: Authentication, oidc_groups: frozenset[str] = frozenset(), *, uid: str
) -> Principal:
    """Who this user is now. For authenticators alone.

    Raises:
        Unauthenticated: there is no such user any more, or it is disabled, or it is another of that name.
    """
    found = account(snapshot, user)
    if found is None or found.uid != uid:
        raise unauthenticated()
    memo = (user, how, oidc_groups)
    known = snapshot.principals.get(memo)
    if known is None:
        estate = snapshot.estate
        known = snapshot.principals[memo] = authenticated(
            user,
            how,
            teams=estate.teams,
            oidc_groups=oidc_groups,
            bindings=estate.bindings,
            projects=estate.projects,
            environments=estate.environments,
        )
    return known


def unauthenticated() -> Unauthenticated:
    """The one answer to whatever proves nobody: it does not tell why."""
    return Unauthenticated("unauthenticated", "nobody is signed in by what the request carries", hint="sign in again")
