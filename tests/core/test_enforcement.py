"""`core.enforcement` step by step: what is asked next, what waits, and what is told. Faults are the simulation's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from portreeve.core.admission_objects import Admitted, Refused, Said, Seen, Untold, without_defaults
from portreeve.core.agent_messages import Outcome
from portreeve.core.enforcement import PROBE_S, SETTLE_S, URGENT_S, step
from portreeve.core.enforcement_messages import (
    STATES,
    ApplyObject,
    DocumentInForce,
    Effect,
    Enforcement,
    Event,
    NamespacesSeen,
    ObjectAnswer,
    Observed,
    PersistRecords,
    ProbeAnswer,
    ProbeScope,
    ReadObject,
    ReadVersion,
    Reason,
    RemoveObject,
    Report,
    Restarted,
    Tick,
    Vanished,
    VersionAnswer,
    Wanted,
)
from portreeve.core.enforcement_probes import MOST_SCOPES, scopes
from portreeve.core.enforcement_state import State
from portreeve.core.enforcement_status import EVIDENCE_S, GRACE_S
from portreeve.core.policy import AllowedSource, Exemption, ExemptionState, RegistryPolicy, Stage
from portreeve.core.reference import keys, parse, parse_prefix
from portreeve.core.render import DENY_BINDING, POLICY_NAME, SYSTEM_BINDING, WARN_BINDING, compile_policy
from portreeve.core.sources import ResolvedSources, resolve
from portreeve.core.verdict import Decision, judge

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NAMES = (POLICY_NAME, DENY_BINDING, WARN_BINDING, SYSTEM_BINDING)
ADMITTED = Admitted()
TRUE_STATES = {Enforcement.ENFORCED: "True", Enforcement.UNKNOWN: "Unknown"}


def sourced(
    *prefixes: str, stage: Stage = Stage.DENY, generation: int = 1, **scoped: tuple[str, ...]
) -> ResolvedSources:
    listed = (
        *(AllowedSource(parse_prefix(one)) for one in prefixes),
        *(AllowedSource(parse_prefix(one), (name,)) for name, held in scoped.items() for one in held),
    )
    return resolve(RegistryPolicy("prod", stage=stage, generation=generation, sources=listed))


def wanting(generation: int = 1, stage: Stage = Stage.DENY, *prefixes: str, **scoped: tuple[str, ...]) -> Wanted:
    sources = sourced(*(prefixes or ("ghcr.io/acme",)), stage=stage, generation=generation, **scoped)
    return Wanted(generation, stage, compile_policy(sources), None, "prod", generation, sources)


class Agent:
    """The machine, and a cluster that does as it is asked, unless the test answers itself."""

    def __init__(self, version: str = "v1.33.1", records: Mapping[str, str] | None = None) -> None:
        self.state, self.at, self.version = State(), 1000.0, version
        self.held: dict[str, Seen] = {}
        self.counter = 0
        self.effects: list[Effect] = []
        self.give(Restarted(records or {}))
        self.give(NamespacesSeen(frozenset({"default", "shop", "kube-system"})))

    def give(self, event: Event) -> list[Effect]:
        self.state, effects = step(self.state, event)
        self.effects += effects
        return list(effects)

    def tick(self, after: float = 0.5) -> list[Effect]:
        self.at += after
        return self.give(Tick(NOW + timedelta(seconds=self.at), self.at, 0.5))

    def reason(self) -> Reason:
        assert self.state.told is not None
        return self.state.told.reason

    def put(self, manifest: Mapping[str, Any], *, marked: bool = True, uid: str = "") -> Seen:
        """The cluster holds it."""
        self.counter += 1
        metadata = manifest["metadata"]
        before = self.held.get(metadata["name"])
        seen = Seen(
            metadata["name"],
            uid or (before.uid if before else f"u{self.counter}"),
            str(self.counter),
            marked,
            without_defaults(manifest["spec"]),
            metadata.get("labels", {}),
            metadata.get("annotations", {}),
            compiled=True,
        )
        self.held[seen.name] = seen
        return seen

    def answered(self, effect: Effect, refused: Said | None = None, allowed: Said = ADMITTED) -> list[Effect]:
        """Do as it is asked."""
        match effect:
            case ReadVersion(ask):
                return self.give(VersionAnswer(ask, Outcome.DONE, self.at, 0.5, self.version))
            case ReadObject(name, ask):
                return self.give(ObjectAnswer(ask, name, Outcome.DONE, self.at, 0.5, self.held.get(name)))
            case ApplyObject(manifest, _, ask):
                seen = self.put(manifest)
                return self.give(ObjectAnswer(ask, effect.name, Outcome.DONE, self.at, 0.5, seen, written=True))
            case RemoveObject(name, _, ask):
                self.held.pop(name)
                return self.give(ObjectAnswer(ask, name, Outcome.DONE, self.at, 0.5, None, written=True))
            case ProbeScope(_, ask):
                said = refused or self.right()
                return self.give(ProbeAnswer(ask, Outcome.DONE, self.at, 0.5, said, allowed))
        return []

    def right(self) -> Said:
        """What a cluster says that judges by what is wanted."""
        wanted = self.state.wanted
        assert wanted is not None
        generation = wanted.policy_generation
        said: Mapping[Stage, Said] = {
            Stage.DENY: Refused(POLICY_NAME, DENY_BINDING, generation),
            Stage.WARN: Admitted(DENY_BINDING, generation),
            Stage.AUDIT: Admitted(),
        }
        return said[wanted.stage]

    def failed(self, effect: Effect, outcome: Outcome, retry_after_s: float | None = None) -> None:
        assert isinstance(effect, ReadObject | ApplyObject | RemoveObject)
        self.give(ObjectAnswer(effect.ask, effect.name, outcome, self.at, 0.5, retry_after_s=retry_after_s))

    def rest(self, seconds: float = 10.0, every: float = 0.5) -> list[Effect]:
        """Let time pass, the cluster doing everything; all that was asked for."""
        begun = len(self.effects)
        until = self.at + seconds
        while self.at < until:
            for effect in self.tick(every):
                self.answered(effect)
        return self.effects[begun:]

    def enforced(self, wanted: Wanted | None = None) -> Agent:
        self.give(DocumentInForce(wanted or wanting()))
        self.rest()
        return self


def requests(effects: list[Effect]) -> list[tuple[str, str]]:
    return [
        (type(one).__name__.removesuffix("Object"), one.name)
        for one in effects
        if isinstance(one, ApplyObject | RemoveObject | ReadObject)
    ]


def writes(effects: list[Effect]) -> list[tuple[str, str]]:
    return [one for one in requests(effects) if one[0] != "Read"]


def test_the_policy_is_written_first_and_enforced_is_told_of_a_proof_alone() -> None:
    agent = Agent()
    agent.give(DocumentInForce(wanting()))
    assert requests(agent.tick()) == [("Read", name) for name in NAMES]
    for effect in agent.effects.copy():
        agent.answered(effect)
    (policy,) = [one for one in agent.tick() if isinstance(one, ApplyObject)]
    assert policy.name == POLICY_NAME
    agent.answered(policy)
    bindings = agent.tick()
    assert writes(bindings) == [("Apply", name) for name in NAMES[1:]]
    for effect in bindings:
        agent.answered(effect)
    assert agent.tick() == []  # it is not taken up yet
    assert agent.reason() is Reason.PROBE_PENDING
    (probe,) = agent.tick(SETTLE_S)
    agent.answered(probe)
    assert agent.reason() is Reason.POLICY_ENFORCED
    assert agent.state.records == {name: agent.held[name].uid for name in NAMES}
    assert agent.state.told is not None
    condition = agent.state.told.document()
    assert (condition["type"], condition["status"], condition["observedGeneration"]) == ("Enforced", "True", 1)


def test_an_idle_hour_has_two_dry_runs_for_each_scope_and_no_writes() -> None:
    agent = Agent().enforced(wanting(1, Stage.DENY, "ghcr.io/acme", shop=("quay.io/own",)))
    agent.rest(3600, every=10.0)
    idle = agent.rest(3600, every=10.0)
    assert writes(idle) == []
    assert sorted(one.scope.name for one in idle if isinstance(one, ProbeScope)) == ["", "shop"]
    assert [one for one in idle if isinstance(one, Report | PersistRecords)] == []


@pytest.mark.parametrize(
    ("refused", "allowed", "reason"),
    [
        (Admitted(), Admitted(), Reason.BYPASS_DETECTED),
        (Admitted(DENY_BINDING, 1), Admitted(), Reason.BYPASS_DETECTED),
        (Refused(POLICY_NAME, DENY_BINDING, 7), Admitted(), Reason.OUTDATED),
        (Refused(POLICY_NAME, DENY_BINDING, 1), Refused(POLICY_NAME, DENY_BINDING, 1), Reason.OVER_BLOCKING),
        (Refused("theirs", "theirs"), Admitted(), Reason.PROBE_FAILED),
        (Refused("", ""), Admitted(), Reason.PROBE_FAILED),
        (Untold("kube_forbidden"), Untold("kube_forbidden"), Reason.PROBE_FAILED),
        (Refused(POLICY_NAME, DENY_BINDING, 1), Untold("kube_invalid"), Reason.PROBE_FAILED),
    ],
)
def test_what_contradicts_is_no_proof_and_after_the_grace_it_is_told(
    refused: Said, allowed: Said, reason: Reason
) -> None:
    agent = Agent()
    agent.give(DocumentInForce(wanting()))
    told = set()
    while agent.at < 1000 + 3 * GRACE_S:
        for effect in agent.tick():
            agent.answered(effect, refused, allowed)
        told.add(agent.reason())
        if agent.at < 1000 + GRACE_S:
            assert agent.reason() is Reason.PROBE_PENDING
    assert agent.reason() is reason
    assert Reason.POLICY_ENFORCED not in told


@pytest.mark.parametrize(
    ("stage", "reason"), [(Stage.AUDIT, Reason.POLICY_AUDITING), (Stage.WARN, Reason.POLICY_WARNING)]
)
def test_the_other_stages_have_proofs_of_their_own(stage: Stage, reason: Reason) -> None:
    agent = Agent().enforced(wanting(1, stage))
    assert agent.reason() is reason
    assert agent.state.told is not None
    assert agent.state.told.document()["status"] == "False"


def test_a_namespace_without_room_hides_no_proof() -> None:
    agent = Agent()
    agent.give(DocumentInForce(wanting()))
    until = agent.at + 10
    while agent.at < until:
        for effect in agent.tick():
            agent.answered(effect, allowed=Untold("kube_quota"))
    assert agent.reason() is Reason.POLICY_ENFORCED


def test_audit_needs_a_policy_that_the_cluster_has_looked_at() -> None:
    agent = Agent()
    agent.give(DocumentInForce(wanting(1, Stage.AUDIT)))
    agent.rest()
    agent.give(Observed(replace(agent.held[POLICY_NAME], compiled=False, version="99")))
    assert agent.reason() is Reason.PROBE_PENDING
    agent.tick(GRACE_S)
    assert agent.reason() is Reason.PROBE_FAILED


def test_enforced_is_lost_at_once_by_a_contradiction_and_never_outlives_its_evidence() -> None:
    agent = Agent().enforced()
    probe = None
    while probe is None:
        probe = next((one for one in agent.tick(30.0) if isinstance(one, ProbeScope)), None)
        for effect in agent.effects[-8:]:
            if isinstance(effect, ReadObject | ReadVersion):
                agent.answered(effect)
    agent.give(ProbeAnswer(probe.ask, Outcome.DONE, agent.at, 0.5, Admitted(), Admitted()))
    assert agent.reason() is Reason.PROBE_PENDING
    silent = Agent().enforced()
    silent.tick(EVIDENCE_S - 20)
    assert silent.reason() is Reason.POLICY_ENFORCED
    silent.tick(40)
    assert silent.reason() is Reason.PROBE_FAILED


def test_drift_is_a_gap_from_the_moment_at_which_it_is_seen_and_is_set_back_ever_more_slowly() -> None:
    agent = Agent().enforced()
    repaired: list[float] = []
    begun = agent.at
    while agent.at < begun + 600:
        loosened = replace(agent.held[DENY_BINDING], spec={"validationActions": ["Audit"]}, version=str(10**6))
        if not repaired or agent.held[DENY_BINDING] is not loosened:
            agent.counter += 10**6
            agent.give(Observed(replace(loosened, version=str(agent.counter))))
            assert agent.reason() is Reason.DRIFTED
        for effect in agent.tick():
            if isinstance(effect, ApplyObject):
                repaired.append(agent.at)
            agent.answered(effect)
    assert repaired[0] - begun <= 0.5
    assert len(repaired) < 40
    assert repaired[-1] - repaired[-2] > 5


def test_a_deleted_binding_comes_back() -> None:
    agent = Agent().enforced()
    agent.give(Vanished(DENY_BINDING, agent.held.pop(DENY_BINDING).uid))
    assert agent.reason() is Reason.DRIFTED
    assert writes(agent.tick()) == [("Apply", DENY_BINDING)]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_somebody_elses_is_left_alone_and_told(name: str) -> None:
    agent = Agent()
    wanted = wanting()
    manifest = wanted.manifest(name)
    assert manifest is not None
    agent.put({**manifest, "metadata": {"name": name}}, marked=False)
    agent.give(DocumentInForce(wanted))
    effects = agent.rest(900)
    assert agent.reason() is Reason.NAME_TAKEN
    assert name not in {one for _, one in writes(effects)}
    if name == POLICY_NAME:
        assert writes(effects) == []
    agent.give(DocumentInForce(Wanted(2)))
    assert name not in {one for _, one in writes(agent.rest())}
    assert agent.reason() is Reason.POLICY_OFF


def test_records_that_are_lost_are_made_again_before_anything_is_done() -> None:
    agent = Agent()
    wanted = wanting()
    for manifest in wanted.manifests or ():
        agent.put(manifest)
    agent.give(DocumentInForce(wanting(2, Stage.AUDIT)))
    effects = [one for one in agent.rest() if isinstance(one, PersistRecords | ApplyObject)]
    for index, effect in enumerate(effects):
        if isinstance(effect, ApplyObject) and effect.uid:
            held = [one.records for one in effects[:index] if isinstance(one, PersistRecords)]
            assert held[-1][effect.name] == effect.uid


def test_it_is_removed_bindings_first_and_the_policy_last() -> None:
    agent = Agent().enforced()
    agent.give(DocumentInForce(Wanted(2)))
    effects = writes(agent.rest())
    assert effects[-1] == ("Remove", POLICY_NAME)
    assert sorted(effects[:-1]) == sorted(("Remove", name) for name in NAMES[1:])
    assert agent.held == {}
    assert agent.state.records == {}
    assert agent.reason() is Reason.POLICY_OFF


@pytest.mark.parametrize("rolled_back", [wanting(2, Stage.AUDIT), wanting(2, Stage.WARN), Wanted(2)])
def test_a_roll_back_comes_first_and_is_not_held_up_by_what_failed_before(rolled_back: Wanted) -> None:
    agent = Agent().enforced()
    agent.give(Vanished(WARN_BINDING, agent.held.pop(WARN_BINDING).uid))
    (effect,) = [one for one in agent.tick() if isinstance(one, ApplyObject)]
    agent.failed(effect, Outcome.THROTTLED, 600.0)
    assert writes(agent.tick(30.0)) == []
    agent.give(DocumentInForce(rolled_back))
    begun = agent.at
    asked: list[tuple[str, str]] = []
    while agent.at < begun + 60 and DENY_BINDING not in {name for _, name in asked}:
        effects = agent.tick()
        asked += writes(effects)
        for one in effects:
            agent.answered(one)
    assert agent.at - begun <= 2 * URGENT_S
    assert asked[0][1] != POLICY_NAME


def test_a_roll_back_does_not_wait_for_an_answer_that_is_under_way() -> None:
    agent = Agent().enforced()
    agent.give(DocumentInForce(wanting(2, Stage.DENY, "quay.io/other")))
    (under_way,) = [one for one in agent.tick() if isinstance(one, ApplyObject)]
    agent.give(DocumentInForce(wanting(3, Stage.AUDIT)))
    effects = agent.tick()
    assert writes(effects)[0] == ("Apply", DENY_BINDING)
    assert ("Read", POLICY_NAME) in requests(effects)
    before = agent.state
    agent.failed(under_way, Outcome.REFUSED)
    assert agent.state.lines == before.lines


def test_a_stage_that_rises_waits_for_its_policy() -> None:
    agent = Agent().enforced(wanting(1, Stage.AUDIT))
    agent.give(DocumentInForce(wanting(2, Stage.DENY)))
    (effect,) = [one for one in agent.tick() if isinstance(one, ApplyObject)]
    assert effect.name == POLICY_NAME
    agent.failed(effect, Outcome.REFUSED)
    for _ in range(100):
        assert writes(agent.tick()) == []
    assert agent.reason() is Reason.NOT_APPLIED


@pytest.mark.parametrize("version", ["v1.29.4", "nonsense"])
def test_a_cluster_that_is_too_old_is_not_written_to_and_not_called_good(version: str) -> None:
    agent = Agent(version)
    agent.give(DocumentInForce(wanting()))
    assert writes(agent.rest(60)) == []
    assert agent.reason() is Reason.VERSION_TOO_OLD
    agent.version = "v1.30.0"
    agent.rest(360)
    assert agent.reason() is Reason.POLICY_ENFORCED


def test_another_version_is_proved_anew() -> None:
    agent = Agent().enforced()
    agent.version = "v1.34.0"
    effects = agent.rest(PROBE_S, every=10.0)
    assert len([one for one in effects if isinstance(one, ProbeScope)]) == 2
    told = [one.condition.reason for one in effects if isinstance(one, Report)]
    assert told == [Reason.PROBE_PENDING, Reason.POLICY_ENFORCED]


def test_a_kind_that_is_not_served_is_named() -> None:
    agent = Agent()
    agent.give(DocumentInForce(wanting()))
    for effect in agent.tick():
        agent.answered(effect)
    (effect,) = [one for one in agent.tick() if isinstance(one, ApplyObject)]
    agent.failed(effect, Outcome.NOT_FOUND)
    assert agent.reason() is Reason.ENGINE_MISSING


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (replace(wanting(2, Stage.AUDIT), manifests=None, fault=Reason.RENDER_DIFFERS), Reason.RENDER_DIFFERS),
        (replace(wanting(2, Stage.AUDIT), manifests=None, fault=Reason.NOT_RENDERED), Reason.NOT_RENDERED),
        (replace(wanting(2, Stage.AUDIT), not_after=NOW), Reason.NOT_APPLIED),
        (replace(Wanted(2), not_after=NOW), Reason.REMOVING),
    ],
)
def test_a_document_that_must_not_act_changes_nothing(wanted: Wanted, reason: Reason) -> None:
    agent = Agent().enforced()
    agent.give(DocumentInForce(wanted))
    agent.give(Vanished(WARN_BINDING, agent.held.pop(WARN_BINDING).uid))
    assert writes(agent.rest(60)) == []
    assert agent.reason() is reason


def test_an_older_document_changes_nothing_and_one_that_wants_the_same_needs_no_proof() -> None:
    agent = Agent().enforced(wanting(5))
    before = agent.state
    agent.give(DocumentInForce(Wanted(4)))
    assert agent.state == before
    agent.give(DocumentInForce(replace(wanting(5), generation=6)))
    assert agent.reason() is Reason.POLICY_ENFORCED
    assert agent.state.told is not None
    assert agent.state.told.generation == 6


def test_without_a_document_nothing_is_asked() -> None:
    agent = Agent()
    assert [one for one in agent.rest() if not isinstance(one, Report)] == []
    assert agent.reason() is Reason.NO_DOCUMENT


def test_every_reason_has_a_state_and_only_a_proof_is_true() -> None:
    assert set(STATES) == set(Reason)
    assert [one for one, state in STATES.items() if TRUE_STATES.get(state) == "True"] == [Reason.POLICY_ENFORCED]


def test_every_state_and_reason_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs/howto/enforcement.md").read_text(encoding="utf-8")
    assert [str(one) for one in (*Reason, *Enforcement) if f"`{one}`" not in page] == []


# -- what is asked


def test_images_are_such_that_the_answer_proves_something() -> None:
    sources = sourced("docker.io", "*.azurecr.io/base", "localhost:5000", shop=("quay.io/own",))
    for scope in scopes(sources, {"default", "shop", "kube-system"}):
        assert judge(scope.refused, scope.namespace, sources).decision is Decision.DENY
        assert judge(scope.allowed, scope.namespace, sources).decision is Decision.ALLOW
    own = scopes(sources, {"default", "shop"})[1]
    assert own.allowed.startswith("quay.io/own")


def test_the_image_that_is_refused_lies_where_nothing_allows_it() -> None:
    everything = sourced("portreeve-probe.invalid", "portreeve-probe-1.invalid/refused")
    (scope,) = scopes(everything, {"default"})
    assert judge(scope.refused, "default", everything).decision is Decision.DENY
    exempted = resolve(
        RegistryPolicy("prod", stage=Stage.DENY),
        exemptions=[
            Exemption(
                "e",
                "prod",
                NOW + timedelta(days=1),
                prefix=parse_prefix("portreeve-probe.invalid"),
                state=ExemptionState.ACTIVE,
            )
        ],
    )
    (scope,) = scopes(exempted, {"default"})
    assert "portreeve-probe.invalid/" not in keys(parse(scope.refused))
    assert scope.allowed == ""


def test_a_change_is_asked_about_where_it_shows() -> None:
    before, after = sourced("ghcr.io/acme", "quay.io/old"), sourced("ghcr.io/acme", "quay.io/new")
    (scope,) = scopes(after, {"default"}, before)
    assert judge(scope.refused, "default", before).decision is Decision.ALLOW
    assert judge(scope.refused, "default", after).decision is Decision.DENY
    assert judge(scope.allowed, "default", before).decision is Decision.DENY
    assert judge(scope.allowed, "default", after).decision is Decision.ALLOW


def test_a_round_is_bounded_and_takes_turns() -> None:
    named: Any = {f"n{number:02}": ("quay.io/own",) for number in range(20)}
    many = sourced("ghcr.io/acme", **named)
    namespaces = {"default", *(f"n{number:02}" for number in range(20))}
    seen: set[str] = set()
    for turn in range(3):
        asked = scopes(many, namespaces, turn=turn)
        assert len(asked) == MOST_SCOPES
        seen |= {one.name for one in asked}
    assert seen == {"", *(namespaces - {"default"})}


def test_only_namespaces_that_exist_and_are_not_the_systems_are_asked_about() -> None:
    sources = sourced("ghcr.io/acme", shop=("quay.io/own",))
    assert [one.namespace for one in scopes(sources, {"default", "kube-system"})] == ["default"]
    assert [one.namespace for one in scopes(sources, {"kube-system", "shop"})] == ["shop"]
    assert scopes(sources, {"kube-system"}) == ()
