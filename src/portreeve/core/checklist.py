"""Whether a registry works, as a list of stages: what each found, and what they say together.

Each stage is ok, failed with a cause, or unknown; unknown is never shown as good. A stage that was not tried, as one
that it builds on failed, is unknown and says which.

Source: the design's providers page, section 6: `/v2/` with 200 does not prove that anything can be pulled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from portreeve.errors import PortreeveError


class Stage(StrEnum):
    """What is tried, in this order."""

    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    API = "api"
    CHALLENGE = "challenge"
    TOKEN = "token"  # noqa: S105 -- the name of a stage
    PULL = "pull"
    BROWSE = "browse"
    PUSH = "push"
    EXPIRY = "expiry"


class Outcome(StrEnum):
    """How a stage ended."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


NEEDED: Final = frozenset({Stage.DNS, Stage.TCP, Stage.TLS, Stage.API, Stage.CHALLENGE, Stage.TOKEN, Stage.PULL})
"""Stages without which no image can be pulled. The others are about what else can be done, and should not be."""

REACHED: Final = frozenset({Stage.DNS, Stage.TCP, Stage.TLS, Stage.API})
"""Stages without which the registry cannot be said to have answered."""

EXPIRES_SOON: Final = timedelta(days=30)
"""The first of the alerts before a credential ends (rule 13)."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one stage found. `code` is stable, "" where it is ok; `message` is a sentence, `hint` what to do."""

    stage: Stage
    outcome: Outcome
    message: str
    code: str = ""
    hint: str = ""


def ok(stage: Stage, message: str) -> Check:
    """The stage is as it should be."""
    return Check(stage, Outcome.OK, message)


def failed(stage: Stage, error: PortreeveError, hint: str = "") -> Check:
    """The stage failed with this cause; `hint` is a better advice than the error's own, where there is one."""
    return Check(stage, Outcome.FAILED, error.message, error.code, hint or error.hint)


def unknown(stage: Stage, message: str, code: str = "not_tried", hint: str = "") -> Check:
    """The stage could not be judged."""
    return Check(stage, Outcome.UNKNOWN, message, code, hint)


def after(stage: Stage, reason: Stage) -> Check:
    """The stage was not tried, as an earlier one failed."""
    return unknown(stage, f"not tried, as {reason} failed")


def judged(checks: Iterable[Check]) -> Outcome:
    """What the stages say together: FAILED if any failed, else UNKNOWN if any that a pull needs is, else OK."""
    checks = tuple(checks)
    if any(check.outcome is Outcome.FAILED for check in checks):
        return Outcome.FAILED
    seen = {check.stage: check.outcome for check in checks}
    complete = all(seen.get(stage) is Outcome.OK for stage in NEEDED)
    return Outcome.OK if complete else Outcome.UNKNOWN


def expiry(ends_at: datetime | None, *, can_end: bool, now: datetime) -> Check:
    """What there is to say of a credential's end; a credential that can end and does not is a failure (rule 13)."""
    if ends_at is None:
        if can_end:
            return Check(
                Stage.EXPIRY,
                Outcome.FAILED,
                "no end is known of the credential, though its provider lets credentials end",
                "credential_never_expires",
                "issue one that ends, and say so in expiresAt; production refuses it as it is",
            )
        return ok(Stage.EXPIRY, "its provider knows no end of such credentials; rotate it by hand")
    left = ends_at - now
    text = ends_at.strftime("%Y-%m-%d %H:%M UTC")
    if left <= timedelta(0):
        hint = "issue a new one and rotate it: portreeve rotate registry NAME"
        return Check(Stage.EXPIRY, Outcome.FAILED, f"the credential ended at {text}", "credential_expired", hint)
    if left <= EXPIRES_SOON:
        hint = "rotate it before then: portreeve rotate registry NAME"
        message = f"the credential ends at {text}, in {left.days} days"
        return Check(Stage.EXPIRY, Outcome.UNKNOWN, message, "credential_expiring", hint)
    return ok(Stage.EXPIRY, f"the credential ends at {text}, in {left.days} days")


def explained(check: Check, *, anonymous: bool, ends_at: datetime | None, now: datetime) -> Check:
    """The check with the cause that its circumstances tell: a refusal of nobody, or of what has ended, is another."""
    if check.code != "registry_unauthorized":
        return check
    if anonymous:
        return replace(
            check,
            code="credential_needed",
            message="the registry wants to know who asks, and no credential is declared",
            hint="declare one in spec.credentials and set its secret",
        )
    if ends_at is not None and ends_at <= now:
        return replace(
            check,
            code="credential_expired",
            message=f"the registry does not accept the credential, which ended at {ends_at:%Y-%m-%d %H:%M} UTC",
            hint="issue a new one and rotate it: portreeve rotate registry NAME",
        )
    return check
