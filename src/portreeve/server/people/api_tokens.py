"""API tokens: made by a person in a session, shown once, and never wider than that person.

A token has its user's roles of each moment, narrowed by its scope. A token cannot make tokens, so none begets a wider
or a longer one. Each has an end within `LONGEST`. Ending one is always possible: by its user, by the token itself, and
by whoever may change the user.

Sources: OWASP ASVS 5.0, 6.5 and 7.1.3; threats API-01, API-03.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from portreeve.core.audit import Action, Actor, ObjectKind, Target
from portreeve.core.permissions import Kind
from portreeve.core.secret import SecretValue
from portreeve.errors import Conflict, NotFound
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Transaction
from portreeve.server.people import bodies, store
from portreeve.server.people.principals import Account
from portreeve.server.people.tokens import digest, new_api_token

LONGEST: Final = timedelta(days=366)
"""A year and a day's grace for whoever renews on the same date."""
MOST_PER_USER: Final = 100
MAX_TITLE: Final = 100
"""Characters."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A token that is asked for."""

    title: str
    expires_at: datetime
    read_only: bool = False
    kinds: tuple[str, ...] | None = None

    @property
    def scope(self) -> dict[str, Any]:
        """As it is stored and answered."""
        kinds = {} if self.kinds is None else {"kinds": list(self.kinds)}
        return {"readOnly": self.read_only, **kinds}


@dataclass(frozen=True, slots=True)
class Made:
    """A token that was made. `token` is answered to whoever made it and is known to nobody after that."""

    id: str
    wanted: Wanted
    created_at: datetime
    token: SecretValue


def wanted(body: Any, now: datetime) -> Wanted:
    """The token that a body asks for.

    Raises:
        Rejected: `body_type`.
        Invalid: `request_invalid`.
    """
    found = bodies.fields(body, required=("title", "expiresAt"), optional=("scope",))
    title = bodies.text(found, "title", MAX_TITLE)
    expires_at = _moment(found["expiresAt"])
    if not now < expires_at <= now + LONGEST:
        raise bodies.wrong("expiresAt", f"must lie ahead, and within {LONGEST.days} days")
    scope = found.get("scope", {})
    if not isinstance(scope, Mapping) or set(scope) - {"readOnly", "kinds"}:
        raise bodies.wrong("scope", "must be an object of readOnly and kinds")
    read_only = scope.get("readOnly", False)
    if not isinstance(read_only, bool):
        raise bodies.wrong("scope.readOnly", "must be true or false")
    return Wanted(title, expires_at, read_only, _kinds(scope.get("kinds")))


def _moment(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(value)
        whole = found if found.tzinfo is not None else None
    except (TypeError, ValueError):
        whole = None
    if whole is None:
        raise bodies.wrong("expiresAt", "must be a time with a zone, as 2027-01-31T00:00:00Z")
    return whole


def _kinds(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    known = sorted(map(str, Kind))
    if not isinstance(value, Sequence) or isinstance(value, str) or not value or any(one not in known for one in value):
        raise bodies.wrong("scope.kinds", f"must be a list of one or more of {', '.join(known)}")
    return tuple(sorted(set(value)))


async def make(
    transaction: Transaction, who: Account, asked: Wanted, *, token_id: str, by: Actor, request: str
) -> Made:
    """Make one, with its event.

    Raises:
        Conflict: `too_many_tokens`.
    """
    connection, now = transaction.connection, transaction.now
    await store.sweep_api_tokens(connection, now)
    if len(await store.api_tokens(connection, who.name, who.uid, now)) >= MOST_PER_USER:
        hint = "revoke those that nothing uses"
        raise Conflict("too_many_tokens", f"one user has at most {MOST_PER_USER} API tokens", hint=hint)
    if asked.expires_at <= now:
        raise bodies.wrong("expiresAt", "must lie ahead")
    token = new_api_token()
    await store.insert_api_token(
        connection,
        id=token_id,
        token=digest(token),
        user=who.name,
        user_uid=who.uid,
        title=asked.title,
        scope=asked.scope,
        created_at=now,
        expires_at=asked.expires_at,
    )
    transaction.record(Entry(by, Action.API_TOKEN_CREATE, _target(token_id), request))
    return Made(token_id, asked, now, token)


async def revoke(transaction: Transaction, who: Account, token_id: str, *, by: Actor, request: str) -> None:
    """End one, with its event.

    Raises:
        NotFound: `not_found`: this user has none of this id.
    """
    if not await store.delete_api_token(transaction.connection, token_id, who.name, who.uid):
        raise NotFound("not_found", f"there is no API token {token_id} here")
    transaction.record(Entry(by, Action.API_TOKEN_REVOKE, _target(token_id), request))


def _target(token_id: str) -> Target:
    return Target(ObjectKind.API_TOKEN, token_id)
