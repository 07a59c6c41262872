"""PolicyReport and ClusterPolicyReport, wgpolicyk8s.io/v1alpha2, one per workload; as a stream of YAML documents.

What stands in no namespace (Compose files, Dockerfiles, workflows, whatever was not evaluated) goes into one cluster
report. Results carry no timestamp: the same findings give the same text.

Source: kubernetes-sigs/wg-policy-prototypes, policy-report/crd/v1alpha2. `openreports` shares all but the names.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from portreeve.core.cluster import is_dns_label
from portreeve.core.findings import Finding, Inspection
from portreeve.core.manifests import NotEvaluated, Place
from portreeve.core.policy import Stage
from portreeve.core.verdict import Decision
from portreeve.wire.reports.text import printable, row, sentence, stage_of

SOURCE: Final = "portreeve"
RULE: Final = "allowed-sources"
RESULTS_PER_REPORT: Final = 500
"""An object in etcd holds 1.5 MiB; a result of ours at most about 2.5 KB."""

_IN_PODS = frozenset({Place.CONTAINERS, Place.INIT_CONTAINERS, Place.EPHEMERAL_CONTAINERS, Place.VOLUMES})

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """What the two APIs call the same things; `top` are further fields of every report."""

    api_version: str
    namespaced: str
    cluster: str
    top: tuple[tuple[str, str], ...] = ()


SHAPE: Final = Shape("wgpolicyk8s.io/v1alpha2", "PolicyReport", "ClusterPolicyReport")

Scope = tuple[str, str, str]
"""Namespace, kind and name of a workload; all empty for the cluster."""


def render(inspection: Inspection, *, tool_version: str) -> str:
    """The reports, that of the cluster first, the others sorted by namespace, kind and name."""
    return render_as(SHAPE, inspection, tool_version)


def render_as(shape: Shape, inspection: Inspection, tool_version: str) -> str:
    """The reports in the words of one of the two APIs; a comment if there is nothing to report."""
    documents = list(_reports(shape, inspection, tool_version))
    if not documents:
        return "# nothing was found\n"
    return yaml.dump_all(documents, Dumper=yaml.CSafeDumper, sort_keys=False, explicit_start=True, width=120)


def _reports(shape: Shape, inspection: Inspection, tool_version: str) -> Iterator[Json]:
    groups: dict[Scope, list[Json]] = {}
    for finding in inspection.findings:
        groups.setdefault(_scope(finding), []).append(_of_finding(finding, inspection))
    for missing in inspection.not_evaluated:
        groups.setdefault(("", "", ""), []).append(_of_missing(missing, inspection))
    for scope in sorted(groups):
        results = groups[scope]
        for start in range(0, len(results), RESULTS_PER_REPORT):
            yield _report(shape, scope, results[start : start + RESULTS_PER_REPORT], start, inspection, tool_version)


def _scope(finding: Finding) -> Scope:
    use = finding.use
    if use.place not in _IN_PODS or not is_dns_label(use.namespace):
        return "", "", ""
    return use.namespace, use.kind, use.name


def _report(
    shape: Shape, scope: Scope, results: list[Json], start: int, inspection: Inspection, tool_version: str
) -> Json:
    namespace, kind, name = scope
    labels = {"app.kubernetes.io/managed-by": SOURCE}
    if inspection.policy is not None and is_dns_label(inspection.policy):
        labels["portreeve.io/policy"] = inspection.policy
    metadata: Json = {"name": f"{SOURCE}-{_digest(scope)}" + (f"-{start // RESULTS_PER_REPORT + 1}" if start else "")}
    if namespace:
        metadata["namespace"] = namespace
    metadata |= {"labels": labels, "annotations": {"portreeve.io/version": printable(tool_version)}}
    report: Json = {
        "apiVersion": shape.api_version,
        "kind": shape.namespaced if namespace else shape.cluster,
        "metadata": metadata,
        **dict(shape.top),
    }
    if namespace:
        report["scope"] = {"kind": printable(kind), "namespace": namespace, "name": printable(name)}
    counts = Counter(result["result"] for result in results)
    report["summary"] = {outcome: counts[outcome] for outcome in ("pass", "fail", "warn", "error", "skip")}
    report["results"] = results
    return report


def _digest(scope: Scope) -> str:
    return hashlib.sha256(json.dumps(scope).encode()).hexdigest()[:16]


def _outcome(finding: Finding, inspection: Inspection) -> tuple[str, str, bool]:
    """Result, severity and whether it is scored. `warn` is defined as "not met, and not scored"."""
    match finding.decision:
        case Decision.ALLOW:
            return "pass", "info", True
        case Decision.DENY if stage_of(finding, inspection) is Stage.DENY:
            return "fail", "high", True
        case Decision.DENY:
            return "warn", "medium", False
        case Decision.UNKNOWN:
            return "error", "medium", True
        case None:
            return "skip", "info", False


def _of_finding(finding: Finding, inspection: Inspection) -> Json:
    result, severity, scored = _outcome(finding, inspection)
    flat = row(finding)
    properties = {
        "image": flat.image,
        "canonical": flat.canonical,
        "registry": (flat.canonical or "").partition("/")[0],
        "digest": (flat.canonical or "").partition("@")[2],
        "container": flat.container,
        "place": flat.place,
        "object": f"{flat.kind}/{flat.name}",
        "file": flat.file,
        "line": str(flat.line),
        "code": flat.code,
        "nearest": flat.nearest,
    }
    return _result(inspection, result, severity, scored=scored, text=sentence(finding), properties=properties)


def _of_missing(missing: NotEvaluated, inspection: Inspection) -> Json:
    properties = {"file": missing.file, "line": str(missing.line), "code": missing.code}
    text = f"not evaluated: {missing.reason}"
    return _result(inspection, "error", "medium", scored=True, text=text, properties=properties)


def _result(
    inspection: Inspection, result: str, severity: str, *, scored: bool, text: str, properties: Mapping[str, str | None]
) -> Json:
    return {
        "source": SOURCE,
        "policy": printable(inspection.policy or "none"),
        "rule": RULE,
        "category": "Image sources",
        "severity": severity,
        "result": result,
        "scored": scored,
        "message": printable(text),
        "properties": {name: printable(value) for name, value in properties.items() if value},
    }
