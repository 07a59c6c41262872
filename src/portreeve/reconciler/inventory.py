"""The inventory of a cluster, kept from what reflectors tell: objects become what they say of images and pull secrets.

`InventoryKeeper` is told of objects by whoever watches them, as one watch serves several: `seen` for `Added` and
`Modified`, `gone` for `Deleted`, `listed` for `Synced` and `Relisted`. When a report is due, `delta()` gives the
fields of it; `acknowledged()` once the control plane has taken it, `reset()` where a whole one is asked for.

What anybody may write into an object (an image's name, an annotation) is made safe and short here, so that no workload
can keep an agent from being understood. Of a Secret nothing is read, and of a message its cause alone.

Left out: watching, and when to report.

Sources: Argo CD, "Resource Tracking" (annotation `tracking-id`, label); Flux, kustomize-controller and
helm-controller (labels with the owner's name and namespace); Kubernetes, kubelet events (pkg/kubelet/events).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from sys import intern
from typing import Any, Final, TypeVar, cast

from portreeve.core.inventory import NEEDED, Delta, Inventory
from portreeve.core.manifests import Place
from portreeve.core.namespace_view import TEMPLATES, AccountSaid, EventSaid, PodSaid, Said, TemplateSaid, Tool, View
from portreeve.core.pull_failure import Cause, diagnosed
from portreeve.core.reference import shown
from portreeve.core.usage import ANNOTATION
from portreeve.kube.objects import Event, Owner, Pod, ServiceAccount, Workload
from portreeve.kube.resources import Resource
from portreeve.wire.channel import MAX_NAME, MAX_TEXT, ImageLine

Rows = TypeVar("Rows", bound=tuple[Any, ...])

PULLING: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "ImageInspectError",
        "InvalidImageName",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
"""Why a container waits, as far as its image is to blame. Source: kubelet, pkg/kubelet/images/types.go."""

REFUSED: Final = "FailedCreate"
"""A controller's event: the pods that it makes are refused, of which there is no pod to see."""

TELLING: Final = frozenset({"Failed", "FailedToRetrieveImagePullSecret", "ErrImageNeverPull", "InspectFailed", REFUSED})
"""Events that may tell why a pull fails."""

SHAPES: Final = 8_192
"""Lists of images, and of names, that are kept once for all pods; those beyond are kept for each."""

_DIGEST: Final = re.compile(r"@(sha256:[0-9a-f]{64})$")
_FINISHED: Final = ("Succeeded", "Failed")
_TRACKED: Final = "argocd.argoproj.io/tracking-id"
_MARKS: Final = (
    (Tool.ARGO_CD, "argocd.argoproj.io/instance", ""),
    (Tool.FLUX, "kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace"),
    (Tool.FLUX, "helm.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/namespace"),
)
"""Labels by which tools mark what they keep: the tool, the label with the application, and that with its namespace."""


class InventoryKeeper:
    """The inventory of one cluster. `seen` and `gone` may be called for any kind; what is of no use is passed over."""

    def __init__(self, needed: frozenset[str] = NEEDED) -> None:
        """
        Args:
            needed: kinds that are watched; nothing is told before each of them was listed.
        """
        self._inventory = Inventory(needed)

    @property
    def complete(self) -> bool:
        """Whether everything was listed once."""
        return self._inventory.complete

    @property
    def due(self) -> bool:
        """Whether there may be something to tell: also right after a delta that did not hold all of it."""
        return self._inventory.due

    def seen(self, kind: str, item: Any) -> None:
        """An object is there, or has changed. `kind` is that of the API, as a list does not say it of its items."""
        read = _READERS.get(kind)
        said = read(kind, item) if read else None
        if said is not None:
            self._inventory.changed(said)
        elif kind == "Event":
            self._inventory.deleted(kind, item.metadata.namespace, item.metadata.name)

    def gone(self, kind: str, key: tuple[str, str]) -> None:
        """An object is there no more; `key` is (namespace, name)."""
        self._inventory.deleted(kind, *key)

    def listed(self, kind: str) -> None:
        """All objects of the kind were told."""
        self._inventory.listed(kind)

    def delta(self) -> dict[str, Any]:
        """What has changed since the last acknowledged report, as fields of `wire.channel.Report`.

        {} until everything was listed; from then on there is an inventory, if only an empty one.
        """
        return _fields(self._inventory.delta()) if self.complete else {}

    def acknowledged(self) -> None:
        """The report with the last delta was taken."""
        self._inventory.acknowledged()

    def reset(self) -> None:
        """A whole report is asked for: the next delta is everything, or as much of it as one report holds."""
        self._inventory.reset()


