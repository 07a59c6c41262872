"""How far one server is trusted: whose certificates count, and whether there is TLS at all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trust:
    """The trust in one registry and in nobody else.

    `ca_bundle` is PEM: the only authorities when it is not empty; else those of this machine. `insecure_skip_verify`
    and `plain_http` are what they say, and whoever shows a registry shows them as findings.
    """

    ca_bundle: str = ""
    insecure_skip_verify: bool = False
    plain_http: bool = False
