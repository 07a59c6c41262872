"""What to ask a cluster so that its answer proves which policy it enforces: per scope an image that must be refused,
and one that must not.

Theory of operation
-------------------
A scope is a set of sources with a namespace that stands for it: one for the sources that count everywhere, and one
for each namespace with sources of its own. System namespaces are audited only, so nothing could be proved there.

* The refused image lies on a host that no source and no exemption covers. If the sources have just lost one, the
  image lies there instead: only a cluster that has taken up the change refuses it.
* The allowed image lies at or below a source; below one that is new, if there is one.

A round is bounded: everywhere, and a few namespaces, which rotate from round to round.

Left out: asking, and judging the answers (`core.enforcement`).

Source: kubernetes.md 4.5, "prove enforcement: dry-run one refused and one allowed pod per scope".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from portreeve.core.cluster import SYSTEM_NAMESPACES
from portreeve.core.reference import UnsafeReference, keys, parse
from portreeve.core.sources import ResolvedSources

MOST_SCOPES: Final = 8
"""Scopes of one round: 16 dry runs, each of about 2 ms of the API server's time."""

EVERYWHERE: Final = ""
"""The name of the scope outside namespaces with sources of their own."""

SAFEST: Final = "default"
"""A namespace that every cluster has: the API server makes it again."""

LEAF: Final = "portreeve-probe"
"""The repository that is asked about below a source. It need not exist: nothing is pulled in a dry run."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One question. `name` is that of the namespace whose sources it is about, or EVERYWHERE; `allowed` is "" where
    nothing is allowed at all."""

    name: str
    namespace: str
    refused: str
    allowed: str


def scopes(
    sources: ResolvedSources, namespaces: Collection[str], before: ResolvedSources | None = None, *, turn: int = 0
) -> tuple[Scope, ...]:
    """The scopes of one round; everywhere comes first.

    Args:
        namespaces: those that exist.
        before: what was enforced until now; images are chosen so that the answer tells the two apart.
        turn: the number of the round, from which it follows which namespaces' turn it is.
    """
    known = sorted(set(namespaces) - set(SYSTEM_NAMESPACES))
    own = [name for name in known if name in sources.by_namespace]
    place = _elsewhere(known, own)
    found = [] if place is None else [_scope(EVERYWHERE, place, sources, before)]
    room = MOST_SCOPES - len(found)
    if len(own) > room:
        begin = turn * room % len(own)
        own = [*own[begin:], *own[:begin]][:room]
    return (*found, *(_scope(name, name, sources, before) for name in own))


def _elsewhere(known: Collection[str], own: Collection[str]) -> str | None:
    """A namespace that stands for all others: best one without sources of its own, and one that stays."""
    free = [name for name in known if name not in own]
    if SAFEST in free:
        return SAFEST
    return free[0] if free else None


def _scope(name: str, namespace: str, sources: ResolvedSources, before: ResolvedSources | None) -> Scope:
    held = _keys(sources, namespace)
    older = held if before is None else _keys(before, namespace)
    exempted = {
        one.prefix.key
        for source in (sources, before)
        for one in (source.exemptions if source else ())
        if one.prefix is not None
    }
    # In a namespace of its own its own sources are asked about, not those that are asked about everywhere.
    near = held - set(sources.everywhere) if name else held
    allowed = _first(_below([*sorted(near - older), *sorted(near), *sorted(held)]), lambda covering: covering & held)
    refused = _first(
        (*_below(sorted(older - held)), *_uncovered(len(held) + len(exempted))),
        lambda covering: bool(covering) and not covering & (held | exempted),
    )
    return Scope(name, namespace, refused, allowed)


def _keys(sources: ResolvedSources, namespace: str) -> AbstractSet[str]:
    return {*sources.everywhere, *sources.by_namespace.get(namespace, {})}


def _below(held: Iterable[str]) -> Iterable[str]:
    """Images that lie below keys of sources, or at them where there is no room below."""
    for key in held:
        host, _, path = key.replace("*", LEAF, 1).rstrip("/").partition("/")
        yield "/".join(part for part in (host, path, LEAF) if part)
        if path:
            yield f"{host}/{path}"


def _uncovered(most: int) -> Iterable[str]:
    """Images on hosts that cannot exist (RFC 6761, `invalid`); one more than there are keys that could cover one."""
    for number in range(most + 1):
        yield f"{LEAF}-{number}.invalid/refused" if number else f"{LEAF}.invalid/refused"


def _first(images: Iterable[str], fits: Callable[[AbstractSet[str]], object]) -> str:
    """The first image whose covering keys fit; "" if none does."""
    return next((image for image in images if fits(_covering(image))), "")


def _covering(image: str) -> AbstractSet[str]:
    """The keys that cover it; empty for what is no reference."""
    try:
        return set(keys(parse(image)))
    except UnsafeReference:
        return set()
