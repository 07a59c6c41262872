"""Keeps up with a cluster: one reflector for each kind, whose news go to whoever takes them.

Several take the same news (delivery, inventory), so that one watch is enough for each kind. A taker is told of what is
there, of what is gone, and when the whole of a kind is known; until then an absence means nothing. It is told in the
order of the watch, at once, and must not wait: nothing is queued here. One that fails over an object keeps neither the
others nor what follows from being told: whoever can write one object could else make an agent blind.

Left out: what anybody makes of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, Protocol

from portreeve.kube.client import EVERYTHING, Client, Selection
from portreeve.kube.objects import Event, Namespace, OwnedMeta, Pod, ServiceAccount, Workload
from portreeve.kube.pull_secret import SWEEP
from portreeve.kube.reflector import Added, Deleted, Interrupted, Modified, Reflector, Relisted, Synced
from portreeve.kube.resources import EVENTS, NAMESPACES, PODS, SECRETS, SERVICE_ACCOUNTS, WORKLOADS, Resource

AGAIN_S: Final = 5.0
"""Seconds before a watch begins anew after a mistake of ours."""

log = logging.getLogger("portreeve.agent")


@dataclass(frozen=True, slots=True)
class Watched:
    """What is watched of one kind, and as what it is read."""

    resource: Resource
    into: Any
    selection: Selection = EVERYTHING
    metadata_only: bool = False


EVERY_KIND: Final = (
    Watched(NAMESPACES, Namespace),
    Watched(SECRETS, OwnedMeta, SWEEP, metadata_only=True),
    Watched(SERVICE_ACCOUNTS, ServiceAccount),
    Watched(PODS, Pod),
    *(Watched(resource, Workload) for resource in WORKLOADS),
)
"""What an agent has to see before it does anything; of Secrets those of our name alone."""

TELLING: Final = tuple(
    Watched(EVENTS, Event, Selection(fields=f"reason={reason}"))
    for reason in ("Failed", "FailedCreate", "FailedToRetrieveImagePullSecret")
)
"""What it looks at beside: events that may say why a pull fails. Nothing waits for them."""


class Taker(Protocol):
    """Whoever takes news. `went_back`: the cluster is older than what was seen, as after a restored backup."""

    def seen(self, resource: Resource, found: Any) -> None:
        """An object is there, new or changed."""

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """An object is there no more."""

    def complete(self, resource: Resource, *, went_back: bool) -> None:
        """All of this kind has been told of."""


class Watching:
    """The watches of one cluster. `blind` holds, of each kind that cannot be seen now, the code of the error."""

    def __init__(
        self,
        client: Client,
        takers: Iterable[Taker],
        *,
        uniform: Callable[[float, float], float],
        kinds: Iterable[Watched] = (*EVERY_KIND, *TELLING),
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._takers = tuple(takers)
        self._uniform = uniform
        self._kinds = tuple(kinds)
        self._changed = changed
        self.blind: dict[str, str] = {}
        self.plurals = tuple(one.resource.plural for one in self._kinds)

    async def serve(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for one in self._kinds:
                group.create_task(self._keep_up(one), name=f"watch {one.resource.plural}")

    async def _keep_up(self, watched: Watched) -> None:
        resource = watched.resource
        reflector: Reflector[Any] = Reflector(
            self._client,
            resource,
            watched.into,
            watched.selection,
            uniform=self._uniform,
            metadata_only=watched.metadata_only,
        )
        while True:
            try:
                async with aclosing(reflector.events()) as events:
                    async for event in events:
                        self._told(resource, event)
            except Exception:
                # A mistake of ours. With another reflector nobody would hear of what went meanwhile.
                log.exception("the watch of %s failed, and begins anew", resource.plural)
                self._is_blind(resource, "internal")
                reflector.begin_anew()
            await asyncio.sleep(AGAIN_S)

    def _told(self, resource: Resource, event: Any) -> None:
        match event:
            case Interrupted(error, wait_s):
                log.warning("%s cannot be watched, again in %.0f s: %s", resource.plural, wait_s, error.code)
                self._is_blind(resource, error.code)
                return
            case Added(found) | Modified(found):
                self._tell(resource, lambda taker: taker.seen(resource, found))
            case Deleted((namespace, name), uid):
                self._tell(resource, lambda taker: taker.gone(resource, namespace, name, uid))
            case Synced():
                self._complete(resource, went_back=False)
            case Relisted(_, went_back):
                self._complete(resource, went_back=went_back)
        if self.blind.pop(resource.plural, None) is not None:
            self._changed()

    def _is_blind(self, resource: Resource, code: str) -> None:
        if self.blind.get(resource.plural) != code:
            self.blind[resource.plural] = code
            self._changed()

    def _complete(self, resource: Resource, *, went_back: bool) -> None:
        self._tell(resource, lambda taker: taker.complete(resource, went_back=went_back))

    def _tell(self, resource: Resource, tell: Callable[[Taker], None]) -> None:
        for taker in self._takers:
            try:
                tell(taker)
            except Exception:
                log.exception("%s: what was seen of one was not understood", resource.plural)
