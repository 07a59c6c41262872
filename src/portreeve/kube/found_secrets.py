"""Everything of a cluster that is a pull secret or names one, as the core's facts: read with whatever rights there are.

Theory of operation
-------------------
Lists are asked of the whole cluster, page by page, and each page is thinned to facts at once. Where a role does not
allow that, the namespaces are asked one by one; a list that is forbidden there, too, is noted as not seen, and nothing
fails for it. Of Secrets only the two types that hold logins are read. A name that pods use and that is none of those is
looked up as metadata alone: whether it is there is to be told, and what is in it is nobody's business here.

Left out: watching; custom resources.

Needs: list of secrets, serviceaccounts, pods and the kinds of workloads, in the cluster or in namespaces; list of
namespaces for the latter, or their names.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec

from portreeve.core.adoption import ACCOUNT, Consumer, Facts, FoundSecret
from portreeve.core.found_logins import KEYS, Contents, read
from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, NotFound
from portreeve.kube.client import METADATA_LIST, Client, Selection
from portreeve.kube.objects import ManagedFields, Meta, Namespace, OwnedMetadata, Owner, Partial
from portreeve.kube.ownership import MANAGED_BY, OURS, Ownership, ownership
from portreeve.kube.pull_secret import NAME
from portreeve.kube.resources import NAMESPACES, PODS, SECRETS, SERVICE_ACCOUNTS, WORKLOADS, Resource

T = TypeVar("T")
Fact = TypeVar("Fact")

TOOLS: Final = (
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "meta.helm.sh/",
    "sealedsecrets.bitnami.com/managed",
    "openshift.io/",
)
"""Beginnings of labels and annotations by which a tool marks what it makes again."""

ENDED: Final = frozenset({"Succeeded", "Failed"})
"""Phases of pods that never pull again."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TimedFields(ManagedFields):
    """With when the manager has set them last."""

    time: str = ""


class FoundMetadata(OwnedMetadata):
    """With when it was made, and when its data were written last."""

    creation_timestamp: str = ""
    managed_fields: list[TimedFields] | None = None  # type: ignore[assignment]


class Named(Partial):
    """A reference by name."""

    name: str = ""


class SecretVolume(Partial):
    """The Secret that a volume is."""

    secret_name: str = ""


class Projection(Partial):
    """A part of a projected volume."""

    secret: Named | None = None


class Projected(Partial):
    """The parts of a projected volume."""

    sources: list[Projection] | None = None


class AnyVolume(Partial):
    """A volume, as far as it is made of Secrets."""

    secret: SecretVolume | None = None
    projected: Projected | None = None


class KeySource(Partial):
    """Where a variable's value is from."""

    secret_key_ref: Named | None = None


class Variable(Partial):
    """A variable."""

    value_from: KeySource | None = None


class VariablesFrom(Partial):
    """Where variables are from."""

    secret_ref: Named | None = None


class AnyContainer(Partial):
    """A container: its image, and the Secrets of its variables."""

    image: str = ""
    env: list[Variable] | None = None
    env_from: list[VariablesFrom] | None = None


class AnyPodSpec(Partial):
    """Of a pod or a template, everything that names Secrets."""

    containers: list[AnyContainer] | None = None
    init_containers: list[AnyContainer] | None = None
    ephemeral_containers: list[AnyContainer] | None = None
    image_pull_secrets: list[Named] | None = None
    volumes: list[AnyVolume] | None = None

    def every_container(self) -> Iterator[AnyContainer]:
        """Those of all kinds."""
        for some in (self.init_containers, self.containers, self.ephemeral_containers):
            yield from some or ()

    def mounts(self) -> Iterator[str]:
        """Names of Secrets that are used otherwise than to pull."""
        for volume in self.volumes or ():
            if volume.secret is not None:
                yield volume.secret.secret_name
            for source in (volume.projected.sources or ()) if volume.projected is not None else ():
                if source.secret is not None:
                    yield source.secret.name
        for container in self.every_container():
            for variable in container.env or ():
                if variable.value_from is not None and variable.value_from.secret_key_ref is not None:
                    yield variable.value_from.secret_key_ref.name
            for some in container.env_from or ():
                if some.secret_ref is not None:
                    yield some.secret_ref.name


