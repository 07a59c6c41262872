"""A plan as it is answered: one object for the command line, the API and the console."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from portreeve.core.blast_radius import Denial, RunningImage
from portreeve.core.confirmation import Basis, DocumentVersion
from portreeve.core.estate import Key
from portreeve.core.our_objects import Create, Delete, ManagedObject, ObjectChange
from portreeve.core.plan import EnvironmentPlan
from portreeve.core.plan_text import lines
from portreeve.core.policy import Registry
from portreeve.core.reference import UnsafeReference, parse
from portreeve.errors import Problem
from portreeve.server.documents.proposal import Outcome, Written

MOST_LISTED: Final = 1_000
"""Entries of one list in an answer; `counts` has the true numbers."""


def plan_document(found: Outcome) -> dict[str, Any]:
    """What the outcome of a proposal would be."""
    made, radius = found.plan, found.plan.radius
    uses = list(_uses(found))
    return {
        "digest": found.digest,
        "content": found.content,
        "needsConfirmation": found.needs_confirmation,
        "blocked": bool(made.blocked()),
        "documents": [
            {
                "kind": one.key.kind,
                "name": one.key.name,
                "change": _word(one),
            }
            for one in sorted(found.changes, key=lambda one: one.key)
        ],
        "counts": {
            "environments": len(made.environments),
            "objects": sum(len(one.changes) for one in made.environments),
            "newlyDenied": len(radius.newly_denied),
            "newlyReported": len(radius.newly_reported),
            "newlyAllowed": len(radius.newly_allowed),
            "uses": len(uses),
        },
        "environments": [_environment(one) for one in made.environments],
        "policiesReplaced": [
            {"group": one.group, "takenFrom": one.taken_from, "takenBy": one.taken_by, "emptied": one.emptied}
            for one in made.takeovers
        ],
        "conflicts": problems(made.conflicts),
        "refusals": problems(made.refusals),
        "valve": problems(made.valve),
        "warnings": problems(found.warnings),
        "newlyDenied": [_denial(one) for one in radius.newly_denied[:MOST_LISTED]],
        "newlyReported": [_denial(one) for one in radius.newly_reported[:MOST_LISTED]],
        "newlyAllowed": [_image(one) for one in radius.newly_allowed[:MOST_LISTED]],
        "uses": uses[:MOST_LISTED],
        "text": list(lines(made)),
    }


def _word(change: Written) -> str:
    if change.leaves:
        return "leave"
    return "delete" if change.after is None else "create" if change.before is None else "update"


def problems(found: Iterable[Problem]) -> list[dict[str, str]]:
    """Problems as plain values."""
    return [{"code": one.code, "field": one.field, "message": one.message, "hint": one.hint} for one in found]


def _environment(planned: EnvironmentPlan) -> dict[str, Any]:
    return {
        "environment": planned.environment,
        "enforcedBy": str(planned.plane),
        "policyBefore": planned.policy_before,
        "policyAfter": planned.policy_after,
        "masked": list(planned.masked),
        "unmasked": list(planned.unmasked),
        "changes": [_change(one) for one in planned.changes[:MOST_LISTED]],
        "changesTotal": len(planned.changes),
        "notes": problems(planned.notes),
    }


def _change(change: ObjectChange) -> dict[str, Any]:
    match change:
        case Create(new):
            return {"change": "create", **_object(new)}
        case Delete(old):
            return {"change": "delete", **_object(old)}
        case _:
            return {"change": "update", **_object(change.new), "before": dict(change.old.facts)}


def _object(managed: ManagedObject) -> dict[str, Any]:
    identity = managed.identity
    return {
        "object": str(identity.kind),
        "namespace": identity.namespace,
        "name": identity.name,
        "facts": dict(managed.facts),
    }


def _denial(denial: Denial) -> dict[str, Any]:
    told = {"verdict": str(denial.decision), "stage": str(denial.stage), "reason": denial.reason}
    return {**_image(denial.image), **told}


def _image(image: RunningImage) -> dict[str, Any]:
    return {
        "environment": image.environment,
        "namespace": image.namespace,
        "owner": image.owner,
        "image": image.image,
    }


def _uses(found: Outcome) -> Iterator[dict[str, Any]]:
    """Workloads that run images of a registry which is changed or deleted."""
    prefixes = [
        (one.key.name, one.before.value.prefix)
        for one in found.changes
        if one.before is not None and isinstance(one.before.value, Registry)
    ]
    if not prefixes:
        return
    covered: dict[str, str] = {}
    for image in found.before.inventory.images:
        if image.image not in covered:
            covered[image.image] = ""
            try:
                reference = parse(image.image)
            except UnsafeReference:
                continue
            covered[image.image] = next((name for name, prefix in prefixes if prefix.covers(reference)), "")
        if covered[image.image]:
            yield {**_image(image), "registry": covered[image.image]}


def basis_document(basis: Basis) -> dict[str, Any]:
    """A basis as plain values, to be stored with its plan."""
    return {
        "versions": [[one.key.kind, one.key.name, one.before, one.after, one.content] for one in basis.versions],
        "groups": [[name, list(members)] for name, members in basis.groups],
        "objects": [list(pair) for pair in basis.objects],
        "newlyDenied": [[one.environment, one.namespace, one.owner, one.image] for one in basis.newly_denied],
    }


def read_basis(document: dict[str, Any]) -> Basis:
    """What `basis_document` wrote."""
    return Basis(
        tuple(
            DocumentVersion(Key(kind, name), before, after, content)
            for kind, name, before, after, content in document["versions"]
        ),
        tuple((name, tuple(members)) for name, members in document["groups"]),
        tuple((environment, digest) for environment, digest in document["objects"]),
        tuple(RunningImage(*parts) for parts in document["newlyDenied"]),
    )
