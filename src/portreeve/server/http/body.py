"""Request bodies: capped while they arrive, then strict JSON, before anything else looks at them.

What Python's reader lets pass and others read differently is refused: a key twice, NaN and Infinity, lone surrogates,
a byte order mark, nesting beyond `MAX_DEPTH`, numbers beyond 64 bits.

Sources: RFC 8259; RFC 7493 (I-JSON); threat API-09.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

from starlette.requests import ClientDisconnect, Request

from portreeve.server.http.problems import Rejected

MAX_BYTES: Final = 1 << 20
"""One document. The largest policy that can be compiled has about 200 KB."""
MAX_MANY_BYTES: Final = 16 << 20
"""A plan over a whole export: 10,000 accesses are about 4 MB."""
MAX_DEPTH: Final = 40
"""Levels. A document has at most 32, and lies two below the top of a plan."""

# A text that does not end is taken to the end of the body: else each quote in it would begin another search to there,
# and a body of a megabyte would take an hour.
_BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_MAX_INTEGER_DIGITS: Final = 19


async def read_json(request: Request, limit: int = MAX_BYTES) -> Any:
    """The body as plain values; an empty body is None.

    Raises:
        Rejected: 413 `body_too_large`, 415 `body_type`, 400 `body_syntax` with where and why.
    """
    data = await read_bytes(request, limit)
    if not data:
        return None
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in {"application/json", "application/merge-patch+json"}:
        raise Rejected(
            415, "body_type", "the body must be application/json", hint="send Content-Type: application/json"
        )
    return parse(data)


async def read_bytes(request: Request, limit: int) -> bytes:
    """The body as it is sent, and never compressed.

    Raises:
        Rejected: 413 `body_too_large`, 415 `body_type`, 400 `body_syntax`.
    """
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Rejected(415, "body_type", "the body must not be compressed")
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    data = bytearray()
    try:
        async for chunk in request.stream():
            data += chunk
            if len(data) > limit:
                raise _too_large(limit)
    except ClientDisconnect:
        raise Rejected(400, "body_syntax", "the body ended too early") from None
    return bytes(data)


def parse(data: bytes) -> Any:
    """Strict JSON.

    Raises:
        Rejected: 400 `body_syntax`.
    """
    _refuse_depth(data)
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_number,
        )
    except UnicodeDecodeError as error:
        raise _syntax(f"byte {error.start} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _syntax(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise _syntax(str(error)) from None
    _refuse_surrogates(value)
    return value


def _too_large(limit: int) -> Rejected:
    return Rejected(413, "body_too_large", f"the body is larger than {limit:,} bytes", hint="send fewer documents")


def _syntax(why: str) -> Rejected:
    return Rejected(
        400, "body_syntax", f"the body is not the JSON that is read here: {why}", hint="see RFC 8259, RFC 7493"
    )


def _refuse_depth(data: bytes) -> None:
    depth = 0
    for token in _BRACKETS.finditer(data):
        first = token[0][:1]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _syntax(f"it is nested deeper than {MAX_DEPTH} levels")
        elif first in b"]}":
            depth -= 1


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")  # which one is not said: it may be a secret in the wrong place
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > _MAX_INTEGER_DIGITS:
        raise ValueError("a number is beyond 64 bits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is beyond 64 bits")
    return value


def _refuse_surrogates(value: Any) -> None:
    """Half a pair cannot be written as UTF-8 again: no database or log could hold it."""
    if isinstance(value, str):
        if not value.isascii() and _SURROGATE.search(value):
            raise _syntax("a text holds half of a surrogate pair")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _refuse_surrogates(name)
            _refuse_surrogates(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_surrogates(inner)
