"""One rotation through a fleet: 1,000 agents with 50 namespaces each, one control plane, until the last has said so.

A registry is granted to 50 namespaces of each environment. Every agent waits for its document as it does in a cluster,
with a signed question over a connection of its own; it reads the document, really opens what is sealed in it, waits for
as long as writing its Secrets would take, and reports all 50 of them with the new version. The clock stops when the
last report has been acknowledged. Once the credential is a password, once it is ECR's, for which one token is minted by
the real provider over the double that verifies signatures; it is looked for each five seconds.

Agents share one key, and their documents' signatures are not verified: that would be processor time of this process,
which has all the agents in it, and of nobody who is measured. Over plain HTTP; what TLS costs is in `bench.channel`.

Run: make bench (half of the fleet), or python -m bench.fleet 1000
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.channel import processor_s, question, raise_limit, resident_kib
from bench.figures import Figures
from portreeve import providers
from portreeve.core.agent_identity import enrolled
from portreeve.core.policy import Registry
from portreeve.core.secret import SecretValue
from portreeve.providers.contract import Minted, Outside
from portreeve.providers.contract import Stored as Credential
from portreeve.reconciler.document import opened
from portreeve.server.agents import store
from portreeve.server.agents.store import Held
from portreeve.server.credentials.material import place_of
from portreeve.server.database.writer import Transaction
from portreeve.server.desired.service import recipient
from portreeve.server.documents.stored import Stored
from portreeve.server.start import configured
from portreeve.transport.exchange import Request, Response
from portreeve.vault import agent_keys, certificates, sealing
from portreeve.vault.agent_keys import Asked, body_digest
from portreeve.vault.certificates import Identity
from portreeve.vault.jws import sign_rs256
from portreeve.vault.signing import generate
from portreeve.wire.channel import Report, read_signed, report_document
from tests.fakes.ecr_fake import FakeAws
from tests.server.plane import Clock, Plane, document, running

AGENTS = 500
NAMESPACES = tuple(f"team-{number}" for number in range(50))
APPLY_S = 0.3
"""For 50 Secrets, by what `bench.rotation` measures on a real API server."""
REQUESTS_LIMIT = 3.0
"""For each agent: its question is answered, it reports, and it asks again."""
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
ACCOUNT = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


class Now(Clock):
    """The time as it is: tokens end, and signatures count for minutes."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Aws:
    """The double of AWS behind the real provider, and how often it has given a token."""

    fake: FakeAws
    given: int = 0

    async def send(self, request: Request) -> Response:
        self.fake.now = datetime.now(UTC)
        answer = await self.fake.send(request)
        self.given += answer.status == 200
        return answer

    async def mint(self, registry: Stored, credential: Credential, now: datetime) -> Minted:
        """As `server.refresh.minter.Minter`."""
        assert isinstance(registry.value, Registry)
        provider = providers.named(registry.value.provider)
        return await provider.mint(place_of(registry), credential, Outside(self, now, sign_rs256))


# -- the control plane, in a process of its own


def registry(minting: bool) -> dict[str, Any]:
    if minting:
        declared = {"purpose": "pull", "method": "aws-key", "parameters": {"accessKeyId": ACCESS_KEY}}
        return document("Registry", "r", provider="ecr", host=ACCOUNT, credentials=[declared])
    declared = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}
    return document("Registry", "r", provider="harbor", host="r.example.com", path="team", credentials=[declared])


def serve(pipe: Connection, directory: str, keys: tuple[bytes, bytes], agents: int, minting: bool) -> None:
    """Fill a control plane and serve it; at a word the credential is rotated; until it is told to end."""
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- for as long as the process lasts
    import uvloop

    raise_limit()
    uvloop.run(_serve(pipe, Path(directory), keys, agents, minting))


