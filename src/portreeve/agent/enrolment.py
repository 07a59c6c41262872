"""Enrolling: a token that was shown to an administrator, for a certificate of a key that was made here.

Whom to trust is not learnt from whoever answers. The token holds a hash; what the server shows as its certificates is
fetched without trust, sends nothing, and counts only if it has that hash. The token itself goes out over a connection
that these certificates have verified (threat AG-03: Rancher, CVE-2024-22030).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Final

from portreeve.agent.connection import PATH, refuse_failed
from portreeve.agent.state import Enrolled, StateDirectory
from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, Invalid
from portreeve.transport.exchange import Request
from portreeve.transport.origin import split_url
from portreeve.transport.pinned import Pinned, fetched_unverified
from portreeve.vault import agent_keys, sealing
from portreeve.vault.certificates import trust_hash
from portreeve.wire.channel import Join, join_document, read_joined

MAX_JOIN: Final = 512


@dataclass(frozen=True, slots=True)
class JoinToken:
    """What an administrator was shown: the token, and the hash of the certificates that count."""

    token: SecretValue
    pinned: bytes


def read_token(text: bytes) -> JoinToken:
    """A join token as it is pasted.

    Raises:
        Invalid: `join_token`; it is not repeated.
    """
    token, dot, pinned = text.strip().partition(b".")
    try:
        digest = base64.b64decode(pinned + b"=", altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        digest = b""
    if len(text) > MAX_JOIN or not token.startswith(b"prtj_") or not dot or len(digest) != 32:
        raise Invalid("join_token", "this is no join token (not shown)", hint="portreeve add environment NAME")
    return JoinToken(SecretValue(token), digest)


async def enrol(state: StateDirectory, server: str, join: JoinToken, cluster: str = "") -> Enrolled:
    """Enrol with a control plane, and keep what it answers.

    Raises:
        Conflict: `already_enrolled`. Invalid: `url_refused`.
        Denied: `server_not_pinned`: whoever answers there is not who was meant.
        Unauthenticated: `enrolment_refused`. Unavailable: it cannot be reached.
    """
    state.refuse_enrolled()
    server = server.rstrip("/")
    split_url(server)
    shown = await fetched_unverified(f"{server}{PATH}trust")
    refuse_failed(shown)
    trust = shown.body.reveal().decode("ascii", "replace")
    if not _is_pinned(trust, join.pinned):
        raise Denied(
            "server_not_pinned",
            "whoever answers there is not the control plane that gave out the token",
            hint="see that the address is right, and who stands between; then ask for another token",
        )
    # The key and the cluster's name are the same at another attempt: the answer to this one can be lost.
    key, opening = state.next_key(), state.opening_key()
    cluster = cluster or opening.sealing_key.fingerprint.hex()
    asked = Join(join.token, agent_keys.request(key), sealing.public_bytes(opening.sealing_key), cluster)
    body = SecretValue(json.dumps(join_document(asked)))
    async with Pinned(trust) as pinned:
        headers = {"Content-Type": "application/json"}
        answer = await pinned.send(Request("POST", f"{server}{PATH}enrol", headers, body))
    refuse_failed(answer)
    joined = read_joined(json.loads(answer.body.reveal()))
    found = Enrolled(server, joined.environment, joined.uid, cluster, joined.signing_key)
    state.enrol(found, joined.certificate, joined.trust)
    return found


def _is_pinned(trust: str, pinned: bytes) -> bool:
    try:
        return hmac.compare_digest(trust_hash(trust), pinned)
    except Invalid:
        return False


def chance() -> float:
    """A random number from 0 to below 1, for jitter."""
    return secrets.randbelow(1 << 53) / (1 << 53)


def uniform(low: float, high: float) -> float:
    """A random number between two, evenly."""
    return low + (high - low) * chance()
