"""What an estate must hold before something else in it means anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from portreeve.core.cluster import Tier
from portreeve.core.estate import (
    Environment,
    EnvironmentGroup,
    EnvironmentType,
    Project,
    ProjectNamespaces,
    Role,
    RoleBinding,
    Scope,
    Subjects,
    Team,
    identities,
)
from portreeve.core.policy import Access
from portreeve.core.prerequisites import validate
from tests.core.estates import DEV, DOCKER, FLEET, HOST, PROD, access, exemption, labelled, names, policy, with_

ON_HOST = {"registry": "harbor", "environment": "host-1"}


def wrong(**fields: Any) -> list[tuple[str, str]]:
    return [(problem.code, problem.field) for problem in validate(with_(**fields))]


def test_the_fleet_of_these_tests_is_valid() -> None:
    assert validate(FLEET) == []
    assert validate(with_(policies=(policy(),), exemptions=(exemption(),))) == []


@pytest.mark.parametrize(
    ("sentence", "fields", "problem"),
    [
        (
            "an environment has a group that exists",
            {"environments": (replace(PROD, group="nowhere"), HOST)},
            ("not_known", "Environment/prod-eu spec.group"),
        ),
        (
            "an environment and its group are of one type",
            {"environments": (PROD, Environment("s", EnvironmentType.SWARM, Tier.STAGING, "hosts"), HOST)},
            ("group_type", "Environment/s spec.group"),
        ),
        (
            "a policy's groups exist",
            {"policies": (policy(groups=("production", "nowhere")),)},
            ("not_known", "RegistryPolicy/prod-sources spec.groups[1]"),
        ),
        (
            "a policy and its groups are of one type",
            {"policies": (policy(groups=("hosts",)),)},
            ("group_type", "RegistryPolicy/prod-sources spec.groups[0]"),
        ),
        (
            "a group has at most one policy",
            {"policies": (policy("one"), policy("two"))},
            ("group_covered", "RegistryPolicy/two spec.groups[0]"),
        ),
        (
            "a policy's accesses name registries that exist",
            {"policies": (policy(access=(Access("ghost", names("shop"), field="spec.access[0]"),)),)},
            ("not_known", "RegistryPolicy/prod-sources spec.access[0].registry"),
        ),
        (
            "an access names a registry that exists",
            {"accesses": (access(registry="ghost"),)},
            ("not_known", "RegistryAccess/shop-harbor spec.registry"),
        ),
        (
            "an access names an environment that exists",
            {"accesses": (access(environment="ghost"),)},
            ("not_known", "RegistryAccess/shop-harbor spec.environment"),
        ),
        (
            "an access has a target",
            {"accesses": (access(environment=None),)},
            ("access_target", "RegistryAccess/shop-harbor spec.environment"),
        ),
        (
            "an access has one target alone",
            {"accesses": (access(project="shop-team"),)},
            ("access_target", "RegistryAccess/shop-harbor spec.environment"),
        ),
        (
            "in Kubernetes an access is for namespaces",
            {"accesses": (access(namespaces=names()),)},
            ("namespaces_missing", "RegistryAccess/shop-harbor spec.namespaces"),
        ),
        (
            "in Kubernetes an access is not for people",
            {"accesses": (access(namespaces=names("shop"), subjects=Subjects(("user-b",))),)},
            ("subjects_with_kubernetes", "RegistryAccess/shop-harbor spec.subjects"),
        ),
        (
            "a Docker host has no namespaces",
            {"accesses": (access(**ON_HOST, namespaces=names("shop"), subjects=Subjects(("user-b",))),)},
            ("namespaces_without_kubernetes", "RegistryAccess/shop-harbor spec.namespaces"),
        ),
        (
            "on a Docker host an access is for somebody",
            {"accesses": (access(**ON_HOST, subjects=Subjects()),)},
            ("subjects_missing", "RegistryAccess/shop-harbor spec.subjects"),
        ),
        (
            "a team exists before an access names it",
            {"accesses": (access(**ON_HOST, subjects=Subjects(teams=("ghosts",))),)},
            ("not_known", "RegistryAccess/shop-harbor spec.subjects.teams[0]"),
        ),
        (
            "a team holds a role in the environment before an access names it",
            {"accesses": (access(**ON_HOST, subjects=Subjects(teams=("strangers",))),)},
            ("role_missing", "RegistryAccess/shop-harbor spec.subjects.teams[0]"),
        ),
        (
            "a user holds a role in the environment before an access names them",
            {"accesses": (access(**ON_HOST, subjects=Subjects(("user-a", "user-z"))),)},
            ("role_missing", "RegistryAccess/shop-harbor spec.subjects.users[1]"),
        ),
        (
            "a project exists before an access names it",
            {"accesses": (access(environment=None, project="ghost"),)},
            ("not_known", "RegistryAccess/shop-harbor spec.project"),
        ),
        (
            "an access of a project stays within it",
            {"accesses": (access(environment=None, project="shop-team", namespaces=names("cache")),)},
            ("namespace_outside_project", "RegistryAccess/shop-harbor spec.namespaces.names[0]"),
        ),
        (
            "an access of a project selects nothing by label",
            {"accesses": (access(environment=None, project="shop-team", namespaces=labelled("shop")),)},
            ("selector_with_project", "RegistryAccess/shop-harbor spec.namespaces.selector"),
        ),
        (
            "a project's namespaces are in a cluster",
            {"projects": (Project("p", namespaces=(ProjectNamespaces("host-1", ("x",)),)),)},
            ("namespaces_without_kubernetes", "Project/p spec.namespaces[0].environment"),
        ),
        (
            "a role binding names environments that exist",
            {"role_bindings": (RoleBinding("b", Role.AUDITOR, Subjects(), Scope(("ghost",))),)},
            ("not_known", "RoleBinding/b spec.scope.environments[0]"),
        ),
        ("names are DNS labels", {"teams": (*FLEET.teams, Team("A b"))}, ("name", "Team/A b metadata.name")),
        (
            "names are unique per kind",
            {"groups": (*FLEET.groups, EnvironmentGroup("production"))},
            ("name_twice", "EnvironmentGroup/production metadata.name"),
        ),
        ("an exemption's policy exists", {"exemptions": (exemption(),)}, ("not_known", "Exemption/redis spec.policy")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_step_needs_comes_first(sentence: str, fields: dict[str, Any], problem: tuple[str, str]) -> None:
    assert wrong(**fields) == [problem], sentence


def test_the_same_name_may_stand_in_two_kinds() -> None:
    assert wrong(teams=(*FLEET.teams, Team("production"))) == []


def test_swarms_and_docker_hosts_share_policies_of_type_docker() -> None:
    swarm = EnvironmentGroup("swarms", EnvironmentType.SWARM)
    docker = policy("d", type=DOCKER, groups=("hosts", "swarms"), access=())
    assert wrong(groups=(*FLEET.groups, swarm), policies=(docker,)) == []


def test_only_those_with_a_role_there_can_be_chosen() -> None:
    assert identities(FLEET, HOST) == Subjects(("user-a", "user-b"), ("shop-leads",))
    assert identities(FLEET, DEV) == Subjects()
    everywhere = RoleBinding("all", Role.PLATFORM_ADMIN, Subjects(("root",)))
    assert identities(with_(role_bindings=(everywhere,)), DEV) == Subjects(("root",))
    by_group = RoleBinding("g", Role.OPERATOR, Subjects(("dev",)), Scope(groups=("development",)))
    assert identities(with_(role_bindings=(by_group,)), DEV) == Subjects(("dev",))
