"""A control plane on a loopback port: the real server in a thread of its own, for programs that are run against it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from tests.server.plane import Plane, document, running

START_TIMEOUT_S = 60.0

Result = TypeVar("Result")


@dataclass
class Served:
    """A started control plane and its address."""

    plane: Plane
    url: str
    loop: asyncio.AbstractEventLoop

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run something in the server's own loop, to its end."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(START_TIMEOUT_S)

    def put(self, *documents: Mapping[str, Any]) -> None:
        """Store documents, judged by nobody."""
        self.run(self.plane.put(*documents))

    def token(self, user: str, role: str = "", **scope: Any) -> str:
        """An API token of a user, who gets the role if one is named."""
        if role:
            self.put(document("RoleBinding", f"{user}-{role}", role=role, subjects={"users": [user]}, scope=scope))
        return self.run(self.plane.token(user)).reveal().decode()


@contextmanager
def served(database_url: str, data: Path, **settings: Any) -> Iterator[Served]:
    """Serve a new control plane on this database until the end of the block."""

    def configure(plane: Plane) -> uvicorn.Config:
        return uvicorn.Config(plane.app, host="127.0.0.1", port=0, lifespan="off", log_level="error")

    # Port 0 also tells the control plane to answer under whichever port it gets.
    with in_thread(running(database_url, data, port=0, **settings), configure) as found:
        yield found


@contextmanager
def in_thread(
    context: AbstractAsyncContextManager[Plane], configure: Callable[[Plane], uvicorn.Config]
) -> Iterator[Served]:
    """Serve what a context gives, in a thread with a loop of its own, until the end of the block."""
    ready = threading.Event()
    found: list[Served] = []
    failed: list[BaseException] = []
    stop: list[uvicorn.Server] = []

    async def serve() -> None:
        async with context as plane:
            config = configure(plane)
            server = uvicorn.Server(config)
            stop.append(server)
            task = asyncio.create_task(server.serve())
            while not server.started and not task.done():  # noqa: ASYNC110 -- the server tells nobody else
                await asyncio.sleep(0.005)
            port = server.servers[0].sockets[0].getsockname()[1]
            scheme = "https" if config.is_ssl else "http"
            found.append(Served(plane, f"{scheme}://127.0.0.1:{port}", asyncio.get_running_loop()))
            ready.set()
            while not server.should_exit:  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0.01)
            # Whoever waits for a change would otherwise be waited for.
            plane.server.doorbell.close()
            await task

    def target() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 -- told in the thread that waits
            failed.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    ready.wait(START_TIMEOUT_S)
    if failed:
        raise failed[0]
    try:
        yield found[0]
    finally:
        stop[0].should_exit = True
        thread.join(START_TIMEOUT_S)
