"""The policy compiler's CEL: literals that cannot be injected, constant maps, and the reference canonicaliser.

Theory of operation
-------------------
CEL has no image parser, so the canonicaliser of `core.reference` is written out once more, here, as an
expression; one corpus and one differential test hold the two together. Three rules keep it safe and fast:

* Nothing that a user wrote is formatted into an expression. Values pass through `literal`, which escapes every
  character that is not plainly harmless, and they come from types (`SourcePrefix`, DNS labels) whose grammar has
  nothing to escape.
* Sources are keys of constant maps. The CEL runtime folds such a map once, at compile time, so a look-up costs the
  same for ten sources as for thousands; `list.exists(startsWith)` does not.
* One expression holds at most 100,000 code points (`MAX_EXPRESSION_LENGTH`), so maps are cut into shards, one variable
  each.

Only functions of the Kubernetes 1.30 environment are used; a pinned checker compiles the result there.

Source: CEL language definition, "String and Bytes Values"; Kubernetes, "Common Expression Language in Kubernetes".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from portreeve.core.reference import (
    DIGEST_PATTERN,
    DOCKER_HUB,
    DOCKER_HUB_ALIAS,
    HOST_PATTERN,
    IMAGE_ID_PATTERN,
    MAX_NAME_LENGTH,
    MAX_REFERENCE_LENGTH,
    MAX_SOURCE_SEGMENTS,
    OFFICIAL,
    PATH_PATTERN,
    TAG_PATTERN,
)

MAX_EXPRESSION_LENGTH: Final = 100_000
"""Code points of one expression. Source: apiserver's limit on the text of a CEL expression, measured on 1.36."""

SHARD_LENGTH: Final = 90_000
"""Where a map is cut; the rest is room for the escaping of the object's own encoding."""

_HARMLESS = re.compile(r"[A-Za-z0-9 !#$%&()*+,./:;<=>?@\[\]^_{|}~-]")


def literal(text: str) -> str:
    r"""`text` as one CEL string literal, in single quotes.

    Whatever is not a harmless ASCII character becomes a `\u` or `\U` escape, quotes and backslashes among them.

    Raises:
        ValueError: a lone surrogate, which CEL cannot hold.
    Source: CEL language definition, "String and Bytes Values".
    """
    return f"'{''.join(map(_escaped, text))}'"


def _escaped(character: str) -> str:
    if _HARMLESS.fullmatch(character):
        return character
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError(f"a lone surrogate (U+{code:04X}) has no place in a CEL string")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def shards(entries: Mapping[str, str], limit: int = SHARD_LENGTH) -> tuple[str, ...]:
    """Constant maps that together hold `entries` (key → expression), none longer than `limit` code points.

    Keys are sorted, so equal entries give equal text. At least one map, maybe empty.
    """
    parts: list[str] = []
    current: list[str] = []
    length = 2
    for key in sorted(entries):
        entry = f"{literal(key)}:{entries[key]}"
        if current and length + len(entry) + 1 > limit:
            parts.append("{" + ",".join(current) + "}")
            current, length = [], 2
        current.append(entry)
        length += len(entry) + 1
    parts.append("{" + ",".join(current) + "}")
    return tuple(parts)


def any_of(expressions: Iterable[str]) -> str:
    """A disjunction, false when there is nothing to choose from."""
    return " || ".join(expressions) or "false"


_TAIL: Final = f"^(?::{TAG_PATTERN})?(?:@(?:{DIGEST_PATTERN}))?$"
_NAME: Final = f"^{HOST_PATTERN}/{PATH_PATTERN}$"
_HUB_ANY_CASE: Final = r"^(?i:(?:index[.])?docker[.]io)/"
_HUB: Final = r"^(?:index[.])?docker[.]io/"


def readable(image: str) -> str:
    """Whether `image` (an expression) passes the refusals that need the whole text.

    Every reference begins with a letter or digit. Saying so first also keeps the empty string away from `lastIndexOf`,
    which fails on it in the CEL library of Kubernetes 1.30.
    """
    return (
        f"{image}.size() <= {MAX_REFERENCE_LENGTH} && {image}.matches('^[a-zA-Z0-9]')"
        f" && !{image}.matches({literal(f'^{IMAGE_ID_PATTERN}$')})"
        f" && (!{image}.matches({literal(_HUB_ANY_CASE)}) || {image}.matches({literal(_HUB)}))"
    )


def repositories(image: str) -> str:
    """A list that holds the canonical host and path of `image`, and nothing if it cannot be canonicalised safely.

    The steps are those of `core.reference.parse`: cut digest and tag, check them, apply Docker Hub's defaults,
    lower the host's case, check the whole name and its length. Each step is a `map` over a list of one, because CEL of
    Kubernetes 1.30 has no local variables.
    """
    hub, alias, official = f"{DOCKER_HUB}/", f"{DOCKER_HUB_ALIAS}/", OFFICIAL
    return (
        f"[{image}.split('@')[0]]"
        ".map(n, n.lastIndexOf(':') > n.lastIndexOf('/') ? n.substring(0, n.lastIndexOf(':')) : n)"
        f".filter(n, {image}.substring(n.size()).matches({literal(_TAIL)}))"
        f".map(n, !n.contains('/') ? {literal(hub + official)} + n"
        " : n.split('/')[0].matches('[.:]') || n.split('/')[0].lowerAscii() == 'localhost'"
        " ? n.split('/')[0].lowerAscii() + n.substring(n.indexOf('/'))"
        f" : {literal(hub)} + n)"
        f".map(n, n.startsWith({literal(alias)}) ? n.substring({len(alias) - len(hub)}) : n)"
        f".map(n, n.startsWith({literal(hub)}) && !n.substring({len(hub)}).contains('/')"
        f" ? {literal(hub + official)} + n.substring({len(hub)}) : n)"
        f".filter(n, n.size() <= {MAX_NAME_LENGTH} && n.matches({literal(_NAME)}))"
    )


def covered(repository: str, found: str) -> str:
    """Whether a key of `repository` (an expression) satisfies `found`, an expression over the key `k`.

    The keys are those of `core.reference.keys`: the repository and its leading segments, each ending in "/", then the
    same with the host's first label as a wildcard.
    """
    counts = ",".join(str(count) for count in range(2, MAX_SOURCE_SEGMENTS + 3))
    labels = f"{repository}.split('/')[0].split('.').size()"
    wildcard = f"{labels} > 2 ? ['*' + {repository}.substring({repository}.indexOf('.'))] : []"
    leading = "r.substring(0, r.size() - r.split('/', c)[c - 1].size())"
    return (
        f"([{repository}] + ({wildcard})).exists(r, [r + '/'].exists(k, {found})"
        f" || [{counts}].exists(c, r.split('/', c).size() == c && [{leading}].exists(k, {found})))"
    )


def printable(text: str) -> str:
    """`text` (an expression) fit for one line of a message: itself if short and printable ASCII, else a remark."""
    return f"({text}.size() <= 250 && {text}.matches('^[!-~]+$') ? {text} : '(an unprintable or overlong name)')"


def expressions_too_long(expressions: Mapping[str, str]) -> Iterator[str]:
    """Names of the expressions that the API server would refuse for their length."""
    return (name for name, text in expressions.items() if len(text) > MAX_EXPRESSION_LENGTH)
