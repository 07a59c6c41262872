"""A control plane on a loopback port with TLS, served as `portreeve up` serves it, and what agents are given by it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn

from portreeve.agent.enrolment import JoinToken, read_token
from portreeve.server.start import configured
from portreeve.vault import certificates
from portreeve.vault.certificates import Authority
from portreeve.vault.signing import SigningKey, generate
from tests.server.plane import Clock, document, running
from tests.server.served import START_TIMEOUT_S, Served
from tests.tools.certificates import CertificateAuthority

ENVIRONMENTS = (
    document("EnvironmentGroup", "production"),
    document("Environment", "prod", tier="production", group="production"),
    document("Environment", "west", tier="production", group="production"),
)


def server_certificate(directory: Path) -> tuple[CertificateAuthority, Path, Path]:
    """An authority, and the files of a certificate for this machine and of its key."""
    directory.mkdir(exist_ok=True)
    authority = CertificateAuthority(directory)
    return authority, *authority.issue("server", "127.0.0.1", hosts=("127.0.0.1", "localhost"))


@contextmanager
def served_with_tls(
    database_url: str,
    data: Path,
    *,
    clock: Clock | None = None,
    keys: tuple[SigningKey, Authority] | None = None,
    certificate: Path | None = None,
    tls_key: Path | None = None,
    **settings: Any,
) -> Iterator[Served]:
    """Serve a control plane on this database, with a certificate of its own authority, until the end of the block."""
    if certificate is None:
        _, certificate, tls_key = server_certificate(data / "tls")
        settings.setdefault("agents_trust", data / "tls/ca.crt")
    keys = keys or (generate(), certificates.generate(datetime.now(UTC) - timedelta(days=30)))
    ready, found, failed, stop = threading.Event(), list[Served](), list[BaseException](), list[uvicorn.Server]()

    async def serve() -> None:
        tls: dict[str, Any] = {"tls_certificate": certificate, "tls_key": tls_key}
        async with running(database_url, data, clock=clock, keys=keys, port=0, **tls, **settings) as plane:
            config = configured(plane.server.settings, plane.app, keys[1].pem)
            config.port = 0
            server = uvicorn.Server(config)
            stop.append(server)
            task = asyncio.create_task(server.serve())
            while not server.started and not task.done():  # noqa: ASYNC110 -- the server tells nobody else
                await asyncio.sleep(0.005)
            port = server.servers[0].sockets[0].getsockname()[1]
            found.append(Served(plane, f"https://127.0.0.1:{port}", asyncio.get_running_loop()))
            ready.set()
            while not server.should_exit:  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0.01)
            plane.server.doorbell.close()
            await task

    def target() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 -- told in the thread that waits
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    ready.wait(START_TIMEOUT_S)
    if failed:
        raise failed[0]
    try:
        yield found[0]
    finally:
        stop[0].should_exit = True
        thread.join(START_TIMEOUT_S)


def asked_for(served: Served, environment: str = "prod") -> JoinToken:
    """A join token, as an administrator is shown it."""

    async def ask() -> str:
        admin = served.plane.anonymous({"Authorization": f"Bearer {token.reveal().decode()}"})
        answer = await admin.post(f"/api/v1/environments/{environment}/enrolment")
        assert answer.status_code == 201, answer.text
        return str(answer.json()["join"])

    async def made() -> Any:
        from portreeve.core.estate import Key

        if Key("RoleBinding", "root-admin") not in (await served.plane.server.documents.snapshot()).documents:
            binding = document("RoleBinding", "root-admin", role="platform-admin", subjects={"users": ["root"]})
            await served.plane.put(binding)
        return await served.plane.token("root")

    token = served.run(made())
    return read_token(served.run(ask()).encode())
