"""What holds for every format, and what each format says of the same findings."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from portreeve.core.findings import Finding, Inspection
from portreeve.core.verdict import Decision
from portreeve.wire.reports import FORMATS, github, junit, markdown
from portreeve.wire.reports import csv as csv_report
from portreeve.wire.reports import json as json_report
from portreeve.wire.reports.text import Row, help_uri, printable
from tests.wire.reports.cases import ALL, DENIED, EVERY, HOSTILE, NOTHING, VERSION, WITHOUT_POLICY, use

relaxed = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


def unjust(inspection: Inspection) -> list[Finding]:
    return [f for f in inspection.findings if f.decision in {Decision.DENY, Decision.UNKNOWN}]


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("inspection", ALL.values(), ids=list(ALL))
def test_every_format_is_text_that_ends_in_a_line_break_and_repeats_itself(name: str, inspection: Inspection) -> None:
    text = FORMATS[name](inspection, tool_version=VERSION)
    assert text.endswith("\n")
    assert text == FORMATS[name](inspection, tool_version=VERSION)


@pytest.mark.parametrize("name", sorted(FORMATS))
@relaxed
@given(inspection=HOSTILE)
def test_nothing_in_a_report_can_act_on_a_terminal(name: str, inspection: Inspection) -> None:
    text = FORMATS[name](inspection, tool_version="1\x1b[0m\n2")
    assert all(character.isprintable() or character in "\n\r" for character in text)
    text.encode()


# json


def test_json_has_the_documented_shape() -> None:
    document = json.loads(json_report.render(EVERY, tool_version=VERSION))
    assert list(document) == ["policy", "findings", "notEvaluated", "summary"]
    assert document["policy"] == "prod-sources"
    assert document["findings"][1] == {
        "file": "deploy/api.yaml",
        "line": 12,
        "kind": "Deployment",
        "namespace": "shop",
        "name": "api",
        "container": "web",
        "place": "containers",
        "image": "harbor.example.com/other/api:1.4",
        "canonical": "harbor.example.com/other/api:1.4",
        "verdict": "DENY",
        "code": "source_not_allowed",
        "reason": "not under any allowed source for namespace shop",
        "nearest": "harbor.example.com/shop",
    }
    assert document["notEvaluated"][1] == {"file": "data.bin", "line": 0, "code": "binary", "reason": "not text"}
    assert document["summary"] == {"allowed": 1, "denied": 4, "unknown": 1, "notEvaluated": 2}


def test_json_without_a_policy_says_null() -> None:
    document = json.loads(json_report.render(WITHOUT_POLICY, tool_version=VERSION))
    (finding,) = document["findings"]
    assert document["policy"] is None
    assert [finding[name] for name in ("verdict", "code", "reason", "nearest")] == [None] * 4
    assert finding["canonical"] == "docker.io/library/nginx:latest"


@relaxed
@given(HOSTILE)
def test_json_keeps_every_value_as_given(inspection: Inspection) -> None:
    document = json.loads(json_report.render(inspection, tool_version=VERSION))
    assert [f["image"] for f in document["findings"]] == [f.use.image for f in inspection.findings]
    assert [f["name"] for f in document["findings"]] == [f.use.name for f in inspection.findings]
    assert [n["reason"] for n in document["notEvaluated"]] == [n.reason for n in inspection.not_evaluated]


# csv


def table(inspection: Inspection) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_report.render(inspection, tool_version=VERSION), newline="")))


def test_csv_has_a_header_and_a_line_per_finding_and_per_gap() -> None:
    rows = table(EVERY)
    assert list(rows[0]) == list(Row.__dataclass_fields__)
    assert [row["verdict"] for row in rows] == [
        "ALLOW", "DENY", "DENY", "UNKNOWN", "DENY", "DENY", "NOT_EVALUATED", "NOT_EVALUATED",
    ]  # fmt: skip
    assert rows[-1]["code"] == "binary"


@relaxed
@given(HOSTILE)
def test_csv_holds_every_row_and_no_formula(inspection: Inspection) -> None:
    rows = table(inspection)
    assert len(rows) == len(inspection.findings) + len(inspection.not_evaluated)
    for row in rows:
        assert None not in row
        assert not any(value.lstrip().startswith(("=", "+", "-", "@", "|", "%")) for value in row.values())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        ("nginx", "nginx"),
        ("a=b", "a=b"),
        ("\t=1", "\\t=1"),
        (None, ""),
        (7, "7"),
    ],
)
def test_a_cell_that_begins_like_a_formula_gets_an_apostrophe(value: str | int | None, shown: str) -> None:
    assert csv_report.cell(value) == shown


# markdown


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not attrs


@relaxed
@given(HOSTILE)
def test_markdown_holds_no_foreign_tag_link_or_cell(inspection: Inspection) -> None:
    text = markdown.render(inspection, tool_version=VERSION)
    tags = Tags()
    tags.feed(text)
    assert tags.seen <= {"code", "br", "sub"}
    assert all(link.startswith("](https://portreeve.io/docs/errors.md") for link in re.findall(r"\]\([^)]*", text))
    inside = "".join(re.findall(r"<code>(.*?)</code>", text))
    assert not re.search(r"[`|*_~\[\]@]|://|www\.", inside)
    assert len(text) <= 65_536


def test_markdown_lists_what_failed_and_counts_the_rest() -> None:
    text = markdown.render(EVERY, tool_version=VERSION)
    rows = [line for line in text.splitlines() if line.startswith(("| DENY", "| UNKNOWN"))]
    assert [row.split(" ")[1] for row in rows] == ["DENY"] * 4 + ["UNKNOWN"]
    assert all(row.replace("\\|", "").count("|") == 6 for row in rows)
    assert "1 allowed · 4 denied · 1 unknown · 2 not evaluated" in text
    assert "harbor.example.com/shop/api:1.4" not in text


def test_markdown_that_a_comment_could_not_hold_is_cut_and_says_so() -> None:
    text = markdown.render(Inspection("p", EVERY.stage, (DENIED,) * 1000, EVERY.not_evaluated), tool_version=VERSION)
    assert len(text) <= 65_536
    assert re.search("and [0-9]+ more lines", text)


# github

COMMAND = re.compile("::(error|warning|notice)( [^:\n]*)?::([^\n]*)")


@relaxed
@given(HOSTILE)
def test_every_line_is_one_workflow_command(inspection: Inspection) -> None:
    lines = github.render(inspection, tool_version=VERSION).split("\n")[:-1]
    assert len(lines) == len(unjust(inspection)) + len(inspection.not_evaluated) + 1
    assert all(COMMAND.fullmatch(line) for line in lines)


def test_annotations_stand_on_their_line_with_the_level_of_the_stage() -> None:
    lines = github.render(EVERY, tool_version=VERSION).split("\n")
    assert lines[0].startswith(
        "::error file=deploy/api.yaml,line=12,title=source_not_allowed::DENY harbor.example.com/other/api:1.4"
    )
    assert [line.split(" ")[0] for line in lines[:-1]] == ["::error"] * 3 + ["::warning"] * 3 + ["::notice"] * 2
    # The first notice is of kube-system, which is only audited; the last one is the counts.
    assert "kube-system" in lines[-3]
    assert "::warning file=data.bin,title=binary::not evaluated: not text" in lines


def test_commands_are_escaped_as_the_toolkit_does() -> None:
    assert github.command("error", "100% a:b,c", file="a,b:c%.yaml", line=3) == (
        "::error file=a%2Cb%3Ac%25.yaml,line=3::100%25 a:b,c"
    )


# junit


@relaxed
@given(HOSTILE)
def test_junit_is_xml_with_a_case_per_finding_and_gap(inspection: Inspection) -> None:
    suite = ET.fromstring(junit.render(inspection, tool_version=VERSION)).find("testsuite")
    assert suite is not None
    cases = suite.findall("testcase")
    assert len(cases) == len(inspection.findings) + len(inspection.not_evaluated) == int(suite.attrib["tests"])
    for tag in ("failure", "error", "skipped"):
        attribute = "skipped" if tag == "skipped" else f"{tag}s"
        assert sum(case.find(tag) is not None for case in cases) == int(suite.attrib[attribute])


def test_junit_has_the_attributes_that_its_readers_need() -> None:
    root = ET.fromstring(junit.render(EVERY, tool_version=VERSION))
    suite = root[0]
    assert root.tag == "testsuites"
    assert {"name", "tests", "failures", "errors"} <= set(suite.attrib)
    assert set(root.attrib) <= {"name", "time", "tests", "failures", "errors"}
    for case in suite.findall("testcase"):
        assert set(case.attrib) == {"name", "classname", "time"}
        assert {child.tag for child in case} <= {"failure", "error", "skipped"}
        assert all(set(child.attrib) == {"type", "message"} for child in case)


def test_what_no_policy_judged_is_no_passed_test() -> None:
    suite = ET.fromstring(junit.render(WITHOUT_POLICY, tool_version=VERSION))[0]
    assert suite.attrib["skipped"] == "1"


# text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202e", "\\u202e"),
        ("\ud800", "\\ud800"),
        ("é ü", "é ü"),
        ("x" * 3000, "x" * 2000 + "…"),
    ],
)
def test_foreign_text_is_made_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_code_leads_to_its_heading() -> None:
    assert help_uri("source_not_allowed").endswith("/errors.md#source_not_allowed")
    assert help_uri("a b").endswith("/errors.md")


def test_the_yaml_of_nothing_is_empty() -> None:
    assert list(yaml.safe_load_all(FORMATS["policyreport"](NOTHING, tool_version=VERSION))) in ([], [None])


def test_use_is_what_the_cases_are_made_of() -> None:
    assert use("nginx").image == "nginx"
