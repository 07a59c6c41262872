"""Where the hostile registry sends us."""

from __future__ import annotations

from tests.fakes.hostile.answers import always, filled, numbered
from tests.fakes.hostile.asks import BLOB, GOOD, blob, blob_host, by_digest, challenge, delete, head, may_push, tags
from tests.fakes.hostile.registry import Answers, Behaviour, Heard, Hostile, Sent, says


def redirects() -> list[Behaviour]:
    """Where a registry may send us."""
    away = "https://elsewhere.example.com:{elsewhere}/x?signature=secret"
    found = [
        Behaviour(f"blob {status} elsewhere", blob, "", redirecting(status, away, BLOB))
        for status in (301, 302, 303, 307, 308)
    ]
    found += [
        Behaviour(
            "blob to another port", blob, "", redirecting(307, "https://registry.example.com:{other_port}/x", BLOB)
        ),
        Behaviour("manifest elsewhere", by_digest, "registry_unsupported", redirecting(307, away, GOOD.content)),
        Behaviour("head elsewhere", head, "registry_unsupported", redirecting(307, away, GOOD.content)),
        Behaviour("blob host elsewhere", blob_host, "", filled(307, location=away)),
        Behaviour("tags elsewhere", tags, "registry_unsupported", filled(307, location=away)),
        Behaviour("upload elsewhere", may_push, "", filled(202, location=away)),
        Behaviour(
            "upload outside of the API", may_push, "", filled(202, location="/v2/team/app/blobs/uploads/../../../../x")
        ),
        Behaviour("delete elsewhere", delete, "registry_unsupported", filled(307, location=away)),
        Behaviour("the API elsewhere", challenge, "registry_not_v2", filled(302, location=away), basic=False),
        Behaviour("redirects in a circle", blob, "budget_spent", filled(307, location="/v2/x"), basic=False),
        Behaviour(
            "redirects without an end",
            blob,
            "budget_spent",
            numbered(lambda n: says(307, location=f"/v2/{n}")),
            basic=False,
        ),
        Behaviour("redirect without a place", blob, "registry_unsupported", always(says(307))),
    ]
    refused = {
        "http://elsewhere.example.com:{plain_elsewhere}/x": "url_refused",
        "http://registry.example.com:{registry}/x": "url_refused",
        "https://user:password@elsewhere.example.com:{elsewhere}/x": "url_refused",
        "https://169.254.169.254/latest": "address_refused",
        "https://[::ffff:a9fe:a9fe]/latest": "address_refused",
        "https://0xa9fea9fe/latest": "address_refused",
        "https://forbidden.example.com:{forbidden}/x": "address_refused",
        "https://localhost:{forbidden}/x": "address_refused",
        "file:///etc/shadow": "url_refused",
        "gopher://127.0.0.3:{forbidden}/_x": "url_refused",
        "https://[bad/x": "url_refused",
    }
    return found + [Behaviour(f"blob to {to}", blob, code, filled(307, location=to)) for to, code in refused.items()]


def redirecting(status: int, to: str, document: bytes) -> Answers:
    """A redirect to the canary, which serves the document."""

    def answer(heard: Heard, hostile: Hostile) -> Sent:
        hostile.document = document
        return says(status, location=hostile.filled(to))

    return answer
