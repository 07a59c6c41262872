"""The control plane put together: the only place that builds its objects.

`Server` owns what has to be started and stopped; `application` makes the ASGI application over it.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from portreeve.errors import Invalid, PortreeveError, Problem, Stalled
from portreeve.server import about, discovery, health, keys, last_check, logs
from portreeve.server.access_matrix import routes as access_matrix_routes
from portreeve.server.access_requests import routes as access_request_routes
from portreeve.server.access_requests.service import Forget as ForgetRefusals
from portreeve.server.agents import routes as agent_routes
from portreeve.server.agents.channel import WAIT_S, Channel
from portreeve.server.agents.doorbell import Doorbell
from portreeve.server.agents.service import Agents
from portreeve.server.agents.service import Forget as ForgetAgent
from portreeve.server.attachments import routes as attachment_routes
from portreeve.server.audit import routes as audit_routes
from portreeve.server.audit.destinations import parse_all
from portreeve.server.audit.service import AuditLog
from portreeve.server.calendar import routes as calendar_routes
from portreeve.server.calendar.service import Alerts
from portreeve.server.console import routes as console_routes
from portreeve.server.console.built import STATIC
from portreeve.server.credentials import routes as credential_routes
from portreeve.server.credentials.keeper import Keeper
from portreeve.server.credentials.rewrap import Rewrap
from portreeve.server.credentials.service import Credentials
from portreeve.server.database.engine import Database, connect
from portreeve.server.database.writer import AWAY, Writer, unavailable
from portreeve.server.desired import routes as desired_routes
from portreeve.server.desired.service import DesiredStates
from portreeve.server.documents import routes as document_routes
from portreeve.server.documents import watch
from portreeve.server.documents.service import Documents
from portreeve.server.egress import routes as egress_routes
from portreeve.server.egress.service import EgressRules
from portreeve.server.egress.service import Forget as ForgetEgress
from portreeve.server.environments import routes as environment_routes
from portreeve.server.environments.leaving import Departures
from portreeve.server.exemptions import routes as exemption_routes
from portreeve.server.fleet import routes as fleet_routes
from portreeve.server.fleet.service import Fleets
from portreeve.server.http import openapi, problems
from portreeve.server.http.guard import GuardedRoute
from portreeve.server.http.headers import SecurityHeaders
from portreeve.server.http.origin import KnownHosts
from portreeve.server.http.prefix import Prefix, refuse_taken
from portreeve.server.http.problems import Rejected
from portreeve.server.images import routes as image_routes
from portreeve.server.images.judged import Judgements
from portreeve.server.images.service import Forget
from portreeve.server.inventory import routes as inventory_routes
from portreeve.server.local.clusters import Reached
from portreeve.server.local.keeping import Keeping, LocalAgents
from portreeve.server.metrics import routes as metrics_routes
from portreeve.server.metrics.figures import Mode
from portreeve.server.metrics.service import Metrics, Requests
from portreeve.server.people import routes as people_routes
from portreeve.server.people.authenticator import People
from portreeve.server.plans import routes as plan_routes
from portreeve.server.plans.service import Plans
from portreeve.server.policies import routes as template_routes
from portreeve.server.refresh.minter import Minter, NetworkMinter
from portreeve.server.refresh.service import Refresh
from portreeve.server.registries import overview_routes
from portreeve.server.registries import routes as registry_routes
from portreeve.server.registries.browsing import Browsing
from portreeve.server.registries.contact import Contacts
from portreeve.server.registries.limits import Limits
from portreeve.server.registries.service import Forget as ForgetFound
from portreeve.server.rotation import routes as rotation_routes
from portreeve.server.rotation.service import Rotations
from portreeve.server.settings import Settings
from portreeve.server.stages import routes as stage_routes
from portreeve.server.stages.service import Forget as ForgetWatches
from portreeve.server.stages.service import Stages
from portreeve.server.why import routes as why_routes
from portreeve.server.why.links import Links
from portreeve.transport.address_rules import AddressRules
from portreeve.transport.guarded import Resolver, resolve_here
from portreeve.vault import certificates
from portreeve.vault.certificates import Authority
from portreeve.vault.ports import MasterKeys
from portreeve.vault.signing import SigningKey
from portreeve.version import __version__

DESCRIPTION: Final = "Which image may run where, with which credential, until when, and why."


def utc_now() -> datetime:
    """The clock of the control plane: the only place in it that reads the time."""
    return datetime.now(UTC)  # noqa: TID251 -- this is the one place that the rule names


def new_id() -> str:
    """A random id of 80 bits, as text that may stand in a URL and in an audit event."""
    return secrets.token_hex(10)


@dataclass(frozen=True)
class Server:
    """Everything that is built once. `clock` and `new_id` come from outside, so that tests may hold them."""

    settings: Settings
    database: Database
    writer: Writer
    documents: Documents
    credentials: Credentials
    plans: Plans
    people: People
    desired: DesiredStates
    audit: AuditLog
    rewrap: Rewrap
    refresh: Refresh
    alerts: Alerts
    contacts: Contacts
    browsing: Browsing
    limits: Limits
    egress: EgressRules
    agents: Agents
    doorbell: Doorbell
    requests: Requests
    metrics: Metrics
    local: LocalAgents
    rotations: Rotations
    departures: Departures
    stages: Stages
    links: Links
    judgements: Judgements
    clock: Callable[[], datetime] = utc_now
    new_id: Callable[[], str] = new_id

    async def start(self) -> None:
        """Read what is stored, then take requests."""
        await self.writer.start()
        await self.audit.start()
        self.desired.start()
        self.rewrap.start()
        self.refresh.start()
        self.alerts.start()
        self.limits.start()
        self.doorbell.start()
        self.local.start()
        self.rotations.start()
        self.departures.start()
        self.stages.start()

    def problems(self) -> tuple[Problem, ...]:
        """What somebody has to look at, and what stops no request."""
        return (*self.audit.problems(), *self.refresh.problems(), *self.alerts.problems(), *self.local.problems())

    async def stop(self) -> None:
        """Finish what was begun."""
        await self.stages.stop()
        await self.local.stop()
        await self.departures.stop()
        await self.rotations.stop()
        await self.doorbell.stop()
        await self.limits.stop()
        await self.alerts.stop()
        await self.refresh.stop()
        await self.rewrap.stop()
        await self.desired.stop()
        await self.audit.stop()
        await self.writer.stop()
        await self.database.close()


def build(
    settings: Settings,
    masters: MasterKeys,
    signing: SigningKey,
    *,
    clock: Callable[[], datetime] = utc_now,
    new_id: Callable[[], str] = new_id,
    resolver: Resolver = resolve_here,
    minter: Minter | None = None,
    authority: Authority | None = None,
    clusters: Sequence[Reached] = (),
) -> Server:
    """The objects of a control plane with these settings; nothing is contacted yet.

    `clusters` are those that are kept from here. `minter` is for tests: without one, tokens are minted over the
    network. So is leaving out `authority`: a new one knows no agent that was enrolled before.

    Raises:
        Invalid: `address_entry`: a network in the settings is none; `trust_bundle`.
    """
    database = connect(settings.database_url)
    writer = Writer(database, clock)
    keeper = Keeper(masters)
    credentials = Credentials(keeper, new_id)
    followers = (credentials, Forget(), ForgetFound(), ForgetEgress(), ForgetAgent(), ForgetRefusals(), ForgetWatches())
    documents = Documents(writer, clock, new_id, followers=followers)
    links = Links(signing, settings.public_url)
    desired = DesiredStates(writer, database, keeper, signing, clock, links.url)
    trust = keys.agent_trust(settings)
    agents = Agents(writer, database, authority or certificates.generate(clock()), signing.public, trust, clock)
    doorbell = Doorbell(writer, database, desired, agents.seen)
    rules = AddressRules.of(settings.private_addresses)
    contacts = Contacts(keeper, database, rules, clock, resolver)
    refresh = Refresh(writer, database, keeper, minter or NetworkMinter(rules, resolver), clock, new_id)
    requests = Requests()
    return Server(
        settings=settings,
        database=database,
        writer=writer,
        documents=documents,
        credentials=credentials,
        plans=Plans(documents, writer, database, clock, new_id),
        desired=desired,
        audit=AuditLog(
            database,
            writer,
            clock,
            keys=settings.keys_directory,
            outside=settings.audit_checkpoints or settings.data,
            origin=f"{urlsplit(settings.public_url).hostname or 'portreeve'}/audit",
            destinations=parse_all(settings.audit_sinks),
        ),
        people=People(writer, database, clock, new_id, settings),
        rewrap=Rewrap(keeper, writer, database, new_id),
        refresh=refresh,
        alerts=Alerts(writer, database, clock, new_id),
        contacts=contacts,
        browsing=Browsing(contacts, writer),
        limits=Limits(contacts, writer, database, clock),
        egress=EgressRules(writer, database, rules, clock, resolver),
        agents=agents,
        requests=requests,
        metrics=Metrics(documents, requests, refresh.results, Mode(settings.metrics), clock),
        doorbell=doorbell,
        local=LocalAgents(clusters, Keeping(writer, agents, desired, doorbell, clock, new_id)),
        departures=Departures(writer, documents, desired, clock, new_id),
        judgements=Judgements(),
        stages=Stages(writer, database, documents, desired, clock),
        rotations=Rotations(writer, database, credentials, clock, new_id),
        links=links,
        clock=clock,
        new_id=new_id,
    )


def application(server: Server, *, channel_wait_s: float = WAIT_S, static: Path = STATIC) -> FastAPI:
    """The ASGI application. `channel_wait_s` is how long an agent waits for the next desired state; `static` is where
    the console's build lies.

    Raises:
        Stalled: `route_without_policy`: a route does not say who may call it.
        Invalid: `settings_invalid`: the public address has a path that is one of ours.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await server.start()
        try:
            yield
        finally:
            await server.stop()

    app = FastAPI(
        title="Portreeve",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # It would lead out of a proxy's prefix, and by http.
        redirect_slashes=False,
    )
    app.state.authenticator = server.people
    for router in (
        health.routes(server.database, server.problems),
        metrics_routes.routes(server.metrics),
        discovery.routes(server.settings.surroundings),
        last_check.routes(server.settings.surroundings, server.clock),
        about.routes(server.settings, [one.name for one in server.audit.sinks], server.problems),
        people_routes.routes(server.people),
        plan_routes.routes(server.plans, server.writer),
        credential_routes.routes(server.credentials, server.writer),
        watch.routes(server.documents, server.writer, server.clock),
        desired_routes.routes(server.desired, server.documents),
        template_routes.routes(server.documents, server.stages.violations, server.clock),
        stage_routes.routes(server.stages, server.documents, server.writer, server.plans.confirmation, server.clock),
        environment_routes.routes(server.documents, server.clock),
        exemption_routes.routes(server.writer, server.clock),
        fleet_routes.routes(server.documents, Fleets(server.judgements), server.clock),
        image_routes.routes(server.documents, server.judgements, server.database, server.clock, server.links.url),
        why_routes.routes(server.documents, server.links, server.clock),
        inventory_routes.routes(server.documents),
        access_matrix_routes.routes(server.documents, server.clock),
        access_request_routes.routes(server.documents, server.plans, server.writer),
        calendar_routes.routes(server.documents, server.clock),
        audit_routes.routes(server.audit),
        registry_routes.routes(
            registry_routes.Parts(
                server.documents, server.writer, server.contacts, server.browsing, server.limits, server.clock
            )
        ),
        overview_routes.routes(server.documents, server.database, server.clock),
        egress_routes.routes(server.documents, server.egress),
        rotation_routes.routes(server.documents, server.database, server.clock),
        attachment_routes.routes(server.documents, server.database, server.clock),
        agent_routes.routes(server.documents, server.agents, server.settings.address),
        document_routes.routes(server.documents, server.writer, server.clock, server.plans.confirmation),
    ):
        # The routes themselves and not their router, so that each can be seen below.
        app.router.routes.extend(router.routes)
    app.router.routes.extend(openapi.routes(app).routes)
    prefix = server.settings.prefix
    # Last, as programs ask for the API more often than browsers for a page.
    app.router.routes.extend(console_routes.routes(prefix, static).routes)
    _refuse_unguarded(app)
    refuse_taken(prefix, (getattr(route, "path", "/") for route in app.routes))
    app.add_exception_handler(PortreeveError, _failed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _rejected)
    # Each that is added lies around those before it.
    app.add_middleware(KnownHosts, origins=server.people.origins)
    app.middleware("http")(_outermost(server))
    app.add_middleware(SecurityHeaders, secure=server.people.origins.secure)
    # The agents' channel is before all of it: nothing here is for a browser, and thousands wait in it.
    app.add_middleware(
        Channel,
        agents=server.agents,
        desired=server.desired,
        doorbell=server.doorbell,
        new_id=server.new_id,
        wait_s=channel_wait_s,
    )
    app.add_middleware(Prefix, prefix=prefix)
    return app


