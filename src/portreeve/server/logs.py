"""Logs: one line of JSON per event on standard error, and nothing in it that opens anything.

A line about a request has the route's template and not the path, as names in a path are the tenant's and a query may
hold what somebody pasted; it never has a header or a body. An exception has its places in the code, and no local
variables; of addresses in its message the query and the user part are cut off. A `SecretValue` in a line is a mistake
that is refused, although it would show nothing.

Sources: OWASP ASVS 5.0, 16.2 and 16.5; threats on logs in the design.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final

import structlog
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request

from portreeve.core.secret import SecretValue

MAX_FRAMES: Final = 40
"""Places of one exception; what recurses would fill the log."""

_QUERY: Final = re.compile(r"\?[^\s'\"<>]*")
_USER: Final = re.compile(r"(?<=://)[^\s/@'\"]*@")

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def configure() -> None:
    """Let this process log. What libraries log by the standard library goes the same way, from warnings upwards."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            refuse_secrets,
            with_traceback,
            structlog.processors.JSONRenderer(serializer=json.dumps, default=_unknown, ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _StandardError(),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Forwarding()], level=logging.WARNING, force=True)


class _StandardError:
    """Where lines go. That nobody reads them any more is no reason to answer no requests."""

    def msg(self, line: str) -> None:
        """Write a line at once."""
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = msg


class _Forwarding(logging.Handler):
    """From the standard library's logs to ours."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it, whoever sent it."""
        error = record.exc_info[1] if record.exc_info else None
        more = {"went_wrong": told(error)} if error is not None else {}
        log.log(record.levelno, cleaned(record.getMessage()), logger=record.name, **more)


def request_answered(request: Request, status: int, milliseconds: float) -> None:
    """One line for one request."""
    log.info("request", **_facts(request), status=status, ms=round(milliseconds, 1))


def request_failed(request: Request, error: BaseException) -> None:
    """What was answered as `internal`: the only place where it is told why."""
    log.error("internal", **_facts(request), went_wrong=told(error))


def task_failed(task: str, error: BaseException) -> None:
    """What one of our own tasks could not do, and will try again."""
    log.error("task failed", task=task, went_wrong=told(error))


def not_delivered(registry: str, environment: str, code: str) -> None:
    """A credential that an environment is granted and does not get."""
    log.warning("credential not delivered", registry=registry, environment=environment, code=code)


def kept(environment: str) -> None:
    """A cluster is kept from here, by somebody's wish at the start of this process."""
    log.info("cluster kept from here", environment=environment)


def not_kept(environment: str, code: str) -> None:
    """A cluster that is to be kept from here, and is not: somebody else keeps it, or may."""
    log.warning("cluster not kept from here", environment=environment, code=code)


def agent_refused(cause: str) -> None:
    """Somebody was not taken for an agent; who they say that they are is not proven, so it is not written."""
    log.warning("agent refused", cause=cause)


def refreshing(registry: str, notice: str, code: str) -> None:
    """What is told of a token: that minting fails, that it is about to end, that it has, or that it is well again."""
    level = logging.INFO if notice == "recovered" else logging.WARNING
    log.log(level, "credential refresh", registry=registry, notice=notice, code=code)


def rotated(registry: str, why: str, behind: list[str]) -> None:
    """The version before is gone; `behind` are environments that had not confirmed the present one."""
    level = logging.WARNING if behind else logging.INFO
    log.log(level, "old version retired", registry=registry, why=why, behind=len(behind), environments=behind[:20])


def ending(registry: str, purpose: str, days: int) -> None:
    """A stored credential that ends in so many days, fewer than none when it has ended."""
    log.warning("credential expiring", registry=registry, purpose=purpose, days=days)


def _facts(request: Request) -> dict[str, Any]:
    caller = getattr(request.state, "caller", None)
    return {
        "request": request.state.request_id,
        "method": request.method if request.method.isalpha() else "",
        # Of a path that is no route nothing is told: it is whatever somebody sent.
        "route": getattr(request.scope.get("route"), "path", ""),
        "principal": caller.asked_by or caller.principal.user if caller is not None else "",
        **({"seen_as": caller.principal.user} if caller is not None and caller.asked_by else {}),
    }


def refuse_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """As a processor of structlog.

    Raises:
        TypeError: a value, or one inside it, is a secret.
    """
    if any(isinstance(value, SecretValue) for value in _within(event)):
        raise TypeError("a secret cannot be logged")
    return event


def with_traceback(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """As a processor of structlog: the exception in `exc_info` as what went wrong, and where."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        event["exception"] = told(error)
    elif "went_wrong" in event:
        event["exception"] = event.pop("went_wrong")
    return event


def told(error: BaseException) -> list[dict[str, Any]]:
    """An exception, and those behind it, as what went wrong and where: never with the values that were at hand.

    Told before it is logged, and not by a processor alone: structlog as it comes prints every frame with its locals.
    """
    return [_told(one) for one in _chain(error)]


def cleaned(text: str) -> str:
    """Text without the query and the user part of any address in it."""
    return _USER.sub("", _QUERY.sub("?…", text))


def _told(error: BaseException) -> dict[str, Any]:
    # The text of a statement may hold values, and a driver's message those of the row that it complains about.
    cause = getattr(error, "orig", None) if isinstance(error, DBAPIError) else None
    message = type(cause).__name__ if isinstance(error, DBAPIError) else cleaned(str(error))
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return {"type": type(error).__name__, "message": message, "places": places}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, and those behind it."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        hidden = following.__suppress_context__
        following = following.__cause__ or (None if hidden else following.__context__)


def _within(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _within(name)
            yield from _within(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _within(inner)


def _unknown(value: Any) -> str:
    # Not its representation, which may tell anything.
    return f"({type(value).__name__})"
