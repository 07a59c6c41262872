"""Find the real parts that tests run against, or get them: the one place that knows all the ways.

    python -m tests.tools.components --get kubernetes|oracle|cel|referrers|helm|promql|nodes|registry|postgres|all

`find_*` only looks; `get_*` looks, then builds or downloads. What could not be had comes back as `Missing`, with every
way that was tried and what it said: a machine without network deserves better than a stack trace.

The ways to Kubernetes, first match per program: KUBEBUILDER_ASSETS (which often lacks the controller manager), our
cache, a build of kube/, the official release. etcd also counts when it is installed. PostgreSQL and
docker-registry must be installed.

Leaves out: running them (cluster.py, oracle.py, cel.py, postgres.py, registry.py).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import pwd
import re
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.tools.gobuild import Attempt, GoProgram, Progress, build, only_builder, run_bounded

HERE = Path(__file__).parent


def _pinned(module: str, source: Path) -> str:
    """The version that go.mod requires, so that it is written down once."""
    match = re.search(rf"^(?:require)?\s+{re.escape(module)} (v\S+)", (source / "go.mod").read_text(), re.MULTILINE)
    if match is None:
        raise LookupError(f"{source}/go.mod does not require {module}")
    return match[1]


def _version_flags(version: str) -> tuple[str, ...]:
    """Without these the programs report v0.0.0-master, and whoever asks for capabilities sees none."""
    major, minor = version.removeprefix("v").split(".")[:2]
    settings = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean", "gitCommit": ""}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return tuple(
        part for package in packages for key, value in settings.items() for part in ("-X", f"{package}.{key}={value}")
    )


KUBERNETES_VERSION = _pinned("k8s.io/kubernetes", HERE / "kube")
KUBERNETES = GoProgram(
    name="kubernetes",
    source=HERE / "kube",
    binary="portreeve-kube",
    version=KUBERNETES_VERSION,
    timeout_s=3600,  # 10 CPU-minutes were measured: 7 min on two idle cores
    ldflags=("-s", "-w", *_version_flags(KUBERNETES_VERSION)),
    links=("kube-apiserver", "kube-controller-manager", "etcd"),
)
ORACLE = GoProgram(
    name="oracle",
    source=HERE / "oracle",
    binary="portreeve-oracle",
    version=_pinned("github.com/distribution/reference", HERE / "oracle"),
    timeout_s=600,
)
CEL = GoProgram(
    name="cel",
    source=HERE / "cel",
    binary="portreeve-cel",
    version=_pinned("k8s.io/apiserver", HERE / "cel"),
    timeout_s=1800,
)

REFERRERS = GoProgram(
    name="referrers",
    source=HERE / "referrers",
    binary="portreeve-referrers",
    version=_pinned("github.com/google/go-containerregistry", HERE / "referrers"),
    timeout_s=600,
)

HELM = GoProgram(
    name="helm",
    source=HERE / "helm",
    binary="portreeve-helm",
    version=_pinned("helm.sh/helm/v3", HERE / "helm"),
    timeout_s=1800,
)

PROMQL = GoProgram(
    name="promql",
    source=HERE / "promql",
    binary="portreeve-promql",
    version=_pinned("github.com/prometheus/prometheus", HERE / "promql"),
    timeout_s=1800,
)

NODES = GoProgram(
    name="nodes",
    source=HERE / "nodes",
    binary="portreeve-nodes",
    version=_pinned("go.podman.io/image/v5", HERE / "nodes"),
    timeout_s=1800,  # 45 CPU-seconds were measured, 75 s beside others
    tags=("containers_image_openpgp", "containers_image_fulcio_stub", "containers_image_rekor_stub"),
)

POSTGRES_PACKAGES = Path("/usr/lib/postgresql")
"""Where Debian keeps the servers, each below its version and none on PATH."""
POSTGRES_USER = "postgres"
"""Whom the server runs as when we are root, which it refuses; the distribution's package makes this user."""

