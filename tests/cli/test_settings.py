"""Where a setting comes from: flag, variable, project, user, system, default; and what `portreeve info` says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from portreeve.cli import paths
from tests.cli.conftest import POLICY
from tests.cli.program import Program

pytestmark = pytest.mark.wide


def level(program: Program, **env: str) -> int:
    """The exit code tells which --fail-on was used: the policy is at stage warn."""
    program.write("policy.yaml", POLICY.replace("stage: deny", "stage: warn"))
    return program.run("check", "app.yaml", "-p", "policy.yaml", env=env).code


def test_precedence_is_flag_variable_project_user_system_default(program: Program) -> None:
    assert level(program) == 0, "the default is deny"
    system = {"XDG_CONFIG_DIRS": str(program.folder / "etc")}
    program.write("etc/portreeve/config.yaml", "check: {fail-on: warn}\n")
    assert level(program, **system) == 1
    user = system | {"XDG_CONFIG_HOME": str(program.folder / "home")}
    program.write("home/portreeve/config.yaml", "check: {fail-on: none}\n")
    assert level(program, **user) == 0
    program.write(".portreeve.yaml", "check: {fail-on: warn}\n")
    assert level(program, **user) == 1
    assert level(program, **user, PORTREEVE_NO_PROJECT="1") == 0
    assert level(program, **user, PORTREEVE_CHECK_FAIL_ON="none") == 0
    done = program.run("check", "app.yaml", "-p", "policy.yaml", "--fail-on=warn",
                       env=user | {"PORTREEVE_CHECK_FAIL_ON": "none"})  # fmt: skip
    assert done.code == 1


def test_what_a_project_sets_is_said(program: Program) -> None:
    program.write(".portreeve.yaml", "check: {policy: [policy.yaml], exit-zero: true}\n")
    done = program.run("check", "app.yaml", "-q")
    assert done.code == 0
    assert "exit 0 (--exit-zero; 1 without it)" in done.out
    assert done.err == "settings from .portreeve.yaml: exit-zero, policy\n"


def test_variables_are_named_for_flags(program: Program) -> None:
    env = {"PORTREEVE_CHECK_POLICY": "policy.yaml", "PORTREEVE_CHECK_REPORT": "junit=a.xml json=b.json"}
    assert program.run("check", "app.yaml", env=env).code == 1
    assert (program.folder / "a.xml").exists()
    assert (program.folder / "b.json").exists()


def test_the_variable_of_a_command_goes_before_that_of_all(program: Program) -> None:
    env = {"PORTREEVE_POLICY": "nowhere.yaml", "PORTREEVE_CHECK_POLICY": "policy.yaml"}
    assert program.run("check", "app.yaml", env=env).code == 1
    assert "nowhere.yaml" in program.run("images", "--why", "nginx", env=env).err


def test_several_policies_are_joined_as_in_path(program: Program) -> None:
    program.write("other.yaml", POLICY.replace("prod-sources", "other"))
    done = program.run("check", "app.yaml", env={"PORTREEVE_POLICY": "policy.yaml:other.yaml"})
    assert "other, prod-sources" in done.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("chek: {fail-on: warn}\n", ".portreeve.yaml: chek: is not a command"),
        ("check: {fail_on: warn}\n", ".portreeve.yaml: check.fail_on: is not an option"),
        ("check: {fail-on: [warn]}\n", ".portreeve.yaml: check.fail-on: takes one value"),
        ("check: warn\n", ".portreeve.yaml: check: must be a mapping"),
        ("- check\n", ".portreeve.yaml:1: must be a mapping"),
        ("check: [\n", ".portreeve.yaml:2"),
        ("check: {fail-on: never}\n", "'never' is not one of"),
    ],
)
def test_a_wrong_settings_file_is_an_error_that_names_it(program: Program, text: str, said: str) -> None:
    program.write(".portreeve.yaml", text)
    done = program.run("check", "app.yaml")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert program.run("check", "--help").code == 0, "help works all the same"
    assert program.run("info").code == 0


def test_info_prints_every_path(program: Program) -> None:
    env = {f"XDG_{name}_HOME": f"/x/{name.lower()}" for name in ("CONFIG", "DATA", "CACHE", "STATE")}
    answer = program.run("info", "-o", "json", env=env | {"PORTREEVE_TOKEN": "canary-value"}).json
    folders = {name: f"/x/{name}/portreeve" for name in ("config", "data", "cache", "state")}
    assert answer["paths"] == folders | {"last check": "/x/state/portreeve/last-check.json"}
    assert answer["settings"]["project"] == {"path": ".portreeve.yaml", "exists": False}
    assert answer["environment"]["PORTREEVE_TOKEN"] == "(set)"
    text = program.run("info", env=env | {"PORTREEVE_TOKEN": "canary-value"}).out
    assert "/x/state/portreeve" in text
    assert "canary-value" not in text + str(answer)


def test_info_names_the_tools_that_it_finds(program: Program) -> None:
    program.write("bin/helm", '#!/bin/sh\necho "v3.99.0"\n')
    (program.folder / "bin/helm").chmod(0o755)
    tools = program.run("info", "-o", "json", env={"PATH": f"{program.folder / 'bin'}:/bin"}).json["tools"]
    assert tools["helm"] == {"path": str(program.folder / "bin/helm"), "version": "v3.99.0"}
    assert tools["kustomize"] == {"path": None, "version": None}


def test_relative_xdg_paths_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/someone")
    assert paths.cache() == Path("/home/someone/.cache/portreeve")
