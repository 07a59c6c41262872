from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core import egress
from portreeve.core.egress import HEADER, HostNeed, Purpose, to_rows
from portreeve.core.policy import AllowedSource, Exemption, ExemptionState, Registry, RegistryPolicy
from portreeve.core.reference import parse_prefix
from portreeve.core.sources import ResolvedSources, resolve
from portreeve.providers.firewall import needs


def of(*prefixes: str) -> ResolvedSources:
    """Only these sources, without the pre-filled ones."""
    held = [AllowedSource(parse_prefix(prefix)) for prefix in prefixes]
    return ResolvedSources("p", 1, RegistryPolicy("p").stage, {s.prefix.key: s for s in held}, {})


def host_needs(sources: ResolvedSources, registries: Iterable[Registry] = ()) -> tuple[HostNeed, ...]:
    """With the hosts that our providers tell."""
    return egress.host_needs(sources, registries, needs=needs)


def hosts(*prefixes: str) -> dict[str, set[str]]:
    """Purpose → hosts."""
    found: dict[str, set[str]] = {}
    for need in host_needs(of(*prefixes)):
        found.setdefault(str(need.purpose), set()).add(need.host)
    return found


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        (
            "docker.io/acme",
            {
                "registry": {"registry-1.docker.io", "index.docker.io"},
                "auth": {"auth.docker.io", "login.docker.com"},
                "blobs": {
                    "production.cloudflare.docker.com",
                    "production.cloudfront.docker.com",
                    "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com",
                },
                "api": {"hub.docker.com"},
            },
        ),
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app",
            {
                "registry": {"123456789012.dkr.ecr.eu-west-1.amazonaws.com"},
                "blobs": {"prod-eu-west-1-starport-layer-bucket.s3.eu-west-1.amazonaws.com"},
                "api": {"api.ecr.eu-west-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"},
            },
        ),
        (
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
            {
                "registry": {"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"},
                "blobs": {"prod-cn-north-1-starport-layer-bucket.s3.cn-north-1.amazonaws.com.cn"},
                "api": {"api.ecr.cn-north-1.amazonaws.com.cn", "sts.cn-north-1.amazonaws.com.cn"},
            },
        ),
        (
            "*.dkr.ecr.us-east-1.amazonaws.com",
            {
                "registry": {"*.dkr.ecr.us-east-1.amazonaws.com"},
                "blobs": {"prod-us-east-1-starport-layer-bucket.s3.us-east-1.amazonaws.com"},
                "api": {"api.ecr.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com"},
            },
        ),
        (
            "public.ecr.aws/acme",
            {
                "registry": {"public.ecr.aws"},
                "blobs": {"*.cloudfront.net"},
                "api": {"api.ecr-public.us-east-1.amazonaws.com"},
            },
        ),
        (
            "acme.azurecr.io/base",
            {
                "registry": {"acme.azurecr.io"},
                "auth": {"login.microsoftonline.com"},
                "blobs": {"*.blob.core.windows.net"},
            },
        ),
        (
            "europe-west1-docker.pkg.dev/project/repo",
            {
                "registry": {"europe-west1-docker.pkg.dev"},
                "blobs": {"storage.googleapis.com"},
                "api": {"artifactregistry.googleapis.com", "oauth2.googleapis.com"},
            },
        ),
        ("eu.gcr.io/project", {"registry": {"eu.gcr.io"}, "blobs": {"storage.googleapis.com"}}),
        (
            "ghcr.io/acme",
            {
                "registry": {"ghcr.io"},
                "auth": {"ghcr.io"},
                "blobs": {"pkg-containers.githubusercontent.com"},
                "api": {"api.github.com"},
            },
        ),
        ("registry.gitlab.com/acme", {"registry": {"registry.gitlab.com"}, "auth": {"gitlab.com"}}),
        ("quay.io/acme", {"registry": {"quay.io"}, "auth": {"quay.io"}, "blobs": {"*.quay.io"}}),
        ("mcr.microsoft.com/dotnet", {"registry": {"mcr.microsoft.com"}, "blobs": {"*.data.mcr.microsoft.com"}}),
        ("registry.k8s.io/pause", {"registry": {"registry.k8s.io"}}),
        ("harbor.example.com/shop", {"registry": {"harbor.example.com"}}),
    ],
)
def test_a_source_needs_the_hosts_of_its_provider(prefix: str, expected: dict[str, set[str]]) -> None:
    assert hosts(prefix) == expected


