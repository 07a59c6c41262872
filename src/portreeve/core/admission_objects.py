"""Our four admission objects as a cluster shows them, and what it says to a pod that was sent as a dry run.

`Seen` is an object without what the server fills in; `holds` says whether it is a manifest of ours, unchanged. An
object is *marked* when it carries our label and our field manager has set fields of it; it is *ours* when its UID is
recorded, too, which whoever decides knows.

Left out: reading and writing them (`kube.admission`), and what follows from what was seen (`core.enforcement`).

Sources: Kubernetes, "Validating Admission Policy"; k8s.io/api/admissionregistration/v1, SetDefaults_*.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from portreeve.core.render import DENY_BINDING, POLICY_NAME, SYSTEM_BINDING, WARN_BINDING

KINDS: Final[Mapping[str, str]] = {
    POLICY_NAME: "ValidatingAdmissionPolicy",
    DENY_BINDING: "ValidatingAdmissionPolicyBinding",
    WARN_BINDING: "ValidatingAdmissionPolicyBinding",
    SYSTEM_BINDING: "ValidatingAdmissionPolicyBinding",
}
"""Name → kind of all objects that are ever ours, in the order in which they are applied."""

DEFAULTS: Final[Mapping[str, Any]] = {
    "matchPolicy": "Equivalent",
    "failurePolicy": "Fail",
    "scope": "*",
    "reason": "Invalid",
}
"""Values that the server fills in, by field."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it is. `spec` is without defaults, `version` its resourceVersion.

    `compiled` tells whether the cluster has looked at the policy's present generation; `doubts` how many of its
    expressions it warns of.
    """

    name: str
    uid: str
    version: str
    marked: bool
    spec: Mapping[str, Any]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    compiled: bool = False
    doubts: int = 0

    @property
    def number(self) -> int:
        """The version as a number, as versions of one object may be compared; -1 where it is none (KEP-5504)."""
        return int(self.version) if self.version.isdecimal() else -1


@dataclass(frozen=True, slots=True)
class Admitted:
    """The dry run went through; `warned_by` is the binding of ours that warned, "" if none did."""

    warned_by: str = ""
    generation: int = 0
    """Of our policy, as its warning says; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The dry run was refused by a policy's binding; both are "" when a webhook refused it."""

    policy: str
    binding: str
    generation: int = 0
    """Of our policy, as its message says; 0 where it was another's."""


@dataclass(frozen=True, slots=True)
class Untold:
    """The dry run failed for another reason, so that it says nothing about the policy. `code` is that of the error."""

    code: str


Said = Admitted | Refused | Untold


def without_defaults(value: Any) -> Any:
    """A spec without what the server fills in: empty mappings and lists, and fields at their default."""
    if isinstance(value, Mapping):
        held = {name: without_defaults(one) for name, one in value.items() if DEFAULTS.get(name) != one}
        return {name: one for name, one in held.items() if one not in ({}, [])}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [without_defaults(one) for one in value]
    return value


def same_spec(seen: Seen, manifest: Mapping[str, Any]) -> bool:
    """Whether the object does what the manifest says."""
    return bool(seen.spec == without_defaults(manifest["spec"]))


def holds(seen: Seen, manifest: Mapping[str, Any]) -> bool:
    """Whether the object is the manifest: its spec whole, its labels and annotations among others."""
    wanted = manifest["metadata"]
    return (
        seen.labels.items() >= wanted["labels"].items()
        and seen.annotations.items() >= wanted["annotations"].items()
        and same_spec(seen, manifest)
    )


def severity(spec: Mapping[str, Any]) -> int:
    """How hard a binding acts: 2 refuses, 1 warns, 0 is seen in the audit log alone."""
    actions = spec.get("validationActions") or ()
    return 2 if "Deny" in actions else int("Warn" in actions)