async def _serve(pipe: Connection, directory: Path, keys: tuple[bytes, bytes], agents: int, minting: bool) -> None:
    import uvicorn

    clock, aws = Now(), Aws(FakeAws(datetime.now(UTC), {ACCESS_KEY: "secret-1"}))
    own = (generate(), certificates.generate(clock() - timedelta(days=1)))
    url = f"sqlite:///{directory / 'bench.db'}"
    async with running(url, directory, clock=clock, keys=own, channel_wait_s=600, minter=aws) as plane:
        admin = await plane.client("root", "platform-admin")
        made = await filled(plane, SecretValue(keys[0]), keys[1], agents, minting)
        path = "/api/v1/registries/r/credentials/pull"
        assert (await admin.put(path, json={"secret": "secret-1"})).status_code == 200
        while minting and not aws.given:
            await plane.server.refresh.sweep()
        while await plane.server.desired.sweep():
            pass
        config = configured(plane.server.settings, plane.app, own[1].pem)
        config.port, config.backlog = 0, 16_384
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 -- the server tells nobody else
            await asyncio.sleep(0.01)
        pipe.send((server.servers[0].sockets[0].getsockname()[1], made))
        loop = asyncio.get_running_loop()
        while (word := await loop.run_in_executor(None, pipe.recv)) != "end":
            pipe.send((server.server_state.total_requests, aws.given))
            if word == "rotate":
                aws.fake.keys[ACCESS_KEY] = "secret-2"
                answer = await admin.post(f"{path}/rotate", json={"secret": "secret-2"})
                assert answer.status_code == 200, answer.text
        server.should_exit = True
        plane.server.doorbell.close()
        await task


async def filled(plane: Plane, key: SecretValue, opening: bytes, agents: int, minting: bool) -> list[str]:
    """The environments with their grants and agents; the agents' certificates, in the order of their numbers."""
    names = [f"cluster-{number}" for number in range(agents)]
    await plane.put(
        document("EnvironmentGroup", "fleet"),
        registry(minting),
        *(document("Environment", name, tier="development", group="fleet") for name in names),
    )
    granted = {"names": list(NAMESPACES)}
    await plane.put(
        *(document("RegistryAccess", name, registry="r", environment=name, namespaces=granted) for name in names)
    )
    request, now = agent_keys.request(key), plane.clock()
    fingerprint = sealing.read_public(opening).fingerprint.hex()
    documents = (await plane.server.documents.snapshot()).by_kind["Environment"]
    made = []

    async def job(transaction: Transaction) -> None:
        for name in names:
            uid = documents[name].uid
            certificate = plane.server.agents.authority.issue(request, Identity(uid, 1), now)
            made.append(certificate.pem)
            state = enrolled(0, certificate.key, now)
            await store.save(
                transaction.connection, Held(name, uid, state, "bench", fingerprint, now, certificate.not_after)
            )
            await recipient(transaction, name, opening)

    await plane.server.writer.run(job)
    return made


# -- the agents, all in this process


@dataclass
class Board:
    """Which version each agent has had acknowledged last, and when all of them had one that is new."""

    agents: int
    versions: dict[int, int] = field(default_factory=dict)
    known: int = 0
    new: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)
    at: float = 0.0
    opened: int = 0

    def next(self) -> None:
        """From now the versions that there are count as old."""
        self.known, self.new, self.opened = max(self.versions.values(), default=0), 0, 0
        self.done.clear()

    def acknowledged(self, agent: int, version: int) -> None:
        """An agent's report was taken."""
        before, self.versions[agent] = self.versions.get(agent, 0), version
        self.new += before <= self.known < version
        if self.new == self.agents:
            self.at = time.perf_counter()
            self.done.set()

    async def all_new(self, agents: asyncio.Future[Any]) -> None:
        """Wait until each has a new version. Raises: whatever one of the agents has failed by."""
        waiting = asyncio.ensure_future(self.done.wait())
        await asyncio.wait((agents, waiting), return_when=asyncio.FIRST_COMPLETED)
        if agents.done():
            await agents


