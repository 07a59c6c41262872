"""The programs of others that a sandbox runs, as far as they are on this machine. Nothing is fetched.

Where they may be, first match per program: KUBEBUILDER_ASSETS (which often lacks the controller manager), PATH, where
distributions put etcd, then what was built or downloaded into the cache by a clone of Portreeve (tests/tools).

Left out: building and downloading (`python -m tests.tools.components --get kubernetes` in a clone).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KUBERNETES: Final = ("kube-apiserver", "kube-controller-manager", "etcd")
OLDEST: Final = (1, 30)
"""The first Kubernetes that can restrict sources."""

VERSION_S: Final = 60
"""For a program to say its version; reading 130 MB from a cold disk takes some of it."""

Place = tuple[str, Path | None]
"""A way to a program, and where that leads; None: nowhere."""


@dataclass(frozen=True)
class Kubernetes:
    """The programs of a control plane.

    Args:
        version: as the API server reports it, such as v1.36.3.
        ways: program → how it was found.
    """

    apiserver: Path
    controller_manager: Path
    etcd: Path
    version: str
    ways: Mapping[str, str]

    def __str__(self) -> str:
        programs = zip(KUBERNETES, (self.apiserver, self.controller_manager, self.etcd), strict=True)
        return "\n".join(f"{name} {path} ({self.ways[name]})" for name, path in programs)


@dataclass(frozen=True, slots=True)
class Found:
    """What is here; `missing` says of each other part why it is left out."""

    kubernetes: Kubernetes | None
    registry: Path | None
    kubectl: Path | None
    missing: Mapping[str, str]


def cache_directory() -> Path:
    """PORTREEVE_CACHE, else portreeve below the user's cache directory."""
    own = os.environ.get("PORTREEVE_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "portreeve"


def first(places: Iterable[Place]) -> tuple[str, Path] | None:
    """The first place that has a program, and the way to it."""
    for way, path in places:
        if path is not None and os.access(path, os.X_OK) and path.is_file():
            return way, path
    return None


def assets(name: str) -> Place:
    """Where KUBEBUILDER_ASSETS would have it."""
    directory = os.environ.get("KUBEBUILDER_ASSETS")
    return "KUBEBUILDER_ASSETS", Path(directory) / name if directory else None


def on_path(name: str) -> Place:
    """Where PATH has it."""
    found = shutil.which(name)
    return "PATH", Path(found) if found else None


INSTALLED_ETCD: Final[Place] = ("the installed package", Path("/usr/bin/etcd"))


def package_etcd(cache: Path) -> Place:
    """The distribution's package, unpacked into the cache."""
    return "the distribution's package", cache / "etcd" / "package" / "usr" / "bin" / "etcd"


def version_of(apiserver: Path) -> str:
    """What the program says of itself, such as v1.36.3.

    Raises:
        LookupError: it says none; with what it says.
    """
    try:
        done = subprocess.run(  # noqa: S603 -- a program that was found, with a fixed argument and no shell
            [str(apiserver), "--version"], capture_output=True, text=True, timeout=VERSION_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LookupError(str(error)) from None
    match = re.search(r"Kubernetes (v\S+)", done.stdout)
    if match is None:
        raise LookupError(f"exit code {done.returncode}: {(done.stdout + done.stderr).strip()[-400:]}")
    return match[1]


def find(cache: Path) -> Found:
    """Look for all of it."""
    missing = {}
    kubernetes = _kubernetes(cache)
    if isinstance(kubernetes, str):
        missing["cluster"] = kubernetes
    registry, kubectl = first([on_path("docker-registry")]), first([on_path("kubectl")])
    if registry is None:
        missing["registry"] = "there is no docker-registry on PATH; on Debian: apt-get install docker-registry"
    if kubectl is None:
        missing["kubectl"] = "there is no kubectl on PATH"
    return Found(
        None if isinstance(kubernetes, str) else kubernetes,
        registry[1] if registry else None,
        kubectl[1] if kubectl else None,
        missing,
    )


def _kubernetes(cache: Path) -> Kubernetes | str:
    found = {name: place for name in KUBERNETES if (place := first(_places(name, cache)))}
    lacking = [name for name in KUBERNETES if name not in found]
    if lacking:
        looked = f"KUBEBUILDER_ASSETS, PATH and {cache}"
        return f"there is no {' and no '.join(lacking)} in {looked}; `make demo` in a clone builds them"
    paths = {name: path for name, (_, path) in found.items()}
    try:
        version = version_of(paths["kube-apiserver"])
    except LookupError as error:
        return f"{paths['kube-apiserver']} does not say its version: {error}"
    numbers = re.match(r"v(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
        return f"{paths['kube-apiserver']} is {version}; {OLDEST[0]}.{OLDEST[1]} is the oldest that restricts sources"
    ways = {name: way for name, (way, _) in found.items()}
    return Kubernetes(paths["kube-apiserver"], paths["kube-controller-manager"], paths["etcd"], version, ways)


def _places(name: str, cache: Path) -> list[Place]:
    """A cache holds a build or a release below each version; the newest comes first."""
    kept = sorted(cache.glob(f"kubernetes/*/*/{name}"), key=lambda path: path.stat().st_mtime, reverse=True)
    places = [assets(name), on_path(name)] + ([INSTALLED_ETCD] if name == "etcd" else [])
    places += [("the cache", path) for path in kept]
    return places + ([package_etcd(cache)] if name == "etcd" else [])
