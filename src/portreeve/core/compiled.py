"""The sources of a compiled policy, read back out of its own variables: what a cluster enforces, without its documents.

Theory of operation. `core.expressions` writes sources and exemptions as constant maps of text to text or `true`, in one
spelling and nothing else. What is not of that spelling to the last character was not written by us, or by another
release, and is not guessed at. Of a source remain its prefix and where it counts; its field, its note and which
grant it came from are not in there.

Left out: reading the objects (`kube.enforced`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from portreeve.core.policy import AllowedSource, Exemption, ExemptionState, Origin, Stage
from portreeve.core.reference import InvalidPrefix, parse_prefix
from portreeve.core.sources import ResolvedSources

_ENTRY: Final = re.compile(
    r"'((?:[^'\\]|\\u[0-9a-f]{4}|\\U[0-9a-f]{8})*)':(?:true|'([0-9TZ:-]{20})')(?:,(?!\})|(?=\}))"
)
_MAP: Final = re.compile(r"(everywhere|scoped|exempt)[0-9]+")
_ESCAPE: Final = re.compile(r"\\u([0-9a-f]{4})|\\U([0-9a-f]{8})")


class _Foreign(Exception):
    """It is not of our spelling; never leaves this module."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the annotations and variables of the policy object say, and how far its bindings go."""

    policy: str
    generation: int
    stage: Stage
    variables: Mapping[str, str]


def sources_of(compiled: Compiled) -> ResolvedSources | None:
    """What the policy allows; None where it is not of the spelling that this release writes."""
    everywhere: dict[str, AllowedSource] = {}
    by_namespace: dict[str, dict[str, AllowedSource]] = {}
    exemptions: list[Exemption] = []
    if not {"everywhere0", "scoped0", "refused"} <= compiled.variables.keys():
        return None
    try:
        for name, text in compiled.variables.items():
            kind = _MAP.fullmatch(name)
            for key, value in _entries(text) if kind else ():
                namespace, space, scope = ("", " ", key) if kind and kind[1] == "everywhere" else key.partition(" ")
                if not space:
                    raise _Foreign
                if kind and kind[1] == "exempt":
                    exemptions.append(_exemption(compiled.policy, namespace, scope, value))
                elif not namespace:
                    everywhere[key] = _source(key, None)
                else:
                    by_namespace.setdefault(namespace, {})[scope] = _source(scope, (namespace,))
    except (_Foreign, InvalidPrefix, ValueError):
        return None
    return ResolvedSources(
        compiled.policy, compiled.generation, compiled.stage, everywhere, by_namespace, tuple(exemptions)
    )


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Key and value of a constant map; the value of `true` is ""."""
    if not (text.startswith("{") and text.endswith("}")):
        raise _Foreign
    at = 1
    while at < len(text) - 1:
        found = _ENTRY.match(text, at)
        if found is None:
            raise _Foreign
        yield _ESCAPE.sub(lambda one: chr(int(one[1] or one[2], 16)), found[1]), found[2] or ""
        at = found.end()


def _source(key: str, namespaces: tuple[str, ...] | None) -> AllowedSource:
    return AllowedSource(parse_prefix(key), namespaces, origin=Origin.POLICY)


def _exemption(policy: str, namespace: str, scope: str, ends: str) -> Exemption:
    expires_at = datetime.strptime(ends, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    digest = scope if re.fullmatch(r"sha(?:256|384|512):[0-9a-f]+", scope) else None
    prefix = None if digest else parse_prefix(scope)
    namespaces = (namespace,) if namespace else ()
    return Exemption("", policy, expires_at, prefix, digest, namespaces, ExemptionState.ACTIVE)
