"""The control plane's API as a program calls it: one connection, problems as our errors, pages as one list.

Theory of operation
-------------------
The address and the token come from the caller; nothing is taken from the environment, so no proxy and no `.netrc` can
have a part in where a token goes. A redirect is an error for the same reason. Plain HTTP is for loopback alone.

Every change carries an `Idempotency-Key` of its own, so that it can be sent again when the connection was lost and
nobody knows whether it was carried out: the control plane answers the second time what it answered the first. What is
retried is a connection that broke and a 503 that says when to come back, a few times and not for long.

httpx2 is imported when a client is made: no verb that works offline pays for it.
Sources: RFC 9457 (problem documents); draft-ietf-httpapi-idempotency-key-header; RFC 9110, 10.2.3 (Retry-After).
"""

from __future__ import annotations

import ipaddress
import json
import re
import secrets
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from portreeve.core.secret import SecretValue
from portreeve.errors import (
    Conflict,
    Denied,
    Handling,
    Invalid,
    NotFound,
    Outdated,
    PortreeveError,
    Problem,
    Stalled,
    Throttled,
    Unauthenticated,
    Unavailable,
    Unconfirmed,
)
from portreeve.version import __version__

if TYPE_CHECKING:
    import httpx2

TIMEOUT_S: Final = 30.0
CONNECT_TIMEOUT_S: Final = 10.0
PAGE_ROWS: Final = 500
"""Rows of one page: the most that the control plane gives."""

PAUSES_S: Final = (0.5, 1.0, 2.0)
"""Before the second, third and fourth attempt."""
MOST_PAUSE_S: Final = 10.0
"""What a Retry-After may make us wait at most, each time."""

MAX_TEXT: Final = 4_000
"""Characters of one text of a problem document; more is nobody's explanation."""

Query = Mapping[str, str | int | bool | Sequence[str] | None]


class TimedOut(Unavailable):
    """No answer came in time; whether something was done is not known."""

    handling = Handling(504, 124, "TimedOut", retry=True)


@dataclass(frozen=True, slots=True)
class Server:
    """Which control plane, and who we are to it. `ca_file` "" means the system's certificates."""

    url: str
    token: SecretValue | None = None
    ca_file: str = ""
    timeout_s: float = TIMEOUT_S


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered; `body` is plain values, None where there is none."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def server_url(text: str) -> str:
    """The address of a control plane without a slash at its end.

    Raises:
        Invalid: `server_url`: it is no address, holds a password, or would send a token in clear over a network.
    """
    try:
        address = urlsplit(text)
        usable = address.scheme in {"https", "http"} and address.hostname and address.port != 0 and text.isprintable()
    except ValueError:
        usable = False
    if not usable or " " in text:
        raise _wrong_url("is not an address", "write https://HOST[:PORT]")
    if address.username is not None or address.password is not None or address.query or address.fragment:
        raise _wrong_url("is more than an address (not shown)", "write https://HOST[:PORT]; the token goes elsewhere")
    if address.scheme == "http" and not _is_loopback(address.hostname or ""):
        raise _wrong_url(f"would send the token to {address.hostname} in clear", "use https; http is for loopback")
    return f"{address.scheme}://{address.netloc}{address.path.rstrip('/')}"


