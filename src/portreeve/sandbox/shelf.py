"""The registry of a sandbox: filled once, and read-only from then on, as its passwords know no rights.

So the robot that clusters pull as may not push, which Portreeve would rightly complain of.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from portreeve.core.credential import Login
from portreeve.core.secret import SecretValue
from portreeve.oci.asking import Asking
from portreeve.sandbox import registry
from portreeve.sandbox.directory import Directory
from portreeve.sandbox.images import image
from portreeve.sandbox.parts import Parts, plain, private
from portreeve.sandbox.pushing import push
from portreeve.transport.address_rules import AddressRules
from portreeve.transport.budget import Budget
from portreeve.transport.outward import Outward
from portreeve.transport.trust import Trust

ROBOT: Final = "robot"
"""Who may sign in at the registry, for the control plane."""

PUSHER: Final = "pusher"
IMAGES: Final = {"shop/api": "1.4", "shop/web": "2.0", "shop-evil/api": "1.4"}
"""Repository → tag: two of a shop, and one that looks like it."""

LOOPBACK: Final = ("127.0.0.0/8",)


def prepare(directory: Directory) -> None:
    """Passwords for whoever may sign in."""
    _write_passwords(directory, {name: _password() for name in (PUSHER, ROBOT)})


def new_password(directory: Directory) -> None:
    """Give the robot another password at the registry, as its administrator would; the old one ends at once."""
    _write_passwords(directory, _passwords(directory) | {ROBOT: _password()})


def start(parts: Parts, program: Path) -> None:
    """What can start at once."""
    _run(parts, program, read_only=parts.directory.is_done("pushed"))


def wait(parts: Parts, program: Path, now: datetime) -> None:
    """Wait until it answers; fill it once, and start it anew as one that takes nothing more."""
    directory = parts.directory
    parts.until("registry", lambda: _answers(parts))
    if not directory.is_done("pushed"):
        asyncio.run(_fill(directory, now))
        directory.did("pushed")
        directory.end(("registry",))
        _run(parts, program, read_only=True)
        parts.until("registry", lambda: _answers(parts))
    parts.say(f"the registry answers at 127.0.0.1:{directory.ports['registry']}: {', '.join(IMAGES)}")


def _answers(parts: Parts) -> bool:
    return parts.answers("registry", "/v2/", 200, 401)


def _run(parts: Parts, program: Path, *, read_only: bool) -> None:
    directory, path = parts.directory, parts.directory.path
    told = registry.configuration(
        directory.ports["registry"],
        directory.folder("images"),
        certificate=(path / "server.crt", path / "server.key"),
        auth=registry.by_passwords(path / "htpasswd"),
        read_only=read_only,
    )
    private(path / "registry.json", json.dumps(told))
    parts.run("registry", [str(program), "serve", str(path / "registry.json")], plain(directory))


async def _fill(directory: Directory, now: datetime) -> None:
    origin, budget = f"https://127.0.0.1:{directory.ports['registry']}", Budget()
    trust = Trust(directory.file("ca.crt").read_text(encoding="ascii"))
    login = Login(PUSHER, _passwords(directory)[PUSHER])
    async with Outward(origin, trust, AddressRules.of(LOOPBACK), budget) as outward:
        asking = Asking(origin, outward, login=login, realms=(), now=lambda: now, budget=budget)
        for repository, tag in IMAGES.items():
            await push(asking, repository, image(repository), tag)


def _password() -> SecretValue:
    return SecretValue(secrets.token_urlsafe(24))


def _passwords(directory: Directory) -> dict[str, SecretValue]:
    return {name: SecretValue(directory.file(f"{name}.password").read_bytes()) for name in (PUSHER, ROBOT)}


def _write_passwords(directory: Directory, passwords: Mapping[str, SecretValue]) -> None:
    """The files of passwords first, so that no password counts that nobody knows."""
    for name, password in passwords.items():
        private(directory.file(f"{name}.password"), password.reveal().decode())
    # The registry reads it anew when its time has changed.
    private(directory.file("htpasswd"), registry.htpasswd(passwords))
