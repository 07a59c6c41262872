"""A server on this machine that answers what a test tells it to, faults included, and remembers what it was asked."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread


@dataclass(frozen=True)
class Asked:
    """A request as it came in; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Says:
    """A proper answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """Bytes in place of an answer; then the connection is closed."""

    data: bytes


class Hangs:
    """No answer until the test is over."""


Answer = Says | Raw | Hangs


class Loopback:
    """Where it listens, and what it was asked so far."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []
        self.released = Event()


@contextmanager
def answering(answer: Callable[[Asked], Answer], *, certificate: tuple[Path, Path] | None = None) -> Iterator[Loopback]:
    """Serve until the block ends: over TLS with a certificate and its key, else without."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            server.asked.append(asked)
            match answer(asked):
                case Says(status, data, more):
                    self.send_response(status)
                    for name, value in {"Content-Length": str(len(data)), **more}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(data)
                case Raw(data):
                    self.wfile.write(data)
                    self.close_connection = True
                case Hangs():
                    server.released.wait()
                    self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815 -- the names that the library calls

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
    scheme = "http" if certificate is None else "https"
    server = Loopback(f"{scheme}://127.0.0.1:{listener.server_address[1]}")
    thread = Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        listener.shutdown()
        listener.server_close()
        thread.join()