@pytest.mark.parametrize(
    "prefix", ["evil-docker.io/a", "docker.io.evil.example", "1.dkr.ecr.eu-west-1.amazonaws.com.evil.example"]
)
def test_a_host_that_only_looks_like_a_providers_is_generic(prefix: str) -> None:
    (need,) = host_needs(of(prefix))
    assert (need.provider, need.purpose) == ("generic", Purpose.REGISTRY)


def test_the_port_is_that_of_the_source() -> None:
    (need,) = host_needs(of("registry.example.com:5000/team"))
    assert (need.host, need.port) == ("registry.example.com", 5000)


def test_unmarked_hosts_are_certain_and_probed_ones_say_so() -> None:
    needs = {need.host: need for need in host_needs(of("ghcr.io/acme"))}
    assert needs["ghcr.io"].certain
    assert not needs["pkg-containers.githubusercontent.com"].certain
    assert "probe" in needs["pkg-containers.githubusercontent.com"].note


def test_hosts_of_registry_k8s_io_are_no_list_to_rely_on() -> None:
    (need,) = host_needs(of("registry.k8s.io/pause"))
    assert not need.certain
    assert "mirror" in need.note


def test_a_wildcard_source_gives_a_wildcard_host_with_a_note() -> None:
    need = next(n for n in host_needs(of("*.azurecr.io/base")) if n.purpose is Purpose.REGISTRY)
    assert (need.host, need.provider) == ("*.azurecr.io", "acr")
    assert "star" in need.note


def test_needs_of_one_host_are_merged() -> None:
    needs = [n for n in host_needs(of("eu.gcr.io/a", "us-docker.pkg.dev/b/c")) if n.host == "storage.googleapis.com"]
    assert [(n.because, n.provider) for n in needs] == [(("eu.gcr.io/a", "us-docker.pkg.dev/b/c"), "gcr, gar")]


def test_a_registration_tells_the_provider_of_a_host_of_ones_own() -> None:
    registry = Registry("gitlab", "gitlab", parse_prefix("registry.git.example.com:5050/shop"))
    found = [(n.host, n.port, n.purpose, n.provider, n.certain) for n in host_needs(of(), [registry])]
    assert found == [
        ("git.example.com", 443, Purpose.AUTH, "gitlab", False),
        ("registry.git.example.com", 5050, Purpose.REGISTRY, "gitlab", True),
    ]


def test_sources_of_namespaces_and_exemptions_count_too() -> None:
    exemption = Exemption(
        "e",
        "p",
        datetime(2027, 1, 1, tzinfo=UTC),
        prefix=parse_prefix("exempt.example.com/a"),
        state=ExemptionState.APPROVED,
    )
    sources = (AllowedSource(parse_prefix("scoped.example.com/b"), ("shop",)),)
    found = {need.host for need in host_needs(resolve(RegistryPolicy("p", sources=sources), exemptions=[exemption]))}
    assert {"exempt.example.com", "scoped.example.com", "ghcr.io", "registry.k8s.io"} <= found


LABEL = st.from_regex("[a-z][a-z0-9]{0,6}", fullmatch=True)
PREFIX = st.builds(lambda a, b, c: f"{a}.{b}.example{c}", LABEL, LABEL, st.sampled_from(["", ":5000", "/x", ":80/y"]))
KNOWN = st.sampled_from(["docker.io", "quay.io/a", "*.azurecr.io", "eu.gcr.io", "us-docker.pkg.dev/a/b"])


@given(st.lists(PREFIX | KNOWN, unique=True, max_size=6))
def test_needs_are_sorted_and_stand_once_and_every_source_has_one(prefixes: list[str]) -> None:
    needs = host_needs(of(*prefixes))
    keys = [(need.host, need.port, need.purpose) for need in needs]
    assert keys == sorted(set(keys))
    assert {source for need in needs for source in need.because} == {str(parse_prefix(p)) for p in prefixes}
    assert host_needs(of(*reversed(prefixes))) == needs


def test_rows_are_text_in_the_columns_of_the_header() -> None:
    rows = to_rows(host_needs(of("quay.io/a", "quay.io/b")))
    assert all(len(row) == len(HEADER) for row in rows)
    assert ("quay.io", "443", "registry", "quay", "yes", "quay.io/a quay.io/b", "") in rows
