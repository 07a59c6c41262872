"""`portreeve test`: cases of policies."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from tests.cli.program import Program

TEST = """\
kind: PolicyTest
metadata: {name: prod-sources}
spec:
  policies: [../policy.yaml]
  cases:
    - {image: nginx, namespace: shop, verdict: DENY, canonical: "docker.io/library/nginx:latest"}
    - {image: harbor.example.com/shop/api:1.4, namespace: shop, verdict: ALLOW}
"""


def test_cases_pass(program: Program) -> None:
    program.write("cases/prod.yaml", TEST)
    done = program.run("test", "cases/prod.yaml")
    assert done.code == 0
    assert done.out.splitlines() == [
        "PASS  prod-sources  nginx in shop  DENY  (cases/prod.yaml spec.cases[0])",
        "PASS  prod-sources  harbor.example.com/shop/api:1.4 in shop  ALLOW  (cases/prod.yaml spec.cases[1])",
        "2 passed · 0 failed",
    ]


def test_a_case_that_differs_exits_1_and_says_how(program: Program) -> None:
    program.write("cases/prod.yaml", TEST.replace("verdict: ALLOW", "verdict: DENY").replace(":latest", ":1"))
    done = program.run("test", "cases", "--report", "junit=out.xml")
    assert done.code == 1
    assert "expected canonical docker.io/library/nginx:1, is docker.io/library/nginx:latest" in done.out
    assert "expected DENY, is ALLOW: harbor.example.com/shop is allowed everywhere" in done.out
    assert "0 passed · 2 failed" in done.out
    suite = Xml.parse(program.folder / "out.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")


def test_json_holds_every_case(program: Program) -> None:
    program.write("cases/prod.yaml", TEST)
    answer = program.run("test", "cases/prod.yaml", "-o", "json").json
    assert answer["summary"] == {"passed": 2, "failed": 0}
    assert [case["verdict"] for case in answer["cases"]] == ["DENY", "ALLOW"]


def test_no_case_is_fine_unless_required(program: Program) -> None:
    done = program.run("test", "policy.yaml")
    assert (done.code, done.out) == (0, "0 passed · 0 failed\n")


def test_a_missing_policy_of_a_test_is_named(program: Program) -> None:
    program.write("prod.yaml", TEST)
    done = program.run("test", "prod.yaml")
    assert done.code == 2
    assert "../policy.yaml does not exist" in done.err


def test_a_wrong_test_document_is_named_with_its_place(program: Program) -> None:
    program.write("prod.yaml", TEST.replace("verdict: ALLOW", "verdict: MAYBE"))
    done = program.run("test", "prod.yaml")
    assert done.code == 2
    assert "prod.yaml:1: spec.cases[1].verdict" in done.err


def test_a_report_may_go_to_standard_output(program: Program) -> None:
    program.write("cases/prod.yaml", TEST)
    done = program.run("test", "cases/prod.yaml", "--report", "junit=-")
    assert Xml.fromstring(done.out).tag == "testsuites"
    assert done.err == "2 passed · 0 failed\n"
