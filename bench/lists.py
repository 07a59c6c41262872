"""How quick lists and plans are over HTTP: 200 environments, 10,000 accesses, 100,000 running images.

A control plane of its own process serves them over loopback; a client with one connection asks for pages, and eight
clients at once. Requests are raw bytes over sockets, so that what is timed is the server. A peer measured in the same
run is the same server's answer to /openapi.json's little sister, a list with nothing in it: what HTTP itself costs.

Run: make bench, or python -m bench.lists
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.figures import Figures
from portreeve.core.blast_radius import RunningImage
from portreeve.server.database.writer import Job, Transaction
from portreeve.server.images.service import Observation, observe
from tests.server.plane import Plane, document, running

ENVIRONMENTS, ACCESSES, IMAGES, REGISTRIES, NAMESPACES = 200, 10_000, 100_000, 50, 100
PAGE, REQUESTS, CLIENTS = 100, 300, 8
P99_LIMIT_MS = 100.0
PLAN_LIMIT_S = 2.0
COLD_LIMIT_S = 1.0


def documents() -> list[dict[str, Any]]:
    """The fleet as documents."""
    found = [document("EnvironmentGroup", name) for name in ("fleet", "rest")]
    for number in range(ENVIRONMENTS):
        group = "fleet" if number % 10 else "rest"
        found.append(document("Environment", f"cluster-{number}", tier="development", group=group))
    found += (
        document("Registry", f"registry-{number}", provider="harbor", host=f"r{number}.example.com")
        for number in range(REGISTRIES)
    )
    for number in range(ACCESSES):
        where = {"registry": f"registry-{number // ENVIRONMENTS}", "environment": f"cluster-{number % ENVIRONMENTS}"}
        names = {"names": [f"team-{number % NAMESPACES}"]}
        found.append(document("RegistryAccess", f"access-{number}", **where, namespaces=names))
    return found


async def fill(plane: Plane) -> None:
    """Everything that is listed."""
    await plane.put(*documents())
    held = [{"name": f"team-{number}", "labels": {}} for number in range(NAMESPACES)]
    facts = {"kubernetes": "v1.33.1", "namespaces": held}
    for number in range(ENVIRONMENTS):
        name = f"cluster-{number}"
        images = [
            (RunningImage(name, f"team-{n % NAMESPACES}", f"Deployment/d{n}", f"r{n % 60}.example.com/app-{n}:1"), "")
            for n in range(IMAGES // ENVIRONMENTS)
        ]
        await plane.server.writer.run(observing(Observation(name, 1, facts, images)))


def observing(observed: Observation) -> Job[None]:
    """The report of one environment as a job."""

    async def job(transaction: Transaction) -> None:
        await observe(transaction, observed)

    return job


def serve(pipe: Connection, directory: str) -> None:
    """Fill a control plane and serve it, until the parent hangs up."""
    # A line for each request, as in operation, to where nobody reads it.
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- for as long as the process lasts
    asyncio.run(_serve(pipe, Path(directory)))


async def _serve(pipe: Connection, directory: Path) -> None:
    import uvicorn

    async with running(f"sqlite:///{directory / 'bench.db'}", directory) as plane:
        start = time.perf_counter()
        await fill(plane)
        tokens = {"admin": await plane.token("root")}
        scope = {"environments": ["cluster-7"], "namespaces": ["team-7"]}
        binding = {"role": "platform-admin", "subjects": {"users": ["root"]}}
        await plane.put(document("RoleBinding", "admins", **binding))
        narrow = {"role": "developer", "subjects": {"users": ["dev"]}, "scope": scope}
        await plane.put(document("RoleBinding", "devs", **narrow))
        tokens["developer"] = await plane.token("dev")
        # Named with its protocol: else the loop does not know that it may send small packets at once.
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        found.bind(("127.0.0.1", 0))
        found.listen()
        config = uvicorn.Config(plane.app, lifespan="off", log_level="warning", access_log=False)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[found]))
        revealed = {name: token.reveal().decode() for name, token in tokens.items()}
        pipe.send((found.getsockname()[1], revealed, time.perf_counter() - start))
        await asyncio.to_thread(pipe.poll, None)
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await task


class Client:
    """One connection that is kept."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token

    async def open(self) -> Client:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 26)
        return self

    async def send(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """One request; its status and body."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:8420\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        found = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        length = int(found.get("content-length", "0"))
        return int(lines[0].split()[1]), await self._reader.readexactly(length)


async def timed(port: int, token: str, path: str, clients: int = 1) -> tuple[float, float]:
    """Requests a second, and the 99th percentile of one in milliseconds."""
    opened = [await Client(port, token).open() for _ in range(clients)]
    status, body = await opened[0].send("GET", path)
    assert status == 200, body[:300]
    times: list[float] = []

    async def run(client: Client) -> None:
        for _ in range(REQUESTS // clients):
            start = time.perf_counter()
            await client.send("GET", path)
            times.append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*map(run, opened))
    total = time.perf_counter() - start
    return len(times) / total, sorted(times)[int(len(times) * 0.99) - 1] * 1000


async def measured(port: int, tokens: dict[str, str], figures: Figures) -> None:
    """All figures."""
    admin, developer = tokens["admin"], tokens["developer"]
    rate, p99 = await timed(port, admin, "/api/v1/projects")
    figures.show("an empty list: reads/s of one client (the peer)", rate, "/s")
    figures.show("an empty list: p99", p99, "ms")
    client = await Client(port, admin).open()
    first = json.loads((await client.send("GET", f"/api/v1/access?limit={PAGE}"))[1])
    far = first["metadata"]["continue"]
    pages = {
        f"{ACCESSES:,} accesses, first page of {PAGE}": (f"/api/v1/access?limit={PAGE}", admin),
        f"{ACCESSES:,} accesses, second page of {PAGE}": (f"/api/v1/access?limit={PAGE}&cursor={far}", admin),
        f"{ACCESSES:,} accesses, a developer of one namespace": (f"/api/v1/access?limit={PAGE}", developer),
        f"{ACCESSES:,} accesses of one environment": ("/api/v1/access?limit=100&environment=cluster-7", admin),
        f"{ENVIRONMENTS} environments with their status": ("/api/v1/environments?limit=200", admin),
        f"{IMAGES:,} images with verdicts, first page of {PAGE}": (f"/api/v1/images?limit={PAGE}", admin),
        f"{IMAGES:,} images, a developer of one namespace": (f"/api/v1/images?limit={PAGE}", developer),
        f"{IMAGES:,} images of one environment": ("/api/v1/images?limit=100&environment=cluster-7", admin),
        f"{REGISTRIES} registries with grants and uses": ("/api/v1/registry-overview?sort=-running", admin),
    }
    for name, (path, token) in pages.items():
        rate, p99 = await timed(port, token, path)
        figures.show(f"{name}: reads/s", rate, "/s")
        figures.show(f"{name}: p99", p99, "ms", P99_LIMIT_MS)
    await cold(await Client(port, admin).open(), figures)
    rate, p99 = await timed(port, admin, f"/api/v1/access?limit={PAGE}", CLIENTS)
    figures.show(f"the first page by {CLIENTS} clients at once: reads/s", rate, "/s")
    figures.show(f"the first page by {CLIENTS} clients at once: p99", p99, "ms")
    await plans(await Client(port, admin).open(), figures)


async def cold(client: Client, figures: Figures) -> None:
    """What is worked out once for each revision, asked for the first time after a change."""
    asked = {
        "accesses by registry, the other way round": ("GET", "/api/v1/access?limit=100&sort=-registry", b""),
        "registries with grants and uses": ("GET", "/api/v1/registry-overview?sort=-running", b""),
        "the verdicts of 100 tags in all environments": (
            "POST",
            "/api/v1/verdicts",
            json.dumps({"images": [f"r1.example.com/app:{number}" for number in range(100)]}).encode(),
        ),
    }
    for number, (name, (method, path, body)) in enumerate(asked.items()):
        status, _ = await client.send("POST", "/api/v1/teams", json.dumps(document("Team", f"cold-{number}")).encode())
        assert status == 201
        start = time.perf_counter()
        status, answer = await client.send(method, path, body)
        assert status == 200, answer[:300]
        figures.show(f"{name}, the first time at a revision", time.perf_counter() - start, "s", COLD_LIMIT_S)


async def plans(client: Client, figures: Figures) -> None:
    """A policy over 180 environments, planned and confirmed; then a team, which touches none of it."""
    policy = document(
        "RegistryPolicy",
        "fleet",
        groups=["fleet"],
        access=[{"registry": "registry-0", "namespaces": {"selector": {}}}],
        restrict={"stage": "audit", "allowedSources": [{"prefix": "r1.example.com", "scope": "Global"}]},
        allowOverride=True,
    )
    start = time.perf_counter()
    status, body = await client.send("POST", "/api/v1/plans", json.dumps({"documents": [policy]}).encode())
    figures.show(f"a plan over {ENVIRONMENTS - ENVIRONMENTS // 10} environments", time.perf_counter() - start, "s")
    assert status == 201, body[:500]
    made = json.loads(body)
    start = time.perf_counter()
    status, body = await client.send("POST", f"/api/v1/plans/{made['id']}/confirm")
    assert status == 200, body[:500]
    figures.show("confirming it (it is made again, then written)", time.perf_counter() - start, "s")
    start = time.perf_counter()
    status, _ = await client.send("POST", "/api/v1/teams", json.dumps(document("Team", "a-team")).encode())
    assert status == 201
    figures.show("creating a team beside all that", time.perf_counter() - start, "s", PLAN_LIMIT_S)


def main() -> None:
    """Print the figures."""
    figures = Figures()
    mine, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as directory:
        child = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, directory))
        child.start()
        try:
            port, tokens, filling = mine.recv()
            figures.show("filling it", filling, "s")
            asyncio.run(measured(port, tokens, figures))
        finally:
            mine.send(None)
            child.join(30)
    figures.finish()


if __name__ == "__main__":
    main()
