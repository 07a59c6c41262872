"""Writes what `core.cluster_events` decides, as Events of the cluster, and works out the facts that it decides on.

Lowest of all priorities: it writes only while the delivery rests, one Event after the other, some at a time, and is
silent for a while when the API server says that it is busy. An Event that is refused for good counts as said. The
chart's role lets the agent create Events and not change them, so a repeated one is a new Event with a series.

Of pods those are told that nobody else has made: of others it is said at the workload. Whether an image may run is
judged as the control plane does it, once for each image of a namespace and each policy; `policy` says which.

Left out: Events across a restart. Source: kubernetes.md 3.5; events.k8s.io/v1.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from portreeve.core.agent_messages import Phase, Status
from portreeve.core.cluster import SYSTEM_NAMESPACES
from portreeve.core.cluster_events import (
    ACTIONS,
    Event,
    Fact,
    State,
    Subject,
    due,
    image_not_allowed,
    pull_credential_expiring,
    pull_secret_attached,
    pull_secret_conflict,
    said,
)
from portreeve.core.observation import PULL_SECRET
from portreeve.core.policy import Stage
from portreeve.core.sources import ResolvedSources
from portreeve.core.verdict import Decision, ImageVerdict, judge
from portreeve.errors import PortreeveError, Throttled, Unauthenticated, Unavailable
from portreeve.kube.client import Client
from portreeve.kube.objects import OwnedMeta
from portreeve.kube.resources import CLUSTER_EVENTS, PODS, SECRETS, SERVICE_ACCOUNTS, WORKLOADS, Resource

LOOK_S: Final = 10.0
QUIET_S: Final = 120.0
"""Seconds of silence after the API server was busy."""

JUDGED_FOR: Final = timedelta(minutes=5)
"""How long a verdict is kept: exemptions end by themselves."""

MOST_WAITING: Final = 1_000
"""ServiceAccounts of which it is still to be said that they name our secret; further ones are not told of."""

CONTROLLER: Final = "portreeve.io/agent"

_OWNERS: Final = {one.plural: one for one in WORKLOADS}

log = logging.getLogger("portreeve.agent")


class Telling:
    """Events of one cluster. As a `watching.Taker` it takes all kinds.

    Args:
        statuses: what is told of each namespace now.
        resting: whether the delivery has nothing to ask for.
    """

    def __init__(
        self,
        client: Client,
        statuses: Callable[[], Iterable[Status]],
        resting: Callable[[], bool],
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._client = client
        self._statuses = statuses
        self._resting = resting
        self._clock, self._monotonic = clock, monotonic
        self._sources: ResolvedSources | None = None
        self._judged: dict[tuple[str, str], ImageVerdict] = {}
        self._judged_at: datetime | None = None
        self._workloads: dict[tuple[str, str, str], tuple[Subject, tuple[str, ...]]] = {}
        self._secrets: dict[str, Subject] = {}
        self._accounts: dict[tuple[str, str], bool] = {}
        self._attached: list[Fact] = []
        self._quiet_until = 0.0
        self._state = State()
        self.written = 0
        """How many Events were written."""

    @property
    def quiet(self) -> bool:
        """Whether the API server is left alone."""
        return self._monotonic() < self._quiet_until

    def policy(self, sources: ResolvedSources | None) -> None:
        """From now images are judged by these sources; None: by none."""
        if sources != self._sources:
            self._sources = sources
            self._judged.clear()

    # As a `watching.Taker`

    def seen(self, resource: Resource, found: Any) -> None:
        """As `watching.Taker`."""
        metadata = found.metadata
        if resource == SECRETS:
            self._secrets[metadata.namespace] = _subject(resource, metadata)
        elif resource == SERVICE_ACCOUNTS:
            self._account(resource, found)
        elif resource == PODS:
            over = found.status.phase in {"Succeeded", "Failed"}
            self._workload(resource, found, () if over else _images(found.spec))
        elif resource.plural in _OWNERS:
            self._workload(resource, found, _images(found.template.spec))

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:  # noqa: ARG002 -- protocol
        """As `watching.Taker`."""
        if resource == SECRETS:
            self._secrets.pop(namespace, None)
        elif resource == SERVICE_ACCOUNTS:
            self._accounts.pop((namespace, name), None)
        else:
            self._workloads.pop((resource.plural, namespace, name), None)

    def complete(self, resource: Resource, *, went_back: bool) -> None:
        """As `watching.Taker`."""

    def _workload(self, resource: Resource, found: Any, images: tuple[str, ...]) -> None:
        metadata = found.metadata
        place = resource.plural, metadata.namespace, metadata.name
        if metadata.controller is not None or not images:
            self._workloads.pop(place, None)
        else:
            self._workloads[place] = _subject(resource, metadata), images

    def _account(self, resource: Resource, found: Any) -> None:
        """One that was seen without our entry and has it now was given it; who comes with it was not."""
        place = found.metadata.namespace, found.metadata.name
        before, now = self._accounts.get(place), PULL_SECRET in found.pull_secrets
        self._accounts[place] = now
        if now and before is False and len(self._attached) < MOST_WAITING:
            self._attached.append(pull_secret_attached(_subject(resource, found.metadata)))

    # What is said

    async def serve(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._resting() and not self.quiet:
                await self.look()

    async def look(self) -> int:
        """Write what is due now; how many that were."""
        now = self._clock()
        events = due(self._state, self._facts(now), now)
        for number, event in enumerate(events):
            if not await self._written(event):
                return number
        return len(events)

    async def _written(self, event: Event) -> bool:
        """Whether to go on."""
        namespace = event.fact.subject.namespace
        try:
            await self._client.create(CLUSTER_EVENTS, manifest(event), OwnedMeta, namespace=namespace)
            self.written += 1
        except (Throttled, Unavailable, Unauthenticated) as error:
            # It is said later, if it still holds then.
            self._quiet_until = self._monotonic() + max(QUIET_S, error.retry_after_s or 0.0)
            return False
        except PortreeveError as error:
            log.info("an event was not taken: %s", error.code)
        self._state = said(self._state, event)
        if event.fact in self._attached:
            self._attached.remove(event.fact)
        return True

    def _facts(self, now: datetime) -> Iterator[Fact]:
        yield from self._attached
        for status in self._statuses():
            subject = self._secrets.get(status.namespace)
            if subject is None:
                continue
            conflict = pull_secret_conflict(subject, status.phase)
            # What is not ours says nothing of our credentials.
            known = status.entries if status.phase is not Phase.TAKEN else ()
            expiring = pull_credential_expiring(subject, known, now)
            yield from (one for one in (conflict, expiring) if one is not None)
        yield from self._not_allowed(now)

    def _not_allowed(self, now: datetime) -> Iterator[Fact]:
        sources = self._sources
        if sources is None or sources.stage is Stage.OFF:
            return
        if self._judged_at is None or not self._judged_at <= now < self._judged_at + JUDGED_FOR:
            self._judged.clear()
            self._judged_at = now
        for subject, images in self._workloads.values():
            if subject.namespace in SYSTEM_NAMESPACES:
                continue  # never refused there
            verdicts = [self._verdict(subject.namespace, image, sources, now) for image in images]
            denied = [one for one in verdicts if one.decision is Decision.DENY]
            if denied:
                yield image_not_allowed(subject, denied, sources.policy, sources.stage)

    def _verdict(self, namespace: str, image: str, sources: ResolvedSources, now: datetime) -> ImageVerdict:
        found = self._judged.get((namespace, image))
        if found is None:
            found = self._judged[namespace, image] = judge(image, namespace, sources, now=now)
        return found


def _subject(resource: Resource, metadata: Any) -> Subject:
    return Subject(metadata.namespace, resource.kind, metadata.name, metadata.uid, resource.api_version)


def _images(spec: Any) -> tuple[str, ...]:
    return tuple(sorted({image for _, _, image in spec.images()}))


def manifest(event: Event) -> dict[str, Any]:
    """The Event as it is created. Its name is that of its subject, the time, and a mark of what it says."""
    fact, at = event.fact, event.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    subject = fact.subject
    told = zlib.crc32(f"{subject.kind} {fact.reason} {fact.note}".encode())
    stamp = f"{int(event.at.timestamp() * 1_000_000):x}{told:08x}"
    found: dict[str, Any] = {
        "apiVersion": CLUSTER_EVENTS.api_version,
        "kind": CLUSTER_EVENTS.kind,
        "metadata": {"name": f"{subject.name[:200].rstrip('.-')}.{stamp}", "namespace": subject.namespace},
        "eventTime": at,
        "reportingController": CONTROLLER,
        "reportingInstance": "portreeve-agent",
        "action": ACTIONS[fact.reason],
        "reason": str(fact.reason),
        "type": "Warning" if fact.reason.warning else "Normal",
        "note": fact.note,
        "regarding": {
            "apiVersion": subject.api_version,
            "kind": subject.kind,
            "namespace": subject.namespace,
            "name": subject.name,
            "uid": subject.uid,
        },
    }
    if event.count > 1:
        found["series"] = {"count": event.count, "lastObservedTime": at}
    return found
