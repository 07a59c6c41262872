r"""One image pulled once, on purpose: the pod that does it, and what its events and its status say of the pull.

Theory of operation. Whether a node can pull an image is known only when one has. So a pod is made that does nothing but
be pulled: as strict as the strictest Pod Security level asks, always pulled anew, its command ends at once, and whether
that command is in the image does not matter, as the pull comes before it. What is then read is enough for a verdict as
soon as the kubelet has said Pulled, or that it failed; until then it is followed step by step. A verdict is never taken
from silence: what has not come to an end by the time allowed is UNKNOWN, with the last thing that was seen.

The first failure counts. A kubelet tries again, and what is being delivered meanwhile may mend it, but whoever tests
wants to know what is wrong now. Messages of failures are read by `core.pull_failure` and shown to nobody.

Left out: asking the API (`kube.pull_test`).
Sources: kubelet 1.30 to 1.36, pkg/kubelet/events/event.go and images/image_manager.go ("Successfully pulled image …");
Kubernetes, "Pod Security Standards", restricted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from portreeve.core.pull_failure import Cause, diagnosed

CONTAINER: Final = "pull"

NAME_PREFIX: Final = "portreeve-pull-test-"

LABELS: Final = {"app.kubernetes.io/name": "portreeve-pull-test"}
"""On every pod of a test: kubectl delete pods -A -l app.kubernetes.io/name=portreeve-pull-test"""

LONGER_S: Final = 60
"""How much longer than the test waits the pod may live: it ends by itself where nobody could take it away."""


MOST_CHARACTERS: Final = 250
"""Of a scheduler's message that are shown; it lists a reason for each kind of node."""


