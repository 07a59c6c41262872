"""Bytes of a YAML or JSON file to documents that know their lines: safe, bounded, one document at a time.

Theory of operation
-------------------
`read_documents` cuts the stream at its markers (`portreeve.wire.stream`) and builds each document from libyaml's
events. No object is ever constructed: every scalar stays text, tags choose nothing. Scalars under the keys of
`LOCATED_KEYS` and scalars with an anchor become `Located`, so that a finding names the exact line and a plain `null`
can be told from a quoted one. Mappings are `LocatedMapping`.

What is bounded, and why it is enough:

- nesting: the event loop stops at `depth`, before libyaml or Python could run out of stack or time;
- aliases: an alias is the same object, never a copy, so memory stays that of the text. A walk would still visit a
  shared object once per alias; so each alias counts with the length of the text it stands for (aliases within counted
  again), and a document is refused when that passes `alias_characters`. An alias inside what it names is refused;
- size: the caller caps the file; a document's objects are freed before the next is built.

Duplicate keys are refused: readers disagree on which one counts. Merge keys (`<<`) are applied as YAML 1.1 says, an
explicit key wins; where an explicit key stands before the merge that also gives it, kubectl's reader lets the merge
win, so the document says so (`Document.late_merge`).

JSON goes through `portreeve.wire.strict_json`: libyaml refuses the surrogate pairs that JSON writes.

Left out: YAML 1.1 value types (dates, sets, base64) and tags that would change what a scalar says are refused.
Specification: YAML 1.1 (that is what libyaml and kubectl read), RFC 8259.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from yaml import MarkedYAMLError, YAMLError
from yaml.cyaml import CParser  # type: ignore[attr-defined] # there, though the stubs do not export it
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.reader import ReaderError

from portreeve.core.manifests import Located, LocatedMapping, line_of
from portreeve.wire import strict_json
from portreeve.wire.document import LOCATED_KEYS, Broken, Document, Item, ReadLimits, WithoutImages
from portreeve.wire.stream import Imageless, chunks, imageless, is_flat

if TYPE_CHECKING:
    from collections.abc import Iterator


class _RefusedError(Exception):
    """Leaves the event loop of one document; never leaves this module."""

    def __init__(self, code: str, reason: str, mark: Any) -> None:
        super().__init__(reason)
        self.code, self.reason, self.mark = code, reason, mark


_CORE: Final = "tag:yaml.org,2002:"
_TEXT_TAGS: Final = frozenset({"!", f"{_CORE}str"})
_PLAIN_TAGS: Final = frozenset(_CORE + name for name in ("null", "bool", "int", "float", "merge"))
_COLLECTION_TAGS: Final = frozenset({"!", f"{_CORE}map", f"{_CORE}seq"})
# An alias costs at least this much, so that a list of aliases to nothing is bounded too.
_ALIAS_CHARACTERS: Final = 64


def read_documents(data: bytes, *, json: bool = False, limits: ReadLimits | None = None) -> Iterator[Item]:
    """Give the documents of a file in order, each broken one in its place; never raises on what `data` holds.

    Documents of nothing but comments are left out.

    `json` says that the file claims to be JSON. Other files that begin with `{` or `[` are read as JSON when they are
    JSON and as YAML otherwise.
    """
    limits = limits or ReadLimits()
    text = _utf8(data)
    if isinstance(text, Broken):
        yield text
        return
    if json or text.lstrip(b" \t\r\n")[:1] in (b"{", b"["):
        items = list(strict_json.read(text, depth=limits.depth))
        if json or not any(isinstance(item, Broken) and item.code == "json_syntax" for item in items):
            yield from items
            return
    for chunk in chunks(text):
        if chunk.odd_marker:
            yield Broken(chunk.odd_marker, 1, "document_marker", _ODD_MARKER)
        if _can_be_passed_over(chunk.data):
            yield WithoutImages(chunk.line)
        else:
            yield from _chunk_documents(chunk.data, chunk.line, limits)


_ODD_MARKER: Final = (
    "readers disagree on the rest of a line that begins with --- (kubectl drops or refuses it, YAML reads it); put the"
    " marker on its own line"
)


def _can_be_passed_over(data: bytes) -> bool:
    """Whether the document can hold no image and needs no objects built.

    A definition is not parsed at all. Any other is parsed for its syntax, and when that is broken the event loop gets
    it, to say where. Keys that stand twice below its root are not told: no image depends on which one counts.
    """
    found = imageless(data)
    if found is not Imageless.OBJECT:
        return found is not None
    if not is_flat(data):
        return False
    try:
        CParser(data).raw_parse()
    except YAMLError:
        return False
    return True


def _utf8(data: bytes) -> bytes | Broken:
    """The text as UTF-8 without a byte order mark; UTF-16 with one is converted."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeError as error:
            return Broken(0, 0, "encoding", f"not UTF-16, though it begins with its byte order mark: {error}")
    data = data.removeprefix(b"\xef\xbb\xbf")
    at = data.find(b"\0")
    if at >= 0:
        return Broken(data.count(b"\n", 0, at) + 1, 0, "binary", f"byte {at} is NUL: this is not a text file")
    return data


