"""What a challenge and a token service can say."""

from __future__ import annotations

from tests.fakes.hostile.answers import filled, tokens
from tests.fakes.hostile.asks import MIB, manifest
from tests.fakes.hostile.registry import Behaviour


def challenges() -> list[Behaviour]:
    """What `WWW-Authenticate`, and the token service, can say."""
    own = "https://registry.example.com:{registry}/own-token"
    away = "https://elsewhere.example.com:{elsewhere}/token"
    named = {
        "two Bearers": ("answer_ambiguous", f'Bearer realm="{own}", Bearer realm="{away}"'),
        "one realm twice": ("answer_ambiguous", f'Bearer realm="{own}",realm="{away}"'),
        "a realm in two cases": ("answer_ambiguous", f'Bearer realm="{own}",REALM="{away}"'),
        "a Bearer behind Basic": ("realm_not_pinned", f'Basic realm="x", bearer  ReAlM = "{away}" , service=x'),
        "Bearer without a realm": ("registry_unauthorized", "Bearer service=x"),
        "Negotiate alone": ("registry_unauthorized", "Negotiate YWJjZA=="),
        "an open quote": ("registry_unauthorized", f'Bearer realm="{away}'),
        "garbage": ("registry_unauthorized", '=,;"\\ \x01'),
        "a challenge of 60 kB": ("registry_unauthorized", "Bearer realm=" + "a" * 60_000),
        "thousands of challenges": ("registry_unauthorized", "Digest a=b, " * 5000),
    }
    found = [
        Behaviour(name, manifest, code, filled(401, www_authenticate=header), basic=False)
        for name, (code, header) in named.items()
    ]
    to = "https://elsewhere.example.com:{elsewhere}/token"
    found += [
        Behaviour(
            f"token request {status} elsewhere",
            manifest,
            "realm_redirected",
            tokens(b"", status=str(status), location=to),
            basic=False,
        )
        for status in (301, 302, 303, 307, 308)
    ]
    answers = {
        "a web page for a token": ("answer_not_json", b"<html>sign in</html>"),
        "no token": ("token_answer", b"{}"),
        "a number for a token": ("token_answer", b'{"token": 7}'),
        "a token that starts a header": ("token_answer", b'{"token": "a\\r\\nX-Evil: 1"}'),
        "two tokens": ("answer_ambiguous", b'{"token": "a", "Token": "b"}'),
        "a token in another spelling": ("answer_ambiguous", b'{"TOKEN": "a"}'),
        "a token of 1 MiB": ("answer_too_large", b'{"token": "' + b"a" * MIB + b'"}'),
        "a token that ended long ago": ("", b'{"token": "a", "expires_in": -1}'),
        "a token that never ends": ("", b'{"access_token": "a", "expires_in": 99999999999999999}'),
        "a token with an odd end": ("", b'{"token": "a", "expires_in": "soon", "issued_at": 7}'),
    }
    return found + [
        Behaviour(name, manifest, code, tokens(answer), basic=False) for name, (code, answer) in answers.items()
    ]