class AnyStatus(Partial):
    """How far a pod is."""

    phase: str = ""


class AnyPod(Partial):
    """A pod."""

    metadata: FoundMetadata
    spec: AnyPodSpec = msgspec.field(default_factory=AnyPodSpec)
    status: AnyStatus = msgspec.field(default_factory=AnyStatus)


class AnyTemplate(Partial):
    """What pods are made from."""

    spec: AnyPodSpec = msgspec.field(default_factory=AnyPodSpec)


class AnyJobSpec(Partial):
    """A CronJob's Job."""

    template: AnyTemplate = msgspec.field(default_factory=AnyTemplate)


class AnyJobTemplate(Partial):
    """What Jobs are made from."""

    spec: AnyJobSpec = msgspec.field(default_factory=AnyJobSpec)


class AnyWorkloadSpec(Partial):
    """A template, wherever the kind has it."""

    template: AnyTemplate | None = None
    job_template: AnyJobTemplate | None = None


class AnyWorkload(Partial):
    """A workload of any kind."""

    metadata: FoundMetadata
    spec: AnyWorkloadSpec = msgspec.field(default_factory=AnyWorkloadSpec)

    @property
    def pods(self) -> AnyPodSpec:
        """What its pods will be."""
        if self.spec.job_template is not None:
            return self.spec.job_template.spec.template.spec
        return self.spec.template.spec if self.spec.template is not None else AnyPodSpec()


class AnyAccount(Partial):
    """A ServiceAccount: Secrets that its pods pull with, and those that it may use otherwise."""

    metadata: FoundMetadata
    image_pull_secrets: list[Named] | None = None
    secrets: list[Named] | None = None


class AnySecret(Partial):
    """A Secret of one of the two types that hold logins."""

    metadata: FoundMetadata
    type: str = ""
    data: dict[str, SecretValue] | None = None


@dataclass(slots=True)
class _Seen:
    """What was found so far, and what could not be listed."""

    namespaces: tuple[str, ...] | None
    secrets: list[FoundSecret] = field(default_factory=list)
    consumers: list[Consumer] = field(default_factory=list)
    unseen: dict[str, set[str]] = field(default_factory=dict)

    def miss(self, namespace: str, plural: str) -> None:
        """Note that a list was forbidden."""
        self.unseen.setdefault(namespace, set()).add(plural)

    def facts(self) -> Facts:
        """All of it."""
        unseen = {namespace: frozenset(plurals) for namespace, plurals in self.unseen.items()}
        return Facts(tuple(self.secrets), tuple(self.consumers), unseen)


async def found(client: Client, namespaces: Sequence[str] = ()) -> Facts:
    """The facts of these namespaces, of all without names.

    Raises:
        As `Client.get`, but for what no role allows.
    """
    seen = _Seen(tuple(dict.fromkeys(namespaces)) or None)
    for type_ in KEYS:
        of_type = Selection(fields=f"type={type_}")
        seen.secrets += await _listed(client, SECRETS, AnySecret, seen, _secret, of_type)
    seen.consumers += await _listed(client, SERVICE_ACCOUNTS, AnyAccount, seen, _account)
    seen.consumers += await _listed(client, PODS, AnyPod, seen, _pod)
    for resource in WORKLOADS:
        seen.consumers += await _listed(client, resource, AnyWorkload, seen, _workload(resource))
    seen.secrets += [one async for one in _of_other_types(client, seen)]
    return seen.facts()


async def _listed(
    client: Client,
    resource: Resource,
    into: type[T],
    seen: _Seen,
    fact: Callable[[T], Iterator[Fact]],
    selection: Selection = Selection(),  # noqa: B008 -- a value
) -> list[Fact]:
    """Facts of a list, of the whole cluster if a role allows it, else of the namespaces that it allows."""
    if seen.namespaces is None:
        try:
            return await _paged(client, resource, into, fact, selection)
        except Denied as error:
            if error.code != "kube_forbidden":
                raise
            seen.namespaces = await _namespaces(client, seen)
    result: list[Fact] = []
    for namespace in seen.namespaces:
        here = Selection(namespace, selection.fields, selection.labels)
        try:
            result += await _paged(client, resource, into, fact, here)
        except Denied as error:
            if error.code != "kube_forbidden":
                raise
            seen.miss(namespace, resource.plural)
        except NotFound:
            continue  # the namespace went meanwhile
    return result


