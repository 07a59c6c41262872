"""One request and its one answer, and whoever can bring them about.

Headers and bodies carry tokens and keys, so they stay `SecretValue` until they are on the wire. Whoever needs to ask
somebody takes an `Exchange`: the real one is `session.Session`, a test hands in its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid

_WORD: Final = re.compile(rb"[!-~]+")


def _nothing() -> SecretValue:
    return SecretValue(b"")


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What is asked. Header names are written as in the specification of the service; their case does not matter."""

    method: str
    url: str
    headers: Mapping[str, str | SecretValue] = field(default_factory=dict, repr=False)
    body: SecretValue = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """What was answered, whole. Header names are in lower case; of a repeated one, all values with a comma between."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: SecretValue = field(default_factory=_nothing)


class Exchange(Protocol):
    """Brings one request to its server and the answer back, whatever its status is."""

    def send(self, request: Request) -> Response:
        """The answer; a redirect is an answer and is not followed.

        Raises:
            Invalid: the address is none that we talk to.
            Unavailable: there was no whole answer in time; the same request may work later.
            Stalled: the answer is larger than anything that was asked for.
        """


class AsyncExchange(Protocol):
    """As `Exchange`, for programs that wait for many answers at once."""

    async def send(self, request: Request) -> Response:
        """The answer; a redirect is an answer and is not followed.

        Raises:
            As `Exchange.send`.
        """


def one_word(credential: SecretValue) -> SecretValue:
    """A credential that fits into a header line and cannot start another one.

    Raises:
        Invalid: `credential_word`: it is empty, or has spaces, line ends or letters beyond ASCII in it.
    """
    if _WORD.fullmatch(credential.reveal()) is None:
        raise Invalid(
            "credential_word",
            "a credential is empty, or is not one word",
            hint="store it as it was given, without spaces or line breaks",
        )
    return credential
