"""Finding secrets where none may be: many secrets, every usual encoding, any bytes, one pass.

    finder = Finder([Canary("harbor", "s3cret…"), …])
    hits = finder.search(data, "response of GET /api/v1/registries")

Theory of operation. Every encoding of every canary is cut into all its pieces of 8 bytes. Data are looked at 8 bytes at
a time, at every eighth position: whatever 15 bytes of an encoded canary stand together, one of these pieces lies on
such a position. Looking a piece up in a set is done in C, at about 100 MB/s; only where one is found does Python look
closer, and reports a hit if as much as `SHORTEST` bytes of the canary stand there. So parts of a canary, cut off
at a column's width or at a line's end, are found as well.

What is compressed or packed is opened first, wherever in the data it begins, again and again within bounds: gzip, zlib,
zip, tar (its members lie there as they are, so they are read with the rest), also in base64 and in hexadecimal. zstd is
opened where Python can.

Left out: encryption, which is what shall hide the canaries, and encodings that nobody here uses (base32, quoted text).
Sources: reliability I5; threats CS-01, CS-06, API-01, AU-02.
"""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus

PIECE: Final = 8
"""Bytes that are looked up at once: the widest number that memoryview reads."""

SHORTEST: Final = 12
"""Bytes of a canary, as many as they are encoded, that make a hit. No chance brings twelve of them together."""

MOST_DEEP: Final = 5
"""Containers within containers."""

MOST_OPENED: Final = 64 << 20
"""Bytes that one opened stream may have."""

