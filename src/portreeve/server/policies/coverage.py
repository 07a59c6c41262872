"""What a list of policies wants to know of each: where it is in force, how far that is proved, what it refuses.

Violations are those that the stages look at (`server.stages.looking`), kept as long as nothing has changed: what runs
or could run, and would be refused at `deny`. Only those that the caller may see are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from portreeve.core.blast_radius import Denial
from portreeve.core.environments import Environment
from portreeve.core.permissions import Kind
from portreeve.core.policy import PolicyType, RegistryPolicy, Stage
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.service import seen
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.stored import Stored
from portreeve.server.documents.view import answered, time
from portreeve.server.http.caller import Caller
from portreeve.server.inventory.service import Sees
from portreeve.server.policies.effect import capability, freshness
from portreeve.server.stages.looking import covered

Row = dict[str, Any]
Violations = Callable[[Snapshot, Environment, datetime], Sequence[Denial]]

PATHS: Final = {PolicyType.KUBERNETES: "Kubernetes > Registry", PolicyType.DOCKER: "Docker > Registry"}

COLUMNS: Final = (
    "NAME", "TYPE", "GROUPS", "STAGE", "ENGINE", "ENVIRONMENTS", "VIOLATIONS", "WOULD BLOCK", "CONFLICTS",
)  # fmt: skip
FIELDS: Final = ("name", "path", "groups", "stage", "engine", "environments", "violations", "wouldBlock", "conflicts")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the list is asked for; None is anything. `q` is text of the name, the title or a group."""

    q: str | None = None
    type: str | None = None
    group: str | None = None
    stage: str | None = None

    def holds(self, policy: RegistryPolicy) -> bool:
        """Whether the policy is asked for."""
        texts = (policy.name, policy.title, *policy.groups)
        return (
            (self.q is None or any(self.q.lower() in one.lower() for one in texts))
            and (self.type is None or policy.type.value == self.type)
            and (self.group is None or self.group in policy.groups)
            and (self.stage is None or policy.stage.value == self.stage)
        )


def rows(caller: Caller, snapshot: Snapshot, wanted: Wanted, violations: Violations, now: datetime) -> list[Row]:
    """A row for each policy that the caller may see, sorted by what it would block, the most first, then by name."""
    sees = Sees(caller, Kind.WORKLOAD, snapshot)
    known = {one.key.name for one in seen(caller, KINDS["Environment"], snapshot)}
    found = [
        _row(one, snapshot, known, sees, violations, now)
        for one in seen(caller, KINDS["RegistryPolicy"], snapshot)
        if isinstance(one.value, RegistryPolicy) and wanted.holds(one.value)
    ]
    return sorted(found, key=row_key)


def row_key(row: Row) -> str:
    """The order of the list, and what its cursor holds."""
    return f"{10**9 - (row['wouldBlock'] or 0):010d}\n{row['name']}"


def _row(
    stored: Stored, snapshot: Snapshot, known: Collection[str], sees: Sees, violations: Violations, now: datetime
) -> Row:
    policy = stored.value
    assert isinstance(policy, RegistryPolicy)
    everywhere = covered(snapshot, policy)
    there = [one for one in everywhere if one.name in known]
    refused = [
        one
        for place in there
        for one in violations(snapshot, place, now)
        if sees.place(place.name, one.image.namespace)
    ]
    fresh = freshness(snapshot, there)
    told = [answered(snapshot.of_kind("Environment")[one.name], snapshot, now)["status"] for one in there]
    block = len(refused) if fresh["reported"] else None
    return {
        "name": policy.name,
        "title": policy.title,
        "type": str(policy.type),
        "path": PATHS[policy.type],
        "groups": list(policy.groups),
        "stage": str(policy.stage),
        "engine": "ValidatingAdmissionPolicy" if policy.type is PolicyType.KUBERNETES else "deployment time only",
        "sources": len(policy.sources),
        "accesses": len(policy.access),
        "environments": len(there),
        "hiddenEnvironments": len(everywhere) - len(there),
        "enforcement": dict(Counter(str(one["enforcement"]) for one in told)),
        "connected": sum(bool(one["agent"]["connected"]) for one in told),
        "cannotRestrict": sum(capability(snapshot, one)["restricts"] is not True for one in there),
        "violations": block if policy.stage is not Stage.OFF else None,
        "wouldBlock": block,
        "workloads": len({(one.image.environment, one.image.namespace, one.image.owner) for one in refused}),
        "conflicts": list(_conflicts(policy, snapshot)),
        "updatedAt": time(stored.updated_at),
        "version": stored.version,
        "etag": stored.etag,
        "freshness": fresh,
    }


def _conflicts(policy: RegistryPolicy, snapshot: Snapshot) -> Iterator[str]:
    """Groups that another policy claims, too, with the one that wins there: the first by name."""
    for group in policy.groups:
        claiming = snapshot.estate.policies_by_group.get((group, policy.type), ())
        if len(claiming) > 1:
            yield f"{group}: {claiming[0].name} is in force"
