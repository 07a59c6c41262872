"""A control plane on a loopback port with TLS, served as `portreeve up` serves it, and what agents are given by it."""

from __future__ import annotations

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
from tests.server.plane import Clock, Plane, document, running
from tests.server.served import Served, in_thread
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
    port: int = 0,
    **settings: Any,
) -> Iterator[Served]:
    """Serve a control plane on this database, with a certificate of its own authority, until the end of the block.

    `port` for a test whose addresses must be right before it listens; it may be taken.
    """
    if certificate is None:
        _, certificate, tls_key = server_certificate(data / "tls")
        settings.setdefault("agents_trust", data / "tls/ca.crt")
    keys = keys or (generate(), certificates.generate(datetime.now(UTC) - timedelta(days=30)))
    tls: dict[str, Any] = {"tls_certificate": certificate, "tls_key": tls_key}
    authority = keys[1].pem

    def configure(plane: Plane) -> uvicorn.Config:
        config = configured(plane.server.settings, plane.app, authority)
        config.port = port
        return config

    context = running(database_url, data, clock=clock, keys=keys, port=0, **tls, **settings)
    with in_thread(context, configure) as found:
        yield found


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
