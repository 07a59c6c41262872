"""From a proven identity to a principal: the roles are those of the snapshot, at each request anew."""

from __future__ import annotations

from portreeve.core.authorization import Authentication, Principal, authenticated
from portreeve.core.estate import Key
from portreeve.core.people import User
from portreeve.errors import Unauthenticated
from portreeve.server.documents.snapshot import Snapshot


def principal(
    snapshot: Snapshot, user: str, how: Authentication, oidc_groups: frozenset[str] = frozenset()
) -> Principal:
    """Who this user is now. For authenticators alone.

    Raises:
        Unauthenticated: there is no such user any more, or it is disabled.
    """
    stored = snapshot.documents.get(Key("User", user))
    if stored is None or not isinstance(stored.value, User) or stored.value.disabled:
        raise unauthenticated()
    memo = (user, how, oidc_groups)
    found = snapshot.principals.get(memo)
    if found is None:
        estate = snapshot.estate
        found = snapshot.principals[memo] = authenticated(
            user,
            how,
            teams=estate.teams,
            oidc_groups=oidc_groups,
            bindings=estate.bindings,
            projects=estate.projects,
            environments=estate.environments,
        )
    return found


def unauthenticated() -> Unauthenticated:
    """The one answer to whatever proves nobody: it does not tell why."""
    return Unauthenticated("unauthenticated", "nobody is signed in by what the request carries", hint="sign in again")
