"""How fresh what is told of the environments is: the stamp beside every number."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.service import seen
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.view import is_connected, time
from portreeve.server.http.caller import Caller

NAMED: Final = 5
"""Silent environments that are named; the others are counted."""


def freshness(caller: Caller, snapshot: Snapshot, now: datetime) -> dict[str, Any]:
    """Of how many environments the caller sees what, since when, and who is silent."""
    names = [one.key.name for one in seen(caller, KINDS["Environment"], snapshot)]
    reported = [at for name in names if (at := known_at(name, snapshot)) is not None]
    silent = [name for name in names if not is_connected(name, snapshot, now)]
    return {
        "environments": len(names),
        "reported": len(reported),
        "oldest": time(min(reported, default=None)),
        "newest": time(max(reported, default=None)),
        "silent": [{"environment": name, "lastSeen": time(last_seen(name, snapshot))} for name in silent[:NAMED]],
        "silentTotal": len(silent),
    }


def known_at(name: str, snapshot: Snapshot) -> datetime | None:
    """Of when what is told of an environment is: an agent that comes with nothing new says that it still holds."""
    said, seen_at = snapshot.reports.get(name), last_seen(name, snapshot)
    if said is None:
        return None
    return said.at if seen_at is None else max(said.at, seen_at)


def last_seen(name: str, snapshot: Snapshot) -> datetime | None:
    """When its agent was seen last."""
    row = snapshot.agents.get(name)
    return None if row is None else row.seen_at
