"""A world for `core.enforcement`: an API server of four objects, users, faults and crashes, all drawn from a seed.

`World(seed).run()` lives through some hours and raises `Broken` at the first step after which an invariant does not
hold. The server judges pods by a copy of its objects that is behind them, as the real one does. A request is sent,
carried out and answered at three moments, between which anything may happen.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from portreeve.core import enforcement
from portreeve.core.admission_objects import KINDS, Admitted, Refused, Said, Seen, Untold, severity, without_defaults
from portreeve.core.agent_messages import Outcome
from portreeve.core.enforcement_messages import (
    ApplyObject,
    Condition,
    DocumentInForce,
    Effect,
    Enforcement,
    Event,
    NamespacesSeen,
    ObjectAnswer,
    ObjectRequest,
    Observed,
    PersistRecords,
    ProbeAnswer,
    ProbeScope,
    ReadObject,
    ReadVersion,
    Reason,
    RemoveObject,
    Report,
    Request,
    Restarted,
    Tick,
    Unseen,
    Vanished,
    VersionAnswer,
    Wanted,
)
from portreeve.core.enforcement_state import State
from portreeve.core.policy import AllowedSource, RegistryPolicy, Stage
from portreeve.core.reference import parse_prefix
from portreeve.core.render import DENY_BINDING, POLICY_NAME, compile_policy, digest
from portreeve.core.sources import ResolvedSources, resolve
from portreeve.core.verdict import Decision, judge

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
# What the invariants hold the machine to; written here anew, as a mutant may have changed the machine's own.
RATE, BURST, GRACE_S, RECOVERY_S, HOUR, LATE_S = 5.0, 30.0, 15.0, 480.0, 3600.0, 8.0
ROLL_BACK_S = 10.0

Step = Callable[[State, Event], tuple[State, tuple[Effect, ...]]]


class Broken(AssertionError):
    """An invariant that does not hold."""


KINDS_OF_FAULT = (
    "busy",
    "down",
    "forbidden",
    "refused",
    "conflict",
    "lost",
    "slow",
    "twice",
    "missed",
    "stale",
    "late",
    "crash",
    "user",
    "foreign",
    "stripped",
    "documents",
    "odd",
    "namespaces",
    "upgrade",
    "restored",
    "unseen",
)

STAGES = (Stage.DENY, Stage.DENY, Stage.AUDIT, Stage.WARN, Stage.OFF)
SOURCES = ("ghcr.io/acme", "registry.example.com/base", "docker.io/acme")


@dataclass
class Object:
    """What the server holds."""

    uid: str
    version: int
    marked: bool
    spec: Mapping[str, Any]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    looked_at: float = 0.0


@dataclass(order=True)
class Due:
    """Something that will happen."""

    at: float
    order: int
    life: int = field(compare=False)
    act: Callable[[], None] = field(compare=False)


@dataclass
class World:
    """Drawn from the seed, unless a scenario names its parts."""

    seed: int
    kinds: tuple[str, ...] | None = None
    stages: tuple[Stage, ...] = ()
    hours: float = 1.8
    step: Step = enforcement.step
    steps: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        draw = self.random
        if self.kinds is None:
            self.kinds = tuple(kind for kind in KINDS_OF_FAULT if draw.random() < 0.3)
        self.t = 61.0
        self.faults_end = self.t + draw.choice((60.0, 300.0, 900.0))
        self.silent_at = self.t + 0.5 * HOUR if self.kinds == ("unseen",) else None
        if self.silent_at is not None:
            self.faults_end = self.t + 2.2 * HOUR
        self.objects: dict[str, Object] = {}
        self.judging: tuple[dict[str, Object], ...] = ({},)
        self.meaning: dict[str, ResolvedSources] = {}
        self.counter = 0
        self.version = "v1.29.4" if self.on("upgrade", 0.5) else "v1.33.1"
        self.namespaces = {"default", "kube-system", "shop", "team"}
        self.records: Mapping[str, str] = {}
        self.state, _ = self.step(State(), Restarted({}))
        self.queue: list[Due] = []
        self.life = 0
        self.running: dict[str, int] = {}
        self.wanted: Wanted | None = None
        self.told: Condition | None = None
        self.delivered: dict[str, Seen | None] = {}
        self.against: set[str] = set()
        self.proved: set[str] = set()
        self.sent: deque[float] = deque()
        self.writes: list[float] = []
        self.probes: list[tuple[float, str]] = []
        self.bad_since: float | None = None
        self.documented = 0
        self.healed_at: float | None = None
        self.asks: set[int] = set()
        self.last_uid: dict[str, str] = {}
        self.version_read_at = 0.0
        self.busy_until = 0.0
        self.stream: dict[str, float] = {}
        self.plain: dict[int, tuple[Mapping[str, Any], Any]] = {}

    # -- the run

    def run(self) -> World:
        end = self.faults_end + self.hours * HOUR
        self._document(Stage.DENY if not self.stages else self.stages[0])
        self._give(NamespacesSeen(frozenset(self.namespaces)))
        changes = list(self.stages[1:])
        while self.t < end:
            if self.t < self.faults_end:
                self._disturb()
                proved = self.told is not None and self.told.state is not Enforcement.UNKNOWN
                if changes and proved and self.random.random() < 0.05:
                    self._document(changes.pop(0))
            elif self.healed_at is None:
                self._heal(changes)
            self._tick()
            self._advance()
            self._always()
            if self.healed_at is not None and self.t > self.healed_at + ROLL_BACK_S:
                self._rolled_back()
            if self.healed_at is not None and self.t > self.healed_at + RECOVERY_S:
                self._at_rest()
        self._idle_hour(end)
        return self

    def _advance(self) -> None:
        """To the next tick. At rest they are far apart, which the machine must not depend on."""
        begun = 60.0 < self.t < self.faults_end and self.kinds == ("unseen",)
        disturbed = self.t < self.faults_end + RECOVERY_S and not begun
        lively = disturbed or self.queue or not self._quiet()
        until = self.t + (0.5 if lively else 20.0)
        while self.queue and self.queue[0].at <= until:
            due = heapq.heappop(self.queue)
            self.t = max(self.t, due.at)
            if due.life in {0, self.life}:
                due.act()
        self.t = until

    def _quiet(self) -> bool:
        resting = self.told is not None and self.told.state not in {Enforcement.UNKNOWN, Enforcement.GAP}
        return resting and not self.t - 1 < self.state.proof.next_at <= self.t + 20.0

    def on(self, kind: str, chance: float = 1.0) -> bool:
        assert self.kinds is not None
        return self.t < self.faults_end and kind in self.kinds and self.random.random() < chance

    def _later(self, after: float, act: Callable[[], None], *, life: bool = False) -> None:
        self.counter += 1
        heapq.heappush(self.queue, Due(self.t + after, self.counter, self.life if life else 0, act))

    # -- the agent

    def _give(self, event: Event) -> None:
        self.state, effects = self.step(self.state, event)
        self.steps += 1
        crash_after = self.random.randrange(len(effects) + 1) if effects and self.on("crash", 0.02) else None
        for number, effect in enumerate(effects):
            if number == crash_after:
                break
            match effect:
                case Report(condition):
                    self.told = condition
                case PersistRecords(records):
                    self.records = dict(records)
                case _:
                    self._send(effect)
        if crash_after is not None:
            self._crash()

    def _crash(self) -> None:
        self.life += 1
        self.running.clear()
        self.told = None
        self.against.clear()
        self.proved.clear()
        self.delivered.clear()
        self.asks.clear()
        if self.random.random() < 0.2:
            self.records = {}
        self.state, _ = self.step(State(), Restarted(dict(self.records)))
        if self.wanted is not None:
            self._give(DocumentInForce(self.wanted))
        self._give(NamespacesSeen(frozenset(self.namespaces)))
        for name in KINDS:
            self._later(self.random.uniform(0.0, 1.0), lambda name=name: self._listed(name), life=True)  # type: ignore[misc]

    def _tick(self) -> None:
        now = BEGIN + timedelta(seconds=self.t)
        self._give(Tick(now, self.t, self.random.random()))

    def _send(self, request: Request) -> None:
        self.sent.append(self.t)
        while self.sent[0] < self.t - 60:
            self.sent.popleft()
        if len(self.sent) > BURST + RATE * 60:
            raise Broken(f"L3: {len(self.sent)} requests in a minute")
        if request.ask in self.asks:
            raise Broken(f"the number {request.ask} is used twice")
        self.asks.add(request.ask)
        match request:
            case ProbeScope():
                place = "probe"
                self.probes.append((self.t, request.scope.name))
                if request.scope.namespace not in self.state.namespaces:
                    raise Broken("a namespace that does not exist is asked about")
            case ReadVersion():
                place = "version"
            case _:
                place = request.name
                self._may_be_sent(request)
        # A request that takes another's place ends that one: it may still be carried out, and is not answered.
        self.running[place] = request.ask
        self._travel(place, request)

    def _travel(self, place: str, request: Request) -> None:
        draw = self.random
        outcome, carried_out, answered = self._fault(request)
        there = draw.uniform(0.001, 0.05) if not self.on("slow", 0.3) else draw.uniform(0.1, 12.0)
        back = draw.uniform(0.001, 0.05) if not self.on("slow", 0.3) else draw.uniform(0.1, 20.0)

        def arrive() -> None:
            result = self._carry_out(request) if carried_out else None
            if not answered:
                return
            again = 2 if self.on("twice", 0.5) else 1
            for number in range(again):
                self._later(back * (number + 1), lambda: self._answer(place, request, outcome, result), life=True)

        self._later(there, arrive)

    def _fault(self, request: Request) -> tuple[Outcome, bool, bool]:
        """How it ends, whether it is carried out, whether there is an answer."""
        write = isinstance(request, ApplyObject | RemoveObject)
        if self.on("busy", 0.3):
            return Outcome.THROTTLED, False, True
        if self.on("down", 1.0 if int(self.t / 60) % 2 else 0.1):
            done = self.random.random() < 0.3
            return (Outcome.UNKNOWN if write else Outcome.UNAVAILABLE), done, True
        if self.on("lost", 0.15):
            return Outcome.DONE, self.random.random() < 0.5, False
        if write and self.on("forbidden", 0.3):
            return Outcome.FORBIDDEN, False, True
        if write and self.on("refused", 0.2):
            return Outcome.REFUSED, False, True
        if write and self.on("conflict", 0.4):
            return Outcome.CONFLICT, self.random.random() < 0.2, True
        return Outcome.DONE, True, True

    def _answer(self, place: str, request: Request, outcome: Outcome, result: Any) -> None:
        chance = self.random.random()
        retry = self.random.choice((None, 1.0, 30.0, 600.0)) if outcome is Outcome.THROTTLED else None
        done = outcome is Outcome.DONE
        if self.running.get(place) != request.ask and not self.on("twice"):
            return  # its task was cancelled
        current = self.running.get(place) == request.ask
        match request:
            case ProbeScope():
                refused, allowed = result if done else (None, None)
                if current and done:
                    self._note_probe(request, refused, allowed)
                event: Event = ProbeAnswer(request.ask, outcome, self.t, chance, refused, allowed, retry)
            case ReadVersion():
                if done and current and result != self.state.version:
                    self.version_read_at = self.t
                event = VersionAnswer(request.ask, outcome, self.t, chance, result if done else "", retry)
            case _:
                seen, written = result if done else (None, False)
                if current and done:
                    self._note_seen(request.name, seen, written=written)
                event = ObjectAnswer(request.ask, request.name, outcome, self.t, chance, seen, written, retry)
        if current:
            self.running.pop(place)
        self._give(event)
        self._always()

    # -- the server

    def _carry_out(self, request: Request) -> Any:
        match request:
            case ReadVersion():
                return self.version
            case ReadObject():
                return self._seen(request.name), False
            case ProbeScope(scope):
                allowed = self._said(scope.namespace, scope.allowed) if scope.allowed else None
                return self._said(scope.namespace, scope.refused), allowed
            case ApplyObject():
                return self._apply(request)
            case RemoveObject():
                held = self.objects.get(request.name)
                if held is None:
                    return None, False
                if held.uid != request.uid or not held.marked:
                    return self._seen(request.name), False
                self.last_uid[request.name] = held.uid
                del self.objects[request.name]
                self._changed(request.name)
                self.writes.append(self.t)
                return None, True

    def _apply(self, request: ApplyObject) -> tuple[Seen | None, bool]:
        held, manifest = self.objects.get(request.name), request.manifest
        if held is not None and (held.uid != request.uid or not held.marked):
            return self._seen(request.name), False
        metadata = manifest["metadata"]
        spec = without_defaults(manifest["spec"])
        if held is not None and (held.spec, held.annotations) == (spec, metadata["annotations"]):
            return self._seen(request.name), False
        self._put(request.name, spec, metadata["labels"], metadata["annotations"], marked=True)
        self.writes.append(self.t)
        return self._seen(request.name), True

    def _put(
        self,
        name: str,
        spec: Mapping[str, Any],
        labels: Mapping[str, str],
        annotations: Mapping[str, str],
        *,
        marked: bool,
    ) -> None:
        self.counter += 1
        held = self.objects.get(name)
        uid = held.uid if held is not None else f"u{self.counter}"
        looked_at = self.t + self.random.uniform(0.05, 0.5)
        self.objects[name] = Object(uid, self.counter, marked, spec, labels, annotations, looked_at)
        self._changed(name)
        # The controller writes the policy's status, which is another version.
        if name == POLICY_NAME:
            self._later(looked_at - self.t + 0.01, lambda: self._looked_at(uid))

    def _looked_at(self, uid: str) -> None:
        held = self.objects.get(POLICY_NAME)
        if held is not None and held.uid == uid:
            self.counter += 1
            self.objects[POLICY_NAME] = replace(held, version=self.counter)
            self._tell(POLICY_NAME)

    def _changed(self, name: str) -> None:
        """The server takes it up after a while, and its watches tell of it."""
        self._tell(name)
        if self.on("late", 0.4):
            self.busy_until = self.t + self.random.uniform(1.0, LATE_S)
        self._later(max(self.random.uniform(0.1, 1.1), self.busy_until - self.t), self._take_up)

    def _take_up(self) -> None:
        if self.t < self.busy_until:
            return
        self.judging = (dict(self.objects),)
        self._truth()

    def _tell(self, name: str) -> None:
        held = self._seen(name)
        uid = held.uid if held else self.last_uid.get(name, "")
        if self.on("missed", 0.3):
            return
        times = 2 if self.on("twice", 0.3) else 1
        for _ in range(times):
            after = self.random.uniform(1.0, 30.0) if self.on("stale", 0.3) else self.random.uniform(0.001, 0.1)
            # One stream keeps its order.
            at = self.stream[name] = max(self.t + after, self.stream.get(name, 0.0))
            self._later(at - self.t, lambda: self._event(name, held, uid), life=True)

    def _event(self, name: str, seen: Seen | None, uid: str) -> None:
        if seen is None:
            if self.state.lines[name].seen is None or self.state.lines[name].seen.uid == uid:  # type: ignore[union-attr]
                self._note_seen(name, None)
            self._give(Vanished(name, uid))
        else:
            known = self.state.lines[name].seen
            if known is None or seen.number >= known.number:
                self._note_seen(name, seen)
            self._give(Observed(seen))
        self._always()

    def _listed(self, name: str) -> None:
        seen = self._seen(name)
        if seen is None:
            self._give(Vanished(name))
        else:
            self._note_seen(name, seen)
            self._give(Observed(seen))

    def _seen(self, name: str) -> Seen | None:
        held = self.objects.get(name)
        if held is None:
            return None
        compiled = self.t >= held.looked_at
        return Seen(name, held.uid, str(held.version), held.marked, held.spec, held.labels, held.annotations, compiled)

    def _said(self, namespace: str, image: str) -> Said:
        if namespace not in self.namespaces:
            return Untold("kube_not_found")
        objects = self.judging[0]
        policy, binding = objects.get(POLICY_NAME), objects.get(DENY_BINDING)
        if policy is None or binding is None:
            return Admitted()
        sources = self.meaning.get(digest(policy.spec))
        if sources is None or judge(image, namespace, sources).decision is Decision.ALLOW:
            return Admitted()
        level = severity(binding.spec)
        if level == 2:
            return Refused(POLICY_NAME, DENY_BINDING, sources.generation)
        return Admitted(DENY_BINDING, sources.generation) if level == 1 else Admitted()

    # -- what goes wrong

    def _disturb(self) -> None:
        draw = self.random
        if self.on("crash", 0.01):
            self._crash()
        if self.silent_at is not None and self.t > self.silent_at:
            # Somebody loosens a binding, and no watch tells of it.
            self.silent_at = None
            held = self.objects[DENY_BINDING]
            self.counter += 1
            spec = {**held.spec, "validationActions": ["Audit"]}
            self.objects[DENY_BINDING] = replace(held, spec=spec, version=self.counter)
            self._later(0.5, self._take_up)
        if self.on("user", 0.03):
            self._user()
        if self.on("foreign", 0.02):
            self._foreign()
        if self.on("stripped", 0.01) and self.objects:
            name = draw.choice(sorted(self.objects))
            held = self.objects[name]
            self._put(name, held.spec, {}, held.annotations, marked=False)
        if self.on("documents", 0.02):
            self._document(draw.choice(STAGES))
        if self.on("odd", 0.01):
            self._odd()
        if self.on("namespaces", 0.05):
            self.namespaces ^= {draw.choice(("shop", "team"))}
            self.against &= {"", *self.namespaces}
            self._give(NamespacesSeen(frozenset(self.namespaces)))
        if self.on("upgrade", 0.02):
            self.version = draw.choice(("v1.33.1", "v1.34.0"))
        if self.on("restored", 0.01) and self.objects:
            # An older cluster: versions go back, and so may objects.
            self.counter -= 20
            for name in sorted(self.objects):
                held = self.objects[name]
                self.counter += 1
                self.objects[name] = replace(held, version=max(1, held.version - 50))
                self._changed(name)

    def _user(self) -> None:
        draw = self.random
        name = draw.choice(sorted(KINDS))
        held = self.objects.get(name)
        if held is None:
            return
        match draw.choice(("delete", "loosen", "loosen", "annotate")):
            case "delete":
                self.last_uid[name] = held.uid
                del self.objects[name]
                self._changed(name)
            case "loosen":
                key = "matchConditions" if name == POLICY_NAME else "validationActions"
                value = [{"name": "never", "expression": "false"}] if name == POLICY_NAME else ["Audit"]
                self._put(name, {**held.spec, key: value}, held.labels, held.annotations, marked=held.marked)
            case _:
                annotations = {**held.annotations, "portreeve.io/generation": "0"}
                self._put(name, held.spec, held.labels, annotations, marked=held.marked)

    def _foreign(self) -> None:
        name = self.random.choice(sorted(KINDS))
        held = self.objects.pop(name, None)
        if held is not None:
            self.last_uid[name] = held.uid
            self._tell(name)
        spec = {"policyName": POLICY_NAME, "validationActions": ["Audit"]} if name != POLICY_NAME else {"theirs": True}
        self._put(name, spec, {}, {}, marked=False)

    def _document(self, stage: Stage) -> None:
        """A new one of the control plane's."""
        draw = self.random
        self.documented += 1
        generation = self.documented
        if stage is Stage.OFF and draw.random() < 0.5:
            self._receive(Wanted(generation))
            return
        chosen = [one for one in SOURCES if draw.random() < 0.6] or [SOURCES[0]]
        own = [AllowedSource(parse_prefix("quay.io/own"), tuple(draw.sample(("shop", "team"), draw.randint(1, 2))))]
        listed = (*(AllowedSource(parse_prefix(one)) for one in chosen), *(own if draw.random() < 0.7 else ()))
        policy = RegistryPolicy("prod", stage=stage, generation=draw.choice((1, generation)), sources=listed)
        sources = resolve(policy)
        manifests = compile_policy(sources)
        if manifests:
            self.meaning[digest(without_defaults(manifests[0]["spec"]))] = sources
        self._receive(Wanted(generation, stage, manifests, None, "prod", policy.generation, sources))

    def _odd(self) -> None:
        """A document that changes nothing: one that has ended, is older, or is rendered otherwise here."""
        self.documented += 1
        last = self.wanted
        assert last is not None
        match self.random.choice(("ended", "differs")):
            case "ended":
                ends = BEGIN + timedelta(seconds=self.t - 1)
                self._document(self.random.choice(STAGES))
                assert self.wanted is not None
                self._receive(replace(self.wanted, generation=self.documented + 1, not_after=ends))
                self.documented += 1
            case _:
                self._receive(Wanted(self.documented, Stage.DENY, None, Reason.RENDER_DIFFERS, "prod", 1, last.sources))

    def _receive(self, wanted: Wanted) -> None:
        old = self.wanted
        self.wanted = wanted
        if old is None or (old.manifests, old.fault, old.stage) != (wanted.manifests, wanted.fault, wanted.stage):
            self.against.clear()
            self.proved.clear()
            # Its requests are no longer waited for.
            for place in [place for place in self.running if place != "version"]:
                self.running.pop(place)
        self._give(DocumentInForce(wanted))
        if self.random.random() < 0.2:
            self._give(DocumentInForce(replace(wanted, generation=wanted.generation - 1, manifests=())))

    def _heal(self, changes: list[Stage]) -> None:
        """The faults end: people take away what is theirs, the control plane says what it wants, watches work again."""
        self.healed_at = self.t
        self.version = self.version if self.version != "v1.29.4" else "v1.33.1"
        for name, held in list(self.objects.items()):
            if not held.marked:
                self.last_uid[name] = held.uid
                del self.objects[name]
                self._changed(name)
        self.namespaces |= {"shop", "team"}
        self._give(NamespacesSeen(frozenset(self.namespaces)))
        wanted = self.wanted
        assert wanted is not None
        changing = wanted.manifests is None or wanted.not_after is not None
        if changes or changing or self.random.random() < 0.5:
            stages = (Stage.DENY, Stage.WARN, Stage.AUDIT, Stage.OFF)
            self._document(changes[-1] if changes else self.random.choice(stages))
        for name in KINDS:
            self._later(1.0, lambda name=name: self._give(Unseen(name)))  # type: ignore[misc]

    # -- invariants

    def _note_seen(self, name: str, seen: Seen | None, *, written: bool = False) -> None:
        """What the agent was shown last."""
        self.delivered[name] = seen
        if written or not self._as_wanted(name, seen):
            self.proved.clear()
            if written:
                self.against.clear()

    def _as_wanted(self, name: str, seen: Seen | None) -> bool:
        manifest = self.wanted.manifest(name) if self.wanted else None
        if manifest is None:
            return seen is None
        return (
            seen is not None
            and seen.marked
            and seen.spec == self._plain(manifest)
            and seen.annotations == manifest["metadata"]["annotations"]
        )

    def _plain(self, manifest: Mapping[str, Any]) -> Any:
        """What the server holds of a manifest; it is asked for at each step."""
        held = self.plain.get(id(manifest))
        if held is None:
            held = self.plain[id(manifest)] = (manifest, without_defaults(manifest["spec"]))
        return held[1]

    def _may_be_sent(self, request: ObjectRequest) -> None:
        if isinstance(request, ReadObject):
            return
        wanted, name = self.wanted, request.name
        assert wanted is not None
        if wanted.ended(BEGIN + timedelta(seconds=self.t)) or wanted.manifests is None:
            raise Broken(f"{name} is written under a document that changes nothing")
        shown = self.delivered.get(name)
        if shown is not None and not shown.marked:
            raise Broken(f"I3: {name} is somebody else's")
        if shown is not None and self.records.get(name) != shown.uid:
            raise Broken(f"{name} is changed before its UID is stored")
        if isinstance(request, RemoveObject):
            if wanted.manifests:
                raise Broken(f"{name} is removed, and it is wanted")
            others = [one for other, one in self.delivered.items() if other != POLICY_NAME]
            if name == POLICY_NAME and any(one is not None and one.marked for one in others):
                raise Broken("the policy is removed before its bindings")
            return
        if not wanted.manifests:
            raise Broken(f"{name} is applied, and none is wanted")
        if self.version == "v1.29.4":
            raise Broken("a cluster that is too old is written to")
        self._may_be_applied(request, shown)

    def _may_be_applied(self, request: ApplyObject, shown: Seen | None) -> None:
        name = request.name
        if self._as_wanted(name, shown):
            raise Broken(f"{name} is written, and it is as wanted")
        if name != POLICY_NAME and not self._as_wanted(POLICY_NAME, self.delivered.get(POLICY_NAME)):
            before = severity(shown.spec) if shown is not None else 0
            if severity(request.manifest["spec"]) >= before:
                raise Broken(f"{name} is bound before the policy is as wanted")

    def _note_probe(self, request: ProbeScope, refused: Said | None, allowed: Said | None) -> None:
        wanted, scope = self.wanted, request.scope
        assert wanted is not None
        stage = wanted.stage
        good = not scope.allowed or (isinstance(allowed, Admitted) and not allowed.warned_by)
        match refused:
            case Refused(_, _, generation):
                right = stage is Stage.DENY and generation == wanted.policy_generation
            case Admitted(warned_by, generation):
                warned = stage is Stage.WARN and generation == wanted.policy_generation
                right = warned if warned_by else stage is Stage.AUDIT
            case _:
                return
        if right and good:
            self.proved.add(scope.name)
            self.against.discard(scope.name)
        else:
            self.against.add(scope.name)

    def _truth(self) -> None:
        """Since when a pod that must be refused is admitted in truth."""
        bad = isinstance(self._said("default", "portreeve-probe.invalid/refused"), Admitted)
        self.bad_since = (self.bad_since or self.t) if bad else None

    def _always(self) -> None:
        told, wanted = self.told, self.wanted
        if told is None or wanted is None or told.state in {Enforcement.UNKNOWN, Enforcement.GAP}:
            return
        if told.state is Enforcement.OFF:
            if any(one is not None and one.marked for one in self.delivered.values()):
                raise Broken("Off is told, and something of ours is there")
            return
        state = {Stage.DENY: Enforcement.ENFORCED, Stage.WARN: Enforcement.WARNING, Stage.AUDIT: Enforcement.AUDITING}
        if told.state is not state.get(wanted.stage) or wanted.manifests is None:
            raise Broken(f"{told.state} is told at stage {wanted.stage}")
        if self.against:
            raise Broken(f"{told.state} is told against what a dry run has said in {sorted(self.against)}")
        if "" not in self.proved:
            raise Broken(f"{told.state} is told without a proof of what is wanted now")
        wrong = [name for name in KINDS if not self._as_wanted(name, self.delivered.get(name))]
        if wrong:
            raise Broken(f"{told.state} is told, and {wrong} are known to differ")
        policy = self.delivered.get(POLICY_NAME)
        if wanted.stage is Stage.AUDIT and policy is not None and not policy.compiled:
            raise Broken("Auditing is told of a policy that the cluster has not looked at")
        limit_s = (1.2 if self.kinds == ("unseen",) else 3.5) * HOUR
        if wanted.stage is Stage.DENY and self.bad_since is not None and self.t > self.bad_since + limit_s:
            raise Broken("Enforced is told for hours, and pods are admitted")

    def _rolled_back(self) -> None:
        """A binding that acts harder than is wanted is of ten seconds, whatever failed before."""
        held, wanted = self.objects.get(DENY_BINDING), self.wanted
        assert wanted is not None
        manifest = wanted.manifest(DENY_BINDING)
        if held is None or not held.marked:
            return
        if manifest is None or severity(held.spec) > severity(manifest["spec"]):
            raise Broken("the roll-back has not come about within ten seconds")

    def _at_rest(self) -> None:
        wanted, told = self.wanted, self.told
        assert wanted is not None
        names = [] if not wanted.manifests else list(KINDS)
        if sorted(self.objects) != sorted(names):
            raise Broken(f"L1: the cluster holds {sorted(self.objects)}")
        wrong = [name for name in names if not self._as_wanted(name, self._seen(name))]
        if wrong:
            raise Broken(f"L1: {wrong} are not as wanted")
        expected = {
            Stage.DENY: Reason.POLICY_ENFORCED,
            Stage.WARN: Reason.POLICY_WARNING,
            Stage.AUDIT: Reason.POLICY_AUDITING,
            Stage.OFF: Reason.POLICY_OFF,
        }[wanted.stage if wanted.manifests else Stage.OFF]
        if told is not None and told.reason is Reason.PROBE_PENDING and self.t < self.version_read_at + GRACE_S:
            return  # the cluster was upgraded, and the agent has just seen it
        if told is None or told.reason is not expected or told.generation != wanted.generation:
            raise Broken(f"L1: {told} is told, and {expected} is true")

    def _idle_hour(self, end: float) -> None:
        late = [at for at in self.writes if at > self.faults_end + RECOVERY_S + 20]
        if late:
            raise Broken(f"at rest it is written: {len(late)} times")
        if self.hours < 1.5:
            return  # too short for an idle hour
        begin = end - HOUR
        asked = Counter(name for at, name in self.probes if at > begin)
        wanted = self.wanted
        assert wanted is not None
        scopes = {"", *(wanted.sources.by_namespace if wanted.sources else ())} & {"", "shop", "team"}
        if wanted.manifests and asked != Counter(dict.fromkeys(scopes, 1)):
            raise Broken(f"in an idle hour it is asked {dict(asked)}")
        if not wanted.manifests and asked:
            raise Broken("nothing is wanted, and it is asked")
