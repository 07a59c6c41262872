"""Secrets on their way: from each place they may come from to the control plane, and to no screen, plan or file."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import Operator
from tests.cli.program import Outcome
from tests.server.plane import document

CANARY = "canary-7c1d-secret"


def registry(name: str = "harbor", host: str = "harbor.example.com", **places: Any) -> dict[str, Any]:
    credentials = [
        {"purpose": purpose, "method": "basic", "parameters": {"username": "u"}, "credentialFrom": place}
        for purpose, place in places.items()
    ]
    return document("Registry", name, provider="harbor", host=host, credentials=credentials)


def helper(operator: Operator, answer: str, code: int = 0) -> dict[str, str]:
    """A credential helper called `test` that answers this and keeps what it was asked."""
    folder = operator.program.folder / "bin"
    folder.mkdir(exist_ok=True)
    script = folder / "docker-credential-test"
    script.write_text(f"#!/bin/sh\ncat > '{folder}/asked'\ncat <<'EOF'\n{answer}\nEOF\nexit {code}\n")
    script.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def clean(*done: Outcome) -> None:
    """See that no secret stands in what was written."""
    for one in done:
        assert "canary" not in one.out + one.err


def stored(operator: Operator, purpose: str = "pull") -> dict[str, Any]:
    """What is told of the credential that arrived."""
    found = operator.run("get", "registry", "harbor", "-o", "json").json["status"]["credentials"]
    return next(one for one in found if one["purpose"] == purpose and one["state"] == "stored")


@pytest.mark.parametrize("place", [{"env": "SECRET"}, {"file": "secret"}, {"stdin": True}, {"helper": "test"}])
def test_a_secret_is_read_after_the_plan_and_set(operator: Operator, place: dict[str, Any]) -> None:
    operator.write("registry.yaml", registry(pull=place))
    operator.program.write("secret", f"{CANARY}\n")
    env = {"SECRET": CANARY, **helper(operator, f'{{"ServerURL": "x", "Username": "u", "Secret": "{CANARY}"}}')}
    refused = operator.run("apply", "-f", "registry.yaml", stdin=CANARY, env=env)
    assert refused.code == 2
    assert "set the credential pull of Registry/harbor from" in refused.err
    assert operator.run("get", "registries", "-o", "name").out == ""
    done = operator.run("apply", "-f", "registry.yaml", "-y", stdin=CANARY, env=env)
    assert (done.code, done.out) == (0, "Registry/harbor created\nRegistry/harbor credential pull set\n")
    assert stored(operator)
    if "helper" in place:
        assert (operator.program.folder / "bin/asked").read_text() == "harbor.example.com"
    clean(refused, done)


def test_a_secret_is_nowhere_that_a_person_looks(operator: Operator) -> None:
    operator.write("registry.yaml", registry(pull={"env": "SECRET"}))
    env = {"SECRET": CANARY}
    runs = [
        operator.run(*arguments, env=env)
        for arguments in (
            ["plan", "-f", "registry.yaml", "-o", "json"],
            ["diff", "-f", "registry.yaml"],
            ["apply", "-f", "registry.yaml", "--dry-run=server", "-o", "json"],
            ["apply", "-f", "registry.yaml", "-y", "-o", "json", "-v"],
            ["get", "registries", "-o", "yaml"],
            ["describe", "registry", "harbor"],
            ["export"],
            ["export", "-o", "out"],
            ["diff", "-f", "registry.yaml"],
            ["drift", "-f", "registry.yaml", "-o", "json"],
            ["info"],
        )
    ]
    clean(*runs)
    assert "credentialFrom" not in "".join(one.out for one in runs)
    for file in operator.program.folder.rglob("*"):
        assert not file.is_file() or b"canary" not in file.read_bytes(), file
    assert runs[3].json["credentials"] == [{"registry": "harbor", "purpose": "pull", "from": "env SECRET"}]
    again = operator.run("apply", "-f", "registry.yaml", "-y", "-o", "json", env=env)
    assert (again.json["state"], again.json["documents"]) == ("confirmed", []), "a secret alone is a change, too"
    assert runs[8].code == 0, "where a secret comes from is no difference"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ({"env": "UNSET"}, "the variable UNSET is not set"),
        ({"file": "nowhere"}, "there is no file nowhere"),
        ({"helper": "nothing"}, "docker-credential-nothing is not on the PATH"),
        ({"helper": "../../bin/sh"}, "is not on the PATH"),
    ],
)
def test_a_place_that_is_not_there_is_told_before_anything_changes(
    operator: Operator, place: dict[str, Any], said: str
) -> None:
    operator.write("registry.yaml", registry(pull=place))
    done = operator.run("apply", "-f", "registry.yaml", "-y", "-o", "json")
    assert (done.code, done.json["error"]["code"]) == (2, "credential_source")
    assert said in done.err
    assert operator.run("get", "registries", "-o", "name").out == ""


def test_standard_input_is_read_once(operator: Operator) -> None:
    operator.write("registry.yaml", registry(pull={"stdin": True}, management={"stdin": True}))
    assert "standard input can be read once" in operator.run("apply", "-f", "registry.yaml", "-y", stdin="x").err


@pytest.mark.parametrize(
    ("answer", "code"),
    [(f'{{"Secret": "{CANARY}"', 0), (f"credentials not found {CANARY}", 1), (f'["{CANARY}"]', 0), ("{}", 0)],
)
def test_a_helper_that_fails_is_not_quoted(operator: Operator, answer: str, code: int) -> None:
    operator.write("registry.yaml", registry(pull={"helper": "test"}))
    done = operator.run("apply", "-f", "registry.yaml", "-y", "-o", "json", env=helper(operator, answer, code))
    assert (done.code, done.json["error"]["code"]) == (2, "credential_helper")
    assert "the documents are stored, these secrets are not: harbor (pull)" in done.err
    clean(done)


def test_a_secret_that_the_control_plane_does_not_take_is_named_and_not_shown(operator: Operator) -> None:
    operator.write("registry.yaml", registry(pull={"env": "SECRET"}))
    done = operator.run("apply", "-f", "registry.yaml", "-y", env={"SECRET": CANARY + "x" * 70_000})
    assert done.code == 2
    clean(done)


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [(["--secret-stdin"], CANARY), (["--secret-stdin"], f"{CANARY}\n"), (["--from-file", "secret"], ""),
     (["--from-env", "SECRET"], ""), (["--from-helper", "test"], "")],
)  # fmt: skip
def test_a_credential_is_rotated_from_each_place(operator: Operator, arguments: list[str], stdin: str) -> None:
    declared = {"purpose": "pull", "method": "basic", "parameters": {"username": "u"}}
    harbor = document("Registry", "harbor", provider="harbor", host="harbor.example.com", credentials=[declared])
    operator.plane.put(harbor)
    operator.program.write("secret", f"{CANARY}\n")
    env = {"SECRET": CANARY, **helper(operator, f'{{"Secret": "{CANARY}"}}')}
    first = operator.run("rotate", "registry", "harbor", "--set", *arguments, stdin=stdin, env=env)
    assert first.code == 0, first.err
    again = ["rotate", "registry", "harbor", *arguments, "--expires-at", "2027-02-01T00:00:00Z", "-o", "json"]
    done = operator.run(*again, stdin=stdin, env=env)
    assert done.code == 0, done.err
    assert {"registry": "harbor", "purpose": "pull"}.items() <= done.json.items()
    assert stored(operator)["version"] == 2
    clean(first, done)


@pytest.mark.parametrize(
    ("arguments", "stdin", "code"),
    [
        ([], "", "usage"),
        (["--secret-stdin", "--from-env", "SECRET"], CANARY, "usage"),
        (["--secret-stdin"], "", "credential_empty"),
        (["--secret-stdin"], "\n", "credential_empty"),
        (["--from-env", "UNSET"], "", "credential_source"),
        (["--from-file", "/dev/zero"], "", "credential_source"),
    ],
)
def test_what_is_no_secret_is_not_sent(operator: Operator, arguments: list[str], stdin: str, code: str) -> None:
    operator.plane.put(document("Registry", "harbor", provider="harbor", host="harbor.example.com"))
    done = operator.run("rotate", "registry", "harbor", *arguments, "-o", "json", stdin=stdin, env={"SECRET": CANARY})
    assert (done.code, done.json["error"]["code"]) == (2, code)
    clean(done)


def test_a_registry_that_is_not_there_has_no_credential(operator: Operator) -> None:
    done = operator.run("rotate", "registry", "nothing", "--secret-stdin", "-o", "json", stdin=CANARY)
    assert (done.code, done.json["error"]["code"]) == (2, "not_found")
    clean(done)


def test_no_flag_takes_a_secret() -> None:
    import click

    from portreeve.cli.main import root
    from portreeve.cli.verbs import VERBS
    from tests.cli.test_tree import CONTEXT, commands

    assert isinstance(root, click.Group)
    words = ("secret", "password", "token", "passphrase")
    for verb in VERBS:
        for option in [option for one in commands(verb) for option in one.get_params(CONTEXT)]:
            flags = " ".join(option.opts) if isinstance(option, click.Option) else ""
            if any(word in flags for word in words):
                assert option.opts[0] in {
                    "--password-stdin",
                    "--secret-stdin",
                    "--token-file",
                    "--token-realm",  # an address
                    "--token-stdin",
                }, f"{verb} {flags}"
