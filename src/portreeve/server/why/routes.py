"""The one route that answers whoever holds an admission message: why was this image refused, and what to use instead?

Nobody has to sign in: the token in the message is the permission. It answers what the message said, the nearest allowed
source, and the same image where it would be allowed; no names of namespaces, people, grants, notes or exemptions. A
token that is wrong, one whose policy has gone, and one whose policy restricts nothing any more get one answer.

Source: console, "Why was I blocked?" (screen 25, journey 2).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.alternatives import alternative
from portreeve.core.cluster import is_dns_label
from portreeve.core.reference import MAX_REFERENCE_LENGTH, UnsafeReference, parse
from portreeve.core.verdict import Decision, ImageVerdict
from portreeve.errors import NotFound
from portreeve.server.documents.service import Documents
from portreeve.server.http.answers import Answer
from portreeve.server.http.body import read_json
from portreeve.server.http.guard import GuardedRoute, public
from portreeve.server.http.openapi import body
from portreeve.server.images.verdicts import Governed, governed, verdict
from portreeve.server.people import bodies
from portreeve.server.people.throttle import of_address
from portreeve.server.why.asking import Asking
from portreeve.server.why.links import Links

MAX_BODY_BYTES: Final = 8192
MAX_TOKEN: Final = 128

body(
    "ask_why",
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["token", "image", "namespace"],
        "properties": {
            "token": {"type": "string", "minLength": 1, "maxLength": MAX_TOKEN},
            "image": {"type": "string", "minLength": 1, "maxLength": MAX_REFERENCE_LENGTH},
            "namespace": {"type": "string", "minLength": 1, "maxLength": 63},
        },
    },
)


def routes(documents: Documents, links: Links, clock: Callable[[], datetime]) -> APIRouter:
    """The one route."""
    router = APIRouter(route_class=GuardedRoute, tags=["images"])
    asking = Asking(clock)

    @router.post("/api/v1/why", operation_id="ask_why", summary="Why was this image refused, by the message's link")
    @public
    async def why(request: Request) -> Response:
        asking.charge(of_address(request.client.host if request.client else None).key)
        found = bodies.fields(await read_json(request, MAX_BODY_BYTES), required=("token", "image", "namespace"))
        token = bodies.text(found, "token", MAX_TOKEN)
        image = bodies.text(found, "image", MAX_REFERENCE_LENGTH)
        namespace = bodies.text(found, "namespace", 63)
        if not is_dns_label(namespace):
            raise bodies.wrong("namespace", "must be the name of a namespace")
        snapshot, now = await documents.snapshot(), clock()
        place = links.place(snapshot, token)
        if place is None:
            raise _unknown()
        held = governed(snapshot, place.environment, now)
        judged = verdict(held, namespace, image, now)
        if judged is None:
            raise _unknown()
        headers = {"Cache-Control": "no-store"}
        return Answer(200, _answer(held, judged, namespace), headers).response()

    return router


def _unknown() -> NotFound:
    hint = "copy the whole link from the newest message, or run the command that stands in it"
    return NotFound("why_unknown", "this link belongs to no policy that is in force", hint=hint)


def _answer(held: Governed, judged: ImageVerdict, namespace: str) -> dict[str, Any]:
    sources = held.state.sources
    assert sources is not None
    denied = judged.decision is not Decision.ALLOW
    image = judged.image
    return {
        "verdict": str(judged.decision),
        "code": str(judged.reasons[0].code),
        "image": image,
        "canonical": judged.canonical,
        "namespace": namespace,
        "policy": {"name": sources.policy, "generation": sources.generation},
        "nearest": str(judged.nearest.prefix) if denied and judged.nearest else None,
        "alternative": _alternative(held, judged, namespace) if denied else None,
        "command": shlex.join(("portreeve", "explain", image, "-n", namespace)),
    }


def _alternative(held: Governed, judged: ImageVerdict, namespace: str) -> str | None:
    assert held.state.sources is not None
    try:
        return alternative(parse(judged.image), namespace, held.state.sources)
    except UnsafeReference:
        return None
