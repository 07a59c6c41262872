"""The routes of agents for people: ask for an enrolment, see how an agent stands, shut it out."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Resource
from portreeve.core.estate import Key
from portreeve.core.permissions import Action, Kind
from portreeve.server.agents.service import Agents, Issued
from portreeve.server.database.writer import Transaction
from portreeve.server.documents.service import Documents
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.view import agent_shown, time
from portreeve.server.http.answers import Answer
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import GuardedRoute, authorised, caller_of, decided, may, may_not, refused

Name = Annotated[str, Path(description="metadata.name of the Environment", max_length=253)]

PROGRAM: Final = "portreeve-agent"


def routes(documents: Documents, agents: Agents, base: str) -> APIRouter:
    """All of them. `base` is what stands before the path in an address of ours."""
    router = APIRouter(route_class=GuardedRoute, tags=["agents"])
    path = "/api/v1/environments/{name}"

    @router.post(
        f"{path}/enrolment",
        operation_id="enrol_environment",
        summary="A token that enrols one agent for an environment: answered once, and stored nowhere",
        status_code=201,
    )
    @authorised((Kind.ENVIRONMENT, Action.ENROL))
    async def enrol(request: Request, name: Name) -> Response:
        caller = caller_of(request)

        async def job(transaction: Transaction) -> Issued:
            _see(caller, transaction.snapshot, name, Action.ENROL)
            return await agents.enrolment(transaction, caller, name)

        issued = await agents.writer.run(job)
        decided(request)
        return Answer(201, _issued(issued, base), {"Cache-Control": "no-store"}).response()

    @router.get(f"{path}/agent", operation_id="read_agent", summary="How the agent of an environment stands")
    @authorised((Kind.ENVIRONMENT, Action.READ))
    async def read(request: Request, name: Name) -> Response:
        snapshot = await documents.snapshot()
        _see(caller_of(request), snapshot, name, Action.READ)
        decided(request)
        return Answer(200, {"environment": name, **agent_shown(name, snapshot, agents.clock())}).response()

    @router.delete(f"{path}/agent", operation_id="revoke_agent", summary="Shut out the agent of an environment")
    @authorised((Kind.ENVIRONMENT, Action.ENROL))
    async def revoke(request: Request, name: Name) -> Response:
        caller = caller_of(request)

        async def job(transaction: Transaction) -> None:
            _see(caller, transaction.snapshot, name, Action.ENROL)
            await agents.revoke(transaction, caller, name)

        await agents.writer.run(job)
        decided(request)
        return Answer(204).response()

    return router


def _see(caller: Caller, snapshot: Snapshot, name: str, action: Action) -> None:
    """See that the caller may.

    Raises:
        NotFound: they may not, or there is no such environment.
    """
    found = snapshot.environment(name)
    if found is None or Key("Environment", name) not in snapshot.documents:
        decision = may_not(caller, action, Kind.ENVIRONMENT, name)
    else:
        decision = may(caller, action, [Resource(Kind.ENVIRONMENT, name, name, found.group)])
    if not decision.allowed or found is None:
        raise refused(decision, named=True)


def _issued(issued: Issued, base: str) -> dict[str, Any]:
    join = issued.join.reveal().decode("ascii")
    return {
        "environment": issued.environment,
        "join": join,
        "server": base,
        "expiresAt": time(issued.expires_at),
        # By standard input: what stands in a command's arguments is seen by everybody on that machine.
        "command": f"printf %s {join} | {PROGRAM} enrol --server {base}",
    }
