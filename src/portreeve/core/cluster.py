"""What is known of an environment: names, tiers, namespaces, label selectors.

Sources: Kubernetes API conventions (names), apimachinery `labels.Selector` (matching).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from portreeve.core.reference import shown
from portreeve.errors import Problem

SYSTEM_NAMESPACES: Final = ("kube-node-lease", "kube-public", "kube-system")
"""Judged in Audit only: a cluster that cannot start its own parts cannot heal. Sorted."""

AGENT_NAMESPACE: Final = "portreeve-system"

OLDEST_RESTRICTING: Final = (1, 30)
"""Kubernetes release in which ValidatingAdmissionPolicy became stable (rule 15)."""

_VERSION = re.compile(r"v?([0-9]{1,3})[.]([0-9]{1,3})[+]?(?:[.-][0-9A-Za-z.+-]*)?")
_DNS_LABEL = re.compile("[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def is_dns_label(text: str) -> bool:
    """Whether `text` is an RFC 1123 label, as names of namespaces and of our documents are."""
    return _DNS_LABEL.fullmatch(text) is not None


def label_problems(names: Mapping[str, str], what: str) -> Iterator[Problem]:
    """Each name that cannot be one of `what`; `names` is path of the field → name."""
    for path, name in names.items():
        if not is_dns_label(name):
            yield Problem("name", f"{shown(name, 63)} is not the name of {what}", path, "a DNS label")


def indexed(path: str, values: Iterable[str]) -> dict[str, str]:
    """Path of each entry of a list → entry."""
    return {f"{path}[{index}]": value for index, value in enumerate(values)}


def restriction_problem(version: str) -> Problem | None:
    """Why a cluster of this version cannot restrict sources; None if it can.

    `version` is as `/version` answers in `gitVersion`: "v1.36.3", "v1.29.4-gke.1043000", "1.30+". One that cannot be
    read is a problem, too: what is not known is never shown as good.
    """
    read = _VERSION.fullmatch(version)
    if read is None:
        return Problem(
            "kubernetes_version", f"{shown(version, 63)} is not a Kubernetes version", hint="write it as 1.30"
        )
    if (int(read[1]), int(read[2])) < OLDEST_RESTRICTING:
        oldest = ".".join(map(str, OLDEST_RESTRICTING))
        return Problem(
            "kubernetes_too_old", f"Kubernetes {version} cannot restrict sources", hint=f"needs {oldest} or newer"
        )
    return None


class Tier(StrEnum):
    """How much is at stake in an environment."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


class Operator(StrEnum):
    """Operators of a selector's `matchExpressions`."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line of `matchExpressions`; `values` is empty for Exists and DoesNotExist."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` satisfy this line. NotIn holds for a missing key, as in Kubernetes."""
        match self.operator:
            case Operator.IN:
                return labels.get(self.key) in self.values and self.key in labels
            case Operator.NOT_IN:
                return self.key not in labels or labels[self.key] not in self.values
            case Operator.EXISTS:
                return self.key in labels
            case Operator.DOES_NOT_EXIST:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """A conjunction; without any line it selects everything."""

    match_labels: tuple[tuple[str, str], ...] = ()
    match_expressions: tuple[Requirement, ...] = ()

    @property
    def everything(self) -> bool:
        """Whether there is nothing to satisfy (`selector: {}`)."""
        return not self.match_labels and not self.match_expressions

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` satisfy every line."""
        return all(labels.get(key) == value for key, value in self.match_labels) and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )


@dataclass(frozen=True, slots=True)
class NamespaceSelection:
    """Namespaces by name, by label, or both; both means union."""

    names: tuple[str, ...] = ()
    selector: LabelSelector | None = None

    def selects(self, namespace: str, labels: Mapping[str, str] | None) -> bool | None:
        """Whether the namespace is selected; None when that hangs on labels that are not known."""
        if namespace in self.names:
            return True
        if self.selector is None:
            return False
        if self.selector.everything:
            return True
        return None if labels is None else self.selector.matches(labels)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace and its labels."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
