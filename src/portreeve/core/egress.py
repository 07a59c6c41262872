"""Which hosts must be reachable so that allowed images can be pulled: what `portreeve hosts` lists.

Theory of operation: the host of every source is matched with the table below (a registered provider is the fallback
for hosts of one's own), which names the hosts that the provider's clients are sent to. Needs of the same host, port
and purpose are merged. Nothing is contacted: what a registry really redirects to only a probe tells, so hosts that
are not documented as stable are `certain=False` with a note.

Left out: what a registry itself contacts (upstreams of proxies and mirrors).
Source: design, providers.md, section 6, column "Egress hosts"; its [probe] marks are the uncertain ones here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
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


@dataclass(frozen=True, slots=True)
class _Host:
    """A host of a provider, as a template over the groups of the provider's pattern."""

    template: str
    purpose: Purpose
    note: str = ""
    certain: bool = True


@dataclass(frozen=True, slots=True)
class _Provider:
    """A provider that is known by its host names. The source's own host is added unless `elsewhere`."""

    name: str
    pattern: str
    hosts: tuple[_Host, ...] = ()
    elsewhere: bool = False
    note: str = ""
    certain: bool = True


_PROBE = "not promised by the provider: probe it from the cluster"
_BROWSE = "only to browse repositories"
_REDIRECT = "layers may be redirected to object storage: probe it from the cluster"
_GCS = _Host("storage.googleapis.com", Purpose.BLOBS, _PROBE, certain=False)
_ENTRA = "only to sign in with Entra ID tokens"
_DATA = "a registry with dedicated data endpoints uses <name>.<region>.data.azurecr.{tld} instead"

_ECR = (
    _Host("api.ecr.{region}.{suffix}", Purpose.API, "to mint tokens"),
    _Host("sts.{region}.{suffix}", Purpose.API, "to mint tokens with a role"),
    _Host("prod-{region}-starport-layer-bucket.s3.{region}.{suffix}", Purpose.BLOBS),
)

_PROVIDERS: Final = (
    _Provider(
        "docker-hub",
        r"docker\.io",
        (
            _Host("registry-1.docker.io", Purpose.REGISTRY),
            _Host("index.docker.io", Purpose.REGISTRY, "some clients use the old name"),
            _Host("auth.docker.io", Purpose.AUTH),
            _Host("login.docker.com", Purpose.AUTH, "only to sign in as a person"),
            _Host("hub.docker.com", Purpose.API, _BROWSE),
            _Host("production.cloudflare.docker.com", Purpose.BLOBS),
            _Host("production.cloudfront.docker.com", Purpose.BLOBS),
            _Host(
                "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com",
                Purpose.BLOBS,
                "inside AWS also docker-images-prod buckets of S3",
            ),
        ),
        elsewhere=True,
    ),
    _Provider(
        "ecr",
        r"(?:[0-9]+|[*])\.dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)"
        r"\.(?P<suffix>amazonaws\.com(?:\.cn)?|sc2s\.sgov\.gov|c2s\.ic\.gov)",
        _ECR,
    ),
    _Provider(
        "ecr",
        r"(?:[0-9]+|[*])\.dkr-ecr\.(?P<region>[a-z0-9-]+)\.on\.aws",
        tuple(
            replace(host, template=host.template.replace("{suffix}", "amazonaws.com"), note=_PROBE, certain=False)
            for host in _ECR
        ),
    ),
    _Provider(
        "ecr-public",
        r"public\.ecr\.aws",
        (
            _Host("api.ecr-public.us-east-1.amazonaws.com", Purpose.API, "to mint tokens"),
            _Host("*.cloudfront.net", Purpose.BLOBS, _PROBE, certain=False),
        ),
    ),
    _Provider(
        "acr",
        r"(?:[a-z0-9-]+|[*])(?:\.(?:[a-z0-9]+|[*])\.geo)?\.azurecr\.(?P<tld>io)",
        (
            _Host("login.microsoftonline.com", Purpose.AUTH, _ENTRA),
            _Host("*.blob.core.windows.net", Purpose.BLOBS, _DATA),
        ),
    ),
    _Provider(
        "acr",
        r"(?:[a-z0-9-]+|[*])\.azurecr\.(?P<tld>cn)",
        (
            _Host("login.partner.microsoftonline.cn", Purpose.AUTH, f"{_ENTRA}; {_PROBE}", certain=False),
            _Host("*.blob.core.chinacloudapi.cn", Purpose.BLOBS, f"{_DATA}; {_PROBE}", certain=False),
        ),
    ),
    _Provider(
        "gar",
        r"(?:[a-z0-9-]+-docker|[*])\.pkg\.dev",
        (
            _Host("artifactregistry.googleapis.com", Purpose.API, _BROWSE),
            _Host("oauth2.googleapis.com", Purpose.API, "to mint tokens"),
            _GCS,
        ),
    ),
    _Provider("gcr", r"(?:(?:us|eu|asia|[*])\.)?gcr\.io", (_GCS,)),
    _Provider(
        "ghcr",
        r"ghcr\.io",
        (
            _Host("ghcr.io", Purpose.AUTH),
            _Host("pkg-containers.githubusercontent.com", Purpose.BLOBS, _PROBE, certain=False),
            _Host("api.github.com", Purpose.API, _BROWSE),
        ),
    ),
    _Provider("gitlab", r"registry\.gitlab\.com", (_Host("gitlab.com", Purpose.AUTH),), note=_REDIRECT),
    _Provider(
        "quay",
        r"quay\.io",
        (
            _Host("quay.io", Purpose.AUTH),
            _Host("*.quay.io", Purpose.BLOBS, "cdn.quay.io and cdn01 to cdn03.quay.io today; more are announced"),
        ),
    ),
    _Provider("mcr", r"mcr\.microsoft\.com", (_Host("*.data.mcr.microsoft.com", Purpose.BLOBS),)),
    _Provider("mcr", r"mcr\.azure\.cn", note=_REDIRECT),
    _Provider(
        "generic",
        r"registry\.k8s\.io",
        note="its backends change at any time: mirror these images instead of listing hosts",
        certain=False,
    ),
)

