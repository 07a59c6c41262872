"""Documents as they are answered: the document, and a status that only the control plane knows.

A status says what follows from the snapshot and nothing else; what an agent must report first is `Unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from portreeve.core.agent_identity import ADMITTED, State
from portreeve.core.effective_policy import too_old
from portreeve.core.enforcement_messages import STATES
from portreeve.core.environments import Environment
from portreeve.core.estate import policy_type
from portreeve.core.fleet import Health, health
from portreeve.core.leaving import Said, left
from portreeve.core.policy import Exemption, ExemptionState, Registry, RegistryAccess, RegistryPolicy
from portreeve.core.rotation import CONNECTED
from portreeve.server.documents.conditions import conditions, token_shown
from portreeve.server.documents.reach import reaches
from portreeve.server.documents.snapshot import PULL, AgentRow, Checked, Snapshot
from portreeve.server.documents.stored import LEAVING, MOVED, Stored


def answered(stored: Stored, snapshot: Snapshot, now: datetime) -> dict[str, Any]:
    """The document with its status."""
    status = {
        "uid": stored.uid,
        "observedGeneration": stored.version,
        "etag": stored.etag,
        "createdAt": time(stored.created_at),
        "updatedAt": time(stored.updated_at),
        **_status(stored, snapshot, now),
    }
    return {**stored.document(), "status": {name: value for name, value in status.items() if value is not None}}


def time(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, whole seconds."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _status(stored: Stored, snapshot: Snapshot, now: datetime) -> Mapping[str, Any]:
    match stored.key.kind:
        case "Registry":
            return _registry(stored, snapshot, now)
        case "RegistryAccess":
            return _access(stored, snapshot)
        case "RegistryPolicy":
            return _policy(stored, snapshot)
        case "Environment":
            return _environment(stored, snapshot, now)
        case "EnvironmentGroup":
            return _group(stored, snapshot)
        case "Exemption":
            return _exemption(stored, now)
        case _:
            return {}


def _registry(stored: Stored, snapshot: Snapshot, now: datetime) -> Mapping[str, Any]:
    assert isinstance(stored.value, Registry)
    declared = {one.get("purpose"): one for one in stored.spec.get("credentials", [])}
    credentials: list[dict[str, Any]] = []
    for purpose, entry in sorted(declared.items()):
        row = snapshot.credentials.get((stored.key.name, purpose))
        expires = None if row is None else row.expires_at
        credentials.append(
            {
                "purpose": purpose,
                "method": entry.get("method"),
                "id": row.id if row else None,
                "version": row.version if row else None,
                "expiresAt": time(expires),
                "state": _credential_state(row is not None, expires, now),
            }
        )
        if row is not None and (token := token_shown(snapshot.tokens.get(row.id), now)):
            credentials[-1]["token"] = token
    found = conditions(stored, snapshot, now)
    pull = next((one for one in credentials if one["purpose"] == "pull"), None)
    return {
        "prefix": str(stored.value.prefix),
        "auth": pull["method"] if pull else "anonymous",
        "ready": found[0]["status"] == "True",
        "expiresAt": pull["expiresAt"] if pull else None,
        "grants": snapshot.grants[stored.key.name],
        "credentials": credentials or None,
        "conditions": found,
        "validation": _validation(snapshot.checks.get(stored.key.name)),
    }


def _validation(checked: Checked | None) -> Mapping[str, Any] | None:
    if checked is None:
        return None
    return {"outcome": checked.outcome, "reason": checked.reason or None, "at": time(checked.at), "ms": checked.ms}


def _credential_state(stored: bool, expires: datetime | None, now: datetime) -> str:
    if not stored:
        return "missing"
    return "expired" if expires is not None and expires <= now else "stored"


def _access(stored: Stored, snapshot: Snapshot) -> Mapping[str, Any]:
    access = stored.value
    assert isinstance(access, RegistryAccess)
    estate = snapshot.estate
    named = [estate.environments_by_name.get(access.environment)] if access.environment else []
    if access.project and (project := estate.projects_by_name.get(access.project)):
        named = [estate.environments_by_name.get(part.environment) for part in project.namespaces]
    masking = {
        policy.name
        for environment in named
        if environment is not None
        and (policy := estate.policy_of(environment)) is not None
        and not policy.allow_override
    }
    return {"maskedBy": sorted(masking) or None}


def _policy(stored: Stored, snapshot: Snapshot) -> Mapping[str, Any]:
    policy = stored.value
    assert isinstance(policy, RegistryPolicy)
    covered = sorted(
        one.name
        for one in snapshot.estate.environments
        if one.group in policy.groups and policy_type(one.type) is policy.type
    )
    plane = "admission" if policy.type.value == "kubernetes" else "deployment time only"
    told = {"sources": len(policy.sources), "environments": covered, "enforcedBy": plane}
    return {**told, "moved": stored.state.get(MOVED)}


_ENFORCED: Final = {"deny": "Enforced", "warn": "Warning", "audit": "Auditing"}
"""Stage → what it is called once an agent has proven it that names no reason of ours."""

_TOLD: Final = {str(reason): str(state) for reason, state in STATES.items()}
"""Reason → state, as an agent tells it. It speaks of the document that it acts on, which may be the one before."""


def agent_shown(name: str, snapshot: Snapshot, now: datetime) -> dict[str, Any]:
    """How an environment's agent stands, and what it has said last. What nobody has said is `Unknown`."""
    row, said = snapshot.agents.get(name), snapshot.reports.get(name)
    connected = is_connected(name, snapshot, now)
    return {
        "agent": {
            "state": row.state if row else "none",
            "connected": connected,
            "lastSeen": time(row.seen_at) if row else None,
            "cluster": row.cluster if row else None,
            "enrolledAt": time(row.enrolled_at) if row else None,
            "certificateExpiresAt": time(row.expires_at) if row and row.state != State.LOCAL else None,
        },
        "generation": said.generation if said else None,
        "reportedAt": time(said.at) if said else None,
        "conditions": [_connection(row, connected=connected), *(said.conditions if said else ())],
    }


