"""How much may still be pulled: read by HEAD from a server that counts as Docker Hub does, kept, and looked ahead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from portreeve.providers.docker_hub import DockerHub
from portreeve.providers.generic import Generic
from portreeve.server.registries.contact import Contact
from portreeve.server.registries.limits import KEPT_FOR
from tests.server.plane import Plane
from tests.server.registries.reached import Registered, plane_here, registered
from tests.tools.certificates import CertificateAuthority
from tests.tools.loopback import Asked, Loopback, Says, answering

DIGEST = "sha256:" + "0" * 64


class Counting(Generic):
    """A registry of one's own that counts like Docker Hub."""

    limit_probe = DockerHub.limit_probe
    rate_limit = DockerHub.rate_limit


class Counter:
    """What the server says is left; None says nothing of limits."""

    def __init__(self) -> None:
        self.left: int | None = 100

    def answer(self, asked: Asked) -> Says:
        if asked.path == "/v2/":
            return Says(200)
        headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json", "Docker-Content-Digest": DIGEST}
        if self.left is not None:
            headers |= {
                "ratelimit-limit": "100;w=21600",
                "ratelimit-remaining": f"{self.left};w=21600",
                "docker-ratelimit-source": "192.0.2.1",
            }
        return Says(200, b"", headers)


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def hub(counter: Counter, tmp_path: Path) -> Iterator[tuple[Loopback, str]]:
    authority = CertificateAuthority(tmp_path)
    certificate = authority.issue("server", "hub", hosts=("127.0.0.1",))
    with answering(counter.answer, certificate=certificate) as server:
        yield server, authority.file.read_text()


async def counting(plane: Plane, hub: tuple[Loopback, str]) -> tuple[Registered, Contact]:
    server, authority = hub
    spec: dict[str, Any] = {"provider": "generic", "host": server.url.removeprefix("https://")}
    held = await registered(plane, {**spec, "tls": {"caBundle": authority}})
    contact = await plane.server.contacts.contact(await plane.server.documents.snapshot(), "here")
    return held, replace(contact, provider=Counting())


async def test_readings_are_kept_for_each_address_and_looked_ahead(
    tmp_path: Path, hub: tuple[Loopback, str], counter: Counter
) -> None:
    async with plane_here(tmp_path) as plane:
        held, contact = await counting(plane, hub)
        for left in (100, 80, 60):
            counter.left = left
            assert await plane.server.limits.read(contact)
            plane.clock.move(timedelta(hours=1))
        found = (await held.get("rate-limit")).json()["items"]
    assert [(one["source"], one["remaining"], one["pullsPerHour"], one["level"]) for one in found] == [
        ("192.0.2.1", 60, 20.0, "fine")
    ]
    assert [reading["remaining"] for reading in found[0]["history"]] == [100, 80, 60]
    assert found[0]["emptyAt"] == "2026-11-20T17:00:00Z"
    # Docker Hub counts a GET of a manifest as a pull, and a HEAD as none.
    assert {asked.method for asked in hub[0].asked if "/manifests/" in asked.path} == {"HEAD"}


async def test_no_limit_is_none_and_keeps_nothing(tmp_path: Path, hub: tuple[Loopback, str], counter: Counter) -> None:
    counter.left = None
    async with plane_here(tmp_path) as plane:
        held, contact = await counting(plane, hub)
        assert await plane.server.limits.read(contact) is None
        assert (await held.get("rate-limit")).json()["items"] == []


async def test_old_readings_go(tmp_path: Path, hub: tuple[Loopback, str], counter: Counter) -> None:
    async with plane_here(tmp_path) as plane:
        held, contact = await counting(plane, hub)
        await plane.server.limits.read(contact)
        plane.clock.move(KEPT_FOR + timedelta(seconds=1))
        counter.left = 50
        await plane.server.limits.read(contact)
        found = (await held.get("rate-limit")).json()["items"]
    assert [reading["remaining"] for reading in found[0]["history"]] == [50]


async def test_the_sweep_reads_no_registry_that_tells_nothing(tmp_path: Path, hub: tuple[Loopback, str]) -> None:
    async with plane_here(tmp_path) as plane:
        await counting(plane, hub)
        assert await plane.server.limits.sweep() == 0
    assert hub[0].asked == []
