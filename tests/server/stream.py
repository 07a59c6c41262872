"""What a stream of events says before it waits; then its reader hangs up.

The transport of the tests would wait for the end of the stream, so the application is driven through ASGI itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx2


async def begin_of_stream(client: httpx2.AsyncClient, path: str, query: Mapping[str, str]) -> httpx2.Response:
    """What a stream says before it waits: the transport of the tests would wait for its end."""
    request = client.build_request("GET", path, params=dict(query))
    transport = client._transport
    assert isinstance(transport, httpx2.ASGITransport)
    headers: list[tuple[bytes, bytes]] = []
    status, data, quiet = 0, bytearray(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        await quiet.wait()
        return {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal status, headers
        status, headers = message.get("status", status), message.get("headers", headers)
        data.extend(message.get("body", b""))
        if message["type"] == "http.response.body" and (b"\n: " in b"\n" + data or status != 200):
            quiet.set()

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": request.url.path, "raw_path": request.url.raw_path, "query_string": request.url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw], "root_path": "",
        "server": ("127.0.0.1", 8420), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    running = asyncio.ensure_future(transport.app(scope, receive, send))
    await quiet.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return httpx2.Response(status, headers=headers, content=bytes(data), request=request)