def is_connected(name: str, snapshot: Snapshot, now: datetime) -> bool:
    """Whether its agent has come lately."""
    row = snapshot.agents.get(name)
    return row is not None and row.state in ADMITTED and row.seen_at is not None and now - row.seen_at <= CONNECTED


def _connection(row: AgentRow | None, *, connected: bool) -> dict[str, Any]:
    if row is None:
        return {"type": "Connected", "status": "Unknown", "reason": "NoAgent", "message": "no agent was ever enrolled"}
    if row.state not in ADMITTED:
        return {"type": "Connected", "status": "False", "reason": row.state.capitalize(), "message": "it is shut out"}
    if row.seen_at is None:
        return {"type": "Connected", "status": "Unknown", "reason": "NotSeenYet", "message": "it has not come yet"}
    reason, message = ("Polling", "it asks for what is wanted") if connected else ("Silent", "it has not come lately")
    if row.state == State.LOCAL:
        reason, message = ("Local" if connected else reason, "run by the control plane, without an agent")
    return {"type": "Connected", "status": str(connected), "reason": reason, "message": message}


def _enforcement(name: str, stage: str, snapshot: Snapshot, now: datetime) -> str:
    """What the agent has proven of the policy. An agent that is silent proves nothing any more."""
    said = snapshot.reports.get(name)
    proven = next((one for one in said.conditions if one["type"] == "Enforced"), None) if said else None
    if proven is None or not is_connected(name, snapshot, now):
        return "Unknown"
    told = _TOLD.get(proven["reason"])
    if told is not None:
        # There is a policy: an agent that knows of none has not heard of it yet.
        return "Unknown" if told == "Off" else told
    return {"True": _ENFORCED.get(stage, "Unknown"), "False": "Gap"}.get(proven["status"], "Unknown")


def _environment(stored: Stored, snapshot: Snapshot, now: datetime) -> Mapping[str, Any]:
    environment = snapshot.environment(stored.key.name)
    assert environment is not None
    leaving = stored.state.get(LEAVING)
    policy = None if leaving else snapshot.estate.policy_of(environment)
    known = snapshot.capabilities.get(stored.key.name)
    off = policy is None or policy.stage.value == "off"
    return {
        **agent_shown(stored.key.name, snapshot, now),
        "health": str(_health(environment, snapshot, now)),
        "phase": "Leaving" if leaving else "Active",
        "leaving": {**leaving, "left": _left(stored.key.name, snapshot, now)} if leaving else None,
        "policy": policy.name if policy else None,
        "kubernetes": known.kubernetes if known else None,
        "cannotRestrict": too_old(environment, known) if known else None,
        "namespaces": None if known is None or known.namespaces is None else len(known.namespaces),
        "images": len(snapshot.running[stored.key.name]) if stored.key.name in snapshot.running else None,
        "enforcement": "Off"
        if off or policy is None
        else _enforcement(stored.key.name, policy.stage.value, snapshot, now),
    }


def _health(environment: Environment, snapshot: Snapshot, now: datetime) -> Health:
    """Whether pulls go on working, as the fleet has it."""
    row = snapshot.agents.get(environment.name)
    leaving = environment.name in snapshot.leaving
    held = (
        snapshot.credentials.get((registry, PULL)) for registry in (() if leaving else reaches(snapshot, environment))
    )
    return health(
        agent=row is not None and row.seen_at is not None,
        connected=is_connected(environment.name, snapshot, now),
        ends=min((one.expires_at for one in held if one is not None and one.expires_at is not None), default=None),
        now=now,
    )


def _left(name: str, snapshot: Snapshot, now: datetime) -> list[str]:
    """What is left of ours in an environment that is leaving, by its last report."""
    reported = snapshot.reports.get(name)
    said = (
        None if reported is None else Said(reported.generation, reported.at, reported.conditions, reported.pull_secrets)
    )
    # Whether that report is of the empty state is for the sweep; while it is there, something is not confirmed.
    return list(left(said, 0, now)) or ["what its agent has not confirmed yet"]


def _group(stored: Stored, snapshot: Snapshot) -> Mapping[str, Any]:
    group = next(one for one in snapshot.estate.groups if one.name == stored.key.name)
    covering = snapshot.estate.policies_by_group.get((group.name, policy_type(group.type)), ())
    members = [one.name for one in snapshot.estate.environments if one.group == group.name]
    return {"coveredBy": covering[0].name if covering else None, "environments": sorted(members)}


def _exemption(stored: Stored, now: datetime) -> Mapping[str, Any]:
    exemption = stored.value
    assert isinstance(exemption, Exemption)
    state = exemption.state
    if exemption.in_force and exemption.expires_at <= now:
        state = ExemptionState.EXPIRED
    return {**stored.state, "state": str(state)}