KUBERNETES_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "etcd")
RELEASES = "https://dl.k8s.io"
DOWNLOAD_STALL_S = 15.0
"""No byte for so long ends a download; a machine without the way out should learn so quickly."""


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
        programs = zip(KUBERNETES_PROGRAMS, (self.apiserver, self.controller_manager, self.etcd), strict=True)
        return "\n".join(f"{name} {path} ({self.ways[name]})" for name, path in programs)


@dataclass(frozen=True)
class Program:
    """A single program that was found."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class Postgres:
    """The programs of a PostgreSQL server.

    Args:
        version: as the server reports it, such as 15.14.
        user: whom to run it as; None: as ourselves.
        way: how it was found.
    """

    initdb: Path
    server: Path
    version: str
    user: str | None
    way: str

    def __str__(self) -> str:
        return f"postgres {self.server} ({self.way}, {self.version})"


@dataclass(frozen=True)
class Missing:
    """A component that is not here, and each way that did not lead to it.

    Args:
        remedy: what a person can do about it; empty: run this module.
    """

    component: str
    attempts: tuple[Attempt, ...]
    remedy: str = ""

    def __str__(self) -> str:
        ways = "\n".join(f"  {attempt}".replace("\n", "\n    ") for attempt in self.attempts)
        remedy = self.remedy or f"Get it: python -m tests.tools.components --get {self.component}"
        return f"{self.component} is missing. {remedy}\n{ways}"


def default_cache() -> Path:
    """PORTREEVE_CACHE, else portreeve below the user's cache directory."""
    own = os.environ.get("PORTREEVE_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "portreeve"


def find_kubernetes(cache: Path) -> Kubernetes | Missing:
    """Look for the control plane's programs without fetching or building anything."""
    found = {name: place for name in KUBERNETES_PROGRAMS if (place := _find(name, cache))}
    attempts = [
        Attempt(f"{name} by {way}", f"{path} is not there" if path else "not there")
        for name in KUBERNETES_PROGRAMS
        if name not in found
        for way, path in _places(name, cache)
    ]
    if attempts:
        return Missing("kubernetes", tuple(attempts))
    paths = {name: path for name, (_, path) in found.items()}
    version = _kubernetes_version(paths["kube-apiserver"])
    if isinstance(version, Attempt):
        return Missing("kubernetes", (version,))
    ways = {name: way for name, (way, _) in found.items()}
    return Kubernetes(paths["kube-apiserver"], paths["kube-controller-manager"], paths["etcd"], version, ways)


def _find(name: str, cache: Path) -> tuple[str, Path] | None:
    """The first place that has a program, and the way to it."""
    for way, path in _places(name, cache):
        if path is not None and os.access(path, os.X_OK) and path.is_file():
            return way, path
    return None


def _places(name: str, cache: Path) -> list[tuple[str, Path | None]]:
    """Where a program may be: way → path, in order of preference."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    places: list[tuple[str, Path | None]] = [("KUBEBUILDER_ASSETS", Path(assets) / name if assets else None)]
    if name == "etcd":
        on_path = shutil.which("etcd")
        places += [("PATH", Path(on_path) if on_path else None), ("the installed package", Path("/usr/bin/etcd"))]
    places += [("our build", KUBERNETES.place(cache) / name), ("the release", _release_place(cache) / name)]
    if name == "etcd":
        places.append(("the distribution's package", _package_place(cache)))
    return places


def _release_place(cache: Path) -> Path:
    return cache / "kubernetes" / KUBERNETES_VERSION / "release"


def _package_place(cache: Path) -> Path:
    return cache / "etcd" / "package" / "usr" / "bin" / "etcd"


def _kubernetes_version(apiserver: Path) -> str | Attempt:
    ran = run_bounded([str(apiserver), "--version"], Path("/"), os.environ, timeout_s=60)
    match = re.search(r"Kubernetes (v\S+)", ran.tail)
    return match[1] if match else Attempt(f"{apiserver} --version", f"exit code {ran.code}: {ran.tail}")


def get_kubernetes(cache: Path, progress: Progress) -> Kubernetes | Missing:
    """Find the control plane's programs; build them, or else download them, where they are not here."""
    attempts: list[Attempt] = []
    steps = [_build_kubernetes, _download_kubernetes]
    if _find("etcd", cache) is None:
        steps.append(_unpack_etcd)
    for step in steps:
        found = find_kubernetes(cache)
        if isinstance(found, Kubernetes):
            return found
        attempts += step(cache, progress)
    found = find_kubernetes(cache)
    return found if isinstance(found, Kubernetes) else Missing("kubernetes", (*found.attempts, *attempts))


def _build_kubernetes(cache: Path, progress: Progress) -> list[Attempt]:
    with only_builder(cache, progress):
        built = build(KUBERNETES, cache, progress)
    return built if isinstance(built, list) else []


def _download_kubernetes(cache: Path, progress: Progress) -> list[Attempt]:
    """The official release. Its checksum comes from the same server: it finds damage, not a forgery."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        return [Attempt(RELEASES, f"has no servers for {sys.platform} on {platform.machine()}")]
    place = _release_place(cache)
    with only_builder(cache, progress):
        if place.is_dir():
            return []
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".downloading-", dir=place.parent) as directory:
            finished = Path(directory) / "done"
            finished.mkdir()
            for name in ("kube-apiserver", "kube-controller-manager"):
                url = f"{RELEASES}/{KUBERNETES_VERSION}/bin/linux/{machine}/{name}"
                reason = _download(url, finished / name, progress)
                if reason:
                    return [Attempt(url, reason)]
            finished.rename(place)
    return []


def _download(url: str, target: Path, progress: Progress) -> str:
    """Fetch a program and hold it against its published checksum. Returns: why not, or empty."""
    progress(f"downloading {url}")
    try:
        with urllib.request.urlopen(f"{url}.sha256", timeout=DOWNLOAD_STALL_S) as answer:
            expected = answer.read(4096).decode().split()[0]
        digest = hashlib.sha256()
        with urllib.request.urlopen(url, timeout=DOWNLOAD_STALL_S) as answer, target.open("wb") as file:
            while block := answer.read(1 << 20):
                digest.update(block)
                file.write(block)
    except (OSError, ValueError, IndexError) as error:
        return f"{type(error).__name__}: {error}"
    if digest.hexdigest() != expected:
        return f"sha256 is {digest.hexdigest()}, published is {expected}"
    target.chmod(0o755)
    return ""


def _unpack_etcd(cache: Path, progress: Progress) -> list[Attempt]:
    """Unpack the distribution's etcd into the cache.

    It is not installed: that needs root, and would start a service of the machine's.
    """
    way = "the distribution's package etcd-server"
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return [Attempt(way, "no apt-get or dpkg-deb here")]
    place = cache / "etcd"
    place.mkdir(parents=True, exist_ok=True)
    with only_builder(cache, progress), tempfile.TemporaryDirectory(prefix=".unpacking-", dir=place) as directory:
        progress(f"etcd: fetching {way}")
        ran = run_bounded(["apt-get", "download", "etcd-server"], Path(directory), os.environ, timeout_s=300)
        packages = list(Path(directory).glob("*.deb"))
        if ran.code != 0 or not packages:
            return [Attempt(way, f"apt-get download said: {ran.tail} (it may need: apt-get update)")]
        finished = Path(directory) / "done"
        unpack = ["dpkg-deb", "--extract", str(packages[0]), str(finished)]
        ran = run_bounded(unpack, Path(directory), os.environ, timeout_s=120)
        if ran.code != 0:
            return [Attempt(way, f"dpkg-deb said: {ran.tail}")]
        if not (place / "package").exists():
            finished.rename(place / "package")
    return []


def find_program(program: GoProgram, cache: Path) -> Program | Missing:
    """Look for one of our own small programs without building it."""
    path = program.place(cache) / program.binary
    if path.is_file():
        return Program(path)
    return Missing(program.name, (Attempt("our build", f"{path} is not there"),))


def get_program(program: GoProgram, cache: Path, progress: Progress) -> Program | Missing:
    """Find one of our own small programs, or build it."""
    with only_builder(cache, progress):
        built = build(program, cache, progress)
    return Missing(program.name, tuple(built)) if isinstance(built, list) else Program(built / program.binary)


def find_postgres() -> Postgres | Missing:
    """Look for PostgreSQL's server: on PATH, then the newest that the distribution installed.

    It is never fetched: its libraries and its user come with the distribution's package.
    """
    user = None if os.geteuid() else POSTGRES_USER
    attempts: list[Attempt] = []
    if user is not None and not _is_user(user):
        attempts.append(Attempt(f"user {user}", "there is none, and the server refuses to run as root"))
    for way, directory in [] if attempts else _postgres_places():
        initdb, server = directory / "initdb", directory / "postgres"
        if not (os.access(initdb, os.X_OK) and os.access(server, os.X_OK)):
            attempts.append(Attempt(way, f"initdb and postgres are not both in {directory}"))
            continue
        ran = run_bounded([str(server), "--version"], Path("/"), os.environ, timeout_s=60)
        match = re.search(r"PostgreSQL\) (\S+)", ran.tail)
        if match:
            return Postgres(initdb, server, match[1], user, way)
        attempts.append(Attempt(f"{server} --version", f"exit code {ran.code}: {ran.tail}"))
    remedy = "Install the distribution's package; on Debian: apt-get install postgresql"
    return Missing(
        "postgres", tuple(attempts) or (Attempt(str(POSTGRES_PACKAGES), "no server in it or on PATH"),), remedy
    )


def find_registry() -> Program | Missing:
    """Look for Docker's registry on PATH, where the distribution's package puts it. It is never fetched."""
    on_path = shutil.which("docker-registry")
    if on_path is None:
        remedy = "Install the distribution's package; on Debian: apt-get install docker-registry"
        return Missing("registry", (Attempt("PATH", "there is no docker-registry"),), remedy)
    return Program(Path(on_path))


def _postgres_places() -> list[tuple[str, Path]]:
    """Where the server may be: way → directory, in order of preference."""
    on_path = shutil.which("initdb")
    places = [("PATH", Path(on_path).resolve().parent)] if on_path else []
    versions = sorted((int(each.name) for each in POSTGRES_PACKAGES.glob("*") if each.name.isdecimal()), reverse=True)
    return places + [("the installed package", POSTGRES_PACKAGES / str(version) / "bin") for version in versions]


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def main(arguments: list[str]) -> int:
    """Get what is asked for; print where it is. Returns: 0 if all of it is here, else 1."""

    def progress(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    cache = default_cache()
    getters: dict[str, Callable[[], Kubernetes | Program | Postgres | Missing]] = {
        "postgres": find_postgres,
        "registry": find_registry,
        "oracle": lambda: get_program(ORACLE, cache, progress),
        "cel": lambda: get_program(CEL, cache, progress),
        "referrers": lambda: get_program(REFERRERS, cache, progress),
        "kubernetes": lambda: get_kubernetes(cache, progress),
        # After Kubernetes, with which they share nearly all of their packages.
        "helm": lambda: get_program(HELM, cache, progress),
        "promql": lambda: get_program(PROMQL, cache, progress),
        "nodes": lambda: get_program(NODES, cache, progress),
    }
    parser = argparse.ArgumentParser(prog="python -m tests.tools.components", description=main.__doc__)
    parser.add_argument("--get", required=True, choices=[*getters, "all"], action="append")
    wanted = parser.parse_args(arguments).get
    results = [get() for name, get in getters.items() if "all" in wanted or name in wanted]
    for result in results:
        print(result, file=sys.stderr if isinstance(result, Missing) else sys.stdout)
    return int(any(isinstance(result, Missing) for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