class InventoryPart:
    """The inventory among the parts of a reconciler: takes news as `watching.Taker`, tells as `reporting.Part`.

    `changed` is called when there may be something to tell, also behind a report that could not hold all of it.
    """

    def __init__(self, keeper: InventoryKeeper, changed: Callable[[], None]) -> None:
        self._keeper, self._changed = keeper, changed

    def seen(self, resource: Resource, found: Any) -> None:
        """As `watching.Taker`."""
        self._keeper.seen(resource.kind, found)
        self._tell()

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:  # noqa: ARG002 -- protocol
        """As `watching.Taker`."""
        self._keeper.gone(resource.kind, (namespace, name))
        self._tell()

    def complete(self, resource: Resource, *, went_back: bool) -> None:  # noqa: ARG002 -- protocol
        """As `watching.Taker`."""
        self._keeper.listed(resource.kind)
        self._tell()

    def delta(self) -> Mapping[str, Any]:
        """As `reporting.Part`."""
        return self._keeper.delta()

    def acknowledged(self) -> None:
        """As `reporting.Part`."""
        self._keeper.acknowledged()
        self._tell()

    def reset(self) -> None:
        """As `reporting.Part`."""
        self._keeper.reset()

    def _tell(self) -> None:
        if self._keeper.due:
            self._changed()


def pod_said(pod: Pod) -> PodSaid:
    """What a pod says. Of an image that several containers run, the digest of one that has it."""
    metadata, spec, status = pod.metadata, pod.spec, pod.status
    controller = metadata.controller
    digests = {one.name: intern(found[1]) for one in status.containers if (found := _DIGEST.search(one.image_id))}
    images: dict[str, str] = {}
    of_container: dict[str, str] = {}
    for place, container, written in spec.images():
        image = _safe(written, MAX_TEXT)
        digest = ""
        if place is not Place.VOLUMES:  # a volume may have the name of a container
            of_container[container] = image
            digest = digests.get(container, "")
        images[image] = images.get(image) or digest
    failing = {
        (of_container.get(container, ""), diagnosed(f"{waiting.reason}: {waiting.message}").cause)
        for container, waiting in status.waiting
        if waiting.reason in PULLING
    }
    return PodSaid(
        metadata.namespace,
        metadata.name,
        _owner(controller) or f"Pod/{metadata.name}",
        controller.uid if controller else "",
        _shared(tuple(sorted(images.items()))),
        spec.service_account_name or "default",
        _names(spec.pull_secrets),
        tuple(sorted(failing)),
        _time(metadata.creation_timestamp) if failing else "",
        _registries(metadata.annotations),
        status.phase in _FINISHED,
    )


def template_said(kind: str, workload: Workload) -> TemplateSaid:
    """What a workload says of its pods."""
    metadata, template = workload.metadata, workload.template
    controller = metadata.controller
    return TemplateSaid(
        metadata.namespace,
        kind,
        metadata.name,
        metadata.uid,
        _owner(controller),
        tuple(sorted({_safe(image, MAX_TEXT) for _, _, image in template.spec.images()})),
        _names(template.spec.pull_secrets),
        _registries(template.metadata.annotations),
    )


def account_said(account: ServiceAccount) -> AccountSaid:
    """What a ServiceAccount says, and which tool keeps it."""
    tool, app = _keeper(account.metadata.annotations or {}, account.metadata.labels or {})
    return AccountSaid(account.metadata.namespace, account.metadata.name, _names(account.pull_secrets), tool, app)


