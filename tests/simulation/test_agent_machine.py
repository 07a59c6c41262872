"""Hypothesis finds the shortest way to a cluster in which something of somebody else's is touched, or nothing rests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from portreeve.core.agent_messages import (
    Answer,
    Changed,
    Deleted,
    DesiredReceived,
    DocumentPersisted,
    Event,
    Listed,
    Outcome,
    PersistDocument,
    PersistRecord,
    Report,
    ReportDocument,
    Request,
    Restarted,
    Saved,
    Tick,
)
from portreeve.core.cluster import NamespaceSelection
from portreeve.core.credential import CredentialRef
from portreeve.core.delivery import Document, DocumentGrant
from portreeve.core.observation import PULL_SECRET, Kind, Seen
from portreeve.core.pacing import Limits
from portreeve.core.reconcile import step
from portreeve.core.reconcile_state import State
from tests.simulation.agent import SOURCES
from tests.simulation.cluster import FOREIGN, Api, Secret, labelled, login

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FAILURES = (Outcome.CONFLICT, Outcome.FORBIDDEN, Outcome.UNAVAILABLE, Outcome.UNKNOWN)


class Machine(RuleBasedStateMachine):
    """One namespace, one registry; events wait until a rule delivers, doubles or loses them."""

    @initialize()
    def begin(self) -> None:
        self.at = 0.0
        self.events: list[Event] = []
        self.life = 0
        self.requests: list[tuple[int, Request]] = []
        self.answers: list[Answer] = []
        self.api = Api(self.emit)
        self.saved = Saved()
        self.granted, self.generation, self.version = False, 0, 1
        self.state = State()
        self.restart()
        self.api.put_namespace("shop", {})
        self.publish(True)
        self.settle()

    def emit(self, kind: Kind, namespace: str, name: str, uid: str, seen: Seen | None) -> None:
        self.events.append(Changed(seen) if seen is not None else Deleted(kind, namespace, name, uid))

    def do(self, event: Event) -> None:
        self.state, effects = step(self.state, event)
        for effect in effects:
            match effect:
                case PersistDocument(document):
                    self.saved = replace(self.saved, document=document)
                    self.do(DocumentPersisted(document.generation))
                case PersistRecord(namespace, record):
                    self.saved = replace(self.saved, records={namespace: record} if record is not None else {})
                case Report() | ReportDocument():
                    pass
                case _:
                    self.requests.append((self.life, effect))

    @rule()
    def restart(self) -> None:
        self.life += 1
        self.answers.clear()
        self.events.clear()
        self.do(Restarted(self.saved, Limits(1e6, 1e6, 100)))
        self.relist()

    @rule()
    def relist(self) -> None:
        self.events.clear()
        for kind in Kind:
            self.do(Listed(kind, self.api.items(kind)))

    @rule(seconds=st.sampled_from((0.1, 2.0, 61.0, 300.0)))
    def pass_time(self, seconds: float) -> None:
        self.at += seconds
        self.do(Tick(NOW + timedelta(seconds=self.at), self.at, 0.5))

    @rule(granted=st.sampled_from((True, True, False)))
    def publish(self, granted: bool) -> None:
        self.granted, self.generation, self.version = granted, self.generation + 1, self.version + 1
        grant = DocumentGrant(
            "r1",
            SOURCES["r1"],
            NamespaceSelection(("shop",)),
            credential=CredentialRef("c", self.version),
            login=login("c", self.version),
        )
        self.do(DesiredReceived(Document("prod", self.generation, f"h{self.generation}", (grant,) if granted else ())))

    @precondition(lambda self: self.requests)
    @rule(fails=st.none() | st.sampled_from(FAILURES), lost=st.booleans())
    def carry_out(self, fails: Outcome | None, lost: bool) -> None:
        life, request = self.requests.pop(0)
        outcome, seen = (fails, None) if fails else self.api.carry_out(request)
        if life != self.life:
            return  # Whoever asked has crashed.
        if lost:
            outcome, seen = Outcome.UNKNOWN, None
        self.answers.append(
            Answer(request.ask, request.namespace, getattr(request, "name", ""), outcome, self.at, 0.5, seen)
        )

    @rule()
    def settle(self) -> None:
        """A while in which nothing fails."""
        self.drain()
        self.relist()
        self.pass_time(301.0)
        self.drain()

    @precondition(lambda self: self.answers)
    @rule()
    def answer(self) -> None:
        self.do(replace(self.answers.pop(0), at=self.at))

    @precondition(lambda self: self.events)
    @rule(again=st.booleans())
    def watch(self, again: bool) -> None:
        event = self.events.pop(0)
        self.do(event)
        if again:
            self.do(event)

    # -- people

    @precondition(lambda self: "shop" in self.api.secrets)
    @rule(what=st.sampled_from(("edit", "strip", "touch", "delete")))
    def meddle(self, what: str) -> None:
        secret = self.api.secrets["shop"]
        changes: dict[str, dict[str, Any]] = {
            "edit": {"managers": secret.managers | {"kubectl"}, "edited": True, "data": FOREIGN},
            "strip": {"labels": {}, "edited": True},
            "touch": {},
        }
        if what == "delete":
            self.api.drop_secret("shop")
        else:
            self.api.put_secret(replace(secret, **changes[what]))

    @precondition(lambda self: "shop" not in self.api.secrets and "shop" in self.api.namespaces)
    @rule(seldom=st.sampled_from((0, 0, 0, 1)))
    def take_the_name(self, seldom: int) -> None:
        if seldom:
            self.api.put_secret(Secret("shop", self.api.uid(), 0, "user", {}, frozenset({"kubectl"})))

    @rule(at=st.sampled_from((0, -1)))
    def change_the_account(self, at: int) -> None:
        account = self.api.accounts.get(("shop", "default"))
        if account is not None:
            names = list(account.pull_secrets)
            names.insert(at if at == 0 else len(names), "of-user")
            self.api.put_account("shop", "default", pull_secrets=tuple(names))

    @rule()
    def make_the_namespace_anew(self) -> None:
        self.api.remove_namespace("shop")
        self.api.put_namespace("shop", {})

    # -- laws; what touches something of somebody else's is seen by the API

    @invariant()
    def nothing_is_done_by_what_is_not_stored(self) -> None:
        document = getattr(self, "state", State()).document
        assert document is None or document == self.saved.document

    def teardown(self) -> None:
        """Nothing fails any more: everything comes to rest, and then nothing is asked."""
        if not hasattr(self, "api") or self.generation == 0:
            return
        for _ in range(12):
            self.drain()
            self.relist()
            self.pass_time(301.0)
        assert not self.requests
        secret, account = self.api.secrets.get("shop"), self.api.accounts["shop", "default"]
        ours = secret is not None and secret.ours and labelled(secret)
        taken = secret is not None and not ours
        if self.granted and not taken:
            assert secret is not None
            assert [entry.credential.version for entry in secret.data] == [self.version]
            assert PULL_SECRET in account.pull_secrets
        if not self.granted:
            assert not ours
            assert PULL_SECRET not in account.pull_secrets or not account.ours

    def drain(self) -> None:
        while self.requests or self.answers:
            while self.answers:
                self.answer()
            while self.requests:
                self.carry_out(None, False)
            while self.answers:
                self.answer()
            self.pass_time(1.0)


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestMachine = Machine.TestCase
