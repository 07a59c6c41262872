"""What a waiting agent costs: memory for each in the control plane, and processor time to wake all of them.

A control plane of its own process has an environment for each agent, with one policy over all; the agents are sockets
of this process, each with a question under way that is signed as an agent signs it. Then the policy changes, so that
every environment gets another document; and then all hang up and come back, as quickly as one client can connect
(F-49). Beside it stands what as many connections cost without any question. With TLS, the handshake's memory is the
largest part; it is measured without a limit.

The storm: a thousand agents hang up and come back over TLS, all at the same moment, while somebody else goes on asking
on a connection that stands. How many handshakes were under way at once is counted inside the server. The same without a
cap is the peer. Ten thousand agents are only filled in and left waiting: making their documents anew takes a minute.

Run: make bench, or python -m bench.channel [AGENTS…]: each number over plain HTTP, whole up to a thousand, and the
smallest also over TLS.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import secrets
import selectors
import socket
import ssl
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.figures import Figures
from portreeve.core.agent_identity import enrolled
from portreeve.core.secret import SecretValue
from portreeve.server.agents import store
from portreeve.server.agents.store import Held
from portreeve.server.database.writer import Transaction
from portreeve.server.desired.service import recipient
from portreeve.server.handshakes import AT_ONCE
from portreeve.server.start import configured
from portreeve.vault import agent_keys, certificates, sealing
from portreeve.vault.agent_keys import Asked, body_digest
from portreeve.vault.certificates import Identity
from portreeve.vault.signing import generate
from tests.server.plane import Clock, Plane, document, running
from tests.tools.certificates import CertificateAuthority

AGENTS = (1_000, 10_000)
WHOLE = 1_000
"""Up to so many, documents are made anew and all come back, too."""
KIB_LIMIT = 64.0
"""KiB for each waiting agent over plain HTTP: ten thousand of them in 640 MB. Source: twice what was measured first."""
WAKE_LIMIT_MS = 10.0
"""Milliseconds of processor time to wake one agent and answer it, with making and signing its document."""


async def filled(plane: Plane, key: SecretValue, agents: int) -> list[str]:
    """The environments with their agents; their certificates, in the order of their numbers."""
    names = [f"cluster-{number}" for number in range(agents)]
    await plane.put(
        document("EnvironmentGroup", "fleet"),
        *(document("Environment", name, tier="development", group="fleet") for name in names),
        policy("audit"),
    )
    request, opening = agent_keys.request(key), sealing.generate()
    public = sealing.public_bytes(opening.sealing_key)
    fingerprint = opening.sealing_key.fingerprint.hex()
    now = plane.clock()
    documents = (await plane.server.documents.snapshot()).by_kind["Environment"]
    made = []

    async def job(transaction: Transaction) -> None:
        for name in names:
            uid = documents[name].uid
            certificate = plane.server.agents.authority.issue(request, Identity(uid, 1), now)
            made.append(certificate.pem)
            state = enrolled(0, certificate.key, now)
            held = Held(name, uid, state, "bench", fingerprint, now, certificate.not_after)
            await store.save(transaction.connection, held)
            await recipient(transaction, name, public)

    await plane.server.writer.run(job)
    while await plane.server.desired.sweep():
        pass
    return made


def policy(stage: str) -> dict[str, Any]:
    """One policy over all environments."""
    source = {"prefix": "r.example.com/shop", "scope": "Global"}
    return document("RegistryPolicy", "all", groups=["fleet"], restrict={"stage": stage, "allowedSources": [source]})


def serve(pipe: Connection, directory: str, key: bytes, agents: int, tls: bool) -> None:
    """Fill a control plane and serve it; at a word the policy changes; until it is told to end."""
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- for as long as the process lasts
    import uvloop

    raise_limit()
    uvloop.run(_serve(pipe, Path(directory), SecretValue(key), agents, tls))


async def _serve(pipe: Connection, directory: Path, key: SecretValue, agents: int, tls: bool) -> None:
    import uvicorn

    clock = Clock(datetime.now(UTC))
    keys = (generate(), certificates.generate(clock() - timedelta(days=1)))
    settings: dict[str, Any] = {}
    if tls:
        certificate, tls_key = CertificateAuthority(directory).issue("server", "127.0.0.1", hosts=("127.0.0.1",))
        settings = {"tls_certificate": certificate, "tls_key": tls_key}
    url = f"sqlite:///{directory / 'bench.db'}"
    async with running(url, directory, clock=clock, keys=keys, channel_wait_s=600, **settings) as plane:
        made = await filled(plane, key, agents)
        config = configured(plane.server.settings, plane.app, keys[1].pem)
        config.port, config.backlog = 0, 16_384
        shaking: Any = config.http_protocol_class
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 -- the server tells nobody else
            await asyncio.sleep(0.01)
        held = await plane.server.desired.current("cluster-0")
        assert held is not None
        pipe.send((server.servers[0].sockets[0].getsockname()[1], made, held.generation))
        loop = asyncio.get_running_loop()
        while (word := await loop.run_in_executor(None, pipe.recv)) != "end":
            if word == "waiting":
                pipe.send(plane.server.doorbell.waiting)
            elif word == "most":
                pipe.send(shaking.most)
            elif isinstance(word, int):
                shaking.at_once, shaking.most = word, 0
                pipe.send(word)
            else:
                await change(plane)
                pipe.send("changed")
        server.should_exit = True
        plane.server.doorbell.close()
        await task


async def change(plane: Plane) -> None:
    """Another stage, as a person would confirm it."""
    admin = await plane.client("root", "platform-admin")
    stored = (await admin.get("/api/v1/policies/all")).json()
    stored["spec"]["restrict"]["stage"] = "warn"
    plan = await admin.post("/api/v1/plans", json={"documents": [{k: v for k, v in stored.items() if k != "status"}]})
    done = await admin.post(f"/api/v1/plans/{plan.json()['id']}/confirm")
    assert done.status_code == 200, done.text


def raise_limit() -> None:
    """As many sockets as this machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def resident_kib(process: int) -> int:
    """Memory of a process."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def processor_s(process: int) -> float:
    """Processor time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connected(port: int, count: int, tls: ssl.SSLContext | None) -> list[socket.socket]:
    """Connections to the control plane."""
    found = []
    for _ in range(count):
        one = socket.create_connection(("127.0.0.1", port), timeout=60)
        found.append(tls.wrap_socket(one, server_hostname="127.0.0.1") if tls else one)
    return found


