"""Every operation, every role, every tenancy; what each check is for; and that no answer's shape can hold a secret.

A new operation fails here until tests/cases/operations.yaml says who may call it. Sources: threats API-01, API-03 and
API-04; OWASP ASVS 5.0, 8.2 and 8.3.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Clause, Decision, Scope
from portreeve.core.permissions import Action, Kind
from portreeve.errors import Stalled
from portreeve.server.access_matrix import routes as matrix_routes
from portreeve.server.access_matrix import service as matrix_service
from portreeve.server.access_requests import service as request_service
from portreeve.server.audit import service as audit_service
from portreeve.server.credentials.service import Credentials
from portreeve.server.desired import routes as desired_routes
from portreeve.server.documents import service as documents_service
from portreeve.server.documents import watch
from portreeve.server.exemptions import service as exemption_service
from portreeve.server.fleet import service as fleet_service
from portreeve.server.http import guard
from portreeve.server.http.guard import GuardedRoute
from portreeve.server.http.openapi import describe
from portreeve.server.images import judged
from portreeve.server.images import routes as image_routes
from portreeve.server.images import service as image_service
from portreeve.server.images.judged import Judgements
from portreeve.server.inventory import service as inventory_service
from portreeve.server.people.authenticator import People
from tests.server.matrix import WHERE, Operation, cells, described, expectations, operation, red
from tests.server.plane import Plane, running
from tests.server.scene import Scene, set_up

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module", autouse=True)
def nothing_comes_by_itself() -> Iterator[None]:
    """The log's tasks wait longer than the tests run: what a cell needs is set up, not hoped for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_service, "TICK_S", 3600.0)
        yield


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One scene for the whole matrix: its requests leave it as it is."""
    directory = tmp_path_factory.mktemp("matrix")
    async with running(f"sqlite:///{directory / 'portreeve.db'}", directory) as plane:
        yield await staged(plane)


async def staged(plane: Plane) -> Scene:
    plane.app.state.described = describe(plane.app)
    return await set_up(plane)


def of(scene: Scene, name: str) -> Operation:
    return operation(scene.plane.app.state.described, name)


async def test_every_operation_has_its_cells_and_every_cell_an_operation(scene: Scene) -> None:
    there = set(described(scene.plane.app.state.described))
    assert not there - set(expectations()), f"no expectations for {sorted(there - set(expectations()))}: {WHERE}"
    assert not set(expectations()) - there, f"no operation {sorted(set(expectations()) - there)}: take it away"


async def test_only_these_operations_are_open_to_everybody(scene: Scene) -> None:
    paths = scene.plane.app.state.described["paths"].values()
    found = {one["operationId"] for methods in paths for one in methods.values() if "security" not in one}
    assert found == {name for name, expected in expectations().items() if expected.get("any", "").endswith("X")}


@pytest.mark.parametrize("name", sorted(expectations()))
async def test_each_caller_gets_what_the_matrix_says(scene: Scene, name: str) -> None:
    found = [why for _, why in await red(scene, of(scene, name))]
    assert not found, "\n".join(found)


@pytest.mark.slow
async def test_the_matrix_holds_on_postgresql(postgres_database: str, tmp_path: Path) -> None:
    async with running(postgres_database, tmp_path) as plane:
        held = await staged(plane)
        found = [why for name in sorted(expectations()) for _, why in await red(held, of(held, name))]
    assert not found, "\n".join(found)


YES = Decision(True, "mutated")


def always(*_: Any, **__: Any) -> Decision:
    return YES


async def nothing(*_: Any, **__: Any) -> None:
    return None


def everybody_is_root(scene: Scene) -> Any:
    proven = People.caller

    async def caller(self: People, request: Request) -> Any:
        request.scope["headers"] = [(b"authorization", scene.root.headers["authorization"].encode())]
        return await proven(self, request)

    return caller


def registries_alone(granted: Callable[[Any], set[Any]]) -> Callable[[Any], set[Any]]:
    """What a document grants, without where and to whom: as it once was, and a grant could be carried elsewhere."""
    return lambda stored: {(registry, None, None, None) for registry, *_ in granted(stored)}


class Everywhere:
    """As `image_service.Places`, of somebody who may see everything."""

    def admit(self, *_: str) -> bool:
        return True


async def everything(self: Judgements, _: Any, snapshot: Any, now: Any) -> Any:
    return judged._visible(await self.at(snapshot, now), Everywhere())  # type: ignore[arg-type]


async def unkept(self: fleet_service.Fleets, caller: Any, snapshot: Any, now: Any) -> Any:
    return fleet_service._fleet(caller, snapshot, await everything(self._judgements, caller, snapshot, now), now)


Change = Callable[[pytest.MonkeyPatch, Scene], None]

MUTATIONS: dict[str, tuple[Change, str]] = {
    "a change is not decided on": (
        lambda patch, _: patch.setattr(documents_service, "decide", always),
        "replace_teams/own/N",
    ),
    "what stays as it is, is not decided on": (
        lambda patch, _: patch.setattr(documents_service, "_unchanged", lambda _: ()),
        "replace_projects/same/D",
    ),
    "whoever may write a grant may grant any registry": (
        lambda patch, _: patch.setattr(documents_service, "_grants", lambda *_: ()),
        "create_access/own/E",
    ),
    "a policy grants a registry without a decision": (
        lambda patch, _: patch.setattr(documents_service, "_grants", lambda *_: ()),
        "replace_policies/carried/E",
    ),
    "an update of an access asks for less than its creation": (
        lambda patch, _: patch.setattr(documents_service, "_granted", registries_alone(documents_service._granted)),
        "replace_access/spread/E",
    ),
    "an update of an access asks nothing of its registry": (
        lambda patch, _: patch.setattr(documents_service, "_grants", lambda *_: ()),
        "replace_access/carried/J",
    ),
    "a document is read without a decision": (
        lambda patch, _: patch.setattr(documents_service.Documents, "_may", always),
        "read_registries/other/J",
    ),
    "lists are not filtered": (
        lambda patch, _: patch.setattr(
            documents_service, "seen", lambda _, kind, held: [*held.of_kind(kind.name).values()]
        ),
        "listed_registries/other/D",
    ),
    "lists do not look at the kinds of a token": (
        lambda patch, _: patch.setattr(documents_service, "in_scope", lambda *_: True),
        "twin_projects/own/K",
    ),
    "a stream of changes is not filtered": (
        lambda patch, _: patch.setattr(watch, "seen", lambda _, kind, held: [*held.of_kind(kind.name).values()]),
        "watch/other/N",
    ),
    "the scope of a token counts for nothing": (
        lambda patch, _: patch.setattr(guard, "_in_scope", lambda *_: True),
        "delete_groups/own/R",
    ),
    "a credential is stored without a decision": (
        lambda patch, _: patch.setattr(Credentials, "_decide", staticmethod(lambda *_: None)),
        "set_credentials/other/J",
    ),
    "an exemption is stepped on without a decision": (
        lambda patch, _: patch.setattr(exemption_service, "may", always),
        "approve_exemptions/mine/D",
    ),
    "who asked for a renewal is not who asked first": (
        lambda patch, _: (
            patch.setattr(exemption_service, "_asked_by", lambda stored, held, _: [])
            or patch.setattr(exemption_service, "may", always)
        ),
        "deny_exemptions/mine/P",
    ),
    "a verdict is given without a decision": (
        lambda patch, _: patch.setattr(image_routes, "may", always),
        "read_verdict/other/D",
    ),
    "running images are not filtered": (
        lambda patch, _: patch.setattr(Judgements, "visible", everything),
        "list_images/other/O",
    ),
    "the map is not filtered": (
        lambda patch, _: (
            patch.setattr(Judgements, "visible", everything) or patch.setattr(fleet_service.Fleets, "of", unkept)
        ),
        "read_fleet_map/other/J",
    ),
    "images do not look at the kinds of a token": (
        lambda patch, _: patch.setattr(image_service, "in_scope", lambda *_: True),
        "list_images/own/K",
    ),
    "an inventory is not filtered": (
        lambda patch, _: patch.setattr(inventory_service.Sees, "place", lambda *_: True),
        "list_inventory/other/O",
    ),
    "an inventory does not look at the kinds of a token": (
        lambda patch, _: patch.setattr(inventory_service, "in_scope", lambda *_: True),
        "list_inventory/own/K",
    ),
    "what is needed is told with registries that nobody may see": (
        lambda patch, _: patch.setattr(
            inventory_service, "seen", lambda _, kind, held: [*held.of_kind(kind.name).values()]
        ),
        "list_needed/own/D",
    ),
    "what is not used is told with grants that nobody may see": (
        lambda patch, _: (
            patch.setattr(inventory_service, "seen", lambda _, kind, held: [*held.of_kind(kind.name).values()])
            or patch.setattr(inventory_service.Sees, "place", lambda *_: True)
        ),
        "twin_unused/other/J",
    ),
    "the matrix shows every row": (
        lambda patch, _: (
            patch.setattr(matrix_service._Eyes, "row", lambda *_: True)
            or patch.setattr(matrix_service._Eyes, "cells", lambda _, row: row)
        ),
        "list_access_matrix/other/E",
    ),
    "the matrix does not look at the kinds of a token": (
        lambda patch, _: (
            patch.setattr(matrix_service, "in_scope", lambda *_: True)
            or patch.setattr(inventory_service, "in_scope", lambda *_: True)
        ),
        "twin_access_matrix/own/K",
    ),
    "a policy is explained without a decision": (
        lambda patch, _: patch.setattr(matrix_routes, "may", always),
        "read_environment_policy/other/D",
    ),
    "whom a grant may name is told without a decision": (
        lambda patch, _: patch.setattr(matrix_routes, "may", always),
        "list_identities/own/D",
    ),
    "requests of namespaces are not filtered": (
        lambda patch, _: patch.setattr(request_service, "visible_scope", lambda _, kind: Scope(kind, (Clause(),))),
        "list_access_requests/other/O",
    ),
    "requests of namespaces do not look at the kinds of a token": (
        lambda patch, _: patch.setattr(request_service, "in_scope", lambda *_: True),
        "twin_access_requests/own/K",
    ),
    "a request is refused without a decision": (
        lambda patch, _: patch.setattr(request_service, "may", always),
        "deny_access_request/other/E",
    ),
    "a desired state is shown without a decision": (
        lambda patch, _: patch.setattr(desired_routes, "may", always),
        "read_desired/own/D",
    ),
    "another's plan is shown without a decision": (
        lambda patch, scene: patch.setattr(scene.plane.server.documents, "preview", nothing),
        "read_plans/other/N",
    ),
    "nobody is authenticated": (
        lambda patch, scene: patch.setattr(People, "caller", everybody_is_root(scene)),
        "read_users/other/X",
    ),
}
"""What somebody may break in the code → how, and the cell that must turn red."""


@pytest.mark.parametrize("broken", list(MUTATIONS))
async def test_taking_any_check_away_turns_its_cell_red(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    change, cell = MUTATIONS[broken]
    one = of(scene, cell.partition("/")[0])
    assert cell in map(str, cells(one))
    with monkeypatch.context() as patch:
        change(patch, scene)
        found = {str(turned) for turned, _ in await red(scene, one, cell.split("/")[1])}
    assert cell in found, f"{broken}, and {cell} does not see it"


async def test_a_route_without_a_policy_stops_the_start() -> None:
    async def handler(request: Request) -> Response:
        return Response()

    with pytest.raises(Stalled) as failed:
        APIRouter(route_class=GuardedRoute).add_api_route("/api/v1/forgotten", handler)
    assert failed.value.code == "route_without_policy"


async def test_a_handler_that_forgets_to_ask_gives_nothing_away(scene: Scene) -> None:
    async def handler(request: Request) -> Response:
        return Response(b"the canary", headers={"X-Canary": "the canary"})

    router = APIRouter(route_class=GuardedRoute)
    router.add_api_route("/api/v1/forgotten", guard.authorised((Kind.TEAM, Action.READ))(handler))
    routes = scene.plane.app.router.routes
    routes.extend(router.routes)
    try:
        answer = await scene.clients["P"].get("/api/v1/forgotten")
    finally:
        del routes[-len(router.routes) :]
    assert (answer.status_code, answer.json()["code"]) == (500, "route_undecided")
    assert "canary" not in answer.text + str(answer.headers)


SECRET_FIELDS = ("secret", "password", "passphrase", "privatekey", "envelope")
"""Parts of the names of fields that hold secrets, or what stands for one."""

SHOWN_ONCE = ("make_my_token",)
"""Operations whose very answer is a new secret, which nobody can ask for a second time."""


def fields(schema: Any, whole: Mapping[str, Any], seen: frozenset[str] = frozenset()) -> Iterator[tuple[str, Any]]:
    """Every property below a schema, through references."""
    if isinstance(schema, list):
        for inner in schema:
            yield from fields(inner, whole, seen)
    elif isinstance(schema, Mapping):
        target = schema.get("$ref")
        if isinstance(target, str) and target not in seen:
            yield from fields(whole["components"]["schemas"][target.rpartition("/")[2]], whole, seen | {target})
        for name, inner in schema.items():
            if name == "properties":
                yield from inner.items()
            yield from fields(inner, whole, seen)


async def test_no_answer_has_a_field_for_a_secret(scene: Scene) -> None:
    whole = scene.plane.app.state.described
    for methods in whole["paths"].values():
        for one in methods.values():
            for status, answer in one["responses"].items():
                for name, schema in fields(answer.get("content", {}), whole):
                    plain = name.lower().replace("_", "")
                    allowed = one["operationId"] in SHOWN_ONCE
                    assert allowed or not any(word in plain for word in SECRET_FIELDS), (
                        one["operationId"],
                        status,
                        name,
                    )
                    assert not (isinstance(schema, Mapping) and schema.get("writeOnly")), (one["operationId"], name)


async def test_secrets_that_are_sent_are_marked_as_such(scene: Scene) -> None:
    whole = scene.plane.app.state.described
    sent = [
        (one["operationId"], name, schema)
        for methods in whole["paths"].values()
        for one in methods.values()
        for name, schema in fields(one.get("requestBody", {}), whole)
    ]
    assert {name for operation, name, _ in sent if operation == "set_credentials"} == {"secret", "expiresAt"}
    unmarked = [
        (operation, name) for operation, name, schema in sent if name in WRITTEN and not schema.get("writeOnly")
    ]
    assert unmarked == []


WRITTEN = ("secret", "password", "current", "next")
"""Fields of request bodies that hold a secret."""
