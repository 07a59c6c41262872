"""What on this machine could be connected: clusters, container engines, registry logins. Nothing is contacted.

Files are read and sockets are looked at from outside. Of a login the host is told, and whether its credential stands in
the file or a helper keeps it; never a value, and never a user. A file that cannot be read is named with the reason.

Left out: asking helpers which hosts they know, as that would run programs; in-cluster configuration.

Sources: Kubernetes, "Organizing Cluster Access Using kubeconfig Files" (the merge); containers-auth.json(5) (the order
of login files); Docker, "docker login" (credsStore, credHelpers); Podman, "podman system service".
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from portreeve.wire.kubeconfig import MAX_FILE_BYTES, merged

MAX_NAME: Final = 253
"""Characters of a name that are shown."""

LOCAL: Final = ("kind", "k3d", "minikube")
"""Tools whose clusters run on this machine; their contexts begin with their name."""

ENGINES: Final = (
    ("docker", "/var/run/docker.sock"),
    ("docker", "{runtime}/docker.sock"),
    ("docker", "{home}/.docker/run/docker.sock"),
    ("podman", "/run/podman/podman.sock"),
    ("podman", "{runtime}/podman/podman.sock"),
    ("containerd", "/run/containerd/containerd.sock"),
    ("containerd", "/run/k3s/containerd/containerd.sock"),
)
"""Engine, and where its socket usually is. `{runtime}` is $XDG_RUNTIME_DIR."""


_CREDENTIAL: Final = ("auth", "identitytoken", "registrytoken", "password")
"""What of an entry is a credential; only whether one is there is asked."""


@dataclass(frozen=True, slots=True)
class Context:
    """A context of a kubeconfig. `local` is the tool whose cluster it is by its name, "" for any other."""

    name: str
    file: str
    namespace: str
    current: bool
    local: str


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine, and the address of its socket."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Login:
    """A registry that somebody has logged in to. `helper` is the program that keeps it; "" if the file itself does."""

    host: str
    file: str
    helper: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that was there and could not be used."""

    file: str
    reason: str


@dataclass(slots=True)
class Discovery:
    """All that was found, each kind in the order in which it counts."""

    contexts: list[Context] = field(default_factory=list)
    engines: list[Engine] = field(default_factory=list)
    logins: list[Login] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)

    def summary(self) -> str:
        """One line for a person."""
        counted = [_count(len(self.contexts), "context")]
        names = [engine.name for engine in self.engines]
        counted += [_count(names.count(name), f"{name.title()} engine") for name in dict.fromkeys(names)]
        counted += [_count(len(self.logins), "registry login")]
        unread = f"; not read: {', '.join(one.file for one in self.unread)}" if self.unread else ""
        return f"found {', '.join(counted)}; nothing was contacted{unread}"


def discover(environment: Mapping[str, str]) -> Discovery:
    """What the variables lead to. No file makes it fail."""
    found = Discovery()
    home = environment.get("HOME", "")
    _contexts(environment.get("KUBECONFIG", ""), home, found)
    _engines(environment, home, found)
    for path in _login_files(environment, home):
        _logins(path, found)
    return found


def _contexts(variable: str, home: str, found: Discovery) -> None:
    """Merge as kubectl does: of two contexts of one name, and of two current ones, the first file's counts."""
    own = f"{home}/.kube/config" if home else ""
    paths = [Path(part) for part in (variable.split(os.pathsep) if variable else [own]) if part]
    config = merged((str(path), _read(path, found)) for path in dict.fromkeys(paths))
    for one in config.unread:
        found.unread.append(Unread(one.file, f"line {one.line}: {one.reason}"))
    for written, entry in config.contexts.items():
        if name := _text(written):
            local = next((tool for tool in LOCAL if name == tool or name.startswith(f"{tool}-")), "")
            namespace = _text(entry.settings.get("namespace"))
            found.contexts.append(Context(name, entry.file, namespace, written == config.current, local))


