"""How quick and how small the tags of a repository with 50,000 of them are, through the client of registries.

Docker's registry serves them over TLS with a password; the tags are written straight into its storage, as pushing them
would take an hour. It knows no pages of tags and answers with all of them each time, which is the worst case. The peer
of the same run is that answer itself, read by the standard library and thrown away.

Run: make bench, or python -m bench.tags
"""

from __future__ import annotations

import asyncio
import base64
import ssl
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from bench.figures import Figures
from portreeve.core.credential import Login
from portreeve.core.secret import SecretValue
from portreeve.oci.asking import Asking
from portreeve.oci.client import Client
from portreeve.oci.model import Names
from portreeve.sandbox.pushing import push
from portreeve.transport.address_rules import AddressRules
from portreeve.transport.budget import Budget, Limits
from portreeve.transport.outward import Outward
from portreeve.transport.trust import Trust
from tests.fakes.images import Built, image
from tests.tools.components import Missing, find_registry
from tests.tools.registry import PASSWORD, USER, Access, DockerRegistry

TAGS, PAGE, SHOWN = 50_000, 1000, 100
FIRST_PAGE_LIMIT_S = 1.0
GROWTH_LIMIT_MIB = 16.0
REPOSITORY = "team/app"
ALL = Limits(bytes=1 << 30, requests=1000, items=10 * TAGS, seconds=600)
Answer = TypeVar("Answer")
LOGIN = Login(USER, SecretValue(PASSWORD))


def now() -> datetime:
    return datetime.now(UTC)


def resident_mib() -> float:
    """Memory that the process has now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def write_tags(registry: DockerRegistry) -> None:
    """Make the directory of each tag; a list looks no further. Source: distribution, registry/storage/paths.go."""
    tags = registry.storage / "docker/registry/v2/repositories" / REPOSITORY / "_manifests/tags"
    for number in range(TAGS):
        (tags / f"v{number:05}").mkdir()


async def asked(registry: DockerRegistry, ask: Callable[[Client], Awaitable[Answer]]) -> Answer:
    """One operation of its own, connections included."""
    budget = Budget(ALL)
    trust = Trust(ca_bundle=registry.authority)
    async with Outward(registry.origin, trust, AddressRules.of(["127.0.0.0/8"]), budget) as outward:
        return await ask(Client(registry.origin, outward, login=LOGIN, realms=(), now=now, budget=budget))


async def first_page(client: Client) -> Names:
    return await client.tags(REPOSITORY, limit=SHOWN)


async def all_pages(client: Client) -> tuple[int, float]:
    """How many tags there are, and by how much the process had grown at most after the first page."""
    page = await client.tags(REPOSITORY, limit=PAGE)
    count, before, grown = len(page.names), resident_mib(), 0.0
    while page.after:
        page = await client.tags(REPOSITORY, after=page.after, limit=PAGE)
        count += len(page.names)
        grown = max(grown, resident_mib() - before)
    return count, grown


async def pushed(registry: DockerRegistry, built: Built) -> None:
    budget = Budget()
    trust = Trust(ca_bundle=registry.authority)
    async with Outward(registry.origin, trust, AddressRules.of(["127.0.0.0/8"]), budget) as outward:
        asking = Asking(registry.origin, outward, login=LOGIN, realms=(), now=now, budget=budget)
        await push(asking, REPOSITORY, built, "latest")


def raw_s(registry: DockerRegistry) -> float:
    """Seconds that the registry's whole answer takes."""
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    url = f"{registry.origin}/v2/{REPOSITORY}/tags/list"
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {basic}"})
    start = time.perf_counter()
    with urllib.request.urlopen(request, context=ssl.create_default_context(cadata=registry.authority)) as answer:
        answer.read()
    return time.perf_counter() - start


def main() -> None:
    """Serve, fill, ask."""
    found = find_registry()
    if isinstance(found, Missing):
        sys.exit(str(found))
    figures = Figures()
    with DockerRegistry(found.path, Access.HTPASSWD) as registry:
        asyncio.run(pushed(registry, image("tagged")))
        write_tags(registry)
        asyncio.run(asked(registry, first_page))  # the registry's own caches
        peer = min(raw_s(registry) for _ in range(5))
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            asyncio.run(asked(registry, first_page))
            seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
        count, grown = asyncio.run(asked(registry, all_pages))
        everything = time.perf_counter() - start
    if count != TAGS + 1:
        sys.exit(f"there are {count} tags, not {TAGS + 1}")
    figures.show(f"the registry's answer of {TAGS} tags, read and thrown away", peer, "s")
    figures.show(f"first page of {SHOWN} tags, worst of five", max(seconds), "s", FIRST_PAGE_LIMIT_S)
    figures.show(f"all pages of {PAGE}, one after the other", everything, "s")
    figures.show("memory gained between the first page and the last", grown, "MiB", GROWTH_LIMIT_MIB)
    figures.finish()


if __name__ == "__main__":
    main()
