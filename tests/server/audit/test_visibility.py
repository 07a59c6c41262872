"""The condition on rows selects exactly what the scope admits; and a token's scope narrows it."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert, select
from sqlalchemy.pool import StaticPool

from portreeve.core.authorization import Clause, Principal, Scope, visible_scope
from portreeve.core.cluster import Tier
from portreeve.core.environments import Environment
from portreeve.core.permissions import Kind
from portreeve.server.audit.visibility import place, where
from portreeve.server.database.tables import AUDIT_EVENTS, METADATA
from tests.core.test_authorization import GROUP_OF, PRINCIPALS

ENVIRONMENTS = tuple(Environment(name, Tier.PRODUCTION, group) for name, group in GROUP_OF.items())
PLACES = st.tuples(st.sampled_from(["", "gone", *GROUP_OF]), st.sampled_from(["", "shop-team", "pay-team"]))

ENGINE = create_engine("sqlite://", poolclass=StaticPool)
METADATA.create_all(ENGINE, [AUDIT_EVENTS])

# Both or neither of environments and groups are a condition.
SETS = st.tuples(
    st.frozensets(st.sampled_from([*GROUP_OF]), max_size=2),
    st.frozensets(st.sampled_from([*GROUP_OF.values()]), max_size=2),
)
CLAUSES = st.builds(
    lambda sets, **others: Clause(*sets, **others),
    st.just((None, None)) | SETS,
    bare=st.none() | st.booleans(),
    whole=st.none() | st.booleans(),
    namespaces=st.none() | st.just(frozenset({"shop"})),
    cells=st.none() | st.just(frozenset({("prod-eu", "shop")})),
    projects=st.none() | st.frozensets(st.sampled_from(["", "shop-team"]), max_size=2),
    placed=st.none() | st.booleans(),
    owner=st.none() | st.sampled_from(["", "ada"]),
    subject=st.none() | st.just(("ada", frozenset({"shop"}))),
)


def selected(scope: Scope, places: list[tuple[str, str]]) -> set[int]:
    """The numbers of the events in these places that the condition selects."""
    fixed = {
        "leaf": b"",
        "time": datetime(2026, 11, 20, tzinfo=UTC),
        "principal": "",
        "action": "",
        "kind": "",
        "name": "",
        "outcome": "",
    }
    rows = [
        {**fixed, "request": "", "sequence": number, "environment": environment, "project": project}
        for number, (environment, project) in enumerate(places)
    ]
    with ENGINE.connect() as connection:
        connection.execute(insert(AUDIT_EVENTS), rows)
        found = connection.execute(select(AUDIT_EVENTS.c.sequence).where(where(scope, ENVIRONMENTS)))
        numbers = {number for (number,) in found}
        connection.rollback()
    return numbers


def admitted(scope: Scope, places: list[tuple[str, str]]) -> set[int]:
    return {number for number, one in enumerate(places) if scope.admits(place(*one, ENVIRONMENTS))}


@given(PRINCIPALS, st.lists(PLACES, min_size=1, max_size=8))
def test_rows_are_selected_as_the_scope_of_somebody_admits_them(
    principal: Principal, places: list[tuple[str, str]]
) -> None:
    scope = visible_scope(principal, Kind.AUDIT)
    assert selected(scope, places) == admitted(scope, places)


@given(st.lists(CLAUSES, max_size=3), st.lists(PLACES, min_size=1, max_size=8))
def test_rows_are_selected_as_any_clauses_admit_them(clauses: list[Clause], places: list[tuple[str, str]]) -> None:
    scope = Scope(Kind.AUDIT, tuple(clauses))
    assert selected(scope, places) == admitted(scope, places)
