"""A sign-in at an identity provider that comes to nothing: one answer to the caller, the reason to the audit log."""

from __future__ import annotations

from portreeve.errors import Unauthenticated


class Refused(Unauthenticated):
    """Nobody is signed in. `reason` is a code for the audit log; what the provider said is repeated nowhere."""

    def __init__(self, reason: str) -> None:
        hint = "begin again at the console; the audit log has the reason, under the request's id"
        super().__init__("oidc_refused", "the identity provider's answer signs nobody in", hint=hint)
        self.reason = reason
