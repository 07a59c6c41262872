"""Cut a YAML stream into its documents, and tell by their text which of them can hold no image.

Theory of operation
-------------------
A document marker (`---` or `...` at column 0, followed by a blank or a line's end) ends a document wherever it stands:
YAML forbids it inside quoted, plain and block scalars and inside flow collections (YAML 1.2.2, c-forbidden). So a
stream can be cut at its markers, and a broken document leaves the others readable.

Readers disagree on a few markers, and a disagreement is a place to hide a Pod. kubectl cuts at a line that begins with
`---` whatever follows, and drops the rest of that line; YAML takes `---x: |` for a key and `--- |` for the start of
text. Each such line is told. Line breaks are YAML 1.1's, as libyaml and kubectl's parser read them: LF, CR, CR LF, NEL,
LS and PS.

Most bytes of published manifests are CustomResourceDefinitions, which hold no image; most of the rest are objects of
Kubernetes' own kinds without a pod in them, such as roles and services. A document is taken for one of either only if
nothing in it could make it anything else: see `_HEAD` and `_OTHER_ROOT`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    _Count = Callable[[int, int], int]

_WIDE_BREAKS: Final = (b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")
_BREAK: Final = re.compile(rb"\r\n|[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9]")
_DASHES_ANY: Final = re.compile(rb"(?:[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9])(?:---|\.\.\.)")
_ENDS_MARKER: Final = re.compile(rb"[ \t\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9]|\Z")
# What may follow `---` on its line without anybody reading it differently: blanks, then a comment that no break but
# the line's own ends.
_CLEAN_MARKER: Final = re.compile(rb"---[ \t]*(#[^\r\n]*)?(?:\r?\n|\Z)")
# The head of such a document: comments, then the two keys as first keys of the root mapping, plain, in either order.
# The third key right behind them ends their text: an indented line would continue it.
_HEAD: Final = re.compile(
    rb"(?:---[ ]*(?:#[^\n]*)?\n)?(?:[ ]*(?:#[^\n]*)?\n)*"
    rb"(?:apiVersion:[ ]+([a-z0-9./]+)[ ]*\nkind:[ ]+([A-Za-z]+)[ ]*\n"
    rb"|kind:[ ]+([A-Za-z]+)[ ]*\napiVersion:[ ]+([a-z0-9./]+)[ ]*\n)"
    rb"(?=[a-zA-Z]+:)"
)
_DEFINITION_KIND: Final = b"CustomResourceDefinition"
_DEFINITION_VERSIONS: Final = frozenset({b"apiextensions.k8s.io/v1", b"apiextensions.k8s.io/v1beta1"})
# Kinds without a pod spec anywhere. Source: the API reference of Kubernetes 1.36.
_IMAGELESS: Final[dict[bytes, frozenset[bytes]]] = {
    b"v1": frozenset(
        b"ConfigMap Secret Service ServiceAccount Namespace Endpoints LimitRange ResourceQuota PersistentVolume"
        b" PersistentVolumeClaim".split()
    ),
    b"rbac.authorization.k8s.io/v1": frozenset(b"Role ClusterRole RoleBinding ClusterRoleBinding".split()),
    b"networking.k8s.io/v1": frozenset(b"NetworkPolicy Ingress IngressClass".split()),
    b"policy/v1": frozenset({b"PodDisruptionBudget"}),
    b"autoscaling/v2": frozenset({b"HorizontalPodAutoscaler"}),
    b"storage.k8s.io/v1": frozenset({b"StorageClass"}),
    b"scheduling.k8s.io/v1": frozenset({b"PriorityClass"}),
    b"admissionregistration.k8s.io/v1": frozenset(
        b"ValidatingWebhookConfiguration MutatingWebhookConfiguration".split()
    ),
}
# A line that starts at column 0 with anything but a key that cannot change what the object is, the entry of such a
# key's list, a comment or nothing: a second kind in any spelling, `items`, a merge, a flow, an anchor, the end of a
# quoted text, a tab, a `---x`. When LF is the only break, every other line is indented, so it belongs to such a key.
_OTHER_ROOT: Final = re.compile(
    rb"\n(?![ \n#]|-[ \n]|\Z|(?:metadata|spec|status|data|stringData|binaryData|type|immutable|rules|roleRef|subjects"
    rb"|secrets|imagePullSecrets|automountServiceAccountToken|aggregationRule|subsets|webhooks|provisioner|parameters|value"
    rb"|globalDefault|description|reclaimPolicy|volumeBindingMode|allowVolumeExpansion):)"
)
# Deep nesting makes libyaml's time grow with its square; such a document goes to the event loop, which stops early.
# Depth costs a bracket, or a column: on a short line there are few.
_MAX_BRACKETS: Final = 2_000
_MAX_COLUMNS: Final = 2_000


class Imageless(Enum):
    """What a text is beyond doubt."""

    DEFINITION = "a CustomResourceDefinition"
    OBJECT = "an object of a kind without a pod"


@dataclass(frozen=True, slots=True)
class Chunk:
    """The bytes of one document. `line` (from 1) is that of its first byte.

    `odd_marker` is the line of a marker in it that readers take differently, 0 for none.
    """

    data: bytes
    line: int
    odd_marker: int = 0


def chunks(data: bytes) -> Iterator[Chunk]:
    """Cut UTF-8 text without a byte order mark into its documents, in order.

    Directives stay with the document they are for; pieces of nothing but blanks and comments are left out.
    """
    lf_only = _has_only_lf(data)
    count = _line_counter(data, lf_only=lf_only)
    start, line, odd, directives = 0, 1, 0, b""
    for at, is_marker in _dashes(data, lf_only=lf_only):
        if not is_marker:
            odd = odd or line + count(start, at)
            continue
        piece = data[start:at]
        lines = count(start, at)
        if _is_blank(piece):
            directives = piece if b"%" in piece else b""
        else:
            yield Chunk(directives + piece, line - directives.count(b"\n"), odd or _odd_start(piece, line))
            directives = b""
        line += lines
        start, odd = (at + 3 if data.startswith(b"...", at) else at), 0
    piece = data[start:]
    if not _is_blank(piece):
        yield Chunk(directives + piece, line - directives.count(b"\n"), odd or _odd_start(piece, line))


def imageless(chunk: bytes) -> Imageless | None:
    """Say whether a document can hold no image, beyond doubt; None sends it to the parser."""
    head = _HEAD.match(chunk)
    if head is None:
        return None
    version, kind = head[1] or head[4], head[2] or head[3]
    if kind == _DEFINITION_KIND and version in _DEFINITION_VERSIONS:
        found = Imageless.DEFINITION
    elif kind in _IMAGELESS.get(version, ()):
        found = Imageless.OBJECT
    else:
        return None
    return found if _has_only_lf(chunk) and _OTHER_ROOT.search(chunk, head.end() - 1) is None else None


def is_flat(chunk: bytes) -> bool:
    """Say whether libyaml may parse the text in one go: nothing in it can nest deep."""
    brackets = chunk.count(b"[") + chunk.count(b"{")
    return brackets <= _MAX_BRACKETS and max(map(len, chunk.split(b"\n"))) <= _MAX_COLUMNS


def _has_only_lf(data: bytes) -> bool:
    return b"\r" not in data and (data.isascii() or not any(mark in data for mark in _WIDE_BREAKS))


def _line_counter(data: bytes, *, lf_only: bool) -> _Count:
    if lf_only:
        return lambda start, end: data.count(b"\n", start, end)
    return lambda start, end: sum(1 for _ in _BREAK.finditer(data, start, end))


def _dashes(data: bytes, *, lf_only: bool) -> Iterator[tuple[int, bool]]:
    """Position of each `---` and `...` at column 0, and whether it is a marker; of the others only `---x` counts."""
    if data.startswith((b"---", b"...")):
        yield from _judged(data, 0)
    if not lf_only:
        for found in _DASHES_ANY.finditer(data):
            yield from _judged(data, found.end() - 3)
        return
    # Two plain searches: a regular expression would stop at every line.
    dashes, dots = data.find(b"\n---"), data.find(b"\n...")
    while dashes >= 0 or dots >= 0:
        if dots < 0 or 0 <= dashes < dots:
            yield from _judged(data, dashes + 1)
            dashes = data.find(b"\n---", dashes + 4)
        else:
            yield from _judged(data, dots + 1)
            dots = data.find(b"\n...", dots + 4)


def _judged(data: bytes, at: int) -> Iterator[tuple[int, bool]]:
    is_marker = _ENDS_MARKER.match(data, at + 3) is not None
    if is_marker or data.startswith(b"-", at):
        yield at, is_marker


def _odd_start(piece: bytes, line: int) -> int:
    """The line of the piece's own marker if kubectl would drop something that YAML reads there, else 0."""
    if not piece.startswith(b"---"):
        return 0
    clean = _CLEAN_MARKER.match(piece)
    if clean is None or (clean[1] and any(mark in clean[1] for mark in _WIDE_BREAKS)):
        return line
    return 0


def _is_blank(piece: bytes) -> bool:
    """Say whether a piece holds nothing but blanks, comments and directives."""
    if piece.startswith(b"---"):
        return False
    start = 0
    for found in _BREAK.finditer(piece):
        if not _is_blank_line(piece[start : found.start()]):
            return False
        start = found.end()
    return _is_blank_line(piece[start:])


def _is_blank_line(text: bytes) -> bool:
    return text.lstrip(b" \t")[:1] in b"#" or text.startswith(b"%")
