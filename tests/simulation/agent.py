"""A world for `core.reconcile`: a cluster, its users, a control plane and an unreliable agent, all drawn from a seed.

`World(seed).run()` lives through a time of faults, heals, and goes on until everything must have come to rest; it
raises `Broken` with the name of the invariant at the first step after which one does not hold. True time is a number of
seconds; the agent's clock is that plus an offset. What the agent has stored survives a crash, everything else does not.
Requests of a dead agent are carried out all the same.

Checked are the agent's share of I1, I2, I3, I4, I10 and of L1 to L4. What the machine should do is written here anew,
so that a mistake in the machine cannot hide itself.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from portreeve.core import agent_messages, reconcile
from portreeve.core.agent_messages import (
    Answer,
    ApplySecret,
    Changed,
    Deleted,
    DeleteSecret,
    DesiredReceived,
    DocumentPersisted,
    Effect,
    Event,
    Listed,
    Outcome,
    PatchServiceAccount,
    PersistDocument,
    PersistRecord,
    ReadSecret,
    ReadServiceAccount,
    Report,
    ReportDocument,
    Request,
    Restarted,
    Saved,
    Status,
    Tick,
)
from portreeve.core.cluster import LabelSelector, NamespaceSelection
from portreeve.core.credential import AuthEntry, CredentialRef, alias_key, auth_key
from portreeve.core.delivery import Document, DocumentGrant
from portreeve.core.observation import (
    MANAGER,
    OWNER_LABEL,
    PULL_SECRET,
    AccountSeen,
    Kind,
    Seen,
    WorkloadSeen,
    facts,
)
from portreeve.core.pacing import Limits
from portreeve.core.policy import Delivery, DeliveryMode, ServiceAccounts, ServiceAccountSelection
from portreeve.core.reconcile_state import Line, State
from portreeve.core.reference import parse, parse_prefix
from tests.simulation.cluster import FOREIGN, Account, Api, Broken, Secret, labelled, login
from tests.simulation.twin import Twin

BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = 86400.0
SPACES = ("a", "b", "c", "d")
REGISTRIES = {"r1": "r1.example.com", "r2": "r2.example.com/team", "r3": "r2.example.com/team"}
"""Two of them stand for one path, so that their credentials can meet under one key."""
SOURCES = {name: parse_prefix(prefix) for name, prefix in REGISTRIES.items()}
IMAGES = {name: parse(f"{prefix}/app:1") for name, prefix in REGISTRIES.items()}
LIMITS = Limits(rate=4.0, burst=10.0, in_flight=4)
# What the invariants hold the machine to; written here anew.
RATE, BURST, FLOOR_S, SLOW_S, RETRY_AFTER_S = 4.0, 10.0, 1.0, 240.0, 120.0
REST_S = 1100.0
"""When everything must be as wanted: a slow retry after a lost answer, and the quiet time of a lease."""
ROTATED_S = 10.0
"""Within this a new version is in each namespace of a cluster that answers, from when the control plane has it."""

REQUESTS = (ReadSecret, ApplySecret, DeleteSecret, ReadServiceAccount, PatchServiceAccount)
REQUESTS_READING = (ReadSecret, ReadServiceAccount)
OUTCOMES = {
    "conflict": Outcome.CONFLICT,
    "throttled": Outcome.THROTTLED,
    "unavailable": Outcome.UNAVAILABLE,
    "forbidden": Outcome.FORBIDDEN,
    "refused": Outcome.REFUSED,
    "cut": Outcome.UNKNOWN,
}
"""Faults of a request that is not carried out."""

CERTAINLY_NOT = frozenset({Outcome.CONFLICT, Outcome.FORBIDDEN, Outcome.REFUSED, Outcome.THROTTLED})
"""After these a request was not carried out."""

KINDS = (
    *OUTCOMES, "lost", "silent", "slow", "partition", "lag", "drop", "duplicate", "reorder", "stale list",
    "crash", "old record", "lost record", "jump", "restore", "twin",
    "terminate", "recreate", "relabel", "edit", "touch", "delete", "create", "immutable", "strip",
    "unattach", "by hand", "apply", "account", "workload",
    "older document", "document twice", "other document", "ending document", "bad credential", "disagree", "unstored",
)  # fmt: skip

Step = Callable[[State, Event], tuple[State, tuple[Effect, ...]]]


@dataclass
class Kill:
    """Where the agent dies: at which occurrence of which effect, and when exactly."""

    effect: type
    mode: str
    """before; after; twice: carried out a second time by the next agent's predecessor; or torn (`World._tear`)."""
    occurrence: int = 1
    again: bool = False
    """Whether it dies at the next occurrence, too."""


