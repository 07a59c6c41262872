"""Sending one batch of events to one destination: all of it arrives, or it counts as not sent.

A sender keeps no connection between two batches and no state, so whoever comes back from an outage is asked anew.
Each batch is bounded by `TIMEOUT_S`. What arrived before a failure arrives again: receivers tell by `sequence`.

A stream (TCP, TLS) has arrived when the receiver has closed it behind us: it then has read to the end. UDP tells
nothing; what is lost there is lost to that sink. Certificates are verified, and no proxy or redirect is followed.

Sources: RFC 6587, 3.4.1 and RFC 5425, 4.3 (octet counting); RFC 5426 (UDP); CloudEvents 1.0, JSON batch format.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import hmac
import json
import os
import socket
import ssl
import stat
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx2

from portreeve.core.audit import Event, decode, time_text
from portreeve.core.audit_export import stored_event_line
from portreeve.errors import Invalid
from portreeve.server.audit.destinations import Destination, Form, Transport
from portreeve.server.audit.store import Stored
from portreeve.version import __version__
from portreeve.wire.syslog import cef, rfc5424

TIMEOUT_S: Final = 20.0
"""For a whole batch, from resolving the name on. Receivers acknowledge in milliseconds, or are overloaded."""
SHORTEST_SECRET: Final = 16
"""Bytes. Shorter ones can be searched by whoever sees one signed batch."""
MAX_SECRET_BYTES: Final = 4096
SIGNATURE: Final = "Portreeve-Signature"
TYPE: Final = "io.portreeve.audit.v1"
BATCH_TYPE: Final = "application/cloudevents-batch+json"

Send = Callable[[Sequence[Stored]], Awaitable[None]]
"""Raises NotSent."""


class NotSent(Exception):
    """The batch has not arrived, or nobody knows. The message may be shown."""


def sender(
    destination: Destination, *, origin: str, clock: Callable[[], datetime], timeout_s: float = TIMEOUT_S
) -> Send:
    """What sends to this destination. `origin` names the log, as the source of CloudEvents."""

    async def once(batch: Sequence[Stored]) -> None:
        match destination.form, destination.transport:
            case Form.LEAVES, _:
                await asyncio.to_thread(_append, Path(destination.path), batch)
            case Form.EVENTS, _:
                await _post(destination, batch, origin, clock())
            case _, Transport.UDP:
                await _datagrams(destination, batch)
            case _:
                await _stream(destination, batch)

    async def send(batch: Sequence[Stored]) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await once(batch)
        except TimeoutError:
            raise NotSent(f"no answer within {timeout_s:g} s") from None
        except ssl.SSLError as error:
            raise NotSent(f"TLS failed ({error.reason or 'closed'})") from None
        except (OSError, httpx2.HTTPError) as error:
            # The texts of these may hold the address; their kind tells enough.
            number = getattr(error, "errno", None)
            raise NotSent(f"not reached ({errno.errorcode.get(number or 0, type(error).__name__)})") from None

    return send


def _append(path: Path, batch: Sequence[Stored]) -> None:
    """Whole lines behind what is there, on the disk before this returns. A line that a crash cut is ended first."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags, 0o600), "r+b", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise NotSent("it is no regular file")
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        torn = size > 0 and file.read(1) != b"\n"
        text = (b"\n" if torn else b"") + b"".join(stored_event_line(stored.leaf) for stored in batch)
        if file.write(text) != len(text):
            raise NotSent("not all of it was written; the disk may be full")
        os.fsync(file.fileno())


def _lines(destination: Destination, batch: Sequence[Stored]) -> list[bytes]:
    hostname = socket.gethostname()
    if destination.form is Form.SYSLOG:
        return [rfc5424(event, hostname=hostname).encode() for event in map(_event, batch)]
    return [cef(event, version=__version__).encode() for event in map(_event, batch)]


def _event(stored: Stored) -> Event:
    try:
        return decode(stored.leaf)
    except Invalid:
        # It is not passed over: a log that was changed has to be looked at, and the sink then waits for that.
        raise NotSent(f"event {stored.sequence} was changed in the database") from None