class Outcome(StrEnum):
    """What became of the pull."""

    PULLED = "pulled"
    FAILED = "failed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Told:
    """One event about the pod, or why its container waits."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """The pod at one moment. `events` are in the order in which they happened; texts are "" where nothing was said."""

    events: tuple[Told, ...] = ()
    waiting: Told | None = None
    image_id: str = ""
    node: str = ""
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Pull:
    """The verdict.

    `cause` is set where a pull failed. `took` and `waited` are durations as the kubelet writes them, the second with
    the time in its queue. `size_bytes` is that of the compressed image. `present` says that nothing was transferred.
    """

    outcome: Outcome
    sentence: str
    cause: Cause | None = None
    node: str = ""
    digest: str = ""
    took: str = ""
    waited: str = ""
    size_bytes: int | None = None
    present: bool = False
    notes: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        """Whether nothing more is to be learnt: a pull that worked has a digest a moment later."""
        return self.outcome is not Outcome.UNKNOWN and (self.outcome is not Outcome.PULLED or bool(self.digest))


_DURATION: Final = r"[0-9][0-9a-zµ.]{0,30}"
_PULLED: Final = re.compile(
    rf"Successfully pulled image .{{1,700}} in ({_DURATION})(?: \(({_DURATION}) including waiting\))?"
    r"(?:\. Image size: ([0-9]{1,15}) bytes)?"
)
_PRESENT: Final = re.compile(r"already present on machine")
_DIGEST: Final = re.compile(r"@(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$")

_FAILING: Final = frozenset(
    {
        "ErrImagePull",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
"""Reasons why a container waits that are a failed pull; ImagePullBackOff follows one and says less.
Source: pkg/kubelet/images/types.go, pkg/kubelet/container/sync_result.go."""

_FAILED_EVENTS: Final = frozenset({"Failed", "ErrImageNeverPull", "InspectFailed"})

_STEPS: Final = ("Scheduled", "FailedScheduling", "Pulling", "Pulled")


def pod(
    image: str, namespace: str, *, suffix: str, service_account: str, node: str = "", timeout_s: int
) -> dict[str, Any]:
    """The pod. `suffix` makes its name one of its own; `node` is the one that it has to run on, "" for any."""
    bounds = {"cpu": "10m", "memory": "16Mi"}  # a quota on either asks every container for it
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{NAME_PREFIX}{suffix}", "namespace": namespace, "labels": dict(LABELS)},
        "spec": {
            "containers": [
                {
                    "name": CONTAINER,
                    "image": image,
                    "imagePullPolicy": "Always",
                    "command": ["true"],
                    "resources": {"requests": bounds, "limits": bounds},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                        "runAsNonRoot": True,
                        "runAsUser": 65534,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                }
            ],
            "serviceAccountName": service_account,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "restartPolicy": "Never",
            "activeDeadlineSeconds": timeout_s + LONGER_S,
            "terminationGracePeriodSeconds": 0,
            **({"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}),
        },
    }


def verdict(seen: Observed) -> Pull:
    """What is known of the pull by now; UNKNOWN, with the last step, as long as it has not come to an end."""
    missing = any(event.reason == "FailedToRetrieveImagePullSecret" for event in seen.events)
    notes = ("a pull secret that the pod names is missing",) if missing else ()
    pulled = next((event for event in seen.events if event.reason == "Pulled"), None)
    if pulled is not None or seen.image_id:
        return _pulled(pulled, seen, notes)
    failing = _failing(seen)
    if failing:
        cause = _most_telling(failing)
        return Pull(Outcome.FAILED, f"the pull failed: {cause}", cause, seen.node, notes=notes)
    return Pull(Outcome.UNKNOWN, _so_far(seen), node=seen.node, notes=notes)


def _pulled(event: Told | None, seen: Observed, notes: tuple[str, ...]) -> Pull:
    said = _PULLED.search(event.message) if event is not None else None
    digest = _DIGEST.search(seen.image_id)
    present = event is not None and _PRESENT.search(event.message) is not None
    return Pull(
        Outcome.PULLED,
        "the node had the image already, and the kubelet let the pod use it" if present else "the image was pulled",
        node=seen.node,
        digest=digest[1] if digest else "",
        took=said[1] if said else "",
        waited=(said[2] or "") if said else "",
        size_bytes=int(said[3]) if said and said[3] else None,
        present=present,
        notes=notes,
    )


def _failing(seen: Observed) -> list[Told]:
    """What tells of a failed pull, the most telling kind first. A container that fails later was pulled before."""
    events = [
        event
        for event in seen.events
        if event.reason in _FAILED_EVENTS and not event.message.startswith("Error: ") and "image" in event.message
    ]
    waiting = [seen.waiting] if seen.waiting is not None and seen.waiting.reason in _FAILING else []
    return [*events, *waiting]


def _most_telling(failing: Iterable[Told]) -> Cause:
    causes = [diagnosed(f"{one.reason} {one.message}").cause for one in failing]
    return next((cause for cause in causes if cause is not Cause.UNKNOWN), Cause.UNKNOWN)


def _so_far(seen: Observed) -> str:
    if seen.gone:
        return "somebody deleted the pod before the pull had come to an end"
    last = next((event for event in reversed(seen.events) if event.reason in _STEPS), None)
    if last is None:
        return "nothing was said of the pod: no scheduler, or its events may not be read"
    if last.reason == "FailedScheduling":
        return f"no node takes the pod: {_line(last.message)}"
    where = f" on {seen.node}" if seen.node else ""
    return "the node is still pulling" + where if last.reason == "Pulling" else f"the pod was scheduled{where}, no more"


def _line(message: str) -> str:
    """What a scheduler said, as a part of one line that moves no cursor."""
    text = "".join(character if character.isprintable() else " " for character in message[:MOST_CHARACTERS])
    return " ".join(text.split())


def steps(before: Sequence[Told], after: Sequence[Told]) -> list[str]:
    """What is new and worth telling, one line each; messages of failures are not repeated."""
    new = [event for event in after[len(before) :] if event.reason in _STEPS]
    return [
        f"{event.reason}: {_line(event.message)}" if event.reason in {"Scheduled", "FailedScheduling"} else event.reason
        for event in new
    ]
