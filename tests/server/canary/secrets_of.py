"""Secrets as registries have them, each with a part that no other text has."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator

from tests.canary import Canary

SPECIAL = ("päß/wörd+&<\"'\\>%41 ", "$(id);`x`|~^*?[]{}", "пароль-密码-🔑-", "=/+==//++ \t;,:@#!")


def _unique(name: str, size: int) -> str:
    """Letters and digits that are the same in each run, so that a hit can be looked for again."""
    digest = hashlib.shake_256(f"canary {name}".encode()).digest(size)
    return base64.b32encode(digest).decode().rstrip("=")[:size].swapcase()


def _password(name: str, number: int) -> Canary:
    return Canary(name, SPECIAL[number % len(SPECIAL)] + _unique(name, 20))


def _service_account(name: str, number: int) -> Canary:
    """A key as Google gives it: JSON with a PEM in it, 2,400 bytes."""
    mark = _unique(name, 64)
    key = "\n".join(_unique(f"{name} {line}", 64) for line in range(24))
    pem = f"-----BEGIN PRIVATE KEY-----\n{mark}\n{key}\n-----END PRIVATE KEY-----\n"
    held = {"type": "service_account", "project_id": f"project-{number}", "private_key": pem}
    return Canary(name, json.dumps(held, indent=2), mark)


def _token(name: str, number: int) -> Canary:
    """A token as ECR gives it, of some kilobytes; its middle is looked for."""
    mark = _unique(name, 60)
    filled = "".join(_unique(f"{name} {part}", 60) for part in range(40))
    return Canary(name, filled + mark + filled[::-1], mark)


def _plain(name: str, number: int) -> Canary:
    return Canary(name, f"glpat-{_unique(name, 26)}")


def made(what: str, number: int) -> list[Canary]:
    """So many secrets of mixed shapes."""
    shapes = (_password, _service_account, _password, _token, _plain)
    return [shapes[at % len(shapes)](f"{what} {at}", at) for at in range(number)]


def plain(what: str) -> Iterator[Canary]:
    """Secrets that fit everywhere, also in a header, without end."""
    number = 0
    while True:
        yield Canary(f"{what} {number}", f"canary.{_unique(f'{what} {number}', 30)}")
        number += 1
