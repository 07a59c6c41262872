"""`portreeve check`, run as a program."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest

from portreeve.cli.check import FORMATS
from portreeve.wire.reports import FORMATS as WRITTEN
from tests.cli.conftest import BROKEN, POLICY
from tests.cli.program import PROGRAM, Program

pytestmark = pytest.mark.wide


def test_a_denied_image_is_shown_with_place_reason_and_fix(program: Program) -> None:
    done = program.run("check", "app.yaml", "-p", "policy.yaml")
    assert done.code == 1
    assert done.out.splitlines() == [
        "DENY  app.yaml:9  Deployment/api  init container migrate",
        "      docker.io/library/nginx:latest  (written nginx)",
        "      not under any allowed source for namespace shop (policy prod-sources, spec.restrict.allowedSources)",
        "      fix: use a mirror under harbor.example.com/shop/, add a source, or request an exemption",
        "DENY  app.yaml:20  Pod/lone  container web",
        "      docker.io/library/nginx:latest  (written nginx)",
        "      not under any allowed source for namespace default (policy prod-sources, spec.restrict.allowedSources)",
        "      fix: use a mirror under harbor.example.com/shop/, add a source, or request an exemption",
        "1 allowed · 2 denied · 0 not evaluated        exit 1",
    ]
    assert done.err == ""


def test_the_same_verdict_is_explained_once(program: Program) -> None:
    program.write("twice.yaml", (program.folder / "app.yaml").read_text())
    lines = program.run("check", "app.yaml", "twice.yaml", "-p", "policy.yaml").out.splitlines()
    assert "      docker.io/library/nginx:latest  as at app.yaml:9" in lines
    assert sum(line.startswith("      fix:") for line in lines) == 2


def test_a_source_of_the_same_owner_is_offered_for_widening(program: Program) -> None:
    program.write("policy.yaml", POLICY.replace("harbor.example.com/shop,", "harbor.example.com/shop/web,"))
    out = program.run("check", "app.yaml", "-p", "policy.yaml").out
    assert "fix: widen harbor.example.com/shop/web (spec.restrict.allowedSources[0]), or request an exemption" in out


def test_without_a_policy_nothing_is_judged(program: Program) -> None:
    done = program.run("check", "app.yaml")
    assert done.code == 0
    following = "portreeve suggest app.yaml > policy.yaml && portreeve check app.yaml -p policy.yaml"
    assert done.out.splitlines() == [
        "3 images in 2 objects (2 distinct)",
        "source                   uses  distinct  by digest",
        "docker.io/library           2         1          0",
        "harbor.example.com/shop     1         1          0",
        '! 2 uses have no tag or ":latest": first at app.yaml:9',
        "! 2 uses have a short name: nginx → docker.io/library/nginx:latest",
        f"No policy given: nothing was judged.   Next:  {following}",
    ]


def test_without_a_policy_the_json_has_no_verdict(program: Program) -> None:
    answer = program.run("check", "app.yaml", "-o", "json").json
    assert answer["policy"] is None
    assert {finding["verdict"] for finding in answer["findings"]} == {None}


def test_the_json_has_the_documented_shape(program: Program) -> None:
    program.write("broken.yaml", BROKEN)
    done = program.run("check", "app.yaml", "broken.yaml", "-p", "policy.yaml", "-o", "json")
    assert done.json["summary"] == {"allowed": 1, "denied": 2, "unknown": 0, "notEvaluated": 1}
    assert set(done.json["findings"][0]) == {
        "file", "line", "kind", "namespace", "name", "container", "place", "image", "canonical", "verdict", "code",
        "reason", "nearest",
    }  # fmt: skip
    assert done.json["notEvaluated"][0]["file"] == "broken.yaml"
    assert "1 not evaluated        exit 1" in done.err


def test_standard_input_is_read(program: Program) -> None:
    done = program.run("check", "-", "-p", "policy.yaml", stdin=(program.folder / "app.yaml").read_text())
    assert done.code == 1
    assert done.out.startswith("DENY  -:9  Deployment/api")


def test_what_could_not_be_evaluated_is_always_shown_and_exits_3(program: Program) -> None:
    program.write("clean/pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: []}\n")
    program.write("clean/broken.yaml", BROKEN)
    done = program.run("check", "clean", "-p", "policy.yaml")
    assert done.code == 3
    assert done.out.startswith("NOT EVALUATED  clean/broken.yaml:")
    assert "0 allowed · 0 denied · 1 not evaluated        exit 3" in done.out
    assert program.run("check", "clean", "-p", "policy.yaml", "--allow-incomplete").code == 0
    assert program.run("check", "clean").code == 3


def test_a_grant_that_cannot_be_resolved_is_unknown_and_not_good(program: Program) -> None:
    grant = "  access: [{registry: harbor, namespaces: {names: [shop]}}]\n"
    program.write("policy.yaml", POLICY.replace("spec:\n", f"spec:\n{grant}"))
    done = program.run("check", "app.yaml", "-p", "policy.yaml")
    assert "UNKNOWN  app.yaml:9  Deployment/api  init container migrate" in done.out
    assert "fix: give the Registry documents with -p" in done.out
    assert "1 allowed · 1 denied · 1 unknown · 0 not evaluated        exit 1" in done.out


@pytest.mark.parametrize(
    ("stage", "arguments", "code"),
    [
        ("deny", [], 1),
        ("deny", ["--fail-on", "none"], 0),
        ("deny", ["--exit-zero"], 0),
        ("warn", [], 0),
        ("warn", ["--fail-on", "warn"], 1),
        ("audit", ["--fail-on", "warn"], 0),
        ("off", [], 0),
    ],
)
def test_the_exit_code_follows_the_stage(program: Program, stage: str, arguments: list[str], code: int) -> None:
    program.write("policy.yaml", POLICY.replace("stage: deny", f"stage: {stage}"))
    done = program.run("check", "app.yaml", "-p", "policy.yaml", *arguments)
    assert done.code == code
    assert f"2 denied · 0 not evaluated        exit {code}" in done.out
    assert (stage == "deny") is (f"stage {stage}" not in done.out)


def test_several_reports_are_written_in_one_run(program: Program) -> None:
    wanted = [f"--report={form}=out.{form}" for form in FORMATS]
    done = program.run("check", "app.yaml", "-p", "policy.yaml", *wanted)
    assert done.code == 1
    assert {path.name for path in program.folder.glob("out.*")} == {f"out.{form}" for form in FORMATS}
    assert "docker.io/library/nginx" in (program.folder / "out.sarif").read_text()
    assert not list(program.folder.glob(".out.*")), "nothing half-written is left"


def test_the_help_names_every_report_format_there_is() -> None:
    assert set(FORMATS) == set(WRITTEN)


def test_a_report_on_standard_output_is_alone_there(program: Program) -> None:
    done = program.run("check", "app.yaml", "-p", "policy.yaml", "--report", "json=-")
    assert done.json["policy"] == "prod-sources"
    assert "exit 1" in done.err
    assert program.run("check", "app.yaml", "--report", "json=-", "-o", "json").code == 2


def test_wide_has_every_use(program: Program) -> None:
    lines = program.run("check", "app.yaml", "-p", "policy.yaml", "-o", "wide").out.splitlines()
    assert lines[0].split() == ["FILE:LINE", "OBJECT", "CONTAINER", "IMAGE", "RESOLVED", "VERDICT", "RULE"]
    assert [line.split()[5] for line in lines[1:]] == ["ALLOW", "DENY", "DENY"]
    bare = program.run("check", "app.yaml", "-p", "policy.yaml", "-o", "wide", "--no-headers").out.splitlines()
    assert len(bare) == 3


def test_globs_narrow_what_is_read(program: Program) -> None:
    program.write("vendor/x.yaml", (program.folder / "app.yaml").read_text())
    assert program.run("check", ".", "-p", "policy.yaml", "--exclude", "vendor/*", "--exclude", "app.yaml").code == 0
    done = program.run("check", ".", "-p", "policy.yaml", "--include", "vendor/*", "-o", "json")
    assert {finding["file"] for finding in done.json["findings"]} == {"vendor/x.yaml"}


def test_an_exemption_counts_until_it_expires(program: Program) -> None:
    exemption = """\
