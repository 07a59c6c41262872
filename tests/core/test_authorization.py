"""The table against its hand-written matrix, laws over generated people and objects, and the edges of each reach."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.authorization import (
    GROUP_KINDS,
    Authentication,
    Clause,
    Principal,
    Resource,
    authenticated,
    authorize,
    authorize_all,
    authorize_missing,
    selectable,
    visible_scope,
)
from portreeve.core.cluster import Tier
from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.people import BindingScope, Project, ProjectNamespaces, Role, RoleBinding, Subjects, Team
from portreeve.core.permissions import OPERATIONS, TABLE, Action, Kind, Line, Reach, listing

MATRIX = Path(__file__).parents[1] / "cases/authorization.yaml"
Cell = tuple[Kind, Action, str, str]

ENVIRONMENTS = (
    Environment("prod-eu", Tier.PRODUCTION, "production"),
    Environment("prod-us", Tier.PRODUCTION, "production"),
    Environment("dev-us", Tier.DEVELOPMENT, "development"),
)
GROUP_OF = {environment.name: environment.group for environment in ENVIRONMENTS}
SHOP = Project("shop-team", Subjects(users=("ada",)), (ProjectNamespaces("prod-eu", ("shop", "shop-jobs")),))
PAY = Project("pay-team", Subjects(users=("pat",)), (ProjectNamespaces("dev-us", ("pay",)),))
IN_SHOP = BindingScope(environments=("prod-eu",), namespaces=("shop",))


def somebody(role: Role | None = None, scope: BindingScope | None = None, user: str = "ada") -> Principal:
    binding = [RoleBinding("b", role, Subjects(users=(user,)), scope or BindingScope())] if role else []
    return authenticated(user, Authentication.OIDC, bindings=binding, environments=ENVIRONMENTS)


PEOPLE = {
    "P": somebody(Role.PLATFORM_ADMIN),
    "E": somebody(Role.ENVIRONMENT_ADMIN, BindingScope(groups=("production",))),
    "J": authenticated("ada", Authentication.OIDC, projects=[SHOP, PAY], environments=ENVIRONMENTS),
    "O": somebody(Role.OPERATOR, IN_SHOP),
    "D": somebody(Role.DEVELOPER, IN_SHOP),
    "A": somebody(Role.AUDITOR),
    "N": somebody(),
}


def at(tenancy: str, kind: Kind) -> Resource:
    """The object of this kind that the matrix means by own, other, none and mine."""
    own = tenancy in {"own", "mine"} or (kind is Kind.REGISTRY_ACCESS and tenancy == "none")
    project = {"own": "shop-team", "other": "pay-team"}.get(tenancy, "")
    environment, group, namespace = ("prod-eu", "production", "shop") if own else ("dev-us", "development", "pay")
    place = Resource(kind, "x")
    if tenancy == "none" and not own:
        return dataclasses.replace(place, owner="somebody-else")
    match kind:
        case Kind.REGISTRY | Kind.CREDENTIAL | Kind.PROJECT:
            return dataclasses.replace(place, project=project)
        case Kind.REGISTRY_POLICY | Kind.ENVIRONMENT_GROUP:
            return dataclasses.replace(place, group=group)
        case Kind.EXEMPTION:
            owner = "ada" if tenancy == "mine" else "somebody-else"
            return dataclasses.replace(place, group=group, namespaces=(namespace,), owner=owner)
        case Kind.ENVIRONMENT:
            return dataclasses.replace(place, environment=environment, group=group)
        case Kind.NAMESPACE | Kind.WORKLOAD | Kind.ROLE_BINDING:
            return dataclasses.replace(place, environment=environment, group=group, namespaces=(namespace,))
        case Kind.REGISTRY_ACCESS | Kind.AUDIT:
            return dataclasses.replace(
                place, environment=environment, group=group, namespaces=(namespace,), project=project
            )
        case Kind.USER:
            return dataclasses.replace(place, name="ada" if own else "bob")
        case Kind.TEAM | Kind.SETTINGS:
            return place


@cache
def matrix() -> dict[Cell, bool]:
    """Kind, action, tenancy, letter of the role → whether it may."""
    cells: dict[Cell, bool] = {}
    for kind, lines in yaml.safe_load(MATRIX.read_text(encoding="utf-8")).items():
        for actions, tenancies in lines.items():
            for action, (tenancy, row) in product(actions.split(), tenancies.items()):
                assert len(row) == len(PEOPLE), (kind, action, row)
                for letter, sign in zip(PEOPLE, row, strict=True):
                    assert sign in {letter, "."}, (kind, action, row)
                    cell = (Kind(kind), Action(action), tenancy, letter)
                    assert cell not in cells, cell
                    cells[cell] = sign == letter
    return cells


def red(table: Sequence[Line], only: tuple[Kind, ...] = tuple(Kind)) -> Iterator[Cell]:
    """The cells in which the table says something else than the matrix."""
    for (kind, action, tenancy, letter), expected in matrix().items():
        if kind in only:
            found = authorize(PEOPLE[letter], action, at(tenancy, kind), table).allowed
            if found != expected:
                yield kind, action, tenancy, letter


def test_the_table_says_what_the_matrix_says_cell_by_cell() -> None:
    assert list(red(TABLE)) == []


def test_every_operation_has_its_cells_and_every_cell_an_operation() -> None:
    operations = {(kind, action) for kind, actions in OPERATIONS.items() for action in actions}
    needed = {(k, a, t, letter) for k, a in operations for t in ("own", "other", "none") for letter in PEOPLE}
    needed |= {(k, a, "mine", letter) for k, a in operations if k is Kind.EXEMPTION for letter in PEOPLE}
    assert set(matrix()) == needed
    assert set(OPERATIONS) == set(Kind)
    assert {action for _, action in operations} == set(Action)


@pytest.mark.parametrize("index", range(len(TABLE)))
def test_no_line_can_be_taken_away_unnoticed_nor_any_cell_of_one(index: int) -> None:
    line, before, after = TABLE[index], TABLE[:index], TABLE[index + 1 :]
    assert next(red((*before, *after), line.kinds), None) is not None
    for kind in line.kinds:
        for action in line.actions:
            others = tuple(k for k in line.kinds if k is not kind)
            rest = tuple(a for a in line.actions if a is not action)
            left = (Line(line.role, line.reach, others, line.actions), Line(line.role, line.reach, (kind,), rest))
            assert next(red((*before, *left, *after), (kind,)), None) is not None, (line.role, kind, action)


@pytest.mark.parametrize("letter", "EJODA")
def test_no_operation_can_be_added_to_a_role_unnoticed(letter: str) -> None:
    role = dict(zip("PEJODA", Role, strict=True))[letter]
    allowed = {(kind, action) for (kind, action, _, who), yes in matrix().items() if who == letter and yes}
    for kind, action in ((k, a) for k, actions in OPERATIONS.items() for a in actions):
        if (kind, action) not in allowed:
            more = Line(role, Reach.SHARED, (kind,), (action,))
            assert next(red((*TABLE, more), (kind,)), None) is not None, (kind, action)


def test_lines_allow_nothing_that_is_no_operation() -> None:
    assert all(action in OPERATIONS[kind] for line in TABLE for kind in line.kinds for action in line.actions)


def test_a_credential_cannot_be_read_by_any_role() -> None:
    assert listing(Kind.CREDENTIAL) is None
    assert not {Action.READ, Action.LIST, Action.BROWSE} & set(OPERATIONS[Kind.CREDENTIAL])
    for principal, action, tenancy in product(PEOPLE.values(), (Action.READ, Action.LIST), ("own", "other", "none")):
        assert not authorize(principal, action, at(tenancy, Kind.CREDENTIAL)).allowed
        assert not visible_scope(principal, Kind.CREDENTIAL).clauses


@pytest.mark.parametrize("line", TABLE, ids=lambda line: f"{line.role}-{line.reach}-{line.kinds[0]}")
def test_what_can_be_listed_can_be_read(line: Line) -> None:
    assert (Action.LIST in line.actions) <= (Action.READ in line.actions)


# Laws. The world is small, so that things meet.

NAMESPACES = ("shop", "shop-jobs", "pay")
USERS = ("ada", "bob", "pat")
TEAMS = (Team("leads", members=("ada",)), Team("crew", oidc_groups=("crew",)))


def some(values: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=2).map(tuple)


SUBJECTS = st.builds(Subjects, some([team.name for team in TEAMS]), some(USERS))
SCOPES = st.builds(BindingScope, some(list(GROUP_OF)), some(["production", "development"]), some(NAMESPACES))
BINDINGS = st.lists(st.builds(RoleBinding, st.just("b"), st.sampled_from(Role), SUBJECTS, SCOPES), max_size=4)
PROJECTS = st.lists(st.sampled_from([SHOP, PAY]), unique=True)


def person(bindings: list[RoleBinding], projects: list[Project], user: str, groups: frozenset[str]) -> Principal:
    return authenticated(
        user,
        Authentication.OIDC,
        teams=TEAMS,
        oidc_groups=groups,
        bindings=bindings,
        projects=projects,
        environments=ENVIRONMENTS,
    )


GROUPS = st.sampled_from([frozenset[str](), frozenset({"crew"})])
PRINCIPALS = st.builds(person, BINDINGS, PROJECTS, st.sampled_from(USERS), GROUPS)


@st.composite
def resources(draw: st.DrawFn) -> Resource:
    kind = draw(st.sampled_from(Kind))
    environment = "" if kind in GROUP_KINDS else draw(st.sampled_from(["", *GROUP_OF]))
    group = GROUP_OF.get(environment) or draw(st.sampled_from(["", "production", "development"]))
    return Resource(
        kind,
        draw(st.sampled_from(USERS)),
        environment,
        group,
        draw(some(NAMESPACES)) if group else (),
        draw(st.sampled_from(["", "shop-team", "pay-team"])),
        draw(st.sampled_from(["", *USERS])),
        draw(SUBJECTS),
    )


@given(PRINCIPALS, resources())
def test_a_list_shows_exactly_what_may_be_listed_one_by_one(principal: Principal, resource: Resource) -> None:
    action = listing(resource.kind)
    one_by_one = action is not None and authorize(principal, action, resource).allowed
    assert visible_scope(principal, resource.kind).admits(resource) == one_by_one


@given(BINDINGS, BINDINGS, PROJECTS, resources())
def test_another_binding_never_takes_a_right_away(
    some_: list[RoleBinding], more: list[RoleBinding], projects: list[Project], resource: Resource
) -> None:
    before, after = person(some_, [], "ada", frozenset()), person([*more, *some_], projects, "ada", frozenset())
    for action in OPERATIONS[resource.kind]:
        assert authorize(before, action, resource).allowed <= authorize(after, action, resource).allowed


@given(resources(), st.sampled_from(Action))
def test_who_has_no_role_reads_themselves_and_nothing_else(resource: Resource, action: Action) -> None:
    itself = resource.kind is Kind.USER and resource.name == "bob" and action in {Action.READ, Action.LIST}
    assert authorize(somebody(user="bob"), action, resource).allowed == itself


IN_PLACES = sorted(set(Kind) - {Kind.REGISTRY, Kind.USER})
"""All but registries, which lie in no namespace, and users, who may read themselves."""


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    "scope", [IN_SHOP, BindingScope(namespaces=("shop",)), BindingScope(("prod-eu",), ("production",), ("shop",))]
)
@given(resources(), st.sampled_from([("pay",), ("shop", "pay"), ("pay", "shop-jobs")]))
def test_a_role_in_one_namespace_never_reaches_another(
    role: Role, scope: BindingScope, resource: Resource, elsewhere: tuple[str, ...]
) -> None:
    principal = somebody(role, scope)
    for kind in IN_PLACES:
        environment = "" if kind in GROUP_KINDS else "prod-eu"
        other = dataclasses.replace(
            resource, kind=kind, environment=environment, group="production", namespaces=elsewhere, subjects=Subjects()
        )
        assert not any(authorize(principal, action, other).allowed for action in OPERATIONS[kind])


@given(resources())
def test_admins_of_a_project_reach_nothing_of_another(resource: Resource) -> None:
    principal = authenticated("ada", Authentication.OIDC, projects=[SHOP, PAY], environments=ENVIRONMENTS)
    cells = {("prod-eu", "shop"), ("prod-eu", "shop-jobs")}
    for project, kind in product(("", "shop-team", "pay-team"), set(Kind) - GROUP_KINDS - {Kind.USER}):
        one = dataclasses.replace(resource, kind=kind, project=project)
        if any(authorize(principal, action, one).allowed for action in OPERATIONS[kind]):
            assert project == "shop-team" or (not project and one.namespaces)
            assert all((one.environment, name) in cells for name in one.namespaces)
            assert one.namespaces or not (one.environment or one.group)


@given(PRINCIPALS, resources(), st.sampled_from(Action))
def test_the_caller_cannot_tell_missing_from_forbidden(
    principal: Principal, resource: Resource, action: Action
) -> None:
    decision = authorize(principal, action, resource)
    missing = authorize_missing(principal, action, resource.kind, resource.name)
    assert not missing.allowed
    assert decision.text == missing.text
    assert missing.why.startswith("there is no")
    if not decision.allowed:
        assert not decision.why.startswith("there is no")


@given(PRINCIPALS, resources())
def test_nobody_approves_what_they_asked_for(principal: Principal, resource: Resource) -> None:
    for owner in (principal.user, ""):
        mine = dataclasses.replace(resource, kind=Kind.EXEMPTION, environment="", namespaces=(), owner=owner)
        assert not authorize(principal, Action.APPROVE, mine).allowed


# Edges.


def test_only_an_authenticator_makes_a_principal() -> None:
    with pytest.raises(TypeError):
        Principal("ada", frozenset(), (), Authentication.OIDC, object())
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(somebody(), user="bob")  # type: ignore[call-arg]  # the point of the test
    with pytest.raises(ValueError, match="nobody"):
        authenticated("", Authentication.OIDC)


def test_a_binding_of_project_admin_counts_for_nothing() -> None:
    assert somebody(Role.PROJECT_ADMIN).holdings == ()


def test_a_role_in_one_environment_does_not_change_what_its_whole_group_lives_by() -> None:
    admin = somebody(Role.ENVIRONMENT_ADMIN, BindingScope(environments=("prod-eu",)))
    policy = Resource(Kind.REGISTRY_POLICY, "p", group="production")
    assert authorize(admin, Action.READ, policy).allowed
    assert not authorize(admin, Action.UPDATE, policy).allowed
    exemption = Resource(Kind.EXEMPTION, "e", group="production", owner="bob")
    assert authorize(admin, Action.CREATE, exemption).allowed
    assert not authorize(admin, Action.APPROVE, exemption).allowed
    for kind in GROUP_KINDS:
        with pytest.raises(ValueError, match="lies in its group"):
            Resource(kind, "p", environment="prod-eu", group="production")


def test_a_neighbour_in_the_group_is_not_seen() -> None:
    developer = somebody(Role.DEVELOPER, BindingScope(environments=("prod-eu",)))
    neighbour = Resource(Kind.ENVIRONMENT, "prod-us", "prod-us", "production")
    assert not authorize(developer, Action.READ, neighbour).allowed


def test_developers_deploy_only_where_a_binding_names_the_namespace() -> None:
    wide = somebody(Role.DEVELOPER, BindingScope(environments=("prod-eu",)))
    assert authorize(wide, Action.READ, at("own", Kind.WORKLOAD)).allowed
    assert not authorize(wide, Action.DEPLOY, at("own", Kind.WORKLOAD)).allowed


def test_a_grant_on_docker_is_seen_by_those_it_names() -> None:
    docker = Resource(Kind.REGISTRY_ACCESS, "a", "host-1", "hosts", subjects=Subjects(("leads",), ("bob",)))
    scope = BindingScope(environments=("host-1",))
    binding = RoleBinding("b", Role.DEVELOPER, Subjects(users=USERS), scope)
    seen = {u: authorize(person([binding], [], u, frozenset()), Action.READ, docker).allowed for u in USERS}
    assert seen == {"ada": True, "bob": True, "pat": False}


def test_an_object_in_several_places_needs_the_right_in_each() -> None:
    admin = somebody(Role.ENVIRONMENT_ADMIN, BindingScope(groups=("production",)))
    parts = [Resource(Kind.REGISTRY_POLICY, "p", group=group) for group in ("production", "development")]
    assert authorize_all(admin, Action.UPDATE, parts[:1]).allowed
    assert not authorize_all(admin, Action.UPDATE, parts).allowed
    with pytest.raises(ValueError, match="nothing to decide"):
        authorize_all(admin, Action.UPDATE, [])


def test_an_audit_reads_why_and_the_caller_does_not() -> None:
    denied = authorize(PEOPLE["D"], Action.READ, at("other", Kind.NAMESPACE))
    assert denied.why == "the object is out of reach of developer (b) within"
    assert denied.text == "there is no namespace called x that you may read"
    unheard = authorize(PEOPLE["D"], Action.READ, at("own", Kind.TEAM))
    assert unheard.why == "developer may not read any team"
    allowed = authorize(PEOPLE["D"], Action.READ, at("own", Kind.NAMESPACE))
    assert (allowed.role, allowed.why) == (Role.DEVELOPER, "developer (b) may read each namespace within")


def test_no_condition_admits_everything_and_namespaces_need_a_place() -> None:
    assert Clause().admits(Resource(Kind.TEAM, "t"))
    with pytest.raises(ValueError, match="namespaces lie"):
        Resource(Kind.NAMESPACE, "n", namespaces=("shop",))


HOST = Environment("host-1", Tier.DEVELOPMENT, "hosts", EnvironmentType.DOCKER)


@pytest.mark.parametrize(
    ("environment", "binding", "expected"),
    [
        (ENVIRONMENTS[0], RoleBinding("b", Role.DEVELOPER, Subjects(("leads",)), IN_SHOP), (("leads",), ("ada",))),
        (ENVIRONMENTS[0], RoleBinding("b", Role.OPERATOR, Subjects(users=("pat",))), ((), ("pat",))),
        (ENVIRONMENTS[1], RoleBinding("b", Role.DEVELOPER, Subjects(("leads",)), IN_SHOP), ((), ())),
        (ENVIRONMENTS[0], RoleBinding("b", Role.AUDITOR, Subjects(("leads",))), ((), ())),
        (ENVIRONMENTS[0], RoleBinding("b", Role.DEVELOPER, Subjects(("unknown",))), ((), ())),
        (
            HOST,
            RoleBinding("b", Role.DEVELOPER, Subjects(users=("pat",)), BindingScope(groups=("hosts",))),
            ((), ("pat",)),
        ),
        (
            HOST,
            RoleBinding("b", Role.DEVELOPER, Subjects(users=("pat",)), BindingScope(namespaces=("shop",))),
            ((), ()),
        ),
    ],
)
def test_who_has_no_role_in_an_environment_cannot_be_chosen(
    environment: Environment, binding: RoleBinding, expected: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    assert selectable(environment, [binding], TEAMS) == Subjects(*expected)
