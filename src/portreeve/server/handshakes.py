"""TLS handshakes, so many at once and no more: a thousand agents that come back together wait, and nobody else does.

Theory of operation. A handshake is the dearest thing that a stranger can ask for: a signature, and some forty kilobytes
until it is over. The listening socket therefore knows nothing of TLS: a connection is kept as a bare socket that nobody
reads, and only when one of `at_once` places is free does the event loop get it once more, to do TLS on it. Where all of
them are taken, connections wait in a queue that has an end, and places go round by address, so that one client with a
thousand connections, or with a thousand slow ones, keeps nobody else waiting for longer than one handshake may last.
What is cut off by us (too slow, too many) was never told anything; whoever meant well connects anew. Requests on
connections that stand need no place: of their time a handshake takes what one signature takes, and `at_once` of them
what a turn of the event loop may.

Left out: a proxy that ends TLS does this itself. One that hands on bytes makes all clients one address, and they then
take their turns in the order in which they came.

`loop.start_tls` would spare the second transport, and cannot be used: uvloop begins to read behind `connection_made`
even if that has paused it, so the client's first bytes would be lost to it.

Sources: reliability, F-49 (1,000 agents reconnect at once); threat AG-10; Python's asyncio, `connect_accepted_socket`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from ipaddress import IPv6Address
from typing import Any, Final

AT_ONCE: Final = 32
"""Some thirty milliseconds of signing, and a megabyte."""

LONGEST_S: Final = 5.0
"""For one handshake: two round trips, and one that was lost and sent again after three seconds."""

MOST_WAITING: Final = 16_384
"""Connections that wait; with a few kilobytes each."""

WAIT_S: Final = 30.0
"""For a place. Behind it a client has given up by itself."""

log = logging.getLogger("portreeve.server")


class Handshakes:
    """The places of one server. Called as uvicorn calls a protocol class, gives what takes in one connection.

    Args:
        made: makes the protocol that is spoken inside TLS, from the same arguments.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        made: Callable[..., asyncio.Protocol],
        *,
        at_once: int = AT_ONCE,
        longest_s: float = LONGEST_S,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self.context = context
        self.longest_s = longest_s
        self._made = made
        self.at_once = at_once
        self._most_waiting = most_waiting
        self._queues: OrderedDict[str, OrderedDict[Arrival, None]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self.waiting = 0
        self.most = 0
        """The most that were under way at any time."""

    def __call__(self, **arguments: Any) -> asyncio.Protocol:
        """What takes in one connection; uvicorn's arguments."""
        return Arrival(self, partial(self._made, **arguments), arguments["server_state"].connections)

    @property
    def in_flight(self) -> int:
        """How many are under way."""
        return len(self._tasks)

    def arrived(self, one: Arrival) -> None:
        """Somebody has connected."""
        if self.waiting >= self._most_waiting:
            longest = max(self._queues, key=lambda address: len(self._queues[address]))
            next(reversed(self._queues[longest])).shutdown()
        self._queues.setdefault(one.address, OrderedDict())[one] = None
        self.waiting += 1
        self._next()

    def left(self, one: Arrival) -> None:
        """Somebody waits no more."""
        queue = self._queues.get(one.address)
        if queue is not None and one in queue:
            del queue[one]
            self.waiting -= 1
            if not queue:
                del self._queues[one.address]

    def _next(self) -> None:
        while self._queues and len(self._tasks) < self.at_once:
            address, queue = self._queues.popitem(last=False)
            one, _ = queue.popitem(last=False)
            self.waiting -= 1
            if queue:
                # Behind all other addresses.
                self._queues[address] = queue
            task = one.begin()
            self._tasks.add(task)
            self.most = max(self.most, len(self._tasks))
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._next()


class Arrival(asyncio.Protocol):
    """One connection until TLS begins on it."""

    def __init__(
        self, handshakes: Handshakes, made: Callable[[], asyncio.Protocol], connections: set[asyncio.Protocol]
    ) -> None:
        self.address = ""
        self._handshakes = handshakes
        self._made = made
        # Whoever waits is told of the server's end as all connections are.
        self._connections = connections
        self._socket: socket.socket
        self._timer: asyncio.TimerHandle
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected: keep the socket, and let go of what would read it."""
        try:
            self._socket = transport.get_extra_info("socket").dup()
        except OSError as error:
            log.warning("a connection is dropped: %s", error.strerror)
            return
        finally:
            # It closes its own descriptor alone; nothing was read yet, and nothing is sent by it.
            transport.abort()  # type: ignore[attr-defined] # as every transport of a socket has it
        self._socket.setblocking(False)
        peer = transport.get_extra_info("peername")
        self.address = holder(peer[0]) if peer else ""
        self._connections.add(self)
        self._timer = asyncio.get_running_loop().call_later(WAIT_S, self.shutdown)
        self._handshakes.arrived(self)

    def shutdown(self) -> None:
        """Cut it off. uvicorn calls it, too, when the server ends."""
        if self._task is not None:
            self._task.cancel()
            return
        self._timer.cancel()
        self._connections.discard(self)
        self._handshakes.left(self)
        self._socket.close()

    def begin(self) -> asyncio.Task[None]:
        """Do the handshake. Nothing is raised for what the other side does."""
        self._timer.cancel()
        self._task = asyncio.get_running_loop().create_task(self._secure(), name="TLS handshake")
        return self._task

    async def _secure(self) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._made,
                self._socket,
                ssl=self._handshakes.context,
                ssl_handshake_timeout=self._handshakes.longest_s,
            )
        except OSError as error:
            # Refused, too slow, hung up. It was closed with that.
            log.debug("a TLS handshake has failed: %s", type(error).__name__)
        finally:
            self._connections.discard(self)


def holder(address: str) -> str:
    """Whom an address stands for: of IPv6 somebody has 2^64."""
    if ":" not in address:
        return address
    found = IPv6Address(address.partition("%")[0])
    return str(found.ipv4_mapped or int(found) >> 64)
