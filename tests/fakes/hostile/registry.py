"""A registry that does what it can to harm whoever asks it, and canaries that see whether it succeeds.

    async with Hostile(directory) as hostile:
        outcome = await hostile.run(behaviour)

It listens on 127.0.0.1 as `registry.example.com`. The canary *elsewhere* (127.0.0.2) may be connected to and must never
see a credential; the canary *forbidden* (127.0.0.3) must never see a connection. All names are resolved by a table.
What is tried is in the modules beside this one.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

from portreeve.core.credential import Login
from portreeve.core.secret import SecretValue
from portreeve.errors import PortreeveError
from portreeve.oci.client import Client
from portreeve.transport.address_rules import AddressRules, IpAddress
from portreeve.transport.budget import Budget, Limits
from portreeve.transport.outward import Outward
from portreeve.transport.trust import Trust
from tests.tools.certificates import CertificateAuthority

USER, PASSWORD, TOKEN = "portreeve", "hunter2-canary", "t0ken-canary-of-the-registry"
SECRETS: Final = (
    PASSWORD.encode(),
    TOKEN.encode(),
    base64.b64encode(f"{USER}:{PASSWORD}".encode()),
    b"authorization",
)
"""What no other origin may see, in lower case where it is a header's name."""

OWN, ELSEWHERE, FORBIDDEN = "127.0.0.1", "127.0.0.2", "127.0.0.3"
RULES: Final = AddressRules.of([f"{OWN}/32", f"{ELSEWHERE}/32"])

LIMITS: Final = Limits(bytes=6 * 1024 * 1024, requests=12, redirects=5, items=5000, seconds=0.5)
"""Small, so that what is endless ends soon. The time is only ever reached by those who give no answer."""

NAMES: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "registry.example.com": [[OWN]],
    "elsewhere.example.com": [[ELSEWHERE]],
    "auth.example.com": [[ELSEWHERE]],
    "auth.example.com.": [[ELSEWHERE]],
    "registry.example.com.elsewhere.example.com": [[ELSEWHERE]],
    "localhost": [[FORBIDDEN]],
    "forbidden.example.com": [[FORBIDDEN]],
    "metadata.example.com": [["169.254.169.254"]],
    "mapped.example.com": [["::ffff:169.254.169.254"]],
    "mixed.example.com": [[ELSEWHERE, "169.254.169.254"]],
    "rebind.example.com": [[ELSEWHERE], [FORBIDDEN], ["169.254.169.254"]],
}
"""Name → the addresses of its first, second, … resolution."""


