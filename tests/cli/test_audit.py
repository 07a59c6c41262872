"""`audit` and `token`: verbs of routes that some control planes do not have yet."""

from __future__ import annotations

from tests.cli.conftest import Operator
from tests.server.plane import document


def test_events_are_listed_and_narrowed(operator: Operator) -> None:
    operator.needs("/api/v1/audit")
    operator.write("team.yaml", document("Team", "shop"))
    operator.run("apply", "-f", "team.yaml", "-y")
    found = operator.run("audit", "--principal", "root", "-o", "json").json["items"]
    assert found
    assert {one["actor"]["principal"] for one in found} == {"root"}
    assert operator.run("audit").out.splitlines()[0].split() == [
        "TIME",
        "PRINCIPAL",
        "ACTION",
        "KIND",
        "NAME",
        "OUTCOME",
    ]
    assert operator.run("audit", "--principal", "nobody-at-all").err == "no events\n"
    assert len(operator.run("audit", "--limit", "1", "--no-headers").out.splitlines()) == 1
    assert operator.run("audit", "-o", "csv").out.startswith("TIME,PRINCIPAL")
    wrong = operator.run("audit", "--since", "yesterday", "-o", "json")
    assert (wrong.code, "error" in wrong.json) == (2, True)


def test_an_export_of_the_log_is_one_that_verify_reads(operator: Operator) -> None:
    operator.needs("/api/v1/audit/export")
    done = operator.run("audit", "export", "-o", "audit.jsonl")
    assert (done.code, done.out) == (0, ""), done.err
    assert (operator.program.folder / "audit.jsonl").stat().st_size
    assert operator.run("audit", "export").out == (operator.program.folder / "audit.jsonl").read_text()
    failed = operator.run("audit", "export", "-o", "no/such/file")
    assert failed.code == 2


def test_without_the_routes_the_error_says_so(operator: Operator) -> None:
    for path, arguments in (("/api/v1/audit", ["audit"]), ("/api/v1/me/tokens", ["token", "list"])):
        if not operator.plane.has_route(path, token=operator.token):
            done = operator.run(*arguments, "-o", "json")
            assert (done.code, done.json["error"]["code"]) == (2, "no_route")


def test_tokens_are_for_people_who_signed_in(operator: Operator) -> None:
    operator.needs("/api/v1/me/tokens")
    # An API token makes no others: the control plane refuses, and says where they are made.
    for arguments in (["create", "ci", "--expires-at", "2027-02-01T00:00:00Z"], ["list"], ["revoke", "nothing"]):
        done = operator.run("token", *arguments, "-o", "json")
        assert (done.code, done.json["error"]["code"]) == (4, "session_needed")


def test_wrong_input_is_named(operator: Operator) -> None:
    for arguments in (
        ["audit", "exprt"],
        ["token"],
        ["token", "create"],
        ["token", "create", "x"],
        ["audit", "--limit", "0"],
    ):
        assert operator.run(*arguments).code == 2
