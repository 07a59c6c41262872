"""A small fleet that the tests of estates, desired states and plans share, and ways to vary it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from portreeve.core.blast_radius import Inventory, RunningImage
from portreeve.core.cluster import LabelSelector, Namespace, NamespaceSelection, Tier
from portreeve.core.environments import Environment, EnvironmentGroup, EnvironmentType
from portreeve.core.estate import Capabilities, CredentialFacts, Estate
from portreeve.core.people import BindingScope, Project, ProjectNamespaces, Role, RoleBinding, Subjects, Team
from portreeve.core.policy import (
    Access,
    AllowedSource,
    Delivery,
    DeliveryMode,
    Exemption,
    ExemptionState,
    PolicyType,
    Registry,
    RegistryAccess,
    RegistryPolicy,
    Stage,
)
from portreeve.core.reference import parse_prefix

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=30)


def namespace(name: str, **labels: str) -> Namespace:
    return Namespace(name, {"kubernetes.io/metadata.name": name, **labels})


SHOP, JOBS, CACHE = namespace("shop", team="shop"), namespace("shop-jobs", team="shop"), namespace("cache")
CAPABLE = Capabilities("v1.33.1", (SHOP, JOBS, CACHE, namespace("kube-system"), namespace("portreeve-system")))

PROD = Environment("prod-eu", Tier.PRODUCTION, "production")
DEV = Environment("dev", Tier.DEVELOPMENT, "development")
HOST = Environment("host-1", Tier.PRODUCTION, "hosts", EnvironmentType.DOCKER)


def names(*chosen: str) -> NamespaceSelection:
    return NamespaceSelection(chosen)


def labelled(team: str) -> NamespaceSelection:
    return NamespaceSelection((), LabelSelector((("team", team),)))


def source(prefix: str, *namespaces: str, index: int = 0) -> AllowedSource:
    return AllowedSource(parse_prefix(prefix), namespaces or None, field=f"spec.restrict.allowedSources[{index}]")


def access(
    name: str = "shop-harbor", registry: str = "harbor", environment: str = "prod-eu", **fields: Any
) -> RegistryAccess:
    fields = fields or {"namespaces": names("shop")}
    return RegistryAccess(name, registry, environment, **fields)


def policy(name: str = "prod-sources", *sources: str, **fields: Any) -> RegistryPolicy:
    given: dict[str, Any] = {
        "groups": ("production",),
        "stage": Stage.DENY,
        "access": (Access("harbor", labelled("shop"), field="spec.access[0]"),),
    }
    listed = tuple(source(prefix, index=index) for index, prefix in enumerate(sources or ("base.example.com",)))
    return RegistryPolicy(name, sources=listed, **given | fields)


def exemption(**fields: Any) -> Exemption:
    given: dict[str, Any] = {
        "prefix": parse_prefix("docker.io/library/redis"),
        "state": ExemptionState.ACTIVE,
        "groups": ("production",),
    }
    return Exemption("redis", "prod-sources", LATER, **given | fields)


FLEET = Estate(
    groups=(
        EnvironmentGroup("production"),
        EnvironmentGroup("development"),
        EnvironmentGroup("hosts", EnvironmentType.DOCKER),
    ),
    environments=(PROD, DEV, HOST),
    registries=(
        Registry("harbor", "harbor", parse_prefix("harbor.example.com/shop")),
        Registry("hub", "docker-hub", parse_prefix("docker.io/acme")),
        Registry("anonymous", "generic", parse_prefix("open.example.com")),
    ),
    projects=(Project("shop-team", namespaces=(ProjectNamespaces("prod-eu", ("shop", "shop-jobs")),)),),
    teams=(Team("shop-leads", members=("user-a",)), Team("strangers", members=("user-z",))),
    bindings=(
        RoleBinding(
            "ops", Role.OPERATOR, Subjects(("shop-leads",), ("user-b",)), BindingScope(environments=("host-1",))
        ),
    ),
    accesses=(access(),),
    credentials={"harbor": CredentialFacts("c-17", 4, LATER), "hub": CredentialFacts("c-18", 1, LATER)},
    capabilities={"prod-eu": CAPABLE, "dev": CAPABLE},
)

LEASE = Delivery(DeliveryMode.LEASE)
DOCKER = PolicyType.DOCKER


def with_(estate: Estate = FLEET, **fields: Any) -> Estate:
    return replace(estate, **fields)


def reporting(capabilities: Capabilities, estate: Estate = FLEET) -> Estate:
    """The estate after its cluster for production reported this."""
    return replace(estate, capabilities={**estate.capabilities, "prod-eu": capabilities})


def running(*images: str, namespace: str = "shop", environment: str = "prod-eu") -> Inventory:
    return Inventory(tuple(RunningImage(environment, namespace, "Deployment/api", image) for image in images))