def _chunk_documents(data: bytes, line: int, limits: ReadLimits) -> Iterator[Item]:
    try:
        yield from _build(data, line, limits)
    except _RefusedError as error:
        yield Broken(error.mark.line + line, error.mark.column + 1, error.code, error.reason)
    except ReaderError as error:
        yield _unreadable(data, line, error)
    except MarkedYAMLError as error:
        yield _syntax_error(data, line, error)
    except YAMLError as error:
        yield Broken(line, 0, "yaml_syntax", str(error))


def _unreadable(data: bytes, line: int, error: ReaderError) -> Broken:
    try:
        data.decode()
    except UnicodeDecodeError as wrong:
        at = data.count(b"\n", 0, wrong.start) + line
        return Broken(at, 0, "encoding", f"not UTF-8: {wrong.reason} (byte 0x{data[wrong.start]:02x})")
    at = data.count(b"\n", 0, max(error.position, 0)) + line
    return Broken(at, 0, "binary", f"not a text file: {error.reason}")


def _syntax_error(data: bytes, line: int, error: MarkedYAMLError) -> Broken:
    mark = error.problem_mark or error.context_mark
    reason = " ".join(part for part in (error.context, error.problem) if part) or "not YAML"
    if b"{{" in data:
        reason += " (it holds {{ }}: a template is read after it is rendered)"
    if mark is None:
        return Broken(line, 0, "yaml_syntax", reason)
    return Broken(mark.line + line, mark.column + 1, "yaml_syntax", reason)


def _build(data: bytes, first: int, limits: ReadLimits) -> Iterator[Document]:  # noqa: C901 -- see below
    """Build the documents of one chunk, almost always one.

    One long loop on purpose: it runs once per event and is what reading costs, so names are local and every branch
    ends with `continue`. `current` is the open collection; `key` is what it waits for: None for a key, a text for that
    key's value, `_ENTRY` for the next entry of a list. `stack` keeps both for the collections around it.
    """
    scalar, mapping_start, sequence_start = ScalarEvent, MappingStartEvent, SequenceStartEvent
    mapping_end, sequence_end, located_keys, entry = MappingEndEvent, SequenceEndEvent, LOCATED_KEYS, _ENTRY
    new_mapping, max_depth = LocatedMapping, limits.depth
    # Neither a tag nor an anchor can stand in a text without these.
    special = b"!" in data or b"&" in data
    anchors = _Anchors(limits.alias_characters)
    stack: list[tuple[Any, Any]] = []
    current: Any = []
    key: Any = entry
    late_merge = start_line = 0
    new: Any
    event: Any
    for event in iter(CParser(data).get_event, None):
        kind = event.__class__
        if kind is scalar:
            new = event.value
            if special and (event.tag is not None or event.anchor is not None):
                new = _special_scalar(event, anchors, first)
            if key is None:
                if new in current:
                    raise _duplicate(new, event)
                key = new
                continue
            if key is entry:
                current.append(new)
                continue
            if key in located_keys and new.__class__ is str:
                new = Located(new, event.start_mark.line + first, not event.style)
            current[key] = new
            key = None
            continue
        if kind is mapping_start or kind is sequence_start:
            if key is None:
                raise _RefusedError("yaml_key", "a key that is a list or a mapping", event.start_mark)
            if len(stack) >= max_depth:
                raise _RefusedError("too_deep", f"nested more than {max_depth} deep", event.start_mark)
            if kind is mapping_start:
                new = new_mapping()
                new.line = event.start_mark.line + first
            else:
                new = []
            if special:
                _open_collection(event, anchors, new)
            if key is entry:
                current.append(new)
                stack.append((current, entry))
            else:
                current[key] = new
                stack.append((current, None))
            current, key = new, None if kind is mapping_start else entry
            continue
        if kind is mapping_end or kind is sequence_end:
            if kind is mapping_end and "<<" in current and _merge(current, event):
                late_merge = late_merge or current.line
            if special:
                anchors.close(current, event)
            current, key = stack.pop()
            continue
        if kind is AliasEvent:
            new = anchors.resolve(event)
            is_text = isinstance(new, Located)
            if key is None:
                if not is_text:
                    raise _RefusedError("yaml_key", "a key that is a list or a mapping", event.start_mark)
                if new in current:
                    raise _duplicate(new, event)
                key = new
                continue
            if is_text:
                new = Located(new, event.start_mark.line + first, new.plain)
            if key is entry:
                current.append(new)
            else:
                current[key] = new
                key = None
            continue
        if kind is DocumentStartEvent:
            start_line = event.start_mark.line + first
        elif kind is DocumentEndEvent:
            root = current.pop()
            if root != "":
                yield Document(root, line_of(root, start_line), late_merge)
            anchors, late_merge = _Anchors(limits.alias_characters), 0


