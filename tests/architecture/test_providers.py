"""Adding a provider touches three files: each provider has them, and a copy of the tree gets one more.

The names of providers stand in no other place that decides anything: that is what the second half shows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from portreeve.providers import every

ROOT = Path(__file__).parents[2]
MODULES = {type(provider).__module__.rpartition(".")[2]: name for name, provider in every().items()}

PROVIDER = '''"""Acme's registry, which a test adds.

Needs: nothing.
Lists: `_catalog`.
Limits: none.
Source: this test.
"""

from __future__ import annotations

from typing import Final

from portreeve.providers.contract import Claim, Place, Provider


class Acme(Provider):
    """Acme."""

    name = "acme"
    title = "Acme"

    def claim(self, host: str, path: str = "") -> Claim | None:
        return Claim(self.name, Place(host)) if host == "registry.acme.example" else None


PROVIDER: Final = Acme()
'''

TEST = """from __future__ import annotations

from portreeve.providers import acme
from portreeve.providers.contract import Place
from tests.providers.contract_suite import ProviderContract, stored


class TestAcme(ProviderContract):
    provider = acme.PROVIDER
    place = Place("registry.acme.example", "shop")
    claimed = ("registry.acme.example",)
    credentials = {"basic": stored("basic", username="robot")}
"""

PAGE = """# Acme (`acme`)

## Claims

## Signs in

`basic` with `username`.

## Needs

## Lists

## Limits

## Hosts to open

## Traps

## Tested
"""

ADDED = {
    "src/portreeve/providers/acme.py": PROVIDER,
    "tests/providers/test_acme.py": TEST,
    "docs/providers/acme.md": PAGE,
}

ASKS = """
from portreeve.core.reference import parse_prefix
from portreeve.providers import every
from portreeve.providers.declared import problems
from portreeve.providers.firewall import needs
from portreeve.providers.recognise import recognise
from portreeve.wire.documents import read_document
from portreeve.wire.schemas import schema

assert "acme" in every()
document = {
    "apiVersion": "portreeve.io/v1", "kind": "Registry", "metadata": {"name": "acme"},
    "spec": {"provider": "acme", "host": "registry.acme.example",
             "credentials": [{"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}]},
}
assert list(problems(read_document(document).spec)) == []
found = recognise("docker pull registry.acme.example/shop/api:1")
assert [(one.provider, one.certain) for one in found] == [("acme", True)]
assert [one.provider for one in needs(parse_prefix("registry.acme.example/shop"))] == ["acme"]
print(__import__("portreeve").__file__)
"""


@pytest.mark.parametrize(("module", "name"), sorted(MODULES.items()))
def test_a_provider_has_its_test_and_its_page(module: str, name: str) -> None:
    assert module == name.replace("-", "_")
    assert (ROOT / f"tests/providers/test_{module}.py").is_file()
    assert (ROOT / f"docs/providers/{name}.md").is_file()


def test_every_page_and_every_test_of_a_provider_has_one() -> None:
    pages = {path.stem for path in (ROOT / "docs/providers").glob("*.md")} - {"README"}
    assert pages == set(every())
    suites = [
        path for path in (ROOT / "tests/providers").glob("test_*.py") if "ProviderContract" in path.read_text("utf-8")
    ]
    assert {path.stem.removeprefix("test_") for path in suites} == set(MODULES)


def test_the_table_of_providers_names_each() -> None:
    table = (ROOT / "docs/providers/README.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in table for name in every())


def files(root: Path) -> dict[str, bytes]:
    """Path → content of what was copied, without what running leaves behind."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and ".hypothesis" not in path.parts
    }


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what a provider is made of."""
    root = tmp_path / "tree"
    ignored = shutil.ignore_patterns("__pycache__", ".hypothesis")
    for part in ("src", "docs/providers", "tests/providers", "tests/fakes", "tests/architecture"):
        shutil.copytree(ROOT / part, root / part, ignore=ignored)
    for file in ("pyproject.toml", "tests/__init__.py"):
        shutil.copy(ROOT / file, root / file)
    return root


def test_three_files_add_a_provider_and_no_other_one_changes(copy: Path) -> None:
    before = files(copy)
    for name, content in ADDED.items():
        (copy / name).write_text(content, encoding="utf-8")
    asked = run(copy, "-c", ASKS)
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.strip() == str(copy / "src/portreeve/__init__.py")
    suite = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/providers/test_acme.py")
    assert suite.returncode == 0, suite.stdout + suite.stderr
    after = files(copy)
    assert {name for name in after if before.get(name) != after[name]} == set(ADDED)
    assert set(before) <= set(after)


def test_without_its_page_its_own_test_fails(copy: Path) -> None:
    for name, content in ADDED.items():
        if not name.startswith("docs"):
            (copy / name).write_text(content, encoding="utf-8")
    suite = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/providers/test_acme.py")
    assert suite.returncode == 1
    assert "test_its_page_names_its_methods_fields_and_hosts" in suite.stdout
