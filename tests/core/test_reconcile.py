"""`core.reconcile`, one sentence at a time; what holds under faults is in tests/simulation/test_agent.py."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    Phase,
    ReadSecret,
    ReadServiceAccount,
    Report,
    ReportDocument,
    Restarted,
    Saved,
    Tick,
    Verdict,
)
from portreeve.core.cluster import LabelSelector, NamespaceSelection
from portreeve.core.credential import CredentialRef, Login
from portreeve.core.delivery import DELIVERED, Document, DocumentGrant, selecting
from portreeve.core.leases import QUIET_S
from portreeve.core.observation import (
    MANAGER,
    OWNER_LABEL,
    PULL_SECRET,
    AccountSeen,
    Attachment,
    EntryFact,
    Kind,
    NamespaceSeen,
    Record,
    SecretSeen,
    Seen,
    WorkloadSeen,
)
from portreeve.core.pacing import ANSWER_S, SLOW_S, Limits
from portreeve.core.policy import Delivery, DeliveryMode, ServiceAccounts
from portreeve.core.reconcile import step
from portreeve.core.reconcile_state import MOST_GONE, State
from portreeve.core.reference import parse, parse_prefix
from portreeve.core.secret import SecretValue

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = "harbor.example.com/shop/"
LATER = NOW + timedelta(hours=12)


def grant(version: int = 1, **changes: Any) -> DocumentGrant:
    made = DocumentGrant(
        "harbor",
        parse_prefix("harbor.example.com/shop"),
        NamespaceSelection(("shop",)),
        Delivery(),
        CredentialRef("c-1", version, LATER),
        Login("robot", SecretValue("hidden")),
    )
    return replace(made, **changes)


def mode(which: DeliveryMode) -> Delivery:
    return Delivery(which, ServiceAccounts.NONE)


def document(generation: int, *grants: DocumentGrant, **changes: Any) -> Document:
    return replace(Document("prod", generation, f"h{generation}", grants), **changes)


def fact(version: int = 1, *, live: bool = True) -> EntryFact:
    return EntryFact(KEY, CredentialRef("c-1", version, LATER), live)


OURS = SecretSeen("shop", "s1", "10", dict([OWNER_LABEL]), frozenset({MANAGER}), (fact(),))
THEIRS = SecretSeen("shop", "s9", "10", {}, frozenset({"kubectl"}))
SPACE = NamespaceSeen("shop", "n1", "5")
ACCOUNT = AccountSeen("shop", "default", "a1", "6")


class Agent:
    """A state, its clock, and what was asked last."""

    def __init__(self, saved: Saved | None = None, limits: Limits | None = None) -> None:
        self.at = 0.0
        self.offset = timedelta()
        self.state = State()
        self.do(Restarted(saved or Saved(), limits or Limits()))

    def do(self, event: Event) -> tuple[Effect, ...]:
        self.state, effects = step(self.state, event)
        return effects

    def lists(self, *seen: Seen) -> Agent:
        kinds = {NamespaceSeen: Kind.NAMESPACE, SecretSeen: Kind.SECRET, AccountSeen: Kind.ACCOUNT}
        for kind in Kind:
            self.do(Listed(kind, tuple(one for one in seen if kinds.get(type(one), Kind.WORKLOAD) is kind)))
        return self

    def given(self, *grants: DocumentGrant, generation: int = 1, **changes: Any) -> Agent:
        self.do(DesiredReceived(document(generation, *grants, **changes)))
        self.do(DocumentPersisted(generation))
        return self

    def tick(self, seconds: float = 1.0) -> tuple[Effect, ...]:
        self.at += seconds
        return self.do(Tick(NOW + timedelta(seconds=self.at) + self.offset, self.at, 0.5))

    def answer(self, request: Any, outcome: Outcome = Outcome.DONE, seen: Any = None, **changes: Any) -> None:
        account = getattr(request, "name", "")
        self.do(Answer(request.ask, request.namespace, account, outcome, self.at, 0.5, seen, **changes))


def kinds(effects: tuple[Effect, ...]) -> list[type]:
    return [type(one) for one in effects]


def phases(effects: tuple[Effect, ...]) -> list[Phase]:
    return [one.status.phase for one in effects if isinstance(one, Report)]


def only(effects: tuple[Effect, ...], kind: type) -> Any:
    (found,) = [one for one in effects if isinstance(one, kind)]
    return found


# -- documents


def test_nothing_is_done_before_every_kind_was_listed() -> None:
    agent = Agent().given(grant())
    agent.do(Listed(Kind.NAMESPACE, (SPACE,)))
    assert agent.tick() == ()
    assert ReadSecret in kinds(agent.lists(SPACE).tick())


def test_nothing_is_deleted_without_a_document() -> None:
    assert kinds(Agent().lists(SPACE, OURS).tick()) == [PersistRecord], "what is ours is recorded, and left"


def test_a_document_counts_once_it_is_stored() -> None:
    agent = Agent().lists(SPACE)
    assert kinds(agent.do(DesiredReceived(document(1, grant())))) == [PersistDocument]
    assert agent.tick() == ()
    told = only(agent.do(DocumentPersisted(1)), ReportDocument)
    assert told == ReportDocument(1, "h1", Verdict.APPLIED)
    assert ReadSecret in kinds(agent.tick())
    assert agent.do(DocumentPersisted(1)) == ()


def test_one_that_could_not_be_stored_is_stored_when_it_comes_again() -> None:
    agent = Agent()
    agent.do(DesiredReceived(document(1)))
    assert kinds(agent.do(DesiredReceived(document(1)))) == [PersistDocument]


@pytest.mark.parametrize(("other", "verdict"), [(document(1), Verdict.OLDER), (document(2, hash="x"), Verdict.DIFFERS)])
def test_an_older_or_another_document_is_refused_and_told(other: Document, verdict: Verdict) -> None:
    agent = Agent(Saved(document(2)))
    assert agent.do(DesiredReceived(other)) == (ReportDocument(other.generation, other.hash, verdict),)
    assert agent.do(DesiredReceived(document(2))) == ()
    assert agent.state.document == document(2)


def test_a_document_that_has_ended_does_nothing_and_says_so_once() -> None:
    agent = Agent().lists(SPACE, OURS).given(generation=1, not_after=NOW + timedelta(seconds=10))
    assert agent.tick(10.0) == (ReportDocument(1, "h1", Verdict.ENDED),)
    assert agent.tick() == ()
    agent.offset = timedelta(hours=-1)
    assert DeleteSecret in kinds(agent.tick()), "the clock was wrong, and has been set"


def test_no_login_is_in_a_comparison_or_in_text() -> None:
    agent = Agent().given(grant())
    assert "hidden)" in repr(agent.state.document)
    assert "robot" not in repr(agent.state.logins.keys())
    assert replace(agent.state, logins={}) == agent.state


# -- the Secret


def test_a_secret_is_read_then_made_then_left_alone() -> None:
    agent = Agent().lists(SPACE).given(grant(delivery=mode(DeliveryMode.STANDING)))
    first = agent.tick()
    assert phases(first) == [Phase.PENDING]
    agent.answer(only(first, ReadSecret), Outcome.NOT_FOUND)
    made = only(agent.tick(), ApplySecret)
    assert (made.uid, made.resource_version, made.labels) == ("", "", (OWNER_LABEL,))
    assert [entry.key for entry in made.entries] == [KEY]
    agent.answer(made, seen=OURS)
    settled = agent.tick()
    assert only(settled, PersistRecord).record == Record("n1", "s1")
    assert phases(settled) == [Phase.DELIVERED]
    assert agent.tick(3600.0) == ()
    agent.do(Changed(OURS))
    assert agent.tick() == ()


def test_a_rotation_is_one_apply_that_names_what_it_changes() -> None:
    agent = Agent().lists(SPACE, OURS).given(grant(delivery=mode(DeliveryMode.STANDING)))
    agent.tick()
    agent.given(grant(1), grant(2), generation=2)
    asked = only(agent.tick(), ApplySecret)
    assert (asked.uid, asked.resource_version) == ("s1", "10")
    assert {entry.key: entry.credential.version for entry in asked.entries} == {
        KEY: 2,
        "https://harbor.example.com/v2/shop/": 1,
    }


def test_a_secret_of_somebody_else_is_left_alone_and_told() -> None:
    agent = Agent().lists(SPACE, THEIRS, ACCOUNT).given(grant())
    effects = agent.tick()
    assert kinds(effects) == [Report]
    assert phases(effects) == [Phase.TAKEN]
    agent.given(generation=2)
    assert phases(agent.tick()) == [Phase.REMOVED]


@pytest.mark.parametrize(
    "secret",
    [
        replace(OURS, labels={}),
        replace(OURS, managers=frozenset({MANAGER, "kubectl"})),
        replace(OURS, managers=frozenset({"helm"})),
    ],
)
def test_one_mark_is_not_enough(secret: SecretSeen) -> None:
    assert kinds(Agent().lists(SPACE, secret).given().tick()) == []


def test_what_is_not_granted_is_deleted_by_its_marks_also_when_no_record_is_left() -> None:
    effects = Agent().lists(SPACE, OURS).given().tick()
    assert kinds(effects) == [PersistRecord, Report, DeleteSecret]
    assert only(effects, DeleteSecret).uid == "s1"
    assert only(effects, DeleteSecret).resource_version == "10"


def test_a_secret_that_is_going_away_or_cannot_be_changed_is_waited_for() -> None:
    assert kinds(Agent().lists(SPACE, replace(OURS, terminating=True)).given().tick()) == [PersistRecord, Report]
    agent = Agent().lists(SPACE, replace(OURS, immutable=True)).given(grant(2))
    assert phases(agent.tick()) == [Phase.IMMUTABLE]


@pytest.mark.parametrize("name", ["kube-system", "kube-public"])
def test_namespaces_of_the_cluster_itself_get_nothing(name: str) -> None:
    everywhere = NamespaceSelection((name,), LabelSelector())
    assert Agent().lists(replace(SPACE, name=name)).given(grant(namespaces=everywhere)).tick() == ()


def test_a_namespace_that_is_being_deleted_is_left_alone() -> None:
    agent = Agent().lists(replace(SPACE, terminating=True), OURS).given()
    assert kinds(agent.tick()) == [PersistRecord]


def test_a_namespace_that_says_it_is_going_is_believed() -> None:
    agent = Agent().lists(SPACE).given(grant())
    agent.answer(only(agent.tick(), ReadSecret), Outcome.NOT_FOUND)
    agent.answer(only(agent.tick(), ApplySecret), Outcome.GONE)
    assert agent.tick(600.0) == ()


# -- nothing usable gives way


@pytest.mark.parametrize(
    "of_no_use",
    [
        grant(2, credential=CredentialRef("c-1", 2, NOW)),
        grant(2, login=None),
        grant(credential=None, login=None),
    ],
)
def test_what_is_of_no_use_is_not_written_over_what_is(of_no_use: DocumentGrant) -> None:
    agent = Agent().lists(SPACE, OURS).given(of_no_use)
    effects = agent.tick()
    assert kinds(effects) == [PersistRecord, Report]
    assert phases(effects) == [Phase.KEPT]


def test_what_stays_is_read_from_the_secret_when_its_neighbour_changes() -> None:
    other = grant(registry="hub", source=parse_prefix("docker.io/shop"), credential=CredentialRef("c-2", 1, LATER))
    agent = Agent().lists(SPACE, OURS).given(grant(2, login=None), other)
    read = only(agent.tick(), ReadSecret)
    agent.answer(read, seen=replace(OURS, logins={KEY: Login("robot", SecretValue("hidden"))}))
    entries = only(agent.tick(), ApplySecret).entries
    assert [(entry.key, entry.credential.version, entry.login is not None) for entry in entries] == [
        ("docker.io/shop/", 1, True),
        (KEY, 1, True),
    ]


def test_what_the_secret_does_not_hold_either_is_left_out() -> None:
    other = grant(registry="hub", source=parse_prefix("docker.io/shop"), credential=CredentialRef("c-2", 1, LATER))
    agent = Agent().lists(SPACE, OURS).given(grant(2, login=None), other)
    agent.answer(only(agent.tick(), ReadSecret), seen=replace(OURS, logins={}))
    assert [entry.key for entry in only(agent.tick(), ApplySecret).entries] == ["docker.io/shop/"]


def test_grants_that_disagree_change_nothing_and_are_told() -> None:
    other = grant(registry="mirror", credential=CredentialRef("c-2", 1, LATER))
    assert phases(Agent().lists(SPACE, OURS).given(grant(), other).tick()) == [Phase.DISAGREEING]
    assert phases(Agent().lists(SPACE).given(grant(), other).tick()) == [Phase.NOTHING]


# -- modes


def test_workload_delivers_while_something_uses_the_registry() -> None:
    agent = Agent().lists(SPACE).given(grant(delivery=mode(DeliveryMode.WORKLOAD)))
    assert phases(agent.tick()) == [Phase.NOTHING]
    agent.do(Changed(WorkloadSeen("shop", "web", "w1", "7", (parse("harbor.example.com/shop/web:1"),))))
    assert ReadSecret in kinds(agent.tick())
    named = Agent().lists(SPACE, WorkloadSeen("shop", "web", "w1", "7", registries=frozenset({"harbor"})))
    assert ReadSecret in kinds(named.given(grant(delivery=mode(DeliveryMode.WORKLOAD))).tick())
    agent.do(Changed(OURS))
    agent.do(Deleted(Kind.WORKLOAD, "shop", "web", "w1"))
    agent.tick(ANSWER_S)
    agent.tick(ANSWER_S)
    assert "shop" in agent.state.lines
    assert agent.state.lines["shop"].workloads == {}


def test_a_lease_is_live_while_somebody_pulls_and_hollow_after_a_quiet_time() -> None:
    pulling = WorkloadSeen("shop", "web", "w1", "7", (parse("harbor.example.com/shop/web:1"),), pulling=True)
    hollow = replace(OURS, entries=(fact(live=False),))
    agent = Agent().lists(SPACE, hollow).given(grant(delivery=mode(DeliveryMode.LEASE)))
    assert phases(agent.tick()) == [Phase.DELIVERED]
    agent.do(Changed(pulling))
    opened = only(agent.tick(), ApplySecret)
    assert opened.entries[0].login is not None
    agent.answer(opened, seen=replace(OURS, resource_version="11"))
    agent.do(Changed(replace(pulling, resource_version="12", pulling=False)))
    agent.tick()
    assert ApplySecret not in kinds(agent.tick(QUIET_S / 2))
    closed = only(agent.tick(QUIET_S), ApplySecret)
    assert [(entry.key, entry.login) for entry in closed.entries] == [(KEY, None)]


def test_a_lease_that_is_found_live_is_not_ended_at_once() -> None:
    agent = Agent().lists(SPACE, OURS).given(grant(delivery=mode(DeliveryMode.LEASE)))
    assert ApplySecret not in kinds(agent.tick())
    assert ApplySecret in kinds(agent.tick(QUIET_S + 1))


# -- ServiceAccounts


def test_an_account_gets_our_entry_beside_the_others_and_loses_ours_alone() -> None:
    has = replace(ACCOUNT, pull_secrets=("of-user",))
    agent = Agent().lists(SPACE, OURS, has, replace(ACCOUNT, name="builder", uid="a2")).given(grant())
    effects = agent.tick()
    assert only(effects, PersistRecord).record == Record("n1", "s1", {"a1": Attachment("6")})
    asked = only(effects, PatchServiceAccount)
    assert asked.operations() == [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "6"},
        {"op": "test", "path": "/imagePullSecrets", "value": [{"name": "of-user"}]},
        {"op": "add", "path": "/imagePullSecrets/-", "value": {"name": "portreeve-pull"}},
    ]
    after = replace(has, resource_version="8", pull_secrets=("of-user", "portreeve-pull"), held=True)
    agent.answer(asked, seen=after)
    shown = only(agent.tick(10.0), PersistRecord).record
    assert shown == Record("n1", "s1", {"a1": Attachment("8", shown=True)})
    agent.given(generation=2)
    gone = only(agent.tick(10.0), PatchServiceAccount)
    assert gone.operations()[1:] == [
        {"op": "test", "path": "/imagePullSecrets/1/name", "value": "portreeve-pull"},
        {"op": "remove", "path": "/imagePullSecrets/1"},
    ]


def test_the_first_entry_makes_the_list() -> None:
    patch = PatchServiceAccount("shop", "default", True, "6", ())
    assert patch.operations()[1] == {"op": "add", "path": "/imagePullSecrets", "value": [{"name": "portreeve-pull"}]}


def test_where_the_server_records_no_managers_it_begins_to_with_us() -> None:
    patch = PatchServiceAccount("shop", "default", True, "6", (), tracked=False)
    (begun,) = [one for one in patch.operations() if one["path"] == "/metadata/managedFields"]
    assert [(one["manager"], one["operation"]) for one in begun["value"]] == [(MANAGER, "Update")]
    assert len(replace(patch, tracked=True).operations()) == len(replace(patch, attach=False,
        pull_secrets=("portreeve-pull",)).operations()) - 1 == 2  # fmt: skip


BY_HAND = replace(ACCOUNT, resource_version="9", pull_secrets=("portreeve-pull",))
"""Somebody has written our entry himself."""


def _attaching() -> tuple[Agent, Saved]:
    """An agent that is about to attach, and what it has stored."""
    agent = Agent().lists(SPACE, ACCOUNT).given(grant())
    effects = agent.tick()
    assert PatchServiceAccount in kinds(effects)
    return agent, Saved(document(1, grant()), {"shop": only(effects, PersistRecord).record})


def test_an_entry_that_was_only_meant_to_be_written_is_not_ours_seed_107155() -> None:
    """The patch is refused, as somebody has written the same by hand, and whoever sent it dies before it hears so."""
    _, saved = _attaching()
    agent = Agent(saved).lists(SPACE, BY_HAND).given(generation=2)
    effects = agent.tick()
    assert PatchServiceAccount not in kinds(effects)
    assert phases(effects) == [Phase.LEFT], "nobody can tell whose it is: somebody has to say so"
    assert agent.tick(300.0) == ()
    agent.do(Changed(replace(BY_HAND, resource_version="12", pull_secrets=())))
    assert phases(agent.tick()) == [Phase.REMOVED]


def test_an_entry_that_was_meant_to_be_written_and_shows_our_hand_is_ours() -> None:
    _, saved = _attaching()
    agent = Agent(saved).lists(SPACE, replace(BY_HAND, held=True)).given(generation=2)
    assert not only(agent.tick(), PatchServiceAccount).attach


def test_what_was_shown_to_be_ours_stays_ours_when_somebody_writes_the_list() -> None:
    """Also when the two changes are heard of together, or in the wrong order."""
    shown, edited = replace(BY_HAND, held=True), replace(BY_HAND, resource_version="10")
    for events in ((shown, edited), (edited, shown)):
        agent, _ = _attaching()
        for seen in events:
            agent.do(Changed(seen))
        agent.given(generation=2)
        agent.tick(70.0)
        agent.answer(only(agent.tick(70.0), ReadServiceAccount), seen=edited)
        assert not only(agent.tick(70.0), PatchServiceAccount).attach


def test_an_older_proof_proves_nothing_of_what_came_later() -> None:
    """A list that is behind still has the entry of an earlier life."""
    _, saved = _attaching()
    agent = Agent(saved).lists(SPACE, replace(BY_HAND, resource_version="4", held=True))
    agent.tick()
    agent.lists(SPACE, BY_HAND).given(generation=2)
    assert PatchServiceAccount not in kinds(agent.tick())


SHOWN = Saved(document(1), {"shop": Record("n1", "", {"a1": Attachment("8", shown=True)})})


def test_once_it_was_gone_the_next_entry_may_be_anybodys() -> None:
    agent = Agent(SHOWN).lists(SPACE, replace(ACCOUNT, resource_version="9")).given(generation=2)
    assert only(agent.tick(), PersistRecord).record == Record("n1", "", {"a1": Attachment("9")})
    agent.do(Changed(replace(BY_HAND, resource_version="12")))
    assert PatchServiceAccount not in kinds(agent.tick())


def test_what_an_agent_has_begun_to_take_away_is_not_taken_from_whoever_writes_it_again() -> None:
    """The removal is carried out, nobody hears so, and somebody writes the entry by hand."""
    agent = Agent(SHOWN).lists(SPACE, BY_HAND).given(generation=2)
    effects = agent.tick()
    assert not only(effects, PatchServiceAccount).attach
    stored = only(effects, PersistRecord).record
    again = replace(BY_HAND, resource_version="14")
    assert PatchServiceAccount not in kinds(Agent(Saved(document(2), {"shop": stored})).lists(SPACE, again).tick())
    same = Agent(Saved(document(2), {"shop": stored})).lists(SPACE, BY_HAND)
    assert PatchServiceAccount in kinds(same.tick()), "it is as it was when it was ours"
    agent.answer(only(effects, PatchServiceAccount), Outcome.UNKNOWN)
    agent.do(Changed(again))
    assert PatchServiceAccount not in kinds(agent.tick(70.0))


def test_a_refused_removal_is_tried_again_on_the_list_as_it_is() -> None:
    agent = Agent(SHOWN).lists(SPACE, BY_HAND).given(generation=2)
    agent.answer(only(agent.tick(), PatchServiceAccount), Outcome.CONFLICT)
    read = only(agent.tick(10.0), ReadServiceAccount)
    agent.answer(read, seen=replace(BY_HAND, resource_version="14", pull_secrets=("of-user", "portreeve-pull")))
    assert only(agent.tick(), PatchServiceAccount).operations()[0]["value"] == "14"


def test_of_a_lost_record_comes_back_what_the_account_shows_and_nothing_else() -> None:
    theirs = replace(BY_HAND, name="builder", uid="a2")
    agent = Agent().lists(SPACE, OURS, replace(BY_HAND, held=True), theirs).given()
    assert [one.name for one in agent.tick() if isinstance(one, PatchServiceAccount)] == ["default"]


def test_an_entry_of_our_name_that_is_not_recorded_stays() -> None:
    theirs = replace(ACCOUNT, pull_secrets=("portreeve-pull",))
    assert Agent().lists(SPACE, theirs).given().tick() == ()


def test_an_account_is_read_again_after_a_conflict() -> None:
    agent = Agent().lists(SPACE, OURS, ACCOUNT).given(grant())
    agent.answer(only(agent.tick(), PatchServiceAccount), Outcome.CONFLICT)
    again = only(agent.tick(10.0), ReadServiceAccount)
    agent.answer(again, Outcome.NOT_FOUND)
    assert kinds(agent.tick()) == [Report]
    assert agent.tick() == ()


# -- failures


def test_a_refusal_is_told_and_tried_again_seldom() -> None:
    agent = Agent().lists(SPACE).given(grant(delivery=mode(DeliveryMode.STANDING)))
    agent.answer(only(agent.tick(), ReadSecret), Outcome.FORBIDDEN)
    assert phases(agent.tick()) == [Phase.FORBIDDEN]
    assert agent.tick(60.0) == ()
    assert ReadSecret in kinds(agent.tick(SLOW_S))


def test_a_busy_api_server_is_left_alone_by_everything() -> None:
    agent = Agent().lists(SPACE, OURS, ACCOUNT).given(grant(2))
    effects = agent.tick()
    agent.answer(only(effects, ApplySecret), Outcome.THROTTLED, retry_after_s=30.0)
    agent.answer(only(effects, PatchServiceAccount), Outcome.CONFLICT)
    assert agent.tick(20.0) == ()
    assert {ApplySecret, ReadServiceAccount} <= set(kinds(agent.tick(11.0)))


def test_an_answer_that_never_comes_is_one_that_nobody_knows() -> None:
    agent = Agent().lists(SPACE, OURS).given(grant(2, delivery=mode(DeliveryMode.STANDING)))
    asked = only(agent.tick(), ApplySecret)
    agent.tick(ANSWER_S)
    assert ReadSecret in kinds(agent.tick(10.0))
    agent.answer(asked, seen=OURS)
    assert agent.state.lines["shop"].reread, "an answer to an earlier request changes nothing"


def test_an_answer_about_a_namespace_that_is_not_known_changes_nothing() -> None:
    agent = Agent()
    agent.answer(ReadSecret("shop", 1), Outcome.NOT_FOUND)
    assert agent.state == Agent().state


def test_an_answer_that_a_list_has_overtaken_is_asked_for_again() -> None:
    agent = Agent().lists(SPACE).given(grant())
    read = only(agent.tick(), ReadSecret)
    agent.lists(SPACE, THEIRS)
    agent.answer(read, Outcome.NOT_FOUND)
    assert ReadSecret in kinds(agent.tick(10.0))


def test_revoked_namespaces_come_first_and_the_share_is_kept() -> None:
    spaces = [replace(SPACE, name=f"n{number}", uid=f"n{number}") for number in range(9)]
    secrets = [replace(OURS, namespace=one.name, uid=f"s-{one.name}") for one in spaces]
    everywhere = NamespaceSelection((), LabelSelector())
    agent = Agent(limits=Limits(rate=1.0, burst=2.0, in_flight=8)).lists(*spaces, *secrets)
    agent.given(grant(namespaces=everywhere, delivery=mode(DeliveryMode.STANDING)))
    agent.tick()
    all_but_last = NamespaceSelection(tuple(one.name for one in spaces[:-1]))
    agent.given(grant(2, namespaces=all_but_last, delivery=mode(DeliveryMode.STANDING)), generation=2)
    requests = [one for one in agent.tick() if isinstance(one, ApplySecret | DeleteSecret)]
    assert [(type(one), one.namespace) for one in requests] == [(DeleteSecret, "n8"), (ApplySecret, "n0")]


# -- what is seen


def test_late_and_doubled_events_undo_nothing() -> None:
    agent = Agent().lists(SPACE, OURS).given(grant())
    agent.do(Changed(replace(OURS, resource_version="9", labels={})))
    assert agent.state.lines["shop"].secret == OURS
    agent.do(Deleted(Kind.SECRET, "shop", "portreeve-pull", "s0"))
    assert agent.state.lines["shop"].secret == OURS
    agent.do(Deleted(Kind.SECRET, "shop", "portreeve-pull", "s1"))
    agent.do(Changed(replace(OURS, resource_version="11")))
    assert agent.state.lines["shop"].secret is None


def test_a_list_counts_also_when_its_versions_are_lower() -> None:
    agent = Agent().lists(SPACE, OURS)
    restored = replace(OURS, resource_version="3", entries=None)
    assert agent.lists(SPACE, restored).state.lines["shop"].secret == restored


def test_a_version_that_is_no_number_is_later_when_it_is_another() -> None:
    agent = Agent().lists(SPACE, replace(OURS, resource_version="x"))
    agent.do(Changed(replace(OURS, resource_version="y", immutable=True)))
    assert agent.state.lines["shop"].secret == replace(OURS, resource_version="y", immutable=True)


def test_a_namespace_that_is_gone_is_forgotten_by_the_next_list() -> None:
    agent = Agent().lists(SPACE)
    agent.do(Deleted(Kind.NAMESPACE, "shop", "shop", "n1"))
    agent.given()
    agent.tick()
    agent.lists()
    assert agent.state.lines == {}


def test_a_namespace_that_was_made_again_is_a_new_one() -> None:
    agent = Agent(Saved(document(1, grant()), {"shop": Record("n0", "s0", {"a0": Attachment("3")})})).lists(SPACE)
    effects = agent.tick()
    assert only(effects, PersistRecord).record == Record("n1", "", {"a0": Attachment("3")})
    assert only(effects, ReadSecret).namespace == "shop"


def test_what_is_undone_each_time_is_done_again_more_and_more_seldom() -> None:
    agent = Agent().lists(SPACE).given(grant(1))
    made_at: list[float] = []
    while agent.at < 400:
        for one in agent.tick(0.5):
            if isinstance(one, ReadSecret):
                agent.do(Answer(one.ask, "shop", "", Outcome.NOT_FOUND, agent.at, 0.9))
            if isinstance(one, ApplySecret):
                made_at.append(agent.at)
                made = replace(OURS, uid=f"s{one.ask}", resource_version=str(100 + one.ask))
                agent.do(Answer(one.ask, "shop", "", Outcome.DONE, agent.at, 0.9, made))
                agent.do(Deleted(Kind.SECRET, "shop", "shop", made.uid))
    waits = [later - earlier for earlier, later in pairwise(made_at)]
    assert 1 <= waits[0] < 3
    assert all(45 <= one <= 62 for one in waits[5:])


def test_a_namespace_that_was_made_anew_is_not_going_because_the_one_before_it_was() -> None:
    agent = Agent().lists(SPACE).given(grant(1))
    read = only(agent.tick(), ReadSecret)
    agent.do(Answer(read.ask, "shop", "", Outcome.NOT_FOUND, agent.at, 0.5))
    applied = only(agent.tick(), ApplySecret)
    agent.do(Deleted(Kind.NAMESPACE, "shop", "shop", "n1"))
    agent.do(Changed(NamespaceSeen("shop", "n2", "50")))
    agent.tick()
    agent.do(Answer(applied.ask, "shop", "", Outcome.GONE, agent.at, 0.5))
    agent.tick(61.0)
    assert not agent.state.lines["shop"].space.terminating  # type: ignore[union-attr] # it is there


def test_what_comes_and_goes_for_years_is_not_remembered_for_years() -> None:
    agent = Agent().lists(SPACE).given(grant(delivery=mode(DeliveryMode.STANDING)))
    agent.answer(only(agent.tick(), ReadSecret), Outcome.NOT_FOUND)
    agent.answer(only(agent.tick(), ApplySecret), seen=OURS)
    agent.tick()
    for number in range(MOST_GONE + 50):
        name, uid, version = f"job-{number}", f"u{number}", str(100 + number)
        agent.do(Changed(WorkloadSeen(SPACE.name, f"Pod/{name}", uid, version)))
        agent.do(Changed(AccountSeen(SPACE.name, name, uid, version, {}, (PULL_SECRET,))))
        agent.do(Changed(NamespaceSeen(name, uid, version)))
        agent.tick(60.0)
        agent.do(Deleted(Kind.WORKLOAD, SPACE.name, f"Pod/{name}", uid))
        agent.do(Deleted(Kind.ACCOUNT, SPACE.name, name, uid))
        agent.do(Deleted(Kind.NAMESPACE, name, name, uid))
        agent.tick(60.0)
    line = agent.state.lines[SPACE.name]
    assert len(line.gone) <= MOST_GONE + 2
    assert len(line.account_paces) <= 2
    assert len(agent.state.lines) <= 3


def test_a_late_word_of_what_is_gone_brings_nothing_back() -> None:
    agent = Agent().lists(SPACE, OURS).given(grant())
    agent.tick()
    agent.do(Deleted(Kind.SECRET, SPACE.name, PULL_SECRET, OURS.uid))
    for number in range(2 * MOST_GONE):
        agent.do(Deleted(Kind.WORKLOAD, SPACE.name, f"Pod/{number}", str(number)))
    agent.do(Changed(OURS))
    assert agent.state.lines[SPACE.name].secret is None


def test_what_one_namespace_says_of_a_login_is_not_believed_of_another() -> None:
    hub = grant(registry="hub", source=parse_prefix("docker.io/shop"), credential=CredentialRef("c-2", 1, LATER))
    everywhere = NamespaceSelection(("shop", "till"))
    grants = [replace(one, namespaces=everywhere) for one in (grant(2, login=None), hub)]
    till = replace(OURS, namespace="till", uid="s2")
    agent = Agent().lists(SPACE, OURS, NamespaceSeen("till", "n2", "5"), till).given(*grants)
    reads = [one for one in agent.tick() if isinstance(one, ReadSecret)]
    assert [one.namespace for one in reads] == ["shop", "till"]
    forged, own = (Login("robot", SecretValue(text)) for text in ("forged", "own"))
    agent.answer(reads[0], seen=replace(OURS, logins={KEY: forged}))
    applied = [one for one in agent.tick() if isinstance(one, ApplySecret)]
    agent.answer(reads[1], seen=replace(till, logins={KEY: own}))
    applied += [one for one in agent.tick() if isinstance(one, ApplySecret)]
    found = {one.namespace: {entry.key: entry.login for entry in one.entries}[KEY] for one in applied}
    assert found == {"shop": forged, "till": own}


SELECTIONS = st.builds(
    NamespaceSelection,
    st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(tuple),
    st.none() | st.builds(LabelSelector, st.lists(st.sampled_from([("t", "x"), ("t", "y")]), max_size=1).map(tuple)),
)
MODES = st.sampled_from(DeliveryMode)


@given(st.lists(st.tuples(SELECTIONS, MODES), max_size=8), st.sampled_from("abcd"), st.sampled_from(["x", "y", ""]))
def test_grants_that_are_looked_up_are_those_that_select(
    drawn: list[tuple[NamespaceSelection, DeliveryMode]], name: str, label: str
) -> None:
    grants = [grant(number, namespaces=one, delivery=mode(how)) for number, (one, how) in enumerate(drawn)]
    space = NamespaceSeen(name, "n", "1", {"t": label} if label else {})
    expected = [one for one in grants if one.namespaces.selects(name, space.labels) and one.delivery.mode in DELIVERED]
    assert list(selecting(document(1, *grants), space)) == expected
