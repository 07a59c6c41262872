"""A second copy of the agent in the same cluster: one that was paused, or restored from an older copy of its disk.

It has its own state and its own stored documents and records, sees and asks the same API server, and is told of nothing
that its sibling knows. What it writes counts as the agent's: what is somebody else's neither of them may touch.

Source: reliability F-23.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, Protocol

from portreeve.core import reconcile
from portreeve.core.agent_messages import (
    Answer,
    DesiredReceived,
    DocumentPersisted,
    Event,
    Listed,
    PersistDocument,
    PersistRecord,
    Report,
    ReportDocument,
    Restarted,
    Saved,
    Tick,
)
from portreeve.core.delivery import Document
from portreeve.core.observation import Kind
from portreeve.core.pacing import Limits
from portreeve.core.reconcile_state import State
from tests.simulation.cluster import Api

Later = Callable[[float, Event], None]
"""Gives an event to the twin after so many seconds."""


class Where(Protocol):
    """The world in which it lives."""

    t: float
    random: Random
    api: Api

    def send(self, after: float, what: str, value: Any) -> None: ...
    def now(self) -> Any: ...


class Twin:
    """`follows`: it gets new documents, too; else it goes on by the one that it has."""

    def __init__(self, where: Where, saved: Saved, limits: Limits, *, follows: bool) -> None:
        self.where, self.saved, self.follows = where, saved, follows
        self.active = True
        self.state, _ = reconcile.step(State(), Restarted(saved, limits))
        for kind in Kind:
            self.event(Listed(kind, where.api.items(kind)))

    def document(self, document: Document) -> None:
        """The channel brings a document."""
        if self.follows:
            self.later(0.5, DesiredReceived(document))

    def later(self, after: float, event: Event) -> None:
        """An event comes."""
        self.where.send(after, "twin", (self, event))

    def tick(self) -> None:
        """Time passes."""
        self.event(Tick(self.where.now(), self.where.t, self.where.random.random()))

    def event(self, event: Event) -> None:
        """Nothing, once it has been stopped."""
        if not self.active:
            return
        self.state, effects = reconcile.step(self.state, event)
        for effect in effects:
            match effect:
                case PersistDocument(document):
                    self.saved = replace(self.saved, document=document)
                    self.later(0.01, DocumentPersisted(document.generation))
                case PersistRecord(namespace, record):
                    records = {name: one for name, one in self.saved.records.items() if name != namespace}
                    self.saved = replace(self.saved, records=records | ({namespace: record} if record else {}))
                case Report() | ReportDocument():
                    pass
                case _:
                    self.where.send(0.02, "twin request", (self, effect))

    def carried_out(self, request: Any) -> None:
        """At the API server, also when the twin was stopped meanwhile."""
        outcome, seen = self.where.api.carry_out(request)
        account = getattr(request, "name", "")
        at, chance = self.where.t, self.where.random.random()
        self.later(0.05, Answer(request.ask, request.namespace, account, outcome, at, chance, seen))
