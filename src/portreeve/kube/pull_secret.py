"""The one Secret of ours in a namespace: made, kept as it is wanted, taken away. Nobody else's is ever touched.

Theory of operation
-------------------
Each call reads the Secret, holds it against what is wanted, and writes only what differs: nothing when nothing does. An
outcome is a value; exceptions are for servers that do not answer or do not allow.

* Absent: applied without force. The API has no "only if it is not there" for that, so somebody may be quicker: then
  their data are another manager's and the apply is refused whole (409, or 422 for another type). Were their data the
  same to the byte, the apply would make us co-owner; we see that we did not create it, and give our fields up again.
* Ours: applied by force, on the condition that it still has that UID and that version. Force takes back what somebody
  edited in *our* object, and cannot reach another one.
* Anybody else's: left alone, and told.

The object keeps its UID through every change of its content, as a kubelet that verifies credentials asks for a new pull
when the object is another one.

Left out: what belongs into the Secret (`core.credential.render`), and when it is made or taken away.

Needs: get, list, watch, create, patch and delete of secrets with `resourceNames: [portreeve-pull]`, and nothing more of
secrets. An apply of a name that is not there is authorised by its name, which a create by POST is not.

Sources: kubernetes.md 2.4 and 3.2 to 3.4, each point of which is a test; Kubernetes, "Server-Side Apply".
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from portreeve.core.secret import SecretValue
from portreeve.errors import Conflict, Invalid, NotFound
from portreeve.kube.client import METADATA_LIST, Client, Selection
from portreeve.kube.errors import NamespaceEnding
from portreeve.kube.objects import OwnedMeta, OwnedMetadata, Secret
from portreeve.kube.ownership import LABELS, Ownership, applied_annotations, others_with, ownership
from portreeve.kube.resources import SECRETS

NAME: Final = "portreeve-pull"
TYPE: Final = "kubernetes.io/dockerconfigjson"
KEY: Final = ".dockerconfigjson"
SWEEP: Final = Selection(fields=f"metadata.name={NAME}")
"""All of them, in all namespaces; allowed by a role with `resourceNames`, which listing Secrets is not."""


@dataclass(frozen=True, slots=True, eq=False)
class PullSecret:
    """What a namespace is to have. `content` is what `.dockerconfigjson` holds; `annotations` are all of ours.

    `recorded_uid` is the UID of the object that we made there, "" if we made none.
    """

    namespace: str
    content: SecretValue
    annotations: Mapping[str, str] = field(default_factory=dict)
    recorded_uid: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """The Secret is as wanted. `written` tells whether that took a write, `created` whether it was not there.

    `altered`: what the server stored is not what was sent, so an admission webhook of somebody's changes it; writing
    it again would not help.
    """

    uid: str
    resource_version: str
    written: bool = False
    created: bool = False
    altered: bool = False


@dataclass(frozen=True, slots=True)
class Removed:
    """The Secret is not there; `written` tells whether it was until now."""

    written: bool


@dataclass(frozen=True, slots=True)
class NotOurs:
    """There is a Secret of our name that was left as it is. `ownership` is MARKED or FOREIGN."""

    uid: str
    ownership: Ownership


@dataclass(frozen=True, slots=True)
class Immutable:
    """Ours, and somebody has made it immutable: it can only be deleted."""

    uid: str


@dataclass(frozen=True, slots=True)
class Raced:
    """Somebody wrote at the same time; nothing was written by us. Ask again."""


@dataclass(frozen=True, slots=True)
class NamespaceLeaving:
    """The namespace is being deleted, or is gone: its objects go with it."""


Outcome = Kept | NotOurs | Immutable | Raced | NamespaceLeaving


async def observe(client: Client, namespace: str) -> Secret | None:
    """The Secret of our name, whoever's it is; None if there is none. Raises: as `Client.get`."""
    try:
        return await client.get(SECRETS, NAME, Secret, namespace=namespace)
    except NotFound:
        return None


async def keep(client: Client, wanted: PullSecret) -> Outcome:
    """Make the namespace's Secret what is wanted, if it is ours to make.

    Raises:
        As `Client.apply`, but for conflicts and namespaces that leave, which are outcomes. Denied: also `kube_quota`;
        `RefusedByAdmission`. Invalid: `kube_invalid`: larger than a Secret may be.
    """
    seen = await observe(client, wanted.namespace)
    if seen is None:
        return await _make(client, wanted)
    whose = ownership(seen.metadata, wanted.recorded_uid)
    if whose is not Ownership.RECORDED:
        return NotOurs(seen.metadata.uid, whose)
    if holds(seen, wanted):
        return Kept(seen.metadata.uid, seen.metadata.resource_version)
    if seen.immutable:
        return Immutable(seen.metadata.uid)
    return await _repair(client, wanted, seen.metadata)


