"""One namespace of a cluster: what its objects say of images and pull secrets, and what follows from that together.

Pods that count run or wait to; one that has finished uses nothing any more. A pod *missed* our pull secret when its
ServiceAccount names it now and the pod does not: pods get the list of their ServiceAccount as they are created, and
only if they bring none of their own.

Pods are counted, owners are named: a pod more of the same Deployment is no news. Lists have an end, and a view says how
many lines it leaves out.

Left out: keeping up with a cluster (`core.inventory`), reading API objects (the edge does), and what of a namespace is
granted (the control plane knows).

Sources: requirements B-05, C-05 to C-07, U-03; Kubernetes, "Configure Service Accounts for Pods" (imagePullSecrets),
"Pull an Image from a Private Registry".
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, TypeVar

from portreeve.core.observation import PULL_SECRET
from portreeve.core.pull_failure import Cause

Row = TypeVar("Row")

BETWEEN: Final = ("ReplicaSet", "Job")
"""Kinds that stand between a workload and its pods, where something controls them."""

TEMPLATES: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob")

MOST_LINES: Final = 20_000
"""Lines of images, and of templates, of one namespace."""
MOST_ROWS: Final = 1_000
"""Lines of any other list of one namespace."""
MOST_CHARACTERS: Final = 3 << 20
"""Of the names in the lines of images of one namespace; in those of templates two thirds of it, and in each other list
a twelfth. With what stands around them that is half of what a report may have, whatever somebody calls his images."""
MOST_NAMES: Final = 20
"""Owners, or ServiceAccounts, that one reference names; the others are counted."""


class Tool(StrEnum):
    """What keeps an object as it is written elsewhere."""

    ARGO_CD = "argocd"
    FLUX = "flux"


class Why(StrEnum):
    """Why a pod has not got our pull secret."""

    STARTED_BEFORE = "started_before"
    """Its ServiceAccount named no such secret yet: a new pod gets it."""
    OWN_SECRETS = "own_secrets"
    """It names pull secrets itself, so that those of its ServiceAccount count for nothing."""


@dataclass(frozen=True, slots=True)
class PodSaid:
    """What a pod says. `owner` is its controller as the pod names it, or itself; `controller` is the UID of that or "".

    `images` are (image, digest or "") of every kind of container and of volumes, each once. `failing` are images that
    cannot be pulled, `since` when the pod was made. `registries` are named by annotations.
    """

    namespace: str
    name: str
    owner: str
    controller: str = ""
    images: tuple[tuple[str, str], ...] = ()
    account: str = ""
    pull_secrets: tuple[str, ...] = ()
    failing: tuple[tuple[str, Cause], ...] = ()
    since: str = ""
    registries: tuple[str, ...] = ()
    finished: bool = False


@dataclass(frozen=True, slots=True)
class TemplateSaid:
    """What a workload says of the pods that it makes. `above` is what controls it ("Deployment/api"), or ""."""

    namespace: str
    kind: str
    name: str
    uid: str = ""
    above: str = ""
    images: tuple[str, ...] = ()
    pull_secrets: tuple[str, ...] = ()
    registries: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """As pods and lines name it."""
        return f"{self.kind}/{self.name}"

    @property
    def between(self) -> bool:
        """Whether it only stands between a workload and its pods."""
        return bool(self.above) and self.kind in BETWEEN


@dataclass(frozen=True, slots=True)
class AccountSaid:
    """What a ServiceAccount says; `tool` and `app` say what keeps it, if something does."""

    namespace: str
    name: str
    pull_secrets: tuple[str, ...] = ()
    tool: Tool | None = None
    app: str = ""


@dataclass(frozen=True, slots=True)
class EventSaid:
    """What an event says of a pull: of a pod that waits, or of an object whose pods are refused."""

    namespace: str
    name: str
    kind: str
    about: str
    uid: str
    cause: Cause
    image: str = ""
    count: int = 1
    since: str = ""


Said = PodSaid | TemplateSaid | AccountSaid | EventSaid


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One image that runs in a namespace. `digest` is that of most of the owner's pods, "" if none is known."""

    owner: str
    image: str
    digest: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Referenced:
    """A pull secret by its name, and who names it; `more` counts owners and ServiceAccounts that are not listed."""

    secret: str
    pods: int
    owners: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Kept:
    """A ServiceAccount that a tool keeps as it is written elsewhere."""

    name: str
    tool: Tool
    app: str


@dataclass(frozen=True, slots=True, order=True)
class Missed:
    """Pods of one owner that have not got our pull secret."""

    owner: str
    why: Why
    pods: int