def question(key: SecretValue, certificate: str, generation: int) -> bytes:
    """What an agent sends."""
    target = f"/agent/v1/desired?generation={generation}"
    asked = Asked("GET", target, body_digest(b""))
    nonce = secrets.token_bytes(agent_keys.NONCE_BYTES)
    header = agent_keys.header(key, certificate, asked, datetime.now(UTC), nonce)
    return f"GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n{agent_keys.HEADER}: {header}\r\n\r\n".encode()


def answered(sockets: list[socket.socket]) -> int:
    """Wait until each has begun to be answered; how many of them with a document."""
    good, waiting = 0, selectors.DefaultSelector()
    for one in sockets:
        waiting.register(one, selectors.EVENT_READ)
    left = len(sockets)
    while left:
        for event, _ in waiting.select(120):
            assert isinstance(event.fileobj, socket.socket)
            good += event.fileobj.recv(65_536).startswith(b"HTTP/1.1 200")
            waiting.unregister(event.fileobj)
            left -= 1
    return good


def measured(figures: Figures, agents: int, *, tls: bool) -> None:
    """The figures for so many agents."""
    key, label = agent_keys.generate(), f"{agents:,} agents{', TLS' if tls else ''}"
    with tempfile.TemporaryDirectory() as directory:
        here, there = multiprocessing.Pipe()
        child = multiprocessing.Process(target=serve, args=(there, directory, key.reveal(), agents, tls), daemon=True)
        child.start()
        assert child.pid is not None
        port, made, generation = here.recv()
        context = ssl.create_default_context(cafile=str(Path(directory) / "ca.crt")) if tls else None
        empty = resident_kib(child.pid)
        sockets = connected(port, agents, context)
        time.sleep(1)
        idle = resident_kib(child.pid)
        begun = processor_s(child.pid)
        for one, certificate in zip(sockets, made, strict=True):
            one.sendall(question(key, certificate, generation))
        while _asked(here) < agents:
            time.sleep(0.1)
        admitted = processor_s(child.pid) - begun
        waiting = resident_kib(child.pid)
        quiet = processor_s(child.pid)
        time.sleep(5)
        quiet = processor_s(child.pid) - quiet
        figures.show(f"KiB a waiting agent, {label}", (waiting - empty) / agents, "KiB", None if tls else KIB_LIMIT)
        figures.show(f"of it a connection without a question, {label}", (idle - empty) / agents, "KiB")
        figures.show(f"processor to admit one, {label}", admitted / agents * 1000, "ms")
        figures.show(f"processor of all that wait, a second, {label}", quiet / 5 * 1000, "ms")
        run = Run(here, child.pid, port, key, made, context, str(Path(directory) / "ca.crt"))
        if agents <= WHOLE:
            sockets = woken_and_back(figures, label, sockets, run)
        for one in sockets:
            one.close()
        here.send("end")
        child.join(30)