def holds(seen: Secret, wanted: PullSecret) -> bool:
    """Whether an object that is ours is as wanted: our content and nothing beside it, our labels and annotations.

    What others have marked it with is theirs; an annotation of ours that is wanted no longer has to go.
    """
    content = (seen.data or {}).get(KEY)
    labels, annotations = seen.metadata.labels or {}, seen.metadata.annotations or {}
    return (
        content is not None
        and len(seen.data or {}) == 1
        and content.equals_in_constant_time(wanted.content)
        and labels.items() >= LABELS.items()
        and annotations.items() >= wanted.annotations.items()
        and applied_annotations(seen.metadata) <= wanted.annotations.keys()
    )


async def sweep(client: Client) -> list[OwnedMetadata]:
    """Every Secret of our name in the cluster, whoever's it is; metadata alone. Raises: as `Client.pages`."""
    return [one.metadata for one in await client.list(SECRETS, OwnedMeta, SWEEP, accept=METADATA_LIST)]


async def remove(client: Client, namespace: str, *, recorded_uid: str) -> Removed | NotOurs | Raced:
    """Take the namespace's Secret away, if it is the one that we recorded.

    Raises:
        As `Client.get`.
    """
    try:
        seen = await client.get(SECRETS, NAME, OwnedMeta, namespace=namespace)
        whose = ownership(seen.metadata, recorded_uid)
        if whose is not Ownership.RECORDED:
            return NotOurs(seen.metadata.uid, whose)
        await client.delete(
            SECRETS,
            NAME,
            uid=seen.metadata.uid,
            resource_version=seen.metadata.resource_version,
            namespace=namespace,
        )
    except NotFound:
        return Removed(written=False)
    except Conflict:
        return Raced()
    return Removed(written=True)


async def _make(client: Client, wanted: PullSecret) -> Outcome:
    try:
        answer = await client.apply(SECRETS, _manifest(wanted), Secret)
    except (NamespaceEnding, NotFound):
        return NamespaceLeaving()
    except Conflict:
        return Raced()
    except Invalid:
        # Another type than ours is immutable to the server; ours alone being wrong is not for us to hide.
        if await observe(client, wanted.namespace) is None:
            raise
        return Raced()
    if not answer.created and others_with(answer.object.metadata, ("f:data", f"f:{KEY}")):
        await _give_up(client, wanted.namespace)
        return NotOurs(answer.object.metadata.uid, Ownership.FOREIGN)
    return _kept(answer.object, wanted, created=answer.created)


async def _repair(client: Client, wanted: PullSecret, seen: OwnedMetadata) -> Outcome:
    conditions = {"uid": seen.uid, "resourceVersion": seen.resource_version}
    try:
        answer = await client.unsafe_force_apply(SECRETS, _manifest(wanted, conditions), Secret)
        strangers = set(answer.object.data or {}) - {KEY}
        if strangers:
            # What somebody added beside our key is no field of ours, so that no apply removes it.
            answer = await client.patch(
                SECRETS, NAME, _without(answer.object.metadata, strangers), Secret, namespace=wanted.namespace
            )
    except (NamespaceEnding, NotFound):
        return NamespaceLeaving()
    except Conflict:
        return Raced()
    except Invalid:
        # To the server another UID is a field that must not change.
        again = await observe(client, wanted.namespace)
        if again is not None and again.metadata.uid == seen.uid and not again.immutable:
            raise
        return Raced()
    return _kept(answer.object, wanted, created=False)


def _kept(stored: Secret, wanted: PullSecret, *, created: bool) -> Kept:
    metadata = stored.metadata
    altered = not holds(stored, wanted)
    return Kept(metadata.uid, metadata.resource_version, written=True, created=created, altered=altered)


async def _give_up(client: Client, namespace: str) -> None:
    """Take our marks off an object that is not ours: what we applied and apply no longer is removed."""
    bare = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME, "namespace": namespace}}
    await client.apply(SECRETS, bare, OwnedMeta)


def _without(metadata: OwnedMetadata, keys: set[str]) -> list[dict[str, Any]]:
    removals = [{"op": "remove", "path": f"/data/{_pointer(key)}"} for key in sorted(keys)]
    return [
        {"op": "test", "path": "/metadata/uid", "value": metadata.uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": metadata.resource_version},
        *removals,
    ]


def _pointer(key: str) -> str:
    """A key as a part of a JSON pointer. Source: RFC 6901."""
    return key.replace("~", "~0").replace("/", "~1")


def _manifest(wanted: PullSecret, conditions: Mapping[str, str] | None = None) -> dict[str, Any]:
    metadata = {
        "name": NAME,
        "namespace": wanted.namespace,
        "labels": dict(LABELS),
        "annotations": dict(wanted.annotations),
        **(conditions or {}),
    }
    data = {KEY: SecretValue(base64.b64encode(wanted.content.reveal()))}
    return {"apiVersion": "v1", "kind": "Secret", "type": TYPE, "metadata": metadata, "data": data}
