"""What a namespace asks for: a registry, by a custom resource in its own cluster. A request, and a decision against it.

A request is what anybody with a namespace may write, so it is bounded, shown and believed in nothing. What is granted
stands in documents alone; a request is granted as soon as a grant of its registry selects its namespace, whoever made
that grant and why. Hence there is no approval to store: to approve is to make such a document. Only a refusal has to be
kept. It is about one generation of one object: who asks anew, or for something else, is not refused any more.

Left out: what the cluster is told of it (`core.access_status`), and who may decide. Decision record: docs/adr/0028.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

MOST_IN_NAMESPACE: Final = 20
"""Requests of one namespace that are told: more than these crowd out those of others."""

MOST_REQUESTS: Final = 2_000
"""Requests of one environment that are told."""

MAX_REASON: Final = 1_000
"""Characters of why it is asked for. The custom resource's schema has the same number."""

MOST_ACCOUNTS: Final = 20


@dataclass(frozen=True, slots=True, order=True)
class AccessRequest:
    """One request. `mode` and `accounts` are what is wished for; no accounts means `default`.

    `uid` and `generation` are those of the custom resource: they say exactly what was decided on.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    registry: str
    mode: str = "standing"
    accounts: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Refusal:
    """Somebody has decided against a request; `why` is for whoever asked."""

    namespace: str
    name: str
    uid: str
    generation: int
    why: str = ""

    def about(self, request: AccessRequest) -> bool:
        """Whether it is this request, as it is now."""
        mine = (self.namespace, self.name, self.uid, self.generation)
        return mine == (request.namespace, request.name, request.uid, request.generation)


def told(requests: Iterable[AccessRequest]) -> Iterator[AccessRequest]:
    """Those that are told to the control plane, in order: the first by name in each namespace, up to the bounds."""
    counted: Counter[str] = Counter()
    for one in sorted(requests):
        if counted[one.namespace] < MOST_IN_NAMESPACE and counted.total() < MOST_REQUESTS:
            counted[one.namespace] += 1
            yield one
