"""One-time links: how somebody gets in who has no password yet, or has lost it.

The token stands in the fragment of the link's address, which no browser sends to a server and no proxy logs; the page
there posts it. It is stored as a hash, taken by an atomic delete, and useless after `LASTS`.

Sources: OWASP ASVS 5.0, 6.4.3 and 6.6; the design's mission, "One-time sign-in links".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from portreeve.core.audit import Action, Actor, ObjectKind, Target, escaped
from portreeve.core.secret import SecretValue
from portreeve.errors import NotFound
from portreeve.server.audit.journal import Entry
from portreeve.server.database.writer import Transaction
from portreeve.server.people import store
from portreeve.server.people.principals import account
from portreeve.server.people.tokens import digest, new_token

LASTS: Final = timedelta(minutes=10)
PAGE: Final = "/login"


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was issued. `address` is for the one person's eyes."""

    user: str
    address: SecretValue
    expires_at: datetime


async def issue(transaction: Transaction, user: str, base: str, *, by: Actor, request: str) -> Link:
    """Issue a link, with its event; links of this user that were not used are void.

    Raises:
        NotFound: `not_found`: there is no such user, or it is disabled.
    """
    who = account(transaction.snapshot, user)
    if who is None:
        raise NotFound("not_found", f"there is no user called {user} who may sign in")
    token, expires_at = new_token(), transaction.now + LASTS
    await store.insert_link(
        transaction.connection,
        token=digest(token),
        user=who.name,
        uid=who.uid,
        expires_at=expires_at,
        now=transaction.now,
    )
    target = Target(ObjectKind.USER, escaped(who.name))
    transaction.record(Entry(by, Action.SIGN_IN_LINK_CREATE, target, request))
    return Link(who.name, SecretValue(f"{base}{PAGE}#t={token.reveal().decode()}"), expires_at)
