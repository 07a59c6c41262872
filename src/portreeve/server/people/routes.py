"""Every route of people."""

from __future__ import annotations

from fastapi import APIRouter

from portreeve.server.http.guard import GuardedRoute
from portreeve.server.people import own_routes, sign_in_routes, users_routes
from portreeve.server.people.authenticator import People
from portreeve.server.people.oidc import issuers
from portreeve.server.people.oidc import routes as oidc_routes
from portreeve.server.people.oidc.flow import OidcSignIn
from portreeve.server.people.own_password import OwnPassword
from portreeve.server.people.sign_in import SignIn


def routes(people: People) -> APIRouter:
    """All of them.

    Raises:
        Invalid: `oidc_file`.
    """
    sign_in = SignIn(people)
    router = APIRouter(route_class=GuardedRoute)
    for part in (
        sign_in_routes.routes(people, sign_in),
        oidc_routes.routes(people, OidcSignIn(people, sign_in, issuers.read(people.settings.oidc_file))),
        own_routes.routes(people, OwnPassword(people, sign_in)),
        users_routes.routes(people),
    ):
        router.routes.extend(part.routes)
    return router
