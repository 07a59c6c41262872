"""`portreeve simulate`: the difference between two policies over the same files."""

from __future__ import annotations

from tests.cli.conftest import BROKEN, POLICY
from tests.cli.program import Program

WIDER = POLICY.replace(
    "    allowedSources:\n", "    allowedSources:\n      - {prefix: docker.io/library/nginx, scope: Global}\n"
)


def test_what_would_newly_be_denied_exits_1(program: Program) -> None:
    program.write("old.yaml", WIDER)
    done = program.run("simulate", "--policy", "policy.yaml", "--baseline", "old.yaml", "app.yaml")
    assert done.code == 1
    assert done.out.splitlines() == [
        "NEWLY DENIED  docker.io/library/nginx:latest  in default  1 use",
        "      first: app.yaml:20",
        "      ALLOW -> DENY: not under any allowed source for namespace default",
        "NEWLY DENIED  docker.io/library/nginx:latest  in shop  1 use",
        "      first: app.yaml:9",
        "      ALLOW -> DENY: not under any allowed source for namespace shop",
        "2 newly denied · 0 newly allowed · 1 unchanged",
    ]


def test_what_is_newly_allowed_exits_0(program: Program) -> None:
    program.write("new.yaml", WIDER)
    done = program.run("simulate", "--policy", "new.yaml", "--baseline", "policy.yaml", "app.yaml", "-o", "json")
    assert done.code == 0
    assert done.json["summary"] == {"newlyDenied": 0, "newlyAllowed": 2, "newlyUnknown": 0, "unchanged": 1}
    assert {change["change"] for change in done.json["changes"]} == {"newly allowed"}


def test_without_a_baseline_everything_runs_today(program: Program) -> None:
    done = program.run("simulate", "--policy", "policy.yaml", "app.yaml", "-o", "csv")
    assert done.code == 1
    assert len(done.out.splitlines()) == 3
    assert done.err == "2 newly denied · 0 newly allowed · 1 unchanged\n"


def test_the_stage_is_no_part_of_it(program: Program) -> None:
    program.write("audit.yaml", POLICY.replace("stage: deny", "stage: audit"))
    assert program.run("simulate", "--policy", "audit.yaml", "app.yaml").code == 1
    assert program.run("simulate", "--policy", "audit.yaml", "--baseline", "policy.yaml", "app.yaml").code == 0


def test_what_could_not_be_evaluated_exits_3(program: Program) -> None:
    program.write("broken.yaml", BROKEN)
    arguments = ("simulate", "--policy", "policy.yaml", "--baseline", "policy.yaml", "broken.yaml")
    assert program.run(*arguments).code == 3
    assert program.run(*arguments, "--allow-incomplete").code == 0


def test_each_side_chooses_its_own_policy(program: Program) -> None:
    program.write("both.yaml", POLICY + "---\n" + WIDER.replace("prod-sources", "wider"))
    done = program.run("simulate", "-p", "both.yaml", "--policy-name", "prod-sources",
                       "--baseline", "both.yaml", "--baseline-name", "wider", "app.yaml")  # fmt: skip
    assert (done.code, done.out.splitlines()[-1]) == (1, "2 newly denied · 0 newly allowed · 1 unchanged")
