"""What a provider asks, answered by a function; nothing leaves the process.

    network = Network({"api.example.com": lambda request: says({"items": []})})

A host that no test has named is an error of the test, not an answer: that is how a leak is seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from portreeve.core.secret import SecretValue
from portreeve.errors import PortreeveError
from portreeve.transport.exchange import AsyncExchange, Request, Response

Handler = Callable[[Request], Response]


class Poisoned(AssertionError):
    """Somebody asked a host that this test does not have."""


class Network:
    """Host → who answers there; `"*"` answers everywhere. `asked` is what was asked, in order."""

    def __init__(self, hosts: Mapping[str, Handler]) -> None:
        self.hosts = dict(hosts)
        self.asked: list[Request] = []

    async def send(self, request: Request) -> Response:
        self.asked.append(request)
        host = urlsplit(request.url).netloc
        handler = self.hosts.get(host, self.hosts.get("*"))
        if handler is None:
            raise Poisoned(f"{request.method} {request.url}")
        return handler(request)


class Failing:
    """Lets the first `after` requests through to `behind`, and answers every later one with `answer`."""

    def __init__(self, behind: AsyncExchange, after: int, answer: Response | PortreeveError) -> None:
        self.behind, self.left, self.answer = behind, after, answer

    async def send(self, request: Request) -> Response:
        if self.left:
            self.left -= 1
            return await self.behind.send(request)
        if isinstance(self.answer, PortreeveError):
            raise self.answer
        return self.answer


def says(value: Any, status: int = 200, **headers: str) -> Response:
    """An answer in JSON. Names of headers take underscores for dashes."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(status, {"content-type": "application/json", **named}, SecretValue(json.dumps(value)))


def page(status: int = 200, text: str = "<!DOCTYPE html><title>Sign in</title>", **headers: str) -> Response:
    """An answer that is a web page."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"content-type": "text/html", **named}, SecretValue(text))


def always(response: Response) -> Handler:
    """Whatever is asked."""
    return lambda _: response


def header(request: Request, name: str) -> str:
    """A header of a request in plain text, "" where it has none."""
    for key, value in request.headers.items():
        if key.lower() == name:
            return value.reveal().decode() if isinstance(value, SecretValue) else value
    return ""


def form(request: Request) -> dict[str, str]:
    """The fields of a form."""
    return {name: values[0] for name, values in parse_qs(request.body.reveal().decode(), strict_parsing=True).items()}


def query(request: Request) -> dict[str, str]:
    """The fields of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
