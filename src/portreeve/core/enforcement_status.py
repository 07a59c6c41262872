"""How a policy stands in a cluster, in one of six words with a reason, and a sentence that says what to do.

Theory of operation
-------------------
`Enforced` is said of what is proved and of nothing else: all four objects are as wanted, and since the last of them
was written dry runs in every scope of a round were refused and let through as they must be, by the present
generation. `Auditing` leaves no trace in an answer; it is said when the objects are as wanted, the cluster has looked
at the policy's present generation, and neither pod was refused or warned of.

A contradiction takes `Enforced` away at once. It is a `Gap` when it lasts longer than an API server needs to take up
a change (`GRACE_S`), and until then `Unknown`. What somebody has loosened is a `Gap` from the moment at which it is
seen. Silence is never good: a proof has an age (`EVIDENCE_S`).

Sources: mission, "Enforcement states"; kubernetes.md 4.1 ("0.1-1.06 s from binding creation to enforcement") and 4.5.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from portreeve.core.admission_objects import Admitted, Refused, Said, Untold
from portreeve.core.agent_messages import Outcome
from portreeve.core.cluster import restriction_problem
from portreeve.core.enforcement_messages import Condition, ProbeAnswer, Reason, Report, Wanted
from portreeve.core.enforcement_probes import EVERYWHERE, Scope
from portreeve.core.enforcement_state import Fit, State
from portreeve.core.policy import Stage
from portreeve.core.render import DENY_BINDING, POLICY_NAME

GRACE_S: Final = 15.0
"""How long a change may take until the cluster judges by it. One API server needs up to 1.1 s; ten times that, and a
few tries, for several of them on a busy day."""

EVIDENCE_S: Final = 9_000.0
"""How long a proof counts: two hourly rounds, and half an hour of tries."""

FULL: Final = "kube_quota"
"""What is said of a namespace with no room for a pod. Quotas are asked after all policies, so ours has let it pass.
Source: k8s.io/kubernetes pkg/kubeapiserver/options/plugins.go, AllOrderedPlugins."""

_PROVED: Final = {
    Stage.AUDIT: Reason.POLICY_AUDITING,
    Stage.WARN: Reason.POLICY_WARNING,
    Stage.DENY: Reason.POLICY_ENFORCED,
}

Told = tuple[Reason, str]


def reported(state: State) -> tuple[State, tuple[Report, ...]]:
    """With a report, if there is something new to tell."""
    if state.now is None:
        return state, ()
    reason, message = status(state)
    generation = 0 if state.wanted is None else state.wanted.generation
    old = state.told
    since = old.since if old is not None and old.reason is reason else state.now
    new = Condition(reason, message, generation, since)
    if new == old:
        return state, ()
    return replace(state, told=new), (Report(new),)


def status(state: State) -> Told:
    """Why the policy stands as it does, and a sentence on it."""
    wanted = state.wanted
    if wanted is None:
        return Reason.NO_DOCUMENT, "no document of the control plane is in force"
    if wanted.manifests == ():
        return _off(state)
    problem = restriction_problem(state.version) if state.version else None
    if problem is not None:
        return Reason.VERSION_TOO_OLD, f"{problem.message}; {problem.hint}"
    if wanted.manifests is None:
        return wanted.fault or Reason.NOT_RENDERED, _FAULTS[wanted.fault or Reason.NOT_RENDERED]
    return _objects(state) or _judged(state, wanted)


_FAULTS: Final = {
    Reason.RENDER_DIFFERS: "this agent renders other objects than the control plane; nothing is applied until both "
    "are of one release",
    Reason.NOT_RENDERED: "the control plane names no objects for the policy: it is not compiled, or it is not known "
    "yet what this cluster can do; nothing is applied",
}


def _off(state: State) -> Told:
    if any(line.fit is Fit.UNKNOWN for line in state.lines.values()):
        return Reason.REMOVING, "no policy is wanted; it is not known yet what is there"
    left = [line for line in state.lines.values() if line.ours]
    if left:
        return Reason.REMOVING, f"no policy is wanted; still there: {_names(line.name for line in left)}{_why(state)}"
    return Reason.POLICY_OFF, "no policy is wanted, and none of ours is there"


def _objects(state: State) -> Told | None:
    """What is wrong with the objects; None when all are as wanted."""
    lines = state.lines.values()
    early = state.at < state.changed_at + GRACE_S
    foreign = [line.name for line in lines if line.fit is Fit.FOREIGN]
    if foreign:
        return Reason.NAME_TAKEN, f"somebody else's, and left alone: {_names(foreign)}; rename or delete what is there"
    if any(line.trouble is Outcome.NOT_FOUND for line in lines):
        return Reason.ENGINE_MISSING, "this cluster does not serve ValidatingAdmissionPolicy; turn its API on"
    if not state.version or any(line.fit is Fit.UNKNOWN for line in lines):
        if early:
            return Reason.PROBE_PENDING, "it is not known yet what is there"
        return Reason.UNREACHABLE, f"the API server does not say what is there{_why(state)}"
    drifted = [line.name for line in lines if line.held and line.fit in {Fit.ABSENT, Fit.OTHER}]
    if drifted:
        return Reason.DRIFTED, f"changed or deleted by somebody: {_names(drifted)}; it is set back{_why(state)}"
    missing = [line.name for line in lines if line.fit in {Fit.ABSENT, Fit.OTHER}]
    if missing and not early:
        return Reason.NOT_APPLIED, f"not as wanted: {_names(missing)}{_why(state)}"
    if missing or any(line.fit is Fit.MARKS for line in lines):
        return Reason.PROBE_PENDING, "the objects are being written"
    return None


def _judged(state: State, wanted: Wanted) -> Told:
    """What the dry runs say, the objects being as wanted."""
    proof = state.proof
    against = sorted((name, one) for name, one in proof.doubts.items() if one.reason is not Reason.PROBE_FAILED)
    lasting = [one for _, one in against if state.at >= max(one.since, state.changed_at) + GRACE_S]
    if lasting:
        return lasting[0].reason, lasting[0].text
    if against:
        return Reason.PROBE_PENDING, against[0][1].text
    if proof.proven_at is not None and state.at < proof.proven_at + EVIDENCE_S:
        policy = state.lines[POLICY_NAME].seen
        if wanted.stage is not Stage.AUDIT or (policy is not None and policy.compiled):
            return _PROVED[wanted.stage], f"policy {wanted.policy}, generation {wanted.policy_generation}"
        if state.at < state.changed_at + GRACE_S:
            return Reason.PROBE_PENDING, "the cluster has not looked at the policy yet"
        return Reason.PROBE_FAILED, "the cluster does not say that it has looked at the policy"
    if proof.proven_at is None and state.at < proof.begun_at + GRACE_S:
        return Reason.PROBE_PENDING, "the proof is under way"
    texts = [one.text for _, one in sorted(proof.doubts.items())]
    return Reason.PROBE_FAILED, texts[0] if texts else "no dry run was answered"


def judge(answer: ProbeAnswer, scope: Scope, wanted: Wanted) -> Told | None:
    """What an answer says against the policy as it is wanted; None when it proves the scope."""
    where = "outside namespaces with sources of their own" if scope.name == EVERYWHERE else f"in {scope.name}"
    if answer.refused is None:
        return Reason.PROBE_FAILED, f"dry runs {where} were not answered"
    found = _bad_pod(answer.refused, wanted)
    if found is None and scope.allowed:
        found = _good_pod(answer.allowed)
    return None if found is None else (found[0], f"{where}: {found[1]}")


def _bad_pod(said: Said, wanted: Wanted) -> Told | None:
    """On the pod that a policy at deny refuses, one at warn warns of, and one at audit lets pass."""
    ours = isinstance(said, Refused) and said.policy == POLICY_NAME
    if isinstance(said, Untold) or (isinstance(said, Refused) and not ours):
        code = said.code if isinstance(said, Untold) else "somebody else's policy or webhook refused it first"
        return Reason.PROBE_FAILED, f"a dry run says nothing about the policy ({code})"
    if wanted.stage is Stage.DENY:
        if not isinstance(said, Refused):
            return Reason.BYPASS_DETECTED, "a pod that must be refused is admitted"
        return None if said.binding == DENY_BINDING and _present(said, wanted) else _older(said)
    if isinstance(said, Refused):
        return Reason.OVER_BLOCKING, "a pod is refused, and the stage does not refuse"
    if wanted.stage is Stage.WARN:
        if said.warned_by != DENY_BINDING:
            return Reason.BYPASS_DETECTED, "a pod that must be warned of is not"
        return None if _present(said, wanted) else _older(said)
    return _older(said) if said.warned_by == DENY_BINDING else None


def _good_pod(said: Said | None) -> Told | None:
    if isinstance(said, Admitted):
        return (Reason.OVER_BLOCKING, "a pod that is allowed is warned of") if said.warned_by == DENY_BINDING else None
    if isinstance(said, Refused) and said.policy == POLICY_NAME:
        return Reason.OVER_BLOCKING, "a pod that is allowed is refused"
    if isinstance(said, Untold) and said.code == FULL:
        return None
    code = said.code if isinstance(said, Untold) else "it was refused by somebody else"
    return Reason.PROBE_FAILED, f"a dry run of an allowed pod says nothing ({code})"


def _present(said: Refused | Admitted, wanted: Wanted) -> bool:
    """Whether it was judged by what is wanted now, as far as the message tells the generation."""
    return said.generation in {0, wanted.policy_generation}


def _older(said: Refused | Admitted) -> Told:
    return Reason.OUTDATED, f"the cluster judges by generation {said.generation} of the policy"


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _why(state: State) -> str:
    """What the API server said last, if it does not do as it is asked."""
    troubles = sorted({str(line.trouble) for line in state.lines.values() if line.trouble is not None})
    return f" (the API server: {', '.join(troubles)})" if troubles else ""
