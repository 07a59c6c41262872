"""The control plane of a sandbox and the agent of its cluster, by their own programs, as a user would start them."""

from __future__ import annotations

import json
from typing import Final

from portreeve.sandbox.directory import Directory
from portreeve.sandbox.parts import AGENT, COMMAND_LINE, Parts, ours, private, python

ENVIRONMENT: Final = "sandbox"
GROUP: Final = "sandboxes"


def write_scripts(directory: Directory) -> None:
    """`portreeve` and `portreeve-agent` of this very installation, for a shell that has others or none on its path."""
    for name, code in (("portreeve", COMMAND_LINE), ("portreeve-agent", AGENT)):
        words = " ".join(f"'{word}'" for word in python(code))
        script = directory.folder("bin") / name
        script.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        script.chmod(0o700)


def start(parts: Parts) -> None:
    """What can start at once. Its link goes to a file that only we may read."""
    path = parts.directory.path
    settings = {
        "DATA": str(path / "plane"),
        "KEYS": str(path / "keys"),
        "TLS_CERTIFICATE": str(path / "server.crt"),
        "TLS_KEY": str(path / "server.key"),
        "AGENTS_TRUST": str(path / "ca.crt"),
    }
    environment = {f"PORTREEVE_SERVER_{name}": value for name, value in settings.items()}
    command = [*python(COMMAND_LINE), "up", "--port", str(parts.directory.ports["plane"])]
    link = path / "link" if parts.directory.is_done("signed in") else private(path / "link", "")
    parts.run("plane", command, ours(parts.directory) | environment, out=link)


def wait(parts: Parts) -> None:
    """Wait until it answers, and sign in once."""
    directory = parts.directory
    link, address = directory.file("link"), _address(directory)
    parts.until("plane", lambda: parts.answers("plane", "/readyz", 200))
    if not directory.is_done("signed in"):
        parts.until("plane", lambda: link.stat().st_size > 0)
        words = ("login", address, "--link-stdin", "--ca-file", str(directory.file("ca.crt")))
        parts.portreeve(*words, given=link.read_bytes())
        directory.did("signed in")
    link.unlink(missing_ok=True)
    parts.say(f"the control plane answers at {address}")


def start_agent(parts: Parts) -> None:
    """Enrol the agent once, start it, and wait until it has reported."""
    state = str(parts.directory.file("agent"))
    if not parts.directory.is_done("enrolled"):
        _enrol(parts, state)
        parts.directory.did("enrolled")
    words = ["run", "--state", state, "--kubeconfig", str(parts.directory.file("kubeconfig"))]
    if parts.run("agent", [*python(AGENT), *words], ours(parts.directory)):
        parts.until("agent", lambda: _has_reported(parts))
    parts.say(f"an agent keeps the environment {ENVIRONMENT}")


def _enrol(parts: Parts, state: str) -> None:
    group = {"apiVersion": "portreeve.io/v1", "kind": "EnvironmentGroup", "metadata": {"name": GROUP}}
    parts.portreeve("apply", "-y", "-f", "-", given=json.dumps({**group, "spec": {"type": "kubernetes"}}).encode())
    where = ("--tier", "staging", "--group", GROUP, "-y", "-o", "json")
    enrolment = json.loads(parts.portreeve("add", "environment", ENVIRONMENT, *where))
    words = ["enrol", "--server", enrolment["server"], "--state", state, "--cluster", ENVIRONMENT]
    parts.step("portreeve-agent enrol", [*python(AGENT), *words], given=enrolment["join"].encode())


def _has_reported(parts: Parts) -> bool:
    # Its report comes at once; that it is connected is written down some seconds later.
    told = parts.portreeve("get", "environments", ENVIRONMENT, "-o", "jsonpath={.status.reportedAt}")
    return bool(told.strip())


def _address(directory: Directory) -> str:
    return f"https://127.0.0.1:{directory.ports['plane']}"
