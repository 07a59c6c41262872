"""The README's blocks are run as they stand, in a copy of the files they name, with the installed program.

A fence says what is expected: ```sh exit=1; a following ```text output block must be part of what was printed. The
block marked `setup` is compared with the Makefile instead of being run inside a test.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.wide

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\S+)[ ]?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """Commands, the exit code that the last one must have, and text that must be printed ("" for any)."""

    commands: str
    exit_code: int
    output: str


def blocks() -> list[Block]:
    found: list[Block] = []
    for language, info, text in FENCE.findall(README):
        if language == "sh" and info != "setup":
            found.append(Block(text, int(info.removeprefix("exit=") or 0), ""))
        elif (language, info) == ("text", "output"):
            found[-1] = Block(found[-1].commands, found[-1].exit_code, text)
    return found


def test_every_block_does_what_it_says(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "demo", tmp_path / "demo")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "LC_ALL": "C.UTF-8",
    }
    assert len(blocks()) >= 8
    for block in blocks():
        done = subprocess.run(
            ["bash", "-e", "-c", block.commands],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == block.exit_code, f"{block.commands}\n{done.stdout}\n{done.stderr}"
        assert block.output in done.stdout, f"{block.commands}\n{done.stdout}"
        assert "Traceback" not in done.stderr


def test_the_set_up_commands_are_targets_of_the_makefile() -> None:
    (setup,) = [text for language, info, text in FENCE.findall(README) if (language, info) == ("sh", "setup")]
    targets = re.findall(r"^make (\w+)", setup, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_ci_calls_the_test_command_of_the_readme() -> None:
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs").rglob("*.md")) + sorted(ROOT.glob("*.md")), ids=lambda p: p.name
)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    lost = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert lost == []
