"""How the hostile registry puts its answers together."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from portreeve.oci.manifests import OCI_MANIFEST
from tests.fakes.hostile.asks import GOOD
from tests.fakes.hostile.registry import Answers, Heard, Hostile, Sent, says
from tests.fakes.images import digest_of


def always(sent: bytes) -> Answers:
    return lambda heard, hostile: sent


def filled(status: int, body: bytes = b"", **headers: str) -> Answers:
    """An answer with ports in its headers."""
    return lambda heard, hostile: says(status, body, **{name: hostile.filled(value) for name, value in headers.items()})


def served(content: bytes, content_type: str = OCI_MANIFEST, **headers: str) -> Answers:
    """A manifest, or what passes for one, with its true digest."""
    named = {"content_type": content_type, "docker_content_digest": digest_of(content), **headers}
    return filled(200, content, **named)


def changed(**changes: Any) -> Answers:
    """The good manifest with some keys changed; `...` takes one away."""
    body = {**json.loads(GOOD.content), **changes}
    return served(json.dumps({key: value for key, value in body.items() if value is not ...}).encode())


def texted(old: str, new: str) -> Answers:
    """The good manifest with a piece of its text changed."""
    text = GOOD.content.decode()
    assert old in text
    return served(text.replace(old, new, 1).encode())


def streamed(first: bytes, piece: bytes, pause_s: float = 0.0) -> Answers:
    """Something that never ends, faster or slower."""

    async def endless() -> AsyncIterator[bytes]:
        yield first
        while True:
            yield piece
            await asyncio.sleep(pause_s)

    return lambda heard, hostile: endless()


def once(sent: bytes) -> Answers:
    """An answer, and the end of the connection."""

    async def one() -> AsyncIterator[bytes]:
        yield sent

    return lambda heard, hostile: one()


def alternating(one: bytes, other: bytes) -> Answers:
    """One answer, then the other, and so on."""
    return lambda heard, hostile: (one, other)[heard.number % 2]


def numbered(answer: Callable[[int], bytes]) -> Answers:
    """Another answer each time."""
    return lambda heard, hostile: answer(heard.number)


def listed(names: list[Any], link: str = "", key: str = "tags") -> Answers:
    """A page of a list."""
    headers = {"content_type": "application/json"} | ({"link": link} if link else {})
    return filled(200, json.dumps({key: names}).encode(), **headers)


def bearing(realm: str, more: str = "") -> Answers:
    """A wish for a token of this realm; whoever brings one is shown the manifest."""

    def answer(heard: Heard, hostile: Hostile) -> Sent:
        if heard.headers.get("authorization", "").startswith("Bearer "):
            return served(GOOD.content)(heard, hostile)
        wish = f'Bearer realm="{hostile.filled(realm)}",service="registry"{more}'
        return says(401, b"", www_authenticate=wish)

    return answer


def tokens(answer: bytes, **headers: str) -> Answers:
    """The registry's own realm, and what it answers with."""

    def answered(heard: Heard, hostile: Hostile) -> Sent:
        if heard.path.startswith("/token"):
            more = {name: hostile.filled(value) for name, value in headers.items()}
            return says(int(more.pop("status", "200")), answer, **more)
        if heard.headers.get("authorization", "").startswith("Bearer "):
            return served(GOOD.content)(heard, hostile)
        realm = hostile.filled("https://registry.example.com:{registry}/token")
        return says(401, b"", www_authenticate=f'Bearer realm="{realm}",service="registry"')

    return answered
