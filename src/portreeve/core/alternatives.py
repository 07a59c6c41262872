"""Where else a refused image may be had: the same repository below a source that is allowed.

Theory of operation. Proxy caches and mirrors keep the upstream's path below one of their own: `docker.io/library/redis`
is `harbor.example.com/hub/library/redis`, or `…/mirror/docker.io/library/redis`. So the segments of the
image, its host first, are laid over the end of each allowed prefix as far as they agree, and the rest is hung below it.
A source counts if some of it agrees, or if one of its segments is a word that people give to such places. Of several
the one that agrees the furthest wins, then the shortest, then the first by name. It is where the image would be
allowed; whether it is there, nobody has looked.

Left out: sources on the image's own host (`core.verdict.nearest_source`), as nothing says what the path there would be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from portreeve.core.policy import AllowedSource, Origin
from portreeve.core.reference import DOCKER_HUB, Reference
from portreeve.core.sources import ResolvedSources
from portreeve.core.verdict import Decision, judge

_MIRRORS: Final = frozenset({"cache", "mirror", "mirrors", "proxy", "remote", "upstream"})
_NAMES: Final = {
    DOCKER_HUB: frozenset({"docker", "docker-hub", "dockerhub", "hub"}),
    "quay.io": frozenset({"quay"}),
    "ghcr.io": frozenset({"ghcr", "github"}),
    "gcr.io": frozenset({"gcr"}),
    "registry.k8s.io": frozenset({"k8s", "kubernetes"}),
    "mcr.microsoft.com": frozenset({"mcr", "microsoft"}),
    "public.ecr.aws": frozenset({"ecr-public", "public-ecr"}),
}
"""Host → how mirrors of it are called. A mirror of another one is no place to look in."""


def alternative(reference: Reference, namespace: str, sources: ResolvedSources) -> str | None:
    """The image as it would be allowed in the namespace, with its tag and digest; None where nothing suggests one."""
    for _, _, repository in sorted(_candidates(reference, sources.in_scope(namespace))):
        tag = f":{reference.tag}" if reference.tag else ""
        image = f"{repository}{tag}{f'@{reference.digest}' if reference.digest else ''}"
        if judge(image, namespace, sources).decision is Decision.ALLOW:
            return image
    return None


def _candidates(reference: Reference, sources: Iterable[AllowedSource]) -> Iterator[tuple[int, int, str]]:
    """(how little agrees, length, repository) below each source that could be a mirror."""
    wanted = (reference.host, *reference.path.split("/"))
    called = _NAMES.get(reference.host, frozenset())
    others = frozenset(_NAMES).union(*_NAMES.values()) - called - {reference.host}
    for prefix in (one.prefix for one in sources if one.origin is not Origin.PREFILLED):
        held = tuple(prefix.path.split("/")) if prefix.path else ()
        if prefix.wildcard or prefix.host == reference.host or not others.isdisjoint(held):
            continue
        agreed, rest = _laid_over(held, wanted)
        if agreed or not _MIRRORS.union(called).isdisjoint(held):
            yield -agreed, len(prefix.key), "/".join((str(prefix), *rest))


def _laid_over(held: Sequence[str], wanted: Sequence[str]) -> tuple[int, Sequence[str]]:
    """How many segments at a prefix's end are the image's first ones, with or without its host, and what is left."""
    for count in range(min(len(held), len(wanted)), 0, -1):
        for start in (0, 1):
            if tuple(held[-count:]) == tuple(wanted[start : start + count]):
                return count, wanted[start + count :]
    return 0, wanted[1:]
