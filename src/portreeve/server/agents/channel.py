"""The agents' channel: an ASGI application of its own under /agent/v1, before the API and without its framework.

    GET  /agent/v1/trust       whom an agent may trust; it holds that against the hash in its join token
    POST /agent/v1/enrol       a token for a certificate
    POST /agent/v1/renew       the next certificate
    GET  /agent/v1/desired     ?generation=N: the signed document, or 304 after a long poll
    POST /agent/v1/observed    what has changed in the environment

Theory of operation. Thousands of agents wait here for most of their lives, so what a waiting one costs is what counts:
no framework lies around it, and it is woken by `doorbell` alone. Who it is follows from its certificate: from the TLS
connection, or, where a proxy ends TLS, from a signature on this very request. Both go through the database on each
request and once more behind each wait, so what is revoked gets nothing, also on a connection that is open.

A signed request is taken once (its random number is remembered while its time could count), and only near its time.
Replicas do not share these numbers, and need not: a question for the desired state may be answered twice, reports
count up, and a renewal belongs to one counter.

Sources: the design's mission, "Agent identity"; RFC 9110, sections 8.8.3 (ETag) and 15.4.5 (304); threats AG-02, AG-05.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from portreeve.errors import Invalid, PortreeveError, Stalled
from portreeve.server import logs
from portreeve.server.agents import observing
from portreeve.server.agents.doorbell import Doorbell, Visit
from portreeve.server.agents.service import Agent, Agents
from portreeve.server.database.writer import AWAY, Transaction, unavailable
from portreeve.server.desired.service import DesiredStates, Present
from portreeve.server.http import problems
from portreeve.server.http.answers import json_bytes
from portreeve.server.http.body import parse, read_bytes
from portreeve.server.http.problems import Rejected
from portreeve.vault import agent_keys
from portreeve.vault.agent_keys import Asked, body_digest
from portreeve.vault.certificates import Certificate
from portreeve.wire.channel import read_join, read_renewal, read_report

PREFIX: Final = "/agent/v1/"

WAIT_S: Final = 50.0
"""How long a question for the desired state waits: below the minute after which proxies close."""

MAX_REPORT_BYTES: Final = 16 << 20
"""A whole report of 50,000 lines of images has about ten megabytes."""

MAX_SMALL_BYTES: Final = 32_768
"""Of everything else. A join has about three thousand."""

NEAR: Final = timedelta(minutes=5)
"""How far an agent's clock may be from ours. Source: reliability, clocks ± 5 min."""

MOST_NONCES: Final = 200_000
"""Random numbers that are remembered: over ten minutes, those of ten thousand agents."""

MAX_GENERATION: Final = 2**53


