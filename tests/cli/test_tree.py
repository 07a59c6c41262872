"""What holds for every verb: help, JSON, streams, documentation, variables, and what starting imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from portreeve.cli.help import EXIT_CODES
from portreeve.cli.main import root
from portreeve.cli.options import NamedOption
from portreeve.cli.verbs import VERBS
from tests.cli.conftest import Operator
from tests.cli.program import PROGRAM, Program
from tests.core.exports import KEY, export, log
from tests.server.plane import document

DOCS = Path(__file__).parents[2] / "docs"
CONTEXT = click.Context(root, info_name="portreeve")

# One run of each verb that reads: what it is given beside -o.
READING = {
    "check": ("app.yaml", "-p", "policy.yaml"),
    "images": ("app.yaml",),
    "explain": ("nginx", "-p", "policy.yaml"),
    "simulate": ("app.yaml", "-p", "policy.yaml"),
    "test": ("cases.yaml",),
    "render": ("-p", "policy.yaml"),
    "hosts": ("-p", "policy.yaml"),
    "verify": ("audit", "audit.jsonl", "--key", str(KEY.verifier)),
    "diagnose": ("events.txt",),
    "info": (),
    "version": (),
}
# As above, of verbs that ask a control plane; their own tests look at what they answer.
ASKING = {
    "get": ("registries",),
    "describe": ("team", "shop"),
    "diff": ("-f", "team.yaml"),
    "drift": ("-f", "team.yaml", "--kind", "teams"),
    "plan": ("-f", "team.yaml"),
    "apply": ("-f", "team.yaml", "-y"),
    "calendar": ("--within", "30"),
    "attachments": (),
    "needed": (),
    "unused": (),
    "requests": (),
}
# What changes something by name, or needs something to be there; tried in the tests of each.
CHANGING = {
    "add",
    "adopt",
    "browse",
    "use",
    "create",
    "edit",
    "egress",
    "inventory",
    "limits",
    "validate",
    "delete",
    "grant",
    "revoke",
    "confirm",
    "rotate",
    "approve",
    "deny",
    "rotation",
    "pullsecrets",
    "pulltest",
    "exempt",
    "audit",
    "token",
    "login",
}
# What answers in a form of its own; tests/server/test_up.py runs `up`.
WRITING = {"suggest", "completion", "help", "export", "up"}


def command(verb: str) -> click.Command:
    found = root.get_command(CONTEXT, verb)
    assert found is not None
    return found


def commands(verb: str) -> list[click.Command]:
    """The command of a verb, and those of its second words."""
    found = command(verb)
    return [found, *(found.commands.values() if isinstance(found, click.Group) else ())]


@pytest.fixture
def prepared(program: Program) -> Program:
    program.write("cases.yaml", "kind: PolicyTest\nmetadata: {name: t}\n"
                  "spec: {policies: [policy.yaml], cases: [{image: nginx, verdict: DENY}]}\n")  # fmt: skip
    program.write("events.txt", 'Failed to pull image "nginx": 429 Too Many Requests\n')
    program.write("audit.jsonl", b"".join(export(log(4), 2)).decode())
    return program


def test_every_verb_is_tried() -> None:
    assert set(VERBS) == set(READING) | set(ASKING) | CHANGING | WRITING


@pytest.mark.parametrize("verb", READING)
def test_json_of_every_reading_verb_parses_and_stands_alone(prepared: Program, verb: str) -> None:
    done = prepared.run(verb, *READING[verb], "-o", "json")
    assert done.code in {0, 1}
    assert isinstance(done.json, dict)


@pytest.mark.parametrize("verb", READING)
def test_quiet_leaves_standard_error_empty(prepared: Program, verb: str) -> None:
    assert prepared.run(verb, *READING[verb], "-q").err == ""
    assert prepared.run("-q", verb, *READING[verb], "-o", "json").err == ""


def test_json_of_every_asking_verb_parses_and_stands_alone(operator: Operator) -> None:
    team = operator.write("team.yaml", document("Team", "shop"))
    assert operator.run("apply", "-f", team, "-y").code == 0
    for verb, arguments in ASKING.items():
        done = operator.run(verb, *arguments, "-o", "json")
        assert done.code == 0, done.err
        assert isinstance(done.json, dict)
        assert operator.run(verb, *arguments, "-q").err == ""
        failed = operator.run(verb, *arguments, "-o", "json", env={"PORTREEVE_TOKEN": "prt_wrong"})
        assert (failed.code, failed.json["error"]["code"]) == (4, "unauthenticated")


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_has_an_example_that_names_it(program: Program, verb: str) -> None:
    done = program.run(verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert "Examples:" in done.out
    assert f"portreeve {verb}" in done.out.split("Examples:")[1]
    assert program.run("help", verb).out.split() == done.out.split()


@pytest.mark.parametrize("verb", VERBS)
def test_the_table_says_of_a_verb_what_its_help_says(verb: str) -> None:
    first = " ".join((command(verb).help or "").partition("\n\n")[0].split())
    own = VERBS[verb].help.split(":")[0].split(";")[0].rstrip(".")
    assert own in first


@pytest.mark.parametrize("verb", VERBS)
def test_options_have_help_and_variables_are_named_for_flags(verb: str) -> None:
    for option in [option for one in commands(verb) for option in one.params]:
        if isinstance(option, click.Option):
            assert option.help, option.name
            flag = max(option.opts, key=len).removeprefix("--").replace("-", "_")
            assert option.name == flag or isinstance(option, NamedOption), f"{verb} --{flag}"


def test_the_page_is_that_of_the_commands() -> None:
    # In a process of its own: click remembers of a command with which flags its help was asked for first.
    command = [sys.executable, "-m", "tests.cli.reference"]
    page = subprocess.run(command, cwd=DOCS.parent, capture_output=True, check=True)
    assert (DOCS / "cli.md").read_bytes() == page.stdout, "run: python -m tests.cli.reference > docs/cli.md"


def test_the_page_names_every_verb_option_and_code() -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    for verb in VERBS:
        section = page.split(f"## portreeve {verb}\n")[1].split("\n## ")[0]
        for parameter in [parameter for one in commands(verb) for parameter in one.params]:
            assert all(flag in section for flag in parameter.opts if flag.startswith("-"))
    for code in EXIT_CODES:
        assert f"| {code} |" in page


def test_help_and_completion_import_nothing_but_click_and_the_table() -> None:
    """Each module that `--help` imports is paid for at every start; see bench/startup.py."""
    script = "import sys, portreeve.cli.main; print(*(m for m in sys.modules if m.startswith('portreeve')))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) == {
        "portreeve", "portreeve.cli", "portreeve.cli.main", "portreeve.cli.terminal", "portreeve.cli.verbs",
    }  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_the_module_of_a_verb_imports_nothing_heavy_for_its_help(verb: str) -> None:
    script = f"import sys, portreeve.cli.{verb}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {
        "cryptography",
        "pydantic",
        "rich",
        "yaml",
        "httpx2",
        "ssl",
        "portreeve.core.policy",
        "portreeve.wire",
        "portreeve.client",
    } & set(loaded)


def test_version_is_told_everywhere_alike(program: Program) -> None:
    told = program.run("version", "-o", "json").json["version"]
    assert program.run("--version").out == f"portreeve {told}\n"
    assert program.run("version").out.startswith(f"portreeve {told} (")
    assert program.run("info", "-o", "json").json["versions"]["portreeve"] == told


def test_topics_are_explained(program: Program) -> None:
    codes = program.run("help", "exit-codes").out
    assert [line.split()[0] for line in codes.splitlines()] == [str(code) for code in EXIT_CODES]
    assert "PORTREEVE_POLICY" in program.run("help", "environment").out
    assert program.run("help").out.split() == program.run("--help").out.split() == program.run().out.split()


def test_more_is_said_where_it_was_asked_for(program: Program) -> None:
    expected = "read 1 files, 2 documents; 0 files name no image\n"
    assert program.run("check", "app.yaml", "-v").err == program.run("-v", "check", "app.yaml").err == expected


def test_as_a_plugin_it_calls_itself_one(program: Program) -> None:
    done = program.run("check", "--nope", program=PROGRAM.with_name("kubectl-portreeve"))
    assert "do: kubectl portreeve check --help" in done.err


def test_the_guard_of_these_tests_refuses_sockets(program: Program) -> None:
    tried = subprocess.run([sys.executable, "-c", "import socket; socket.socket()"], env=program.environment(),
                           capture_output=True, text=True)  # fmt: skip
    assert "the program opened a socket" in tried.stderr
