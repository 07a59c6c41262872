"""The path below which a proxy shows us, as `https://tools.example.com/portreeve`.

Some proxies take it away before they pass a request on, others do not. Here it is taken away where it is there, so
that both work, and nothing behind this knows of it; what goes back into a browser (addresses, redirects, cookies, the
console's page) has it put in front where it is written. A prefix that begins as a path of ours is refused at the
start: behind a proxy of the first kind, nobody could tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from starlette.types import ASGIApp, Receive, Scope, Send

from portreeve.errors import Invalid

_OTHERS: Final = frozenset({"agent"})
"""First segments that are no routes of the framework: the agents' channel."""


class Prefix:
    """Takes it away. `prefix` is "" or a path that begins with a slash and ends without one."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if self._prefix and scope["type"] in {"http", "websocket"}:
            path: str = scope["path"]
            if path == self._prefix or path.startswith(f"{self._prefix}/"):
                path = path[len(self._prefix) :] or "/"
                scope = {**scope, "path": path, "raw_path": quote(path).encode()}
        await self._app(scope, receive, send)


def refuse_taken(prefix: str, paths: Iterable[str]) -> None:
    """See that the prefix does not begin as one of these paths.

    Raises:
        Invalid: `settings_invalid`.
    """
    first = prefix.split("/")[1] if prefix else ""
    if first and first in {*_OTHERS, *(path.split("/")[1] for path in paths)}:
        wrong = f"PORTREEVE_SERVER_PUBLIC_URL has a path that begins with /{first}, as addresses of our own do"
        raise Invalid("settings_invalid", wrong, hint="have the proxy show it below another path, such as /portreeve")
