"""A scope says enough for a store: turned into a WHERE, it selects in SQLite what it admits one by one."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.authorization import Clause, Principal, Resource, Scope, visible_scope
from tests.core.test_authorization import PRINCIPALS, resources

COLUMNS = "kind, name, environment, grp, namespaces, project, owner, teams, users"


def row(resource: Resource) -> tuple[str, ...]:
    return (
        resource.kind,
        resource.name,
        resource.environment,
        resource.group,
        json.dumps(resource.namespaces),
        resource.project,
        resource.owner,
        json.dumps(resource.subjects.teams),
        json.dumps(resource.subjects.users),
    )


class Where:
    """A condition under construction, with its parameters in order."""

    def __init__(self) -> None:
        self.parameters: list[str] = []

    def among(self, values: Collection[str]) -> str:
        self.parameters += sorted(values)
        return f"({', '.join('?' * len(values))})"

    def scope(self, scope: Scope) -> str:
        any_of = [f"({self.clause(clause)})" for clause in scope.clauses]
        if scope.themselves is not None:
            any_of.append(f"name IN {self.among([scope.themselves])}")
        return f"({' OR '.join(any_of) or 'FALSE'}) AND kind IN {self.among([scope.kind])}"

    def clause(self, clause: Clause) -> str:
        all_of = ["TRUE"]
        if clause.environments is not None and clause.groups is not None:
            places = f"environment IN {self.among(clause.environments)}"
            all_of.append(f"({places} OR grp IN {self.among(clause.groups)})")
        if clause.bare is not None:
            all_of.append("environment = ''" if clause.bare else "environment <> ''")
        if clause.whole is not None:
            all_of.append("namespaces = '[]'" if clause.whole else "namespaces <> '[]'")
        if clause.namespaces is not None:
            all_of.append(self.none_outside("value", clause.namespaces))
        if clause.cells is not None:
            all_of.append(self.none_outside("environment || '/' || value", ["/".join(cell) for cell in clause.cells]))
        if clause.projects is not None:
            all_of.append(f"project IN {self.among(clause.projects)}")
        if clause.placed is not None:
            all_of.append(f"{'' if clause.placed else 'NOT '}(environment <> '' OR grp <> '')")
        if clause.owner is not None:
            all_of.append(f"owner IN {self.among([clause.owner])}")
        if clause.subject is not None:
            user, teams = clause.subject
            named = f"EXISTS (SELECT 1 FROM json_each(users) WHERE value IN {self.among([user])})"
            named += f" OR EXISTS (SELECT 1 FROM json_each(teams) WHERE value IN {self.among(teams)})"
            all_of.append(f"((teams = '[]' AND users = '[]') OR {named})")
        return " AND ".join(all_of)

    def none_outside(self, what: str, values: Collection[str]) -> str:
        outside = f"SELECT 1 FROM json_each(namespaces) WHERE {what} NOT IN {self.among(values)}"
        return f"namespaces <> '[]' AND NOT EXISTS ({outside})"


@given(PRINCIPALS, st.lists(resources(), min_size=1, max_size=12))
def test_a_store_selects_what_the_scope_admits(principal: Principal, objects: list[Resource]) -> None:
    store = sqlite3.connect(":memory:")
    store.execute(f"CREATE TABLE object (number, {COLUMNS})")
    rows = [(number, *row(resource)) for number, resource in enumerate(objects)]
    store.executemany(f"INSERT INTO object VALUES ({', '.join('?' * 10)})", rows)
    for kind in {resource.kind for resource in objects}:
        scope, where = visible_scope(principal, kind), Where()
        found = store.execute(f"SELECT number FROM object WHERE {where.scope(scope)}", where.parameters)
        assert {number for (number,) in found} == {n for n, resource in enumerate(objects) if scope.admits(resource)}
    store.close()
