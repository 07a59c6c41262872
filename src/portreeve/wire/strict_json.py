"""Strict JSON with line numbers: what RFC 8259 allows and nothing else, in the values that the YAML reader makes.

Refused with their line: duplicate keys, NaN and Infinity, lone surrogates, control characters in text, nesting beyond
`depth`. Numbers, truth values and null stay text, marked plain where they stand for an image, as in YAML.
Several values behind one another are several documents, as kubectl reads them.

Why not the json module: it keeps no positions and recurses on nesting. One regular expression finds each token here,
and a loop with a stack builds the values.
"""

from __future__ import annotations

import re
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined] # typeshed leaves it out
from typing import TYPE_CHECKING, Any, Final

from portreeve.core.manifests import Located, LocatedMapping
from portreeve.wire.document import LOCATED_KEYS, Broken, Document

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN: Final = re.compile(
    r"[ \t\r\n]*(?:"
    r'(")'
    r"|([\[\]{},:])"
    r"|((?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null)(?![-+.\w]))"
    r"|(\Z))"
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_NOT_A_NUMBER: Final = re.compile(r"[ \t\r\n]*(-?(?:Infinity|NaN)\b)")


class _JsonError(Exception):
    """Leaves the token loop; never leaves this module."""

    def __init__(self, code: str, reason: str, at: int) -> None:
        super().__init__(reason)
        self.code, self.reason, self.at = code, reason, at


class _Lines:
    """Line of a position; positions are asked for in ascending order, so each newline is counted once."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.line = text, 0, 1

    def of(self, at: int) -> int:
        self.line += self.text.count("\n", self.at, at)
        self.at = at
        return self.line


def read(data: bytes, *, depth: int) -> Iterator[Document | Broken]:
    """Give the values of a JSON text in order; the first error ends it, for nothing marks where the next begins."""
    try:
        text = data.decode()
    except UnicodeDecodeError as wrong:
        yield Broken(data.count(b"\n", 0, wrong.start) + 1, 0, "encoding", f"not UTF-8: {wrong.reason}")
        return
    try:
        yield from _values(text, depth)
    except _JsonError as error:
        line_start = text.rfind("\n", 0, error.at) + 1
        yield Broken(text.count("\n", 0, error.at) + 1, error.at - line_start + 1, error.code, error.reason)


def _values(text: str, depth: int) -> Iterator[Document]:
    at = 0
    lines = _Lines(text)
    while True:
        token = _next(text, at)
        if token.lastindex == 4:
            return
        first = lines.of(token.start(token.lastindex or 0))
        value, at = _value(text, at, depth, lines)
        yield Document(value, first)


def _value(text: str, at: int, depth: int, lines: _Lines) -> tuple[object, int]:
    """One whole value from `at`; the stack holds the collections around the current one and the key in each."""
    stack: list[tuple[Any, str]] = []
    current: Any = None
    key = ""
    while True:
        new, at = _scalar_or_start(text, at, key, lines)
        opened = new.__class__ is LocatedMapping or new.__class__ is list
        if opened and len(stack) >= depth:
            raise _JsonError("too_deep", f"nested more than {depth} deep", at - 1)
        if current is not None:
            _put(current, key, new)
        if opened:
            closed, at = _closes(text, at, "}" if new.__class__ is LocatedMapping else "]")
            if not closed:
                stack.append((current, key))
                current = new
                key, at = _key(text, at, current)
                continue
        # A value is complete: close what ends behind it, then expect the next entry.
        while current is not None:
            end = "}" if current.__class__ is LocatedMapping else "]"
            token = _next(text, at)
            if token[2] == ",":
                key, at = _key(text, token.end(), current)
                break
            if token[2] != end:
                raise _JsonError("json_syntax", f"expected , or {end}", _start(token))
            at = token.end()
            new = current
            current, key = stack.pop()
        else:
            return new, at


def _scalar_or_start(text: str, at: int, key: str, lines: _Lines) -> tuple[Any, int]:
    token = _next(text, at)
    start = _start(token)
    if token[2] == "{":
        new = LocatedMapping()
        new.line = lines.of(start)
        return new, token.end()
    if token[2] == "[":
        return [], token.end()
    if token[1]:
        value, end = _string(text, start)
    elif token[3]:
        value, end = token[3], token.end()
    else:
        raise _JsonError("json_syntax", "expected a value", start)
    if key in LOCATED_KEYS:
        return Located(value, lines.of(start), token[1] is None), end
    return value, end


def _put(current: Any, key: str, new: object) -> None:
    if current.__class__ is LocatedMapping:
        current[key] = new
    else:
        current.append(new)


def _closes(text: str, at: int, end: str) -> tuple[bool, int]:
    token = _next(text, at)
    return (True, token.end()) if token[2] == end else (False, at)


def _key(text: str, at: int, current: Any) -> tuple[str, int]:
    """The key in front of the next value of a mapping, "" in a list."""
    if current.__class__ is not LocatedMapping:
        return "", at
    token = _next(text, at)
    start = _start(token)
    if not token[1]:
        raise _JsonError("json_syntax", "expected a key in double quotes", start)
    key, end = _string(text, start)
    if key in current:
        raise _JsonError("duplicate_key", f"the key {key[:80]!r} stands here twice", start)
    colon = _next(text, end)
    if colon[2] != ":":
        raise _JsonError("json_syntax", "expected a colon", _start(colon))
    return key, colon.end()


def _next(text: str, at: int) -> re.Match[str]:
    token = _TOKEN.match(text, at)
    if token is not None:
        return token
    number = _NOT_A_NUMBER.match(text, at)
    if number is not None:
        raise _JsonError("json_value", f"{number[1]} is not JSON", number.start(1))
    blank = re.compile(r"[ \t\r\n]*").match(text, at)
    raise _JsonError("json_syntax", "not JSON", blank.end() if blank else at)


def _start(token: re.Match[str]) -> int:
    return token.start(token.lastindex or 0)


def _string(text: str, start: int) -> tuple[str, int]:
    try:
        value, end = scanstring(text, start + 1, True)  # strict: no control characters
    except JSONDecodeError as error:
        raise _JsonError("json_syntax", error.msg, error.pos) from None
    if not value.isascii() and _SURROGATE.search(value):
        raise _JsonError("json_value", "half of a surrogate pair", start)
    return value, end
