"""`edit`: what is saved goes through its plan, what is wrong can be mended, and nothing that was typed is lost."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Operator
from tests.cli.program import PROGRAM
from tests.server.plane import document


@pytest.fixture
def team(operator: Operator) -> Operator:
    """A control plane with a team."""
    operator.plane.put(document("Team", "shop", title="Shop"))
    return operator


def editor(operator: Operator, script: str) -> dict[str, str]:
    """An editor that runs a script on the file."""
    path = operator.program.folder / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"EDITOR": str(path)}


def test_what_is_saved_is_stored(team: Operator) -> None:
    done = team.run("edit", "team", "shop", "-y", env=editor(team, 'sed -i "s/title: Shop/title: Store/" "$1"'))
    assert (done.code, done.out) == (0, "Team/shop changed\n")
    assert "update Team/shop" in done.err
    assert team.run("get", "team", "shop", "-o", "json").json["spec"]["title"] == "Store"
    assert not list((team.program.folder / "tmp").iterdir()), "the file is gone"


def test_saved_without_a_change_it_changes_nothing(team: Operator) -> None:
    done = team.run("edit", "team", "shop", env=editor(team, "true"))
    assert (done.code, done.out, done.err) == (0, "", "nothing was edited\nnothing to change\n")
    assert team.run("edit", "team", "shop", "-o", "json", env=editor(team, "true")).json["state"] == "unchanged"


def kept(err: str) -> Path:
    found = re.search("^what you typed is in (.+)$", err, re.MULTILINE)
    assert found, err
    return Path(found[1])


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ('echo "oops: typed" >> "$1"', "documents_invalid"),
        ('printf "{" > "$1"', "policy_unreadable"),
        ('sed -i "s/name: shop/name: shox/" "$1"', "edited_other"),
        ('sed -i "s/Shop/Store/" "$1"; exit 3', "editor"),
    ],
)
def test_without_a_terminal_what_is_wrong_is_kept_in_a_file(team: Operator, script: str, code: str) -> None:
    done = team.run("edit", "team", "shop", "-y", "-o", "json", env=editor(team, script))
    assert (done.code, done.json["error"]["code"]) == (2, code)
    file = kept(done.err)
    assert file.exists()
    file.unlink()
    file.parent.rmdir()


def test_an_editor_that_is_not_there_is_named(team: Operator) -> None:
    done = team.run("edit", "team", "shop", env={"EDITOR": "/nonexistent/editor"})
    assert done.code == 2
    assert "/nonexistent/editor" in done.err


def on_a_terminal(operator: Operator, arguments: list[str], env: dict[str, str], typed: bytes) -> tuple[int, str]:
    """Run with a terminal as standard input; the exit code, and what stood on standard error."""
    leader, follower = pty.openpty()
    running = subprocess.Popen([PROGRAM, *arguments], stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               cwd=operator.program.folder, env=operator.program.environment(**env))  # fmt: skip
    os.close(follower)
    os.write(leader, typed)
    _, err = running.communicate(timeout=60)
    os.close(leader)
    return running.returncode, err.decode()


def test_on_a_terminal_the_editor_opens_again_with_what_is_wrong(team: Operator) -> None:
    # The first time a wrong field is typed; the second time the file says so, and it is taken out.
    script = """if grep -q '^# documents_invalid' "$1"; then sed -i '/oops/d; s/Shop/Store/' "$1"
                else echo 'oops: typed' >> "$1"; fi"""
    code, err = on_a_terminal(team, ["edit", "team", "shop"], editor(team, script), b"y\n")
    assert code == 0, err
    assert "opening the editor again" in err
    assert team.run("get", "team", "shop", "-o", "json").json["spec"]["title"] == "Store"


@pytest.mark.parametrize(
    ("typed", "code", "there"), [(b"y\n", 0, ""), (b"yes\n", 0, ""), (b"n\n", 2, "shop\n"), (b"\n", 2, "shop\n")]
)
def test_a_question_on_a_terminal_is_answered(team: Operator, typed: bytes, code: int, there: str) -> None:
    ended, err = on_a_terminal(team, ["delete", "team", "shop"], {}, typed)
    assert ended == code
    assert "delete Team/shop" in err
    assert "Delete 1? [y/N]" in err
    assert team.run("get", "teams", "-o", "name").out == there


def test_a_document_that_changed_meanwhile_is_not_overwritten(team: Operator) -> None:
    team.write("other.yaml", document("Team", "shop", title="Other"))
    script = f'"{PROGRAM}" apply -f other.yaml -y >/dev/null 2>&1; sed -i "s/Shop/Store/" "$1"'
    done = team.run("edit", "team", "shop", "-y", "-o", "json", env=editor(team, script))
    assert (done.code, done.json["error"]["code"]) == (2, "version_outdated")
    kept(done.err).unlink()
    assert team.run("get", "team", "shop", "-o", "json").json["spec"]["title"] == "Other"
