"""What a cluster holds of one kind, kept up with: listed once, then watched, and listed anew when that must be.

Theory of operation
-------------------
`Reflector.events()` begins with an `Added` for each object and then `Synced`; from there each change comes as it
happens. Only the identity of objects is kept here (name → UID and version), the objects are the caller's.

* A list is asked for at the most recent version, so that a server that is behind cannot show a world that has passed.
  One that is older than what was seen all the same is asked for again as `NotOlderThan`; only if the server has nothing
  newer was the cluster restored from a backup, and `Relisted.went_back` says so.
* After a list that was not the first, what differs comes as `Added`, `Modified` and `Deleted`, then `Relisted`.
* An object whose UID is another one was deleted and made again: it comes as `Deleted` and `Added`, also when the watch
  told of a change alone.
* An event of a version that was seen before is dropped: servers repeat them after a reconnect.
* After a failure the server is asked for its newest version before a watch goes on: one that was restored meanwhile
  accepts a version that is still to come, and says nothing until it has come.
* Bookmarks move the version on, so that a watch that ends can go on where it was.
* A failure comes as `Interrupted` with the wait, and then it is tried again: after `retry_after_s` where the server
  named it, else after a decorrelated jitter between half a second and a minute. What was seen stays valid meanwhile,
  and nobody is told that an object is gone because nothing could be asked.

Whoever takes events slowly is waited for: there is no queue here, TCP keeps the server waiting.

Left out: deciding when being interrupted is too long, and sharing one watch among several takers.

Sources: Kubernetes API concepts, "Efficient detection of changes", "Resource versions" (comparable as numbers,
KEP-5504); client-go tools/cache/reflector.go; AWS, "Exponential Backoff And Jitter" (decorrelated).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from portreeve.errors import PortreeveError, Unavailable
from portreeve.kube.answers import Page, WatchEvent
from portreeve.kube.asking import PLAIN
from portreeve.kube.client import EVERYTHING, METADATA, METADATA_LIST, Client, Selection
from portreeve.kube.errors import Gone
from portreeve.kube.objects import Meta
from portreeve.kube.resources import Resource

SHORTEST_S: Final = 0.5
LONGEST_S: Final = 60.0
"""Between tries. Half a second spares a server that restarts; a minute is what an agent may be blind for longer."""

WATCH_S: Final = (300, 600)
"""How long one watch lasts, drawn evenly, so that many do not begin anew together. Source: client-go."""


class Object(Protocol):
    """An object with its metadata, as the structs of `objects` are."""

    @property
    def metadata(self) -> Any: ...


O = TypeVar("O", bound=Object)  # noqa: E741 -- the object

Key = tuple[str, str]
"""(namespace, name)"""


@dataclass(frozen=True, slots=True)
class Added(Generic[O]):
    """An object that was not there before."""

    object: O


@dataclass(frozen=True, slots=True)
class Modified(Generic[O]):
    """An object that changed."""

    object: O


@dataclass(frozen=True, slots=True)
class Deleted:
    """An object that is there no more."""

    key: Key
    uid: str


@dataclass(frozen=True, slots=True)
class Synced:
    """The first list is complete: what was not told of is not there."""

    resource_version: str


@dataclass(frozen=True, slots=True)
class Relisted:
    """A further list is complete. `went_back`: the cluster is older than what was seen, as after a restored backup."""

    resource_version: str
    went_back: bool


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Nothing can be seen now; it is tried again after `wait_s`."""

    error: PortreeveError
    wait_s: float


Event = Added[O] | Modified[O] | Deleted | Synced | Relisted | Interrupted


