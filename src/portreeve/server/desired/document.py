"""The document that an agent gets: the desired state in the form of the channel, signed.

    {"environment", "type", "generation", "hash", "previousHash", "notAfter",
     "policy": {"name", "version", "stage", "enforcedBy", "renderDigest"} | null,
     "sources": …, "grants": [{…, "credential": {"id", "version", "expiresAt", "sealed"}}], "masked": […],
     "requests": [{"namespace", "name", "uid", "generation", "state": "Refused", "why"}]}

`requests` are answers to what namespaces ask for, and missing where there is none.

`hash` is that of `core.desired`: over what is wanted. A sealed credential is another one at each sealing and belongs to
its generation, so it is covered by the signature and not by the hash. The signature is over the canonical bytes of all
else, and stands beside them: {"document": …, "signature": base64}.

An agent renders the objects itself, from `sources` (`wire.desired_policy`), and applies none of another `renderDigest`.

Source: the design's documents, "The agent channel".
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from portreeve.core.desired import DesiredState, Plane, document
from portreeve.core.render import compile_policy, digest
from portreeve.errors import Invalid
from portreeve.vault.signing import SigningKey

PURPOSE: Final = "desired state"


def wanted(state: DesiredState, previous_hash: str, sealed: Mapping[tuple[str, int], bytes]) -> dict[str, Any]:
    """The document without its signature. `sealed`: credential and version → sealed for the agent."""
    found = document(state)
    for grant in found["grants"]:
        credential = grant["credential"]
        if credential is not None:
            held = sealed.get((credential["id"], credential["version"]))
            credential["sealed"] = None if held is None else base64.b64encode(held).decode()
    if found["policy"] is not None:
        found["policy"]["renderDigest"] = render_digest(state)
    return {**found, "generation": state.generation, "hash": state.hash, "previousHash": previous_hash}


def render_digest(state: DesiredState) -> str | None:
    """The digest of the objects that the agent should render; one that renders others reports Stalled.

    None where nothing is rendered: no admission plane, or a policy that cannot be compiled.
    """
    if state.sources is None or state.policy is None or state.policy.plane is not Plane.ADMISSION:
        return None
    try:
        manifests = compile_policy(state.sources)
    except Invalid:
        return None
    return digest(list(manifests))


def canonical(document: Mapping[str, Any]) -> bytes:
    """The bytes that are signed: JSON with sorted keys, without spaces, ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def signed(document: Mapping[str, Any], key: SigningKey) -> bytes:
    """What is stored and sent."""
    body = canonical(document)
    signature = base64.b64encode(key.sign(PURPOSE, body)).decode()
    return canonical({"document": document, "signature": signature})
