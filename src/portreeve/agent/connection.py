"""The requests of an agent: each over TLS to the pinned server, with our certificate and with our signature.

Both are sent always. Where the control plane ends TLS itself it reads the certificate; where a proxy does, the
signature proves the same, and no setting has to say which of the two it is. A certificate that has ended is not shown,
as no handshake would come of it; the signature is, and is good for renewal alone.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

from portreeve.agent.state import StateDirectory
from portreeve.core.secret import SecretValue
from portreeve.errors import Conflict, Invalid, PortreeveError, Stalled, Unauthenticated, Unavailable
from portreeve.transport.exchange import Request, Response
from portreeve.transport.pinned import Pinned
from portreeve.vault import agent_keys
from portreeve.vault.agent_keys import Asked, body_digest
from portreeve.wire.channel import Report, read_joined, report_document

PATH: Final = "/agent/v1/"
MAX_TEXT: Final = 1_000
_KINDS: Final[Mapping[int, type[PortreeveError]]] = {
    400: Invalid,
    401: Unauthenticated,
    409: Conflict,
    413: Invalid,
    422: Invalid,
    500: Stalled,
}


class Connection:
    """The channel of one enrolled agent."""

    def __init__(self, state: StateDirectory, clock: Callable[[], datetime]) -> None:
        """
        Raises:
            NotFound: `not_enrolled`. Invalid: what is kept cannot be used.
        """
        self._state = state
        self._clock = clock
        self.enrolled = state.enrolled()
        self._open()

    def _open(self) -> None:
        self._key, self._certificate = self._state.held()
        self.validity = agent_keys.validity(self._certificate)
        self._shown = self._clock() < self.validity[1]
        self._pinned = Pinned(self._state.trust(), identity=self._state.identity if self._shown else None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pinned.close()

    async def ask(self, generation: int) -> bytes | None:
        """The signed document behind a generation; None: there is none yet.

        Raises:
            Unauthenticated: `agent_refused`. Unavailable: come again.
        """
        answer = await self._send("GET", f"desired?generation={generation}", b"")
        return None if answer.status == 304 else answer.body.reveal()

    async def renew(self) -> None:
        """Get the next certificate and go on with it; connections of the one before are ended first.

        Raises:
            Unauthenticated, Unavailable: as `ask`. Invalid: what was answered cannot be used.
        """
        key = self._state.next_key()
        body = json.dumps({"request": agent_keys.request(key)}).encode()
        answer = await self._send("POST", "renew", body)
        joined = read_joined(_parsed(answer))
        # Nothing with the certificate before may come behind something with this one: it would look like a thief.
        await self._pinned.close()
        self._state.accept(key, joined.certificate, joined.trust)
        self._open()

    async def report(self, report: Report) -> None:
        """Say what has changed.

        Raises:
            Conflict: `report_gap`: a whole one is awaited.
        """
        await self._send("POST", "observed", json.dumps(report_document(report)).encode())

    async def _send(self, method: str, path: str, body: bytes) -> Response:
        if self._shown and self._clock() >= self.validity[1]:
            # It has ended while we ran, cut off for a day: no handshake comes of it any more, a renewal does.
            await self._pinned.close()
            self._open()
        target = f"{PATH}{path}"
        asked = Asked(method, target, body_digest(body))
        nonce = secrets.token_bytes(agent_keys.NONCE_BYTES)
        headers = {agent_keys.HEADER: agent_keys.header(self._key, self._certificate, asked, self._clock(), nonce)}
        if body:
            headers["Content-Type"] = "application/json"
        answer = await self._pinned.send(Request(method, f"{self.enrolled.server}{target}", headers, SecretValue(body)))
        refuse_failed(answer)
        return answer


def refuse_failed(answer: Response) -> None:
    """See that an answer is a good one.

    Raises:
        PortreeveError: of the kind that it is, with its code.
    """
    if answer.status in {200, 201, 304}:
        return
    try:
        found = json.loads(answer.body.reveal())
        code, text = str(found["code"])[:64], str(found["detail"])[:MAX_TEXT]
    except (ValueError, KeyError, TypeError):
        code, text = "no_answer", f"the control plane answered {answer.status}, and nothing that says why"
    kind = _KINDS.get(answer.status, Unavailable)
    error = kind(code, text if text.isprintable() else "(an answer that cannot be shown)")
    after = answer.headers.get("retry-after", "")
    if after.isascii() and after.isdigit() and len(after) <= 4:
        error.retry_after_s = float(after)
    raise error


def _parsed(answer: Response) -> Any:
    try:
        return json.loads(answer.body.reveal())
    except ValueError:
        raise Unavailable("no_answer", "the control plane's answer is no JSON") from None