def _framed(form: Form, line: bytes) -> bytes:
    """Syslog counts octets; CEF has lines, as its receivers expect."""
    return b"%d %s" % (len(line), line) if form is Form.SYSLOG else line + b"\n"


async def _datagrams(destination: Destination, batch: Sequence[Stored]) -> None:
    loop = asyncio.get_running_loop()
    lines = await asyncio.to_thread(_lines, destination, batch)
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=(destination.host, destination.port)
    )
    try:
        for line in lines:
            transport.sendto(line)
            await asyncio.sleep(0)
    finally:
        transport.close()


async def _stream(destination: Destination, batch: Sequence[Stored]) -> None:
    lines = await asyncio.to_thread(_lines, destination, batch)
    context = tls(destination) if destination.transport is Transport.TLS else None
    options: dict[str, Any] = {"ssl_shutdown_timeout": TIMEOUT_S} if context else {}
    reader, writer = await asyncio.open_connection(destination.host, destination.port, ssl=context, **options)
    try:
        for line in lines:
            writer.write(_framed(destination.form, line))
            await writer.drain()
        if context is None:
            writer.write_eof()
            while await reader.read(4096):
                pass  # what a receiver may say does not matter; that it closes does
        else:
            # Closing TLS sends our close_notify behind the last record, and waits for theirs. A receiver that has read
            # ours and then just closes the connection breaks RFC 5425, 4.4, but has read to the end all the same.
            writer.close()
            with contextlib.suppress(ssl.SSLError):
                await writer.wait_closed()
    except BaseException:
        writer.transport.abort()
        raise
    writer.close()


def tls(destination: Destination) -> ssl.SSLContext:
    """Verifies certificate and name, by the system's authorities or those in `ca-file`."""
    try:
        context = ssl.create_default_context(cafile=destination.ca_file)
    except OSError as error:
        raise NotSent(f"ca-file cannot be used ({type(error).__name__})") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _post(destination: Destination, batch: Sequence[Stored], origin: str, now: datetime) -> None:
    body = json.dumps([_envelope(stored, origin) for stored in batch], separators=(",", ":")).encode()
    stamp = str(int(now.timestamp()))
    headers = {
        "Content-Type": BATCH_TYPE,
        "User-Agent": f"portreeve/{__version__}",
        SIGNATURE: signature(await asyncio.to_thread(_secret, destination), stamp, body),
    }
    host = f"[{destination.host}]" if ":" in destination.host else destination.host
    url = f"https://{host}:{destination.port}{destination.path}"
    async with (
        httpx2.AsyncClient(
            verify=tls(destination), trust_env=False, follow_redirects=False, timeout=TIMEOUT_S
        ) as client,
        client.stream("POST", url, content=body, headers=headers) as response,
    ):
        # The body is not read: it could be endless, and says nothing that we need.
        if not 200 <= response.status_code < 300:
            raise NotSent(f"answered {response.status_code}")


def _envelope(stored: Stored, origin: str) -> dict[str, Any]:
    """Source: CloudEvents 1.0, Context Attributes. `data` is the leaf as text; `data_base64` would hide it."""
    event = _event(stored)
    return {
        "specversion": "1.0",
        "id": str(stored.sequence),
        "source": f"/{origin}",
        "type": TYPE,
        "subject": str(event.action),
        "time": time_text(event.time),
        "datacontenttype": "application/json",
        "data": json.loads(stored.leaf),
    }


def signature(secret: bytes, stamp: str, body: bytes) -> str:
    """The header's value: HMAC-SHA256 over timestamp, a dot and the body, so that neither can be replaced."""
    value = hmac.digest(secret, stamp.encode() + b"." + body, hashlib.sha256)
    return f"t={stamp},v1={value.hex()}"


def _secret(destination: Destination) -> bytes:
    assert destination.secret_file is not None
    with destination.secret_file.open("rb") as file:
        found = file.read(MAX_SECRET_BYTES).strip()
    if len(found) < SHORTEST_SECRET:
        raise NotSent(f"secret-file holds fewer than {SHORTEST_SECRET} bytes")
    return found
