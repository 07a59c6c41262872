"""Environments, groups, projects, accesses, teams and role bindings: read, refused, written and read again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.cluster import LabelSelector, NamespaceSelection, Tier
from portreeve.core.environments import Environment, EnvironmentGroup, EnvironmentType
from portreeve.core.people import BindingScope, Project, ProjectNamespaces, Role, RoleBinding, Subjects, Team
from portreeve.core.policy import Delivery, DeliveryMode, RegistryAccess
from portreeve.errors import Invalid
from portreeve.wire.documents import read_documents
from portreeve.wire.dump import Tenancy, dump
from tests.wire.test_dump import DELIVERY, LABEL, NAMES, SELECTION, SOME_NAMES, TEXT, WORDS
from tests.wire.validators import validator


def document(kind: str, name: str = "a", **spec: object) -> dict[str, Any]:
    return {"apiVersion": "portreeve.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def read(*mappings: dict[str, Any]) -> list[object]:
    found = read_documents([(mapping, "d.yaml", 1 + index) for index, mapping in enumerate(mappings)])
    assert found.warnings == ()
    parts = (found.groups, found.environments, found.projects, found.accesses, found.teams, found.bindings)
    return [value for values in parts for value in values]


READ = [
    (
        document("EnvironmentGroup", "production", type="kubernetes", title="Production"),
        EnvironmentGroup("production", EnvironmentType.KUBERNETES, "Production"),
    ),
    (document("EnvironmentGroup"), EnvironmentGroup("a")),
    (
        document("Environment", "prod-eu", type="swarm", tier="production", group="production", title="EU"),
        Environment("prod-eu", Tier.PRODUCTION, "production", EnvironmentType.SWARM, "EU"),
    ),
    (
        document(
            "Project",
            "shop-team",
            admins={"teams": ["shop-leads"], "users": ["ada"]},
            namespaces=[{"environment": "prod-eu", "names": ["shop", "shop-jobs"]}],
        ),
        Project(
            "shop-team", Subjects(("shop-leads",), ("ada",)), (ProjectNamespaces("prod-eu", ("shop", "shop-jobs")),)
        ),
    ),
    (
        document(
            "RegistryAccess",
            registry="harbor-prod",
            environment="prod-eu",
            namespaces={"names": ["shop"], "selector": {"matchLabels": {"team": "shop"}}},
            subjects={"teams": [], "users": []},
            delivery={"mode": "lease"},
        ),
        RegistryAccess(
            "a",
            "harbor-prod",
            "prod-eu",
            namespaces=NamespaceSelection(("shop",), LabelSelector((("team", "shop"),))),
            delivery=Delivery(DeliveryMode.LEASE),
        ),
    ),
    (
        document("RegistryAccess", registry="harbor-prod", environment="host-1", subjects={"teams": ["crew"]}),
        RegistryAccess("a", "harbor-prod", "host-1", subjects=Subjects(("crew",))),
    ),
    (
        document("Team", title="null", members=["user@example.com"], oidcGroups=["/shop/leads"]),
        Team("a", "null", ("user@example.com",), ("/shop/leads",)),
    ),
    (
        document(
            "RoleBinding",
            role="operator",
            subjects={"teams": ["shop-leads"]},
            scope={"environments": ["prod-eu"], "groups": [], "namespaces": ["shop"]},
        ),
        RoleBinding("a", Role.OPERATOR, Subjects(("shop-leads",)), BindingScope(("prod-eu",), (), ("shop",))),
    ),
]


@pytest.mark.parametrize(("mapping", "value"), READ)
def test_every_field_is_read(mapping: dict[str, Any], value: object) -> None:
    assert read(mapping) == [value]


ACCESS: dict[str, Any] = {"registry": "r", "environment": "e", "namespaces": {"names": ["n"]}}
BINDING: dict[str, Any] = {"role": "operator", "subjects": {"users": ["ada"]}}

REFUSED = [
    (document("EnvironmentGroup", "No"), "name", "metadata.name"),
    (document("EnvironmentGroup", type="podman"), "field_value", "spec.type"),
    (document("Environment", tier="production"), "field_missing", "spec.group"),
    (document("Environment", group="g"), "field_missing", "spec.tier"),
    (document("Environment", tier="qa", group="g"), "field_value", "spec.tier"),
    (document("Environment", tier="staging", group="G!"), "name", "spec.group"),
    (document("Project", admins={"teams": ["Leads"]}), "name", "spec.admins.teams[0]"),
    (document("Project", namespaces=[{"environment": "e"}]), "field_missing", "spec.namespaces[0].names"),
    (document("Project", namespaces=[{"environment": "e", "names": []}]), "field_empty", "spec.namespaces[0].names"),
    (
        document("Project", namespaces=[{"environment": "e", "names": ["shop-*"]}]),
        "name",
        "spec.namespaces[0].names[0]",
    ),
    (
        document("Project", namespaces=[{"environment": "e", "names": ["n"]}, {"environment": "e", "names": ["n"]}]),
        "namespace_twice",
        "spec.namespaces[1].names[0]",
    ),
    (document("RegistryAccess", **ACCESS | {"environment": None}), "access_place", "spec"),
    (document("RegistryAccess", **ACCESS, project="p"), "access_place", "spec"),
    (document("RegistryAccess", **ACCESS | {"namespaces": {}}), "namespaces_missing", "spec.namespaces"),
    (document("RegistryAccess", **ACCESS, subjects={"users": ["ada"]}), "access_subjects", "spec.subjects"),
    (
        document("RegistryAccess", registry="r", project="p", subjects={"users": ["ada"]}),
        "access_subjects",
        "spec.subjects",
    ),
    (document("RegistryAccess", **ACCESS | {"registry": "r.io"}), "name", "spec.registry"),
    (document("Team", members="ada"), "field_type", "spec.members"),
    (document("RoleBinding", **BINDING | {"role": "project-admin"}), "role_not_bound", "spec.role"),
    (document("RoleBinding", **BINDING | {"role": "root"}), "field_value", "spec.role"),
    (document("RoleBinding", role="operator"), "subjects_missing", "spec.subjects"),
    (
        document("RoleBinding", **BINDING | {"role": "platform-admin"}, scope={"groups": ["g"]}),
        "role_scope",
        "spec.scope",
    ),
    (document("RoleBinding", **BINDING, scope={"namespaces": ["*"]}), "name", "spec.scope.namespaces[0]"),
]


@pytest.mark.parametrize(("mapping", "code", "field"), REFUSED)
def test_what_is_wrong_is_named_with_its_field(mapping: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(mapping)
    assert [(problem.code, problem.field) for problem in caught.value.problems] == [(code, field)]


@pytest.mark.parametrize(
    ("mapping", "field", "hint"),
    [
        (document("Team", member=["ada"]), "spec.member", "did you mean members?"),
        (document("Team", oidc_groups=["g"]), "spec.oidc_groups", "did you mean oidcGroups?"),
        (document("Environment", tier="staging", group="g", groups=["g"]), "spec.groups", "did you mean group?"),
        (
            document("RoleBinding", **BINDING, environments=["e"]),
            "spec.environments",
            "it belongs at spec.scope.environments",
        ),
        (document("Project", teams=["t"]), "spec.teams", "it belongs at spec.admins.teams"),
        (document("RegistryAccess", **ACCESS, mode="lease"), "spec.mode", "it belongs at spec.delivery.mode"),
    ],
)
def test_an_unknown_field_is_refused_with_a_hint(mapping: dict[str, Any], field: str, hint: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(mapping)
    (problem,) = caught.value.problems
    assert (problem.code, problem.field, problem.hint) == ("field_unknown", field, hint)


USERS = st.lists(WORDS, unique=True, max_size=3).map(tuple)
SUBJECTS = st.builds(Subjects, NAMES, USERS)
SOMEBODY = SUBJECTS.filter(lambda subjects: not subjects.nobody)
TYPES = st.sampled_from(EnvironmentType)
SCOPES = st.builds(BindingScope, NAMES, NAMES, NAMES)
ROLES = st.sampled_from([role for role in Role if role not in {Role.PROJECT_ADMIN, Role.PLATFORM_ADMIN}])
PARTS = st.lists(
    st.builds(ProjectNamespaces, LABEL, SOME_NAMES), max_size=3, unique_by=lambda part: part.environment
).map(tuple)
VALUES: st.SearchStrategy[Tenancy] = st.one_of(
    st.builds(EnvironmentGroup, LABEL, TYPES, TEXT),
    st.builds(Environment, LABEL, st.sampled_from(Tier), LABEL, TYPES, TEXT),
    st.builds(Project, LABEL, SUBJECTS, PARTS, TEXT),
    st.builds(RegistryAccess, LABEL, LABEL, LABEL, st.just(""), SELECTION, delivery=DELIVERY),
    st.builds(RegistryAccess, LABEL, LABEL, st.just(""), LABEL, SELECTION, delivery=DELIVERY),
    st.builds(RegistryAccess, LABEL, LABEL, LABEL, subjects=SOMEBODY, delivery=DELIVERY),
    st.builds(Team, LABEL, TEXT, USERS, USERS),
    st.builds(RoleBinding, LABEL, ROLES, SOMEBODY, SCOPES),
    st.builds(RoleBinding, LABEL, st.just(Role.PLATFORM_ADMIN), SOMEBODY),
)


@given(VALUES)
def test_what_is_written_reads_as_the_same_and_fits_its_schema(value: Tenancy) -> None:
    written = json.loads(json.dumps(dump(value)))
    assert read(written) == [value]
    assert dump(value)["kind"] == type(value).__name__
    validator(written["kind"]).validate(written)


def test_a_name_counts_once_per_kind() -> None:
    assert len(read(document("Team"), document("Project"))) == 2
    with pytest.raises(Invalid) as caught:
        read(document("Team"), document("Team"))
    assert [problem.code for problem in caught.value.problems] == ["name_twice"]
