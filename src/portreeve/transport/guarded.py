"""Connections for the HTTP library that lead to admitted addresses only, and say why they did not come about.

Theory of operation. The library hands us a name and a port. The name is resolved once in an operation, every address
that it has is held against the rules, and what is connected to is such an address and not the name: nobody is asked a
second time, so a name cannot lead elsewhere meanwhile. The library still sends the name in `Host` and in SNI. What
comes in is counted before the library sees it, so that endless headers and interim answers are bounded as bodies are.

Source: threats RC-02, RC-04.
"""

# ruff: noqa: ARG002, ASYNC109 -- the arguments are those that the library passes

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

import httpcore2

from portreeve.errors import PortreeveError, Stalled, Unavailable
from portreeve.transport.address_rules import AddressRules, IpAddress, literal
from portreeve.transport.budget import Budget
from portreeve.transport.tls import TlsCause, TlsUntrusted, cause_of

Resolver = Callable[[str, int], Awaitable[Sequence[IpAddress]]]
"""Host and port → its addresses, in the order to try them; OSError where there are none."""

ADDRESSES: Final = 16
"""More than any registry's name has; each one that does not answer takes its time."""

CONNECT_S: Final = 10.0
"""For one connection, and for one handshake."""


async def resolve_here(host: str, port: int) -> Sequence[IpAddress]:
    """The addresses of a name as this machine resolves it."""
    from ipaddress import ip_address

    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # A zone behind an address ("%eth0") marks it as link-local, which `ip_address` keeps and the rules refuse.
    return tuple(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


async def admitted(host: str, port: int, rules: AddressRules, resolver: Resolver) -> tuple[IpAddress, ...]:
    """The addresses of a host, all of which may be connected to.

    Raises:
        Invalid: `address_refused`: one of them may not, or the host is written oddly.
        Unavailable: `name_unknown_host`, or `no_answer` of the name servers in time.
    """
    written = literal(host)
    if written is not None:
        return (rules.admit(written),)
    try:
        async with asyncio.timeout(CONNECT_S):
            found = tuple(await resolver(host, port))
    except TimeoutError:
        raise Unavailable("no_answer", f"the name servers gave no answer for {host}", hint="see DNS here") from None
    except (OSError, UnicodeError):
        found = ()
    if not found:
        raise Unavailable(
            "name_unknown_host",
            f"{host} has no address: no name server here knows it",
            hint="see that it is spelled right and known where Portreeve runs",
        )
    return tuple(rules.admit(address, host=host) for address in found[:ADDRESSES])


async def connected(addresses: Sequence[IpAddress], port: int, *, where: str, timeout_s: float) -> socket.socket:
    """A connection to the first address that takes one.

    Raises:
        Unavailable: `connection_refused`, or `no_answer`; of the last address that was tried.
    """
    loop = asyncio.get_running_loop()
    fault: PortreeveError | None = None
    for address in addresses:
        made = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(timeout_s):
                await loop.sock_connect(made, (str(address), port))
        except TimeoutError:
            made.close()
            fault = Unavailable(
                "no_answer",
                f"{where} gave no answer at {address} within {timeout_s:g} s",
                hint="see that it runs, and that no firewall between drops what we send",
            )
        except OSError as error:
            made.close()
            fault = _not_connected(error, where, address)
        except BaseException:
            made.close()
            raise
        else:
            return made
    assert fault is not None
    raise fault


def _not_connected(error: OSError, where: str, address: IpAddress) -> Unavailable:
    if isinstance(error, ConnectionRefusedError):
        return Unavailable(
            "connection_refused",
            f"{where} refused the connection at {address}",
            hint="see that the port is right and that the registry runs",
        )
    return Unavailable(
        "no_answer", f"{where} cannot be reached at {address}", hint="see the routes and firewalls between"
    )


class GuardedStream(httpcore2.AsyncNetworkStream):
    """A connection as the library reads and writes it. Nothing is read ahead before TLS begins."""

    def __init__(self, made: socket.socket, where: str, budget: Budget) -> None:
        self._socket, self._where, self._budget = made, where, budget
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def _open(self, **tls: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(sock=self._socket, **tls)
        return self._reader, self._writer

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """Raises: TlsUntrusted; Unavailable: `no_answer`."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._open(ssl=ssl_context, server_hostname=server_hostname)
        except TimeoutError:
            fault: Unavailable = Unavailable(
                "no_answer",
                f"{self._where} did not finish the TLS handshake",
                hint="see that the port is that of https",
            )
        except (OSError, ValueError) as error:
            fault = TlsUntrusted(self._where, cause_of(error) if isinstance(error, OSError) else TlsCause.HANDSHAKE)
        else:
            return self
        self._socket.close()
        raise fault

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Raises: Stalled: `budget_spent`."""
        try:
            async with asyncio.timeout(timeout):
                reader, _ = await self._open()
                data = await reader.read(max_bytes)
        except TimeoutError:
            raise httpcore2.ReadTimeout from None
        except OSError:
            raise httpcore2.ReadError from None
        self._budget.receive(len(data))
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Raises: what the library expects of a stream."""
        try:
            async with asyncio.timeout(timeout):
                _, writer = await self._open()
                writer.write(buffer)
                await writer.drain()
        except TimeoutError:
            raise httpcore2.WriteTimeout from None
        except OSError:
            raise httpcore2.WriteError from None

    async def aclose(self) -> None:
        """End it at once: whoever does not say goodbye in TLS is not waited for."""
        if self._writer is None:
            self._socket.close()
            return
        self._writer.transport.abort()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()

    def get_extra_info(self, info: str) -> Any:
        """What the library asks: the TLS object, and whether an idle connection was closed by the other side."""
        if info == "is_readable":
            return self._reader is not None and (self._reader.at_eof() or self._buffered())
        return None if self._writer is None else self._writer.get_extra_info(info)

    def _buffered(self) -> bool:
        """Whether something lies there that nobody asked for: such a connection is not used again."""
        return bool(getattr(self._reader, "_buffer", b""))


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Where the library's connections come from, within one operation."""

    def __init__(self, rules: AddressRules, resolver: Resolver, budget: Budget) -> None:
        self._rules, self._resolver, self._budget = rules, resolver, budget
        self._resolved: dict[tuple[str, int], tuple[IpAddress, ...]] = {}

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Raises: as `admitted` and `connected`."""
        addresses = self._resolved.get((host, port))
        if addresses is None:
            addresses = await admitted(host, port, self._rules, self._resolver)
            self._resolved[host, port] = addresses
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return GuardedStream(
            await connected(addresses, port, where=where, timeout_s=timeout or CONNECT_S), where, self._budget
        )

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """Raises: Stalled: always; no registry is a file."""
        raise Stalled("registry_unsupported", "registries are not asked through files", hint="name a host")

    async def sleep(self, seconds: float) -> None:
        """Between the library's own retries, of which there are none."""
        await asyncio.sleep(seconds)
