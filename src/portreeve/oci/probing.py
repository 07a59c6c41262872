"""One image asked for as a node would ask: the manifest by tag or digest, as this login; and what it is built for.

A HEAD is sent first, which no registry counts as a pull. The manifest itself is fetched only where the platforms are
wanted: registries that count pulls count that.

Left out: opening the line (whose trust, which addresses), and which login.

Sources: OCI Distribution Specification 1.1; Docker docs, "Pull usage and limits"; OCI Image Specification, config.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from portreeve.core.pull_facts import Probe
from portreeve.core.pull_failure import Cause
from portreeve.errors import PortreeveError
from portreeve.oci.client import Client
from portreeve.oci.model import Manifest
from portreeve.oci.shapes import Shapes
from portreeve.transport import strict
from portreeve.transport.exchange import AsyncExchange, Request, Response
from portreeve.transport.tls import TlsCause, TlsUntrusted

CONFIG_BYTES: Final = 256 * 1024
"""Of an image's configuration; one of a hundred layers has 30 KiB."""

_CAUSES: Final = {
    "name_unknown_host": Cause.DNS,
    "connection_refused": Cause.REFUSED,
    "no_answer": Cause.TIMEOUT,
    "tls_untrusted": Cause.CERTIFICATE,
    "registry_unauthorized": Cause.UNAUTHORIZED,
    "registry_denied": Cause.FORBIDDEN,
    "registry_throttled": Cause.RATE_LIMIT,
    "manifest_unknown": Cause.NOT_FOUND,
    "repository_unknown": Cause.NOT_FOUND,
    "registry_failed": Cause.SERVER,
}
"""Codes of errors of this room and of the transport; any other says nothing about the pull."""


@dataclass(slots=True)
class Noting:
    """An exchange that remembers the status of the last answer."""

    exchange: AsyncExchange
    status: int | None = None

    async def send(self, request: Request) -> Response:
        """The answer; see `AsyncExchange`."""
        self.status = None
        answer = await self.exchange.send(request)
        self.status = answer.status
        return answer


async def probe(client: Client, noting: Noting, repository: str, reference: str, *, platforms: bool) -> Probe:
    """What the registry answers. `client` asks through `noting`; failures are answers."""
    try:
        head = await client.head(repository, reference)
    except PortreeveError as error:
        return failed(error, noting.status)
    status = noting.status
    found: tuple[str, ...] = ()
    detail = ""
    if platforms:
        try:
            found = await _platforms(client, repository, await client.manifest(repository, reference))
        except PortreeveError as error:
            # The manifest is there; that it could not be looked into is no failure of the pull.
            detail = f"its platforms were not read: {error.message}"
    return Probe(status, None, platforms=found, signals=head.signals, detail=detail)


def failed(error: PortreeveError, status: int | None) -> Probe:
    """An answer that is none, or not the one hoped for."""
    cause = _CAUSES.get(error.code, Cause.UNKNOWN)
    if error.code == "registry_denied" and status == 412:
        cause = Cause.GATE
    if isinstance(error, TlsUntrusted) and error.cause is TlsCause.NOT_TLS:
        cause = Cause.NO_TLS
    return Probe(status, cause, detail=error.message)


async def _platforms(client: Client, repository: str, manifest: Manifest) -> tuple[str, ...]:
    if manifest.is_index:
        # An attestation of BuildKit stands in an index like an image, for no platform.
        return tuple(sorted({one.platform for one in manifest.children if one.platform not in {"", "unknown/unknown"}}))
    if manifest.config is None:
        return ()
    content = await client.blob(repository, manifest.config, limit_bytes=CONFIG_BYTES)
    shapes = Shapes(repository)
    body = shapes.mapping(strict.read(content, where=repository))
    system, architecture = body.get("os"), body.get("architecture")
    return (f"{system}/{architecture}",) if _is_word(system) and _is_word(architecture) else ()


def _is_word(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", value, re.ASCII) is not None
