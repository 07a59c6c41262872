"""What a pod, or the pods of a workload, pull with, and what nodes said about it: read with the rights of whoever asks.

Theory of operation
-------------------
`read` goes from the object that was named to its newest pod that waits, else its newest pod, else its template; from
there to the ServiceAccount, to the pull secrets that either names, to ours, and to the events. Each step may be
forbidden or find nothing; it then says so in `unread` and the others go on.

A pull secret is taken apart at once: keys go on as text, logins as `SecretValue`s in `Pulls.logins`, which is in no
value that is printed. They are for asking the registry as the kubelet would, and for nothing else.

Left out: what it means (`core.explanation`), asking the registry (`oci.probing`), and static pods.

Needs, each as far as it goes: get of the object, its ServiceAccount and its pull secrets; list of pods, replicasets,
jobs and events in the namespace; get of nodes.

Sources: kubernetes.md 3.1 and 3.2; kubernetes/plugin/pkg/admission/serviceaccount (imagePullSecrets are copied when the
pod names none); kubernetes/pkg/kubelet/events; credentialprovider/secrets.MakeDockerKeyring (both types of Secret).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from portreeve.core import pull_failure
from portreeve.core.credential import Login
from portreeve.core.observation import ENTRIES_ANNOTATION, PULL_SECRET, decode_facts
from portreeve.core.pull_facts import Account, Puller, Said
from portreeve.core.pull_keys import PullSecret, Reading
from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, NotFound
from portreeve.kube.client import Client, Selection
from portreeve.kube.objects import (
    Event,
    LabelledMetadata,
    Partial,
    PodSpec,
    PodStatus,
    PodTemplate,
    Secret,
    ServiceAccount,
    Workload,
)
from portreeve.kube.resources import (
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICE_ACCOUNTS,
    STATEFUL_SETS,
    Resource,
)

KINDS: Final[Mapping[str, Resource]] = {
    word: resource
    for resource, words in (
        (PODS, ("pod", "pods", "po")),
        (DEPLOYMENTS, ("deployment", "deployments", "deploy")),
        (STATEFUL_SETS, ("statefulset", "statefulsets", "sts")),
        (DAEMON_SETS, ("daemonset", "daemonsets", "ds")),
        (REPLICA_SETS, ("replicaset", "replicasets", "rs")),
        (JOBS, ("job", "jobs")),
        (CRON_JOBS, ("cronjob", "cronjobs", "cj")),
    )
    for word in words
}
"""Words as kubectl takes them → what they name."""

TOLD: Final = frozenset(
    {"Failed", "BackOff", "FailedCreate", "FailedToRetrieveImagePullSecret", "InspectFailed", "ErrImageNeverPull"}
)
"""Reasons of events that may tell why a pull failed. Source: kubelet/events/event.go; controller's FailedCreate."""

MOST_EVENTS: Final = 200
"""About one object; a kubelet joins equal ones."""

_DOCKER_JSON: Final = ("kubernetes.io/dockerconfigjson", ".dockerconfigjson")
_DOCKER_CFG: Final = ("kubernetes.io/dockercfg", ".dockercfg")

T = TypeVar("T")


class _Metadata(LabelledMetadata):
    creation_timestamp: str = ""


class _Pod(Partial):
    metadata: _Metadata
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class _Owned(Partial):
    metadata: _Metadata


class _NodeInfo(Partial):
    architecture: str = ""
    operating_system: str = ""


class _NodeStatus(Partial):
    node_info: _NodeInfo = msgspec.field(default_factory=_NodeInfo)


class _Node(Partial):
    status: _NodeStatus = msgspec.field(default_factory=_NodeStatus)


@dataclass(frozen=True, slots=True)
class Use:
    """One image of the pod, with what nodes said about it, the newest first."""

    container: str
    image: str
    said: tuple[Said, ...] = ()
    pulled: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pulls:
    """What was read. `logins` is (secret, key) → login, of the entries that have one."""

    puller: Puller
    uses: tuple[Use, ...]
    account: Account | None
    secrets: tuple[PullSecret, ...]
    logins: Mapping[tuple[str, str], Login] = field(repr=False)
    unread: tuple[str, ...]