def _wrong_url(why: str, hint: str) -> Invalid:
    return Invalid("server_url", f"the address of the control plane {why}", hint=hint)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Client:
    """A connection to one control plane, used in a `with` statement."""

    def __init__(self, server: Server, *, pause: Callable[[float], None] = time.sleep) -> None:
        import httpx2

        headers = {"User-Agent": f"portreeve/{__version__}", "Accept": "application/json"}
        if server.token is not None:
            headers["Authorization"] = f"Bearer {server.token.reveal().decode()}"
        self.url = server_url(server.url)
        self._pause = pause
        self._http = httpx2.Client(
            base_url=self.url,
            headers=headers,
            verify=_trust(server.ca_file, self.url),
            timeout=httpx2.Timeout(server.timeout_s, connect=min(CONNECT_TIMEOUT_S, server.timeout_s)),
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def act_as_page(self) -> None:
        """Name the control plane itself as the origin, as its own pages do: whoever has a cookie is asked for that."""
        address = urlsplit(self.url)
        self._http.headers["Origin"] = f"{address.scheme}://{address.netloc.lower()}"

    def get(self, path: str, query: Query | None = None) -> Any:
        """What is read at a path.

        Raises:
            PortreeveError: of the kind that the answer is; Unavailable without one.
        """
        return self._asked("GET", path, query=query).body

    def listed(self, path: str, query: Query | None = None, *, most: int | None = None) -> tuple[list[Any], Any]:
        """Every row of a list, page by page, at most `most`, and the metadata of the first page."""
        rows: list[Any] = []
        cursor, first = None, None
        while True:
            wanted = PAGE_ROWS if most is None else min(PAGE_ROWS, most - len(rows))
            page = self.get(path, {**(query or {}), "limit": wanted, "cursor": cursor})
            if not isinstance(page, Mapping) or not isinstance(page.get("items"), list):
                raise _not_ours(f"{path} is not a list")
            metadata = page.get("metadata") or {}
            first = metadata if first is None else first
            rows += page["items"]
            following = metadata.get("continue")
            if not following or following == cursor or (most is not None and len(rows) >= most):
                return rows, first
            cursor = following

    def change(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> Answer:
        """Change something, at most once, however often it has to be sent. `headers` are its preconditions.

        What answers a secret is not `repeatable`: that answer is stored nowhere, so it is sent once and has no key.

        Raises:
            PortreeveError: as `get`; TimedOut if it is not known whether it was done.
        """
        sent = {**(headers or {}), **({"Idempotency-Key": secrets.token_hex(16)} if repeatable else {})}
        return self._asked(method, path, body=body, query=query, headers=sent, pauses_s=PAUSES_S if repeatable else ())

    @contextmanager
    def events(self, path: str, query: Query | None = None, *, method: str = "GET") -> Iterator[Iterator[Any]]:
        """The events of a stream as they come, until it ends; open before the first is asked for.

        Source: HTML Living Standard, 9.2 (server-sent events).
        """
        import httpx2

        accept = {"Accept": "text/event-stream"}
        with self._open(path, query, accept, httpx2.Timeout(None, connect=CONNECT_TIMEOUT_S), method) as response:
            yield (_parsed(event.data.encode()) for event in httpx2.EventSource(response) if event.data)

    def content(self, path: str, query: Query | None = None) -> Iterator[bytes]:
        """The bytes of an answer as they come."""
        with self._open(path, query, {"Accept": "*/*"}) as response:
            yield from response.iter_bytes()

    def _asked(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> Answer:
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        typed = {} if content is None else {"Content-Type": "application/json"}
        request = self._http.build_request(
            method, path, content=content, params=_present(query), headers={**typed, **(headers or {})}
        )
        response = self._sent(request, pauses_s)
        _refuse_failure(response, self.url)
        answered = _parsed(response.content) if response.content else None
        return Answer(response.status_code, answered, response.headers)

    def _sent(self, request: httpx2.Request, pauses_s: Sequence[float]) -> httpx2.Response:
        """The answer of the first attempt that got one worth having."""
        import httpx2

        for number, planned_s in enumerate((*pauses_s, None)):
            pause_s = planned_s
            try:
                response = self._http.send(request)
            except httpx2.RequestError as error:
                if pause_s is None or not _may_pass(error, number):
                    raise self._unreached(error) from None
            else:
                asked_s = _retry_after_s(response)
                if asked_s is None or pause_s is None:
                    return response
                pause_s = min(asked_s, MOST_PAUSE_S)
            self._pause(pause_s)
        raise AssertionError("the last attempt has left the loop")

    @contextmanager
    def _open(
        self, path: str, query: Query | None, headers: Mapping[str, str], timeout: Any = None, method: str = "GET"
    ) -> Iterator[httpx2.Response]:
        import httpx2

        limits = {} if timeout is None else {"timeout": timeout}
        try:
            with self._http.stream(method, path, params=_present(query), headers=headers, **limits) as response:
                if response.status_code != 200:
                    response.read()
                    _refuse_failure(response, self.url)
                yield response
        except httpx2.RequestError as error:
            raise self._unreached(error) from None

    def _unreached(self, error: httpx2.RequestError) -> Unavailable:
        """What happened on the way, for a person: which server, why, and what to do."""
        import httpx2

        wrong = _certificate_problem(error)
        if wrong is not None:
            hint = "name the CA that signed it: --ca-file FILE or PORTREEVE_CA_FILE"
            return Unavailable("server_untrusted", f"{self.url} is not trusted: {wrong}", hint=hint)
        if isinstance(error, httpx2.TimeoutException):
            hint = "read what is there before you send it again; --timeout SECONDS waits longer"
            return TimedOut("server_timeout", f"{self.url} did not answer in time", hint=hint)
        hint = "see whether it runs and whether the address is right: PORTREEVE_SERVER, portreeve login"
        return Unavailable("server_unreachable", f"{self.url} cannot be reached: {error or 'it hung up'}", hint=hint)


@contextmanager
def session(server: Server, user: str, password: SecretValue) -> Iterator[Client]:
    """A client in a session of this user, for what a token may not do; the session ends with the block."""
    with _session(server, "password", {"user": user, "password": password.reveal().decode()}) as client:
        yield client


@contextmanager
def session_by_link(server: Server, token: SecretValue) -> Iterator[Client]:
    """As `session`, by the token of a one-time link, which is used up by it."""
    with _session(server, "link", {"token": token.reveal().decode()}) as client:
        yield client


@contextmanager
def _session(server: Server, how: str, body: Mapping[str, str]) -> Iterator[Client]:
    with Client(replace(server, token=None)) as client:
        client.act_as_page()
        client.change("POST", f"/api/v1/sign-in/{how}", body, repeatable=False)
        try:
            yield client
        finally:
            client.change("POST", "/api/v1/sign-out", repeatable=False)


def _trust(ca_file: str, url: str) -> ssl.SSLContext:
    if url.startswith("http:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody; reading the system's certificates takes time
    if not ca_file:
        return ssl.create_default_context()
    if not Path(ca_file).is_file():
        raise NotFound("file_not_found", f"{ca_file} does not exist", hint="--ca-file takes a file of certificates")
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (ssl.SSLError, OSError):
        raise Invalid("ca_file", f"{ca_file} holds no certificates", hint="certificates are PEM") from None


def _present(query: Query | None) -> tuple[tuple[str, str], ...]:
    """The parameters that have a value; one with several is repeated."""
    found: list[tuple[str, str]] = []
    for name, value in (query or {}).items():
        if value is None:
            continue
        values = value if isinstance(value, list | tuple) else (value,)
        found += [(name, str(one).lower() if isinstance(one, bool) else str(one)) for one in values]
    return tuple(found)


def _may_pass(error: httpx2.RequestError, attempt: int) -> bool:
    """Whether another attempt may do better. A server that was never there will not come; one that went may."""
    import httpx2

    lost = isinstance(error, httpx2.ReadError | httpx2.WriteError | httpx2.RemoteProtocolError)
    return lost or (attempt > 0 and isinstance(error, httpx2.ConnectError) and _certificate_problem(error) is None)


def _retry_after_s(response: httpx2.Response) -> float | None:
    """What a 503 asks to wait, in seconds; None if it does not ask."""
    asked = response.headers.get("retry-after", "")
    if response.status_code != 503 or not (asked.isascii() and asked.isdigit()):
        return None
    return float(asked)


def _certificate_problem(error: BaseException) -> str | None:
    """What is wrong with a certificate, if that is what went wrong."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, ssl.SSLError):
            return cause.reason or "no TLS there"
        cause = cause.__cause__ or cause.__context__
    return None


_KINDS: Final[Mapping[int, type[PortreeveError]]] = {
    401: Unauthenticated,
    403: Denied,
    404: NotFound,
    409: Conflict,
    412: Outdated,
    428: Unconfirmed,
    429: Throttled,
    503: Unavailable,
}
"""Status → kind. Any other 4xx says that what was sent is wrong, any other 5xx that a person has to look."""

_CODE: Final = re.compile("[a-z][a-z0-9_]{0,63}")


def _refuse_failure(response: httpx2.Response, url: str) -> None:
    status = response.status_code
    if status < 300 or status == 304:
        return
    if status < 400:
        hint = "give its final address; a token does not follow a redirect"
        raise Stalled("server_redirect", f"{url} answered with a redirect ({status})", hint=hint)
    kind = _KINDS.get(status, Invalid if status < 500 else Stalled)
    problem = _problem_document(response)
    if problem is None:
        hint = "see whether the address is that of a control plane and what stands before it"
        raise kind("server_answer", f"{url} answered {status} and did not say why", hint=hint)
    code = _text(problem.get("code"))
    raise kind(
        code if _CODE.fullmatch(code) else "server_answer",
        _text(problem.get("detail")) or _text(problem.get("title")) or f"{url} answered {status}",
        hint=_text(problem.get("hint")),
        problems=tuple(map(_problem, filter(_is_mapping, _listed(problem.get("errors"))))),
    )


def _problem_document(response: httpx2.Response) -> Mapping[str, Any] | None:
    try:
        found = json.loads(response.content)
    except ValueError:
        return None
    return found if _is_mapping(found) and "code" in found else None


def _problem(entry: Mapping[str, Any]) -> Problem:
    code = _text(entry.get("code"))
    return Problem(code, _text(entry.get("message")), _text(entry.get("field")), _text(entry.get("hint")))


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        raise _not_ours("its answer is not JSON") from None


def _not_ours(why: str) -> Stalled:
    hint = "see whether the address is that of a control plane"
    return Stalled("server_answer", f"this is no control plane that we know: {why}", hint=hint)