@dataclass(frozen=True, slots=True, order=True)
class Failed:
    """Pulls of one image for one owner that fail for one cause: how many pods, since when ("" if that is not known).

    Of pods that were refused, `count` is how often that was tried.
    """

    owner: str
    image: str
    cause: Cause
    count: int
    since: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """One namespace as it is told; every list is sorted. `templates` are (owner, image) of what does not run now."""

    images: tuple[Line, ...] = ()
    templates: tuple[tuple[str, str], ...] = ()
    references: tuple[Referenced, ...] = ()
    accounts: tuple[Kept, ...] = ()
    missed: tuple[Missed, ...] = ()
    failures: tuple[Failed, ...] = ()
    registries: tuple[str, ...] = ()
    left_out: int = 0

    @property
    def rest(self) -> View:
        """Everything but the images."""
        return replace(self, images=())

    @property
    def characters(self) -> int:
        """How long its names are besides those of images, about."""
        pairs = [*self.templates, *((one.owner, one.image) for one in self.failures)]
        references = [(one.secret, *one.owners, *one.accounts) for one in self.references]
        others = [(one.name, one.app) for one in self.accounts]
        owners = [one.owner for one in self.missed]
        return sum(sum(map(written, texts)) for texts in (*pairs, *references, *others, owners, self.registries))

    @property
    def rows(self) -> int:
        """How many lines there are besides those of images."""
        lists = (self.templates, self.references, self.accounts, self.missed, self.failures, self.registries)
        return sum(map(len, lists))


NOTHING: Final = View()


@dataclass(slots=True)
class Space:
    """A namespace: kind → name → what it says, and UID → what stands above it."""

    held: dict[str, dict[str, Said]] = field(default_factory=dict)
    above: dict[str, str] = field(default_factory=dict)

    def of(self, kind: str) -> Iterable[Said]:
        """What all objects of a kind say."""
        return self.held.get(kind, {}).values()

    def pods(self) -> Iterator[tuple[PodSaid, str]]:
        """Those that count, with their owners."""
        for pod in self.of("Pod"):
            assert isinstance(pod, PodSaid)
            if not pod.finished:
                yield pod, self.above.get(pod.controller, pod.owner)

    def templates(self) -> Iterator[TemplateSaid]:
        """Those that are workloads of their own."""
        for kind in TEMPLATES:
            for one in self.of(kind):
                assert isinstance(one, TemplateSaid)
                if not one.between:
                    yield one

    def accounts(self) -> Iterator[AccountSaid]:
        """Its ServiceAccounts."""
        for one in self.of("ServiceAccount"):
            assert isinstance(one, AccountSaid)
            yield one

    def events(self) -> Iterator[EventSaid]:
        """What events say of pulls."""
        for one in self.of("Event"):
            assert isinstance(one, EventSaid)
            yield one


_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
_ROLLED_OUT: Final = ("Deployment", "StatefulSet", "DaemonSet")


def remedy(owner: str, namespace: str, why: Why) -> str:
    """The command that gives an owner's pods our pull secret; "" where none does.

    Made here and not sent by agents, as people paste it: nothing is in it but names of Kubernetes.
    """
    kind, _, name = owner.partition("/")
    if kind not in _ROLLED_OUT or not (_NAME.fullmatch(name) and _NAME.fullmatch(namespace)):
        # A Job's next run has it; a pod that nothing makes anew would only be lost.
        return ""
    what = f"{kind.lower()}/{name} -n {namespace}"
    if why is Why.STARTED_BEFORE:
        return f"kubectl rollout restart {what}"
    patch = {"spec": {"template": {"spec": {"imagePullSecrets": [{"name": PULL_SECRET}]}}}}
    return f"kubectl patch {what} -p '{json.dumps(patch, separators=(',', ':'))}'"


