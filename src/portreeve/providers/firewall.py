"""Which hosts a source needs, by the provider that its host belongs to: what `core.egress` merges and lists.

Nothing is contacted. A host that no provider is certain of is that of the Registry document that names it, if any.
"""

from __future__ import annotations

from collections.abc import Iterator

from portreeve.core.egress import HTTPS_PORT, HostNeed
from portreeve.core.reference import SourcePrefix
from portreeve.providers import every
from portreeve.providers.contract import Place, Provider

GENERIC = "generic"


def needs(prefix: SourcePrefix, registered: str = "") -> Iterator[HostNeed]:
    """The hosts for one source. `registered` is the provider that a Registry document gives its host, "" for none."""
    name, _, port = prefix.host.partition(":")
    place = Place(name if port == str(HTTPS_PORT) else prefix.host, prefix.path)
    provider = certain_of(place.host)
    label = provider.product(place) if provider is not None else registered or GENERIC
    if provider is None:
        provider = every().get(registered) or every()[GENERIC]
    for host in provider.hosts(place):
        star = "one label in the place of the star" if prefix.wildcard and host.name == name else ""
        note = "; ".join(filter(None, [host.note, star]))
        yield HostNeed(host.name, host.port, host.purpose, (str(prefix),), label, host.certain, note)


def certain_of(host: str) -> Provider | None:
    """The provider whose host this is beyond doubt. Other names of a provider's host are none of its places."""
    for provider in every().values():
        claim = provider.claim(host)
        if claim is not None and claim.certain and claim.place.host == host:
            return provider
    return None