class Reflector(Generic[O]):
    """Keeps up with one kind, for one taker: `events()` is called once, and again only after it has failed."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        into: type[O],
        selection: Selection = EVERYTHING,
        *,
        uniform: Callable[[float, float], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        metadata_only: bool = False,
    ) -> None:
        """
        Args:
            into: a struct with `metadata`; with `metadata_only` the server sends nothing else.
            uniform: a number between two, evenly; `random.uniform` in programs.
        """
        self._client, self._resource, self._into, self._selection = client, resource, into, selection
        self._uniform, self._sleep = uniform, sleep
        self._accept = (METADATA_LIST, METADATA) if metadata_only else (PLAIN, PLAIN)
        self._known: dict[Key, tuple[str, str]] = {}
        self._version = ""  # where a watch goes on; "" asks for a list
        self._doubtful = False  # whether it has to be seen that the server still is as far as that
        self._seen = ""  # the newest version that was ever shown
        self._wait_s = SHORTEST_S

    async def events(self) -> AsyncGenerator[Event[O]]:
        """Without end; use it in `aclosing`. Failures of asking are events, see above; nothing is raised for them."""
        while True:
            fault: PortreeveError | None = None
            lively = False
            try:
                if self._doubtful and await self._went_back():
                    self._version = ""
                self._doubtful = False
                if not self._version:
                    async with aclosing(self._list()) as found:
                        async for event in found:
                            yield event
                async with aclosing(self._watch()) as seen:
                    async for one in seen:
                        lively = True
                        if one is not None:
                            yield one
            except Gone:
                self._version = ""
            except PortreeveError as error:
                fault = error
                if error.code == "kube_version_ahead":
                    self._version = ""
            if fault is None and lively and self._version:
                continue
            self._doubtful = fault is not None and bool(self._version)
            wait_s = self._next_wait(fault)
            if fault is not None:
                yield Interrupted(fault, wait_s)
            await self._sleep(wait_s)

    def begin_anew(self) -> None:
        """List again before anything else, after a mistake: what went meanwhile is told, as of any list."""
        self._version = ""

    async def _went_back(self) -> bool:
        """Whether the server has not come as far as what was seen: it was restored while nothing could be asked.

        It would take a watch from a version that is still to come, and be silent until then, for hours maybe.
        """
        newest = self._client.pages(self._resource, Meta, self._selection, accept=METADATA_LIST, limit=1)
        async with aclosing(newest) as pages:
            async for page in pages:
                return _number(page.resource_version) < _number(self._version)
        return False

    def _next_wait(self, fault: PortreeveError | None) -> float:
        self._wait_s = min(LONGEST_S, self._uniform(SHORTEST_S, self._wait_s * 3))
        named_s = fault.retry_after_s if fault is not None else None
        return max(self._wait_s, named_s or 0.0)

    async def _list(self) -> AsyncGenerator[Event[O]]:
        """What differs from what is known. It is known as soon as it was told, so that a list may begin anew."""
        first = not self._seen
        went_back = False
        fresh: dict[Key, tuple[str, str]] = {}
        version = ""
        async with aclosing(self._pages()) as pages:
            async for page, older in pages:
                if page.first:
                    fresh, version, went_back = {}, page.resource_version, older
                for item in page.items:
                    key, mark = _mark(item)
                    fresh[key] = mark
                    for event in self._took(key, mark, item):
                        yield event
        for key in [key for key in self._known if key not in fresh]:
            yield self._lost(key)
        self._version = self._seen = version
        yield Synced(version) if first else Relisted(version, went_back)

    async def _pages(self) -> AsyncGenerator[tuple[Page[O], bool]]:
        """The pages of a list, with whether it is older than what was seen and the server has nothing newer."""
        async with aclosing(self._asked("")) as pages:
            async for page in pages:
                if page.first and _number(page.resource_version) < _number(self._seen):
                    break
                yield page, False
            else:
                return
        try:
            async with aclosing(self._asked(self._seen)) as pages:
                async for page in pages:
                    yield page, False
                return
        except Unavailable as fault:
            if fault.code != "kube_version_ahead":
                raise
        async with aclosing(self._asked("")) as pages:
            async for page in pages:
                yield page, True

    def _asked(self, not_older_than: str) -> AsyncGenerator[Page[O]]:
        return self._client.pages(
            self._resource, self._into, self._selection, accept=self._accept[0], not_older_than=not_older_than
        )

    async def _watch(self) -> AsyncGenerator[Event[O] | None]:
        """One watch to its end; None for what is alive and tells nothing new."""
        watched = self._client.watch(
            self._resource,
            self._into,
            self._selection,
            resource_version=self._version,
            timeout_s=int(self._uniform(*WATCH_S)),
            accept=self._accept[1],
        )
        async with aclosing(watched) as events:
            async for event in events:
                self._wait_s = SHORTEST_S
                told = list(self._told(event))
                for one in told:
                    yield one
                if not told:
                    yield None
                if not self._version:
                    return

    def _told(self, event: WatchEvent[O]) -> Iterator[Event[O]]:
        if event.object is None:
            # A server that was restored from a backup goes on from there, and would pass over all until our version.
            behind = _number(event.resource_version) < _number(self._version)
            self._version = "" if behind else event.resource_version
            self._seen = self._seen if behind else event.resource_version
            return
        key, mark = _mark(event.object)
        known = self._known.get(key)
        if known is not None and known[0] == mark[0] and _number(mark[1]) < _number(known[1]):
            return
        if event.type == "DELETED":
            if known is not None and known[0] == mark[0]:
                yield self._lost(key)
        else:
            yield from self._took(key, mark, event.object)
        self._version = self._seen = event.resource_version

    def _took(self, key: Key, mark: tuple[str, str], item: O) -> Iterator[Event[O]]:
        """What an object that is there means beside what is known. It is known before it is told."""
        known = self._known.get(key)
        if known == mark:
            return
        if known is not None and known[0] != mark[0]:
            yield self._lost(key)
            known = None
        self._known[key] = mark
        yield Added(item) if known is None else Modified(item)

    def _lost(self, key: Key) -> Deleted:
        return Deleted(key, self._known.pop(key)[0])


def _mark(item: Object) -> tuple[Key, tuple[str, str]]:
    metadata = item.metadata
    return (metadata.namespace, metadata.name), (metadata.uid, metadata.resource_version)


def _number(version: str) -> int:
    """A version as a number; -1 for none, and for what a server before 1.35 might call one."""
    return int(version) if version.isdecimal() else -1