async def _namespaces(client: Client, seen: _Seen) -> tuple[str, ...]:
    """All namespaces; the one of the context where no role allows to list them."""
    try:
        return tuple(one.metadata.name for one in await client.list(NAMESPACES, Namespace))
    except Denied as error:
        if error.code != "kube_forbidden":
            raise
        seen.miss("*", NAMESPACES.plural)
        return (client.connection.namespace,)


async def _paged(
    client: Client, resource: Resource, into: type[T], fact: Callable[[T], Iterator[Fact]], selection: Selection
) -> list[Fact]:
    result: list[Fact] = []
    async with aclosing(client.pages(resource, into, selection)) as pages:
        async for page in pages:
            result = [] if page.first else result
            for item in page.items:
                result += fact(item)
    return result


async def _of_other_types(client: Client, seen: _Seen) -> AsyncIterator[FoundSecret]:
    """Secrets that are named to pull with and are of another type, without what is in them."""
    there = {one.key for one in seen.secrets}
    named = {(one.namespace, name) for one in seen.consumers for name in one.pulls if name}
    for namespace, name in sorted(named - there):
        if "secrets" in seen.unseen.get(namespace, ()):
            continue
        by_name = Selection(namespace, fields=f"metadata.name={name}")
        for one in await client.list(SECRETS, Meta, by_name, accept=METADATA_LIST):
            yield FoundSecret(
                namespace,
                name,
                one.metadata.uid,
                one.metadata.resource_version,
                "",
                EPOCH,
                Contents(problem="wrong_type"),
            )


def _secret(one: AnySecret) -> Iterator[FoundSecret]:
    metadata = one.metadata
    created = _time(metadata.creation_timestamp)
    yield FoundSecret(
        metadata.namespace,
        metadata.name,
        metadata.uid,
        metadata.resource_version,
        one.type,
        created,
        read(one.type, one.data or {}, _written(metadata, created)),
        ours=metadata.name == NAME and ownership(metadata, "") is Ownership.MARKED,
        maker="" if metadata.name == NAME else _maker(metadata),
    )


def _account(one: AnyAccount) -> Iterator[Consumer]:
    metadata = one.metadata
    yield Consumer(
        ACCOUNT,
        metadata.namespace,
        metadata.name,
        tuple(each.name for each in one.image_pull_secrets or ()),
        frozenset(each.name for each in one.secrets or ()),
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        maker=_maker(metadata),
    )


def _pod(one: AnyPod) -> Iterator[Consumer]:
    if one.status.phase in ENDED:
        return
    controller = next((owner for owner in one.metadata.owner_references or () if owner.controller), None)
    yield _naming("Pod", one.metadata, one.spec, controller)


def _workload(resource: Resource) -> Callable[[AnyWorkload], Iterator[Consumer]]:
    def fact(one: AnyWorkload) -> Iterator[Consumer]:
        yield _naming(resource.kind, one.metadata, one.pods)

    return fact


def _naming(kind: str, metadata: FoundMetadata, spec: AnyPodSpec, controller: Owner | None = None) -> Consumer:
    return Consumer(
        kind,
        metadata.namespace,
        metadata.name,
        tuple(each.name for each in spec.image_pull_secrets or ()),
        frozenset(name for name in spec.mounts() if name),
        tuple(sorted({container.image for container in spec.every_container() if container.image})),
        owner=(controller.kind, controller.name) if controller is not None else None,
    )


def _maker(metadata: FoundMetadata) -> str:
    """What would make it again, as text; "" where nothing says so."""
    for owner in metadata.owner_references or ():
        return f"{owner.kind}/{owner.name}"
    for marks in (metadata.annotations or {}, metadata.labels or {}):
        for name in sorted(marks):
            if name.startswith(TOOLS):
                return name.partition("/")[0]
    manager = (metadata.labels or {}).get(MANAGED_BY, "")
    return manager if manager not in {"", OURS} else ""


def _written(metadata: FoundMetadata, created: datetime) -> datetime:
    """When its data were set last, by whichever manager; when it was made where none is recorded."""
    times = [_time(one.time) for one in metadata.managed_fields or () if one.time and "f:data" in one.fields]
    return max([created, *times])


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return EPOCH
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
