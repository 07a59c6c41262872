"""What `portreeve check` leaves for the first page of `portreeve up`, by the program as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portreeve.workspace.last_check import MOST_FINDINGS
from tests.canary import Canary, Finder
from tests.cli.program import Program

pytestmark = pytest.mark.wide


@pytest.fixture
def home(program: Program) -> dict[str, str]:
    (program.folder / "home").mkdir()
    return {"HOME": str(program.folder / "home")}


def kept(program: Program) -> Any:
    return json.loads((program.folder / "home/.local/state/portreeve/last-check.json").read_text())


def test_a_check_keeps_what_it_found_with_why_and_fix(program: Program, home: dict[str, str]) -> None:
    program.write("broken.yaml", "kind: Pod\nspec: [unclosed\n")
    words = ("-p", "policy.yaml", "--policy-name", "prod-sources", "--exclude", "x*")
    done = program.run("check", "app.yaml", "broken.yaml", *words, env=home)
    assert (done.code, done.err) == (1, "")
    found = kept(program)
    assert found["directory"] == str(program.folder)
    assert found["paths"] == ["app.yaml", "broken.yaml"]
    assert found["options"] == ["--policy-name", "prod-sources", "--exclude", "x*"]
    assert found["policy_files"] == ["policy.yaml"]
    assert (found["policy"], found["stage"], found["exit_code"]) == ("prod-sources", "deny", 1)
    counts = found["totals"]
    assert (counts["uses"], counts["denied"], counts["allowed"], counts["not_evaluated"]) == (3, 2, 1, 1)
    assert (counts["unpinned"], counts["moving"], counts["sources"], counts["distinct"]) == (3, 2, 2, 2)
    first, _, last = found["findings"]
    assert (first["file"], first["line"], first["name"], first["verdict"]) == ("app.yaml", 9, "api", "DENY")
    assert first["why"] == "not under any allowed source for namespace shop"
    assert first["fix"].startswith("use a mirror under harbor.example.com/shop/")
    assert (last["verdict"], last["fix"]) == ("ALLOW", "")
    assert found["not_evaluated"][0]["file"] == "broken.yaml"


def test_without_a_policy_facts_are_kept_and_no_verdict_and_the_worst_of_many(
    program: Program, home: dict[str, str]
) -> None:
    pinned = f"- {{name: a, image: quay.io/a/b@sha256:{'0' * 64}}}\n"
    tagged, bare = "- {name: b, image: 'quay.io/a/b:1'}\n", "- {name: c, image: quay.io/a/b}\n"
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: many}\nspec:\n  containers:\n"
    program.write("many.yaml", pod + "".join(f"  {one}" for one in (pinned, tagged, bare) for _ in range(150)))
    assert program.run("check", "many.yaml", env=home).code == 0
    found = kept(program)
    assert (found["policy"], found["totals"]["unjudged"], found["totals"]["uses"]) == ("", 450, 450)
    assert {one["verdict"] for one in found["findings"]} == {""}
    assert [one["container"] for one in found["findings"]] == ["c"] * 150 + ["b"] * (MOST_FINDINGS - 150)


@pytest.mark.parametrize(
    "refused", [["--no-keep"], {"CI": "true"}, {"PORTREEVE_CHECK_KEEP": "false"}, {"HOME": "/none"}]
)
def test_nothing_is_kept_where_it_shall_not_or_cannot(
    program: Program, home: dict[str, str], refused: list[str] | dict[str, str]
) -> None:
    flags, env = (refused, {}) if isinstance(refused, list) else ([], refused)
    done = program.run("check", "app.yaml", *flags, env={**home, **env})
    assert (done.code, done.err) == (0, "")
    assert list((program.folder / "home").iterdir()) == []
    assert not Path("/none").exists()


def test_a_state_folder_that_is_a_file_changes_nothing_and_a_flag_outdoes_ci(
    program: Program, home: dict[str, str]
) -> None:
    program.write("home/.local", "a file")
    blocked = program.run("check", "app.yaml", "-v", env=home)
    assert blocked.code == 0
    assert "could not be kept" in blocked.err
    (program.folder / "home/.local").unlink()
    assert program.run("check", "app.yaml", "--keep", env={**home, "CI": "1"}).code == 0
    assert kept(program)["paths"] == ["app.yaml"]


def test_no_secret_of_a_manifest_is_kept(program: Program, home: dict[str, str]) -> None:
    canaries = [Canary(str(number), f"canary-of-a-manifest-{number}-7f3a9c") for number in range(5)]
    secret, variable, login, broken, shape = (one.secret for one in canaries)
    program.write(
        "secret.yaml",
        f"""\
apiVersion: v1
kind: Secret
metadata: {{name: s}}
stringData: {{password: {secret}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: p}}
spec:
  containers:
    - name: a
      image: https://ada:{login}@harbor.example.com/a
      env: [{{name: PASSWORD, value: {variable}}}]
      args: [{shape}]
---
stringData: [{broken}
""",
    )
    for policy, code in (((), 3), (("-p", "policy.yaml"), 1)):
        assert program.run("check", "secret.yaml", *policy, env=home).code == code
        found = kept(program)
        assert (found["totals"]["uses"], found["totals"]["not_evaluated"]) == (1, 1)
        assert Finder(canaries).search(json.dumps(found), "last-check.json") == []


def test_info_names_the_file(program: Program, home: dict[str, str]) -> None:
    file = f"{home['HOME']}/.local/state/portreeve/last-check.json"
    paths = program.run("info", "-o", "json", env=home).json["paths"]
    assert paths["last check"] == file == f"{paths['state']}/last-check.json"
    assert file in program.run("info", env=home).out
