"""What an installation from source takes with the console in it: `pip install .`, with every cache empty.

Most of it is fetching: 61 MB of Node for the build, and 60,000 files of the console's packages to write. It contacts
the package registries; the figure is of the network and the disk, too.

Run: make bench, or python -m bench.console_build
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from bench.figures import Figures

LIMIT_S = 90
ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns("node_modules", "__pycache__", "static")


def main() -> None:
    """Measure, print, judge."""
    figures = Figures()
    with tempfile.TemporaryDirectory() as directory:
        tree, python = Path(directory, "tree"), Path(directory, "environment/bin/python")
        for name in ("src", "console"):
            shutil.copytree(ROOT / name, tree / name, ignore=LEFT_OUT)
        for name in ("pyproject.toml", "README.md", ".gitignore"):
            shutil.copy(ROOT / name, tree / name)
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        empty = {"npm_config_cache": f"{directory}/npm", "PATH": "/usr/bin:/bin"}
        command = [python, "-m", "pip", "wheel", "-q", "--no-cache-dir", "-w", f"{directory}/wheels", str(tree)]
        begun = time.monotonic()
        subprocess.run(command, check=True, env={**os.environ, **empty})
        install = [
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-index",
            "--find-links",
            f"{directory}/wheels",
            "portreeve",
        ]
        subprocess.run(install, check=True, env={**os.environ, **empty})
        figures.show("console_pip_install_cold", time.monotonic() - begun, "s", LIMIT_S)
        (wheel,) = Path(directory, "wheels").glob("portreeve-*.whl")
        with zipfile.ZipFile(wheel) as packed:
            sizes = [one.compress_size for one in packed.infolist() if "/static/" in one.filename]
        figures.show("console_in_the_wheel", sum(sizes) / 1e6, "MB")
    figures.finish()


if __name__ == "__main__":
    main()
