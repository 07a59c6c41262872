"""What is answered of registries: rows and documents of what the services found. Nothing here can hold a credential."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from portreeve.core.blast_radius import RunningImage
from portreeve.core.checklist import Check
from portreeve.core.policy import Registry
from portreeve.core.rate_limit import Forecast, Reading
from portreeve.core.reference import DEFAULT_TAG
from portreeve.core.usage import annotation, command, pod, pull_secret
from portreeve.providers.contract import Claim, Method, Provider, Repository, Tag
from portreeve.server.documents.view import time
from portreeve.server.images.verdicts import Governed
from portreeve.server.registries.browsing import Image, running_from, uses
from portreeve.server.registries.contact import Contact


def repository_rows(
    rows: Sequence[Repository], contact: Contact, running: Sequence[RunningImage]
) -> list[dict[str, Any]]:
    """Rows of repositories. What runs is gone through once for all of them: there may be 100,000 images."""
    used: Counter[str] = Counter()
    for reference, times in running_from(contact.place, running):
        used[reference.path] += times
    return [
        {
            "name": one.name,
            "tags": one.tags,
            "pushedAt": time(one.pushed_at),
            "pulls": one.pulls,
            "runningIn": used[one.name],
        }
        for one in rows
    ]


def tag_rows(
    rows: Sequence[Tag], contact: Contact, repository: str, running: Sequence[RunningImage]
) -> list[dict[str, Any]]:
    """Rows of tags, as `_repositories`."""
    used: Counter[str] = Counter()
    for reference, times in running_from(contact.place, running):
        if reference.path == repository and not reference.digest:
            used[reference.tag or DEFAULT_TAG] += times
    return [
        {
            "name": one.name,
            "digest": one.digest or None,
            "sizeBytes": one.size_bytes,
            "platforms": list(one.platforms),
            "pushedAt": time(one.pushed_at),
            "pulledAt": time(one.pulled_at),
            "runningIn": used[one.name],
        }
        for one in rows
    ]


def image_document(found: Image, contact: Contact, running: Sequence[RunningImage]) -> dict[str, Any]:
    """One image, with whoever runs it."""
    artifacts = (
        None if found.artifacts is None else {str(kind): count for kind, count in sorted(found.artifacts.items())}
    )
    return {
        "kind": "Image",
        "repository": found.repository,
        "reference": found.reference,
        "digest": found.digest,
        "mediaType": found.media_type,
        "artifactType": found.artifact_type or None,
        "createdAt": found.created_at or None,
        "pin": f"{contact.place.host}/{found.repository}@{found.digest}",
        "platforms": [
            {"platform": one.platform or None, "digest": one.digest, "sizeBytes": one.size_bytes}
            for one in found.platforms
        ],
        "artifacts": artifacts,
        "usedBy": use_rows(uses(contact.place, running, found.repository, found.reference, found.digest)),
    }


def usage_document(
    registry: Registry, keys: Sequence[str], namespace: str, repository: str, tag: str
) -> dict[str, Any]:
    """How a workload uses the registry. Every secret in it is a word in angle brackets."""
    key, value = annotation(registry.name)
    return {
        "kind": "Usage",
        "registry": registry.name,
        "annotation": {"key": key, "value": value},
        "pod": pod(registry, namespace, repository, tag),
        "command": list(command(registry, namespace, repository, tag)),
        "pullSecret": pull_secret(keys),
        "notes": [
            "where the registry is granted, a manifest needs nothing: ServiceAccounts there name the pull secret",
            "the annotation is for delivery by workload; a pod may carry one for each registry",
        ],
    }


def granted_in(held: Governed, registry: str, namespace: str) -> bool:
    """Whether the registry is granted in a namespace."""
    known = tuple(held.namespaces.values()) or None
    return any(grant.registry == registry and namespace in grant.selected(known) for grant in held.state.grants)


def use_rows(found: Sequence[RunningImage]) -> list[dict[str, str]]:
    """Workloads that run something."""
    return [
        {"environment": one.environment, "namespace": one.namespace, "owner": one.owner, "image": one.image}
        for one in found
    ]


def check_row(check: Check) -> dict[str, str]:
    """One stage of a checklist."""
    found = {"stage": str(check.stage), "outcome": str(check.outcome), "message": check.message}
    return found | {name: value for name, value in (("code", check.code), ("hint", check.hint)) if value}


def provider_row(one: Provider) -> dict[str, Any]:
    """A provider with its ways to sign in."""
    return {
        "name": one.name,
        "title": one.title,
        "anonymous": one.anonymous,
        "public": one.public,
        "browse": str(one.browse),
        "deletes": one.deletes,
        "notes": list(one.notes),
        "methods": [_method(method) for method in one.methods],
    }


def _method(method: Method) -> dict[str, Any]:
    return {
        "name": method.name,
        "title": method.title,
        "secret": method.secret,
        "ends": method.ends,
        "tokenLifeSeconds": None if method.life is None else int(method.life.total_seconds()),
        "needs": list(method.needs),
        "advice": method.advice,
        "fields": [
            {
                "name": field.name,
                "label": field.label,
                "required": field.required,
                "example": field.example,
                "hint": field.hint,
            }
            for field in method.fields
        ],
    }


def claim_row(claim: Claim) -> dict[str, Any]:
    """What a pasted text was taken for."""
    return {
        "provider": claim.provider,
        "host": claim.place.host,
        "path": claim.place.path,
        "certain": claim.certain,
        "parameters": dict(claim.parameters),
        "note": claim.note,
        "instead": claim.instead,
    }


def forecast_row(one: Forecast, readings: Sequence[Reading]) -> dict[str, Any]:
    """What is to be said of one address or account, with what was read of it."""
    return {
        "source": one.source or None,
        "limit": one.latest.limit,
        "remaining": one.latest.remaining,
        "windowSeconds": one.latest.window_s,
        "readAt": time(one.latest.at),
        "level": str(one.level),
        "pullsPerHour": None if one.per_hour is None else round(one.per_hour, 2),
        "emptyAt": time(one.empty_at),
        "advice": one.advice,
        "history": [
            {"at": time(reading.at), "remaining": reading.remaining}
            for reading in readings
            if reading.source == one.source
        ][-200:],
    }