@dataclass(frozen=True)
class Run:
    """One control plane and who asks it."""

    pipe: Connection
    process: int
    port: int
    key: SecretValue
    made: list[str]
    context: ssl.SSLContext | None
    authority: str


def woken_and_back(figures: Figures, label: str, sockets: list[socket.socket], run: Run) -> list[socket.socket]:
    """Wake all of them, and have them all come back; the sockets that they have then."""
    agents = len(sockets)
    begun, start = processor_s(run.process), time.perf_counter()
    run.pipe.send("change")
    good = answered(sockets)
    took, woken = time.perf_counter() - start, processor_s(run.process) - begun
    run.pipe.recv()
    assert good == agents, f"{good} of {agents} were answered with a document"
    figures.show(f"processor to wake one, its document made and signed, {label}", woken / agents * 1000, "ms",
                 WAKE_LIMIT_MS)  # fmt: skip
    figures.show(f"until the last had its document, {label}", took, "s")
    for one in sockets:
        one.close()
    begun, start = processor_s(run.process), time.perf_counter()
    sockets = connected(run.port, agents, run.context)
    for one, certificate in zip(sockets, run.made, strict=True):
        one.sendall(question(run.key, certificate, 0))
    good = answered(sockets)
    assert good == agents, f"{agents - good} of {agents} that came back together got no document"
    back = processor_s(run.process) - begun
    figures.show(f"processor for one that comes back with all others, {label}", back / agents * 1000, "ms")
    figures.show(f"until all that came back had their document, {label}", time.perf_counter() - start, "s")
    if run.context is not None:
        storms(figures, sockets, run)
    return sockets


def storms(figures: Figures, sockets: list[socket.socket], run: Run) -> None:
    """All hang up and come back at the same moment, with the server's cap and without one."""
    agents, cap = len(sockets), AT_ONCE
    for one in sockets:
        one.close()
    for at_once, called in ((cap, f"a cap of {cap}"), (agents, "no cap")):
        run.pipe.send(at_once)
        run.pipe.recv()
        here, there = multiprocessing.Pipe()
        other = multiprocessing.Process(target=somebody_else, args=(there, run.port, run.authority), daemon=True)
        other.start()
        here.recv()
        errors, took = asyncio.run(storm(run))
        here.send("enough")
        slowest = here.recv()
        other.join(30)
        run.pipe.send("most")
        most, limited = run.pipe.recv(), at_once == cap
        figures.show(f"handshakes in flight, most, {called}", most, "", cap if limited else None)
        figures.show(f"that came back and got no document, {called}", errors, "", 0 if limited else None)
        figures.show(f"until all had their document, {called}", took, "s")
        figures.show(f"slowest answer to somebody else meanwhile, {called}", slowest * 1000, "ms")


async def storm(run: Run) -> tuple[int, float]:
    """(how many got no document, seconds until the last had it)."""

    async def agent(certificate: str) -> bool:
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", run.port, ssl=run.context, server_hostname="127.0.0.1", ssl_handshake_timeout=60
            )
            writer.write(question(run.key, certificate, 0))
            good = (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.transport.abort()
        except OSError:
            return False
        return good

    begun = time.perf_counter()
    good = await asyncio.gather(*(agent(certificate) for certificate in run.made))
    return good.count(False), time.perf_counter() - begun


def somebody_else(pipe: Connection, port: int, authority: str) -> None:
    """In a process of its own: ask on one connection all the time; at a word, the slowest answer in seconds."""
    (standing,) = connected(port, 1, ssl.create_default_context(cafile=authority))
    slowest = 0.0
    pipe.send("connected")
    while not pipe.poll(0.02):
        begun = time.perf_counter()
        standing.sendall(b"GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        assert standing.recv(65_536), "the connection that stood was cut off"
        slowest = max(slowest, time.perf_counter() - begun)
    pipe.send(slowest)


def _asked(pipe: Connection) -> int:
    pipe.send("waiting")
    return int(pipe.recv())


def main() -> None:
    """Print the figures."""
    raise_limit()
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()]
    figures, counts = Figures(), numbers or AGENTS
    for count in counts:
        measured(figures, count, tls=False)
    measured(figures, min(*counts, WHOLE), tls=True)
    figures.finish()


if __name__ == "__main__":
    main()
