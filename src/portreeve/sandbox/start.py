"""Starts a sandbox: a cluster without nodes, a registry, the control plane and an agent, each a process of its own.

Theory of operation. Whatever can start at once does; then each is waited for, and the steps that are taken once (sign
in, push, enrol) are taken and remembered. A second start finds the processes that run by number and birth, starts those
that do not, and takes no step twice. What this machine has no program for is said and left out.

An interrupt sets a mark that `check` raises for between two steps: so no process is started and forgotten. A new
sandbox that did not come to an end is ended and removed; of an old one only what was started now is ended.

Left out: pods that run (there is no kubelet); the agent's own rights (it is administrator here, and has those of
deploy/helm/agent in a cluster).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from portreeve.errors import Conflict, Invalid, PortreeveError, Stalled
from portreeve.sandbox import cluster, plane, processes, shelf
from portreeve.sandbox.directory import ORDER, Directory, held, variables
from portreeve.sandbox.parts import Check, Parts, Say, private
from portreeve.sandbox.programs import Found
from portreeve.vault.local_authority import LocalAuthority, service_account_keys

LIFE: Final = timedelta(days=30)
"""Of its certificates. Nobody keeps a sandbox longer, and `down` with `up` makes new ones."""

ATTEMPTS: Final = 3
"""A free port may be taken by somebody else before ours listens on it; of a new sandbox nobody knows the ports yet."""


@dataclass(frozen=True, slots=True)
class Started:
    """What `up` has done: parts that it started, and parts that ran already."""

    started: tuple[str, ...]
    reused: tuple[str, ...]
    directory: Directory


def up(path: Path, found: Found, now: datetime, *, say: Say, check: Check) -> Started:
    """Start what is not running yet.

    Args:
        say: is told of progress.
        check: raises when somebody wants it to end; it is asked between steps.
    Raises:
        As `directory.held`. Stalled: `sandbox_part`, `sandbox_step`, `bcrypt_missing`. Conflict: `sandbox_port`.
        Invalid: `sandbox_platform`.
    """
    if not processes.BOOT.exists():
        raise Invalid("sandbox_platform", "a sandbox runs on Linux alone", hint="use a Linux machine, or one in a VM")
    with held(path, new=True) as directory:
        fresh = not directory.is_done("prepared")
        reused = tuple(part for part in ORDER if directory.is_running(part))
        try:
            for attempts_left in reversed(range(ATTEMPTS if fresh else 1)):
                try:
                    _start(Parts(directory, say, check), found, now)
                    break
                except (Conflict, Stalled) as error:
                    if not attempts_left or not _port_taken(error):
                        raise
                    say("another program has taken a port meanwhile; starting anew with others")
                    directory.end()
                    directory.clear()
        except BaseException:
            if fresh:
                say("ending what was started, and removing the directory")
                directory.end()
                directory.remove()
            else:
                directory.end(tuple(part for part in ORDER if part not in reused))
            raise
        started = tuple(part for part in ORDER if part not in reused and directory.is_running(part))
        return Started(started, reused, directory)


def down(path: Path) -> tuple[str, ...]:
    """End a sandbox and remove its directory. Returns: the parts that ran.

    Raises: as `directory.held`.
    """
    with held(path, new=False) as directory:
        running = tuple(part for part in ORDER if directory.is_running(part))
        directory.end()
        directory.remove()
    return running


def shell_environment(directory: Directory) -> dict[str, str]:
    """The environment of this process, with what meets the sandbox instead of what is the user's own of Portreeve."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTREEVE_")}
    return {**kept, **variables(directory), "PATH": f"{directory.file('bin')}{os.pathsep}{os.environ.get('PATH', '')}"}


def _port_taken(error: PortreeveError) -> bool:
    """Whether that is why a part does not run, in the words that all of them have for it."""
    said = " ".join(problem.message for problem in error.problems).lower()
    return error.code == "sandbox_port" or "address already in use" in said


def _start(parts: Parts, found: Found, now: datetime) -> None:
    directory = parts.directory
    if not directory.is_done("prepared"):
        _prepare(directory, found, now)
    programs = found.kubernetes if "apiserver" in directory.ports else None
    registry = found.registry if "registry" in directory.ports else None
    later = "it was not there when the sandbox was made; portreeve sandbox down, then up"
    directory.missing = {} if programs else {"cluster": later}
    directory.missing |= {} if registry else {"registry": later}
    directory.missing |= found.missing
    directory.save()
    for part, why in directory.missing.items():
        parts.say(f"left out: {part}: {why}")
    if programs:
        cluster.start(parts, programs)
    if registry:
        shelf.start(parts, registry)
    plane.start(parts)
    if programs:
        cluster.wait(parts, programs)
    if registry:
        shelf.wait(parts, registry, now)
    plane.wait(parts)
    if programs:
        plane.start_agent(parts)


def _prepare(directory: Directory, found: Found, now: datetime) -> None:
    """What is made once: certificates, passwords, ports, and the programs of ours for a shell."""
    path = directory.path
    authority = LocalAuthority(path, name="portreeve sandbox authority", now=now, life=LIFE)
    authority.issue("server", "portreeve sandbox server", hosts=("127.0.0.1", "localhost"))
    authority.issue("admin", "admin", groups=("system:masters",))
    authority.issue("manager", "system:kube-controller-manager")
    service_account_keys(path)
    private(path / "admin.pem", (path / "admin.crt").read_text("ascii") + (path / "admin.key").read_text("ascii"))
    names = ["plane"]
    if found.registry is not None:
        shelf.prepare(directory)
        names.append("registry")
    if found.kubernetes is not None:
        names += cluster.PORTS
    directory.ports = dict(zip(names, processes.free_ports(len(names)), strict=True))
    plane.write_scripts(directory)
    directory.did("prepared")