def _engines(environment: Mapping[str, str], home: str, found: Discovery) -> None:
    seen: set[Path] = set()
    for name, variable in (("docker", "DOCKER_HOST"), ("podman", "CONTAINER_HOST")):
        address = environment.get(variable, "")
        scheme, _, rest = address.partition("://")
        if scheme == "unix" and _is_socket(Path(rest), seen):
            found.engines.append(Engine(name, address))
        elif scheme in {"tcp", "ssh", "http", "https"}:
            found.engines.append(Engine(name, f"{scheme}://{_place(rest)}"))
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    for name, pattern in ENGINES:
        if ("{home}" in pattern and not home) or ("{runtime}" in pattern and not runtime):
            continue
        path = Path(pattern.format(home=home, runtime=runtime))
        if _is_socket(path, seen):
            found.engines.append(Engine(name, f"unix://{path}"))


def _is_socket(path: Path, seen: set[Path]) -> bool:
    """Whether a socket lies there that was not seen yet. It is looked at, and not opened."""
    try:
        real = path.resolve()
        there = stat.S_ISSOCK(path.stat().st_mode) and real not in seen
    except (OSError, ValueError, RuntimeError):
        return False
    if there:
        seen.add(real)
    return there


def _login_files(environment: Mapping[str, str], home: str) -> Iterator[Path]:
    """In the order in which tools look: the first file that names a host is the one that counts for it."""
    runtime, config = environment.get("XDG_RUNTIME_DIR", ""), environment.get("XDG_CONFIG_HOME", "")
    docker = environment.get("DOCKER_CONFIG", "")
    candidates = (
        environment.get("REGISTRY_AUTH_FILE", ""),
        runtime and f"{runtime}/containers/auth.json",
        f"{config}/containers/auth.json" if config else home and f"{home}/.config/containers/auth.json",
        f"{docker}/config.json" if docker else home and f"{home}/.docker/config.json",
        home and f"{home}/.dockercfg",
    )
    yield from dict.fromkeys(Path(one) for one in candidates if one)


def _logins(path: Path, found: Discovery) -> None:
    data = _read(path, found)
    if not data:
        return
    try:
        config = _mapping(json.loads(data))
    except (ValueError, RecursionError):
        # The reader's own message would quote what stands there.
        found.unread.append(Unread(str(path), "it is not JSON"))
        return
    auths = config if path.name == ".dockercfg" else _mapping(config.get("auths"))
    helpers = {_place(host): _text(helper) for host, helper in _mapping(config.get("credHelpers")).items()}
    store = _text(config.get("credsStore"))
    inline = {_place(host): any(_mapping(entry).get(name) for name in _CREDENTIAL) for host, entry in auths.items()}
    known = {login.host for login in found.logins}
    for host in sorted({*inline, *helpers} - known - {""}):
        helper = helpers.get(host) or ("" if inline.get(host) else store)
        if helper or inline.get(host):
            found.logins.append(Login(host, str(path), helper))


def _read(path: Path, found: Discovery) -> bytes:
    """The file's bytes; empty if it is not there, or cannot be used."""
    try:
        # A pipe or a device of that name would keep us waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    except (OSError, ValueError) as error:
        found.unread.append(Unread(_shown(str(path)), getattr(error, "strerror", None) or "it has no usable name"))
        return b""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        found.unread.append(Unread(str(path), "it is not a file"))
        return b""
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        found.unread.append(Unread(str(path), f"it is larger than {MAX_FILE_BYTES:,} bytes"))
        return b""
    return data


def _place(key: str) -> str:
    """Host, port and path of a login's key, which may be an address with a user in it."""
    rest = key.split("://", 1)[-1].partition("?")[0].partition("#")[0]
    host, slash, path = rest.partition("/")
    path = "" if path.rstrip("/") in {"v1", "v2"} else path
    return _shown(f"{host.rpartition('@')[2]}{slash}{path}".rstrip("/"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return _shown(value) if isinstance(value, str) else ""


def _shown(text: str) -> str:
    return "".join(char for char in text if char.isprintable())[:MAX_NAME]


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
