"""The promise: may this image run in this namespace, by which rule, with which credential, until when, and why?

One function over a snapshot; the API, the console, `explain` and the admission message say what it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from portreeve.core.cluster import Namespace
from portreeve.core.desired import DesiredState, Grant, Plane, desired
from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.expressions import refusal
from portreeve.core.policy import Stage
from portreeve.core.reference import UnsafeReference, parse
from portreeve.core.sources import stage_in
from portreeve.core.verdict import Code, Decision, ImageVerdict, judge
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.view import time


@dataclass(frozen=True)
class Governed:
    """One environment of a snapshot with its desired state; answers stay equal as long as no exemption ends."""

    environment: Environment
    state: DesiredState
    namespaces: Mapping[str, Namespace]


def governed(snapshot: Snapshot, environment: Environment, now: datetime) -> Governed:
    """The environment as it should be at `now`; worked out once for each revision and minute."""
    memo = (environment.name, now.replace(second=0, microsecond=0))
    found = snapshot.governed.get(memo)
    if found is None:
        known = snapshot.estate.capabilities_of(environment).namespaces or ()
        state = desired(snapshot.estate, environment, now=now)
        found = snapshot.governed[memo] = Governed(environment, state, {one.name: one for one in known})
    assert isinstance(found, Governed)
    return found


def verdict(held: Governed, namespace: str, image: str, now: datetime) -> ImageVerdict | None:
    """What the policy says of the image; None where nothing is restricted."""
    sources = held.state.sources
    if sources is None or sources.stage is Stage.OFF:
        return None
    return judge(image, namespace, sources, now=now)


def explained(held: Governed, namespace: str, image: str, now: datetime, *, why_url: str = "") -> dict[str, Any]:
    """The whole answer as plain values. `why_url` is the page that the cluster's message names."""
    found = verdict(held, namespace, image, now)
    policy = held.state.policy
    stage = None if held.state.sources is None else stage_in(held.state.sources.stage, namespace)
    grant = granting(held, namespace, image)
    return {
        "environment": held.environment.name,
        "namespace": namespace,
        "image": image,
        "canonical": found.canonical if found else _canonical(image),
        "verdict": None if found is None else str(found.decision),
        "stage": None if stage is None else str(stage),
        "enforcedBy": None if policy is None else str(policy.plane),
        "policy": None if policy is None else {"name": policy.name, "version": policy.version},
        "reasons": [
            {"code": str(one.code), "message": one.message, "field": one.field}
            for one in (found.reasons if found else ())
        ],
        "nearest": str(found.nearest.prefix) if found and found.nearest else None,
        "message": _message(held, namespace, found, why_url),
        "trace": list(_trace(held, namespace, found, grant)),
        "pull": None if grant is None else _pull(grant),
    }


def _message(held: Governed, namespace: str, found: ImageVerdict | None, why_url: str) -> str | None:
    """What the cluster answers whoever sends such a pod, word for word; None where it lets it through in silence."""
    sources, policy = held.state.sources, held.state.policy
    if sources is None or found is None or found.decision is Decision.ALLOW:
        return None
    if policy is None or policy.plane is not Plane.ADMISSION:
        return None
    speaks = stage_in(sources.stage, namespace) in {Stage.WARN, Stage.DENY}
    return refusal(found.image, namespace, replace(sources, why_url=why_url)) if speaks else None


def _trace(
    held: Governed, namespace: str, found: ImageVerdict | None, grant: Grant | None
) -> Iterator[dict[str, str | None]]:
    """Each step of the decision: what was asked, what it was asked of, and what came out."""
    sources, policy = held.state.sources, held.state.policy
    yield _step("policy", held.environment.group, policy.name if policy else "none: nothing is restricted")
    if sources is None or found is None:
        return
    stage = stage_in(sources.stage, namespace)
    note = "" if stage is sources.stage else f" (a system namespace: {sources.stage} counts as {stage})"
    yield _step("stage", namespace, f"{stage}{note}")
    yield _step("reference", found.image, found.canonical or "cannot be read safely")
    scoped = len(sources.by_namespace.get(namespace, ()))
    yield _step("sources", f"{len(sources.everywhere)} everywhere, {scoped} in {namespace}", found.reasons[0].message)
    if sources.exemptions:
        yield _step("exemptions", f"{len(sources.exemptions)} in force", _exempted(found))
    if sources.unresolved:
        yield _step("unresolved", f"{len(sources.unresolved)} grants", _unresolved(found))
    yield _step("verdict", found.canonical or found.image, str(found.decision))
    yield _step("credential", found.canonical or found.image, grant.owner if grant else "none is granted there")


def _step(rule: str, given: str, result: str) -> dict[str, str | None]:
    return {"rule": rule, "input": given, "result": result}


def _exempted(found: ImageVerdict) -> str:
    return next((one.message for one in found.reasons if one.code is Code.EXEMPTED), "none is needed, or none fits")


def _unresolved(found: ImageVerdict) -> str:
    return next(
        (one.message for one in found.reasons if one.code is Code.GRANT_UNRESOLVED), "none of them matters here"
    )


def granting(held: Governed, namespace: str, image: str) -> Grant | None:
    """The grant whose credential pulls the image there: of all that cover it, that with the longest key."""
    try:
        reference = parse(image)
    except UnsafeReference:
        return None
    # As the kubelet compares: an entry for host/team/ is for what lies below it, not for an image of that very name.
    name = reference.repository
    fitting = [one for one in held.state.grants if name.startswith(_covered(one)) and _granted(held, one, namespace)]
    return max(fitting, key=lambda one: len(one.key), default=None)


def _covered(grant: Grant) -> str:
    """What the entry of a pull secret covers. Docker Hub's is written as a URL."""
    return "docker.io/" if grant.key.startswith("https://index.docker.io") else grant.key


def _granted(held: Governed, grant: Grant, namespace: str) -> bool:
    if held.environment.type is not EnvironmentType.KUBERNETES:
        return True
    known = held.namespaces.get(namespace)
    return grant.namespaces.selects(namespace, known.labels if known else None) is True


def _pull(grant: Grant) -> dict[str, Any]:
    credential = grant.delivered
    return {
        "registry": grant.registry,
        "grant": grant.owner,
        "mode": str(grant.delivery.mode),
        "key": grant.key,
        "credential": None
        if credential is None
        else {"id": credential.id, "version": credential.version, "expiresAt": time(credential.expires_at)},
    }


def _canonical(image: str) -> str | None:
    try:
        return str(parse(image))
    except UnsafeReference:
        return None
