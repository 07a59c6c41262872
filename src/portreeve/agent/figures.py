"""The metrics of an agent: what it has done, and whether it still can. Counts, times and our own words alone.

No name of a namespace, an image or a registry is told here: the page asks nobody who they are. What the environment
holds is told by the control plane. docs/howto/metrics.md lists them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from portreeve.agent.connection import Connection
from portreeve.agent.loop import Channel, Loop
from portreeve.core.agent_messages import Phase
from portreeve.reconciler.reconciler import Reconciler
from portreeve.version import __version__
from portreeve.wire.exposition import Kind, Metric, Series, render

STALLED_S: Final = 60.0
"""After so many seconds without a look the delivery hangs: at rest it looks once a second."""

_GAUGE, _COUNTER = Kind.GAUGE, Kind.COUNTER

BUILD: Final = Metric("portreeve_agent_build_info", _GAUGE, "1; the release that runs.", ("version",))
CHANNEL: Final = Metric(
    "portreeve_agent_channel_state", _GAUGE, "1 for the state of the channel, 0 for the others.", ("state",)
)
HEARD: Final = Metric(
    "portreeve_agent_channel_last_answer_timestamp_seconds", _GAUGE, "When the control plane answered last."
)
GENERATION: Final = Metric("portreeve_agent_generation", _GAUGE, "Generation of the desired state that is believed.")
CERTIFICATE: Final = Metric(
    "portreeve_agent_certificate_expiry_timestamp_seconds", _GAUGE, "When the agent's certificate ends."
)
REPORTED: Final = Metric(
    "portreeve_agent_last_report_timestamp_seconds", _GAUGE, "When the control plane took a report last."
)
REPORTS: Final = Metric("portreeve_agent_reports_total", _COUNTER, "Reports, by what became of them.", ("result",))
REQUESTS: Final = Metric(
    "portreeve_agent_requests_total", _COUNTER, "Requests for delivery, by how they ended.", ("kind", "outcome")
)
ROOM: Final = Metric("portreeve_agent_requests_allowed", _GAUGE, "Requests that may be sent at once now.")
QUIET: Final = Metric(
    "portreeve_agent_quiet_seconds", _GAUGE, "For how long the API server has asked to be left alone."
)
TICKS: Final = Metric("portreeve_agent_ticks_total", _COUNTER, "How often the delivery has looked.")
NAMESPACES: Final = Metric(
    "portreeve_agent_namespaces", _GAUGE, "Namespaces by phase of their pull secret.", ("phase",)
)
BLIND: Final = Metric(
    "portreeve_agent_watch_blind", _GAUGE, "1 for a kind that cannot be watched now, else 0.", ("resource",)
)
EVENTS: Final = Metric("portreeve_agent_events_total", _COUNTER, "Events that were written in the cluster.")
STARTED: Final = Metric("process_start_time_seconds", _GAUGE, "When the process started.")

ALL: Final = (
    BUILD, CHANNEL, HEARD, GENERATION, CERTIFICATE, REPORTED, REPORTS, REQUESTS, ROOM, QUIET, TICKS, NAMESPACES, BLIND,
    EVENTS,     STARTED,
)  # fmt: skip


class Figures:
    """The page of one agent. `monotonic` is the clock of its delivery."""

    def __init__(
        self,
        loop: Loop,
        connection: Connection,
        reconciler: Reconciler,
        monotonic: Callable[[], float],
        started: datetime,
    ) -> None:
        self._loop = loop
        self._connection = connection
        self._reconciler = reconciler
        self._monotonic = monotonic
        self._started = started

    def healthy(self) -> bool:
        """Whether the delivery still looks. That nothing can be reached is no reason to start it again."""
        beat = self._reconciler.delivering.beat
        return beat is None or self._monotonic() - beat < STALLED_S

    def page(self) -> bytes:
        """As they are now."""
        return render([*self._channel(), *self._delivery()])

    def _channel(self) -> Iterator[tuple[Metric, Series]]:
        loop, reporter = self._loop, self._reconciler.reporter
        yield BUILD, {(__version__,): 1}
        yield STARTED, {(): self._started.timestamp()}
        yield CHANNEL, {(str(one),): float(one is loop.channel) for one in Channel}
        yield HEARD, _time(loop.heard_at)
        yield GENERATION, {(): loop.state.known.generation}
        yield CERTIFICATE, _time(self._connection.validity[1])
        yield REPORTED, _time(reporter.taken_at)
        yield REPORTS, {("taken",): 0, ("failed",): 0, **reporter.counted}

    def _delivery(self) -> Iterator[tuple[Metric, Series]]:
        delivering, watching = self._reconciler.delivering, self._reconciler.watching
        state = delivering.state
        yield REQUESTS, dict(sorted(delivering.counted.items()))
        yield ROOM, {(): int(state.bucket.level)}
        yield QUIET, {(): max(0.0, state.bucket.quiet_until - self._monotonic())}
        yield TICKS, {(): delivering.ticks}
        phases = Counter(line.told.phase for line in state.lines.values() if line.told is not None)
        yield NAMESPACES, {(_word(phase),): phases[phase] for phase in Phase if phase is not Phase.REMOVED}
        yield EVENTS, {(): self._reconciler.telling.written}
        yield BLIND, {(plural,): float(plural in watching.blind) for plural in watching.plurals}


def _time(at: datetime | None) -> Series:
    return {} if at is None else {(): at.timestamp()}


def _word(phase: Phase) -> str:
    return phase.value.replace(" ", "_")
