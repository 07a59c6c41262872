"""Under which names the control plane answers, and which requests come from its own pages.

A page of another site can make a browser send requests here, with the cookie of whoever is signed in. So a request that
changes something by a cookie, or signs in, must come from a page of ours: `Sec-Fetch-Site` says so, which no page can
forge; where a browser does not send it, `Origin` must be the very one that was asked. And a name that somebody else
points at this address (DNS rebinding) is not answered at all.

Sources: Fetch Metadata Request Headers (W3C), section 2.3; RFC 6454, section 7; RFC 9110, section 15.5.20 (421);
OWASP, "Cross-Site Request Forgery Prevention"; threat API-07.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from portreeve.server.http.problems import Rejected
from portreeve.server.settings import Settings

LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing. Source: RFC 9110, section 9.2.1."""


@dataclass(frozen=True, slots=True)
class Origins:
    """Our own names. `port` 0 means any: it is not known before the server listens."""

    public_url: str
    port: int
    named: frozenset[str]
    """Further values of Host, in lower case; one without a port stands for every port."""
    tls: bool = False
    """Whether the server ends TLS itself, so that its own addresses are https, too."""

    @property
    def secure(self) -> bool:
        """Whether browsers come by https."""
        return self.public_url.startswith("https://") or (self.tls and not self.public_url)

    @property
    def prefix(self) -> str:
        """The path below which browsers find everything; "" for none."""
        return urlsplit(self.public_url).path

    @property
    def base(self) -> str:
        """What stands before the path in an address of ours."""
        return self.public_url or f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def known(self, host: str) -> bool:
        """Whether a Host header names us."""
        if not host:
            return False  # as no public name is set
        host = host.lower()
        name, port = _split(host)
        if host == self._public_host or host in self.named or name in self.named:
            return True
        return name in LOOPBACK and (not self.port or port == str(self.port) or (self.port == 80 and not port))

    def asked(self, host: str) -> str:
        """The origin that a request with this Host was sent to."""
        host = host.lower()
        if _split(host)[0] in LOOPBACK and host != self._public_host:
            return f"{'https' if self.tls else 'http'}://{host}"
        return f"{'https' if self.secure or self.tls else 'http'}://{host}"

    @property
    def _public_host(self) -> str:
        return urlsplit(self.public_url).netloc.lower()


def origins(settings: Settings) -> Origins:
    """The names in the settings. An address to listen on is one, unless it stands for all."""
    listening = f"[{settings.host}]" if ":" in settings.host else settings.host
    own = {f"{listening}:{settings.port}".lower()} if settings.host not in {"0.0.0.0", "::", ""} else set()  # noqa: S104 -- it is left out here
    return Origins(
        settings.public_url,
        settings.port,
        frozenset(own | {name.lower() for name in settings.allowed_hosts}),
        settings.tls_certificate is not None,
    )


def _split(host: str) -> tuple[str, str]:
    # An IPv6 literal has its colons in brackets.
    name, bracket, rest = host.partition("]")
    if bracket:
        return name + bracket, rest.removeprefix(":")
    name, _, port = host.partition(":")
    return name, port


def refuse_cross_site(request: Request, origins: Origins) -> None:
    """See that a page of ours, or no page at all but with our Origin, sent this.

    Raises:
        Rejected: 403 `cross_site`.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        own = site == "same-origin"
    else:
        own = request.headers.get("origin") == origins.asked(request.headers.get("host", ""))
    if not own:
        hint = "send it from the console; a program sends an API token, or our own address as Origin"
        raise Rejected(403, "cross_site", "the request does not come from a page of ours", hint=hint)


class KnownHosts:
    """Answers requests to our own names, and refuses all others before anything looks at them."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it.

        Raises:
            Rejected: 421 `host_unknown`.
        """
        if scope["type"] in {"http", "websocket"}:
            hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
            if len(hosts) != 1 or not self._origins.known(hosts[0]):
                hint = "add the name to PORTREEVE_SERVER_ALLOWED_HOSTS, or set PORTREEVE_SERVER_PUBLIC_URL"
                raise Rejected(421, "host_unknown", "the Host header names no server that is here", hint=hint)
        await self._app(scope, receive, send)
