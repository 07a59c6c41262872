"""Objects of the API as the core sees them: whose a Secret is, what a pod pulls, and whether it has to pull now.

Of a Secret that is watched only the metadata are known; whether it is immutable and what it holds is known of one that
was read. A workload that a controller made is passed over, as its controller says the same; a pod never is.

Left out: deciding. Sources: Kubernetes API reference; kubernetes.md 3.5 (when a pull is ahead).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from portreeve.core.credential import Login
from portreeve.core.observation import (
    ENTRIES_ANNOTATION,
    MANAGER,
    OWNER_LABEL,
    AccountSeen,
    EntryFact,
    NamespaceSeen,
    SecretSeen,
    WorkloadSeen,
    decode_facts,
)
from portreeve.core.reference import Reference, UnsafeReference, parse
from portreeve.core.secret import SecretValue
from portreeve.kube.objects import Namespace, OwnedMetadata, Pod, PodSpec, Secret, ServiceAccount, Workload
from portreeve.kube.ownership import holders, writers
from portreeve.kube.pull_secret import KEY

REGISTRY_MARK: Final = "portreeve.io/registry."
"""Annotation of a pod that names a registry: the rest is a slug of the user's own, so that there may be several."""

SHAPES: Final = 4_096
"""Lists of images that are kept once for all pods that have them; a cluster has one for each of its workloads."""

ANNOTATIONS: Final = 256
ANNOTATION_CHARACTERS: Final = 2_048
"""Annotations that are read once for all Secrets that have them, and the longest such: a rotation writes the same one
into a thousand, and each comes twice. Half a megabyte at most, whoever writes what."""

_NONE: Final[frozenset[str]] = frozenset()
"""The same one for all: an empty one takes 216 bytes."""

OURS: Final = (
    ("f:data", f"f:{KEY}"),
    ("f:type",),
    ("f:metadata", "f:labels", f"f:{OWNER_LABEL[0]}"),
    ("f:metadata", "f:annotations", f"f:{ENTRIES_ANNOTATION}"),
)
"""The fields that we write, as managed fields name them."""

_LIST: Final = ("f:imagePullSecrets",)
"""The list of a ServiceAccount's pull secrets, as managed fields name it: as a whole, as it is atomic."""

_STARTED: Final = frozenset({"CrashLoopBackOff"})
"""Reasons to wait of a container whose image is there."""


def namespace(found: Namespace) -> NamespaceSeen:
    """A namespace."""
    metadata = found.metadata
    return NamespaceSeen(
        metadata.name, metadata.uid, metadata.resource_version, metadata.labels or {}, terminating=found.ending
    )


def secret(metadata: OwnedMetadata, *, immutable: bool = False) -> SecretSeen:
    """The Secret of our name as it is watched."""
    return SecretSeen(
        metadata.namespace,
        metadata.uid,
        metadata.resource_version,
        metadata.labels or {},
        holders(metadata, OURS),
        _facts((metadata.annotations or {}).get(ENTRIES_ANNOTATION, "")),
        immutable,
        metadata.deletion_timestamp is not None,
    )


def _facts(text: str) -> tuple[EntryFact, ...] | None:
    return _short_facts(text) if len(text) <= ANNOTATION_CHARACTERS else decode_facts(text)


_short_facts: Final = lru_cache(ANNOTATIONS)(decode_facts)


def secret_read(found: Secret) -> SecretSeen:
    """The Secret of our name as it was read, with what it holds if that can be told."""
    seen = secret(found.metadata, immutable=found.immutable)
    content = (found.data or {}).get(KEY)
    return SecretSeen(
        seen.namespace,
        seen.uid,
        seen.resource_version,
        seen.labels,
        seen.managers,
        seen.entries,
        seen.immutable,
        seen.terminating,
        {} if content is None else _logins(content),
    )


def _logins(content: SecretValue) -> dict[str, Login]:
    """Key → login of what a pull secret holds; entries that are none, and hollow ones, are left out."""
    try:
        auths = json.loads(content.reveal())["auths"]
        found = {str(key): _login(entry) for key, entry in auths.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        # Not chained: the error of the parser quotes what it read.
        return {}
    return {key: login for key, login in found.items() if login is not None}


def _login(entry: Mapping[str, Any]) -> Login | None:
    username, password = entry.get("username", ""), entry.get("password", "")
    if not username and "auth" in entry:
        try:
            username, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
    # Anybody may have written here: what is no text is no login.
    fits = type(username) is type(password) is str and username.isprintable()
    return Login(username, SecretValue(password)) if fits and username and password else None


def account(found: ServiceAccount) -> AccountSeen:
    """A ServiceAccount. Of who holds its list one bit is kept, as there are thousands. We patch it, and never apply."""
    metadata = found.metadata
    return AccountSeen(
        metadata.namespace,
        metadata.name,
        metadata.uid,
        metadata.resource_version,
        metadata.labels or {},
        found.pull_secrets,
        held=writers(metadata, _LIST) == {(MANAGER, "Update")},
        tracked=bool(metadata.managed_fields),
    )


def pod(found: Pod) -> WorkloadSeen | None:
    """A pod; None for one that has ended and pulls nothing any more."""
    if found.status.phase in {"Succeeded", "Failed"}:
        return None
    metadata = found.metadata
    return WorkloadSeen(
        metadata.namespace,
        f"Pod/{metadata.name}",
        metadata.uid,
        metadata.resource_version,
        _references(found.spec),
        _registries(metadata.annotations),
        _has_to_pull(found),
    )


def _has_to_pull(found: Pod) -> bool:
    statuses = tuple(found.status.containers)
    if found.status.phase in {"", "Pending"}:
        return True
    return any(not one.image_id for one in statuses) or any(
        waiting.reason not in _STARTED for _, waiting in found.status.waiting
    )


def workload(kind: str, found: Workload) -> WorkloadSeen | None:
    """A workload by its template; None for one that another workload has made."""
    metadata = found.metadata
    if metadata.controller is not None:
        return None
    return WorkloadSeen(
        metadata.namespace,
        f"{kind}/{metadata.name}",
        metadata.uid,
        metadata.resource_version,
        _references(found.template.spec),
        _registries(found.template.metadata.annotations) | _registries(metadata.annotations),
        _is_rolling(kind, found),
    )


def _is_rolling(kind: str, found: Workload) -> bool:
    """Whether a changed template is still being brought out; what the kind does not say, its pods do."""
    wanted = found.spec.replicas
    if kind not in {"Deployment", "StatefulSet", "DaemonSet"} or wanted == 0:
        return False
    behind = found.metadata.generation > found.status.observed_generation
    return behind or (wanted is not None and found.status.updated_replicas < wanted)


def _references(spec: PodSpec) -> tuple[Reference, ...]:
    return _parsed(tuple(image for _, _, image in spec.images()))


@lru_cache(SHAPES)
def _parsed(images: tuple[str, ...]) -> tuple[Reference, ...]:
    """What these images are, read once for all pods that have them: there are thousands, and they are kept."""
    found = set()
    for image in images:
        with suppress(UnsafeReference):  # no registry can be told from it, so it uses none
            found.add(parse(image))
    return tuple(sorted(found, key=str))


def _registries(annotations: Mapping[str, str] | None) -> frozenset[str]:
    return frozenset(value for name, value in (annotations or {}).items() if name.startswith(REGISTRY_MARK)) or _NONE
