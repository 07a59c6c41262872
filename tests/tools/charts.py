"""What Helm and kustomize make of our charts and directories: their own engines, without a cluster.

    with Charts(find_program(HELM, default_cache()).path) as charts:
        rendered = charts.render(CHART, {"server": "https://portreeve.example.com"})

Leaves out: installing, hooks, dependencies from repositories.

Sources: helm.sh/helm/v3/pkg/engine, sigs.k8s.io/kustomize/api/krusty, pinned in helm/go.mod.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from tests.tools.process import LineProcess

Object = dict[str, Any]

API_VERSIONS = ("v1", "apps/v1", "policy/v1", "networking.k8s.io/v1", "admissionregistration.k8s.io/v1")
"""What `helm template` takes for granted, as far as our charts ask."""

ORDER = (
    "Namespace",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "Service",
    "Deployment",
)
"""In which order objects are applied: rules before whoever they bind, what is needed before who needs it."""


class NotRendered(Exception):
    """Helm or kustomize refused; the message is theirs."""


@dataclass(frozen=True)
class Rendered:
    """What came out.

    Args:
        objects: in the order to apply them.
        texts: file → text, as it was rendered.
        notes: NOTES.txt.
    """

    objects: tuple[Object, ...]
    texts: Mapping[str, str]
    notes: str = ""

    def of(self, kind: str, name: str = "") -> Object:
        """The one object of a kind, and of a name if there may be more."""
        found = self.all_of(kind, name)
        assert len(found) == 1, f"{len(found)} objects are {kind} {name}"
        return found[0]

    def all_of(self, kind: str, name: str = "") -> list[Object]:
        return [one for one in self.objects if one["kind"] == kind and name in ("", one["metadata"]["name"])]

    @property
    def names(self) -> set[tuple[str, str]]:
        """Kind and name of each."""
        return {(one["kind"], one["metadata"]["name"]) for one in self.objects}


class Charts:
    """The program, started once."""

    def __init__(self, program: Path) -> None:
        self._process = LineProcess([str(program)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.close()

    def render(
        self,
        chart: Path,
        values: Mapping[str, Any] | None = None,
        *,
        release: str = "portreeve-agent",
        namespace: str = "portreeve-system",
        api_versions: Sequence[str] = (),
        kube_version: str = "v1.36.3",
    ) -> Rendered:
        """As `helm template`.

        Args:
            api_versions: what the cluster has beside `API_VERSIONS`, as for `--api-versions`.
        Raises:
            NotRendered: such as values that the chart's schema refuses.
        """
        return self._ask(
            chart=str(chart),
            values=dict(values or {}),
            release=release,
            namespace=namespace,
            apiVersions=[*API_VERSIONS, *api_versions],
            kubeVersion=kube_version,
        )

    def kustomize(self, directory: Path) -> Rendered:
        """As `kustomize build`. Raises: NotRendered."""
        return self._ask(kustomize=str(directory))

    def _ask(self, **asked: Any) -> Rendered:
        answer = json.loads(self._process.ask(json.dumps(asked).encode()))
        if answer["error"]:
            raise NotRendered(answer["error"])
        objects = [
            one for text in answer["files"].values() for one in yaml.load_all(text, yaml.CSafeLoader) if one is not None
        ]
        return Rendered(tuple(sorted(objects, key=_place)), answer["files"], answer["notes"])


def _place(one: Object) -> tuple[int, str, str]:
    kind = one["kind"]
    return ORDER.index(kind) if kind in ORDER else len(ORDER), kind, one["metadata"]["name"]
