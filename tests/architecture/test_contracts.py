"""The import contracts hold, and each one has been seen to fail.

A copy of the package gets the lines that one contract forbids; what is told about it must name each of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PLANTED = {
    "Imports go down: programs, then edges, then wire, then core, then errors": [
        ("core/verdict.py", "import portreeve.wire.documents"),
        ("errors.py", "import portreeve.core.policy"),
        ("wire/dump.py", "import portreeve.cli.main"),
        ("workspace/stray.py", "import portreeve.cli.main"),
        ("vault/stray.py", "import portreeve.workspace.reading"),
        ("providers/gar.py", "import portreeve.vault.jws"),
        ("transport/stray.py", "import portreeve.vault.ports"),
        ("transport/outward.py", "import portreeve.oci.client"),
        ("oci/stray.py", "import portreeve.providers.contract"),
        ("oci/client.py", "import portreeve.vault.ports"),
        ("core/rewrap.py", "import portreeve.vault.envelope"),
        ("kube/client.py", "import portreeve.workspace.discovery"),
        ("kube/stray.py", "import portreeve.server.app"),
        ("providers/gar.py", "import portreeve.kube.client"),
        ("stray.py", ""),
    ],
    "In core a decision may know what it decides on, never the other way round": [
        ("core/reference.py", "import portreeve.core.policy"),
        ("core/policy.py", "import portreeve.core.verdict"),
        ("core/people.py", "import portreeve.core.authorization"),
        ("core/stray.py", ""),
    ],
    "Of the command line only `up` knows the control plane": [
        ("cli/check.py", "import portreeve.server.app"),
        ("cli/stray.py", "from portreeve.server.settings import Settings"),
    ],
    "The agent knows neither the control plane nor the command line, no provider, and none of the vault's masters": [
        ("agent/stray.py", "import portreeve.server.settings"),
        ("agent/loop.py", "import portreeve.cli.paths"),
        ("agent/main.py", "import portreeve.providers.contract"),
        ("agent/connection.py", "import portreeve.vault.envelope"),
    ],
    "Only the command line knows the sandbox": [
        ("server/stray.py", "import portreeve.sandbox.pushing"),
        ("agent/stray.py", "import portreeve.sandbox.processes"),
    ],
    "A provider knows no other provider": [
        ("providers/ecr_public.py", "import portreeve.providers.ecr"),
        ("providers/stray.py", "from portreeve.providers.harbor import PROVIDER"),
        ("providers/_aws.py", "import portreeve.providers.ecr"),
    ],
    "Only the reading of documents knows pydantic": [
        ("cli/stray.py", "import pydantic"),
        ("providers/stray.py", "import pydantic"),
        ("kube/stray.py", "import pydantic"),
    ],
    "Only the command line knows click and rich": [
        ("wire/stray.py", "import click"),
        ("agent/main.py", "import click"),
    ],
    "Files are read as YAML in wire alone": [
        ("workspace/stray.py", "import yaml"),
        ("kube/kubeconfig.py", "import yaml"),
    ],
    "Only the vault knows the cryptography library": [
        ("core/credential.py", "import cryptography.hazmat.primitives.hpke"),
        ("cli/stray.py", "from cryptography.fernet import Fernet"),
        ("agent/stray.py", "import cryptography.x509"),
        ("sandbox/stray.py", "import cryptography.x509"),
        ("oci/stray.py", "import cryptography"),
        ("kube/identity.py", "import cryptography"),
        ("providers/gar.py", "from cryptography.hazmat.primitives.asymmetric import rsa"),
    ],
    "Only the transport knows the HTTP library": [
        ("vault/stray.py", "import httpx2"),
        ("oci/client.py", "import httpx2"),
        ("oci/stray.py", "import httpcore2"),
        ("kube/client.py", "import httpcore2"),
        ("cli/stray.py", "from httpcore2 import ConnectionPool"),
        ("providers/harbor.py", "import httpx2"),
        ("agent/connection.py", "import httpx2"),
    ],
    "Only the Kubernetes edge knows msgspec": [
        ("transport/streaming.py", "import msgspec"),
        ("cli/stray.py", "from msgspec.json import decode"),
    ],
    "Only the server knows the database and the web framework": [
        ("vault/stray.py", "import sqlalchemy"),
        ("cli/stray.py", "from starlette.requests import Request"),
        ("agent/stray.py", "import sqlalchemy"),
    ],
    "Within a subject routes call services, and services call stores": [
        ("server/plans/store.py", "import portreeve.server.plans.service"),
        ("server/images/service.py", "import portreeve.server.images.routes"),
    ],
}


def lint(source: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(source), "COLUMNS": "200"}
    command = [
        str(Path(sys.executable).with_name("lint-imports")),
        "--config",
        str(ROOT / ".importlinter"),
        "--no-cache",
    ]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_every_contract_is_kept() -> None:
    result = lint(ROOT / "src")
    assert result.returncode == 0, result.stdout


def test_every_contract_has_a_line_that_breaks_it() -> None:
    contracts = ConfigParser()
    contracts.read(ROOT / ".importlinter")
    assert {section["name"] for section in map(dict, contracts.values()) if "name" in section} == set(PLANTED)


def imported(line: str) -> str:
    """What the report calls the module that this line imports: of others' packages it knows the name alone."""
    module = line.split()[1]
    return module if module.startswith("portreeve") else module.split(".")[0]


def told(output: str, sentence: str) -> str:
    """What the report tells about one contract that is broken."""
    _, _, details = output.partition("Broken contracts")
    _, _, section = details.partition(f"\n{sentence}\n---")
    return re.split(r"\n---", section)[0]


# One run for all lines of a contract: each starts the program and reads the whole package.
@pytest.mark.parametrize("sentence", PLANTED)
def test_each_line_too_much_breaks_its_contract(sentence: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src" / "portreeve", tmp_path / "portreeve", ignore=shutil.ignore_patterns("__pycache__"))
    expected = set()
    for file, line in PLANTED[sentence]:
        with (tmp_path / "portreeve" / file).open("a", encoding="utf-8") as target:
            target.write(f"\n{line}\n")
        module = "portreeve." + file.removesuffix(".py").replace("/", ".")
        expected.add(f"{module} -> {imported(line)}" if line else module)
    result = lint(tmp_path)
    assert result.returncode == 1, result.stdout
    # An import has its line behind it; a module without a place has a line to itself.
    found = set(re.findall(r"^- +(\S.*?)(?: \(l\..*\))?$", told(result.stdout, sentence), re.MULTILINE))
    assert not expected - found, result.stdout
