"""JUnit XML: one test case per image use; failures for DENY, skipped for UNKNOWN, errors for what was not evaluated.

Sources: the schema that Jenkins' xunit plugin reads (junit-10.xsd), which GitLab and Azure Pipelines read too;
XML 1.0, 2.2 (characters).
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from portreeve.core.findings import Finding, Inspection
from portreeve.core.verdict import Decision
from portreeve.wire.reports.text import place_of, printable, row, sentence


def render(inspection: Inspection, *, tool_version: str) -> str:
    """One suite. A use that no policy judged counts as skipped, not as passed."""
    suite = ET.Element("testsuite", name="portreeve check")
    properties = ET.SubElement(suite, "properties")
    ET.SubElement(properties, "property", name="portreeve.version", value=printable(tool_version))
    ET.SubElement(properties, "property", name="portreeve.policy", value=printable(inspection.policy or ""))
    for finding in inspection.findings:
        _case(suite, finding)
    for missing in inspection.not_evaluated:
        case = _test_case(suite, place_of(missing), "not evaluated")
        _outcome(case, "error", missing.code, missing.reason)
    counts = {
        "tests": len(inspection.findings) + len(inspection.not_evaluated),
        "failures": inspection.summary.denied,
        "errors": inspection.summary.not_evaluated,
        "skipped": inspection.summary.unknown + inspection.summary.unjudged,
    }
    for name, count in counts.items():
        suite.set(name, str(count))
    root = ET.Element("testsuites", {name: str(counts[name]) for name in ("tests", "failures", "errors")})
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _case(suite: ET.Element, finding: Finding) -> None:
    use, flat = finding.use, row(finding)
    case = _test_case(suite, use.file, f"{use.kind} {use.namespace}/{use.name}, {use.container}: {use.image}")
    if finding.decision is Decision.DENY:
        _outcome(case, "failure", flat.code or "", flat.reason or "", f"{use.file}:{use.line}\n{sentence(finding)}")
    elif finding.decision is not Decision.ALLOW:
        _outcome(case, "skipped", flat.code or "not_judged", flat.reason or "no policy was given")


def _test_case(suite: ET.Element, class_name: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=printable(class_name), name=printable(name), time="0")


def _outcome(case: ET.Element, tag: str, code: str, reason: str, body: str = "") -> None:
    outcome = ET.SubElement(case, tag, type=printable(code), message=printable(reason))
    outcome.text = "\n".join(map(printable, body.split("\n"))) if body else None
