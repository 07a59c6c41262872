"""How soon the console has its first rows: 200 environments, 10,000 accesses, 100,000 running images.

A control plane of its own process serves them over loopback to one client. Each page of the console has here what it
asks for first. Three figures of each: the 95th percentile while nothing happens; the same with a report of one
environment before every request, so that nothing of it can be a remembered answer; and the longest of a few requests
right after a document was stored, after which every environment is looked at anew. The first two have the limit that
the console promises. On a machine that has other things to do, look at the processor's seconds instead.

A new page adds its line to ROUTES. Run: make bench, or python -m bench.console_api [NAME...]
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from bench.channel import processor_s
from bench.figures import Figures
from bench.lists import ACCESSES, ENVIRONMENTS, IMAGES, NAMESPACES, REGISTRIES, Client, documents, observing
from portreeve.core.blast_radius import RunningImage
from portreeve.server.images.service import Observation
from tests.server.plane import NOW, Plane, document, running

ROUTES: Final = {
    "fleet": "/api/v1/fleet",
    "fleet map": "/api/v1/fleet/map",
    "images": "/api/v1/images?limit=100",
    "images, the worst first": "/api/v1/images?limit=100&sort=verdict",
    "images, denied": "/api/v1/images?limit=100&verdict=DENY",
    "images, searched": "/api/v1/images?limit=100&q=app-77",
    "access": "/api/v1/access?limit=100",
    "calendar": "/api/v1/calendar?limit=100",
    "policies": "/api/v1/policies?limit=100",
    "environments": "/api/v1/environments?limit=100",
    "registries": "/api/v1/registries?limit=100",
    "burn-down": "/api/v1/policies/fleet/burn-down",
    "access matrix": "/api/v1/access-matrix?limit=50&rows=namespaces",
    "access matrix, what is needed": "/api/v1/access-matrix?limit=50&rows=namespaces&state=needed",
    "access matrix, searched": "/api/v1/access-matrix?limit=50&rows=namespaces&q=team-77",
    "attachments": "/api/v1/attachments?limit=50",
    "environments by health": "/api/v1/environments?limit=50&health=Unknown",
    "access needed": "/api/v1/access-needed?limit=100",
    "access unused": "/api/v1/access-unused?limit=100",
}
"""Page → what it asks for first."""

QUIET_REQUESTS, BUSY_REQUESTS, CHANGED_REQUESTS = 60, 40, 3
LIMIT_S = 1.0
MOST_SETTLING, IDLE_S = 120, 0.05
"""Seconds that are waited for at most, and of the processor in one of them that count as nothing."""


def governing() -> list[dict[str, Any]]:
    """Two policies: one that audits most of the fleet and allows most of it, one that denies in the rest."""
    sources = [{"prefix": f"r{number}.example.com", "scope": "Global"} for number in range(55)]
    selected = {"registry": "registry-0", "namespaces": {"selector": {}}}
    return [
        document(
            "RegistryPolicy",
            "fleet",
            groups=["fleet"],
            access=[selected],
            restrict={"stage": "audit", "allowedSources": sources},
            allowOverride=True,
        ),
        document(
            "RegistryPolicy",
            "rest",
            groups=["rest"],
            restrict={"stage": "deny", "allowedSources": sources[:40]},
            allowOverride=True,
        ),
    ]


def report(number: int, turn: int = 0) -> Observation:
    """What one environment tells; each turn one image is another one."""
    name = f"cluster-{number}"
    held = [{"name": f"team-{one}", "labels": {}} for one in range(NAMESPACES)]
    each = IMAGES // ENVIRONMENTS
    images = [
        (RunningImage(name, f"team-{n % NAMESPACES}", f"Deployment/d{n}", f"r{n % 60}.example.com/app-{n}:1"), "")
        for n in range(each - 1)
    ]
    images.append((RunningImage(name, "team-0", "Deployment/last", f"r1.example.com/turn-{turn}:1"), ""))
    facts: dict[str, Any] = {"kubernetes": "v1.33.1", "namespaces": held}
    facts["inventory"] = {f"team-{one}": {"workloads": []} for one in range(NAMESPACES)}
    return Observation(name, 1, facts, images)


async def fill(plane: Plane) -> None:
    """Everything that is shown. Whatever others follow from comes first: else they are worked out again each time."""
    admin = await plane.client("root", "platform-admin")
    declared = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}
    fleet = documents()
    registries = [one for one in fleet if one["kind"] == "Registry"]
    for one in registries:
        one["spec"]["credentials"] = [declared]
    await plane.put(*registries)
    for number in range(REGISTRIES):
        ends = (NOW + timedelta(days=number + 1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        path = f"/api/v1/registries/registry-{number}/credentials/pull"
        answer = await admin.put(path, json={"secret": "one", "expiresAt": ends})
        assert answer.status_code == 200, answer.text
    await plane.put(*(one for one in fleet if one["kind"] != "Registry"))
    for number in range(ENVIRONMENTS):
        await plane.server.writer.run(observing(report(number)))
    await plane.put(*governing())


def serve(pipe: Connection, directory: str) -> None:
    """Fill a control plane and serve it; at a word something happens; until the parent hangs up."""
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- for as long as the process lasts
    asyncio.run(_serve(pipe, Path(directory)))


async def _serve(pipe: Connection, directory: Path) -> None:
    import uvicorn

    async with running(f"sqlite:///{directory / 'bench.db'}", directory, port=0) as plane:
        start = time.perf_counter()
        await fill(plane)
        token = await plane.token("root")
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        found.bind(("127.0.0.1", 0))
        found.listen()
        server = uvicorn.Server(uvicorn.Config(plane.app, lifespan="off", log_level="warning", access_log=False))
        task = asyncio.create_task(server.serve(sockets=[found]))
        pipe.send((found.getsockname()[1], token.reveal().decode(), time.perf_counter() - start))
        turn = 0
        while (word := await asyncio.to_thread(pipe.recv)) != "end":
            turn += 1
            if word == "report":
                await plane.server.writer.run(observing(report(turn % ENVIRONMENTS, turn)))
            else:
                await plane.put(document("Team", f"team-{turn}"))
            pipe.send("done")
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await task


async def times(
    client: Client, path: str, count: int, before: Callable[[], Coroutine[Any, Any, None]] | None = None
) -> list[float]:
    """Seconds of each of so many requests."""
    found = []
    for _ in range(count):
        if before is not None:
            await before()
        start = time.perf_counter()
        status, body = await client.send("GET", path)
        found.append(time.perf_counter() - start)
        assert status == 200, body[:300]
    return sorted(found)


def p95(found: list[float]) -> float:
    """The 95th percentile."""
    return found[max(0, int(len(found) * 0.95) - 1)]


async def settled(child: int) -> None:
    """Wait until it has done whatever followed from what happened, for which nobody waits in operation, either."""
    for _ in range(MOST_SETTLING):
        before = processor_s(child)
        await asyncio.sleep(1)
        if processor_s(child) - before < IDLE_S:
            return


async def measured(pipe: Connection, port: int, token: str, child: int, figures: Figures) -> None:
    """All figures."""

    def happening(word: str) -> Callable[[], Coroutine[Any, Any, None]]:
        async def happen() -> None:
            pipe.send(word)
            await asyncio.to_thread(pipe.recv)

        return happen

    client = await Client(port, token).open()
    chosen = {name: path for name, path in ROUTES.items() if not sys.argv[1:] or name in sys.argv[1:]}
    for name, path in chosen.items():
        await settled(child)
        first = await times(client, path, 1)
        figures.show(f"{name}: the very first", first[0], "s")
        figures.show(f"{name}: p95", p95(await times(client, path, QUIET_REQUESTS)), "s", LIMIT_S)
        await settled(child)
        spent = processor_s(child)
        busy = await times(client, path, BUSY_REQUESTS, happening("report"))
        figures.show(f"{name}: p95, a report before each", p95(busy), "s", LIMIT_S)
        figures.show(f"{name}: processor, with the report", (processor_s(child) - spent) / BUSY_REQUESTS, "s")
        await settled(child)
        changed = await times(client, path, CHANGED_REQUESTS, happening("document"))
        figures.show(f"{name}: the longest after a change of a document", changed[-1], "s")


def main() -> None:
    """Print the figures."""
    figures = Figures()
    print(f"{ENVIRONMENTS} environments, {ACCESSES:,} accesses, {IMAGES:,} running images")
    with tempfile.TemporaryDirectory() as directory:
        here, there = multiprocessing.Pipe()
        child = multiprocessing.Process(target=serve, args=(there, directory), daemon=True)
        child.start()
        assert child.pid is not None
        there.close()
        port, token, filled = here.recv()
        figures.show("filling it", filled, "s")
        asyncio.run(measured(here, port, token, child.pid, figures))
        here.send("end")
        child.join(30)
    figures.show("load of this machine meanwhile", os.getloadavg()[0])
    figures.finish()


if __name__ == "__main__":
    main()
