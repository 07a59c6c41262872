"""`get` and `describe`: the same documents as a table, for programs, and as they change."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess

import pytest
import yaml

from portreeve.cli.kinds import KIND, KINDS
from portreeve.server.documents import kinds as served_kinds
from tests.cli.conftest import Operator
from tests.cli.program import PROGRAM
from tests.cli.test_failures import take_interrupts
from tests.server.plane import document


@pytest.fixture
def filled(operator: Operator) -> Operator:
    """A control plane with two registries and an access."""
    harbor = document("Registry", "harbor", provider="harbor", host="harbor.example.com", path="shop")
    harbor["metadata"]["labels"] = {"team": "shop"}
    operator.plane.put(
        document("EnvironmentGroup", "production"),
        document("Environment", "prod", tier="production", group="production"),
        harbor,
        document("Registry", "quay", provider="quay", host="quay.io", path="acme"),
        document("RegistryAccess", "a", registry="harbor", environment="prod", namespaces={"names": ["x", "y"]}),
    )
    return operator


def test_the_kinds_are_those_of_the_control_plane() -> None:
    assert {kind.name: kind.plural for kind in KINDS.values()} == {
        kind.name: kind.plural for kind in served_kinds.KINDS.values()
    }
    assert tuple(KINDS) == served_kinds.APPLY_ORDER


@pytest.mark.parametrize("word", ["registry", "Registry", "REGISTRIES", "reg"])
def test_a_kind_has_several_names(word: str) -> None:
    assert KIND.convert(word, None, None).name == "Registry"


def test_every_kind_is_called_by_its_name_and_its_plural() -> None:
    for kind in KINDS.values():
        assert KIND.convert(kind.name, None, None) is KIND.convert(kind.plural, None, None) is kind


def test_an_empty_list_is_told_on_standard_error(operator: Operator) -> None:
    done = operator.run("get", "registries")
    assert (done.code, done.out, done.err) == (0, "", "no registries\n")
    assert "did you mean" in operator.run("get", "registres").err


def test_a_table_has_the_columns_of_its_kind(filled: Operator) -> None:
    lines = filled.run("get", "registries").out.splitlines()
    assert lines[0].split() == ["NAME", "PROVIDER", "HOST", "PATH", "AUTH", "READY", "EXPIRES", "GRANTS", "AGE"]
    assert lines[1].split()[:8] == ["harbor", "harbor", "harbor.example.com", "shop", "anonymous", "true", "-", "1"]
    assert len(filled.run("get", "registries", "--no-headers").out.splitlines()) == 2
    wide = filled.run("get", "registries", "-o", "wide").out.splitlines()[0].split()
    assert wide[-2:] == ["PROJECT", "TITLE"]
    assert "x,y" in filled.run("get", "access").out


def test_programs_get_json_yaml_names_and_csv(filled: Operator) -> None:
    found = filled.run("get", "registries", "-o", "json").json
    assert (found["kind"], [one["metadata"]["name"] for one in found["items"]]) == ("RegistryList", ["harbor", "quay"])
    assert filled.run("get", "registry", "harbor", "-o", "json").json["kind"] == "Registry"
    assert len(list(yaml.safe_load_all(filled.run("get", "registries", "-o", "yaml").out))) == 2
    assert filled.run("get", "registries", "-o", "name").out == "harbor\nquay\n"
    rows = list(csv.DictReader(io.StringIO(filled.run("get", "registries", "-o", "csv").out)))
    assert (rows[0]["NAME"], rows[0]["GRANTS"]) == ("harbor", "1")


def test_lists_are_narrowed_by_labels_names_and_limits(filled: Operator) -> None:
    assert filled.run("get", "registries", "-l", "team=shop", "-o", "name").out == "harbor\n"
    assert filled.run("get", "registries", "--limit", "1", "-o", "name").out == "harbor\n"
    assert filled.run("get", "registries", "quay", "harbor", "-o", "name").out == "harbor\nquay\n"
    assert filled.run("get", "registries", "--sort-by", "name", "-o", "name").out == "harbor\nquay\n"
    assert filled.run("get", "registries", "-l", "team").code == 2
    assert filled.run("get", "registries", "harbor", "-l", "team=shop").code == 2


def test_more_than_a_page_is_all_listed(operator: Operator) -> None:
    operator.plane.put(*(document("Team", f"t{number:04}") for number in range(1_100)))
    found = operator.run("get", "teams", "-o", "json").json
    assert (len(found["items"]), found["metadata"]["total"]) == (1_100, 1_100)
    assert "continue" not in found["metadata"]


def test_what_is_not_there_is_an_error(operator: Operator) -> None:
    done = operator.run("get", "registry", "nothing", "-o", "json")
    assert (done.code, done.json["error"]["code"]) == (2, "not_found")
    odd = operator.run("get", "registry", "../users", "-o", "json")
    assert (odd.code, odd.json["error"]["code"]) in {(2, "not_found"), (2, "no_route")}


def test_describe_shows_everything_of_one(filled: Operator) -> None:
    text = filled.run("describe", "registry", "harbor").out
    assert text.startswith("Name:       harbor\nKind:       Registry\n")
    assert "Labels:     team=shop" in text
    assert "  host: harbor.example.com" in text
    assert filled.run("describe", "registry", "harbor", "-o", "json").json["spec"]["host"] == "harbor.example.com"
    assert filled.run("describe", "registry", "nothing").code == 2


def test_hostile_text_does_not_reach_the_terminal(operator: Operator) -> None:
    operator.plane.put(document("Team", "evil", title="\u202egpj.exe"))
    for arguments in (["get", "teams"], ["describe", "team", "evil"]):
        assert "\u202e" not in operator.run(*arguments).out


@pytest.mark.parametrize("form", ["table", "json"])
def test_watching_shows_what_is_there_and_what_changes(operator: Operator, form: str) -> None:
    first = document("Team", "first")
    first["metadata"]["labels"] = {"owner": "us"}
    operator.plane.put(first, document("Team", "other"))
    arguments = ["get", "teams", "-w", "-o", form, "--no-headers", "-l", "owner=us"]
    running = subprocess.Popen(
        [PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=operator.program.folder, env=operator.program.environment(),
        preexec_fn=take_interrupts,  # noqa: PLW1509 - nothing here has threads that matter to the child
    )  # fmt: skip
    assert running.stdout is not None
    lines = [running.stdout.readline()]
    assert operator.run("delete", "team", "other", "first", "-y").code == 0
    lines.append(running.stdout.readline())
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (130, "interrupted\n")
    if form == "json":
        found = [json.loads(line) for line in lines]
        told = [(one["type"], one["object"]["metadata"]["name"]) for one in found]
    else:
        told = [(line.split()[0], line.split()[1]) for line in lines]
    assert told == [("ADDED", "first"), ("DELETED", "first")]


def test_the_settings_are_one_document(operator: Operator) -> None:
    assert operator.run("get", "settings", "-o", "json").json["items"][0]["kind"] == "Settings"
    assert "Settings" not in operator.run("export").out, "what was never written is not exported"
    operator.write("settings.yaml", document("Settings", "platform", selectorLabels=["team"]))
    assert operator.run("apply", "-f", "settings.yaml", "-y").out == "Settings/platform created\n"
    assert operator.run("describe", "settings", "platform", "-o", "json").json["spec"] == {"selectorLabels": ["team"]}
    exported = operator.run("export").out
    assert exported.startswith("apiVersion: portreeve.io/v1\nkind: Settings\n")
    assert operator.run("apply", "-f", "-", stdin=exported).err == "nothing to change\n"


def test_a_label_that_is_selected_by_stays_in_the_settings(filled: Operator) -> None:
    filled.write("settings.yaml", document("Settings", "platform", selectorLabels=["team"]))
    assert filled.run("apply", "-f", "settings.yaml", "-y").code == 0
    selecting = {"selector": {"matchLabels": {"team": "shop"}}}
    filled.plane.put(document("RegistryAccess", "s", registry="harbor", environment="prod", namespaces=selecting))
    filled.write("settings.yaml", document("Settings", "platform"))
    done = filled.run("apply", "-f", "settings.yaml", "-y")
    assert done.code == 2
    assert "RegistryAccess/s spec.namespaces.selector: selects by the label team" in done.err
    assert "--replace" not in done.err
