"""To see what somebody else sees: a request of a platform-admin is answered as if another user had sent it.

A request names them in the header `Portreeve-View-As`. It is answered with their roles, teams and nothing of the
asker's, so that an administrator finds out why somebody misses a button or a row without asking for a screenshot. It
only ever shows: the guard refuses whatever is no reading, and what is written all the same (a line of the log) names
the asker. An administrator reads everything anyway, so that nobody sees more by this. A page elsewhere cannot send the
header, and no cookie carries it. Source: the design's console, 2.1 (12); decision record: docs/adr/0034.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from portreeve.core.people import Role
from portreeve.core.reference import shown
from portreeve.errors import Denied, NotFound
from portreeve.server.database.engine import Database
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.http.caller import Caller, TokenScope
from portreeve.server.people import store
from portreeve.server.people.principals import account, principal
from portreeve.server.people.sessions import IDLE

HEADER: Final = "portreeve-view-as"


async def seen_as(caller: Caller, name: str, snapshot: Snapshot, database: Database, now: datetime) -> Caller:
    """The caller as the user of this name, for reading alone.

    Groups of an identity provider are known of who is signed in, and then they count: those of the latest session.

    Raises:
        Denied: `forbidden`: the caller is no platform-admin.
        NotFound: `not_found`: there is no such user, or it is disabled.
    """
    if not any(held.role is Role.PLATFORM_ADMIN for held in caller.principal.holdings):
        hint = "a platform-admin may; leave the header out to see what you see yourself"
        raise Denied("forbidden", "you may not look at what others see", hint=hint)
    found = account(snapshot, name)
    if found is None:
        hint = "portreeve get users lists who there is"
        raise NotFound("not_found", f"there is no user called {shown(name, 63)} who may sign in", hint=hint)
    async with database.reader.connect() as connection:
        rows = await store.sessions(connection, found.name, found.uid, now, now - IDLE)
    groups = frozenset(rows[-1].oidc_groups) if rows else frozenset()
    who = principal(snapshot, found.name, caller.principal.how, groups, uid=found.uid)
    return replace(
        caller,
        principal=who,
        scope=TokenScope(read_only=True, kinds=caller.scope.kinds),
        asked_by=caller.principal.user,
    )
