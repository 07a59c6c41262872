"""Headers that every answer has, so that no browser makes more of it than it is.

A route that knows better (the console's pages and files) sets its own; what is there already is kept. There are no CORS
headers anywhere: no other origin may read an answer.

Sources: OWASP ASVS 5.0, 3.4; Content Security Policy Level 3; RFC 9111, section 5.2.2.5; RFC 6797; threat API-10.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
HTTPS_ONLY_S: Final = 31_536_000
"""One year, after which a browser asks again. Source: RFC 6797, 11.2; the preload lists ask for no less."""


class SecurityHeaders:
    """Adds them. `secure`: browsers come by https, and shall come no other way."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._headers = dict(ALWAYS)
        if secure:
            self._headers["Strict-Transport-Security"] = f"max-age={HTTPS_ONLY_S}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)
