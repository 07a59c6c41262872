"""The tokens of admission messages: one for each policy in each environment, derived and stored nowhere.

Theory of operation. A token is an HMAC over the ids of the environment and of the policy, by a key that follows from
the control plane's signing key, which every replica has: Ed25519 signs the same bytes to the same signature (RFC 8032),
and nobody else can make it. So a policy's link stays as it is while the policy changes, and one that was deleted and
made anew has another. A token is looked up by its digest, so that no comparison tells how much of it was right.

It opens what `routes` answers and nothing else. Who may read the policy in a cluster, or events there, can read it.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from portreeve.core.environments import Environment
from portreeve.core.estate import Key
from portreeve.core.policy import RegistryPolicy
from portreeve.core.why_link import why_url
from portreeve.server.documents.snapshot import Snapshot
from portreeve.vault.signing import SigningKey

PURPOSE: Final = "key of the tokens in admission messages"
TOKEN_BYTES: Final = 18
"""144 bits: guessing finds none, however fast somebody asks."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a token is for."""

    environment: Environment
    policy: RegistryPolicy


class Links:
    """The links of a control plane. `address` is where people reach it; "" where that is not known."""

    def __init__(self, key: SigningKey, address: str) -> None:
        self._address = address
        self._key = sha256(key.sign(PURPOSE, b"")).digest()
        self._places: tuple[int, Mapping[bytes, Place]] = (-1, {})

    def url(self, snapshot: Snapshot, environment: Environment) -> str:
        """The link of the policy in this environment up to the namespace; "" without an address or a policy."""
        policy = snapshot.estate.policy_of(environment)
        token = self._token(snapshot, environment, policy) if self._address and policy else ""
        return why_url(self._address, token) if token else ""

    def place(self, snapshot: Snapshot, token: str) -> Place | None:
        """What the token is for, None if it is none."""
        revision, places = self._places
        if revision != snapshot.revision:
            places = dict(self._every(snapshot))
            self._places = (snapshot.revision, places)
        return places.get(_digest(token))

    def _every(self, snapshot: Snapshot) -> Iterator[tuple[bytes, Place]]:
        for environment in snapshot.estate.environments:
            policy = snapshot.estate.policy_of(environment)
            token = self._token(snapshot, environment, policy) if policy else ""
            if policy and token:
                yield _digest(token), Place(environment, policy)

    def _token(self, snapshot: Snapshot, environment: Environment, policy: RegistryPolicy) -> str:
        held = [Key("Environment", environment.name), Key("RegistryPolicy", policy.name)]
        found = [snapshot.documents[key].uid for key in held if key in snapshot.documents]
        if len(found) < len(held):
            return ""
        made = hmac.digest(self._key, "\n".join(found).encode(), "sha256")
        return base64.urlsafe_b64encode(made[:TOKEN_BYTES]).decode()


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="surrogatepass")).digest()
