"""Attachments as rows: policies and accesses by environment with what its agent says of them, and every condition.

The agent tells of an environment as a whole: `Enforced` is of its policy, `Delivered` of all accesses there. An agent
that is silent says nothing any more: what it said last is shown as `Unknown`, with what that was.

Source: requirement A-19.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from portreeve.core.authorization import Clause, Resource, Scope, visible_scope
from portreeve.core.environments import Environment
from portreeve.core.estate import Key
from portreeve.core.permissions import Action, Kind
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.view import agent_shown, time
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import in_scope

COLUMNS: Final = (
    "GROUP", "ENVIRONMENT", "KIND", "NAME", "CONDITION", "STATUS", "REASON", "MESSAGE", "SINCE", "LAST-ATTEMPT",
)  # fmt: skip
FIELDS: Final = (
    "group", "environment", "kind", "name", "condition", "status", "reason", "message", "since", "lastAttempt",
)  # fmt: skip

Row = dict[str, Any]

EVERYTHING: Final = Clause()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What rows are asked for; None is any. `text` is looked for in every field, whatever its case."""

    group: str | None = None
    environment: str | None = None
    status: str | None = None
    text: str | None = None

    def has(self, row: Row) -> bool:
        """Whether it is one of them."""
        if self.status is not None and row["status"] != self.status:
            return False
        return self.text is None or any(self.text.lower() in str(row[field] or "").lower() for field in FIELDS)


def rows(caller: Caller, snapshot: Snapshot, wanted: Wanted, now: datetime) -> list[Row]:
    """The rows that the caller may see and has asked for, sorted."""
    scopes = {
        kind: visible_scope(caller.principal, kind) if in_scope(caller, Action.LIST, kind) else Scope(kind)
        for kind in (Kind.ENVIRONMENT, Kind.REGISTRY_POLICY, Kind.REGISTRY_ACCESS)
    }
    environments = (*snapshot.estate.environments, *snapshot.leaving.values())
    found = [
        row
        for one in environments
        if wanted.group in {None, one.group} and wanted.environment in {None, one.name}
        for row in _rows(one, snapshot, scopes, now)
        if wanted.has(row)
    ]
    return sorted(found, key=row_key)


def row_key(row: Row) -> str:
    """The order of the list, and what its cursor holds."""
    return "\n".join(row[field] for field in ("environment", "kind", "name", "condition"))


def _rows(environment: Environment, snapshot: Snapshot, scopes: Mapping[Kind, Scope], now: datetime) -> Iterator[Row]:
    name, group = environment.name, environment.group
    shown = agent_shown(name, snapshot, now)
    said = {one["type"]: one for one in shown["conditions"]}
    connected, attempt = shown["agent"]["connected"], shown["reportedAt"]
    place = {"group": group, "environment": name, "lastAttempt": attempt}
    if scopes[Kind.ENVIRONMENT].admits(Resource(Kind.ENVIRONMENT, name, name, group)):
        for kind in sorted(said):
            yield {**place, "kind": "Environment", "name": name, **_told(kind, said, connected=connected)}
    estate = snapshot.estate
    if name not in estate.environments_by_name:
        return
    policy = estate.policy_of(environment)
    attached = [("RegistryPolicy", policy.name, "Enforced", Kind.REGISTRY_POLICY)] if policy else []
    attached += [
        ("RegistryAccess", one.name, "Delivered", Kind.REGISTRY_ACCESS)
        for one in estate.accesses_by_environment.get(name, ())
    ]
    for kind, document, condition, permission in attached:
        stored = snapshot.documents.get(Key(kind, document))
        scope = scopes[permission]
        # Whoever sees all of a kind need not be asked about each part of each of ten thousand.
        if stored is not None and (EVERYTHING in scope.clauses or all(map(scope.admits, snapshot.parts(stored)))):
            row = {**place, "kind": kind, "name": document, **_told(condition, said, connected=connected)}
            if kind == "RegistryAccess" and policy is not None and not policy.allow_override:
                row |= {"status": "False", "reason": "Masked", "message": f"policy {policy.name} replaces it"}
            yield row


def _told(kind: str, said: Mapping[str, Mapping[str, Any]], *, connected: bool) -> Row:
    """One condition; of what nobody has said, or does not say any more, it is Unknown."""
    found = said.get(kind)
    if found is None:
        message = "the agent has said nothing of it"
        return {"condition": kind, "status": "Unknown", "reason": "NotReported", "message": message, "since": None}
    message, since = found.get("message") or "", found.get("lastTransitionTime")
    if not connected and kind != "Connected":
        before = f"{found['status']} ({found['reason']})"
        message = f"the agent is silent; it said {before}{': ' if message else ''}{message}"
        return {"condition": kind, "status": "Unknown", "reason": "Silent", "message": message, "since": since}
    told = {"condition": kind, "status": found["status"], "reason": found["reason"]}
    return {**told, "message": message, "since": since}


def pull_secret_rows(
    caller: Caller, snapshot: Snapshot, environment: Environment, facts: Mapping[str, Any]
) -> list[Row]:
    """What an environment has reported of the pull secrets in namespaces that the caller may see, sorted by name."""
    scope = (
        visible_scope(caller.principal, Kind.NAMESPACE)
        if in_scope(caller, Action.LIST, Kind.NAMESPACE)
        else Scope(Kind.NAMESPACE)
    )
    reported = snapshot.reports.get(environment.name)
    at = time(reported.at) if reported else None
    found = []
    for one in facts.get("pullSecrets", ()):
        space = one["namespace"]
        place = Resource(Kind.NAMESPACE, f"{environment.name}/{space}", environment.name, environment.group, (space,))
        if scope.admits(place):
            found.append(
                {
                    "environment": environment.name,
                    "namespace": space,
                    "uid": one["uid"] or None,
                    "phase": one.get("phase"),
                    "conflict": one.get("conflict"),
                    "reportedAt": at,
                    "entries": [dict(entry) for entry in one["entries"]],
                }
            )
    return sorted(found, key=lambda row: str(row["namespace"]))