@dataclass(frozen=True)
class Heard:
    """A request as the hostile registry heard it; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    number: int
    """How many requests came before it in this case."""


Sent = bytes | AsyncIterator[bytes]
Answers = Callable[[Heard, "Hostile"], Sent]


@dataclass(frozen=True)
class Behaviour:
    """One thing that a hostile registry does.

    `code` is what the client has to say to it, "" if it must not mind. `login` is whether it holds a credential;
    `basic` whether the registry asks for it before it answers. `port` is which listener is asked.
    """

    name: str
    ask: Callable[[Client], Awaitable[object]]
    code: str
    answer: Answers
    login: bool = True
    basic: bool = True
    port: str = "registry"
    host: str = "registry.example.com"


@dataclass
class Outcome:
    """What came of it."""

    code: str
    error: PortreeveError | None
    budget: Budget
    tried: list[str] = field(default_factory=list)
    """Addresses that were connected to."""
    elsewhere: bytes = b""
    """All that the canary received."""
    forbidden: int = 0

    @property
    def leaked(self) -> int:
        """Bytes of credentials at other origins."""
        return sum(len(secret) * self.elsewhere.lower().count(secret.lower()) for secret in SECRETS)

    @property
    def refused_addresses(self) -> list[str]:
        """Addresses that were connected to and must not be."""
        return [address for address in self.tried if address not in {OWN, ELSEWHERE}]


class Hostile:
    """The registry and its canaries, on entry; `ports` are theirs: registry, elsewhere, forbidden, plain and others."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.ports: dict[str, int] = {}
        self.document: bytes = b""
        """What the canary elsewhere answers with."""
        self._servers: list[asyncio.Server] = []
        self._behaviour: Behaviour | None = None
        self._heard = 0
        self._received = bytearray()
        self._connections = 0
        self._resolutions: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        authority = CertificateAuthority(self._directory)
        self.authority = authority.file.read_text()
        names = [name.rstrip(".") for name in NAMES]
        good = _server_context(authority.issue("own", "registry", hosts=(*names, OWN, ELSEWHERE, FORBIDDEN)))
        wrong = _server_context(authority.issue("wrong", "other", hosts=("other.example.com",)))
        stranger_directory = self._directory / "stranger"
        stranger_directory.mkdir(exist_ok=True)
        stranger = CertificateAuthority(stranger_directory)
        unknown = _server_context(stranger.issue("unknown", "registry", hosts=("registry.example.com",)))
        for name, host, context, serve in (
            ("registry", OWN, good, self._registry),
            ("elsewhere", ELSEWHERE, good, self._canary),
            ("other_port", OWN, good, self._canary),
            ("plain_elsewhere", ELSEWHERE, None, self._plain),
            ("forbidden", FORBIDDEN, None, self._forbidden),
            ("plain", OWN, None, self._plain),
            ("ssh", OWN, None, self._ssh),
            ("silent", OWN, None, self._silent),
            ("wrong_name", OWN, wrong, self._registry),
            ("unknown_authority", OWN, unknown, self._registry),
        ):
            server = await asyncio.start_server(serve, host, 0, ssl=context)
            self._servers.append(server)
            self.ports[name] = server.sockets[0].getsockname()[1]
        with_closed = await asyncio.start_server(self._silent, OWN, 0)
        self.ports["closed"] = with_closed.sockets[0].getsockname()[1]
        with_closed.close()
        return self

    async def __aexit__(self, *error: object) -> None:
        for server in self._servers:
            server.close()
        # Handlers that wait for nothing end here; they are this loop's own.
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if getattr(task.get_coro(), "__name__", "") in {"_registry", "_canary", "_plain", "_silent", "_ssh"}:
                task.cancel()
                with suppress(asyncio.CancelledError, OSError):
                    await task

    def filled(self, text: str) -> str:
        """Text with the ports in it, as `{elsewhere}`."""
        for name, port in self.ports.items():
            text = text.replace(f"{{{name}}}", str(port))
        return text

    async def run(self, behaviour: Behaviour, monotonic: Callable[[], float] | None = None) -> Outcome:
        """Ask the registry while it behaves so."""
        self._behaviour, self._heard, self._connections = behaviour, 0, 0
        self._received.clear()
        self._resolutions.clear()
        budget = Budget(LIMITS) if monotonic is None else Budget(LIMITS, monotonic)
        origin = f"https://{behaviour.host}:{self.ports[behaviour.port]}"
        outcome = Outcome("", None, budget)
        login = Login(USER, SecretValue(PASSWORD)) if behaviour.login else None
        realms = [f"https://auth.example.com:{self.ports['elsewhere']}/token"]
        with _watched(outcome.tried):
            async with Outward(
                origin, Trust(ca_bundle=self.authority), RULES, budget, resolver=self._resolve
            ) as outward:
                client = Client(origin, outward, login=login, realms=realms, now=_now, budget=budget)
                try:
                    await behaviour.ask(client)
                except PortreeveError as error:
                    outcome.code, outcome.error = error.code, error
        await asyncio.sleep(0)  # what was sent to a canary is there when the connection has ended
        outcome.elsewhere, outcome.forbidden = bytes(self._received), self._connections
        return outcome

    async def _resolve(self, host: str, port: int) -> Sequence[IpAddress]:
        rounds = NAMES.get(host)
        if rounds is None:
            raise OSError("unknown")
        number = self._resolutions.get(host, 0)
        self._resolutions[host] = number + 1
        return [ip_address(each) for each in rounds[min(number, len(rounds) - 1)]]

    async def _registry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, ValueError, TimeoutError):
            while await self._one(reader, writer):
                pass
        writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Hear one request and misbehave. Whether the connection goes on."""
        assert self._behaviour is not None
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        await reader.readexactly(int(headers.get("content-length", "0")))
        if path.startswith("/own-token"):
            sent: Sent = says(200, b'{"token": "' + TOKEN.encode() + b'"}')
        elif self._behaviour.basic and self._behaviour.login and "authorization" not in headers:
            sent = says(401, b"", www_authenticate='Basic realm="x"')
        else:
            sent = self._behaviour.answer(Heard(method, path, headers, self._heard), self)
            self._heard += 1
        if isinstance(sent, bytes):
            writer.write(sent)
            await writer.drain()
            return b"\r\n\r\n" in sent
        async for piece in sent:
            writer.write(piece)
            await writer.drain()
        return False

    async def _canary(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                self._received += data
                if self._received.endswith(b"\r\n\r\n"):
                    body = self.document or b'{"token": "from-elsewhere"}'
                    writer.write(says(200, b"" if data.startswith(b"HEAD") else body, content_length=str(len(body))))
                    await writer.drain()
        writer.transport.abort()

    async def _plain(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                self._received += data
                writer.write(says(400))
                await writer.drain()
        writer.transport.abort()

    async def _forbidden(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        writer.transport.abort()

    async def _ssh(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")
            await reader.read(100)
        writer.transport.abort()

    async def _silent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while await reader.read(65536):
                pass
        writer.transport.abort()


class _watched:  # noqa: N801 -- used as a function
    """Note every address that is connected to while the block runs."""

    def __init__(self, tried: list[str]) -> None:
        self._tried = tried

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._real = loop.sock_connect

        async def sock_connect(sock: object, address: tuple[str, int]) -> None:
            self._tried.append(address[0])
            await self._real(sock, address)  # type: ignore[arg-type]

        loop.sock_connect = sock_connect  # type: ignore[method-assign, assignment]

    def __exit__(self, *error: object) -> None:
        asyncio.get_running_loop().sock_connect = self._real  # type: ignore[method-assign]


def says(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A proper answer; header names with underscores. `content_length` "" leaves it out."""
    named = {"content-length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in named.items() if value)]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def _now() -> datetime:
    return datetime(2026, 11, 28, tzinfo=UTC)


def _server_context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context