_ENTRY: Final = object()


def _duplicate(key: str, event: Any) -> _RefusedError:
    return _RefusedError("duplicate_key", f"the key {key[:80]!r} stands here twice", event.start_mark)


def _open_collection(event: Any, anchors: _Anchors, new: Any) -> None:
    if event.tag is not None and event.tag not in _COLLECTION_TAGS and not event.tag.startswith("!"):
        raise _RefusedError("yaml_tag", f"the tag {event.tag[:80]} is not one of a list or mapping", event.start_mark)
    if event.anchor is not None:
        anchors.open(event, new)


class _Anchors:
    """The anchors of one document, and what its aliases would cost a reader that follows each."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.expanded = 0
        self.values: dict[str, Any] = {}
        self.characters: dict[str, int] = {}
        self.open_ones: list[tuple[str, Any, int]] = []

    def scalar(self, event: Any, value: Located) -> None:
        self.values[event.anchor] = value
        self.characters[event.anchor] = len(value)

    def open(self, event: Any, value: Any) -> None:
        self.values[event.anchor] = value
        # What stands inside is its text plus what aliases in there add: the difference of this sum, start to end.
        self.open_ones.append((event.anchor, value, event.start_mark.index + self.expanded))

    def close(self, value: Any, event: Any) -> None:
        if self.open_ones and self.open_ones[-1][1] is value:
            name, _, before = self.open_ones.pop()
            self.characters[name] = event.end_mark.index + self.expanded - before

    def resolve(self, event: Any) -> Any:
        """What an alias names; refused when it names nothing, what it stands in, or too much."""
        name = event.anchor
        if name not in self.values:
            raise _RefusedError("yaml_syntax", f"the alias *{name[:80]} names nothing above it", event.start_mark)
        value = self.values[name]
        if any(around is value for _, around, _ in self.open_ones):
            raise _RefusedError("alias_bomb", f"the alias *{name[:80]} stands inside what it names", event.start_mark)
        self.expanded += max(self.characters[name], _ALIAS_CHARACTERS)
        if self.expanded > self.limit:
            reason = f"aliases stand for more than {self.limit} characters"
            raise _RefusedError("alias_bomb", reason, event.start_mark)
        return value


def _special_scalar(event: Any, anchors: _Anchors, first: int) -> Located:
    """A scalar with a tag or an anchor. A tag of the application's own ("!x") is text, as for kubectl's reader."""
    plain = not event.style
    if event.tag is not None:
        if event.tag in _PLAIN_TAGS:
            plain = True
        elif event.tag in _TEXT_TAGS or event.tag.startswith("!"):
            plain = False
        else:
            raise _RefusedError("yaml_tag", f"the tag {event.tag[:80]} changes what the text says", event.start_mark)
    value = Located(event.value, event.start_mark.line + first, plain)
    if event.anchor is not None:
        anchors.scalar(event, value)
    return value


def _merge(mapping: LocatedMapping, event: Any) -> bool:
    """Apply the merge key; say whether a key in front of it is one that it gives too (with another value)."""
    before = []
    for name in mapping:
        if name == "<<":
            break
        before.append(name)
    sources = mapping.pop("<<")
    sources = sources if isinstance(sources, list) else [sources]
    merged: dict[str, Any] = {}
    for source in sources:
        if not isinstance(source, dict):
            raise _RefusedError("yaml_syntax", "a merge key (<<) takes a mapping or a list of some", event.start_mark)
        for name, value in source.items():
            merged.setdefault(name, value)
    late = any(name in merged and not _same(mapping[name], merged[name]) for name in before)
    for name, value in merged.items():
        mapping.setdefault(name, value)
    return late


def _same(one: object, other: object) -> bool:
    """Same object or same text; collections are not compared, for aliases make that take forever."""
    return one is other or (isinstance(one, str) and isinstance(other, str) and one == other)
