"""The few kinds of failure, and the only table from kind to HTTP status, exit code, condition and retry.

A verdict is never an exception: DENY is a value. An exception here means that no answer could be given,
and its kind says what the caller does about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, at one place.

    `field` is a path as written in the document ("spec.restrict.allowedSources[3].prefix"), "" for the whole.
    `hint` says what to do; "" when the message already does.
    """

    code: str
    message: str
    field: str = ""
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.message}{hint}"


@dataclass(frozen=True, slots=True)
class Handling:
    """What each surface does with a kind of failure."""

    http_status: int
    exit_code: int
    condition: str
    retry: bool


class PortreeveError(Exception):
    """A failure with what happened, why, and what to do.

    `code` is stable and has a heading in docs/errors.md.
    """

    handling: ClassVar[Handling] = Handling(500, 2, "Failed", retry=False)

    retry_after_s: float | None = None
    """Seconds until it makes sense to try again, where somebody has said so."""

    def __init__(self, code: str, message: str, *, hint: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.problems = problems

    def diagnostics(self) -> str:
        """Text for a person: the message, each problem on a line of its own, then the hint."""
        lines = [f"{self.code}: {self.message}"]
        lines += [f"  {problem}" for problem in self.problems]
        if self.hint:
            lines.append(f"do: {self.hint}")
        return "\n".join(lines)


class Invalid(PortreeveError):
    """The input is wrong; fix it at the named fields."""

    handling = Handling(422, 2, "Invalid", retry=False)


class Denied(PortreeveError):
    """The caller, or we, may not do this."""

    handling = Handling(403, 4, "Denied", retry=False)


class NotFound(PortreeveError):
    """What was named does not exist, or the caller may not know that it does."""

    handling = Handling(404, 2, "NotFound", retry=False)


class Conflict(PortreeveError):
    """The world changed or somebody else owns it; read again."""

    handling = Handling(409, 2, "Conflict", retry=False)


class Unauthenticated(PortreeveError):
    """Nobody knows who the caller is; sign in."""

    handling = Handling(401, 4, "Unauthenticated", retry=False)


class Outdated(PortreeveError):
    """The caller named a version, and it is another one now; read again."""

    handling = Handling(412, 2, "Outdated", retry=False)


class Unconfirmed(PortreeveError):
    """The change has to be looked at, or the version named, before it is made."""

    handling = Handling(428, 2, "Unconfirmed", retry=False)


class Throttled(PortreeveError):
    """Too many attempts; the same call may work later."""

    handling = Handling(429, 2, "Throttled", retry=True)


class Unavailable(PortreeveError):
    """Something outside did not answer; the same call may work later."""

    handling = Handling(503, 2, "Unavailable", retry=True)


class Stalled(PortreeveError):
    """Trying again will not help; a person has to act."""

    handling = Handling(500, 2, "Stalled", retry=False)
