"""Every route says who may call it, and the router sees to it before the handler runs.

Theory of operation. A handler carries a `RoutePolicy`; one without stops the start (`GuardedRoute`). PUBLIC routes are
few and listed by a test. All others get a `Caller`, which only the authenticator makes. `may` is the one function
that decides: it calls `core.authorization`, and counts that it did. A handler that answers without a decision having
been made is answered for with `internal` instead, so a forgotten check can leak nothing; and no service function writes
without one. Sources: threats API-03, API-04; OWASP ASVS 5.0, 8.3.1.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol, TypeVar

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from portreeve.core.authorization import Decision, Resource, authorize_all, authorize_missing
from portreeve.core.permissions import Action, Kind
from portreeve.core.reference import shown
from portreeve.errors import Denied, NotFound, PortreeveError, Stalled
from portreeve.server.http import origin
from portreeve.server.http.caller import Caller

READS: Final = frozenset({Action.READ, Action.LIST, Action.BROWSE, Action.READ_AUDIT, Action.PLAN})
"""Actions of a token that may only read. A plan changes nothing."""

LOOKS: Final = READS - {Action.PLAN}
"""Actions of who looks at another's view. A plan would be kept as one of theirs."""

HandlerType = TypeVar("HandlerType", bound=Callable[..., Any])


class Who(StrEnum):
    """Who may call a route at all."""

    PUBLIC = "public"
    SIGNED_IN = "signed-in"
    """Anybody who is signed in, about themselves."""
    AUTHORISED = "authorised"
    """Whoever the table of permissions allows it; the handler must have asked."""


@dataclass(frozen=True, slots=True)
class RoutePolicy:
    """Who may call a route, and what it does, as (kind, action); more than one where it depends on the body."""

    who: Who
    operations: tuple[tuple[Kind, Action], ...] = ()


def public(handler: HandlerType) -> HandlerType:
    """Anybody may call this; it must give nothing away."""
    return _marked(handler, RoutePolicy(Who.PUBLIC))


def signed_in(handler: HandlerType) -> HandlerType:
    """Anybody who is signed in may call this, and it concerns nobody but them."""
    return _marked(handler, RoutePolicy(Who.SIGNED_IN))


def authorised(*operations: tuple[Kind, Action]) -> Callable[[HandlerType], HandlerType]:
    """Whoever may do one of the operations on what the request names; the handler asks `may`."""

    def mark(handler: HandlerType) -> HandlerType:
        return _marked(handler, RoutePolicy(Who.AUTHORISED, operations))

    return mark


def _marked(handler: HandlerType, policy: RoutePolicy) -> HandlerType:
    handler.route_policy = policy  # type: ignore[attr-defined] # read by GuardedRoute alone
    return handler


def policy_of(handler: Callable[..., Any]) -> RoutePolicy | None:
    """The policy that a handler carries."""
    found = getattr(handler, "route_policy", None)
    return found if isinstance(found, RoutePolicy) else None


class Authenticator(Protocol):
    """Makes callers of requests."""

    async def caller(self, request: Request) -> Caller:
        """Who calls.

        Raises:
            Unauthenticated: nobody is known by what the request carries.
        """


class GuardedRoute(APIRoute):
    """A route that cannot exist without a policy, and whose handler cannot run before it is kept."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        policy = policy_of(endpoint)
        if policy is None:
            raise Stalled(
                "route_without_policy",
                f"{endpoint.__module__}.{endpoint.__name__} ({path}) does not say who may call it",
                hint="mark it with public, signed_in or authorised",
            )
        self.policy = policy
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler behind the guard."""
        inner = super().get_route_handler()
        policy = self.policy

        async def guarded(request: Request) -> Response:
            request.state.decisions = 0
            if policy.who is not Who.PUBLIC:
                authenticator: Authenticator = request.app.state.authenticator
                request.state.caller = await authenticator.caller(request)
                _only_looks(request, policy)
            response: Response = await inner(request)
            if policy.who is Who.AUTHORISED and not request.state.decisions:
                raise Stalled("route_undecided", "a route answered without asking whether it may")
            return response

        return guarded


def _only_looks(request: Request, policy: RoutePolicy) -> None:
    """Raise `viewing_as` where somebody who looks at another's view would do more than look."""
    caller = caller_of(request)
    if not caller.asked_by or request.method in origin.SAFE:
        return
    if not policy.operations or any(action not in LOOKS for _, action in policy.operations):
        text = f"you see this as {shown(caller.principal.user, 63)} does, and can only look"
        raise Denied("viewing_as", text, hint="stop looking as somebody else, and do it as yourself")


def caller_of(request: Request) -> Caller:
    """Who calls; there is one on every route that is not public."""
    found = request.state.caller
    assert isinstance(found, Caller)
    return found


def decided(request: Request) -> None:
    """A decision was made in this request."""
    request.state.decisions += 1


def may(caller: Caller, action: Action, parts: Iterable[Resource]) -> Decision:
    """The decision on an object by all its parts; the scope of a token narrows it."""
    parts = tuple(parts)
    decision = authorize_all(caller.principal, action, parts)
    if decision.allowed and not _in_scope(caller, action, parts[0].kind):
        return Decision(False, f"the token {caller.via.id} is not for that", None, decision.text)
    return decision


def may_not(caller: Caller, action: Action, kind: Kind, name: str) -> Decision:
    """The decision on an object that does not exist: the same work and the same words."""
    return authorize_missing(caller.principal, action, kind, name)


def reads_settings(request: Request) -> None:
    """Decide on what whoever may read the settings may see, and that is not told anybody else.

    Raises:
        Denied: `forbidden`: the caller may not.
    """
    decision = may(caller_of(request), Action.READ, (Resource(Kind.SETTINGS),))
    decided(request)
    if not decision.allowed:
        raise refused(decision, named=False)


def _in_scope(caller: Caller, action: Action, kind: Kind) -> bool:
    scope = caller.scope
    return (not scope.read_only or action in READS) and (scope.kinds is None or str(kind) in scope.kinds)


def in_scope(caller: Caller, action: Action, kind: Kind) -> bool:
    """Whether the caller's token is for this at all, whatever their roles."""
    return _in_scope(caller, action, kind)


def refused(decision: Decision, *, named: bool) -> PortreeveError:
    """What the caller hears: of a named object that it is not there, of a collection that they may not."""
    if named:
        return NotFound("not_found", decision.text)
    return Denied("forbidden", decision.text, hint="ask somebody who administers it for a role")


def refused_change(kind: Kind, name: str) -> NotFound:
    """What the caller hears of a change: the same whether the object is there or not, and whatever was to be done."""
    return NotFound("not_found", f"there is no {kind} called {shown(name, 63)} that you may change")