def view_of(space: Space) -> View:
    """What is told of a namespace."""
    images = _images(space)
    running = {(line.owner, line.image) for line in images}
    templates = sorted({(one.owner, image) for one in space.templates() for image in one.images} - running)
    references, accounts, missed = _references(space), _kept(space), _missed(space)
    failures, registries = _failures(space), _registries(space)
    small = MOST_CHARACTERS // 12
    view = View(
        _fitting(images, MOST_LINES, MOST_CHARACTERS, lambda one: (one.owner, one.image, one.digest)),
        _fitting(templates, MOST_LINES, MOST_CHARACTERS * 2 // 3, lambda one: one),
        _fitting(references, MOST_ROWS, small, lambda one: (one.secret, *one.owners, *one.accounts)),
        _fitting(accounts, MOST_ROWS, small, lambda one: (one.name, one.app)),
        _fitting(missed, MOST_ROWS, small, lambda one: (one.owner,)),
        _fitting(failures, MOST_ROWS, small, lambda one: (one.owner, one.image)),
        _fitting(registries, MOST_ROWS, small, lambda one: (one,)),
    )
    found = (
        len(images) + len(templates) + len(references) + len(accounts) + len(missed) + len(failures) + len(registries)
    )
    return replace(view, left_out=found - len(view.images) - view.rows)


def _fitting(rows: list[Row], most: int, characters: int, texts: Callable[[Row], Iterable[str]]) -> tuple[Row, ...]:
    """The first rows, as many as are told."""
    room = characters
    for number, row in enumerate(rows[:most]):
        room -= sum(map(written, texts(row)))
        if room < 0:
            return tuple(rows[:number])
    return tuple(rows[:most])


def written(text: str) -> int:
    """Characters of printable ASCII text, as it stands in JSON."""
    return len(text) + text.count("\\") + text.count('"')


def _images(space: Space) -> list[Line]:
    digests: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for pod, owner in space.pods():
        for image, digest in pod.images:
            digests[owner, image][digest] += 1
    return sorted(Line(owner, image, _usual(found)) for (owner, image), found in digests.items())


def _usual(digests: Counter[str]) -> str:
    """The most frequent digest, of equally frequent ones the first; "" only where there is no other."""
    return min((digest for digest in digests if digest), key=lambda digest: (-digests[digest], digest), default="")


def _references(space: Space) -> list[Referenced]:
    pods: Counter[str] = Counter()
    owners: dict[str, set[str]] = defaultdict(set)
    accounts: dict[str, set[str]] = defaultdict(set)
    for pod, owner in space.pods():
        for secret in dict.fromkeys(pod.pull_secrets):
            pods[secret] += 1
            owners[secret].add(owner)
    for template in space.templates():
        for secret in template.pull_secrets:
            owners[secret].add(template.owner)
    for account in space.accounts():
        for secret in account.pull_secrets:
            accounts[secret].add(account.name)
    return [
        Referenced(
            secret,
            pods[secret],
            tuple(sorted(owners[secret])[:MOST_NAMES]),
            tuple(sorted(accounts[secret])[:MOST_NAMES]),
            max(0, len(owners[secret]) - MOST_NAMES) + max(0, len(accounts[secret]) - MOST_NAMES),
        )
        for secret in sorted({*owners, *accounts})
    ]


def _kept(space: Space) -> list[Kept]:
    return sorted(Kept(one.name, one.tool, one.app) for one in space.accounts() if one.tool is not None)


def _missed(space: Space) -> list[Missed]:
    accounts = {one.name: one for one in space.accounts() if PULL_SECRET in one.pull_secrets}
    templates = {one.owner: one for one in space.templates()}
    found: Counter[tuple[str, Why]] = Counter()
    for pod, owner in space.pods():
        account = accounts.get(pod.account)
        if account is not None and PULL_SECRET not in pod.pull_secrets:
            found[owner, _why(pod, templates.get(owner), account)] += 1
    return sorted(Missed(owner, why, count) for (owner, why), count in found.items())


def _why(pod: PodSaid, template: TemplateSaid | None, account: AccountSaid) -> Why:
    """Whether the pod's secrets are its own: its template says so, else they are not those of its ServiceAccount."""
    theirs = set(account.pull_secrets) - {PULL_SECRET}
    own = template.pull_secrets if template else set(pod.pull_secrets) - theirs
    return Why.OWN_SECRETS if own else Why.STARTED_BEFORE


def _failures(space: Space) -> list[Failed]:
    told = {(one.kind, one.about): one for one in sorted(space.events(), key=_weight)}
    found: dict[tuple[str, str, Cause], list[tuple[int, str]]] = defaultdict(list)
    for pod, owner in space.pods():
        event = told.get(("Pod", pod.name))
        for image, cause in pod.failing:
            found[owner, image, _clearer(cause, image, event)].append((1, pod.since))
    for one in space.events():
        if one.kind != "Pod":
            owner = space.above.get(one.uid, f"{one.kind}/{one.about}")
            found[owner, one.image, one.cause].append((one.count, one.since))
    return sorted(
        Failed(*key, sum(count for count, _ in rows), min((since for _, since in rows if since), default=""))
        for key, rows in found.items()
    )


def _weight(event: EventSaid) -> tuple[bool, str, str]:
    """The order in which events of one object overrule each other: the last one counts, and a missing secret most."""
    return event.cause is Cause.SECRET_MISSING, event.since, event.name


_BY_SECRET: Final = (Cause.UNKNOWN, Cause.UNAUTHORIZED, Cause.FORBIDDEN)


def _clearer(cause: Cause, image: str, event: EventSaid | None) -> Cause:
    """The cause that a pod's own event knows better: a pod that backs off says no more why, and none names a secret."""
    if event is None:
        return cause
    if event.cause is Cause.SECRET_MISSING:
        return event.cause if cause in _BY_SECRET else cause
    return event.cause if cause is Cause.UNKNOWN and event.image in ("", image) else cause


def _registries(space: Space) -> list[str]:
    found = {name for pod, _ in space.pods() for name in pod.registries}
    return sorted(found | {name for one in space.templates() for name in one.registries})
