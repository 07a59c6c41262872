"""-o jsonpath=… and -o custom-columns=…: kubectl's templates over what -o json shows, through the real program."""

from __future__ import annotations

import json
from typing import Any

import pytest

from portreeve.cli import jsonpath
from portreeve.cli.jsonpath_reader import MOST_CHARS, Reader
from portreeve.cli.projection import text
from portreeve.errors import Invalid
from tests.cli.conftest import Operator
from tests.cli.program import Program
from tests.server.plane import document

DOCUMENT: dict[str, Any] = {
    "kind": "List",
    "items": [
        {
            "name": "a",
            "tier": "production",
            "size": 3,
            "on": True,
            "labels": {"a.b/c": "x", "team": "shop"},
            "at": [1, 2, 3],
        },
        {"name": "b", "tier": "staging", "size": 10, "on": False, "labels": {"team": "pay"}, "inner": {"name": "deep"}},
        {"name": "c", "tier": "production", "size": 1.5, "nothing": None},
    ],
}

TEMPLATES = {
    "{.kind}": "List",
    "{ .kind }": "List",
    "{$.kind}{@.kind}": "ListList",
    "{.items[*].name}": "a b c",
    "{.items[0].name}/{.items[-1].name}": "a/c",
    "{.items[7].name}|{.items[-4].name}|{.missing.name}": "||",
    "{.items[1:].name} {.items[:1].name} {.items[0:3:2].name}": "b c a a c",
    "{.items[0,2].name}": "a c",
    "{.items[*]['name','tier']}": "a production b staging c production",
    "{.items[0].labels['a.b/c']} {.items[0].labels.a\\.b/c}": "x x",
    "{.items.[0].name}": "a",
    "{.items[0].at}{.items[1].inner}": '[1,2,3]{"name":"deep"}',
    "{.items[0].on} {.items[0].size} {.items[2].size} {.items[2].nothing}": "true 3 1.5 null",
    "{..name}": "a b deep c",
    "{.items[0].labels.*}": "x shop",
    '{range .items[*]}{.name}{"\\t"}{.size}{"\\n"}{end}': "a\t3\nb\t10\nc\t1.5\n",
    "{range .items[*]}{.name}={range .at[*]}{@}.{end};{end}": "a=1.2.3.;b=;c=;",
    "{range .items[*]}{$.kind}{.name} {end}": "Lista Listb Listc ",
    "no quotes } needed {\"{'}'}\"} {'it\\'s'}": "no quotes } needed {'}'} it's",
    '{.items[?(@.tier=="production")].name}': "a c",
    "{.items[?(@.tier != 'production')].name}": "b",
    "{.items[?(@.size>2)].name}|{.items[?(@.size<=3)].name}": "a b|a c",
    "{.items[?(@.name>='b')].name}": "b c",
    "{.items[?(@.on==true)].name}|{.items[?(@.size==1)].name}": "a|",
    "{.items[?(@.inner)].name}|{.items[?(@.labels.team)].name}": "b|a b",
    "{.items[?(@.size>'1')].name}{.items[?(@.missing==1)].name}": "",
}


def rendered(template: str) -> str:
    return jsonpath.rendered(Reader(template).parts(), DOCUMENT, text)


@pytest.mark.parametrize("template", list(TEMPLATES))
def test_a_template_is_answered_as_kubectl_answers_it(template: str) -> None:
    assert rendered(template) == TEMPLATES[template]


WRONG = {
    "{.items[*]": ("the text ends where } is expected, at character 11", "one expression"),
    "{.items[*}": ("there is '}' where ] is expected, at character 10", "[0]"),
    "{items}": ("a path does not begin, at character 2", "begin it with a point"),
    "{}": ("a path does not begin", "begin it with a point"),
    "{.}{.a.}": ("a name is missing, at character 8", "write one"),
    "{.a .b}": ("there is '.' where } is expected", "one expression in each pair"),
    "{.a[x]}": ("neither a number nor a quoted name", "['name']"),
    "{.a[1:2:0]}": ("there is '0' where ] is expected", "[1:3]"),
    "{'open}": ("a quoted text does not end, at character 2", "write ' behind it"),
    "{range .items[*]}{.name}": ("a range does not end", "{end}"),
    "{.name}{end}": ("{end} ends no range", "{range"),
    "{.items[?(@.a==b)]}": ("what is compared cannot be read", '"text"'),
    "{.items[?(@.a==1 && @.b==2)]}": ("there is '&' where ) is expected", "one comparison"),
    "{.items.name}": (".name is asked of a list", "[*].name"),
    "{.items[0][1]}": ("an entry of a list is asked of an object", "it has the names name, tier"),
    "{range .a}" * 21: ("more than 20 ranges", "apart"),
    "{.a[?(@.b" + "[?(@.b" * 300: ("more than 20 ranges and filters", "apart"),
    "{" * (MOST_CHARS + 1): ("10,001 characters", "split it"),
}


