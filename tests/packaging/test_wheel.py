"""From the sources to a browser's first requests, on a machine without Node: source archive, wheel, new environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.server.program import Machine

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns("node_modules", "__pycache__", "static")
BUILD_TIMEOUT_S = 400.0
REFERENCE = re.compile(r'(?:src|href)="\./(assets/[^"]+)"')


def sources(directory: Path) -> Path:
    """The tree as it is committed, with a build in it that is out of date."""
    for name in ("src", "console"):
        shutil.copytree(ROOT / name, directory / name, ignore=LEFT_OUT)
    for name in ("pyproject.toml", "README.md", ".gitignore"):
        shutil.copy(ROOT / name, directory / name)
    stale = directory / "src/portreeve/server/static/assets/stale.js"
    stale.parent.mkdir(parents=True)
    stale.write_text("of last week")
    return directory


def built(tree: Path, target: str, into: Path, tools: Path) -> Path:
    """What hatchling makes of it; the only programs that are found are those in `tools`."""
    environment = {"PATH": str(tools), "HOME": os.environ["HOME"], "LANG": "C.UTF-8"}
    passed = {
        name: value for name, value in os.environ.items() if name.lower().startswith(("npm_config_", "ssl_", "node_"))
    }
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)]
    ran = subprocess.run(
        command, cwd=tree, env={**passed, **environment}, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    (found,) = into.iterdir()
    return found


def below(directory: Path) -> set[Path]:
    """Everything in it but what Python keeps for itself."""
    return {path for path in directory.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A directory of programs with a shell in it, and no Node."""
    found = tmp_path / "tools"
    found.mkdir()
    (found / "sh").symlink_to("/bin/sh")
    return found


def test_a_wheel_of_the_source_archive_answers_the_console(tmp_path: Path, tools: Path) -> None:
    (tree := tmp_path / "tree").mkdir()
    archive = built(sources(tree), "sdist", tmp_path / "archive", tools)
    with tarfile.open(archive) as packed:
        names = [name.partition("/")[2] for name in packed.getnames()]
        assert {"console/package-lock.json", "console/index.html", "console/build.py"} <= set(names)
        assert not [name for name in names if "static/" in name or "node_modules" in name]
        # Python before 3.11.4 knows no filters; the archive is our own.
        known: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        packed.extractall(tmp_path / "unpacked", **known)
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    before = below(unpacked)
    wheel = built(unpacked, "wheel", tmp_path / "wheel", tools)
    assert below(unpacked) == before, "the build of a wheel changes nothing in the tree"

    served = "portreeve/server/static/"
    with zipfile.ZipFile(wheel) as packed_wheel:
        files = {name.removeprefix(served) for name in packed_wheel.namelist() if name.startswith(served)}
    assert "index.html" in files
    assert "assets/stale.js" not in files

    machine = installed(wheel, tmp_path)
    with machine.up() as running:
        page = running.get("/")
        assert page.status_code == 200, page.text
        referred = REFERENCE.findall(page.text)
        assert {Path(name).suffix for name in referred} >= {".js", ".css"}
        assert set(referred) <= files
        for name in files - {"index.html"} - {name for name in files if name.endswith(".gz")}:
            answer = running.get(f"/{name}")
            assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (200, "nosniff"), name
            assert f"{name}.gz" in files or name.endswith((".woff2", ".png")), f"{name} is text, and not packed"
        assert running.link().startswith(f"{running.address}/login#t=")
        assert running.get("/login").text == page.text


def installed(wheel: Path, directory: Path) -> Machine:
    """The wheel in an environment of its own; what it needs is taken from ours, where Portreeve itself is not found."""
    environment = directory / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "needed.pth").write_text(sysconfig.get_path("purelib"))
    where = subprocess.run(
        [python, "-c", "import portreeve; print(portreeve.__file__)"], check=True, capture_output=True, text=True
    )
    assert Path(where.stdout.strip()).is_relative_to(environment)
    return Machine(directory / "home", program=environment / "bin/portreeve")


def test_an_editable_installation_builds_no_console(tmp_path: Path, tools: Path) -> None:
    (tree := tmp_path / "tree").mkdir()
    (sources(tree) / "console/package.json").unlink()
    wheel = built(tree, "wheel:editable", tmp_path / "wheel", tools)
    with zipfile.ZipFile(wheel) as packed:
        assert not [name for name in packed.namelist() if "static" in name]


def test_packages_behind_a_link_are_left_alone(tmp_path: Path) -> None:
    """A working copy may have another one's packages behind a link: npm would empty that directory first."""
    (tree := tmp_path / "tree").mkdir()
    console = sources(tree) / "console"
    (another := tmp_path / "another").mkdir()
    (another / "kept").write_text("of another tree")
    (console / "node_modules").symlink_to(another)
    ran = subprocess.run([sys.executable, console / "build.py"], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr.partition(":")[0]) == (1, "console"), ran.stderr
    assert "console/node_modules is a link" in ran.stderr
    assert [path.name for path in another.iterdir()] == ["kept"]
