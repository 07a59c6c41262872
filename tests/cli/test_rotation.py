"""`portreeve rotation`, `pullsecrets` and `attachments`: how far things have come, for people and for programs."""

from __future__ import annotations

import pytest

from portreeve.server.database.writer import Transaction
from portreeve.server.images.service import Observation, observe
from tests.cli.conftest import Operator
from tests.cli.program import Program
from tests.server.plane import document

DECLARED = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}


@pytest.fixture
def filled(operator: Operator) -> Operator:
    """A registry that was rotated, granted in a cluster that has not got the new version in one of two namespaces."""
    operator.plane.put(
        document("EnvironmentGroup", "production"),
        document("Environment", "prod", tier="staging", group="production"),
        document("Registry", "harbor", provider="harbor", host="harbor.example.com", credentials=[DECLARED]),
        document(
            "RegistryAccess", "shop", registry="harbor", environment="prod", namespaces={"names": ["pay", "shop"]}
        ),
    )
    for word in (("--set",), ("--overlap", "36h")):
        done = operator.run("rotate", "registry", "harbor", "--secret-stdin", *word, stdin="secret-of-harbor")
        assert done.code == 0, done.err
    credential = operator.run("rotation", "harbor", "-o", "json").json["credential"]["id"]

    async def job(transaction: Transaction) -> None:
        held = [
            {"registry": "harbor", "credential": credential, "version": version, "state": "live"} for version in (1, 2)
        ]
        secrets = [
            {"namespace": "pay", "uid": "u", "phase": "Delivered", "entries": held[:1]},
            {"namespace": "shop", "uid": "u", "phase": "Delivered", "entries": held},
        ]
        conditions = [{"type": "Delivered", "status": "False", "reason": "SecretConflict", "message": "pay: taken"}]
        facts = {"pullSecrets": secrets, "conditions": conditions, "namespaces": [{"name": "pay"}, {"name": "shop"}]}
        await observe(transaction, Observation("prod", 1, facts, []))

    operator.plane.run(operator.plane.plane.server.writer.run(job))
    return operator


@pytest.mark.wide
def test_counts_come_first_and_then_what_is_behind(filled: Operator) -> None:
    shown = filled.run("rotation", "harbor")
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[0].startswith("harbor version 2: 0 of 1 environments have it; 1 without an agent; 1 of 2 namespaces")
    assert lines[1] == "  prod: no agent, last seen never"
    assert lines[2].split()[:3] == ["ENVIRONMENT", "NAMESPACE", "WANTED"]
    assert [line.split()[:6] for line in lines[3:]] == [["prod", "pay", "2", "1", "live", "behind"]]
    assert len(filled.run("rotation", "harbor", "--all").out.splitlines()) == 5
    whole = filled.run("rotation", "harbor", "-o", "json").json
    assert [one["standing"] for one in whole["items"]] == ["behind", "current"]
    assert "secret-of-harbor" not in str(whole)
    # Nobody waits for a cluster without an agent, so following it ends.
    followed = filled.run("rotation", "harbor", "--watch", "-o", "csv")
    assert (followed.code, followed.out.splitlines()[0]) == (
        0, "ENVIRONMENT,NAMESPACE,WANTED,THERE,STATE,STANDING,EXPIRES,CONFLICT",
    )  # fmt: skip
    assert filled.run("rotation", "quay").code == 2


@pytest.mark.wide
def test_pull_secrets_and_attachments(filled: Operator) -> None:
    lines = filled.run("pullsecrets", "prod").out.splitlines()
    assert [line.split()[:5] for line in lines[1:]] == [
        ["pay", "Delivered", "harbor", "1", "live"],
        ["shop", "Delivered", "harbor", "1", "live"],
        ["shop", "Delivered", "harbor", "2", "live"],
    ]
    assert filled.run("pullsecrets", "prod", "-o", "name").out == "pay\nshop\n"
    lines = filled.run("attachments", "-e", "prod", "--search", "taken").out.splitlines()
    assert lines[0].split()[:5] == ["ENVIRONMENT", "KIND", "NAME", "CONDITION", "STATUS"]
    assert [line.split()[:6] for line in lines[1:]] == [
        ["prod", "Environment", "prod", "Delivered", "Unknown", "Silent"],
        ["prod", "RegistryAccess", "shop", "Delivered", "Unknown", "Silent"],
    ]
    assert filled.run("attachments", "--group", "none").err == "nothing is attached\n"
    assert len(filled.run("attachments", "-o", "csv").out.splitlines()) == 4


@pytest.mark.parametrize("wrong", ["day", "24"])
def test_a_duration_is_refused_that_is_none(program: Program, wrong: str) -> None:
    done = program.run("rotate", "registry", "harbor", "--secret-stdin", "--overlap", wrong, stdin="x")
    assert (done.code, "duration" in done.err) == (2, True)
