"""Mistakes that agents like ours have made, put back into the real module one at a time.

Each changes one part of `core.reconcile`, `core.delivery`, `core.pacing` or of an effect, and names the invariant that
must fall, and the faults in which it shows. Where a project has shipped the mistake, or met it, its issue is cited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from portreeve.core import agent_messages, delivery, namespace_decision, observation, pacing, reconcile, reconcile_state
from portreeve.core.agent_messages import (
    ApplySecret,
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
    Restarted,
    Tick,
)
from portreeve.core.credential import Granted
from portreeve.core.observation import PULL_SECRET, SecretSeen
from portreeve.core.reconcile_state import State

Step = Callable[[State, Event], tuple[State, tuple[Effect, ...]]]
REAL = reconcile.step


@dataclass(frozen=True)
class Mutant:
    """A mistake. `parts` are attributes to replace ("module.name" → value), `step` stands in for the real one.

    `invariant` is the one that must be seen to fall, `kinds` are the faults that are on. `upstream` is where a project
    has shipped the same mistake, or met it: repository and number of the issue or pull request.
    """

    invariant: str
    kinds: tuple[str, ...] = ()
    parts: Mapping[str, Any] = field(default_factory=dict)
    step: Step | None = None
    limits: pacing.Limits | None = None
    upstream: str = ""


def on_effects(change: Callable[[State, Effect], list[Effect]]) -> Step:
    """A step whose effects are changed."""

    def step(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
        after, effects = REAL(state, event)
        return after, tuple(one for effect in effects for one in change(after, effect))

    return step


def on_events(change: Callable[[State, Event], tuple[State, Event | None]]) -> Step:
    """A step whose events, or whose state before them, are changed."""

    def step(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
        state, changed = change(state, event)
        return (state, ()) if changed is None else REAL(state, changed)

    return step


@dataclass(frozen=True)
class Forced(ApplySecret):
    """An apply with `force=true`."""

    force: bool = True


def _force(_: State, effect: Effect) -> list[Effect]:
    if isinstance(effect, ApplySecret):
        return [Forced(effect.namespace, "", "", effect.entries, effect.labels, effect.ask)]
    return [effect]


def _applies(**changes: Any) -> Step:
    return on_effects(lambda _, one: [replace(one, **changes) if isinstance(one, ApplySecret) else one])


def _deletes(**changes: Any) -> Step:
    return on_effects(lambda _, one: [replace(one, **changes) if isinstance(one, DeleteSecret) else one])


class _Merged:
    """What a strategic merge patch, or a forced apply, does to an atomic list: it becomes what is sent."""

    @staticmethod
    def operations(patch: PatchServiceAccount) -> list[dict[str, Any]]:
        value = [{"name": PULL_SECRET}] if patch.attach else []
        return [{"op": "add", "path": "/imagePullSecrets", "value": value}]

    @staticmethod
    def untested(patch: PatchServiceAccount) -> list[dict[str, Any]]:
        return [one for one in ORIGINAL_OPERATIONS(patch) if one["op"] != "test"]

    @staticmethod
    def last(patch: PatchServiceAccount) -> list[dict[str, Any]]:
        if patch.attach:
            return ORIGINAL_OPERATIONS(patch)
        return [{"op": "remove", "path": f"/imagePullSecrets/{len(patch.pull_secrets) - 1}"}]


ORIGINAL_OPERATIONS = PatchServiceAccount.operations
ORIGINAL_ABOUT_SECRET = namespace_decision._about_secret
ORIGINAL_GRANTED = delivery._granted
ORIGINAL_WANTED = delivery.wanted
ORIGINAL_STATUS = namespace_decision._status


def _recreating(line: Any, record: Any, want: Any) -> Any:
    """Rotation by deletion: the content of a Secret is never changed."""
    request, phase = ORIGINAL_ABOUT_SECRET(line, record, want)
    if isinstance(request, ApplySecret) and request.uid:
        return DeleteSecret(request.namespace, request.uid, request.resource_version), phase
    return request, phase


def _unread_create(line: Any, record: Any, want: Any) -> Any:
    request, phase = ORIGINAL_ABOUT_SECRET(replace(line, absent=True), record, want)
    return request, phase


def _always_apply(line: Any, record: Any, want: Any) -> Any:
    request, phase = ORIGINAL_ABOUT_SECRET(line, record, want)
    if request is None and line.secret is not None and line.secret.marked and want.entries:
        return ApplySecret(line.namespace, line.secret.uid, line.secret.resource_version, want.entries), phase
    return request, phase


def _never_delete(line: Any, record: Any, want: Any) -> Any:
    request, phase = ORIGINAL_ABOUT_SECRET(line, record, want)
    return (None, phase) if isinstance(request, DeleteSecret) else (request, phase)


def _taken_is_quiet(line: Any, record: Any, want: Any, phase: Any) -> Any:
    status = ORIGINAL_STATUS(line, record, want, phase)
    return None if status is not None and status.phase is agent_messages.Phase.TAKEN else status


def _ended_too(grant: Any, leased: Any, now: Any) -> Any:
    endless = grant.credential and replace(grant.credential, expires_at=None)
    granted = ORIGINAL_GRANTED(replace(grant, credential=endless), leased, now)
    return granted and replace(granted, credential=grant.credential)


def _nothing_kept(grants: Any, workloads: Any, leased: Any, held: Any, logins: Any, now: Any) -> Any:
    return ORIGINAL_WANTED(grants, workloads, leased, (), logins, now)


def _hollow_on_failure(grant: Any, leased: Any, now: Any) -> Any:
    """What cannot be delivered is written empty (upmc/registry-creds writes `{}`)."""
    granted = ORIGINAL_GRANTED(grant, leased, now)
    if granted is None and grant.credential is not None:
        return Granted(grant.source, grant.credential, None)
    return granted


def _at_once(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """A document counts before it is stored."""
    after, effects = REAL(state, event)
    if isinstance(event, DesiredReceived) and any(isinstance(one, PersistDocument) for one in effects):
        after, told = REAL(after, DocumentPersisted(event.document.generation))
        acted, more = REAL(after, Tick(after.now, after.at + 0.001)) if after.now else (after, ())
        return acted, (*told, *more, *effects)
    return after, effects


def _any_generation(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """Whatever comes last counts."""
    if isinstance(event, DesiredReceived):
        return replace(state, pending=event.document), (PersistDocument(event.document),)
    return REAL(state, event)


def _same_generation(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """Another document of the same generation counts."""
    if isinstance(event, DesiredReceived) and state.document is not None:
        same = event.document.generation == state.document.generation and state.pending is None
        if same and event.document.hash != state.document.hash:
            return replace(state, pending=event.document), (PersistDocument(event.document),)
    return REAL(state, event)


def _forgets_generation(state: State, event: Event) -> tuple[State, Event | None]:
    """The stored document is not read at a start."""
    if isinstance(event, Restarted):
        return state, replace(event, saved=replace(event.saved, document=None))
    return state, event


def _by_label(self: SecretSeen) -> bool:
    """Ours is what has our label (a sweep by label)."""
    key, value = observation.OWNER_LABEL
    return self.labels.get(key) == value


def _by_name(self: SecretSeen) -> bool:
    return True


def _by_manager(self: SecretSeen) -> bool:
    return observation.MANAGER in self.managers


def _no_list(state: State, event: Event) -> tuple[State, Event | None]:
    """Only what the watch says counts; what was missed stays missed."""
    if isinstance(event, Listed) and event.kind in state.listed:
        return state, None
    return state, event


def _adding_lists(state: State, event: Event) -> tuple[State, Event | None]:
    """A list adds what it has and removes nothing."""
    if isinstance(event, Listed) and event.kind in state.listed:
        for seen in event.items:
            state, _ = REAL(state, agent_messages.Changed(seen))
        return state, None
    return state, event


def _frozen_at_end(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """A document that has ended goes on delivering."""
    if isinstance(event, Tick) and state.document is not None and state.document.not_after is not None:
        state = replace(state, document=replace(state.document, not_after=None))
    return REAL(state, event)


def _takes_at_end(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """A document that has ended grants nothing."""
    document = state.document
    if isinstance(event, Tick) and document is not None and document.ended(event.now):
        state = replace(state, document=replace(document, not_after=None, grants=()))
        state = replace(
            state, lines={name: reconcile_state.marked(one, state.turn) for name, one in state.lines.items()}
        )
    return REAL(state, event)


def _by_document(line: Any, record: Any, want: Any) -> Any:
    """Deletes what is not in the document at once, without looking whether it is ours."""
    secret = line.secret
    if secret is not None and not want.granted:
        return DeleteSecret(line.namespace, secret.uid, secret.resource_version), agent_messages.Phase.PENDING
    return ORIGINAL_ABOUT_SECRET(line, record, want)


def _all_entries(line: Any, record: Any, grants: Any) -> Any:
    """Removes the entry of our name wherever there is no grant."""
    everybody = {account.uid: observation.Attachment("", shown=True) for account in line.accounts.values()}
    requests, _ = ORIGINAL_ABOUT_ACCOUNTS(line, replace(record, attached={**record.attached, **everybody}), grants)
    _, after = ORIGINAL_ABOUT_ACCOUNTS(line, record, grants)
    return requests, after


def _unrecorded(line: Any, record: Any, grants: Any) -> Any:
    requests, _ = ORIGINAL_ABOUT_ACCOUNTS(line, record, grants)
    return requests, record


def _only_default(grants: Any, account: Any) -> bool:
    return bool(grants) and account.name == "default"


def _never_settles(line: Any, record: Any, due: Any, at: float) -> Any:
    """A recorded entry is forgotten as soon as it is not seen."""
    there = {account.uid for account in line.accounts.values() if PULL_SECRET in account.pull_secrets}
    return line, replace(record, attached={uid: one for uid, one in record.attached.items() if uid in there})


def _recorded_is_ours(account: Any, record: Any) -> bool:
    """What was meant to be written counts as written."""
    return account.uid in record.attached


def _as_it_was(line: Any, record: Any, requests: Any) -> Any:
    """That an entry is about to be taken away is not recorded."""
    return line, record


ORIGINAL_ABOUT_ACCOUNTS = namespace_decision._about_accounts


def _never_shown(line: Any, seen: Any) -> Any:
    """What is ours is told by the managers of now, and not remembered."""
    return line


def _untracked(patch: PatchServiceAccount) -> list[dict[str, Any]]:
    """Managers are believed to be recorded everywhere."""
    return [one for one in ORIGINAL_OPERATIONS(patch) if one["path"] != "/metadata/managedFields"]


def _no_record(_: State, effect: Effect) -> list[Effect]:
    """What is ours is only known in memory."""
    return [] if isinstance(effect, PersistRecord) else [effect]


def _record_later(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """Records are stored after what they are about."""
    after, effects = REAL(state, event)
    late = [one for one in effects if isinstance(one, PersistRecord)]
    return after, (*[one for one in effects if not isinstance(one, PersistRecord)], *late)


def _no_adoption(line: Any, record: Any) -> Any:
    """Ours is what is recorded; what carries our marks and is not recorded is not looked at."""
    secret = line.secret
    same = secret is not None and line.record is not None and secret.uid == line.record.secret_uid
    return replace(record, secret_uid=secret.uid if secret is not None and same else "")


def _waits_for_ever(pace: Any, at: float) -> bool:
    return False


def _impatient(pace: Any, at: float, chance: float, retry_after_s: float | None = None) -> Any:
    return pacing.Pace(due_at=at)


def _hopeful(pace: Any, at: float, chance: float) -> Any:
    return pacing.Pace(due_at=at + pacing.FLOOR_S)


def _endless(pace: Any, at: float, chance: float, retry_after_s: float | None = None) -> Any:
    return pacing.Pace(due_at=at + max(1.0, 40.0 * pace.wait_s), wait_s=max(1.0, 40.0 * pace.wait_s))


def _stubborn(pace: Any, at: float, chance: float) -> Any:
    return pacing.Pace(due_at=at + 1e9)


def _unfair(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """Whoever comes first by name is looked at each time, and served before all others."""
    if isinstance(event, Tick):
        first = min(state.lines, default="")
        lines = {
            name: replace(line, queued=0) if line.queued is not None or name == first else line
            for name, line in state.lines.items()
        }
        state = replace(state, lines=lines)
    return REAL(state, event)


def _no_limits(state: State, event: Event) -> tuple[State, Event | None]:
    if isinstance(event, Restarted):
        event = replace(event, limits=pacing.Limits(1e9, 1e9, 10**9))
    return state, event


def _lease_by_deletion(grant: Any, leased: Any, now: Any) -> Any:
    granted = ORIGINAL_GRANTED(grant, leased, now)
    return None if granted is not None and granted.login is None else granted


def _never_hollow(grant: Any, leased: Any, now: Any) -> Any:
    return ORIGINAL_GRANTED(grant, leased | {grant.registry}, now)


def _by_image_alone(grant: Any, workloads: Any, *, pulling: bool = False) -> bool:
    return any(grant.source.covers(image) for one in workloads for image in one.images if one.pulling or not pulling)


def _lost_is_done(state: State, event: Event) -> tuple[State, tuple[Effect, ...]]:
    """An answer that was lost counts as a success, and no list is looked at that would say otherwise."""
    state, listened = _no_list(state, event)
    if listened is None:
        return state, ()
    if isinstance(event, agent_messages.Answer) and event.outcome is Outcome.UNKNOWN:
        line = state.lines.get(event.namespace)
        sent = line.sent if line is not None and not event.account else None
        if line is not None and isinstance(sent, ApplySecret) and line.secret is not None:
            seen = replace(line.secret, entries=observation.facts(sent.entries))
            state = replace(state, lines={**state.lines, event.namespace: replace(line, secret=seen)})
            event = replace(event, outcome=Outcome.DONE, seen=seen)
    return REAL(state, event)


def _key_without_slash(_: State, effect: Effect) -> list[Effect]:
    if isinstance(effect, ApplySecret):
        entries = tuple(replace(entry, key=entry.key.rstrip("/")) for entry in effect.entries)
        return [replace(effect, entries=entries)]
    return [effect]


def _one_entry(_: State, effect: Effect) -> list[Effect]:
    """A Secret for one registry: the last one wins."""
    return [replace(effect, entries=effect.entries[-1:]) if isinstance(effect, ApplySecret) else effect]


def _reading_is_writing(_: State, effect: Effect) -> list[Effect]:
    """Nothing is read before it is created."""
    if isinstance(effect, ReadSecret):
        return [effect, effect]
    return [effect]


def _never_rotated(line: Any, record: Any, want: Any) -> Any:
    """What is there is never written again."""
    request, phase = ORIGINAL_ABOUT_SECRET(line, record, want)
    return (None, phase) if isinstance(request, ApplySecret) and request.uid else (request, phase)


def _unmarked(line: Any, document: Any, turn: int) -> Any:
    """A new document counts wherever something else happens."""
    return line


def _first_labels(state: State, event: Event) -> tuple[State, Event | None]:
    def as_first(seen: Any) -> Any:
        line = state.lines.get(seen.name) if isinstance(seen, observation.NamespaceSeen) else None
        return replace(seen, labels=line.space.labels) if line is not None and line.space is not None else seen

    if isinstance(event, agent_messages.Changed):
        event = replace(event, seen=as_first(event.seen))
    if isinstance(event, Listed):
        event = replace(event, items=tuple(as_first(seen) for seen in event.items))
    return state, event


def _deletion_ignored(state: State, event: Event) -> tuple[State, Event | None]:
    """Also where a list shows it."""
    deleted = isinstance(event, agent_messages.Deleted) and event.kind is observation.Kind.SECRET
    listed = isinstance(event, Listed) and event.kind is observation.Kind.SECRET and event.kind in state.listed
    return state, None if deleted or listed else event


def _any_order(new: Any, old: Any) -> bool:
    return True


def _fresh(pace: Any, at: float, chance: float) -> Any:
    return pacing.FRESH


USERS = ("create", "edit", "strip", "delete", "unattach", "account", "lag")
CRASHES = ("crash", "lost", "silent")

MUTANTS: dict[str, Mutant] = {
    "force apply": Mutant("I3", USERS, step=on_effects(_force),
        upstream="external-secrets/external-secrets#2346"),
    "apply without preconditions": Mutant("I3", USERS, step=_applies(uid="", resource_version=""),
        upstream="cert-manager/cert-manager#4375"),
    "apply with the UID alone": Mutant("I3", ("strip", "lag"), step=_applies(resource_version=""),
        upstream="cert-manager/cert-manager#1107"),
    "delete without preconditions": Mutant("I3", ("create", "strip", "delete", "lag", "slow"),
        step=_deletes(uid="", resource_version=""),
        upstream="kubernetes/kubernetes#29522"),
    "delete without resourceVersion": Mutant("I3", ("strip", "edit", "lag"), step=_deletes(resource_version="")),
    "owner label in a second call": Mutant("I1", CRASHES, step=_applies(labels=()),
        upstream="outscale/cluster-api-provider-outscale#917"),
    "ours by label": Mutant("I3", USERS, {"observation.SecretSeen.marked": property(_by_label)},
        upstream="argoproj/argo-cd#5792"),
    "ours by name": Mutant("I3", USERS, {"observation.SecretSeen.marked": property(_by_name)},
        upstream="external-secrets/external-secrets#4548"),
    "ours by manager": Mutant("I3", USERS, {"observation.SecretSeen.marked": property(_by_manager)},
        upstream="fluxcd/kustomize-controller#1574"),
    "delete whatever is not granted": Mutant("I3", USERS, {"namespace_decision._about_secret": _by_document},
        upstream="argoproj/argo-cd#22607"),
    "strategic merge on a ServiceAccount": Mutant("I3", ("account",),
        {"agent_messages.PatchServiceAccount.operations": _Merged.operations},
        upstream="upmc-enterprises/registry-creds#11"),
    "patch a ServiceAccount without tests": Mutant("I3", ("account", "lag"),
        {"agent_messages.PatchServiceAccount.operations": _Merged.untested},
        upstream="prometheus-operator/prometheus-operator#8323"),
    "remove the last entry": Mutant("I3", ("account", "lag"),
        {"agent_messages.PatchServiceAccount.operations": _Merged.last},
        upstream="evanphx/json-patch#106"),
    "remove the entry of our name": Mutant("I3", ("create",), {"namespace_decision._about_accounts": _all_entries},
        upstream="strimzi/strimzi-kafka-operator#7056"),
    "an intention is an attachment": Mutant("I3", (*CRASHES, "by hand", "slow", "lag"),
        {"namespace_decision._ours": _recorded_is_ours}),
    "a removal is not recorded": Mutant("I3", (*CRASHES, "by hand", "slow", "lag"),
        {"namespace_decision._leaving": _as_it_was}),
    "what was shown is not remembered": Mutant("I1", ("account", "apply"),
        {"reconcile_state._noted": _never_shown}),
    "managers are recorded everywhere": Mutant("I1", (), {"agent_messages.PatchServiceAccount.operations": _untracked}),
    "attach without a record": Mutant("I1", (), {"namespace_decision._about_accounts": _unrecorded},
        upstream="alexellis/registry-creds#9"),
    "attach default alone": Mutant("L1", (), {"namespace_decision.attaches": _only_default},
        upstream="upmc-enterprises/registry-creds#64"),
    "forget an entry that is not seen": Mutant("I1", (*CRASHES, "slow", "lag", "stale list"),
        {"namespace_decision._forgotten": _never_settles}),
    "act before the document is stored": Mutant("I4", ("unstored", "crash"), step=_at_once),
    "any generation": Mutant("I4", ("older document",), step=_any_generation,
        upstream="kyma-incubator/reconciler#951"),
    "another document of a generation": Mutant("I4", ("other document",), step=_same_generation),
    "forget the generation": Mutant("I4", ("crash", "older document"), step=on_events(_forgets_generation),
        upstream="elastic/cloud-on-k8s#4956"),
    "delete, then create": Mutant("I10", (), {"namespace_decision._about_secret": _recreating},
        upstream="alexellis/registry-creds#26"),
    "create without reading": Mutant("I3", ("create", "delete", "drop", "lag"),
        {"namespace_decision._about_secret": _unread_create},
        upstream="openshift/ci-tools#5124"),
    "write what has ended": Mutant("I10", ("bad credential",), {"delivery._granted": _ended_too}),
    "empty what cannot be delivered": Mutant("I10", ("bad credential",), {"delivery._granted": _hollow_on_failure},
        upstream="external-secrets/external-secrets#1049"),
    "keep nothing": Mutant("I10", ("bad credential",), {"namespace_decision.wanted": _nothing_kept}),
    "keep without reading": Mutant("I10", ("bad credential", "crash"),
        {"namespace_decision._was_read": lambda line: True}),
    "deliver by an ended document": Mutant("I10", ("ending document",), step=_frozen_at_end,
        upstream="kyverno/kyverno#17473"),
    "an ended document grants nothing": Mutant("I10", ("ending document",), step=_takes_at_end,
        upstream="external-secrets/kubernetes-external-secrets#604"),
    "apply at every look": Mutant("L1", (), {"namespace_decision._about_secret": _always_apply},
        upstream="redhat-developer/service-binding-operator#509"),
    "never delete": Mutant("I1", (), {"namespace_decision._about_secret": _never_delete},
        upstream="portainer/portainer#11158"),
    "a taken name is not told": Mutant("I3", ("create",), {"namespace_decision._status": _taken_is_quiet},
        upstream="emberstack/kubernetes-reflector#324"),
    "records in memory alone": Mutant("I2", (), step=on_effects(_no_record),
        upstream="flux-iac/tofu-controller#372"),
    "records stored later": Mutant("I1", CRASHES, step=_record_later,
        upstream="paradigmxyz/centaur#1529"),
    "no adoption": Mutant("I2", (*CRASHES, "lost record"), {"namespace_decision._adopted": _no_adoption},
        upstream="open-cluster-management-io/config-policy-controller#57"),
    "lists are not looked at": Mutant("L1", ("drop", "delete", "unattach", "relabel"),
        step=on_events(_no_list),
        upstream="projectcalico/calico#12793"),
    "lists only add": Mutant("L1", ("drop", "delete", "recreate"), step=on_events(_adding_lists),
        upstream="volcano-sh/volcano#58"),
    "a lost answer is waited for": Mutant("L1", ("silent",), {"pacing.Pace.lost": _waits_for_ever},
        upstream="openkruise/kruise#1785"),
    "a lost answer is a success": Mutant("L1", ("cut", "partition", "relabel"), step=_lost_is_done,
        upstream="kubernetes/kubernetes#72155"),
    "no backing off": Mutant("L3", ("unavailable", "cut"), {"pacing.Pace.failed": _impatient},
        upstream="kubernetes/kubernetes#30629"),
    "a refusal is tried again at once": Mutant("L3", ("forbidden",), {"pacing.Pace.stuck": _hopeful},
        upstream="kubernetes/kubernetes#27634"),
    "waits grow without end": Mutant("L1", ("conflict", "cut", "relabel", "delete"),
        {"pacing.Pace.failed": _endless, "pacing.Pace.repeated": _endless},
        upstream="kubernetes-sigs/cluster-api#9775"),
    "a refusal is for ever": Mutant("L1", ("forbidden",), {"pacing.Pace.stuck": _stubborn},
        upstream="kubernetes/kubernetes#67662"),
    "no cap": Mutant("L3", ("workload", "relabel", "delete"), step=on_events(_no_limits),
        upstream="kubernetes/kubernetes#34938"),
    "Retry-After for one object alone": Mutant("L3", ("throttled",),
        {"pacing.Bucket.quiet": lambda bucket, at: False},
        upstream="kubernetes/client-go#222"),
    "a lease ends by deletion": Mutant("L1", (), {"delivery._granted": _lease_by_deletion}),
    "a lease never ends": Mutant("L1", (), {"delivery._granted": _never_hollow},
        upstream="rancher/rancher#962"),
    "used by image alone": Mutant("L1", ("workload",),
        {"delivery.used": _by_image_alone, "namespace_decision.used": _by_image_alone}),
    "keys without a slash": Mutant("L1", (), step=on_effects(_key_without_slash),
        upstream="kubernetes/kubernetes#102472"),
    "one registry in a Secret": Mutant("L1", (), step=on_effects(_one_entry),
        upstream="titansoft-pte-ltd/imagepullsecret-patcher#29"),
    "first by name, first served": Mutant("L4", ("workload", "delete", "unattach", "relabel"),
        {"namespace_decision._about_secret": _always_apply}, step=_unfair, limits=pacing.Limits(0.4, 1.0, 1),
        upstream="kubernetes/kubernetes#25744"),
    "an existing Secret is never rotated": Mutant("L2", (), {"namespace_decision._about_secret": _never_rotated},
        upstream="titansoft-pte-ltd/imagepullsecret-patcher#17"),
    "a document marks nothing": Mutant("L2", (), {"reconcile._revisited": _unmarked}, upstream="rancher/rancher#20600"),
    "labels of a namespace are those at first": Mutant("I1", ("relabel",), step=on_events(_first_labels),
        upstream="config-syncer/config-syncer#381"),
    "a deleted Secret is not missed": Mutant("L1", ("delete",), step=on_events(_deletion_ignored),
        upstream="bitnami/sealed-secrets#224"),
    "late events count": Mutant("L1", ("reorder", "lag", "duplicate", "workload", "relabel"),
        {"reconcile_state.supersedes": _any_order}, step=on_events(_no_list),
        upstream="opensandbox-group/OpenSandbox#1673"),
    "what is undone is done at once": Mutant("L3", ("delete", "unattach"), {"pacing.Pace.repeated": _fresh},
        upstream="cert-manager/cert-manager#9029"),
    "every read twice": Mutant("L3", (), step=on_effects(_reading_is_writing)),
}  # fmt: skip
"""Mistake → what it changes and what must see it."""
