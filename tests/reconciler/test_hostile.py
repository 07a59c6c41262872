"""What anybody may write into a cluster, and what no server should answer: told or passed over, and nothing stops."""

from __future__ import annotations

import random
from typing import Any

import pytest

from portreeve.kube.client import Client
from portreeve.kube.identity import FixedIdentity, Identity
from portreeve.kube.kubeconfig import Connection
from portreeve.kube.objects import LabelledMetadata, Namespace
from portreeve.kube.reflector import Added, Deleted, Synced
from portreeve.kube.resources import NAMESPACES, Resource
from portreeve.reconciler.watching import Watching
from portreeve.transport.trust import Trust


class Taker:
    """Remembers what it was told; `fails` names an object over which it makes a mistake."""

    def __init__(self, fails: str = "") -> None:
        self.told: list[str] = []
        self.fails = fails

    def seen(self, resource: Resource, found: Any) -> None:
        self._took(found.metadata.name)

    def gone(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        self._took(name)

    def complete(self, resource: Resource, *, went_back: bool) -> None:
        self.told.append("complete")

    def _took(self, name: str) -> None:
        if name == self.fails:
            raise ValueError(name)
        self.told.append(name)


async def test_an_object_that_one_taker_fails_over_blinds_nobody(caplog: pytest.LogCaptureFixture) -> None:
    first, second = Taker("poison"), Taker()
    client = Client(Connection("https://127.0.0.1:1", Trust(), FixedIdentity(Identity())))
    watching = Watching(client, (first, second), uniform=random.Random(1).uniform)
    for name in ("a", "poison", "b"):
        found = Namespace(LabelledMetadata(name=name, uid=name, resource_version="1"))
        watching._told(NAMESPACES, Added(found))
    watching._told(NAMESPACES, Synced("1"))
    watching._told(NAMESPACES, Deleted(("", "poison"), "poison"))
    assert first.told == ["a", "b", "complete"]
    assert second.told == ["a", "poison", "b", "complete", "poison"]
    assert caplog.text.count("was not understood") == 2
