"""`get` and `describe`: the same documents as a table, for programs, and as they change."""

from __future__ import annotations

import csv
import io
import json

import pytest
import yaml

from portreeve.cli.kinds import KIND, KINDS
from portreeve.server.documents import kinds as served_kinds
from tests.cli import doubles
from tests.cli.conftest import Operator
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


def test_watching_is_refused_where_the_control_plane_cannot(operator: Operator) -> None:
    if operator.plane.has_route("/api/v1/watch", token=operator.token):
        pytest.skip("this control plane can")
    done = operator.run("get", "teams", "-w", "-o", "json")
    assert (done.code, done.json["error"]["code"]) == (2, "watch_unsupported")


@pytest.mark.parametrize("form", ["table", "json", "yaml", "name", "csv"])
def test_watching_shows_what_is_there_and_what_changes(operator: Operator, form: str) -> None:
    doubles.watch(operator.plane, operator.token, [
        {"type": "ADDED", "object": document("Team", "second")},
        {"type": "MODIFIED", "object": document("Registry", "other")},
        {"type": "DELETED", "object": document("Team", "first")},
    ])  # fmt: skip
    operator.plane.put(document("Team", "first"))
    lines = watched(operator, "get", "teams", "-w", "-o", form)
    text = "\n".join(lines)
    assert [text.index("first"), text.index("second"), text.rindex("first")] == sorted(
        [text.index("first"), text.index("second"), text.rindex("first")]
    )
    assert "other" not in text
    if form == "json":
        found = [json.loads(line) for line in lines]
        assert [(one["type"], one["object"]["metadata"]["name"]) for one in found] == [
            ("ADDED", "first"), ("ADDED", "second"), ("DELETED", "first"),
        ]  # fmt: skip


def watched(operator: Operator, *arguments: str) -> list[str]:
    """What a run writes until its stream ends."""
    done = operator.run(*arguments)
    assert done.code == 0, done.err
    return done.out.splitlines()
