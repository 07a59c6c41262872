"""A small fleet that the tests of estates, desired states and plans share, and ways to vary it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from portreeve.core.blast_radius import Inventory, RunningImage
from portreeve.core.cluster import LabelSelector, Namespace, NamespaceSelection, Tier
from portreeve.core.estate import (
    Capabilities,
    CredentialFacts,
    Environment,
    EnvironmentGroup,
    EnvironmentType,
    Estate,
    Project,
    ProjectNamespaces,
    RegistryAccess,
    Role,
    RoleBinding,
    Scope,
    Subjects,
    Team,
)
from portreeve.core.policy import (
    Access,
    AllowedSource,
    Delivery,
    DeliveryMode,
    Exemption,
    ExemptionState,
    PolicyType,
    Registry,
    RegistryPolicy,
    Stage,
)
from portreeve.core.reference import parse_prefix

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=30)

SHOP, JOBS, CACHE = Namespace("shop", {"team": "shop"}), Namespace("shop-jobs", {"team": "shop"}), Namespace("cache")
CAPABLE = Capabilities("v1.33.1", (SHOP, JOBS, CACHE, Namespace("kube-system"), Namespace("portreeve-system")))

PROD = Environment("prod-eu", EnvironmentType.KUBERNETES, Tier.PRODUCTION, "production", CAPABLE)
DEV = Environment("dev", EnvironmentType.KUBERNETES, Tier.DEVELOPMENT, "development", CAPABLE)
HOST = Environment("host-1", EnvironmentType.DOCKER, Tier.PRODUCTION, "hosts")


def names(*chosen: str) -> NamespaceSelection:
    return NamespaceSelection(chosen)


def labelled(team: str) -> NamespaceSelection:
    return NamespaceSelection((), LabelSelector((("team", team),)))


def source(prefix: str, *namespaces: str, index: int = 0) -> AllowedSource:
    return AllowedSource(parse_prefix(prefix), namespaces or None, field=f"spec.restrict.allowedSources[{index}]")


def access(
    name: str = "shop-harbor", registry: str = "harbor", environment: str | None = "prod-eu", **fields: Any
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
    teams=(Team("shop-leads", ("user-a",)), Team("strangers", ("user-z",))),
    role_bindings=(
        RoleBinding("ops", Role.OPERATOR, Subjects(("user-b",), ("shop-leads",)), Scope(environments=("host-1",))),
    ),
    accesses=(access(),),
    credentials={"harbor": CredentialFacts("c-17", 4, LATER), "hub": CredentialFacts("c-18", 1, LATER)},
)

LEASE = Delivery(DeliveryMode.LEASE)
DOCKER = PolicyType.DOCKER


def with_(estate: Estate = FLEET, **fields: Any) -> Estate:
    return replace(estate, **fields)


def running(*images: str, namespace: str = "shop", environment: str = "prod-eu") -> Inventory:
    return Inventory(tuple(RunningImage(environment, namespace, "Deployment/api", image) for image in images))