class Channel:
    """The application; what is not the channel's is passed on. `wait_s` is for tests."""

    def __init__(
        self,
        app: ASGIApp,
        agents: Agents,
        desired: DesiredStates,
        doorbell: Doorbell,
        new_id: Callable[[], str],
        wait_s: float = WAIT_S,
    ) -> None:
        self._app = app
        self._agents = agents
        self._desired = desired
        self._doorbell = doorbell
        self._new_id = new_id
        self._wait_s = wait_s
        self._nonces: dict[bytes, datetime] = {}
        self._routes: dict[tuple[str, str], Callable[[Request], Awaitable[Response]]] = {
            ("GET", "trust"): self._trust,
            ("POST", "enrol"): self._enrol,
            ("POST", "renew"): self._renew,
            ("GET", "desired"): self._read,
            ("POST", "observed"): self._observed,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request.state.request_id = self._new_id()
        response = await self._answered(request)
        response.headers["X-Request-Id"] = request.state.request_id
        response.headers["Cache-Control"] = "no-store"
        await response(scope, receive, send)

    async def _answered(self, request: Request) -> Response:
        """The answer; of whatever goes wrong the caller hears a problem document, and nothing of a mistake of ours."""
        try:
            name = request.url.path.removeprefix(PREFIX)
            handler = self._routes.get((request.method, name))
            if handler is None:
                code, status = ("method", 405) if name in {path for _, path in self._routes} else ("no_route", 404)
                raise Rejected(status, code, "there is nothing of that name in the agents' channel")
            return await handler(request)
        except PortreeveError as error:
            return problems.answer(error, request.state.request_id)
        except AWAY as error:
            return problems.answer(unavailable(error), request.state.request_id)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the caller hears nothing of it, and the log all
            logs.request_failed(request, error)
            found = Stalled("internal", "something went wrong here", hint="look for the request's id in the log")
            return problems.answer(found, request.state.request_id)

    async def _trust(self, _: Request) -> Response:
        if not self._agents.trust:
            raise Rejected(404, "no_route", "this control plane has no certificate that agents could know it by")
        return Response(self._agents.trust, media_type="application/x-pem-file")

    async def _enrol(self, request: Request) -> Response:
        asked = read_join(parse(await read_bytes(request, MAX_SMALL_BYTES)))
        joined = await self._agents.join(asked, request.state.request_id)
        return _json(joined.document())

    async def _renew(self, request: Request) -> Response:
        certificate, body = await self._proven(request, MAX_SMALL_BYTES)
        joined = await self._agents.renew(certificate, read_renewal(parse(body)), request.state.request_id)
        return _json(joined.document())

    async def _observed(self, request: Request) -> Response:
        certificate, body = await self._proven(request, MAX_REPORT_BYTES)
        agent = await self._agents.admit(certificate, request.state.request_id)
        report = read_report(await asyncio.to_thread(parse, body))

        async def job(transaction: Transaction) -> int:
            await self._agents.refuse_changed(transaction, agent)
            return await observing.take(transaction, agent.environment, report)

        return _json({"report": await self._agents.writer.run(job)})

    async def _read(self, request: Request) -> Response:
        certificate, _ = await self._proven(request, 0)
        agent = await self._agents.admit(certificate, request.state.request_id)
        known = _generation(request)
        visit = self._doorbell.arrive(agent.environment, known)
        try:
            held = await self._desired.current(agent.environment)
            if held is not None and known > held.generation:
                await self._desired.catch_up(agent.environment, known)
                held = await self._desired.current(agent.environment)
            if not _new(held, agent, known):
                held = await self._waited(visit, agent, request)
        finally:
            self._doorbell.leave(visit)
        if held is None or not _new(held, agent, known):
            return Response(status_code=304)
        return Response(held.document, 200, {"ETag": f'"{held.hash}"'}, "application/json")

    async def _waited(self, visit: Visit, agent: Agent, request: Request) -> Present | None:
        """What there is for this agent once it has waited long enough.

        Raises:
            Unauthenticated: `agent_refused`: it was shut out meanwhile.
        """
        known, held = visit.generation, None
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wait_s):
                while await visit.bell:
                    agent = await self._agents.admit(agent.certificate, request.state.request_id)
                    while True:
                        held = await self._desired.current(agent.environment)
                        if _new(held, agent, known):
                            return held
                        # Numbered anew, and not yet sealed for this agent: what follows is. If it has followed
                        # between the two looks, nobody rings for it any more.
                        present = held.generation if held else 0
                        if visit.generation == present and not visit.bell.done():
                            break
                        self._doorbell.again(visit, present)
        await self._agents.admit(agent.certificate, request.state.request_id)
        return held

    async def _proven(self, request: Request, limit: int) -> tuple[Certificate, bytes]:
        """The certificate whose key has sent this request, and the body.

        Raises:
            Unauthenticated: `agent_refused`, whatever is wrong with them.
        """
        shown = peer_certificate(request.scope)
        if shown is not None:
            try:
                certificate = self._agents.authority.read(shown)
            except PortreeveError as error:
                raise self._agents.refused(error.code) from None
            return certificate, await read_bytes(request, limit)
        header = request.headers.get(agent_keys.HEADER)
        if header is None:
            raise self._agents.refused("nothing_shown")
        try:
            assertion = agent_keys.read(header)
            certificate = self._agents.authority.read(assertion.certificate)
        except PortreeveError as error:
            raise self._agents.refused(error.code) from None
        # The signature is looked at before the body is read: nobody else's body is worth the memory.
        query = request.url.query
        target = f"{request.url.path}?{query}" if query else request.url.path
        asked = Asked(request.method, target, assertion.digest)
        if not certificate.signed(assertion.covers(asked), assertion.signature):
            raise self._agents.refused("signature")
        self._once(assertion.nonce, assertion.time)
        body = await read_bytes(request, limit)
        if body_digest(body) != assertion.digest:
            raise self._agents.refused("body")
        return certificate, body

    def _once(self, nonce: bytes, at: int) -> None:
        now = self._agents.clock()
        if abs(now.timestamp() - at) > NEAR.total_seconds():
            raise self._agents.refused("clock")
        # In the order in which they came, which is nearly that in which they end.
        for old in list(self._nonces):
            if self._nonces[old] > now and len(self._nonces) < MOST_NONCES:
                break
            del self._nonces[old]
        if nonce in self._nonces:
            raise self._agents.refused("replayed")
        self._nonces[nonce] = now + 2 * NEAR


def peer_certificate(scope: Scope) -> bytes | None:
    """The certificate that the other side of the TLS connection has shown, DER. Source: ASGI, "TLS Extension"."""
    chain = scope.get("extensions", {}).get("tls", {}).get("client_cert_chain", ())
    return ssl.PEM_cert_to_DER_cert(chain[0]) if chain else None


def _new(held: Present | None, agent: Agent, known: int) -> bool:
    """Whether there is a document behind the known one that this agent can open."""
    if held is None or held.generation <= known:
        return False
    return f'"sealedFor":"{agent.sealed_for}"'.encode() in held.document


def _generation(request: Request) -> int:
    text = request.query_params.get("generation", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) < MAX_GENERATION):
        raise Invalid("request_invalid", "generation must be a whole number, and not negative")
    return int(text)


def _json(value: Any) -> Response:
    return Response(json_bytes(value), 200, media_type="application/json")
