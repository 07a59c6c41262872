"""What is kept of the cluster's objects, and the core's values in them.

Theory of operation. A pod has 5 to 10 KB of JSON, of which an agent needs some hundred bytes: what it runs, as whom,
with which pull secrets, and why it waits. msgspec skips the rest while it reads. What remains is thinned once more as
it is made: of annotations the few that are somebody's mark, of volumes those that are images; texts that thousands of
pods share (images, nodes, names of owners) are kept once.

Names of fields are the API's, in Python's spelling. A field that may be missing has its empty value.

Left out: everything that no decision of ours asks for.

Sources: Kubernetes API reference (core/v1, apps/v1, batch/v1, events in core/v1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from sys import intern
from typing import Any, Final

import msgspec

from portreeve.core import cluster
from portreeve.core.manifests import ImageUse, Place
from portreeve.core.secret import SecretValue

MARKS: Final = (
    "portreeve.io/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "meta.helm.sh/",
)
"""Beginnings of annotations that are kept: ours, and those by which a GitOps tool or Helm marks what it owns."""

MESSAGE_CHARACTERS: Final = 1024
"""Of a waiting container's message, and of an event's. Kubelets nest a registry's answer three deep in some hundred."""


class Partial(msgspec.Struct, gc=False, rename="camel", omit_defaults=True):
    """A part of an API object. Not tracked by the garbage collector: there are no cycles in what JSON says."""


class Owner(Partial):
    """An owner of an object."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False

    def __post_init__(self) -> None:
        self.kind, self.name, self.uid = intern(self.kind), intern(self.name), intern(self.uid)


class ManagedFields(Partial):
    """Which manager has set which fields; `fields` is the API's tree of them."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    fields: dict[str, Any] = msgspec.field(default_factory=dict, name="fieldsV1")


class Metadata(Partial):
    """Whose it is and which version. `owner_references` holds the controller alone; see `MARKS` for annotations."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    annotations: dict[str, str] | None = None
    owner_references: list[Owner] | None = None
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None

    def __post_init__(self) -> None:
        self.namespace = intern(self.namespace)
        if self.annotations is not None:
            self.annotations = {k: v for k, v in self.annotations.items() if k.startswith(MARKS)} or None
        if self.owner_references is not None:
            self.owner_references = [one for one in self.owner_references if one.controller] or None

    @property
    def controller(self) -> Owner | None:
        """The controller that made it, if one did."""
        return self.owner_references[0] if self.owner_references else None


class LabelledMetadata(Metadata):
    """With labels, for what is selected by them."""

    labels: dict[str, str] | None = None


class OwnedMetadata(LabelledMetadata):
    """With all annotations and the managers of fields, for what may be ours."""

    managed_fields: list[ManagedFields] | None = None

    def __post_init__(self) -> None:
        self.namespace = intern(self.namespace)


class Meta(Partial):
    """Any object as `PartialObjectMetadata`."""

    metadata: LabelledMetadata


class OwnedMeta(Partial):
    """Any object that may be ours, as `PartialObjectMetadata`."""

    metadata: OwnedMetadata


class NamespaceStatus(Partial):
    """`phase` is Active or Terminating."""

    phase: str = ""


class Namespace(Partial):
    """A namespace."""

    metadata: LabelledMetadata
    status: NamespaceStatus = msgspec.field(default_factory=NamespaceStatus)

    @property
    def ending(self) -> bool:
        """Whether it is being deleted, so that nothing new can be made in it."""
        return self.status.phase == "Terminating" or self.metadata.deletion_timestamp is not None

    def value(self) -> cluster.Namespace:
        """As the core knows it."""
        return cluster.Namespace(self.metadata.name, self.metadata.labels or {})


class Secret(Partial):
    """A Secret with its data, decoded from base64; agents ask for our one alone, `explain` for those of a pod."""

    metadata: OwnedMetadata
    type: str = ""
    data: dict[str, SecretValue] | None = None
    immutable: bool = False


class LocalReference(Partial):
    """The name of an object in the same namespace."""

    name: str = ""

    def __post_init__(self) -> None:
        self.name = intern(self.name)


class ServiceAccount(Partial):
    """A ServiceAccount; `image_pull_secrets` is an atomic list that several may write."""

    metadata: OwnedMetadata
    image_pull_secrets: list[LocalReference] | None = None

    @property
    def pull_secrets(self) -> tuple[str, ...]:
        """Names in the order in which they stand."""
        return tuple(one.name for one in self.image_pull_secrets or ())


class Container(Partial):
    """A container of any kind."""

    name: str = ""
    image: str = ""
    image_pull_policy: str = ""

    def __post_init__(self) -> None:
        self.name, self.image = intern(self.name), intern(self.image)
        self.image_pull_policy = intern(self.image_pull_policy)


class ImageVolume(Partial):
    """The image that a volume is."""

    reference: str = ""


class Volume(Partial):
    """A volume; only those with an image are kept."""

    name: str = ""
    image: ImageVolume | None = None


class PodSpec(Partial):
    """What a pod, or a template of pods, asks for."""

    containers: list[Container] = msgspec.field(default_factory=list)
    init_containers: list[Container] | None = None
    ephemeral_containers: list[Container] | None = None
    volumes: list[Volume] | None = None
    image_pull_secrets: list[LocalReference] | None = None
    service_account_name: str = ""
    node_name: str = ""

    def __post_init__(self) -> None:
        self.service_account_name, self.node_name = intern(self.service_account_name), intern(self.node_name)
        if self.volumes is not None:
            self.volumes = [volume for volume in self.volumes if volume.image is not None] or None

    @property
    def pull_secrets(self) -> tuple[str, ...]:
        """Names in the order in which they stand."""
        return tuple(one.name for one in self.image_pull_secrets or ())

    def images(self) -> Iterator[tuple[Place, str, str]]:
        """(place, container or volume, image as written) of everything that is pulled; empty images are left out."""
        for place, containers in (
            (Place.CONTAINERS, self.containers),
            (Place.INIT_CONTAINERS, self.init_containers),
            (Place.EPHEMERAL_CONTAINERS, self.ephemeral_containers),
        ):
            for container in containers or ():
                if container.image:
                    yield place, container.name, container.image
        for volume in self.volumes or ():
            if volume.image is not None and volume.image.reference:
                yield Place.VOLUMES, volume.name, volume.image.reference


class Waiting(Partial):
    """Why a container does not run. The message may quote a registry: it is for `core.pull_failure` and nobody else."""

    reason: str = ""
    message: str = ""

    def __post_init__(self) -> None:
        self.reason, self.message = intern(self.reason), self.message[:MESSAGE_CHARACTERS]


class ContainerState(Partial):
    """Of the three states only this one is looked into."""

    waiting: Waiting | None = None


class ContainerStatus(Partial):
    """What became of a container. `image_id` holds the digest once the image is there."""

    name: str = ""
    image_id: str = msgspec.field(default="", name="imageID")
    ready: bool = False
    state: ContainerState | None = None

    def __post_init__(self) -> None:
        self.name, self.image_id = intern(self.name), intern(self.image_id)
        if self.state is not None and self.state.waiting is None:
            self.state = None


class PodStatus(Partial):
    """`phase` is Pending, Running, Succeeded, Failed or Unknown."""

    phase: str = ""
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None
    ephemeral_container_statuses: list[ContainerStatus] | None = None

    def __post_init__(self) -> None:
        self.phase = intern(self.phase)

    @property
    def containers(self) -> Iterator[ContainerStatus]:
        """Those of all kinds."""
        for statuses in (self.init_container_statuses, self.container_statuses, self.ephemeral_container_statuses):
            yield from statuses or ()

    @property
    def waiting(self) -> Iterator[tuple[str, Waiting]]:
        """(container, why) of those that wait."""
        for status in self.containers:
            if status.state is not None and status.state.waiting is not None:
                yield status.name, status.state.waiting


class Pod(Partial):
    """A pod: what it runs, as whom, and what it waits for."""

    metadata: Metadata
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)

    def image_uses(self) -> tuple[ImageUse, ...]:
        """Its images as the core knows them."""
        return _uses("Pod", self.metadata, self.spec)


class TemplateMetadata(Partial):
    """Of a template only what its pods will be marked with."""

    annotations: dict[str, str] | None = None

    def __post_init__(self) -> None:
        if self.annotations is not None:
            self.annotations = {k: v for k, v in self.annotations.items() if k.startswith(MARKS)} or None


class PodTemplate(Partial):
    """What a workload makes pods from."""

    metadata: TemplateMetadata = msgspec.field(default_factory=TemplateMetadata)
    spec: PodSpec = msgspec.field(default_factory=PodSpec)


class JobSpec(Partial):
    """A CronJob's Job."""

    template: PodTemplate = msgspec.field(default_factory=PodTemplate)


