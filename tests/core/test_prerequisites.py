"""What an estate must hold before something else in it means anything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from portreeve.core.cluster import Tier
from portreeve.core.environments import Environment, EnvironmentGroup, EnvironmentType
from portreeve.core.people import BindingScope, Project, ProjectNamespaces, Role, RoleBinding, Subjects, Team
from portreeve.core.policy import Access, Registry, RegistryPolicy
from portreeve.core.prerequisites import validate
from portreeve.core.reference import parse_prefix
from tests.core.estates import DOCKER, FLEET, HOST, PROD, access, exemption, names, policy, with_

SOMEBODY = Subjects(users=("user-b",))
ON_HOST = {"registry": "harbor", "environment": "host-1"}


def wrong(**fields: Any) -> list[tuple[str, str]]:
    return [(problem.code, problem.field) for problem in validate(with_(**fields))]


def _docker(subjects: Subjects) -> RegistryPolicy:
    granted = Access("harbor", names(), subjects=subjects, field="spec.access[0]")
    return policy(type=DOCKER, groups=("hosts",), access=(granted,))


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
            {"environments": (PROD, Environment("s", Tier.STAGING, "hosts", EnvironmentType.SWARM), HOST)},
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
            "whom a policy for Docker names, holds a role there",
            {"policies": (_docker(Subjects(users=("user-z",))),)},
            ("role_missing", "RegistryPolicy/prod-sources spec.access[0].subjects.users[0]"),
        ),
        (
            "a team exists before a policy names it",
            {"policies": (_docker(Subjects(teams=("ghosts",))),)},
            ("not_known", "RegistryPolicy/prod-sources spec.access[0].subjects.teams[0]"),
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
            {"accesses": (access(environment="", namespaces=names("shop")),)},
            ("access_place", "RegistryAccess/shop-harbor spec"),
        ),
        (
            "an access has one target alone",
            {"accesses": (access(project="shop-team", namespaces=names("shop")),)},
            ("access_place", "RegistryAccess/shop-harbor spec"),
        ),
        (
            "in Kubernetes an access is for namespaces",
            {"accesses": (access(namespaces=names()),)},
            ("namespaces_missing", "RegistryAccess/shop-harbor spec.namespaces"),
        ),
        (
            "in Kubernetes an access is not for people",
            {"accesses": (access(subjects=Subjects(users=("user-b",))),)},
            ("access_subjects", "RegistryAccess/shop-harbor spec.subjects"),
        ),
        (
            "a Docker host has no namespaces",
            {"accesses": (access(**ON_HOST, namespaces=names("shop")),)},
            ("namespaces_without_kubernetes", "RegistryAccess/shop-harbor spec.namespaces"),
        ),
        (
            "on a Docker host an access is for somebody",
            {"accesses": (access(**ON_HOST, subjects=Subjects()),)},
            ("namespaces_missing", "RegistryAccess/shop-harbor spec.namespaces"),
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
            {"accesses": (access(**ON_HOST, subjects=Subjects(users=("user-a", "user-z"))),)},
            ("role_missing", "RegistryAccess/shop-harbor spec.subjects.users[1]"),
        ),
        (
            "a project exists before an access names it",
            {"accesses": (access(environment="", project="ghost", namespaces=names("shop")),)},
            ("not_known", "RegistryAccess/shop-harbor spec.project"),
        ),
        (
            "an access of a project stays within it",
            {"accesses": (access(environment="", project="shop-team", namespaces=names("cache")),)},
            ("namespace_outside_project", "RegistryAccess/shop-harbor spec.namespaces.names[0]"),
        ),
        (
            "a registry is one host",
            {"registries": (*FLEET.registries, Registry("wide", "generic", parse_prefix("*.example.com")))},
            ("registry_wildcard", "Registry/wide spec.host"),
        ),
        (
            "a project's namespaces are in a cluster",
            {"projects": (Project("p", namespaces=(ProjectNamespaces("host-1", ("x",)),)),)},
            ("namespaces_without_kubernetes", "Project/p spec.namespaces[0].environment"),
        ),
        (
            "a role binding names environments that exist",
            {"bindings": (RoleBinding("b", Role.AUDITOR, SOMEBODY, BindingScope(("ghost",))),)},
            ("not_known", "RoleBinding/b spec.scope.environments[0]"),
        ),
        (
            "a role binding is for somebody",
            {"bindings": (*FLEET.bindings, RoleBinding("b", Role.AUDITOR))},
            ("subjects_missing", "RoleBinding/b spec.subjects"),
        ),
        (
            "a project names a namespace once",
            {"projects": (*FLEET.projects, Project("p", namespaces=(ProjectNamespaces("dev", ("x", "x")),)))},
            ("namespace_twice", "Project/p spec.namespaces[0].names[1]"),
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


def test_who_only_audits_there_is_granted_nothing() -> None:
    auditing = RoleBinding("audit", Role.AUDITOR, Subjects(users=("user-c",)))
    granted = access(**ON_HOST, subjects=Subjects(users=("user-c",)))
    problem = ("role_missing", "RegistryAccess/shop-harbor spec.subjects.users[0]")
    assert wrong(bindings=(*FLEET.bindings, auditing), accesses=(granted,)) == [problem]