LEAST_CANARY: Final = 20
"""Bytes of a canary, so that each of its encodings has the 15 that are always found."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A secret to look for. `mark` is the part of a longer one that no other text has; "" means the whole."""

    name: str
    secret: str
    mark: str = ""

    @property
    def sought(self) -> str:
        """What must stand nowhere."""
        return self.mark or self.secret


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a canary was found, and in which encoding. `inside` are the containers that were opened on the way."""

    canary: str
    encoding: str
    sink: str
    at: int
    inside: tuple[str, ...] = ()


def _base64(offset: int, encode: Callable[[bytes], bytes]) -> Callable[[str], bytes]:
    """The characters that depend on the text alone, where it begins at this offset of a group of three."""

    def encoded(text: str) -> bytes:
        data = text.encode()
        whole = encode(b"\0" * offset + data)
        first, last = -(-offset * 8 // 6), (offset + len(data)) * 8 // 6
        return whole[first:last]

    return encoded


def _json_in_json(text: str) -> str:
    return json.dumps(json.dumps(text))[3:-3]


def _swapped(text: str) -> str:
    return re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), text)


ENCODINGS: Final[Mapping[str, Callable[[str], bytes]]] = {
    "raw": str.encode,
    "base64": _base64(0, base64.b64encode),
    "base64+1": _base64(1, base64.b64encode),
    "base64+2": _base64(2, base64.b64encode),
    "base64url": _base64(0, base64.urlsafe_b64encode),
    "base64url+1": _base64(1, base64.urlsafe_b64encode),
    "base64url+2": _base64(2, base64.urlsafe_b64encode),
    "hex": lambda text: text.encode().hex().encode(),
    "HEX": lambda text: text.encode().hex().upper().encode(),
    "url": lambda text: quote(text, safe="").encode(),
    "url, lower": lambda text: _swapped(quote(text, safe="")).encode(),
    "url, paths": lambda text: quote(text).encode(),
    "form": lambda text: quote_plus(text).encode(),
    "url, all": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()).encode(),
    "json": lambda text: json.dumps(text)[1:-1].encode(),
    "json, unicode": lambda text: json.dumps(text, ensure_ascii=False)[1:-1].encode(),
    "json, slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/").encode(),
    "json in json": lambda text: _json_in_json(text).encode(),
    "repr": lambda text: repr(text)[1:-1].encode(),
    "repr of bytes": lambda text: repr(text.encode())[2:-1].encode(),
    "html": lambda text: html.escape(text).encode(),
    "utf-16-le": lambda text: text.encode("utf-16-le"),
    "utf-16-be": lambda text: text.encode("utf-16-be"),
    "lower": lambda text: text.lower().encode(),
    "upper": lambda text: text.upper().encode(),
}


class Finder:
    """Looks for canaries. `bytes_searched` counts what was looked at, what was opened included."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self._encoded: list[tuple[str, str, bytes, int]] = []
        self._pieces: dict[int, list[tuple[int, int]]] = {}
        self.bytes_searched = 0
        self._sinks: set[str] = set()
        for canary in canaries:
            if len(canary.sought.encode()) < LEAST_CANARY:
                raise ValueError(f"the canary {canary.name} is too short to be told from chance")
            # Most encodings of plain letters are those letters; each form is looked for once, under its first name.
            forms = {encode(canary.sought): name for name, encode in reversed(list(ENCODINGS.items()))}
            for form, name in forms.items():
                # Six bytes in hexadecimal are twelve, and stand in any long list of digests.
                shortest = -(-SHORTEST * len(form) // len(canary.sought.encode()))
                self._add(canary.name, name, form, max(shortest, SHORTEST))
        self._known = frozenset(self._pieces)

    @property
    def sinks(self) -> int:
        """How many different sinks were searched."""
        return len(self._sinks)

    def search(self, data: bytes | str, sink: str) -> list[Hit]:
        """All canaries in the data, with what is packed in it; each of them once for a sink, encoding and container."""
        self._sinks.add(sink)
        found: dict[tuple[str, str, tuple[str, ...]], Hit] = {}
        for piece, inside in _opened(data.encode(errors="surrogatepass") if isinstance(data, str) else data):
            self.bytes_searched += len(piece)
            for hit in self._found(piece, sink, inside):
                found.setdefault((hit.canary, hit.encoding, inside), hit)
        return list(found.values())

    def _add(self, canary: str, encoding: str, form: bytes, shortest: int) -> None:
        number = len(self._encoded)
        self._encoded.append((canary, encoding, form, min(shortest, len(form))))
        for at in range(len(form) - PIECE + 1):
            piece = int.from_bytes(form[at : at + PIECE], "little")
            self._pieces.setdefault(piece, []).append((number, at))

    def _found(self, data: bytes, sink: str, inside: tuple[str, ...]) -> Iterator[Hit]:
        padded = data + bytes(-len(data) % PIECE)
        view = memoryview(padded).cast("Q")
        # The bytes are read in this machine's order; pieces were made for a little-endian one, as all of ours are.
        for piece in self._known.intersection(view):
            start = -PIECE
            wanted = piece.to_bytes(PIECE, "little")
            while (start := padded.find(wanted, start + PIECE)) >= 0:
                for number, at in self._pieces[piece]:
                    canary, encoding, form, shortest = self._encoded[number]
                    if _run(padded, start, form, at) >= shortest:
                        yield Hit(canary, encoding, sink, start, inside)


def _run(data: bytes, start: int, form: bytes, at: int) -> int:
    """How many bytes of the form stand together around a piece of it."""
    first = last = 0
    while at - first > 0 and start - first > 0 and data[start - first - 1] == form[at - first - 1]:
        first += 1
    while at + PIECE + last < len(form) and start + PIECE + last < len(data):
        if data[start + PIECE + last] != form[at + PIECE + last]:
            break
        last += 1
    return first + PIECE + last


_GZIP, _ZIP, _ZSTD = b"\x1f\x8b\x08", b"PK\x03\x04", b"\x28\xb5\x2f\xfd"
_BASE64: Final = rb"(?:H4sI|UEsDB|eJ|eN|eA|KLUv)[A-Za-z0-9+/_-]{28,}"
_HEX: Final = rb"(?i:1f8b08|504b0304|28b52ffd|78(?:01|5e|9c|da))[0-9A-Fa-f]{28,}"
_PACKED: Final = re.compile(
    rb"\x1f\x8b\x08|PK\x03\x04|\x28\xb5\x2f\xfd|\x78[\x01\x5e\x9c\xda]|(" + _BASE64 + rb")|(" + _HEX + rb")"
)
"""Where something packed may begin: as it is, in base64, or in hexadecimal as PostgreSQL writes bytes."""

_ZIP_HEADER: Final = 30
_DEFLATED: Final = 8
"""APPNOTE.TXT, 4.3.7 and 4.4.5. Members that are not compressed lie there as they are."""


def _opened(data: bytes, inside: tuple[str, ...] = ()) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    """The data, and whatever can be opened in it."""
    yield data, inside
    if len(inside) == MOST_DEEP:
        return
    for found in _PACKED.finditer(data):
        if found[1] or found[2]:
            name, content = _decoded(found[1], found[2])
        else:
            name, content = _unpacked(data, found.start())
        if content:
            yield from _opened(content, (*inside, name))


def _decoded(text: bytes | None, digits: bytes | None) -> tuple[str, bytes]:
    if text:
        name, data = "base64", base64.urlsafe_b64decode(_whole(text, 4).translate(bytes.maketrans(b"+/", b"-_")))
    else:
        name, data = "hex", bytes.fromhex(_whole(digits or b"", 2).decode())
    return name, data if _PACKED.match(data) else b""


def _whole(text: bytes, group: int) -> bytes:
    return text[: len(text) // group * group]


def _unpacked(data: bytes, start: int) -> tuple[str, bytes]:
    head = data[start : start + _ZIP_HEADER]
    if head.startswith(_GZIP):
        return "gzip", _inflated(data, start, 31)
    if head.startswith(_ZSTD):
        return "zstd", _zstd(data, start)
    if not head.startswith(_ZIP):
        return "zlib", _inflated(data, start, zlib.MAX_WBITS)
    if len(head) < _ZIP_HEADER or int.from_bytes(head[8:10], "little") != _DEFLATED:
        return "zip", b""
    names = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    return "zip", _inflated(data, start + _ZIP_HEADER + names, -zlib.MAX_WBITS)


def _inflated(data: bytes, start: int, window: int) -> bytes:
    """What a stream gives until it ends or breaks: also a part of it may hold what is sought."""
    stream = zlib.decompressobj(window)
    content = bytearray()
    try:
        for at in range(start, len(data), 1 << 12):
            content += stream.decompress(data[at : at + (1 << 12)], MOST_OPENED - len(content))
            if stream.eof or len(content) >= MOST_OPENED:
                break
    except zlib.error:
        pass
    return bytes(content)


def _zstd(data: bytes, start: int) -> bytes:
    try:
        from compression import zstd  # type: ignore[import-not-found] # Python 3.14 brings it
    except ImportError:
        return b""
    try:
        return bytes(zstd.ZstdDecompressor().decompress(data[start:], MOST_OPENED))
    except zstd.ZstdError:
        return b""
