"""A control plane in a thread with a loop of its own, for tools that call an ASGI application from elsewhere."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.server.plane import running
from tests.server.scene import Scene, set_up

Result = TypeVar("Result")


class Bridge:
    """The application over a scene, as an ASGI application that any loop may call. `scene` belongs to its own loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.scene: Scene

    def run(self, job: Coroutine[Any, Any, Result]) -> Result:
        """Run something where the control plane lives."""
        return asyncio.run_coroutine_threadsafe(job, self.loop).result()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request: its whole body goes over, and its whole answer comes back."""
        if scope["type"] == "lifespan":
            # The control plane has been started where it lives.
            for what in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{what}.complete"})
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        sent = asyncio.run_coroutine_threadsafe(self._drive(dict(scope), body), self.loop)
        for message in await asyncio.wrap_future(sent):
            await send(message)

    async def _drive(self, scope: dict[str, Any], body: bytes) -> list[MutableMapping[str, Any]]:
        messages: list[MutableMapping[str, Any]] = []
        # Tools make up a name of their own, and one that is not ours is not answered.
        others = [pair for pair in scope["headers"] if pair[0] != b"host"]
        scope = {**scope, "headers": [*others, (b"host", b"127.0.0.1:8420")]}
        bodies = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if not bodies:
                await asyncio.Event().wait()
            return bodies.pop()

        async def send(message: MutableMapping[str, Any]) -> None:
            messages.append(message)

        await self.scene.plane.app(scope, receive, send)
        return messages


@contextmanager
def bridged(directory: Path, **settings: Any) -> Iterator[Bridge]:
    """A scene behind a bridge, on SQLite; `settings` as of `running`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="plane")
    thread.start()
    bridge = Bridge(loop)
    context = running(f"sqlite:///{directory / 'portreeve.db'}", directory, **settings)
    try:
        bridge.scene = bridge.run(_entered(context))
        yield bridge
        bridge.run(context.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _entered(context: Any) -> Scene:
    return await set_up(await context.__aenter__())
