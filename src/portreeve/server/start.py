"""From a command to the first request, and from a signal to the end: what `portreeve up` does.

Theory of operation. The order keeps a refused start from changing anything: first the directory and its lock, then the
address, then the clusters that are kept from here, then the master keys against what the database says of them, and
only then the migrations and, at the very first start, the administrator. The link is told once the address answers.

A signal ends it in order: no new connections, `GRACE_S` for requests under way, then what the writer has taken. A
second signal does not wait for the requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import uvicorn
import uvloop
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from portreeve.errors import Conflict, Invalid, NotFound
from portreeve.server import data_directory, first_start, keys, logs
from portreeve.server.app import Server, application, build, utc_now
from portreeve.server.database.engine import connect, embedded_file
from portreeve.server.database.migrate import is_at_head, to_head
from portreeve.server.database.tables import PASSWORDS
from portreeve.server.database.writer import Transaction, Writer, unavailable
from portreeve.server.handshakes import Handshakes
from portreeve.server.local import clusters
from portreeve.server.people.links import Link
from portreeve.server.protocol import BoundedProtocol
from portreeve.server.settings import Settings
from portreeve.vault.ports import MasterKeys

GRACE_S: Final = 10
"""For requests under way when it is told to end. A plan over a large estate takes about a second; service managers
wait for 30 to 90."""

IDLE_S: Final = 75
"""How long a connection without a request is kept: longer than proxies keep theirs (60 s), so that it is not we who
close one that a request is on its way through."""

INTERRUPTED: Final = 128 + signal.SIGINT


@dataclass(frozen=True, slots=True)
class Ready:
    """What is told once the address answers. `link` is there at the very first start alone."""

    address: str
    link: Link | None


def run(
    settings: Settings, environment: Mapping[str, str], *, behind_proxy: bool, ready: Callable[[Ready], None]
) -> int:
    """Serve until a signal comes; the exit code.

    Raises:
        PortreeveError: it did not start, and what would have to be done.
    """
    # Whatever is written, by a library too, is for nobody else.
    os.umask(0o077)
    # A core would hold master keys and credentials.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    logs.configure()
    with _database_held(settings) as tell, _bound(settings) as listening:
        settings = replace(settings, port=listening.getsockname()[1])
        address = base(settings)
        tell(address)
        return uvloop.run(_run(settings, environment, listening, behind_proxy=behind_proxy, ready=ready))


def link(settings: Settings) -> Link:
    """A link for an administrator, whether the control plane runs or not.

    Raises:
        NotFound: there is no database yet.
    """
    os.umask(0o077)
    file = embedded_file(settings.database_url)
    address = base(settings)
    if file is not None:
        if not file.exists():
            raise NotFound("not_set_up", f"there is no database at {file}", hint="portreeve up")
        running = data_directory.holder(file)
        address = (running.address if running else "") or address
    return asyncio.run(_link(settings, address))


def base(settings: Settings) -> str:
    """What stands before the path in an address of ours."""
    return settings.address


@contextlib.contextmanager
def _database_held(settings: Settings) -> Iterator[Callable[[str], None]]:
    """The embedded database, locked; gives what writes down the address. A database server needs no lock."""
    file = embedded_file(settings.database_url)
    if file is None:
        yield lambda _: None
        return
    data_directory.prepare(file.parent)
    held = data_directory.lock(file)
    try:
        yield held.tell
    finally:
        held.release()


@contextlib.contextmanager
def _bound(settings: Settings) -> Iterator[socket.socket]:
    """A socket that has its address and does not listen yet, so that nobody waits for a start that is refused."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((settings.host, settings.port))
        except OSError as error:
            raise Conflict(
                "address_in_use",
                f"{settings.host}, port {settings.port}, cannot be listened on: {error.strerror}",
                hint="stop what uses it, or name another port with --port",
            ) from None
        yield found


async def _run(
    settings: Settings,
    environment: Mapping[str, str],
    listening: socket.socket,
    *,
    behind_proxy: bool,
    ready: Callable[[Ready], None],
) -> int:
    # First, as everything that can be wrong with it is known from the settings.
    reached = await asyncio.to_thread(clusters.reached, settings, environment, utc_now)
    master_keys = await _prepared(settings, environment)
    signing = await asyncio.to_thread(keys.signing_key, settings)
    authority = await asyncio.to_thread(keys.agent_authority, settings, utc_now())
    server = build(settings, master_keys, signing, authority=authority, clusters=reached)
    try:
        # It begins with the others; so who is refused is refused before that.
        await server.local.refuse_held()
    except BaseException:
        await server.database.close()
        raise
    app = application(server)
    async with app.router.lifespan_context(app):
        await _refuse_exposed(server, behind_proxy=behind_proxy)
        address = base(settings)

        async def first(transaction: Transaction) -> Link | None:
            return await first_start.first_link(transaction, address, server.new_id)

        told = Ready(address, await server.writer.run(first))
        configuration = configured(settings, app, authority.pem)
        running = _Uvicorn(configuration, lambda: ready(told), server.doorbell.close)
        await running.serve([listening])
    return INTERRUPTED if running.ended_by is signal.SIGINT else 0


