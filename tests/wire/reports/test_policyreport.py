from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from portreeve.core.cluster import is_dns_label
from portreeve.core.findings import Inspection
from portreeve.wire.reports import FORMATS
from tests.wire.reports.cases import ALL, DENIED, EVERY, HOSTILE, VERSION, WITHOUT_POLICY

COUNT = {"type": "integer", "minimum": 0}
TEXT = {"type": "string"}


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


# The fields that we write, as the published CustomResourceDefinitions have them (their sources: see the modules).
RESULT = closed(
    ["policy", "result", "source"],
    policy=TEXT,
    rule=TEXT,
    category=TEXT,
    message=TEXT,
    source=TEXT,
    scored={"type": "boolean"},
    severity={"enum": ["critical", "high", "low", "medium", "info"]},
    result={"enum": ["pass", "fail", "warn", "error", "skip"]},
    properties={"type": "object", "additionalProperties": TEXT},
)
REPORT = closed(
    ["apiVersion", "kind", "metadata", "summary", "results"],
    apiVersion=TEXT,
    kind=TEXT,
    metadata={"type": "object", "required": ["name"]},
    scope=closed(["kind", "name", "namespace"], kind=TEXT, name=TEXT, namespace=TEXT),
    source=TEXT,
    summary=closed(["pass", "fail", "warn", "error", "skip"],
                   **dict.fromkeys(["pass", "fail", "warn", "error", "skip"], COUNT)),
    results={"type": "array", "minItems": 1, "items": RESULT},
)  # fmt: skip
WRITTEN_AS = jsonschema.Draft202012Validator(REPORT)

KINDS = {
    "policyreport": ("wgpolicyk8s.io/v1alpha2", "PolicyReport", "ClusterPolicyReport"),
    "openreports": ("openreports.io/v1alpha1", "Report", "ClusterReport"),
}


def reports(name: str, inspection: Inspection) -> list[dict[str, Any]]:
    text = FORMATS[name](inspection, tool_version=VERSION)
    return [document for document in yaml.safe_load_all(text) if document is not None]


def check(name: str, inspection: Inspection) -> list[dict[str, Any]]:
    documents = reports(name, inspection)
    api_version, namespaced, cluster = KINDS[name]
    for document in documents:
        WRITTEN_AS.validate(document)
        inside = "namespace" in document["metadata"]
        assert (document["apiVersion"], document["kind"]) == (api_version, namespaced if inside else cluster)
        assert ("scope" in document) == inside
        assert ("source" in document) == (name == "openreports")
        assert is_dns_label(document["metadata"]["name"])
        assert sum(document["summary"].values()) == len(document["results"])
    keys = [(d["metadata"].get("namespace"), d["metadata"]["name"]) for d in documents]
    assert len(set(keys)) == len(keys)
    return documents


@pytest.mark.parametrize("name", sorted(KINDS))
@pytest.mark.parametrize("inspection", ALL.values(), ids=list(ALL))
def test_reports_have_the_published_shape(name: str, inspection: Inspection) -> None:
    check(name, inspection)


@pytest.mark.parametrize("name", sorted(KINDS))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(inspection=HOSTILE)
def test_reports_of_hostile_findings_hold_them_all(name: str, inspection: Inspection) -> None:
    documents = check(name, inspection)
    count = sum(len(document["results"]) for document in documents)
    assert count == len(inspection.findings) + len(inspection.not_evaluated)


def test_there_is_a_report_per_workload_and_one_for_what_has_no_namespace() -> None:
    found = [
        (d["kind"], d["metadata"].get("namespace"), [r["result"] for r in d["results"]])
        for d in reports("policyreport", EVERY)
    ]
    assert found == [
        ("ClusterPolicyReport", None, ["fail", "error", "error"]),
        ("PolicyReport", "jobs", ["error"]),
        ("PolicyReport", "kube-system", ["warn"]),
        ("PolicyReport", "shop", ["pass", "fail", "fail"]),
    ]


def test_a_result_names_image_and_registry() -> None:
    result = reports("openreports", EVERY)[-1]["results"][1]
    assert (result["policy"], result["rule"], result["source"]) == ("prod-sources", "allowed-sources", "portreeve")
    assert result["properties"]["registry"] == "harbor.example.com"
    assert result["properties"]["image"] == "harbor.example.com/other/api:1.4"


def test_what_no_policy_judged_is_skipped() -> None:
    (report,) = reports("policyreport", WITHOUT_POLICY)
    assert report["summary"]["skip"] == 1


def test_a_report_that_a_cluster_could_not_hold_is_split() -> None:
    documents = check("policyreport", Inspection("p", EVERY.stage, (DENIED,) * 501, ()))
    assert [len(document["results"]) for document in documents] == [500, 1]
