"""Where a refused image may be had instead: below a mirror that is allowed, and nowhere else."""

from __future__ import annotations

import pytest

from portreeve.core.alternatives import alternative
from portreeve.core.policy import AllowedSource, RegistryPolicy, Stage
from portreeve.core.reference import parse, parse_prefix
from portreeve.core.sources import ResolvedSources, resolve


def allowing(*prefixes: str, scoped: str = "") -> ResolvedSources:
    spaces = (scoped,) if scoped else None
    held = tuple(AllowedSource(parse_prefix(one), spaces) for one in prefixes)
    return resolve(RegistryPolicy("p", stage=Stage.DENY, sources=held))


@pytest.mark.parametrize(
    ("image", "prefixes", "found"),
    [
        ("redis:7", ["harbor.example.com/hub"], "harbor.example.com/hub/library/redis:7"),
        ("redis:7", ["harbor.example.com/hub/library"], "harbor.example.com/hub/library/redis:7"),
        ("redis:7", ["harbor.example.com/hub/library/redis"], "harbor.example.com/hub/library/redis:7"),
        ("redis:7", ["mirror.example.com/all/docker.io"], "mirror.example.com/all/docker.io/library/redis:7"),
        ("quay.io/cni/agent", ["r.example.com/mirror/quay.io"], "r.example.com/mirror/quay.io/cni/agent:latest"),
        # The place of another upstream is no mirror of this one, whatever else it is called.
        ("quay.io/cni/agent", ["r.example.com/mirror/docker.io", "r.example.com/hub"], None),
        ("acme/api:2", ["r.example.com/acme", "r.example.com/hub"], "r.example.com/acme/api:2"),
        ("acme/api:2", ["r.example.com/shop", "*.example.com/mirror", "docker.io/other"], None),
        ("acme/api:2", [], None),
    ],
)
def test_the_same_repository_below_an_allowed_mirror(image: str, prefixes: list[str], found: str | None) -> None:
    assert alternative(parse(image), "shop", allowing(*prefixes)) == found


def test_a_digest_goes_along_and_a_mirror_of_another_namespace_does_not_count() -> None:
    pinned = f"redis@sha256:{'a' * 64}"
    sources = allowing("harbor.example.com/hub", scoped="shop")
    assert alternative(parse(pinned), "shop", sources) == f"harbor.example.com/hub/library/{pinned}"
    assert alternative(parse(pinned), "other", sources) is None