@dataclass
class World:
    """Drawn from the seed, unless a scenario names its parts. `faults_s` is how long things go wrong."""

    seed: int
    kinds: tuple[str, ...] | None = None
    faults_s: float = 0.0
    rate: float = 0.0
    step: Step = reconcile.step
    kill: Kill | None = None
    limits: Limits = LIMITS
    modes: tuple[DeliveryMode, ...] = (
        DeliveryMode.STANDING,
        DeliveryMode.STANDING,
        DeliveryMode.WORKLOAD,
        DeliveryMode.LEASE,
    )
    fired: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        draw = self.random = Random(self.seed)
        if self.kinds is None:
            self.kinds = tuple(kind for kind in KINDS if draw.random() < 0.3)
        self.faults_s = self.faults_s or draw.uniform(40, 120)
        self.rate = self.rate or draw.choice((0.02, 0.05, 0.15))
        self.t, self.offset, self.order, self.life = 0.0, 0.0, 0, 0
        self.queue: list[tuple[float, int, str, Any]] = []
        self.healed = False
        self.steps = self.requests = self.effects = 0
        self.watch_at: dict[Kind, float] = defaultdict(float)
        self.broken_until = 0.0
        self.api = Api(self._emit)
        self.saved = Saved()
        self.stored = 0
        """The generation that what is stored now may not fall behind; an older copy or a lost one sets it back."""
        self.hashes: dict[int, str] = {}
        self.versions = dict.fromkeys(REGISTRIES, 1)
        self.documents: list[Document] = []
        self.statuses: dict[str, Status] = {}
        self.verdicts: dict[str, int] = {}
        self.killed = 0
        self.twin: Twin | None = None
        self.twinned = False
        """Whether there ever were two: a creation of one may then meet what people did to that of the other."""
        self.copies: list[Saved] = []
        self.lost_records = False
        self.shown: set[tuple[str, str]] = set()
        self.begun: dict[str, int] = {}
        self.refusable: dict[int, tuple[tuple[str, str], int]] = {}
        self.refused: dict[tuple[str, str], int] = {}
        self.known: set[str] = set()
        """ServiceAccounts whose entry was shown to be ours to an agent that has looked since: it must know that."""
        # L3 and L4
        self.level, self.level_at, self.quiet_until = BURST, 0.0, -1.0
        self.failed: dict[tuple[str, str], tuple[float, Outcome, str]] = {}
        self.flying: dict[tuple[str, str], float] = {}
        self.written: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
        self.passed: Counter[str] = Counter()
        self.seen_effects: Counter[type] = Counter()
        for name in SPACES[: draw.choice((2, 3, 4))]:
            self.api.put_namespace(name, {"tier": draw.choice(("prod", "dev"))})
            self.api.put_account(name, "builder", labels={"ci": draw.choice(("yes", "no"))})
            self.api.put_account(name, "default", pull_secrets=("of-user",) if draw.random() < 0.5 else ())
            self._workload(name)
        self._start()
        self._publish()

    # -- time and messages

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self.t + self.offset)

    def on(self, kind: str, chance: float = 1.0) -> bool:
        """Whether a fault happens now; counted."""
        assert self.kinds is not None
        happens = not self.healed and kind in self.kinds and self.random.random() < chance
        if happens:
            self.fired[kind] += 1
        return happens

    def send(self, after: float, what: str, value: Any) -> None:
        self.order += 1
        heapq.heappush(self.queue, (self.t + after, self.order, what, value))

    def _emit(self, kind: Kind, namespace: str, name: str, uid: str, seen: Seen | None) -> None:
        event: Event = Changed(seen) if seen is not None else Deleted(kind, namespace, name, uid)
        if self.twin is not None:
            self.twin.later(0.05, event)
        if self.on("drop", self.rate):
            # A watch that misses something has broken off; it is listed again.
            self.send(self.random.uniform(2, 20), "list", kind)
            return
        delay = 0.05
        if self.on("lag", 0.3):
            delay = self.random.uniform(0.5, 15)
        at = self.t + delay
        if not self.on("reorder", self.rate):
            at = self.watch_at[kind] = max(self.watch_at[kind], at)
        self.send(at - self.t, "watch", (self.life, event))
        if self.on("duplicate", self.rate):
            self.send(at - self.t + self.random.uniform(0, 5), "watch", (self.life, event))

    # -- the run

    def run(self) -> World:
        checked = 0
        before = 0
        while True:
            if not self.healed and self.t >= self.faults_s:
                self._heal()
            if not self.healed:
                self._disturb()
            self._deliver()
            self._event(Tick(self.now(), self.t, self.random.random()))
            if self.twin is not None:
                self.twin.tick()
            if self.healed and self.t >= self.faults_s + REST_S:
                self.check_rest()
                if checked and self.effects != before:
                    raise Broken("L1: something was done though nothing had changed")
                checked, before = checked + 1, self.effects
                if checked > 3:
                    if self.limits == LIMITS:
                        self.rotate()
                    return self
                for kind in Kind:
                    self.send(1.0, "list", kind)
                self.t += 400.0
                continue
            self._advance()

    def rotate(self) -> None:
        """L2: a new version of everything reaches a cluster in which nothing goes wrong."""
        before = self.documents[-1]
        for name in REGISTRIES:
            self.versions[name] += 1
        self.publish(tuple(self._next_version(one) for one in before.grants))
        self.pass_time(ROTATED_S)
        self.check_rotated()

    def pass_time(self, seconds: float) -> None:
        """In which nobody does anything, but for agents."""
        ends = self.t + seconds
        while self.t < ends:
            self.t += 0.25
            self._deliver()
            self._event(Tick(self.now(), self.t, self.random.random()))
            if self.twin is not None:
                self.twin.tick()

    def check_rotated(self) -> None:
        """L2, when its time is over."""
        try:
            self.check_rest()
        except Broken as broken:
            raise Broken(f"L2: {ROTATED_S:.0f} s after a rotation, {broken}") from None

    def _next_version(self, grant: DocumentGrant) -> DocumentGrant:
        """Of two versions both go up."""
        if grant.credential is None:
            return grant
        number = grant.credential.version + 1
        credential = replace(grant.credential, version=number)
        return replace(grant, credential=credential, login=login(credential.id, number))

    def _advance(self) -> None:
        """To the next moment at which anything can happen."""
        if not self.healed:
            self.t += self.random.choice((0.3, 1.0, 1.0, 3.0))
            return
        marks = [self.faults_s + REST_S]
        if self.queue:
            marks.append(self.queue[0][0])
        for line in self.state.lines.values():
            if line.queued is not None:
                marks.append(self.t + 0.5)
            paces = [line.pace, *line.account_paces.values()]
            times = [line.wake_at, *(pace.lost_at for pace in paces)]
            marks += [at for at in times if at is not None]
        self.t = max(self.t + 0.5, min(marks))

    def _deliver(self) -> None:
        while self.queue and self.queue[0][0] <= self.t:
            _, _, what, value = heapq.heappop(self.queue)
            match what:
                case "watch":
                    life, event = value
                    if life == self.life:
                        self._event(event)
                case "list":
                    self._list(value)
                case "document":
                    self._event(DesiredReceived(value))
                case "persisted":
                    life, generation = value
                    if life == self.life:
                        self._event(DocumentPersisted(generation))
                case "request":
                    self._carry_out(*value)
                case "answer":
                    life, request, answer = value
                    if life == self.life:
                        self._noted(request, answer)
                        self._event(replace(answer, at=self.t))
                case _:
                    self._deliver_twin(what, *value)

    def _deliver_twin(self, what: str, twin: Twin, value: Any) -> None:
        if what == "twin":
            twin.event(value)
        else:
            self.api.late = True
            twin.carried_out(value)

    def _list(self, kind: Kind) -> None:
        snapshot = None
        if self.api.history and self.on("stale list", 0.5):
            snapshot = self.random.choice(self.api.history[-12:])
            self.send(self.random.uniform(0.5, 10), "list", kind)
        self._event(Listed(kind, self.api.items(kind, snapshot)))

    # -- the agent

    def _start(self) -> None:
        self.life += 1
        self.state, _ = self.step(State(), Restarted(self.saved, self.limits))
        self.stored = self.saved.document.generation if self.saved.document else 0
        self.level, self.level_at, self.quiet_until = BURST, self.t, -1.0
        self.failed.clear()
        self.flying.clear()
        self.written.clear()
        self.passed.clear()
        self.shown.clear()
        self.refusable.clear()
        self.refused.clear()
        for kind in Kind:
            self.send(0.1, "list", kind)
        if self.documents:
            self.send(self.random.uniform(0.2, 3), "document", self.documents[-1])

    def _lose_records(self, *, wrong: bool = True) -> None:
        """From now on an entry of ours may be in no record. Where records are wrong, and not only lost, nobody can tell
        it from one that is somebody else's.
        """
        self.lost_records = True
        self.api.indistinct = self.api.indistinct or wrong

    def crash(self) -> None:
        draw = self.random
        if self.copies and self.on("old record", 0.3):
            self.saved = draw.choice(self.copies)
            self._lose_records()
            self.hashes.clear()
        elif self.on("lost record", 0.3):
            self.saved = Saved()
            self._lose_records(wrong=False)
            self.hashes.clear()
        self._start()

    def _event(self, event: Event) -> None:
        before = self.state
        self.state, effects = self.step(self.state, event)
        self.steps += 1
        self._check_generation(before)
        looked = self._shown(event)
        for effect in effects:
            self._begins(effect)
        life = self.life
        sent = False
        for effect in effects:
            died = self._do(effect)
            sent = sent or isinstance(effect, REQUESTS)
            if died or life != self.life:
                return
        if isinstance(event, Tick):
            self._check_turn(sent)
        self._remember(looked)
        if isinstance(event, DesiredReceived) and not self.healed and self.on("crash", self.rate):
            self.crash()

    def _shown(self, event: Event) -> set[tuple[str, str]]:
        """What the agent was shown of its entries before this; and of that, where it has looked now."""
        match event:
            case Changed(AccountSeen() as seen) | Answer(seen=AccountSeen() as seen):
                told: tuple[Seen, ...] = (seen,)
            case Listed(Kind.ACCOUNT, items):
                told = items
            case _:
                told = ()
        self.shown |= {
            (one.namespace, one.uid)
            for one in told
            if isinstance(one, AccountSeen)
            and one.shows_ours
            and int(one.resource_version) > self.begun.get(one.uid, 0)
        }
        if not isinstance(event, Tick):
            return set()
        lines = self.state.lines
        places = {*self.shown, *self.refused}
        return {place for place in places if place[0] in lines and lines[place[0]].queued is None}

    def _remember(self, looked: set[tuple[str, str]]) -> None:
        """What it was shown, or was refused, before it looked, and had stored what follows, it must know for good."""
        for place in looked:
            if place in self.refused:
                self.begun[place[1]] = self.refused.pop(place)
        self.known |= {uid for _, uid in looked & self.shown}
        self.shown -= looked
        if self.known:
            self.known &= {one.uid for one in self.api.accounts.values() if one.ours}

    def _begins(self, effect: Effect) -> None:
        """Once an agent has begun to take an entry away, it may be gone, and another in its place; what that version
        showed proves nothing any more. Only an answer that it was refused sets that back.
        """
        if not isinstance(effect, PatchServiceAccount) or effect.attach:
            return
        account = self.api.accounts.get((effect.namespace, effect.name))
        if account is not None:
            uid = account.uid
            place = (effect.namespace, uid)
            if uid in self.known or place in self.shown:
                self.refusable[effect.ask] = place, self.begun.get(uid, 0)
            self.known.discard(uid)
            self.shown.discard(place)
            self.begun[uid] = int(effect.resource_version)

    def _was_refused(self, ask: int) -> None:
        if ask in self.refusable:
            place, before = self.refusable.pop(ask)
            self.shown.add(place)
            self.refused[place] = before

    def _do(self, effect: Effect) -> bool:
        """Carry out an effect; whether the agent died over it."""
        self.effects += 1
        self.seen_effects[type(effect)] += 1
        kill = self.kill if self._dies(effect) else None
        if kill is not None:
            self.killed += 1
        if kill is not None and kill.mode in {"before", "torn"}:
            if kill.mode == "torn":
                self._tear(effect)
            self._start()
            return True
        if self.on("crash", self.rate / 4):
            self.crash()
            return True
        self._carry(effect)
        if kill is not None and kill.mode == "twice":
            self._carry(effect)
        if kill is not None or self.on("crash", self.rate / 4):
            # The request is with the API server, whatever becomes of whoever has sent it.
            if kill is not None or self.random.random() < 0.5:
                self._hurry(effect)
            self._start() if kill is not None else self.crash()
            return True
        return False

    def _tear(self, effect: Effect) -> None:
        """Half of it happens, one way or another.

        Of what is stored, the older copy is left, or none that can be read. Of a request, half arrives, which is none;
        or all of it, and late: it lay in a buffer, and the next agent is long at work. Of a report, half is none.
        """
        other = self.random.random() < 0.5
        match effect:
            case PersistDocument() if other:
                self.saved = replace(self.saved, document=None)
                self.hashes.clear()
            case PersistRecord() if other:
                self.saved = replace(self.saved, records={})
                self._lose_records(wrong=False)
            case PersistDocument() | PersistRecord() | Report() | ReportDocument():
                pass
            case _ if other:
                self.send(self.random.uniform(1, 40), "request", (self.life, effect))

    def _dies(self, effect: Effect) -> bool:
        kill = self.kill
        if kill is None or not isinstance(effect, kill.effect):
            return False
        return self.seen_effects[type(effect)] in (kill.occurrence, kill.occurrence + 1 if kill.again else 0)

    def _carry(self, effect: Effect) -> None:
        match effect:
            case PersistDocument(document):
                self._store(document)
            case PersistRecord(namespace, record):
                records = {name: one for name, one in self.saved.records.items() if name != namespace}
                if record is not None:
                    records[namespace] = record
                self.saved = replace(self.saved, records=records)
            case Report(status):
                self.statuses[status.namespace] = status
            case ReportDocument(generation, _, verdict):
                self.verdicts[verdict] = generation
            case _:
                self._request(effect)

    def _store(self, document: Document) -> None:
        if self.on("unstored", 0.5):
            return
        if document.generation < self.stored:
            raise Broken(f"I4: generation {document.generation} is stored in place of {self.stored}")
        self.saved = replace(self.saved, document=document)
        self.stored = document.generation
        self.send(0.01, "persisted", (self.life, document.generation))

    def _hurry(self, effect: Effect) -> None:
        """What was sent arrives now, as often as it was sent."""
        mine = [item for item in self.queue if item[2] == "request" and item[3][1] is effect]
        for item in mine:
            self.queue.remove(item)
            heapq.heapify(self.queue)
            self._carry_out(*item[3])

    def _request(self, request: Request) -> None:
        self.requests += 1
        self._check_rate()
        if self.kill is None or self.kill.mode != "twice":
            self._check_object(request)
        self._check_stored()
        if isinstance(request, ApplySecret):
            self._check_apply(request)
        if isinstance(request, DeleteSecret):
            self._check_delete(request)
        self.send(0.02 if not self.on("slow", 0.2) else self.random.uniform(1, 40), "request", (self.life, request))

    def _carry_out(self, life: int, request: Request) -> None:
        """At the API server."""
        account = getattr(request, "name", "")
        retry_after = None

        def answer(outcome: Outcome, seen: Any = None) -> None:
            after = 0.05 if not self.on("slow", 0.1) else self.random.uniform(1, 80)
            made = Answer(
                request.ask, request.namespace, account, outcome, self.t, self.random.random(), seen, retry_after
            )
            self.send(after, "answer", (life, request, made))

        if self.t < self.broken_until and not self.healed:
            return answer(Outcome.UNKNOWN)
        for kind, outcome in OUTCOMES.items():
            if self.on(kind, 0.25):
                if kind in {"throttled", "unavailable"}:
                    retry_after = self.random.choice((None, 1.0, 7.0, 30.0, 4000.0))
                return answer(outcome)
        waited = self.t - self.flying.get((request.namespace, account), -1e9)
        self.api.late = life != self.life or waited > 5 or self.twinned
        outcome, seen = self.api.carry_out(request)
        if self.on("silent", 0.2):
            return None
        if self.on("lost", 0.25):
            return answer(Outcome.UNKNOWN)
        return answer(outcome, seen)

    # -- what goes wrong, and what people do

    def _disturb(self) -> None:
        draw, rate = self.random, self.rate
        if draw.random() < 0.08:
            self._publish()
        if self.on("crash", rate / 3):
            self.crash()
        if self.on("partition", rate / 3):
            self.broken_until = self.t + draw.uniform(5, 40)
        self._twins()
        if self.on("jump", rate / 2):
            self.offset = draw.choice((0.0, DAY, -DAY, 30.0))
        if self.on("restore", rate / 4):
            self._restore()
        if draw.random() < 0.1:
            self.copies = [*self.copies[-5:], self.saved]
        for kind, happen in self._people():
            if self.on(kind, rate):
                happen(draw.choice(sorted(self.api.namespaces) or ["a"]))
        for name in SPACES:
            space = self.api.namespaces.get(name)
            if space is not None and space.terminating and draw.random() < 0.15:
                self._gone(name)

    def _twins(self) -> None:
        """A second agent comes and goes: with what is stored now, or with an older copy of it."""
        draw = self.random
        if self.twin is not None and draw.random() < 0.05:
            self.end_twin()
        elif self.twin is None and self.on("twin", self.rate / 3):
            self.begin_twin(draw.choice((self.saved, *self.copies)), follows=draw.random() < 0.5)

    def begin_twin(self, saved: Saved, *, follows: bool) -> None:
        """What it attaches is in no record of the agent that stays."""
        self._lose_records()
        self.twinned = True
        self.twin = Twin(self, saved, self.limits, follows=follows)

    def end_twin(self) -> None:
        """What it has sent is still carried out."""
        if self.twin is not None:
            self.twin.active, self.twin = False, None

    def _gone(self, name: str) -> None:
        self.api.remove_namespace(name)
        for place in [place for place in (*self.failed, *self.written) if place[0] == name]:
            self.failed.pop(place, None)
            self.written.pop(place, None)

    def _people(self) -> Iterator[tuple[str, Callable[[str], None]]]:
        yield "terminate", lambda name: self.api.terminate(name) if name in self.api.namespaces else None
        yield "recreate", self._recreate
        yield "relabel", lambda name: self._alive(name, lambda: self.api.put_namespace(name, self._labels()))
        yield "edit", lambda name: self._edit(name, managers=frozenset({MANAGER, "kubectl"}), edited=True, data=FOREIGN)
        yield "touch", self._edit
        yield "strip", lambda name: self._edit(name, labels={}, edited=True)
        yield "immutable", lambda name: self._edit(name, immutable=True)
        yield "delete", self._delete
        yield "create", self._create
        yield "unattach", self._unattach
        yield "by hand", self._by_hand
        yield "apply", self._apply_account
        yield "account", self._account
        yield "workload", self._workload
        yield "older document", lambda _: self._again(self.random.choice(self.documents))
        yield "document twice", lambda _: self._again(self.documents[-1])
        yield "other document", lambda _: self._again(replace(self.documents[-1], hash="other", grants=()))

    def _labels(self) -> dict[str, str]:
        return {"tier": self.random.choice(("prod", "dev"))}

    def _alive(self, name: str, happen: Callable[[], Any]) -> None:
        if name in self.api.namespaces and not self.api.namespaces[name].terminating:
            happen()

    def _again(self, document: Document) -> None:
        self.send(self.random.uniform(0, 10), "document", document)

    def _recreate(self, name: str) -> None:
        """Deleted and made again at once, or made again after it was deleted."""
        missing = [one for one in SPACES if one not in self.api.namespaces]
        if missing and self.random.random() < 0.5:
            name = missing[0]
        elif name in self.api.namespaces:
            self._gone(name)
        self.api.put_namespace(name, self._labels())

    def _edit(self, name: str, **changes: Any) -> None:
        secret = self.api.secrets.get(name)
        if secret is not None:
            self.api.put_secret(replace(secret, **changes))

    def _delete(self, name: str) -> None:
        """Whoever deletes his own Secret of our name does not name it any more."""
        secret = self.api.secrets.get(name)
        self.api.drop_secret(name)
        if secret is not None and secret.owner == "user":
            for (namespace, account), one in list(self.api.accounts.items()):
                if namespace == name and not one.ours and PULL_SECRET in one.pull_secrets:
                    rest = tuple(entry for entry in one.pull_secrets if entry != PULL_SECRET)
                    self.api.put_account(namespace, account, pull_secrets=rest)

    def _create(self, name: str) -> None:
        """Somebody has a Secret of our name, sometimes with our label, and names it."""
        if name not in self.api.namespaces or name in self.api.secrets or self._under_way(name):
            return
        labels = dict([OWNER_LABEL]) if self.random.random() < 0.3 else {}
        opaque = self.random.random() < 0.2
        secret = Secret(name, self.api.uid(), 0, "user", labels, frozenset({"kubectl"}), FOREIGN, opaque=opaque)
        states = [self.state, *([self.twin.state] if self.twin is not None else [])]
        looked = any(name in one.lines and one.lines[name].absent for one in states)
        models = [one for one in self.api.secrets.values() if one.ours]
        if models and self.random.random() < 0.5 and not looked:
            # A copy of ours from another namespace: the same value, so that an apply would silently share it.
            secret = replace(self.random.choice(models), namespace=name, uid=secret.uid, owner="user",
                             managers=frozenset({"kubectl"}))  # fmt: skip
        self.api.put_secret(secret)
        self._by_hand(name)

    def _under_way(self, name: str) -> bool:
        asked = [value[1] for _, _, what, value in self.queue if what in {"request", "answer", "twin", "twin request"}]
        return any(getattr(one, "namespace", "") == name for one in asked)

    def _unattach(self, name: str) -> None:
        for (namespace, account), one in list(self.api.accounts.items()):
            if namespace == name and PULL_SECRET in one.pull_secrets and one.ours:
                rest = tuple(entry for entry in one.pull_secrets if entry != PULL_SECRET)
                self.api.put_account(namespace, account, pull_secrets=rest, ours=False)

    def _by_hand(self, name: str) -> None:
        """Somebody names the Secret of our name, whether it is there or not."""
        accounts = [one for (space, _), one in sorted(self.api.accounts.items()) if space == name]
        record = self.saved.records.get(name)
        # Where people take ours away and put in theirs before an agent has looked, nobody can tell the two apart.
        known = {uid for uid, one in record.attached.items() if one.shown} if record is not None else set()
        free = [one for one in accounts if PULL_SECRET not in one.pull_secrets and (one.taken or one.uid not in known)]
        if free:
            one = self.random.choice(free)
            self.api.put_account(name, one.name, pull_secrets=(*one.pull_secrets, PULL_SECRET), ours=False)

    def _apply_account(self, name: str) -> None:
        accounts = [account for space, account in sorted(self.api.accounts) if space == name]
        if accounts:
            self.api.apply_account(name, self.random.choice(accounts))

    def _account(self, name: str) -> None:
        if name not in self.api.namespaces:
            return
        place = (name, self.random.choice(("default", "builder", "extra")))
        old = self.api.accounts.get(place)
        if old is not None and place[1] != "default" and self.random.random() < 0.3:
            self.api.drop_account(*place)
        elif old is not None and "of-user" in old.pull_secrets:
            rest = tuple(entry for entry in old.pull_secrets if entry != "of-user")
            self.api.put_account(*place, pull_secrets=rest)
        else:
            held = old.pull_secrets if old else ()
            at = self.random.randint(0, len(held))
            self.api.put_account(*place, pull_secrets=(*held[:at], "of-user", *held[at:]), labels={"ci": "yes"})

    def _workload(self, name: str) -> None:
        if name not in self.api.namespaces:
            return
        workload = self.random.choice(("web", "job"))
        if (name, workload) in self.api.workloads and self.random.random() < 0.4:
            self.api.drop_workload(name, workload)
            return
        registry = self.random.choice(sorted(REGISTRIES))
        by_image = self.random.random() < 0.6
        self.api.put_workload(
            WorkloadSeen(
                name,
                workload,
                "",
                "",
                (IMAGES[registry],) if by_image else (parse("nginx"),),
                frozenset() if by_image else frozenset({registry}),
                self.random.random() < 0.4,
            )
        )

    def _restore(self) -> None:
        if not self.api.history:
            return
        self.api.restore(self.random.choice(self.api.history[-40:]))
        self._lose_records()
        self.failed.clear()
        kept = [item for item in self.queue if item[2] != "watch"]
        # Whoever restores etcd stops the API server: nobody gets his answer.
        self.queue = [(*item[:3], self._unanswered(item[3])) if item[2] == "answer" else item for item in kept]
        heapq.heapify(self.queue)
        for kind in Kind:
            self.send(self.random.uniform(0.1, 5), "list", kind)

    @staticmethod
    def _unanswered(value: Any) -> Any:
        life, request, answer = value
        return life, request, replace(answer, outcome=Outcome.UNKNOWN, seen=None, retry_after_s=None)

    def _heal(self) -> None:
        self.healed = True
        self.offset = 0.0
        self.end_twin()
        for place, workload in list(self.api.workloads.items()):
            if workload.pulling:
                self.api.put_workload(replace(self.api.workloads[place], pulling=False))
        for name in [name for name, space in self.api.namespaces.items() if space.terminating]:
            self._gone(name)
        self._publish()
        self.send(0.3, "document", self.documents[-1])
        for kind in Kind:
            self.send(0.5, "list", kind)

    # -- the control plane

    def _publish(self) -> None:
        """The next document. What changes is drawn, the rest stays as it was."""
        draw = self.random
        before = self.documents[-1] if self.documents else None
        grants: list[DocumentGrant] = []
        for registry in REGISTRIES:
            if registry == "r3" and not self.on("disagree", 0.5):
                continue
            old = [one for one in before.grants if one.registry == registry] if before else []
            if old and draw.random() < 0.5 and (self.on("bad credential", 0.0) or self._good(old)):
                grants += old
            elif draw.random() < 0.8:
                grants += self._grants(registry)
        not_after = None
        if self.on("ending document", 0.3):
            not_after = BEGIN + timedelta(seconds=self.t + draw.uniform(-5, 30))
        self.publish(tuple(grants), not_after)

    def publish(self, grants: tuple[DocumentGrant, ...], not_after: datetime | None = None) -> None:
        """A document of the next generation is on its way."""
        generation = len(self.documents) + 1
        document = Document("prod", generation, f"h{generation}-{self.seed}", grants, not_after)
        self.documents.append(document)
        self.send(self.random.uniform(0.1, 2), "document", document)
        if self.twin is not None:
            self.twin.document(document)

    def _good(self, grants: list[DocumentGrant]) -> bool:
        return not self.healed or all(self._usable(grant) for grant in grants)

    def _usable(self, grant: DocumentGrant) -> bool:
        ends = grant.credential.expires_at if grant.credential else None
        return grant.login is not None and (ends is None or (ends - BEGIN).total_seconds() > self.t + 5000)

    def _grants(self, registry: str) -> list[DocumentGrant]:
        draw = self.random
        names = tuple(sorted(name for name in SPACES if draw.random() < 0.5))
        selector = draw.choice((None, None, LabelSelector((("tier", "prod"),)), LabelSelector()))
        accounts = draw.choice(
            (
                ServiceAccounts.DEFAULT,
                ServiceAccounts.DEFAULT,
                ServiceAccounts.ALL,
                ServiceAccounts.NONE,
                ServiceAccountSelection(("builder",), None),
                ServiceAccountSelection((), LabelSelector((("ci", "yes"),))),
            )
        )
        delivery = Delivery(draw.choice(self.modes), accounts)
        if draw.random() < 0.6:
            self.versions[registry] += 1
        version = self.versions[registry]
        versions = [version - 1, version] if version > 1 and draw.random() < 0.3 else [version]
        made = []
        for number in versions:
            ends: datetime | None = BEGIN + timedelta(seconds=9000 + draw.uniform(0, 9000))
            secret = login(f"c-{registry}", number)
            one = DocumentGrant(
                registry,
                SOURCES[registry],
                NamespaceSelection(names, selector),
                delivery,
                CredentialRef(f"c-{registry}", number, ends),
                secret,
            )
            if number == version and self.on("bad credential", 0.5):
                one = draw.choice(
                    (
                        replace(one, credential=None, login=None),
                        replace(one, login=None),
                        replace(
                            one,
                            credential=CredentialRef(
                                f"c-{registry}", number, BEGIN + timedelta(seconds=self.t - draw.uniform(1, 60))
                            ),
                        ),
                    )
                )
            made.append(one)
        return made

    # -- invariants

    def _check_generation(self, before: State) -> None:
        document, old = self.state.document, before.document
        if document is None:
            return
        if old is not None and document.generation < old.generation and before.lines is not None:
            raise Broken(f"I4: generation {document.generation} after {old.generation}")
        known = self.hashes.setdefault(document.generation, document.hash)
        if known != document.hash:
            raise Broken(f"I4: generation {document.generation} with other bytes")

    def _check_stored(self) -> None:
        """Nothing is done by a document that is not stored."""
        document = self.state.document
        if document is not None and self.stored < document.generation:
            raise Broken(f"I4: acting by generation {document.generation}, stored is {self.stored}")

    def _document(self) -> Document | None:
        """The document in force, as it was published."""
        document = self.state.document
        if document is None or document.hash == "other":
            return document
        return self.documents[document.generation - 1]

    def _selecting(self, namespace: str) -> list[DocumentGrant]:
        """Grants of the document in force, for the namespace as the agent knows it."""
        document = self._document()
        line = self.state.lines.get(namespace)
        if document is None or line is None or line.space is None:
            return []
        labels = line.space.labels
        return [grant for grant in document.grants if grant.namespaces.selects(namespace, labels)]

    def _valid(self, entry: AuthEntry) -> bool:
        ends = entry.credential.expires_at
        return entry.login is not None and (ends is None or ends > self.now())

    def _check_apply(self, request: ApplySecret) -> None:
        """I10, at the moment of the decision and by the agent's clock."""
        secret = self.api.secrets.get(request.namespace)
        grants = self._selecting(request.namespace)
        document = self._document()
        if document is not None and document.not_after is not None and document.not_after <= self.now():
            raise Broken("I10: something was delivered by a document that has ended")
        new = {entry.key: entry for entry in request.entries}
        old = secret.data if secret is not None and secret.ours and secret.uid == request.uid else ()
        line = self.state.lines[request.namespace]
        told = {fact.key: fact for fact in (line.secret.entries if line.secret else ()) or ()}
        for entry in request.entries:
            fact = told.get(entry.key)
            same = fact is not None and fact.credential == entry.credential
            if entry.login is not None and not self._valid(entry) and not same and not self.lost_records:
                raise Broken(f"I10: {entry.credential} was written to {request.namespace} after its end")
        # What was the case when the agent last looked; a cluster that changed since is refused by its UID.
        if line.secret is None or secret is None or line.secret.resource_version != str(secret.rv):
            return
        for entry in old:
            if not self._valid(entry):
                continue
            here = [one for one in grants if entry.key in (auth_key(one.source), alias_key(one.source))]
            if not any(one.delivery.mode is DeliveryMode.STANDING for one in here):
                continue
            now = [new[key] for one in here for key in (auth_key(one.source), alias_key(one.source)) if key in new]
            if not any(self._valid(one) for one in now):
                raise Broken(
                    f"I10: {entry.credential} was valid in {request.namespace} and is replaced by nothing valid"
                )

    def _check_delete(self, request: DeleteSecret) -> None:
        grants = [one for one in self._selecting(request.namespace) if one.delivery.mode is DeliveryMode.STANDING]
        secret = self.api.secrets.get(request.namespace)
        if secret is None or not secret.ours or secret.uid != request.uid:
            return
        if request.resource_version not in ("", str(secret.rv)):
            return  # it is about what was there before, and is refused
        keys = {key for one in grants for key in (auth_key(one.source), alias_key(one.source))}
        if any(self._valid(entry) for entry in secret.data if entry.key in keys):
            raise Broken(f"I10: what is granted and valid in {request.namespace} was deleted")

    def _check_rate(self) -> None:
        """L3, by true time."""
        self.level = min(BURST, self.level + (self.t - self.level_at) * RATE)
        self.level_at = self.t
        self.level -= 1
        if self.level < -1.01:
            raise Broken(f"L3: more than {RATE:.0f} requests a second at {self.t:.0f}")
        if self.t < self.quiet_until - 0.01:
            raise Broken(f"L3: Retry-After was not honoured at {self.t:.0f}")

    def _check_object(self, request: Request) -> None:
        place = (request.namespace, getattr(request, "name", ""))
        if self.t - self.flying.get(place, -1e9) < 59.9:
            raise Broken(f"L3: two requests about {place} are under way at {self.t:.0f}")
        self.flying[place] = self.t
        under_way = sum(self.t - since < 59.9 for since in self.flying.values())
        if under_way > self.limits.in_flight:
            raise Broken(f"L3: {under_way} requests are under way at {self.t:.0f}")
        again = [at for at, generation in self.written[place] if generation == self._generation()]
        if len(again) > 1 and self.t - again[-1] < FLOOR_S - 0.01:
            raise Broken(f"L3: {place} was written twice and is asked about again at once at {self.t:.0f}")
        at, outcome, uid = self.failed.get(place, (-1e9, Outcome.DONE, ""))
        if uid != self._uid_of(request.namespace):
            return  # Another namespace of that name.
        waited = self.t - at + 0.01
        slow = outcome in {Outcome.FORBIDDEN, Outcome.REFUSED}
        if waited < (SLOW_S if slow else FLOOR_S):
            raise Broken(f"L3: {request.namespace} was asked again after {waited:.1f} s and {outcome}")

    def _generation(self) -> int:
        return self.state.document.generation if self.state.document is not None else 0

    def _uid_of(self, name: str) -> str:
        space = self.api.namespaces.get(name)
        return space.uid if space is not None else ""

    def _noted(self, request: Request, answer: Answer) -> None:
        place = (answer.namespace, answer.account)
        self.flying.pop(place, None)
        line = self.state.lines.get(place[0], Line(place[0]))
        pace = line.account_paces.get(place[1]) if place[1] else line.pace
        if answer.outcome in CERTAINLY_NOT and pace is not None and pace.ask == answer.ask:
            self._was_refused(answer.ask)
        if pace is None or pace.ask != answer.ask:
            return  # It was given up.
        fine = {Outcome.DONE, Outcome.NOT_FOUND} if isinstance(request, ReadSecret) else {Outcome.DONE}
        if answer.account:
            fine = {Outcome.DONE, Outcome.NOT_FOUND}
        if answer.outcome in fine or (answer.outcome is Outcome.NOT_FOUND and isinstance(request, DeleteSecret)):
            self.failed.pop(place, None)
            overtaken = answer.ask in line.overtaken
            if answer.outcome is Outcome.DONE and not isinstance(request, REQUESTS_READING) and not overtaken:
                self.written[place].append((self.t, self._generation()))
        else:
            self.failed[place] = (self.t, answer.outcome, self._uid_of(answer.namespace))
        if answer.retry_after_s and answer.outcome in {Outcome.THROTTLED, Outcome.UNAVAILABLE}:
            self.quiet_until = self.t + min(answer.retry_after_s, RETRY_AFTER_S)

    def _check_turn(self, sent: bool) -> None:
        """L4: whoever waits while others are served comes next, within two rounds of everything there is."""
        for name, line in self.state.lines.items():
            if line.queued is None:
                self.passed[name] = 0
            elif sent:
                self.passed[name] += 1
                if self.passed[name] > 8 * len(self.state.lines):
                    raise Broken(f"L4: {name} has waited while {self.passed[name]} rounds went to others")

    # -- at rest

    def check_rest(self) -> None:
        """I1, I2 and L1, when nothing has gone wrong for long enough."""
        document = self.documents[-1]
        if self.state.document is None or self.state.document.hash != document.hash:
            raise Broken("L1: the last document is not in force")
        for name in sorted(self.api.secrets):
            secret = self.api.secrets[name]
            record = self.saved.records.get(name)
            if labelled(secret) and (record is None or record.secret_uid != secret.uid):
                raise Broken(f"I2: the Secret in {name} carries our marks and is in no record")
            if secret.ours and not self._grants_in(document, name):
                raise Broken(f"I1: a Secret of ours is in {name} without a grant")
        for name in self.saved.records:
            if name not in self.api.namespaces:
                raise Broken(f"I2: a record of {name}, which is not there")
        for name in self.api.namespaces:
            self._check_space(document, name)

    def _grants_in(self, document: Document, name: str) -> list[DocumentGrant]:
        labels = self.api.namespaces[name].labels
        return [one for one in document.grants if one.namespaces.selects(name, labels)]

    def _check_space(self, document: Document, name: str) -> None:
        grants = self._grants_in(document, name)
        secret = self.api.secrets.get(name)
        taken = secret is not None and not (secret.ours and labelled(secret))
        told = self.statuses.get(name)
        if taken and grants and (told is None or told.phase is not agent_messages.Phase.TAKEN):
            raise Broken(f"I3: the name is taken in {name}, and nobody is told")
        if not taken and not (secret is not None and secret.immutable and grants):
            self._check_entries(name, grants, secret)
        for (namespace, account), one in self.api.accounts.items():
            if namespace != name:
                continue
            should, has = self._attached(grants, account, one.labels), PULL_SECRET in one.pull_secrets
            if should and not has and not taken:
                raise Broken(f"L1: {name}/{account} has no entry")
            if has and not should and one.ours and not self.lost_records:
                self._check_left(one, told, secret is None and not grants)

    def _check_left(self, account: Account, told: Status | None, bare: bool) -> None:
        """An entry of ours without a grant. It may only stay where nobody can know that it is ours: the agent that had
        written it died before it was shown that, and then somebody wrote the list himself. And that is told.
        """
        if not account.rewritten or account.uid in self.known:
            raise Broken(f"I1: {account.namespace}/{account.name} has an entry of ours without a grant")
        if bare and (told is None or told.phase is not agent_messages.Phase.LEFT):
            raise Broken(f"I1: an entry is left in {account.namespace}/{account.name}, and nobody is told")

    @staticmethod
    def _attached(grants: list[DocumentGrant], account: str, labels: Any) -> bool:
        for grant in grants:
            chosen = grant.delivery.service_accounts
            if isinstance(chosen, ServiceAccountSelection):
                if account in chosen.names or (chosen.selector is not None and labels.get("ci") == "yes"):
                    return True
            elif chosen is ServiceAccounts.ALL or (chosen is ServiceAccounts.DEFAULT and account == "default"):
                return True
        return False

    def _check_entries(self, name: str, grants: list[DocumentGrant], secret: Secret | None) -> None:
        expected: dict[str, tuple[str, int, bool]] = {}
        for source in {grant.source for grant in grants}:
            here = [one for one in grants if one.source == source and self._live(one, name) is not None]
            credentials = sorted({one.credential for one in here if one.credential is not None}, reverse=True)
            for key, credential in zip((auth_key(source), alias_key(source)), credentials, strict=False):
                live = any(self._live(one, name) for one in here if one.credential == credential)
                expected[key] = (credential.id, credential.version, live)
        data = secret.data if secret is not None else ()
        there = {entry.key: (entry.credential.id, entry.credential.version, entry.login is not None) for entry in data}
        if there != expected:
            raise Broken(f"L1: {name} holds {there}, and should hold {expected}")
        if secret is not None and secret.told != facts(secret.data):
            raise Broken(f"L1: the annotation in {name} does not say what is there")

    def _live(self, grant: DocumentGrant, name: str) -> bool | None:
        """Whether a grant is live at rest, where nobody has to pull; None if it brings nothing."""
        if grant.delivery.mode is DeliveryMode.LEASE:
            return False
        if grant.delivery.mode is DeliveryMode.STANDING:
            return True
        using = [one for (space, _), one in self.api.workloads.items() if space == name]
        path = REGISTRIES[grant.registry] + "/"
        by_image = any(str(image).startswith(path) for one in using for image in one.images)
        return True if by_image or any(grant.registry in one.registries for one in using) else None
