"""Which hosts must be reachable so that allowed images can be pulled: what `portreeve hosts` lists.

Theory of operation: of every source the caller's providers tell the hosts that its clients are sent to (a registered
provider is the fallback for hosts of one's own). Needs of the same host, port and purpose are merged. Nothing is
contacted: what a registry really redirects to only a probe tells, so hosts that are not documented as stable are
`certain=False` with a note.

Left out: what a registry itself contacts (upstreams of proxies and mirrors), and the hosts of each provider, which are
in `portreeve.providers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from portreeve.core.policy import Registry
from portreeve.core.reference import SourcePrefix
from portreeve.core.sources import ResolvedSources

HTTPS_PORT: Final = 443


class Purpose(StrEnum):
    """What a host is needed for. Nodes need all but `api`, which browsing and minting tokens use."""

    REGISTRY = "registry"
    AUTH = "auth"
    BLOBS = "blobs"
    API = "api"


@dataclass(frozen=True, slots=True, order=True)
class HostNeed:
    """One host that must be reachable, and why.

    `host` may begin with "*.". `because` are the source prefixes, sorted. `provider` names one or several, joined by
    ", ". `certain` False means that the host was not promised by the provider: probe it, see `note`.
    """

    host: str
    port: int
    purpose: Purpose
    because: tuple[str, ...]
    provider: str
    certain: bool = True
    note: str = ""


Needs = Callable[[SourcePrefix, str], Iterable[HostNeed]]
"""The needs of one source, by its prefix and the provider that a registration gives its host, "" for none."""


def host_needs(sources: ResolvedSources, registries: Iterable[Registry] = (), *, needs: Needs) -> tuple[HostNeed, ...]:
    """Every host that pulling from the sources needs, merged and sorted by host, port and purpose.

    Exemptions in force count like sources. `registries` tell the provider of hosts that nobody else knows, and count as
    sources too: who registers one wants it reached.
    """
    known = tuple(registries)
    providers = {registry.prefix.host: registry.provider for registry in known}
    prefixes = {*_prefixes(sources), *(registry.prefix for registry in known)}
    merged: dict[tuple[str, int, Purpose], HostNeed] = {}
    for prefix in sorted(prefixes):
        for need in needs(prefix, providers.get(prefix.host, "")):
            key = (need.host, need.port, need.purpose)
            merged[key] = _merge(merged[key], need) if key in merged else need
    return tuple(merged[key] for key in sorted(merged))


HEADER: Final = ("host", "port", "purpose", "provider", "certain", "because", "note")


def to_rows(needs: Iterable[HostNeed]) -> tuple[tuple[str, ...], ...]:
    """The needs as text in the columns of HEADER; several source prefixes are joined by a blank."""
    return tuple(
        (
            need.host,
            str(need.port),
            str(need.purpose),
            need.provider,
            "yes" if need.certain else "no",
            " ".join(need.because),
            need.note,
        )
        for need in needs
    )


def _prefixes(sources: ResolvedSources) -> Iterator[SourcePrefix]:
    for held in (sources.everywhere, *sources.by_namespace.values()):
        yield from (source.prefix for source in held.values())
    yield from (exemption.prefix for exemption in sources.exemptions if exemption.prefix is not None)


def _merge(one: HostNeed, other: HostNeed) -> HostNeed:
    return replace(
        one,
        because=tuple(sorted({*one.because, *other.because})),
        provider=_joined(one.provider, other.provider, ", "),
        certain=one.certain or other.certain,
        note=_joined(one.note, other.note, "; "),
    )


def _joined(one: str, other: str, separator: str) -> str:
    return separator.join(dict.fromkeys([*filter(None, one.split(separator)), *filter(None, other.split(separator))]))
