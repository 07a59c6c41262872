"""One-time links: how somebody gets in who has no password yet, or has lost it.

The token stands in the fragment of the link's address, which no browser sends to a server and no proxy logs; the page
there posts it. It is stored as a hash and useless after `LASTS`.

Sources: OWASP ASVS 5.0, 6.4.3 and 6.6; the design's mission, "One-time sign-in links".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, insert

from portreeve.core.audit import Action, Actor, ObjectKind, Target, escaped
from portreeve.core.estate import Key
from portreeve.core.people import User
from portreeve.core.secret import SecretValue
from portreeve.errors import NotFound
from portreeve.server.audit.journal import Entry
from portreeve.server.database.tables import SIGN_IN_LINKS
from portreeve.server.database.writer import Transaction
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
    stored = transaction.snapshot.documents.get(Key("User", user))
    if stored is None or not isinstance(stored.value, User) or stored.value.disabled:
        raise NotFound("not_found", f"there is no user called {user} who may sign in")
    token, expires_at = new_token(), transaction.now + LASTS
    await transaction.connection.execute(delete(SIGN_IN_LINKS).where(SIGN_IN_LINKS.c.user == user))
    row = {"token": digest(token), "user": user, "expires_at": expires_at}
    await transaction.connection.execute(insert(SIGN_IN_LINKS).values(**row))
    transaction.record(Entry(by, Action.SIGN_IN_LINK_CREATE, Target(ObjectKind.USER, escaped(user)), request))
    return Link(user, SecretValue(f"{base}{PAGE}#t={token.reveal().decode()}"), expires_at)