def event_said(event: Event) -> EventSaid | None:
    """What an event says of a pull; None for one that says nothing of it."""
    if event.reason not in TELLING:
        return None
    about, failure = event.involved_object, diagnosed(f"{event.reason}: {event.message}")
    if failure.cause is Cause.UNKNOWN or (event.reason == REFUSED) != (failure.cause is Cause.ADMISSION):
        # A container that fails for something else, or a pod that a quota refuses.
        return None
    if (about.kind == "Pod") == (event.reason == REFUSED):
        return None
    return EventSaid(
        event.metadata.namespace,
        event.metadata.name,
        _safe(about.kind, 63),
        _safe(about.name, MAX_NAME),
        about.uid,
        failure.cause,
        _safe(failure.image, MAX_TEXT),
        max(1, event.count),
        _time(event.first_timestamp or event.event_time or event.last_timestamp or ""),
    )


_READERS: Final[Mapping[str, Callable[[str, Any], Said | None]]] = {
    "Pod": lambda _, pod: pod_said(pod),
    "ServiceAccount": lambda _, account: account_said(account),
    "Event": lambda _, event: event_said(event),
    **dict.fromkeys(TEMPLATES, template_said),
}


def _keeper(annotations: Mapping[str, str], labels: Mapping[str, str]) -> tuple[Tool | None, str]:
    """The tool and its application. Argo CD writes the application, a colon, and what the object is."""
    if (tracked := annotations.get(_TRACKED)) is not None:
        return Tool.ARGO_CD, _safe(tracked.partition(":")[0], MAX_NAME)
    for tool, mark, namespace in _MARKS:
        if mark in labels:
            within = labels.get(namespace, "")
            return tool, _safe(f"{within}/{labels[mark]}" if within else labels[mark], MAX_NAME)
    return None, ""


def _registries(annotations: Mapping[str, str] | None) -> tuple[str, ...]:
    return _names(value for key, value in (annotations or {}).items() if key.startswith(ANNOTATION))


def _names(written: Iterable[str]) -> tuple[str, ...]:
    """Each name once, sorted; the API lets an entry of `imagePullSecrets` be empty."""
    return _shared(tuple(sorted({_safe(name, MAX_NAME) for name in written if name})))


def _owner(controller: Owner | None) -> str:
    return intern(f"{_safe(controller.kind, 63)}/{_safe(controller.name, MAX_NAME)}") if controller else ""


def _shared(rows: Rows) -> Rows:
    """The same object for what is equal: replicas say the same, and there are thousands of them."""
    return cast(Rows, _kept_once(rows))


@lru_cache(SHAPES)
def _kept_once(rows: tuple[Any, ...]) -> tuple[Any, ...]:
    return rows


def _safe(text: str, limit: int) -> str:
    """As `shown`, and never longer than the channel allows."""
    return text if len(text) <= limit and text.isascii() and text.isprintable() else shown(text, limit)[:limit]


_TIME: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.][0-9]+)?Z")


def _time(text: str) -> str:
    """Whole seconds, as the channel writes them; "" for what is no time."""
    found = _TIME.fullmatch(text)
    return f"{found[1]}Z" if found else ""


def _fields(delta: Delta) -> dict[str, Any]:
    def lines(rows: Any) -> Iterator[ImageLine]:
        return (ImageLine(namespace, one.owner, one.image, one.digest) for namespace, one in rows)

    return {
        "images_added": tuple(lines(delta.added)),
        "images_removed": tuple(lines(delta.removed)),
        "inventory": tuple({"namespace": namespace, **_document(view)} for namespace, view in delta.changed),
    }


def _document(view: View) -> dict[str, Any]:
    """Everything but the images, as the channel has it; what is empty is left out."""
    found: dict[str, Any] = {
        "workloads": tuple({"owner": owner, "image": image} for owner, image in view.templates),
        "pullSecretReferences": tuple(
            {
                "secret": one.secret,
                "pods": one.pods,
                "owners": one.owners,
                "serviceAccounts": one.accounts,
                "more": one.more,
            }
            for one in view.references
        ),
        "serviceAccounts": tuple({"name": one.name, "tool": str(one.tool), "app": one.app} for one in view.accounts),
        "missed": tuple({"owner": one.owner, "why": str(one.why), "pods": one.pods} for one in view.missed),
        "pullFailures": tuple(
            {
                "owner": one.owner,
                "image": one.image,
                "cause": str(one.cause),
                "count": one.count,
                **({"since": one.since} if one.since else {}),
            }
            for one in view.failures
        ),
        "registries": view.registries,
        "leftOut": view.left_out,
    }
    return {name: rows for name, rows in found.items() if rows}
