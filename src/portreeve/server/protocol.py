"""HTTP as uvicorn reads it: a limit on what stands before the body, and the certificate that the other side has shown.

httptools, unlike h11, keeps a header in memory however long it grows. Bodies are capped where they are read. uvicorn
hands no certificate on; agents are known by theirs.

Sources: ASGI, "TLS Extension"; RFC 9112, section 2.2 (a server may refuse a request line or header that is too long).
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 64 << 10
"""Request line and headers. Browsers and proxies keep to 8 to 32 KiB."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _in_head = True
    _head_bytes = 0
    _tls: dict[object, object] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Somebody has connected; with TLS, the handshake is done."""
        super().connection_made(transport)
        encrypted = transport.get_extra_info("ssl_object")
        shown = encrypted.getpeercert(binary_form=True) if encrypted is not None else None
        if shown:
            self._tls = {"client_cert_chain": [ssl.DER_cert_to_PEM_cert(shown)]}

    def data_received(self, data: bytes) -> None:
        """Read on, or end a connection whose head has no end."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """A request begins, perhaps within what was just received."""
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()
        if self._tls is not None:
            self.scope["extensions"] = {"tls": {**self._tls}}

    def on_headers_complete(self) -> None:
        """The body follows."""
        self._in_head = False
        super().on_headers_complete()
