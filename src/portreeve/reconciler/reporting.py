"""What is told to the control plane: how things stand, put together, sent as what has changed since it took the last.

Theory of operation. Whoever has something to say sets it here, as often as it likes; what is said twice alike is said
once. A report goes out a moment after the first change, so that a rotation of a thousand namespaces is a few reports,
and says only what is not acknowledged yet. What was sent and not acknowledged is said again with the next one. Where
the control plane misses a report it says so (`report_gap`), and gets everything, as from an agent that has begun.

The control plane takes so much at once. What is more goes with the reports right behind, and until the last of them the
cluster counts as not seen (`ClusterSeen`), so that nobody takes what is missing for gone. Whole namespaces' secrets go
first. An inventory that the control plane refuses is left out for a while, and that is told: how deliveries stand must
not depend on what somebody has written into a pod. Numbers follow the clock, so that a start knows no number of the one
before; if that clock was ahead, a whole report is refused, and the next one jumps.

The first report waits until the cluster was looked at as a whole, or until `BLIND_S`: it would take the place of what
is known of the environment with nothing.

Left out: the transport, and what the parts mean. Source: the design's documents, "The agent channel".
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from portreeve.core.agent_messages import Phase, ReportDocument, Status, Verdict
from portreeve.core.agent_messages import Report as Told
from portreeve.core.pacing import FRESH
from portreeve.errors import Conflict, Invalid, PortreeveError
from portreeve.kube.resources import NAMESPACES, Resource
from portreeve.wire.channel import MAX_NUMBER, MOST_LABELS, MOST_NAMESPACES, Report

GATHER_S: Final = 0.2
"""Seconds that changes are gathered for. The way from a revocation to what is shown has five."""

BLIND_S: Final = 30.0
"""After this the first report is sent in any case."""

SECRETS_BYTES: Final = 3 << 20
NAMESPACES_BYTES: Final = 2 << 20
"""Of one report, as JSON. With an inventory (`core.inventory`) that is below the 16 MB that the control plane takes."""

BARE_S: Final = 600.0
"""How long nothing is said of the inventory after it was refused."""

JUMP_MS: Final = 3_600_000
"""How far numbers jump at first when those of an earlier start are higher; doubled each time."""

_CONFLICTS: Final[Mapping[Phase, str]] = {
    Phase.TAKEN: "there is a Secret of this name that is not ours",
    Phase.IMMUTABLE: "somebody has made the pull secret immutable: delete it, and it is made anew",
    Phase.DISAGREEING: "grants bring different credentials for one key",
    Phase.FORBIDDEN: "the agent's role does not allow it",
    Phase.REFUSED: "the API server refuses it: a quota, or somebody's admission webhook",
    Phase.TOO_LARGE: "it would be larger than a Secret may be: grant fewer registries, or one as a whole",
    Phase.LEFT: "a ServiceAccount names portreeve-pull, which is gone; whose entry that is cannot be told: take it out",
    Phase.UNFIT: "a credential fits into no pull secret: its user name has a colon, or its password is no text",
}
"""What people are told of a namespace that does not have what it should."""

_WORDS: Final[Mapping[Phase, str]] = {phase: "".join(map(str.capitalize, phase.value.split())) for phase in Phase}

log = logging.getLogger("portreeve.agent")


MOST_REFUSALS: Final = 3
"""Refusals that are answered at once; then it waits as after any failure."""


class Part(Protocol):
    """Something that reports fields of its own: the inventory."""

    def delta(self) -> Mapping[str, Any]:
        """Fields of a `Report`: what is not acknowledged yet."""

    def acknowledged(self) -> None:
        """What `delta` gave last was taken."""

    def reset(self) -> None:
        """Nothing counts as acknowledged any more."""


class Reporter:
    """Puts reports together and sends them.

    Args:
        send: one report to the control plane. Raises: Conflict: `report_gap`; PortreeveError: it was not taken.
        clock, monotonic: UTC, and seconds that nobody sets; chance: [0, 1).
    """

    def __init__(
        self,
        send: Callable[[Report], Awaitable[None]],
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self._send = send
        self._clock, self._monotonic, self._chance = clock, monotonic, chance
        self._number = 0
        self._whole = True
        self._generation = 0
        self._conditions: dict[str, dict[str, Any]] = {}
        self._said_conditions: tuple[Mapping[str, Any], ...] | None = None
        self._secrets: dict[str, dict[str, Any]] = {}
        self._namespaces: dict[str, dict[str, Any]] = {}
        self._changed_secrets: set[str] = set()
        self._changed_namespaces: set[str] = set()
        self._capabilities: dict[str, Any] | None = None
        self._said_capabilities: dict[str, Any] | None = None
        self._registries: Mapping[str, str] = {}
        self._parts: tuple[Part, ...] = ()
        self._bare_until: float | None = None
        self._ahead_ms = 0
        self._sending = asyncio.Lock()
        self._news = asyncio.Event()
        self.taken_at: datetime | None = None
        """When a report was taken last."""
        self.counted: Counter[tuple[str, ...]] = Counter()
        """(taken or failed,) → how many reports."""
        self.ready = asyncio.Event()
        """Set once the cluster was looked at as a whole."""

    # What is said

    def add_parts(self, parts: Iterable[Part]) -> None:
        """Others that report fields of their own; they call `changed`."""
        self._parts = (*self._parts, *parts)

    def changed(self) -> None:
        """Something is to be said."""
        self._news.set()

    def condition(self, kind: str, status: str, reason: str, message: str = "") -> None:
        """A condition; the time of its last transition is when its status changed here."""
        before = self._conditions.get(kind)
        now = self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        since = before["lastTransitionTime"] if before is not None and before["status"] == status else now
        found: dict[str, Any] = {"type": kind, "status": status, "reason": reason, "lastTransitionTime": since}
        if message:
            found["message"] = message
        if self._generation:
            found["observedGeneration"] = self._generation
        if found != before:
            self._conditions[kind] = found
            self.changed()

    def put_conditions(self, conditions: Iterable[Mapping[str, Any]]) -> None:
        """Conditions as somebody else keeps them, whole."""
        for one in conditions:
            if self._conditions.get(one["type"]) != one:
                self._conditions[one["type"]] = dict(one)
                self.changed()

    def believed(self, generation: int) -> None:
        """A document is believed; what is observed is observed under it."""
        self._generation = max(self._generation, generation)

    def accepted(self, generation: int, code: str) -> None:
        """Whether the document that came is believed: "", or why not; `generation` is the last that was."""
        self.believed(generation)
        status, reason = ("False", _word(code)) if code else ("True", "Believed")
        self.condition("DesiredStateAccepted", status, reason)

    def told(self, what: Told | ReportDocument) -> None:
        """What the delivery machine reports."""
        if isinstance(what, ReportDocument):
            if what.verdict is Verdict.APPLIED:
                self.believed(what.generation)
            log.info("generation %s: %s", what.generation, what.verdict)
        else:
            self._take(what.status)
        self.changed()

    def capabilities(self, found: Mapping[str, Any]) -> None:
        """What the cluster can do."""
        self._capabilities = dict(found)
        self.changed()

    def registries(self, by_credential: Mapping[str, str]) -> None:
        """Credential id → registry, by the document; of earlier ones, what is delivered still."""
        told = {entry["credential"] for one in self._secrets.values() for entry in one["entries"]}
        earlier = {one: registry for one, registry in self._registries.items() if one in told}
        self._registries = {**earlier, **by_credential}

    # As a `watching.Taker`: namespaces

    def seen(self, resource: Resource, found: Any) -> None:
        """As `watching.Taker`."""
        if resource != NAMESPACES:
            return
        name, labels = found.metadata.name, found.metadata.labels or {}
        if len(labels) > MOST_LABELS:
            log.warning("namespace %s has %d labels; %d of them are reported", name, len(labels), MOST_LABELS)
            labels = dict(sorted(labels.items())[:MOST_LABELS])
        if self._namespaces.get(name) != labels:
            self._namespaces[name] = labels
            self._changed_namespaces.add(name)
            self.changed()

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:  # noqa: ARG002 -- protocol
        """As `watching.Taker`."""
        if resource == NAMESPACES and self._namespaces.pop(name, None) is not None:
            self._changed_namespaces.add(name)
            self._secrets.pop(name, None)
            self._changed_secrets.add(name)
            self.changed()

    def complete(self, resource: Resource, *, went_back: bool) -> None:
        """As `watching.Taker`."""

    # How it is sent

    async def serve(self) -> None:
        """Send what is to be said, until cancelled."""
        pace = FRESH
        with_bound = asyncio.timeout(BLIND_S)
        try:
            async with with_bound:
                await self.ready.wait()
        except TimeoutError:
            log.warning("the cluster was not seen as a whole within %.0f s", BLIND_S)
        while True:
            await self._news.wait()
            await asyncio.sleep(max(GATHER_S, pace.due_at - self._monotonic()))
            try:
                await self.flush()
                pace = FRESH
            except PortreeveError as error:
                log.warning("%s: %s", error.code, error.message)
                pace = pace.failed(self._monotonic(), self._chance(), error.retry_after_s)
                self._news.set()

    async def flush(self) -> None:
        """Send what is not acknowledged.

        Raises:
            PortreeveError: it was not taken; it stays to be said.
        """
        async with self._sending:
            self._end_bareness()
            refused = 0
            while True:
                self._sum_up()
                self._news.clear()
                try:
                    await self._flush()
                except PortreeveError as error:
                    refused += 1
                    if refused > MOST_REFUSALS or not self._can_say_otherwise(error):
                        raise
                    continue
                if not (self._changed_secrets or self._changed_namespaces):
                    return

    def _can_say_otherwise(self, error: PortreeveError) -> bool:
        """Whether it may be taken if it is said in another way, which is arranged for then."""
        match error:
            case Conflict(code="report_gap"):
                if self._whole:
                    self._ahead_ms = max(JUMP_MS, 2 * self._ahead_ms)
                self._whole = True
                return True
            case Invalid() if self._parts and self._bare_until is None:
                log.warning("the control plane refuses a report: %s; it gets none with an inventory", error.code)
                self._bare_until = self._monotonic() + BARE_S
                message = f"the control plane has refused it ({error.code}); what it has of images may be old"
                self.condition("InventoryTold", "False", "ReportRefused", message)
                return True
        return False

    def _end_bareness(self) -> None:
        if self._bare_until is not None and self._monotonic() >= self._bare_until:
            # Whole: what the control plane has is of another time, and nothing else would take away what is gone.
            self._bare_until, self._whole = None, True
            self.condition("InventoryTold", "Unknown", "TriedAgain")

    async def _flush(self) -> None:
        whole = self._whole
        parts = self._parts if self._bare_until is None else ()
        if whole:
            for part in parts:
                part.reset()
            self._changed_secrets |= self._secrets.keys()
            self._changed_namespaces |= self._namespaces.keys()
        secrets = _fitting(self._changed_secrets, self._secrets, SECRETS_BYTES)
        namespaces = _fitting(self._changed_namespaces, self._namespaces, NAMESPACES_BYTES)
        goes_on = len(secrets) < len(self._changed_secrets) or len(namespaces) < len(self._changed_namespaces)
        conditions = self._told_conditions(goes_on=goes_on)
        capabilities = self._capabilities
        fields: dict[str, Any] = {}
        for part in parts:
            fields.update(part.delta())
        millis = int(self._clock().timestamp() * 1000) + self._ahead_ms
        number = min(max(self._number + 1, millis) if whole else self._number + 1, MAX_NUMBER - 1)
        self._changed_secrets -= secrets
        self._changed_namespaces -= namespaces
        try:
            await self._send(
                Report(
                    number,
                    whole,
                    self._generation,
                    conditions if whole or conditions != self._said_conditions else None,
                    pull_secrets=tuple(self._secrets[name] for name in sorted(secrets) if name in self._secrets),
                    withdrawn=() if whole else tuple(sorted(secrets - self._secrets.keys())),
                    namespaces_added=tuple(
                        {"name": name, "labels": self._namespaces[name]}
                        for name in sorted(namespaces)
                        if name in self._namespaces
                    ),
                    namespaces_removed=() if whole else tuple(sorted(namespaces - self._namespaces.keys())),
                    capabilities=capabilities if whole or capabilities != self._said_capabilities else None,
                    **fields,
                )
            )
        except PortreeveError:
            # It may have been taken all the same: then the next number is not awaited, and all is said once more.
            self._changed_secrets |= secrets
            self._changed_namespaces |= namespaces
            self.counted["failed",] += 1
            raise
        self.counted["taken",] += 1
        self.taken_at = self._clock()
        self._number, self._whole = number, False
        self._said_conditions, self._said_capabilities = conditions, capabilities
        for part in parts:
            part.acknowledged()
        if fields and self._conditions.get("InventoryTold", {}).get("status") == "Unknown":
            self.condition("InventoryTold", "True", "Told")

    def _told_conditions(self, *, goes_on: bool) -> tuple[Mapping[str, Any], ...]:
        """All conditions. As long as the rest of what is there follows, nothing proves that something is gone."""
        told = dict(self._conditions)
        if goes_on and "ClusterSeen" in told and told["ClusterSeen"]["status"] == "True":
            told["ClusterSeen"] = {**told["ClusterSeen"], "status": "Unknown", "reason": "ReportGoesOn"}
        return tuple(told[name] for name in sorted(told))

    def _take(self, status: Status) -> None:
        name = status.namespace
        self._changed_secrets.add(name)
        if status.phase is Phase.REMOVED:
            self._secrets.pop(name, None)
            return
        self._secrets[name] = {
            "namespace": name,
            "uid": status.secret_uid,
            "phase": _WORDS[status.phase],
            "entries": [
                {
                    "registry": self._registries.get(fact.credential.id, ""),
                    "credential": fact.credential.id,
                    "version": fact.credential.version,
                    "state": "live" if fact.live else "hollow",
                    "expiresAt": None
                    if fact.credential.expires_at is None
                    else fact.credential.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
                for fact in status.entries
            ],
            "conflict": _CONFLICTS.get(status.phase),
        }

    def _sum_up(self) -> None:
        """One condition over all namespaces: whether each has what it should."""
        if not self._secrets and "Delivered" not in self._conditions:
            return
        trouble = {name: one for name, one in self._secrets.items() if one["conflict"]}
        pending = sum(one["phase"] == _WORDS[Phase.PENDING] for one in self._secrets.values())
        if trouble:
            first = min(trouble)
            more = f", and {len(trouble) - 1} more" if len(trouble) > 1 else ""
            message = f"{first}: {trouble[first]['conflict']}{more}"
            self.condition("Delivered", "False", "SecretConflict", message)
        elif pending:
            self.condition("Delivered", "Unknown", "Reconciling", f"{pending} of {len(self._secrets)} namespaces")
        else:
            self.condition("Delivered", "True", "SecretSynced")


def _fitting(names: Iterable[str], held: Mapping[str, Any], most: int) -> set[str]:
    """The first of these names, as many as a report holds with what is held of them; one at least."""
    found: set[str] = set()
    size = 0
    for name in sorted(names):
        size += len(name) + 64 + (len(json.dumps(held[name])) if name in held else 0)
        if found and (size > most or len(found) == MOST_NAMESPACES):
            break
        found.add(name)
    return found


def _word(code: str) -> str:
    return "".join(part.capitalize() for part in code.split("_"))
