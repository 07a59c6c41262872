"""Who calls: a proven principal, by what it was proven, and the request it was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portreeve.core.audit import Actor, Via, ViaKind, escaped
from portreeve.core.authorization import Principal


@dataclass(frozen=True, slots=True)
class TokenScope:
    """What narrows an API token below its user's roles. `kinds` None means all."""

    read_only: bool = False
    kinds: frozenset[str] | None = None


UNSCOPED = TokenScope()


@dataclass(frozen=True, slots=True)
class Caller:
    """The principal behind one request. `via` names the session or token by an id that opens nothing."""

    principal: Principal
    via: Via
    request: str
    scope: TokenScope = UNSCOPED
    expires_at: datetime | None = None
    """When the session or token ends at the latest; None for what has no end."""
    asked_by: str = ""
    """Who really asks, where `principal` is somebody whose view they look at (`people.viewing`)."""

    @property
    def actor(self) -> Actor:
        """As audit events name them: whoever it was, not whose view it is."""
        return Actor(escaped(self.asked_by or self.principal.user), self.via)


@dataclass(frozen=True, slots=True)
class Ourselves:
    """What carries out, without a person, what somebody was allowed to do before; nobody decides on it again."""

    actor: Actor
    request: str


Acting = Caller | Ourselves
"""Whoever a change is recorded of."""

SYSTEM = Via(ViaKind.SYSTEM, "portreeve")
"""What acts without a person: sweeps and the scheduler."""
