"""The pages docs/spec/*.md: their examples are read by the program, and they name every field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from portreeve.wire.documents import MODELS, read_document, read_documents, read_policy_tests
from portreeve.wire.documents.models import names_of
from portreeve.wire.documents.problems import Names
from portreeve.wire.schemas import schema

PAGES = Path(__file__).parents[2] / "docs/spec"
PAGE_OF = {
    "RegistryPolicy": "registry-policy.md",
    "Registry": "registry.md",
    "Exemption": "exemption.md",
    "PolicyTest": "policy-test.md",
    "EnvironmentGroup": "environment-group.md",
    "Environment": "environment.md",
    "Project": "project.md",
    "RegistryAccess": "registry-access.md",
    "Team": "team.md",
    "RoleBinding": "role-binding.md",
    "User": "user.md",
    "Settings": "settings.md",
}


def page(kind: str) -> str:
    return (PAGES / PAGE_OF[kind]).read_text(encoding="utf-8")


def examples(kind: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> list[Any]:
    blocks = re.findall("^```yaml\n(.*?)^```", page(kind), re.MULTILINE | re.DOTALL)
    return [document for block in blocks for document in yaml.load_all(block, Loader=loader)]  # both loaders are safe


class TextLoader(yaml.SafeLoader):
    """Every scalar is text, as our own reader has it."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the base class declares it so


@pytest.mark.parametrize("loader", [yaml.SafeLoader, TextLoader])
@pytest.mark.parametrize("kind", sorted(MODELS))
def test_the_example_of_a_page_is_read(kind: str, loader: type[yaml.SafeLoader]) -> None:
    sources = [(document, "page.md", 1) for document in examples(kind, loader)]
    if kind == "Settings":  # there is one, and no set of files holds it
        assert [type(read_document(document).value).__name__ for document, _, _ in sources] == ["PlatformSettings"]
        return
    documents = read_documents(sources)
    found = [
        *documents.policies,
        *documents.registries,
        *documents.exemptions,
        *documents.groups,
        *documents.environments,
        *documents.projects,
        *documents.users,
        *documents.accesses,
        *documents.teams,
        *documents.bindings,
        *read_policy_tests(sources),
    ]
    assert [type(value).__name__ for value in found] == [kind]
    assert documents.warnings == ()


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_the_example_of_a_page_fits_the_schema(kind: str) -> None:
    (document,) = examples(kind)
    if kind in {"Registry", "Exemption"}:  # PyYAML makes a datetime of a time; JSON has text
        (document,) = examples(kind, TextLoader)
        tls = document["spec"].get("tls", {})
        tls |= {name: tls[name] == "true" for name in tls if name != "caBundle"}
    jsonschema.validate(document, schema(kind), jsonschema.Draft202012Validator)


def leaves(names: Names) -> Iterator[str]:
    for name, below in names.fields.items():
        yield name
        yield from leaves(below)


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_a_page_names_every_field(kind: str) -> None:
    fields = page(kind).partition("## Fields")[2].partition("## Working with it")[0]
    words = set(re.findall("[A-Za-z]+", " ".join(re.findall("`([^`]*)`", fields))))
    assert {name for name in leaves(names_of(MODELS[kind])) if name not in words} == set()


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_a_page_has_example_fields_and_use_in_this_order(kind: str) -> None:
    text = page(kind)
    marks = [text.index(mark) for mark in (f"# {kind}\n", "```yaml", "## Fields", "## Working with it")]
    assert marks == sorted(marks)
