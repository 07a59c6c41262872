"""A starter policy from image uses: what may be approved as it is, and what ought to come from a mirror.

Theory of operation: images are grouped by owner (host and first path segment). Two or more repositories of one owner
are covered by their longest common path, a single one by its exact repository; never by less than an owner, so never
by a bare host. Public content (Docker Hub's official images and their copies) is no source: it is listed to be
mirrored and stays denied. Images of system namespaces become exact repositories in those namespaces alone: a cluster
must be able to heal.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from portreeve.core.cluster import SYSTEM_NAMESPACES
from portreeve.core.manifests import ImageUse
from portreeve.core.policy import PUBLIC_HOSTS, AllowedSource, is_public
from portreeve.core.reference import (
    MAX_SOURCE_SEGMENTS,
    InvalidPrefix,
    Reference,
    SourcePrefix,
    UnsafeReference,
    keys,
    parse,
    parse_prefix,
)

DEFAULT_MIRROR = "registry.example.com/mirror"


@dataclass(frozen=True, slots=True)
class ToMirror:
    """A public repository, how often it is used, and where a mirror would hold it."""

    repository: str
    uses: int
    mirror: str


@dataclass(frozen=True, slots=True)
class Starter:
    """The suggestion. Sources, mirrors and unreadable images are sorted; coverage counts image uses."""

    sources: tuple[AllowedSource, ...]
    to_mirror: tuple[ToMirror, ...]
    local: tuple[str, ...]
    unreadable: tuple[str, ...]
    covered: int
    uses: int


def suggest(uses: Sequence[ImageUse], mirror: str | None = None) -> Starter:
    """The starter policy's content. `mirror` is a host or a path; None proposes the most used host of one's own."""
    readable, unreadable = _read(uses)
    system = [(use, one) for use, one in readable if use.namespace in SYSTEM_NAMESPACES and not _is_local(one)]
    others = [one for use, one in readable if use.namespace not in SYSTEM_NAMESPACES and not _is_local(one)]
    mirrored = Counter(one.repository for one in others if _is_public(one))
    sources = (*_owned(one for one in others if not _is_public(one)), *_system(system))
    base = mirror or _own_mirror(others)
    return Starter(
        sources,
        tuple(ToMirror(name, count, f"{base}/{name}") for name, count in sorted(mirrored.items())),
        tuple(sorted({one.repository for use, one in readable if _is_local(one)})),
        tuple(sorted(unreadable)),
        sum(_is_covered(use.namespace, one, sources) for use, one in readable),
        len(uses),
    )


def _read(uses: Sequence[ImageUse]) -> tuple[list[tuple[ImageUse, Reference]], set[str]]:
    readable: list[tuple[ImageUse, Reference]] = []
    unreadable: set[str] = set()
    for use in uses:
        try:
            reference = parse(use.image)
            parse_prefix(reference.host)  # what no policy could name, no policy is suggested for
            readable.append((use, reference))
        except (UnsafeReference, InvalidPrefix):
            unreadable.add(use.image)
    return readable, unreadable


def _is_local(reference: Reference) -> bool:
    """Whether the host is the machine itself: each node would pull something else, or nothing."""
    name = reference.host.partition(":")[0]
    return name == "localhost" or name.startswith("127.")


def _is_public(reference: Reference) -> bool:
    return is_public(_exact(reference))


def _exact(reference: Reference) -> SourcePrefix:
    return SourcePrefix(reference.host, "/".join(reference.path.split("/")[:MAX_SOURCE_SEGMENTS]))


def _is_covered(namespace: str, reference: Reference, sources: Iterable[AllowedSource]) -> bool:
    covering = frozenset(keys(reference))
    return any(source.prefix.key in covering and source.counts_in(namespace) for source in sources)


def _owned(references: Iterable[Reference]) -> Iterator[AllowedSource]:
    """The narrowest path for each owner, sorted."""
    owners: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for reference in references:
        owners[reference.host, reference.path.partition("/")[0]].add(_exact(reference).path)
    for (host, _), paths in sorted(owners.items()):
        prefix = SourcePrefix(host, _common(paths))
        if not is_public(prefix):
            yield AllowedSource(prefix, None, _note(prefix, len(paths)))


def _common(paths: Iterable[str]) -> str:
    """The longest path that all of them lie at or below. They share at least the owner."""
    split = [path.split("/") for path in paths]
    shared = []
    for segments in zip(*split, strict=False):
        if len(set(segments)) > 1:
            break
        shared.append(segments[0])
    return "/".join(shared)


def _note(prefix: SourcePrefix, repositories: int) -> str:
    many = f"{repositories} repositories" if repositories > 1 else "one repository"
    return f"{many}; a public host: yours, or to mirror?" if prefix.host in PUBLIC_HOSTS else many


def _system(uses: Iterable[tuple[ImageUse, Reference]]) -> Iterator[AllowedSource]:
    """One exact source for each repository, with the system namespaces that use it, sorted."""
    namespaces: defaultdict[SourcePrefix, set[str]] = defaultdict(set)
    for use, reference in uses:
        namespaces[_exact(reference)].add(use.namespace)
    for prefix, names in sorted(namespaces.items()):
        yield AllowedSource(prefix, tuple(sorted(names)), "system image, to mirror")


def _own_mirror(references: Iterable[Reference]) -> str:
    """`<host>/mirror` on the host of one's own that is used most; a placeholder where there is none."""
    own = Counter(one.host for one in references if one.host not in PUBLIC_HOSTS)
    if not own:
        return DEFAULT_MIRROR
    return f"{min(own, key=lambda host: (-own[host], host))}/mirror"