@pytest.mark.parametrize("template", list(WRONG), ids=lambda template: template[:40])
def test_what_cannot_be_read_names_the_place_and_what_to_write(template: str) -> None:
    with pytest.raises(Invalid) as failed:
        rendered(template)
    what, fix = WRONG[template]
    assert what in failed.value.message
    assert fix in failed.value.hint


@pytest.fixture
def filled(operator: Operator) -> Operator:
    """A control plane with two registries."""
    harbor = document("Registry", "harbor", provider="harbor", host="harbor.example.com", path="shop")
    harbor["metadata"]["labels"] = {"team": "shop", "example.com/tier": "gold"}
    operator.plane.put(harbor, document("Registry", "quay", provider="quay", host="quay.io", path="acme"))
    return operator


def test_a_list_is_one_document_and_a_name_is_itself(filled: Operator) -> None:
    names = filled.run("get", "registries", "-o", "jsonpath={.items[*].metadata.name}")
    assert (names.code, names.out, names.err) == (0, "harbor quay", "")
    assert filled.run("get", "registry", "quay", "-o", "jsonpath={.spec.host}").out == "quay.io"
    lines = 'jsonpath={range .items[*]}{.metadata.name}{"\\n"}{end}'
    assert filled.run("get", "registries", "-o", lines).out == "harbor\nquay\n"
    assert filled.run("get", "teams", "-o", lines).out == ""
    found = filled.run("get", "registries", "-o", "jsonpath={.items[?(@.spec.provider=='quay')].spec.path}")
    assert found.out == "acme"
    assert filled.run("describe", "registry", "quay", "-o", "jsonpath={.kind}").out == "Registry"


def test_columns_are_those_that_are_asked_for(filled: Operator) -> None:
    spec = "custom-columns=NAME:.metadata.name,HOST:{.spec.host},TIER:metadata.labels['example.com/tier']"
    assert filled.run("get", "registries", "-o", spec).out.splitlines() == [
        "NAME    HOST                TIER",
        "harbor  harbor.example.com  gold",
        "quay    quay.io             <none>",
    ]
    bare = filled.run("get", "registries", "-o", "custom-columns=N:.metadata.name", "--no-headers")
    assert bare.out == "harbor\nquay\n"
    assert filled.run("get", "registry", "quay", "-o", "custom-columns=N:.metadata.name").out == "N\nquay\n"


def test_events_and_tokens_are_projected_too(filled: Operator) -> None:
    assert filled.run("delete", "registry", "quay", "-y").code == 0
    events = filled.run("audit", "--action", "registry.delete", "-o", "jsonpath={.items[0].object.name}")
    assert events.out == "quay"
    columns = filled.run("audit", "--action", "registry.delete", "-o", "custom-columns=WHAT:.action", "--no-headers")
    assert columns.out == "registry.delete\n"


def test_images_are_projected_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    program = Program(tmp_path_factory.mktemp("program"))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "x:1"}]},
    }
    program.write("pod.json", json.dumps(pod))
    assert program.run("images", "pod.json", "-o", "jsonpath={.images[*].canonical}").out == "docker.io/library/x:1"
    assert program.run("images", "pod.json", "-o", "custom-columns=I:.canonical").out == "I\ndocker.io/library/x:1\n"


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ("jsonpath", "write -o 'jsonpath={.items[*].metadata.name}'"),
        ("jsonpath=", "write -o 'jsonpath={.items[*].metadata.name}'"),
        ("jsonpath=.metadata.name", "put paths in braces"),
        ("jsonpath={.items[}", "at character 9 of '{.items[}'"),
        ("jsonpath={.items.metadata}", "[*].metadata"),
        ("custom-columns=", "write -o 'custom-columns=NAME:.metadata.name"),
        ("custom-columns=NAME", "write TITLE:PATH"),
        ("custom-columns=A:.a,B", "write TITLE:PATH"),
        ("custom-columns=A:.a;B:.b", "write a comma between columns"),
        ("custom-columns=A:.a b", "write a comma between columns"),
        ("nothing", "not one of"),
    ],
)
def test_a_form_that_cannot_be_used_is_told_with_what_to_write(operator: Operator, form: str, told: str) -> None:
    done = operator.run("get", "registries", "-o", form)
    assert (done.code, done.out) == (2, "")
    assert told in done.err


def test_a_form_is_read_before_anything_is_asked(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its guard refuses every socket: what is wrong is told without one."""
    done = Program(tmp_path_factory.mktemp("program")).run("get", "registries", "-o", "jsonpath={.a")
    assert (done.code, "at character 4" in done.err) == (2, True)


def test_a_document_that_lies_moves_no_cursor_in_columns(operator: Operator) -> None:
    operator.plane.put(document("Team", "evil", title="\u202egpj.exe"))
    out = operator.run("get", "teams", "-o", "custom-columns=T:.spec.title").out
    assert out == "T\n\\u202egpj.exe\n"
    # A program gets what is there.
    assert operator.run("get", "teams", "-o", "jsonpath={.items[0].spec.title}").out == "\u202egpj.exe"
