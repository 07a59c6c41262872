"""`portreeve promote` and `rollback`: what holds a policy is shown, and going back asks nothing."""

from __future__ import annotations

import pytest

from portreeve.core.blast_radius import RunningImage
from portreeve.server.database.writer import Transaction
from portreeve.server.images.service import Observation, observe
from tests.cli.conftest import Operator
from tests.cli.program import Program
from tests.server.plane import document


@pytest.fixture
def filled(operator: Operator) -> Operator:
    """A policy at audit, and a cluster without an agent where something runs that it does not allow."""
    restrict = {"stage": "audit", "allowedSources": [{"prefix": "harbor.example.com/shop", "scope": "Global"}]}
    operator.plane.put(
        document("EnvironmentGroup", "production"),
        document("Environment", "prod", tier="staging", group="production"),
        document("RegistryPolicy", "sources", groups=["production"], restrict=restrict),
    )

    async def job(transaction: Transaction) -> None:
        image = RunningImage("prod", "shop", "Deployment/api", "docker.io/library/nginx:1")
        facts = {"kubernetes": "v1.36.0", "namespaces": [{"name": "shop", "labels": {}}], "inventory": {}}
        await observe(transaction, Observation("prod", 1, facts, [(image, "")]))

    operator.plane.run(operator.plane.plane.server.writer.run(job))
    return operator


@pytest.mark.wide
def test_what_holds_a_policy_is_shown_and_can_be_overruled_and_taken_back(filled: Operator) -> None:
    refused = filled.run("promote", "sources", "--to", "deny", "-y")
    assert refused.code == 2
    lines = refused.out.splitlines()
    assert lines[0].split() == ["ENVIRONMENT", "HOLD", "UNTIL", "WHY"]
    assert {line.split()[1] for line in lines[1:4]} == {"stage_data_missing", "stage_violations", "stage_unproved"}
    assert lines[5:] == [
        "1 would be denied:",
        "ENVIRONMENT  NAMESPACE  OWNER           IMAGE",
        "prod         shop       Deployment/api  docker.io/library/nginx:1",
    ]
    assert "stage_held: 3 conditions hold sources back from deny" in refused.err
    told = filled.run("promote", "sources", "-o", "json")
    assert (told.code, told.json["error"]["code"], len(told.json["error"]["problems"])) == (2, "stage_held", 3)

    forced = ("promote", "sources", "--to", "deny", "--force", "--reason", "the mirror was compromised")
    assert filled.run(*forced, "--no-input").code == 2
    done = filled.run(*forced, "-y")
    assert (done.code, done.out) == (0, "RegistryPolicy/sources audit -> deny\n"), done.err
    assert "would be denied: prod shop Deployment/api docker.io/library/nginx:1" in done.err
    assert filled.run("describe", "policy", "sources", "-o", "json").json["status"]["moved"]["forced"] is True
    assert filled.run("promote", "sources").code == 2

    back = filled.run("rollback", "sources")
    assert (back.code, back.out, back.err) == (0, "RegistryPolicy/sources deny -> audit\n", "")
    again = filled.run("rollback", "sources", "-o", "json")
    assert (again.code, again.json["error"]["code"]) == (2, "stage_last")
    assert filled.run("rollback", "sources", "--to", "off", "-o", "json").json["spec"]["restrict"]["stage"] == "off"
    assert filled.run("rollback", "missing").code == 2


@pytest.mark.parametrize("words", [("--force",), ("--reason", "x"), ("--quiet-for", "week")])
def test_what_does_not_fit_together_is_refused_before_anything_is_asked(
    program: Program, words: tuple[str, ...]
) -> None:
    assert program.run("promote", "sources", *words).code == 2
