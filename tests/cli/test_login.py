"""`login` and profiles: a token is kept in a file of one's own and goes to its own server alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Operator
from tests.cli.program import LOOPBACK_GUARD, Program
from tests.server.plane import document
from tests.server.served import Served


@pytest.fixture
def stranger(control_plane: Served, tmp_path: Path) -> Program:
    """The program without a sign-in."""
    folder = tmp_path / "stranger"
    folder.mkdir()
    return Program(folder, guarded_by=LOOPBACK_GUARD, env={"XDG_CONFIG_HOME": str(folder / "config")})


def profiles(program: Program) -> Path:
    return program.folder / "config/portreeve/profiles.yaml"


def test_a_sign_in_is_kept_where_nobody_else_reads(control_plane: Served, stranger: Program) -> None:
    token = control_plane.token("root", "platform-admin")
    done = stranger.run("login", f"{control_plane.url}/", "--token-stdin", stdin=f"{token}\n")
    assert done.code == 0, done.err
    assert done.out.startswith(f"signed in to {control_plane.url}")
    assert token not in done.out + done.err
    assert profiles(stranger).stat().st_mode & 0o777 == 0o600
    assert profiles(stranger).parent.stat().st_mode & 0o077 == 0
    assert stranger.run("get", "registries").code == 0
    assert token in profiles(stranger).read_text(), "the profile is what the next command signs in with"


def test_a_token_comes_by_file_and_variable_too(control_plane: Served, stranger: Program) -> None:
    token = control_plane.token("root", "platform-admin")
    stranger.write("token", f"{token}\n")
    found = stranger.run("login", control_plane.url, "--token-file", "token", "--profile", "prod", "-o", "json")
    assert found.json["profile"] == "prod"
    assert stranger.run("login", control_plane.url, env={"PORTREEVE_TOKEN": token}).code == 0
    assert stranger.run("login", control_plane.url, env={"PORTREEVE_TOKEN_FILE": "token"}).code == 0
    assert stranger.run("get", "teams", "--profile", "prod").code == 0
    missing = stranger.run("get", "teams", "--profile", "nothing", "-o", "json")
    assert (missing.code, missing.json["error"]["code"]) == (2, "profile_missing")
    assert "default, prod" in missing.err


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "error"),
    [
        ([], "", 4, "token_missing"),
        (["--token-stdin"], "prt_wrong\n", 4, "unauthenticated"),
        (["--token-stdin"], "two\nlines\n", 2, "token_malformed"),
        (["--token-stdin"], "", 2, "token_malformed"),
        (["--link-stdin"], "https://elsewhere.example/login#t=abc\n", 2, "usage"),
        (["--link-stdin"], "", 2, "usage"),
        (["--token-stdin", "--token-file", "x"], "x", 2, "usage"),
        (["--token-file", "nowhere"], "", 2, "file"),
        (["--token-stdin", "--profile", "../x"], "x", 2, "profile_name"),
    ],
)
def test_what_does_not_work_is_not_kept(
    control_plane: Served, stranger: Program, arguments: list[str], stdin: str, code: int, error: str
) -> None:
    done = stranger.run("login", control_plane.url, *arguments, "-o", "json", stdin=stdin)
    assert (done.code, done.json["error"]["code"]) == (code, error)
    assert not profiles(stranger).exists()


def test_nobody_there_is_an_error_with_what_to_do(stranger: Program) -> None:
    done = stranger.run("login", "http://127.0.0.1:9", "--token-stdin", "-o", "json", stdin="x")
    assert (done.code, done.json["error"]["code"]) == (2, "server_unreachable")
    assert "do:" in done.err
    unsafe = stranger.run("login", "http://portreeve.example.com", "--token-stdin", "-o", "json", stdin="x")
    assert (unsafe.code, unsafe.json["error"]["code"]) == (2, "server_url")


def test_without_a_server_the_error_names_login(stranger: Program) -> None:
    done = stranger.run("get", "teams", "-o", "json")
    assert (done.code, done.json["error"]["code"]) == (2, "server_missing")
    assert "portreeve login" in done.err


def test_a_profile_that_others_may_read_is_not_used(control_plane: Served, stranger: Program) -> None:
    stranger.run("login", control_plane.url, "--token-stdin", stdin=control_plane.token("root", "platform-admin"))
    profiles(stranger).chmod(0o640)
    done = stranger.run("get", "teams", "-o", "json")
    assert (done.code, done.json["error"]["code"]) == (2, "profiles_readable")
    profiles(stranger).chmod(0o600)
    profiles(stranger).write_text("rubbish")
    assert "profiles_invalid" in stranger.run("get", "teams").err


def test_a_profiles_token_goes_to_no_other_server(control_plane: Served, stranger: Program) -> None:
    stranger.run("login", control_plane.url, "--token-stdin", stdin=control_plane.token("root", "platform-admin"))
    elsewhere = control_plane.url.replace("127.0.0.1", "localhost")
    for arguments, env in ((["--server", elsewhere], {}), ([], {"PORTREEVE_SERVER": elsewhere})):
        done = stranger.run("get", "teams", *arguments, "-o", "json", env=env)
        assert (done.code, done.json["error"]["code"]) == (4, "token_missing")
    assert stranger.run("get", "teams", "--server", control_plane.url).code == 0


def test_the_settings_of_a_project_say_neither_where_nor_yes(operator: Operator) -> None:
    for line in ("get: {server: https://evil.example.com}", "get: {ca-file: x}", "apply: {yes: true}",
                 "apply: {force: true}", "get: {profile: prod}"):  # fmt: skip
        operator.program.write(".portreeve.yaml", f"{line}\n")
        done = operator.run(line.split(":")[0], "teams")
        assert done.code == 2
        assert "is not for the settings of a project" in done.err
    operator.program.write(".portreeve.yaml", "get: {output: name}\n")
    assert operator.run("get", "teams").code == 0
    operator.program.write(".portreeve.yaml", "")
    operator.program.write("config/portreeve/config.yaml", "apply: {yes: true}\n")
    operator.write("team.yaml", document("Team", "shop"))
    assert operator.run("apply", "-f", "team.yaml").code == 0, "one's own settings may"


def test_who_may_not_gets_exit_code_4(control_plane: Served, operator: Operator) -> None:
    nobody = {"PORTREEVE_TOKEN": control_plane.token("nobody")}
    done = operator.run("audit", "export", env=nobody)
    assert (done.code, done.out) == (4, "")
    assert "audit_not_all" in done.err
    # What somebody may not see is not there for them: that is a 404 and no refusal.
    operator.write("team.yaml", document("Team", "shop"))
    hidden = operator.run("apply", "-f", "team.yaml", "-y", "-o", "json", env=nobody)
    assert (hidden.code, hidden.json["error"]["code"]) == (2, "not_found")
