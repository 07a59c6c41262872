"""What all key management services have in common: ask, tell the kinds of failure apart, read the answer.

Nothing that a service says reaches a message: its answers may quote the request, and with it the token or the key.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, PortreeveError, Stalled, Unavailable
from portreeve.transport.addresses import redacted
from portreeve.transport.exchange import Exchange, Request, Response

_TRY_LATER: Final = {408, 412, 425, 429}
"""With every 5xx: too slow, not yet replicated (Vault), too early, too many. RFC 9110, RFC 6585 and RFC 8470."""

_REFUSED: Final = {401, 403}


def answered(exchange: Exchange, request: Request) -> Response:
    """What the service answered, unless it is not there, not ready, or does not know us.

    Raises:
        Unavailable: no answer, or one that says to come back.
        Denied: the service does not accept who we are, or does not let us do this.
        Stalled: the answer is not one of a key service.
    """
    try:
        response = exchange.send(request)
    except Unavailable:
        response = None
    except Stalled:
        raise unexpected(request.url, "an answer that is too large or packed") from None
    if response is None:
        raise unavailable(request.url, "does not answer")
    if response.status >= 500 or response.status in _TRY_LATER:
        raise unavailable(request.url, f"answers {response.status}")
    if response.status in _REFUSED:
        raise denied(request.url)
    return response


def json_object(response: Response, url: str) -> Mapping[str, Any]:
    """The body as a JSON object, name → value.

    Raises:
        Stalled: it is none.
    """
    try:
        value = json.loads(response.body.reveal())
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise unexpected(url, "no JSON object")
    return value


def base64_bytes(text: object) -> bytes | None:
    """What `text` says in base64, or None when it is not exactly what an encoder writes.

    Decoders overlook spare bits in the last letter, so without the comparison a changed text could mean the same bytes.
    """
    if not isinstance(text, str) or not text.isascii():
        return None
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return found if encoded_text(found) == text else None


def encoded_text(data: bytes) -> str:
    """Base64 with padding, RFC 4648 section 4."""
    return base64.b64encode(data).decode("ascii")


def json_body(fields: Mapping[str, object]) -> SecretValue:
    """A request's body; it holds the key that is wrapped, so it is a secret as a whole."""
    return SecretValue(json.dumps(fields, separators=(",", ":")))


def unavailable(url: str, what: str) -> PortreeveError:
    """The service may answer later."""
    return Unavailable(
        "key_service_unavailable",
        f"the key service at {redacted(url)} {what}",
        hint="see that it runs, is unsealed and not overloaded; what is stored stays as it is",
    )


def denied(url: str) -> PortreeveError:
    """The service refuses us."""
    return Denied(
        "key_service_denied",
        f"the key service at {redacted(url)} refuses our credential, or does not let it use this key",
        hint="renew the credential, and allow it to encrypt and decrypt with this key",
    )


def refused_ciphertext(url: str) -> PortreeveError:
    """The service does not open what we sent."""
    return Stalled(
        "ciphertext_refused",
        f"the key service at {redacted(url)} does not open a wrapped key: it was changed, moved, or is another key's",
        hint="see that the configured key is the one it was wrapped with; else restore the record from a backup",
    )


def unexpected(url: str, what: str) -> PortreeveError:
    """The service answers something else than was asked; `what` names it in our words."""
    return Stalled(
        "key_service_answer",
        f"the key service at {redacted(url)} gave {what}",
        hint="see that the address, the key's name and the key's kind are right, and that the key is enabled",
    )