async def agent(port: int, number: int, key: SecretValue, opening: sealing.OpeningKey, pem: str, board: Board) -> None:
    """One agent until it is cancelled."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    generation = told = 0
    while True:
        writer.write(question(key, pem, generation))
        status, body = await answer(reader)
        if status == 304:
            continue
        assert status == 200, body
        found = read_signed(body).document
        generation = int(found["generation"])
        state = opened(found, opening)
        assert not state.unopened, state.unopened
        (grant,) = state.document.grants
        if grant.credential is None:
            continue
        assert grant.login is not None
        board.opened += 1
        await asyncio.sleep(APPLY_S)
        told += 1
        report = reported(told, generation, found["grants"][0])
        target = "/agent/v1/observed"
        asked = Asked("POST", target, body_digest(report))
        nonce = secrets.token_bytes(agent_keys.NONCE_BYTES)
        header = agent_keys.header(key, pem, asked, datetime.now(UTC), nonce)
        head = f"POST {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n{agent_keys.HEADER}: {header}\r\n"
        writer.write(f"{head}content-length: {len(report)}\r\n\r\n".encode() + report)
        status, body = await answer(reader)
        assert status == 200, body
        board.acknowledged(number, grant.credential.version)


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    size = next((line for line in head.split("\r\n") if line.startswith("content-length:")), ":0")
    return int(head.split(" ", 2)[1]), await reader.readexactly(int(size.partition(":")[2]))


def reported(number: int, generation: int, grant: dict[str, Any]) -> bytes:
    """What the reconciler tells once every namespace has its Secret."""
    credential = grant["credential"]
    entry = {
        "registry": grant["registry"],
        "credential": credential["id"],
        "version": credential["version"],
        "state": "live",
        "expiresAt": credential["expiresAt"],
    }
    condition = {
        "type": "Delivered",
        "status": "True",
        "reason": "SecretSynced",
        "lastTransitionTime": "2026-11-28T00:00:00Z",
        "observedGeneration": generation,
    }
    told = tuple(
        {"namespace": name, "uid": f"00000000-{name}", "phase": "Delivered", "entries": [entry], "conflict": None}
        for name in NAMESPACES
    )
    return json.dumps(
        report_document(Report(number, number == 1, generation, (condition,), pull_secrets=told))
    ).encode()


async def rotated(
    pipe: Connection, port: int, made: Sequence[str], keys: tuple[SecretValue, sealing.OpeningKey], child: int
) -> tuple[float, float, int, int, int]:
    """(seconds, the control plane's processor seconds, requests, mints, seals opened) of one rotation."""
    board = Board(len(made))
    agents = asyncio.gather(*(agent(port, number, *keys, pem, board) for number, pem in enumerate(made)))
    await board.all_new(agents)
    # All are asking again.
    await asyncio.sleep(2)
    board.next()
    cpu, begun = processor_s(child), time.perf_counter()
    pipe.send("rotate")
    requests, mints = await asyncio.to_thread(pipe.recv)
    await board.all_new(agents)
    spent = processor_s(child) - cpu
    pipe.send("count")
    after, minted = await asyncio.to_thread(pipe.recv)
    agents.cancel()
    with suppress(asyncio.CancelledError):
        await agents
    return board.at - begun, spent, after - requests, minted - mints, board.opened


def measured(figures: Figures, agents: int, *, minting: bool) -> None:
    """The figures for so many agents, and one kind of credential."""
    label = f"{agents:,} agents, {'ECR' if minting else 'a password'}"
    key, opening = agent_keys.generate(), sealing.generate()
    public = sealing.public_bytes(opening.sealing_key)
    with tempfile.TemporaryDirectory() as directory:
        here, there = multiprocessing.Pipe()
        words = (there, directory, (key.reveal(), public), agents, minting)
        child = multiprocessing.Process(target=serve, args=words, daemon=True)
        child.start()
        assert child.pid is not None
        port, made = here.recv()
        took, cpu, requests, mints, seals = asyncio.run(rotated(here, port, made, (key, opening), child.pid))
        memory = resident_kib(child.pid) / 1024
        here.send("end")
        child.join(30)
    assert mints == (1 if minting else 0), f"{mints} mints in one rotation"
    figures.show(f"mints in one rotation, {label}", mints, "", 1 if minting else 0)
    figures.show(f"documents made and opened, {label}", seals, "", agents)
    figures.show(f"requests an agent, {label}", requests / agents, "", REQUESTS_LIMIT)
    figures.show(f"processor of the control plane, {label}", cpu, "s")
    figures.show(f"the same, an agent, {label}", cpu / agents * 1000, "ms")
    figures.show(f"until the last acknowledgement, {label}", took, "s")
    figures.show(f"memory of the control plane, {label}", memory, "MB")


def main() -> None:
    """Print the figures."""
    raise_limit()
    agents = int(sys.argv[1]) if sys.argv[1:] else AGENTS
    figures = Figures()
    for minting in (False, True):
        measured(figures, agents, minting=minting)
    figures.show("mints if each namespace asked for a token of its own", agents * len(NAMESPACES))
    load = os.getloadavg()[0]
    figures.show("load of this machine meanwhile", load)
    figures.finish()


if __name__ == "__main__":
    main()