async def _prepared(settings: Settings, environment: Mapping[str, str]) -> MasterKeys:
    """The master keys, proven, and the tables of this release."""
    database = connect(settings.database_url)
    try:
        found = await keys.verified(database, settings, environment, utc_now)
        await to_head(database)
        await keys.remember(database, found)
    except (SQLAlchemyError, OSError) as error:
        raise unavailable(error) from error
    finally:
        await database.close()
    return found


async def _refuse_exposed(server: Server, *, behind_proxy: bool) -> None:
    """See that nobody else can reach it before somebody can sign in, and that no password is sent in clear.

    Raises:
        Invalid: `exposed_without_tls`, `exposed_without_admin`.
    """
    settings = server.settings
    if _is_loopback(settings.host):
        return
    if settings.tls_certificate is None and not behind_proxy:
        raise Invalid(
            "exposed_without_tls",
            f"{settings.host} can be reached from elsewhere, and nothing would be encrypted",
            hint="set PORTREEVE_SERVER_TLS_CERTIFICATE, or say --behind-proxy if a proxy in front of it does TLS",
        )
    if settings.oidc_file:
        return
    found = set(first_start.administrators(await server.writer.current()))
    async with server.database.reader.connect() as connection:
        with_password = set(await connection.scalars(select(PASSWORDS.c.user)))
    if not found & with_password:
        raise Invalid(
            "exposed_without_admin",
            f"{settings.host} can be reached from elsewhere, and no administrator can sign in by more than a link",
            hint="start it on loopback first, sign in by the link and set a password",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def configured(settings: Settings, app: object, agents_authority: str) -> uvicorn.Config:
    """How it is served. With TLS, whoever has a certificate of `agents_authority` (PEM) may show it; nobody must.

    Browsers are told which authority is meant, so they ask nobody for a certificate that they do not have. Which of
    them still count is asked later, request by request. Handshakes are done by `handshakes`, not by the listening
    socket, which would do all of them at once.
    """
    found = uvicorn.Config(
        app,  # type: ignore[arg-type] # its type is wider than uvicorn's
        http=BoundedProtocol,
        ws="none",
        lifespan="off",  # it is run here, where its failure is a message
        log_config=None,
        access_log=False,  # it would have the query
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )
    found.load()
    if found.ssl is not None:
        found.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        found.ssl.verify_mode = ssl.CERT_OPTIONAL
        found.ssl.load_verify_locations(cadata=agents_authority)
        shaking = Handshakes(found.ssl, BoundedProtocol, at_once=settings.tls_handshakes)
        found.http_protocol_class = shaking  # type: ignore[assignment] # it is called as the class would be
        found.ssl = None
    return found


class _Uvicorn(uvicorn.Server):
    """One that tells when it answers, and that ends with our exit codes and not with the signal's own."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._ending = ending
        self.ended_by: signal.Signals | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then tell."""
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End in order at a signal."""
        loop = asyncio.get_running_loop()
        # A shell has its background jobs ignore SIGINT, and whoever pressed the keys did not mean this one.
        heard = [signal.SIGTERM]
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            heard.append(signal.SIGINT)
        for one in heard:
            loop.add_signal_handler(one, self._end, one)
        try:
            yield
        finally:
            for one in heard:
                loop.remove_signal_handler(one)

    def _end(self, by: signal.Signals) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
        self.ended_by = by
        # Whoever waits for a desired state has a request under way, and would be waited for.
        self._ending()


async def _link(settings: Settings, address: str) -> Link:
    database = connect(settings.database_url)
    writer = Writer(database, utc_now)
    try:
        if not await is_at_head(database):
            raise Conflict(
                "schema_differs", "the database was not started with this release yet", hint="portreeve up, once"
            )
        await writer.start()

        async def issue(transaction: Transaction) -> Link:
            return await first_start.another_link(transaction, address)

        return await writer.run(issue)
    except (SQLAlchemyError, OSError) as error:
        raise unavailable(error) from error
    finally:
        await writer.stop()
        await database.close()