class JobTemplate(Partial):
    """What a CronJob makes Jobs from."""

    spec: JobSpec = msgspec.field(default_factory=JobSpec)


class WorkloadSpec(Partial):
    """`replicas` is None where the kind has none."""

    replicas: int | None = None
    template: PodTemplate | None = None
    job_template: JobTemplate | None = None


class WorkloadStatus(Partial):
    """How far a rollout is; 0 where the kind does not say."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0


class Workload(Partial):
    """A Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob. Lists do not say which: `kind` may be ""."""

    metadata: LabelledMetadata
    kind: str = ""
    spec: WorkloadSpec = msgspec.field(default_factory=WorkloadSpec)
    status: WorkloadStatus = msgspec.field(default_factory=WorkloadStatus)

    @property
    def template(self) -> PodTemplate:
        """Its pods' template, wherever the kind has it."""
        if self.spec.job_template is not None:
            return self.spec.job_template.spec.template
        return self.spec.template or PodTemplate()

    def image_uses(self, kind: str) -> tuple[ImageUse, ...]:
        """The images of its template as the core knows them; `kind` as the list was asked for."""
        return _uses(kind, self.metadata, self.template.spec)


class Involved(Partial):
    """What an event is about."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    field_path: str = ""


class Event(Partial):
    """What a part of the cluster says about an object. Times are as the API writes them, UTC."""

    metadata: Metadata
    involved_object: Involved = msgspec.field(default_factory=Involved)
    type: str = ""
    reason: str = ""
    message: str = ""
    count: int = 0
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    event_time: str | None = None

    def __post_init__(self) -> None:
        self.message = self.message[:MESSAGE_CHARACTERS]


def owner_of(pod: Pod, replica_sets: Mapping[str, Owner]) -> str:
    """The workload that a pod belongs to, as "Deployment/api"; its own name where nothing controls it.

    Args:
        replica_sets: UID of a ReplicaSet → its controller. A pod names the ReplicaSet, and that the Deployment.
    """
    controller = pod.metadata.controller
    if controller is None:
        return f"Pod/{pod.metadata.name}"
    above = replica_sets.get(controller.uid, controller)
    return f"{above.kind}/{above.name}"


def _uses(kind: str, metadata: Metadata, spec: PodSpec) -> tuple[ImageUse, ...]:
    return tuple(
        ImageUse(image, place, "", 0, kind, metadata.namespace, metadata.name, container)
        for place, container, image in spec.images()
    )
