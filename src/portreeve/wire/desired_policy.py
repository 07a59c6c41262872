"""The policy part of an agent's document, read: the sources, and the objects that they render to.

Theory of operation
-------------------
The control plane sends the resolved sources and the digest of the objects that it has rendered from them
(`server/desired/document.py`). The agent renders them itself, with the same `core.render`, and compares: objects of
another digest are never applied, as the two are of releases that do not mean the same.

What is not in the document does not change the rendering (where a source stands in its policy, notes). The reading is
strict: whatever `core.desired.sources_document` would not have written is refused, field by field.

Source: the design's documents, "The agent channel".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from portreeve.core.cluster import is_dns_label
from portreeve.core.enforcement_messages import Reason, Wanted
from portreeve.core.policy import (
    NO_NAMESPACES,
    Access,
    AllowedSource,
    Exemption,
    ExemptionState,
    Origin,
    Stage,
)
from portreeve.core.reference import DIGEST_PATTERN, InvalidPrefix, SourcePrefix, parse_prefix
from portreeve.core.render import compile_policy, digest
from portreeve.core.sources import ResolvedSources, UnresolvedGrant
from portreeve.core.why_link import is_why_url
from portreeve.errors import Invalid, Problem

_DIGEST: Final = re.compile(DIGEST_PATTERN)


def read_wanted(document: Mapping[str, Any]) -> Wanted:
    """What a document wants of the policy in its cluster.

    Args:
        document: verified; `portreeve.wire.channel.Signed.document`.
    Raises:
        Invalid: `message_invalid`, with the field.
    """
    generation = _number(document.get("generation"), "generation")
    not_after = None if document.get("notAfter") is None else _time(document["notAfter"], "notAfter")
    policy, held = document.get("policy"), document.get("sources")
    if policy is None and held is None:
        return Wanted(generation, not_after=not_after)
    sources = read_sources(held)
    named = _mapping(policy, "policy")
    stage = _stage(named.get("stage"), "policy.stage")
    if (named.get("name"), named.get("version"), stage) != (sources.policy, sources.generation, sources.stage):
        raise _invalid("field_form", "is not the policy that the sources are of", "policy")
    expected = named.get("renderDigest")
    if expected is not None and not isinstance(expected, str):
        raise _invalid("field_type", "must be a digest or null", "policy.renderDigest")
    found = Wanted(
        generation,
        sources.stage,
        None,
        Reason.NOT_RENDERED,
        sources.policy,
        sources.generation,
        sources,
        not_after,
    )
    return _rendered(found, sources, expected)


def _rendered(found: Wanted, sources: ResolvedSources, expected: str | None) -> Wanted:
    """With the objects, if they are those that the control plane means."""
    if expected is None:
        # To remove a policy needs no rendering.
        return replace(found, manifests=(), fault=None) if sources.stage is Stage.OFF else found
    try:
        manifests = compile_policy(sources)
    except Invalid:
        manifests = None
    if manifests is None or digest(list(manifests)) != expected:
        return replace(found, fault=Reason.RENDER_DIFFERS)
    return replace(found, manifests=manifests, fault=None)


def read_sources(value: Any) -> ResolvedSources:
    """Sources as `core.desired.sources_document` writes them; they render and judge as the ones that were written.

    Raises:
        Invalid: `message_invalid`, with the field.
    """
    held = _mapping(value, "sources")
    policy = _text(held.get("policy"), "sources.policy")
    if not is_dns_label(policy):
        raise _invalid("field_form", "must be the name of a policy", "sources.policy")
    spaces = _mapping(held.get("byNamespace"), "sources.byNamespace")
    return ResolvedSources(
        policy,
        _number(held.get("generation"), "sources.generation"),
        _stage(held.get("stage"), "sources.stage"),
        _owned(held.get("everywhere"), None, "sources.everywhere"),
        {_space(name): _owned(inner, name, f"sources.byNamespace.{name}") for name, inner in spaces.items()},
        tuple(
            _exemption(one, policy, f"sources.exemptions[{number}]")
            for number, one in enumerate(_rows(held.get("exemptions"), "sources.exemptions"))
        ),
        tuple(_unresolved(one) for one in _rows(held.get("unresolved"), "sources.unresolved")),
        _url(held.get("whyUrl", ""), "sources.whyUrl"),
    )


def _owned(value: Any, namespace: str | None, at: str) -> dict[str, AllowedSource]:
    scope = None if namespace is None else (namespace,)
    found = {}
    for key, owner in _mapping(value, at).items():
        text = _text(owner, at)
        origin = Origin(text) if text in set(Origin) else Origin.GRANT
        found[key] = AllowedSource(_prefix(key, at), scope, origin=origin, owner="" if text in set(Origin) else text)
    return found


def _prefix(key: str, at: str) -> SourcePrefix:
    try:
        prefix = parse_prefix(_text(key, at))
    except InvalidPrefix as wrong:
        raise _invalid("field_form", wrong.message, at) from None
    if prefix.key != key:
        raise _invalid("field_form", "holds a source that is not canonical", at)
    return prefix


def _exemption(value: Any, policy: str, at: str) -> Exemption:
    row = _rows(value, at)
    if len(row) != 4:
        raise _invalid("field_form", "must be name, prefix or digest, namespaces, and end", at)
    name, covered = _text(row[0], at), _text(row[1], at)
    exact = _DIGEST.fullmatch(covered) is not None
    return Exemption(
        name,
        policy,
        _time(row[3], at),
        prefix=None if exact else _prefix(f"{covered}/", at),
        digest=covered if exact else None,
        namespaces=tuple(_space(one) for one in _rows(row[2], at)),
        state=ExemptionState.ACTIVE,
    )


def _unresolved(value: Any) -> UnresolvedGrant:
    registry, _, why = _text(value, "sources.unresolved").partition(": ")
    return UnresolvedGrant(Access(registry, NO_NAMESPACES), why)


def _space(value: Any) -> str:
    name = _text(value, "sources.byNamespace")
    if not is_dns_label(name):
        raise _invalid("field_form", "must be the name of a namespace", "sources.byNamespace")
    return name


def _stage(value: Any, at: str) -> Stage:
    if not isinstance(value, str) or value not in set(Stage):
        raise _invalid("field_form", f"must be one of {', '.join(Stage)}", at)
    return Stage(value)


def _mapping(value: Any, at: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _invalid("field_type", "must be an object", at)
    return value


def _rows(value: Any, at: str) -> list[Any]:
    if not isinstance(value, list):
        raise _invalid("field_type", "must be a list", at)
    return value


def _text(value: Any, at: str) -> str:
    if not isinstance(value, str):
        raise _invalid("field_type", "must be text", at)
    return value


def _url(value: Any, at: str) -> str:
    if value != "" and not is_why_url(_text(value, at)):
        raise _invalid("field_form", "must be the address of a page, up to the namespace", at)
    return str(value)


def _number(value: Any, at: str) -> int:
    if type(value) is not int or value < 0:
        raise _invalid("field_type", "must be a whole number, and not negative", at)
    return value


def _time(value: Any, at: str) -> datetime:
    try:
        return datetime.strptime(_text(value, at), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _invalid("field_form", "must be a time as 2026-11-20T12:00:00Z", at) from None


def _invalid(code: str, message: str, field: str) -> Invalid:
    return Invalid(
        "message_invalid",
        "a message of the agents' channel cannot be read",
        problems=(Problem(code, message, field),),
    )
