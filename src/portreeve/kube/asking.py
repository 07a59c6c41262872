"""How a cluster is asked: one session with the identity of the moment, each request once and, after a 401, once more.

The session is replaced when the identity shows another certificate; the one before it stays open for the watches that
run on it, until there is another one again.

Left out: what is asked, and what the answers mean (`client`, `answers`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Final
from urllib.parse import urlencode

from portreeve.core.secret import SecretValue
from portreeve.kube.answers import unreadable
from portreeve.kube.errors import refusal
from portreeve.kube.identity import Identity
from portreeve.kube.kubeconfig import Connection
from portreeve.transport.exchange import Request, Response
from portreeve.transport.streaming import Streaming

LINE_BYTES: Final = 16 << 20
"""Of one event of a watch. etcd takes objects of 1.5 MiB; JSON with managed fields is a few times that."""

WATCH_WAIT_S: Final = 120.0
"""For each wait on a watch. The server sends a bookmark each minute; two missing ones are a connection that is gone."""

PLAIN: Final = "application/json"


class Asking:
    """The requests of one client; many tasks of one event loop may share it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._session: Streaming | None = None
        self._shown: Identity | None = None
        self._older: list[Streaming] = []

    async def close(self) -> None:
        """End the connections, those of watches too."""
        ending, self._session, self._older = [*self._older, self._session], None, []
        for session in ending:
            if session is not None:
                await session.close()

    async def asked(
        self,
        what: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: SecretValue | None = None,
        content_type: str = "",
        accept: str = PLAIN,
    ) -> Response:
        """The good answer to one request.

        Raises:
            As `Client.get`: whatever the server refuses, and what the transport says.
        """
        for again in (True, False):
            session, request = await self._prepared(method, path, query or {}, accept, body, content_type)
            response = await session.send(request)
            if response.status < 300:
                return response
            if response.status == 401 and again and self._connection.identity.refused():
                continue
            raise refusal(what, response.status, response.headers, response.body.reveal())
        raise AssertionError("the second answer was returned or raised")

    async def lines(self, what: str, path: str, query: Mapping[str, str], accept: str) -> AsyncGenerator[bytes]:
        """Whole lines of a watch's answer; use it in `aclosing`. Raises: as `Client.watch`."""
        for again in (True, False):
            session, request = await self._prepared("GET", path, query, accept)
            async with session.opened(request, wait_s=WATCH_WAIT_S) as answer:
                if answer.status != 200:
                    body = await _bounded(answer.pieces())
                    if answer.status == 401 and again and self._connection.identity.refused():
                        continue
                    raise refusal(what, answer.status, answer.headers, body)
                rest = bytearray()
                async with aclosing(answer.pieces()) as pieces:
                    async for piece in pieces:
                        rest += piece
                        if len(rest) > LINE_BYTES:
                            raise unreadable(what)
                        *whole, last = bytes(rest).split(b"\n")
                        rest = bytearray(last)
                        for line in whole:
                            if line:
                                yield line
                return

    async def _prepared(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        accept: str,
        body: SecretValue | None = None,
        content_type: str = "",
    ) -> tuple[Streaming, Request]:
        identity = await self._connection.identity.current()
        headers: dict[str, str | SecretValue] = {"Accept": accept}
        if content_type:
            headers["Content-Type"] = content_type
        if identity.token is not None:
            headers["Authorization"] = SecretValue(b"Bearer " + identity.token.reveal())
        url = f"{self._connection.server}{path}" + (f"?{urlencode(query)}" if query else "")
        return await self._session_of(identity), Request(method, url, headers, body or SecretValue(b""))

    async def _session_of(self, identity: Identity) -> Streaming:
        """The session that shows this certificate; the one before it stays open for what runs on it."""
        shown = self._shown.certificate if self._shown else None
        if self._session is not None and shown is not identity.certificate:
            ending, self._older, self._session = self._older, [self._session], None
            for older in ending:
                await older.close()
        if self._session is None:
            self._session = Streaming(
                self._connection.server,
                self._connection.trust,
                certificate=identity.certificate,
                server_name=self._connection.server_name,
            )
        self._shown = identity
        return self._session


async def _bounded(pieces: AsyncIterator[bytes]) -> bytes:
    """The beginning of a refusal; a `Status` has a few hundred bytes."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > 1 << 20:
            break
    return bytes(body)
