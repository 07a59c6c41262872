"""People, their sessions and their tokens as they are answered. No form of a token or a password is among it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row

from portreeve.core.audit import ViaKind
from portreeve.core.authorization import Holding
from portreeve.core.permissions import OPERATIONS, PERSONAL, roles_that_may
from portreeve.server.documents.view import time
from portreeve.server.http.caller import UNSCOPED, Caller, TokenScope
from portreeve.server.http.guard import in_scope
from portreeve.server.people.api_tokens import Made
from portreeve.server.people.principals import Account
from portreeve.server.people.sessions import IDLE, Started


def myself(caller: Caller, who: Account) -> dict[str, Any]:
    """Who the caller is, what they may do where, and how that is known."""
    if caller.asked_by:
        # What their buttons are is to be seen, too, though none of them does anything now.
        caller = replace(caller, scope=TokenScope(kinds=caller.scope.kinds))
    known = "session" if caller.via.kind is ViaKind.SESSION else "token"
    answered: dict[str, Any] = {
        "user": who.name,
        "title": who.title,
        "teams": sorted(caller.principal.teams),
        "roles": [_role(held) for held in caller.principal.holdings],
        "signedIn": {"by": str(caller.principal.how), known: caller.via.id, "expiresAt": time(caller.expires_at)},
        "may": _may(caller),
        "whoMay": {
            str(kind): {str(action): [str(role) for role in roles_that_may(kind, action)] for action in actions}
            for kind, actions in OPERATIONS.items()
        },
    }
    if caller.asked_by:
        answered["askedBy"] = caller.asked_by
    if caller.scope != UNSCOPED:
        kinds = None if caller.scope.kinds is None else sorted(caller.scope.kinds)
        answered["scope"] = {"readOnly": caller.scope.read_only, "kinds": kinds}
    return answered


def _may(caller: Caller) -> dict[str, list[str]]:
    """Kind → what they may do with some object of it. Which ones is decided on each of them, when it is done."""
    roles = {held.role for held in caller.principal.holdings}
    return {
        str(kind): [
            str(action)
            for action in actions
            if in_scope(caller, action, kind)
            and ((kind, action) == PERSONAL or not roles.isdisjoint(roles_that_may(kind, action)))
        ]
        for kind, actions in OPERATIONS.items()
    }


def _role(held: Holding) -> dict[str, Any]:
    scope = held.scope
    places = {"environments": scope.environments, "groups": scope.groups, "namespaces": scope.namespaces}
    role: dict[str, Any] = {"role": str(held.role), "source": held.source}
    role["scope"] = {name: list(named) for name, named in places.items() if named}
    if held.project:
        role["project"] = held.project
    return role


def begun(started: Started) -> dict[str, Any]:
    """A session that has just begun; its token is in the cookie alone."""
    return {"user": started.user, "session": started.id, "expiresAt": time(started.expires_at)}


def sessions(rows: Sequence[Row[Any]], current: str = "") -> dict[str, Any]:
    """Sessions, the oldest first; `current` is the one that asks."""
    items = [
        {
            "id": row.id,
            "by": row.method,
            "createdAt": time(row.created_at),
            "seenAt": time(row.seen_at),
            "expiresAt": time(min(row.expires_at, row.seen_at + IDLE)),
            "current": row.id == current,
        }
        for row in rows
    ]
    return {"items": items}


def tokens(rows: Sequence[Row[Any]]) -> dict[str, Any]:
    """API tokens, the oldest first."""
    items = [
        {
            "id": row.id,
            "title": row.title,
            "scope": row.scope,
            "createdAt": time(row.created_at),
            "expiresAt": time(row.expires_at),
            "usedAt": time(row.used_at),
        }
        for row in rows
    ]
    return {"items": items}


def made(token: Made) -> dict[str, Any]:
    """A token that was just made: the one answer that has it."""
    return {
        "id": token.id,
        "title": token.wanted.title,
        "scope": token.wanted.scope,
        "createdAt": time(token.created_at),
        "expiresAt": time(token.wanted.expires_at),
        "token": token.token.reveal().decode(),
    }
