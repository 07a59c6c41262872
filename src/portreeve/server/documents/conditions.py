"""How a registry stands, as a condition in the form of Kubernetes: what follows from its credential and its token.

`Ready` is `True` while something usable is delivered, whatever goes wrong behind it, and the reason says what goes
wrong. Left out: what only asking the registry can tell; validation adds conditions of its own.

Source: the design's interfaces, "CRDs"; metav1.Condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from portreeve.core.refresh import Notice, Why
from portreeve.server.documents.snapshot import PULL, CredentialRow, Snapshot, TokenRow, method_of
from portreeve.server.documents.stored import Stored

EXPIRING: Final = timedelta(days=30)
"""What is left of a stored credential when it is called expiring. Source: mission rule 13, the first alert."""

_REASONS: Final = {Why.REFUSED: "Unauthorized"}
_TOLD: Final = {
    "Unauthorized": "the provider does not accept the stored credential",
    "Unreachable": "the provider gives no token now",
}


def conditions(stored: Stored, snapshot: Snapshot, now: datetime) -> list[dict[str, Any]]:
    """The conditions of a registry."""
    status, reason, message = _ready(stored, snapshot, now)
    return [
        {
            "type": "Ready",
            "status": status,
            "reason": reason,
            "message": message,
            "observedGeneration": stored.version,
        }
    ]


def token_shown(token: TokenRow | None, now: datetime) -> Mapping[str, Any] | None:
    """What is told of a minted token."""
    if token is None or token.held is None:
        return None
    held = token.held
    return {
        "version": held.serial,
        "issuedAt": held.issued_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "expiresAt": held.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "state": "usable" if now < held.expires_at else "expired",
    }


def _ready(stored: Stored, snapshot: Snapshot, now: datetime) -> tuple[str, str, str]:
    if not any(one.get("purpose") == PULL for one in stored.spec.get("credentials", ())):
        return "True", "Anonymous", "no credential is declared: it is pulled from without one"
    row = snapshot.credentials.get((stored.key.name, PULL))
    if row is None:
        return "False", "CredentialsMissing", "a pull credential is declared and no secret is stored"
    method = method_of(stored, PULL)
    if method is None:
        return "False", "MethodUnknown", "its provider is not known here, or has no such way to sign in"
    if row.expires_at is not None and row.expires_at <= now:
        return "False", "CredentialsExpired", "the stored credential has ended"
    if method.life is not None:
        return _minted(snapshot.tokens.get(row.id), row, now)
    return _stored(row, now)


def _stored(row: CredentialRow, now: datetime) -> tuple[str, str, str]:
    if row.expires_at is not None and row.expires_at - now <= EXPIRING:
        return "True", "CredentialsExpiring", f"the stored credential ends in {(row.expires_at - now).days} days"
    return "True", "CredentialsValid", "the stored credential is delivered"


def _minted(token: TokenRow | None, row: CredentialRow, now: datetime) -> tuple[str, str, str]:
    failed = _REASONS.get(token.why, "Unreachable") if token and token.why else ""
    why = f": {_TOLD[failed]} ({token.code})" if token and failed else ""
    if token is None or token.held is None:
        return (
            ("False", failed, f"no token has been minted{why}") if failed else ("Unknown", "Minting", "not minted yet")
        )
    if token.held.expires_at <= now:
        return "False", "CredentialsExpired", f"the last token has ended{why}"
    if token.told >= Notice.SOON:
        return "True", "CredentialsExpiring", f"the token ends soon and cannot be minted anew{why}"
    if failed:
        return "True", failed, f"the token is still good and cannot be minted anew{why}"
    return _stored(row, now)