apiVersion: portreeve.io/v1
kind: Exemption
metadata: {name: nginx-for-now}
spec:
  policy: prod-sources
  scope: {namespaces: [shop], image: docker.io/library/nginx}
  reason: mirror not ready
  owner: shop
  expiresAt: %s-01-01T00:00:00Z
status: {state: active}
"""
    program.write("exemption.yaml", exemption % "9999")
    answer = program.run("check", "app.yaml", "-p", "policy.yaml", "-p", "exemption.yaml", "-o", "json").json
    assert [one["code"] for one in answer["findings"] if one["namespace"] == "shop"].count("exempted") == 1
    program.write("exemption.yaml", exemption % "2001")
    answer = program.run("check", "app.yaml", "-p", "policy.yaml", "-p", "exemption.yaml", "-o", "json").json
    assert "exempted" not in {one["code"] for one in answer["findings"]}


def test_hostile_names_cannot_move_the_cursor(program: Program) -> None:
    program.write("evil.yaml", 'apiVersion: v1\nkind: Pod\nmetadata: {name: "a\\u001b[2Jb"}\n'
                  'spec: {containers: [{name: "c\\nDENY", image: "ngi\\u001b[1mnx"}]}\n')  # fmt: skip
    out = program.run("check", "evil.yaml", "-p", "policy.yaml").out
    assert "\x1b" not in out
    assert r"Pod/a\x1b[2Jb" in out
    assert r"container c\nDENY" in out


def test_color_is_for_those_who_asked(program: Program) -> None:
    def colored(*arguments: str, **env: str) -> bool:
        return "\x1b[" in program.run("check", "app.yaml", "-p", "policy.yaml", *arguments, env=env).out

    assert not colored()
    assert colored("--color", "always")
    assert colored(CLICOLOR_FORCE="1")
    assert not colored(CLICOLOR_FORCE="1", NO_COLOR="1")
    assert colored("--color=always", NO_COLOR="1")


def test_on_a_terminal_there_are_colors_and_a_drawn_table(program: Program) -> None:
    main, terminal = pty.openpty()
    done = subprocess.Popen(
        [PROGRAM, "check", "app.yaml"], stdout=terminal, stderr=subprocess.PIPE, cwd=program.folder,
        env=program.environment(TERM="xterm", COLUMNS="100"),
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    while chunk := _read(main):
        shown += chunk
    assert done.wait() == 0
    assert b"\x1b[1m" in shown
    assert b"harbor.example.com/shop" in shown


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # what Linux says when the other end of a terminal is closed
        return b""


def test_nothing_is_written_outside_of_what_was_asked_for(program: Program) -> None:
    home = program.folder / "home"
    home.mkdir()
    program.run("check", "app.yaml", "-p", "policy.yaml", "--no-keep", env={"HOME": str(home)})
    assert list(home.rglob("*")) == []
    program.run("check", "app.yaml", "-p", "policy.yaml", env={"HOME": str(home)})
    assert [one for one in home.rglob("*") if one.is_file()] == [home / ".local/state/portreeve/last-check.json"]


def test_a_policy_may_come_from_standard_input(program: Program) -> None:
    assert program.run("check", "app.yaml", "-p", "-", stdin=POLICY).code == 1
    done = program.run("check", "-", "-p", "-", stdin=POLICY)
    assert (done.code, "standard input" in done.err) == (2, True)


def test_a_folder_of_policies_may_hold_documents_of_others(program: Program) -> None:
    program.write("policies/one.yaml", POLICY)
    program.write("policies/kustomization.yaml", "resources: [one.yaml]\n")
    assert program.run("check", "app.yaml", "-p", "policies").code == 1
