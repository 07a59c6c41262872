from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from portreeve.core.findings import Inspection
from portreeve.core.policy import Stage
from portreeve.core.verdict import Decision
from portreeve.wire.reports.sarif import FINGERPRINT, artifact, message, render
from tests.wire.reports.cases import ALL, DENIED, EVERY, HOSTILE, VERSION, judged, use


def log(inspection: Inspection, **options: int) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(inspection, tool_version=VERSION, **options))
    return document


def check_required_fields(document: dict[str, Any]) -> None:
    """What the specification requires of the objects that we write (3.13, 3.14, 3.18 to 3.20, 3.27 to 3.30, 3.49)."""
    assert document["version"] == "2.1.0"
    assert set(document) == {"$schema", "version", "runs"}
    ids = [run["automationDetails"]["id"] for run in document["runs"]]
    assert len(set(ids)) == len(ids) >= 1
    for run in document["runs"]:
        rules = run["tool"]["driver"]["rules"]
        assert run["tool"]["driver"]["name"] == "portreeve"
        assert len({rule["id"] for rule in rules}) == len(rules)
        for rule in rules:
            assert rule["helpUri"].startswith("https://")
            assert all(rule[name]["text"] for name in ("shortDescription", "fullDescription", "help"))
        assert all(isinstance(call["executionSuccessful"], bool) for call in run["invocations"])
        for result in run["results"]:
            check_result(result, rules)


def check_result(result: dict[str, Any], rules: list[dict[str, Any]]) -> None:
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert result["level"] in {"error", "warning", "note"}
    assert result["message"]["text"]
    (location,) = result["locations"]
    physical = location["physicalLocation"]
    uri = physical["artifactLocation"]["uri"]
    assert uri.isascii()
    assert not set(uri) & set(' <>"{}|\\^`\n')
    assert ("uriBaseId" in physical["artifactLocation"]) == (not uri.startswith("file:///"))
    assert physical.get("region", {"startLine": 1})["startLine"] >= 1
    assert all(isinstance(value, str) for value in result["partialFingerprints"].values())


@pytest.mark.parametrize("inspection", ALL.values(), ids=list(ALL))
def test_a_log_has_what_the_specification_requires(inspection: Inspection) -> None:
    check_required_fields(log(inspection))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(HOSTILE)
def test_a_log_of_hostile_findings_holds_them_all(inspection: Inspection) -> None:
    document = log(inspection)
    check_required_fields(document)
    bad = [f for f in inspection.findings if f.decision in {Decision.DENY, Decision.UNKNOWN}]
    assert len(document["runs"][0]["results"]) == len(bad) + len(inspection.not_evaluated)


def test_results_are_denied_then_unknown_then_not_evaluated() -> None:
    results = log(EVERY)["runs"][0]["results"]
    assert [(r["ruleId"], r["level"]) for r in results] == [
        ("source_not_allowed", "error"),
        ("unsafe_reference", "error"),
        ("source_not_allowed", "note"),
        ("source_not_allowed", "error"),
        ("grant_unresolved", "warning"),
        ("template", "note"),
        ("binary", "note"),
    ]


@pytest.mark.parametrize(
    ("stage", "level"),
    [(Stage.DENY, "error"), (Stage.WARN, "warning"), (Stage.AUDIT, "note"), (Stage.OFF, "note")],
)
def test_the_level_is_that_of_the_stage(stage: Stage, level: str) -> None:
    (result,) = log(Inspection("p", stage, (DENIED,), ()))["runs"][0]["results"]
    assert result["level"] == level


def fingerprints(*findings: Any) -> list[str]:
    results = log(Inspection("p", Stage.DENY, findings, ()))["runs"][0]["results"]
    return [result["partialFingerprints"][FINGERPRINT] for result in results]


def test_moving_lines_keeps_the_fingerprint() -> None:
    moved = replace(DENIED, use=replace(DENIED.use, line=4000))
    assert fingerprints(DENIED) == fingerprints(moved)


@pytest.mark.parametrize(
    "change",
    [{name: "other"} for name in ("file", "kind", "namespace", "name", "container", "image")],
    ids=str,
)
def test_another_path_object_container_or_image_is_another_fingerprint(change: dict[str, str]) -> None:
    assert fingerprints(DENIED) != fingerprints(replace(DENIED, use=replace(DENIED.use, **change)))  # type: ignore[arg-type]  # a table of changes


def test_the_same_use_twice_has_two_fingerprints() -> None:
    assert len(set(fingerprints(DENIED, DENIED, DENIED))) == 3


def test_other_spellings_of_a_path_have_the_same_fingerprint() -> None:
    assert fingerprints(DENIED) == fingerprints(replace(DENIED, use=replace(DENIED.use, file="./deploy//api.yaml")))


def test_more_results_than_a_run_holds_are_split_and_said_so() -> None:
    findings = tuple(judged(use(f"other.example/app:{i}")) for i in range(5))
    document = log(Inspection("p", Stage.DENY, findings, ()), results_per_run=2)
    check_required_fields(document)
    assert [len(run["results"]) for run in document["runs"]] == [2, 2, 1]
    notes = document["runs"][1]["invocations"][0]["toolExecutionNotifications"]
    assert any("run 2 of 3" in note["message"]["text"] for note in notes)


def test_more_results_than_a_log_holds_are_left_out_and_said_so() -> None:
    findings = (DENIED,) * 23
    document = log(Inspection("p", Stage.DENY, findings, ()), results_per_run=1)
    assert len(document["runs"]) == 20
    last = document["runs"][-1]["invocations"][0]["toolExecutionNotifications"]
    assert [n["message"]["text"] for n in last if n["level"] == "warning"] == [
        "3 of 23 results are left out: a log holds 20 runs"
    ]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("deploy/a b.yaml", {"uri": "deploy/a%20b.yaml", "uriBaseId": "%SRCROOT%"}),
        ("./deploy/../api.yaml", {"uri": "api.yaml", "uriBaseId": "%SRCROOT%"}),
        ("c:x.yaml", {"uri": "c%3Ax.yaml", "uriBaseId": "%SRCROOT%"}),
        ("ü%.yaml", {"uri": "%C3%BC%25.yaml", "uriBaseId": "%SRCROOT%"}),
        ("/src/a.yaml", {"uri": "file:///src/a.yaml"}),
        ("//src/a.yaml", {"uri": "file:///src/a.yaml"}),
        ("-", {"uri": "stdin", "uriBaseId": "%SRCROOT%"}),
    ],
)
def test_paths_become_uris(file: str, expected: dict[str, str]) -> None:
    assert artifact(file) == expected


def test_messages_hold_no_placeholder_and_no_link() -> None:
    assert message("{0} and [x](1)") == "{{0}} and \\[x\\](1)"
    assert message("spec.access[0]") == "spec.access[0]"
