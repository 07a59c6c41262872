"""What a registry's refusal means to us. Its codes are known or ignored; its free text is never repeated.

Sources: OCI Distribution Specification 1.1, error codes; Docker Registry HTTP API V2; RFC 9110 section 10.2.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from portreeve.errors import Denied, NotFound, PortreeveError, Stalled, Throttled, Unavailable
from portreeve.transport import strict
from portreeve.transport.exchange import Response

RETRY_MOST_S: Final = 24 * 3600.0
"""A registry that asks for more is asked again after a day."""

_CODE: Final = re.compile(r"[A-Z][A-Z_]{2,40}")
_BODY_BYTES: Final = 64 * 1024


def codes(response: Response) -> frozenset[str]:
    """The codes in the body of a refusal; empty where it is none of the registry's own."""
    body = response.body.reveal()
    if len(body) > _BODY_BYTES:
        return frozenset()
    try:
        value = strict.read(body, where="")
    except Stalled:
        return frozenset()
    listed = value.get("errors") if isinstance(value, dict) else None
    found = [each.get("code") for each in listed[:20] if isinstance(each, dict)] if isinstance(listed, list) else []
    return frozenset(code for code in found if isinstance(code, str) and _CODE.fullmatch(code))


def retry_after_s(response: Response, now: datetime) -> float | None:
    """Seconds to wait, as `Retry-After` says in either form; None where it does not say."""
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return min(float(value), RETRY_MOST_S)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - now).total_seconds(), 0.0), RETRY_MOST_S)


Missing = Callable[[str], NotFound]


def manifest_unknown(where: str) -> NotFound:
    """No manifest of this tag or digest."""
    return NotFound(
        "manifest_unknown",
        f"{where} holds no such manifest",
        hint="see that the tag or digest is there, and that the credential may see it",
    )


def repository_unknown(where: str) -> NotFound:
    """No repository of this name."""
    return NotFound(
        "repository_unknown",
        f"{where} is no repository that can be seen",
        hint="see its spelling; some registries say so of what the credential may not see",
    )


def blob_unknown(where: str) -> NotFound:
    """No blob of this digest."""
    return NotFound("blob_unknown", f"{where} is not there", hint="the image is not whole; push it again")


def unsupported(where: str, what: str = "does not offer this") -> Stalled:
    """The registry cannot do what was asked."""
    return Stalled("registry_unsupported", f"{where} {what}", hint="see whether it is switched on in the registry")


def unauthorized(where: str, *, shown: bool) -> Denied:
    """Nobody, or somebody whom it does not accept. `shown`: whether a credential was shown."""
    if shown:
        message, hint = "does not accept the credential", "see user name and password, and whether it has expired"
    else:
        message, hint = "wants a login", "store a credential for this registry"
    return Denied("registry_unauthorized", f"{where} {message}", hint=hint)


_MISSING: Final[tuple[tuple[str, Missing], ...]] = (
    ("NAME_UNKNOWN", repository_unknown),
    ("NAME_INVALID", repository_unknown),
    ("MANIFEST_UNKNOWN", manifest_unknown),
    ("MANIFEST_BLOB_UNKNOWN", manifest_unknown),
    ("BLOB_UNKNOWN", blob_unknown),
)


def fault(
    response: Response, *, where: str, now: datetime, shown: bool, missing: Missing = repository_unknown
) -> PortreeveError:
    """What an answer means that is not the one hoped for.

    Args:
        where: for messages: a redacted address.
        shown: whether a credential was shown.
        missing: what a 404 without a known code means.
    """
    status, said = response.status, codes(response)
    if status == 429 or "TOOMANYREQUESTS" in said:
        throttled = Throttled("registry_throttled", f"{where} asks for fewer requests", hint="wait, or use a login")
        throttled.retry_after_s = retry_after_s(response, now)
        return throttled
    if status == 401:
        return unauthorized(where, shown=shown)
    if status in {403, 412} or "DENIED" in said:
        return _denied(where, status)
    if status in {405, 501} or "UNSUPPORTED" in said:
        return unsupported(where)
    if status == 404:
        return next((build for code, build in _MISSING if code in said), missing)(where)
    if 300 <= status < 400:
        return unsupported(where, "answers with a redirect, which is not followed here")
    return _other(response, where, now)


def denied(where: str) -> Denied:
    """The registry knows who asks, and does not allow this."""
    return Denied("registry_denied", f"{where} is not allowed", hint="see what the credential is allowed to do")


def _denied(where: str, status: int) -> Denied:
    if status == 412:  # Harbor, PROJECTPOLICYVIOLATION: vulnerabilities or signatures
        return Denied(
            "registry_denied",
            f"{where} is withheld by a policy of the registry",
            hint="see the registry's own gate for vulnerabilities and signatures",
        )
    return denied(where)


def _other(response: Response, where: str, now: datetime) -> PortreeveError:
    status = response.status
    if status >= 500 or status == 408:
        failed = Unavailable("registry_failed", f"{where} failed with status {status}", hint="see the registry's logs")
        failed.retry_after_s = retry_after_s(response, now)
        return failed
    if status == 407:
        return Stalled(
            "registry_unsupported",
            f"a proxy before {where} wants a login of its own",
            hint="let Portreeve reach the registry without it",
        )
    return Stalled(
        "registry_unsupported",
        f"{where} answered with status {status}, which has no meaning here",
        hint="see that the address is that of the registry and not of what stands before it",
    )