def _refuse_unguarded(app: FastAPI) -> None:
    for route in app.routes:
        if not isinstance(route, GuardedRoute):
            path = getattr(route, "path", "?")
            raise Stalled("route_without_policy", f"{path} is not guarded", hint="add it to a guarded router")


def _outermost(server: Server) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    async def handle(request: Request, following: Callable[[Request], Awaitable[Response]]) -> Response:
        request.state.request_id = server.new_id()
        begun = perf_counter()
        try:
            response = await following(request)
        except PortreeveError as error:
            response = problems.answer(error, request.state.request_id)
        except AWAY as error:
            response = problems.answer(unavailable(error), request.state.request_id)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the caller hears nothing of it, and the log all
            logs.request_failed(request, error)
            response = problems.answer(_internal(), request.state.request_id)
        response.headers["X-Request-Id"] = request.state.request_id
        server.requests.answered(request.method, response.status_code)
        logs.request_answered(request, response.status_code, (perf_counter() - begun) * 1000)
        return response

    return handle


def _internal() -> Stalled:
    return Stalled("internal", "something went wrong here", hint="look for the request's id in the server's log")


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, PortreeveError)
    return problems.answer(error, request.state.request_id)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = tuple(_parameter(entry) for entry in error.errors())
    wrong = Invalid("request_invalid", "the request's parameters cannot be read", problems=found)
    return problems.answer(wrong, request.state.request_id)


def _parameter(entry: dict[str, Any]) -> Problem:
    # What was sent is not repeated: it may be a secret in the wrong place.
    where = ".".join(str(step) for step in entry["loc"])
    return Problem("parameter", str(entry["msg"]), where)


async def _rejected(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    codes = {404: "no_route", 405: "method"}
    code = codes.get(error.status_code, "request_rejected")
    found = Rejected(error.status_code, code, f"{error.detail}", headers=error.headers)
    return problems.answer(found, request.state.request_id)