# Providers on hosts of one's own, when a Registry document says so; group `rest` is the host without its first label.
_OWN: Final[Mapping[str, tuple[_Host, ...]]] = {
    "gitlab": (_Host("{rest}", Purpose.AUTH, "the host of GitLab itself, guessed from the registry's", certain=False),),
}


def host_needs(sources: ResolvedSources, registries: Iterable[Registry] = ()) -> tuple[HostNeed, ...]:
    """Every host that pulling from the sources needs, merged and sorted by host, port and purpose.

    Exemptions in force count like sources. `registries` tell the provider of hosts that nobody else knows, and count as
    sources too: who registers one wants it reached.
    """
    known = tuple(registries)
    providers = {registry.prefix.host: registry.provider for registry in known}
    prefixes = {*_prefixes(sources), *(registry.prefix for registry in known)}
    merged: dict[tuple[str, int, Purpose], HostNeed] = {}
    for prefix in sorted(prefixes):
        for need in _needs(prefix, providers.get(prefix.host, "")):
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


def _needs(prefix: SourcePrefix, registered: str) -> Iterator[HostNeed]:
    name, _, port = prefix.host.partition(":")
    number = int(port) if port else HTTPS_PORT
    because = (str(prefix),)
    provider, found = _provider_of(name, registered)
    if not provider.elsewhere:
        note = "; ".join(filter(None, [provider.note, "one label in the place of the star" if prefix.wildcard else ""]))
        yield HostNeed(name, number, Purpose.REGISTRY, because, provider.name, provider.certain, note)
    for host in provider.hosts:
        # Only the registry itself listens where the source says.
        own = number if host.template == name else HTTPS_PORT
        text, note = host.template.format(**found), host.note.format(**found)
        yield HostNeed(text, own, host.purpose, because, provider.name, host.certain, note)


def _provider_of(name: str, registered: str) -> tuple[_Provider, dict[str, str]]:
    """The provider of a host and the groups of its pattern; for an unknown host what its registration says."""
    for provider in _PROVIDERS:
        if match := re.fullmatch(provider.pattern, name):
            return provider, match.groupdict()
    rest = name.partition(".")[2]
    hosts = _OWN.get(registered, ()) if "." in rest and not name.startswith("*") else ()
    return _Provider(registered or "generic", "", hosts, note=_REDIRECT), {"rest": rest}


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
