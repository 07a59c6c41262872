"""Every failure as a problem document (RFC 9457), with code, hint and a link to its page.

Nothing else answers an error: what is not one of ours becomes `internal`, says nothing of the cause, and goes to the
log under the request's id. Sources: RFC 9457; OWASP ASVS 5.0, 16.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import JSONResponse

from portreeve.errors import Handling, PortreeveError, Problem

DOCS: Final = "https://portreeve.io/docs/errors#"
MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 5
"""What a caller is told to wait where the failure does not know better."""


class Rejected(PortreeveError):
    """A request that HTTP itself refuses: no such route, a body too large or of another type."""

    def __init__(
        self, status: int, code: str, message: str, *, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.handling = Handling(status, 2, "Rejected", retry=False)  # type: ignore[misc] # of this instance alone
        self.headers = dict(headers or {})


def document(error: PortreeveError, request: str) -> dict[str, Any]:
    """The problem document; `request` is the id under which the log and the audit log know it."""
    body: dict[str, Any] = {
        "type": f"{DOCS}{error.code}",
        "title": type(error).__name__,
        "status": error.handling.http_status,
        "code": error.code,
        "detail": error.message,
        "docs": f"{DOCS}{error.code}",
        "request": request,
    }
    if error.hint:
        body["hint"] = error.hint
    if error.problems:
        body["errors"] = [_entry(problem) for problem in error.problems]
    return body


def answer(error: PortreeveError, request: str) -> JSONResponse:
    """The response; 401 says how to sign in, and what may be tried again says when."""
    headers = dict(getattr(error, "headers", {}))
    if error.handling.http_status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="portreeve"'
    if error.handling.retry:
        headers["Retry-After"] = str(getattr(error, "retry_after_s", RETRY_AFTER_S))
    return JSONResponse(document(error, request), error.handling.http_status, headers, MEDIA_TYPE)


def _entry(problem: Problem) -> dict[str, str]:
    named = {"code": problem.code, "field": problem.field, "message": problem.message, "hint": problem.hint}
    return {name: text for name, text in named.items() if text}
