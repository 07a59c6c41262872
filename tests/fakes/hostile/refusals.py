"""Statuses, what refusals say beside them, and who is not there at all."""

from __future__ import annotations

import json

from tests.fakes.hostile.answers import always, filled
from tests.fakes.hostile.asks import MIB, manifest, tags
from tests.fakes.hostile.registry import Answers, Behaviour, Heard, Hostile, Sent, says


def refusals() -> list[Behaviour]:
    """Statuses, and what refusals say beside them."""
    shouting = json.dumps(
        {"errors": [{"code": "UNKNOWN", "message": "\u001b[31mhunter2" * 99, "detail": "x"}]}
    ).encode()
    statuses = {
        403: "registry_denied",
        404: "manifest_unknown",
        405: "registry_unsupported",
        407: "registry_unsupported",
        408: "registry_failed",
        412: "registry_denied",
        418: "registry_unsupported",
        429: "registry_throttled",
        451: "registry_unsupported",
        500: "registry_failed",
        501: "registry_unsupported",
        503: "registry_failed",
        204: "registry_unsupported",
        206: "registry_unsupported",
        300: "registry_unsupported",
        599: "registry_failed",
        999: "registry_failed",
    }
    found = [
        Behaviour(f"status {status}", manifest, code, always(says(status, b"" if status == 204 else shouting)))
        for status, code in statuses.items()
    ]
    late = always(says(429, retry_after="99999999999999999999"))
    return [
        *found,
        Behaviour("401 for ever", manifest, "registry_unauthorized", filled(401, www_authenticate="Basic x=y")),
        Behaviour("a 401 for every token", manifest, "registry_denied", denying(), basic=False),
        Behaviour("retry after an age", manifest, "registry_throttled", late),
        Behaviour(
            "retry on a day",
            manifest,
            "registry_throttled",
            always(says(429, retry_after="Fri, 31 Dec 9999 23:59:59 GMT")),
        ),
        Behaviour("retry on no day", manifest, "registry_throttled", always(says(429, retry_after="\x7f soon"))),
        Behaviour(
            "a refusal of 3 MiB",
            manifest,
            "registry_failed",
            always(says(500, b'{"errors": [' + b" " * 3 * MIB + b"]}")),
        ),
        Behaviour("a refusal with deep nesting", manifest, "registry_failed", always(says(500, b"[" * 60_000))),
        Behaviour(
            "a refusal of another shape", manifest, "registry_failed", always(says(500, b'{"errors": {"code": []}}'))
        ),
        Behaviour(
            "a code that is none", manifest, "registry_failed", always(says(500, b'{"errors": [{"code": 7}, 8, null]}'))
        ),
        Behaviour("TLS of an unknown authority", tags, "tls_untrusted", always(b""), port="unknown_authority"),
        Behaviour("TLS for another name", tags, "tls_untrusted", always(b""), port="wrong_name"),
        Behaviour("no TLS", tags, "tls_untrusted", always(b""), port="plain"),
        Behaviour("SSH", tags, "tls_untrusted", always(b""), port="ssh"),
        Behaviour("a closed port", tags, "connection_refused", always(b""), port="closed"),
        Behaviour("an unknown name", tags, "name_unknown_host", always(b""), host="unknown.example.com"),
        Behaviour("a name that leads to metadata", tags, "address_refused", always(b""), host="metadata.example.com"),
        Behaviour("a name that leads to us", tags, "address_refused", always(b""), host="forbidden.example.com"),
        Behaviour("a name that also leads to metadata", tags, "address_refused", always(b""), host="mixed.example.com"),
    ]


def denying() -> Answers:
    """A registry whose realm gives tokens that it then does not take."""

    def answer(heard: Heard, hostile: Hostile) -> Sent:
        realm = hostile.filled("https://registry.example.com:{registry}/own-token")
        return says(401, b"", www_authenticate=f'Bearer realm="{realm}",service="registry"')

    return answer
