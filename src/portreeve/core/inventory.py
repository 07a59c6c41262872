"""What a cluster runs, could run, and could not pull, kept up with object by object, told namespace by namespace.

Theory of operation
-------------------
Of each object only what it says of images and pull secrets is held (`core.namespace_view`), by namespace. A change
costs a look-up and a comparison, and marks its namespace if it says something new; what follows from all of a namespace
together is worked out when a report is due, and of marked namespaces alone. So nothing depends on the order in which
objects of several kinds come: a pod may be known before the ReplicaSet that tells whose it is.

What was told and acknowledged is held as views. `delta` is what differs from them: single lines of images, and whole
namespaces of everything else. Until `acknowledged`, the same namespaces are told again. Nothing is told before each
kind was listed once: half a cluster would read as workloads that went away.

Left out: reading API objects, which the edge does.

Sources: requirements B-05, C-05 to C-07, U-03; the design's documents, "The agent channel".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from portreeve.core.namespace_view import (
    NOTHING,
    TEMPLATES,
    AccountSaid,
    EventSaid,
    Line,
    PodSaid,
    Said,
    Space,
    TemplateSaid,
    View,
    view_of,
    written,
)

NEEDED: Final = frozenset({"Pod", "ServiceAccount", *TEMPLATES})
"""What has to be listed before anything is told. Events are not: a cluster without them has failures all the same."""

MOST_EVENTS: Final = 1_000
"""Events held of one namespace; they end by themselves after an hour."""
BATCH_LINES: Final = 50_000
BATCH_CHARACTERS: Final = 8 << 20
"""Lines, and characters as JSON, in one delta, unless a single namespace has more. What is left comes with the next."""

AROUND: Final = 60
"""Characters around the names of a line."""


@dataclass(frozen=True, slots=True)
class Delta:
    """What is to be told: (namespace, line) of images, and namespace → its view where anything else differs."""

    added: tuple[tuple[str, Line], ...] = ()
    removed: tuple[tuple[str, Line], ...] = ()
    changed: tuple[tuple[str, View], ...] = ()


class Inventory:
    """What is known of a cluster and what of it was told. It is changed in place: ten thousand pods change often."""

    def __init__(self, needed: frozenset[str] = NEEDED) -> None:
        """
        Args:
            needed: kinds that have to be listed before anything is told.
        """
        self._missing = set(needed)
        self._spaces: dict[str, Space] = {}
        self._marked: set[str] = set()
        self._told: dict[str, View] = {}
        self._sent: dict[str, View] = {}

    @property
    def complete(self) -> bool:
        """Whether each kind was listed once."""
        return not self._missing

    @property
    def due(self) -> bool:
        """Whether there may be something to tell."""
        return self.complete and bool(self._marked or self._sent)

    def changed(self, said: Said) -> None:
        """An object is there, or says something else now."""
        kind = _kind(said)
        space = self._spaces.setdefault(said.namespace, Space())
        held = space.held.setdefault(kind, {})
        before = held.get(said.name)
        if before == said or (before is None and kind == "Event" and len(held) >= MOST_EVENTS):
            return
        held[said.name] = said
        if isinstance(before, TemplateSaid):
            space.above.pop(before.uid, None)
        if isinstance(said, TemplateSaid) and said.between:
            space.above[said.uid] = said.above
        self._marked.add(said.namespace)

    def deleted(self, kind: str, namespace: str, name: str) -> None:
        """An object is there no more."""
        space = self._spaces.get(namespace)
        gone = space.held.get(kind, {}).pop(name, None) if space else None
        if space is None or gone is None:
            return
        if isinstance(gone, TemplateSaid):
            space.above.pop(gone.uid, None)
        if not any(space.held.values()):
            del self._spaces[namespace]
        self._marked.add(namespace)

    def listed(self, kind: str) -> None:
        """Everything of this kind was told."""
        self._missing.discard(kind)

    def view(self, namespace: str) -> View:
        """A namespace as it is now."""
        space = self._spaces.get(namespace)
        return NOTHING if space is None else view_of(space)

    def delta(self) -> Delta:
        """What differs from what was acknowledged, as much of it as one report holds. Nothing before all is listed."""
        if not self.complete:
            return Delta()
        added: list[tuple[str, Line]] = []
        removed: list[tuple[str, Line]] = []
        changed: list[tuple[str, View]] = []
        lines = characters = 0
        marked, self._marked, self._sent = self._marked | self._sent.keys(), set(), {}
        for namespace in sorted(marked):
            before, now = self._told.get(namespace, NOTHING), self.view(namespace)
            new, old = _difference(before.images, now.images)
            rest = now.rest != before.rest
            lines += len(new) + len(old) + (now.rows if rest else 0)
            characters += sum(written(one.owner) + written(one.image) + len(one.digest) for one in (*new, *old))
            characters += (len(new) + len(old)) * (len(namespace) + AROUND)
            characters += now.characters + now.rows * AROUND if rest else 0
            if (lines > BATCH_LINES or characters > BATCH_CHARACTERS) and self._sent:
                self._marked.add(namespace)
                continue
            self._sent[namespace] = now
            added += ((namespace, line) for line in new)
            removed += ((namespace, line) for line in old)
            if rest:
                changed.append((namespace, now))
        return Delta(tuple(added), tuple(removed), tuple(changed))

    def acknowledged(self) -> None:
        """The last delta was taken."""
        for namespace, view in self._sent.items():
            if view == NOTHING:
                self._told.pop(namespace, None)
            else:
                self._told[namespace] = view
        self._sent = {}

    def reset(self) -> None:
        """Nothing counts as told: the next delta is everything, as a whole report wants it."""
        self._told, self._sent = {}, {}
        self._marked = set(self._spaces)


def _kind(said: Said) -> str:
    match said:
        case PodSaid():
            return "Pod"
        case TemplateSaid(kind=kind):
            return kind
        case AccountSaid():
            return "ServiceAccount"
        case EventSaid():
            return "Event"


def _difference(before: tuple[Line, ...], now: tuple[Line, ...]) -> tuple[list[Line], list[Line]]:
    """What is new and what is gone; a line whose digest alone changed is new: it replaces the one before."""
    if before == now:
        return [], []
    was, names = set(before), {(line.owner, line.image) for line in now}
    return [line for line in now if line not in was], [one for one in before if (one.owner, one.image) not in names]
