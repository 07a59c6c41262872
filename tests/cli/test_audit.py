"""`audit` and `token`: verbs of routes that some control planes do not have yet."""

from __future__ import annotations

import httpx2

from tests.cli.conftest import Operator
from tests.server.people.person import PASSWORD, with_password
from tests.server.plane import document


def test_events_are_listed_and_narrowed(operator: Operator) -> None:
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
    by_text = operator.run("audit", "--text", "GRANT", "--outcome", "done", "-o", "json").json["items"]
    assert {one["action"] for one in by_text} == {"role.grant"}
    wrong = operator.run("audit", "--since", "yesterday", "-o", "json")
    assert (wrong.code, "error" in wrong.json) == (2, True)


def test_an_export_of_the_log_is_one_that_verify_reads(operator: Operator) -> None:
    done = operator.run("audit", "export", "-o", "audit.jsonl")
    assert (done.code, done.out) == (0, ""), done.err
    assert (operator.program.folder / "audit.jsonl").stat().st_size
    again = operator.run("audit", "export")
    assert again.out.startswith((operator.program.folder / "audit.jsonl").read_text().splitlines()[0])
    headers = {"Authorization": f"Bearer {operator.token}"}
    key = httpx2.get(f"{operator.plane.url}/api/v1/audit/key", headers=headers, trust_env=False).text
    operator.program.write("audit.pub", key)
    assert operator.run("verify", "audit", "audit.jsonl", "--key-file", "audit.pub").code == 0
    failed = operator.run("audit", "export", "-o", "no/such/file")
    assert failed.code == 2


def test_tokens_are_for_people_who_signed_in(operator: Operator) -> None:
    # An API token makes no others: the control plane refuses, and says where they are made.
    for arguments in (["create", "ci", "--expires-at", "2027-02-01T00:00:00Z"], ["list"], ["revoke", "nothing"]):
        done = operator.run("token", *arguments, "-o", "json")
        assert (done.code, done.json["error"]["code"]) == (4, "session_needed")


def test_whoever_signs_in_makes_lists_and_revokes_tokens(operator: Operator) -> None:
    operator.plane.run(with_password(operator.plane.plane, "root"))
    who, end = ("--user", "root", "--password-stdin"), ("--expires-at", "2027-02-01T00:00:00Z")
    made = operator.run("token", "create", "ci", *end, *who, stdin=f"{PASSWORD}\n")
    assert (made.code, len(made.out.splitlines())) == (0, 1), "the token stands alone"
    token = {"PORTREEVE_TOKEN": made.out.strip()}
    assert made.out.strip() not in made.err
    assert operator.run("get", "teams", env=token).code == 0
    listed = operator.run("token", "list", *who, "-o", "json", stdin=PASSWORD)
    found = next(one["id"] for one in listed.json["items"] if one["title"] == "ci")
    revoked = operator.run("token", "revoke", found, *who, stdin=PASSWORD)
    assert revoked.out == f"token {found} revoked\n"
    assert operator.run("get", "teams", env=token).code == 4
    wrong = operator.run("token", "list", *who, "-o", "json", stdin="canary-other")
    assert wrong.code == 4
    for done in (made, listed, revoked, wrong):
        assert PASSWORD not in done.out + done.err
        assert "canary" not in done.out + done.err


def test_a_password_comes_from_somewhere_and_is_somebodys(operator: Operator) -> None:
    assert "--password-stdin needs --user" in operator.run("token", "list", "--password-stdin").err
    done = operator.run("token", "list", "--user", "root", "-o", "json")
    assert (done.code, done.json["error"]["code"]) == (2, "answer_needed")
    assert operator.run("token", "list", "--user", "root", "--password-stdin").code == 2


def test_wrong_input_is_named(operator: Operator) -> None:
    for arguments in (
        ["audit", "exprt"],
        ["token"],
        ["token", "create"],
        ["token", "create", "x"],
        ["audit", "--limit", "0"],
    ):
        assert operator.run(*arguments).code == 2
