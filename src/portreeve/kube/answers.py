"""What the API server answers, decoded: lists in pages, lines of a watch, what a write brought.

Objects are decoded into msgspec structs that name the fields which somebody needs; the rest is skipped. A decoder is
made once for each struct. What cannot be decoded is told by what was asked, and never by what came: the library's
message names a path within the answer, and sometimes a value.

Sources: Kubernetes API concepts (lists in chunks, watch events, bookmarks).
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from portreeve.core.secret import SecretValue
from portreeve.errors import PortreeveError, Stalled
from portreeve.kube.errors import Status, of_status
from portreeve.transport.exchange import Response

DEEPEST: Final = 200
"""Levels of JSON that are read. No field of ours is as deep; `managedFields` may have 10,000, as somebody likes."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, and the version that the whole list is of. `first` is true when a list begins, also anew."""

    items: list[T]
    resource_version: str
    first: bool


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[T]):
    """One line of a watch: `ADDED`, `MODIFIED` or `DELETED` with its object, `BOOKMARK` with a version alone."""

    type: str
    object: T | None
    resource_version: str


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """What a write brought. `created` tells 201 from 200; `warnings` is the header as it came, for looking names up."""

    object: T
    created: bool
    warnings: str = ""


class _ListMeta(msgspec.Struct, gc=False, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class Listed(msgspec.Struct, Generic[T], gc=False):
    """One page as it comes."""

    items: list[T] | None = None
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


class _Line(msgspec.Struct, gc=False):
    type: str
    object: msgspec.Raw


class _Change(msgspec.Struct, Generic[T], gc=False):
    type: str
    object: T


class _Version(msgspec.Struct, gc=False, rename="camel"):
    resource_version: str = ""


class _Versioned(msgspec.Struct, gc=False):
    metadata: _Version = msgspec.field(default_factory=_Version)


_CHANGES: Final = tuple(b'{"type":"%s"' % word for word in (b"ADDED", b"MODIFIED", b"DELETED"))
"""How the server begins a line whose object is whole; it is read in one go. Any other line is looked into first."""

_LINE: Final = msgspec.json.Decoder(_Line)
_VERSIONED: Final = msgspec.json.Decoder(_Versioned)
_STATUS: Final = msgspec.json.Decoder(Status)


class Decoders:
    """Decoders, one for each struct that was asked for."""

    def __init__(self) -> None:
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}

    def _decoder(self, into: Any) -> msgspec.json.Decoder[Any]:
        found = self._decoders.get(into)
        if found is None:
            found = self._decoders[into] = msgspec.json.Decoder(into, dec_hook=_secret)
        return found

    def decoded(self, response: Response, into: type[T], what: str) -> T:
        """An answer that was read whole.

        Raises:
            Stalled: `kube_answer`.
        """
        decoder = self._decoder(into)
        try:
            try:
                read: T = decoder.decode(response.body.reveal())
            except RecursionError:
                read = decoder.decode(shallow(response.body.reveal()))
        except (msgspec.DecodeError, UnicodeDecodeError):
            # The library's message names a path within the answer, and sometimes a value.
            fault = unreadable(what)
        else:
            return read
        raise fault

    def event(self, line: bytes, into: type[T], what: str) -> WatchEvent[T]:
        """A line of a watch.

        Raises:
            Stalled: `kube_answer`. PortreeveError: what the line says went wrong, such as `kube_gone`.
        """
        try:
            if line.startswith(_CHANGES):
                change: _Change[T] = self._decoder(_Change[into]).decode(line)  # type: ignore[valid-type]
                return WatchEvent(change.type, change.object, _version_of(change.object))
            event = _LINE.decode(line)
            if event.type == "ERROR":
                status = _STATUS.decode(event.object)
                raise of_status(what, status.code, status)
            version = _VERSIONED.decode(event.object).metadata.resource_version
            given = None if event.type == "BOOKMARK" else self._decoder(into).decode(event.object)
        except (msgspec.DecodeError, UnicodeDecodeError):
            fault = unreadable(what)
        except RecursionError:
            return self.event(shallow(line), into, what)
        else:
            return WatchEvent(event.type, given, version)
        raise fault


def _version_of(item: Any) -> str:
    """The version of an object, in a struct or in a mapping."""
    version: str = item["metadata"]["resourceVersion"] if isinstance(item, dict) else item.metadata.resource_version
    return version


def _secret(wanted: type, value: Any) -> Any:
    """A value of a Secret's `data`, out of base64 and into its type."""
    if wanted is SecretValue:
        return SecretValue(base64.b64decode(value))
    # What msgspec asks of a hook that does not know a type; only a type of ours that we forgot gets here.
    raise NotImplementedError(wanted.__name__)


def unreadable(what: str) -> PortreeveError:
    """The error for an answer that is not of the shape that we know."""
    return Stalled(
        "kube_answer", f"{what}: the answer is not of the shape that we know", hint="see that this is an API server"
    )


_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


def shallow(data: bytes) -> bytes:
    """JSON with what is deeper than `DEEPEST` emptied: else one object that nests keeps all others from being read."""
    pieces, depth, kept = [], 0, 0
    for token in _TOKENS.finditer(data):
        match token[0]:
            case b"[" | b"{":
                depth += 1
                if depth == DEEPEST + 1:
                    pieces.append(data[kept : token.end()])
            case b"]" | b"}":
                if depth == DEEPEST + 1:
                    kept = token.start()
                depth -= 1
    return b"".join((*pieces, data[kept:]))