class _Reader:
    """One reading; `unread` collects what could not be."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client, self.namespace = client, namespace
        self.unread: list[str] = []

    async def get(self, resource: Resource, name: str, into: type[T]) -> tuple[Reading, T | None]:
        """An object, or what became of asking for it."""
        namespace = self.namespace if resource.namespaced else ""
        try:
            return Reading.READ, await self.client.get(resource, name, into, namespace=namespace)
        except NotFound:
            return Reading.MISSING, None
        except Denied:
            self.unread.append(f"you may not read {resource.kind} {name}")
            return Reading.FORBIDDEN, None

    async def list(self, resource: Resource, into: type[T], fields: str = "") -> list[T]:
        """Objects of the namespace; none where they may not be listed."""
        try:
            return await self.client.list(resource, into, Selection(self.namespace, fields))
        except Denied:
            self.unread.append(f"you may not list {resource.plural} in namespace {self.namespace}")
            return []


async def read(client: Client, resource: Resource, name: str, namespace: str) -> Pulls:
    """A pod or a workload.

    Raises:
        As `Client.get`, of the object itself.
    """
    reader = _Reader(client, namespace)
    pod, template = None, PodTemplate()
    if resource is PODS:
        pod = await client.get(PODS, name, _Pod, namespace=namespace)
    else:
        template = (await client.get(resource, name, Workload, namespace=namespace)).template
        pod = _telling(await _pods_of(reader, resource, name))
    spec = pod.spec if pod is not None else template.spec
    account = await _account(reader, spec.service_account_name or "default")
    own = _own(pod, template, resource, account)
    used = (pod.spec.pull_secrets if pod is not None else own) or (() if pod is not None else account.pull_secrets)
    node = pod.spec.node_name if pod is not None else ""
    puller = Puller(
        resource.kind,
        name,
        pod=pod.metadata.name if pod is not None else "",
        own=own,
        used=used,
        before=pod is not None and not own and set(pod.spec.pull_secrets) < set(account.pull_secrets),
        node=node,
        platform=await _platform(reader, node),
    )
    uses = await _uses(reader, resource, name, spec, pod)
    secrets, logins = await _secrets(reader, dict.fromkeys((*used, *account.pull_secrets, PULL_SECRET)))
    return Pulls(puller, uses, account, secrets, logins, tuple(reader.unread))


async def read_image(client: Client, namespace: str, account_name: str = "default") -> Pulls:
    """What a pod in the namespace would pull with that names no pull secrets of its own. Raises: as `Client.get`."""
    reader = _Reader(client, namespace)
    account = await _account(reader, account_name)
    secrets, logins = await _secrets(reader, dict.fromkeys((*account.pull_secrets, PULL_SECRET)))
    return Pulls(Puller(used=account.pull_secrets), (), account, secrets, logins, tuple(reader.unread))


def _own(pod: _Pod | None, template: PodTemplate, resource: Resource, account: Account) -> tuple[str, ...]:
    """The pull secrets of a manifest. A pod does not say whence its list is: what the ServiceAccount names is its."""
    if resource is not PODS:
        return template.spec.pull_secrets
    listed = pod.spec.pull_secrets if pod is not None else ()
    return () if set(listed) <= set(account.pull_secrets) else listed


async def _account(reader: _Reader, name: str) -> Account:
    reading, found = await reader.get(SERVICE_ACCOUNTS, name, ServiceAccount)
    if reading is Reading.MISSING:
        reader.unread.append(f"there is no ServiceAccount {name}")
    return Account(name, reading, found.pull_secrets if found is not None else ())


async def _platform(reader: _Reader, node: str) -> str:
    if not node:
        return ""
    _, found = await reader.get(NODES, node, _Node)
    info = found.status.node_info if found is not None else _NodeInfo()
    return f"{info.operating_system}/{info.architecture}" if info.architecture else ""


# Pods and what was said of them


async def _pods_of(reader: _Reader, resource: Resource, name: str) -> list[_Pod]:
    """The pods that an object owns, through whatever is between, the newest first."""
    owners = {f"{resource.kind}/{name}"}
    for between in (JOBS, REPLICA_SETS):
        if resource is (CRON_JOBS if between is JOBS else DEPLOYMENTS):
            made = await reader.list(between, _Owned)
            owners |= {f"{between.kind}/{one.metadata.name}" for one in made if _owner(one.metadata) in owners}
    pods = [one for one in await reader.list(PODS, _Pod) if _owner(one.metadata) in owners]
    return sorted(pods, key=lambda one: one.metadata.creation_timestamp, reverse=True)


def _owner(metadata: LabelledMetadata) -> str:
    return f"{metadata.controller.kind}/{metadata.controller.name}" if metadata.controller else ""


def _telling(pods: list[_Pod]) -> _Pod | None:
    """The newest that waits for an image, else the newest."""
    return next((pod for pod in pods if any(_is_pull(why.reason) for _, why in pod.status.waiting)), None) or next(
        iter(pods), None
    )


def _is_pull(reason: str) -> bool:
    return "Image" in reason or "Registry" in reason


async def _uses(reader: _Reader, resource: Resource, name: str, spec: PodSpec, pod: _Pod | None) -> tuple[Use, ...]:
    if pod is None:
        refused = await _of_creation(reader, resource, name)
        return tuple(Use(container, image, refused) for _, container, image in spec.images())
    events = await _events(reader, "Pod", pod.metadata.name)
    waiting = dict(pod.status.waiting)
    there = {one.name for one in pod.status.containers if one.image_id}
    uses = []
    for _, container, image in spec.images():
        why = waiting.get(container)
        failed = why is not None and _is_pull(why.reason)
        told = [*_said(f"{why.reason} {why.message}")] if failed and why is not None else []
        pulled = container in there
        for event in () if pulled else events:
            if not _is_about(event, container, image):
                continue
            if event.reason == "Pulled" and not failed:
                pulled = True
                break
            if event.reason in TOLD:
                failed = True
                told += _said(f"{event.reason} {event.message}")
        uses.append(Use(container, image, tuple(dict.fromkeys(told)), pulled))
    return tuple(uses)


async def _of_creation(reader: _Reader, resource: Resource, name: str) -> tuple[Said, ...]:
    """What was said of making pods, where there are none: by the object itself, or by what it owns."""
    made = [(resource.kind, name)]
    for between, above in ((REPLICA_SETS, DEPLOYMENTS), (JOBS, CRON_JOBS)):
        if resource is above:
            owned = await reader.list(between, _Owned)
            mine = [one for one in owned if _owner(one.metadata) == f"{resource.kind}/{name}"]
            newest = sorted(mine, key=lambda one: one.metadata.creation_timestamp, reverse=True)[:1]
            made += [(between.kind, one.metadata.name) for one in newest]
    found = [event for kind, named in made for event in await _events(reader, kind, named)]
    return tuple(dict.fromkeys(said for event in found if event.reason in TOLD for said in _said(event.message)))


async def _events(reader: _Reader, kind: str, name: str) -> list[Event]:
    """Events about an object, the newest first."""
    found = await reader.list(EVENTS, Event, f"involvedObject.kind={kind},involvedObject.name={name}")
    return sorted(found, key=lambda one: one.last_timestamp or one.event_time or "", reverse=True)[:MOST_EVENTS]


def _is_about(event: Event, container: str, image: str) -> bool:
    """An event names its container, or else the image; that pull secrets are missing is said of the whole pod."""
    path = event.involved_object.field_path
    return (
        path.endswith(f"{{{container}}}")
        if path
        else image in event.message or event.reason not in {"Failed", "BackOff"}
    )


def _said(message: str) -> Iterator[Said]:
    """The cause of a message; UNKNOWN of one that tells of a failed pull in words that nobody here knows."""
    cause = pull_failure.diagnosed(message).cause
    if cause is not pull_failure.Cause.UNKNOWN or "Failed to pull image" in message:
        yield Said(cause, "anonymous token" in message or "no basic auth credentials" in message)


# Pull secrets


async def _secrets(
    reader: _Reader, names: Iterable[str]
) -> tuple[tuple[PullSecret, ...], dict[tuple[str, str], Login]]:
    found: list[PullSecret] = []
    logins: dict[tuple[str, str], Login] = {}
    for name in names:
        if not name:
            continue
        reading, secret = await reader.get(SECRETS, name, Secret)
        if secret is None:
            found.append(PullSecret(name, reading))
            continue
        taken = _taken_apart(secret)
        if taken is None:
            found.append(PullSecret(name, Reading.MALFORMED))
            reader.unread.append(f"Secret {name} is none that a kubelet takes credentials from")
            continue
        entries = decode_facts((secret.metadata.annotations or {}).get(ENTRIES_ANNOTATION, "")) or ()
        hollow = frozenset(key for key, login in taken.items() if login is None)
        found.append(PullSecret(name, Reading.READ, tuple(sorted(taken)), hollow, entries))
        logins |= {(name, key): login for key, login in taken.items() if login is not None}
    return tuple(found), logins


def _taken_apart(secret: Secret) -> dict[str, Login | None] | None:
    """Key → login, None for an entry without one. None for what is no pull secret; what it holds is not told."""
    for kind, name in (_DOCKER_JSON, _DOCKER_CFG):
        content = (secret.data or {}).get(name) if secret.type == kind else None
        if content is None:
            continue
        try:
            read = json.loads(content.reveal())
            auths = read.get("auths") if kind == _DOCKER_JSON[0] else read
            return {str(key): _login(entry) for key, entry in auths.items()}
        except (ValueError, AttributeError, TypeError, RecursionError):
            return None
    return None


def _login(entry: Any) -> Login | None:
    """As the kubelet reads it: `auth` goes before user name and password. Source: credentialprovider/config.go."""
    username, password = entry.get("username") or "", entry.get("password") or ""
    if entry.get("auth"):
        try:
            username, colon, password = base64.b64decode(entry["auth"]).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        if not colon:
            return None
    if not (isinstance(username, str) and isinstance(password, str)) or not username or not password:
        return None
    return Login(username, SecretValue(password))
