"""The simulated cluster keeps the contract that tests/kube/test_simulated_cluster.py asks of the real API server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from portreeve.core.agent_messages import Changed, Deleted, Request
from portreeve.core.credential import AuthEntry
from portreeve.core.observation import MANAGER, Kind, Seen, facts
from tests.simulation.cluster import FOREIGN, Api, Secret
from tests.simulation.contract import Answered, ClusterContract

NAME = "shop"
KUBECTL = frozenset({"kubectl"})


class SimulatedCluster:
    """One namespace of an `Api`."""

    namespace = NAME

    def __init__(self) -> None:
        self.told: list[tuple[Kind, Changed | Deleted, int]] = []
        self.api = Api(self._emit)
        self.api.put_namespace(NAME, {})

    def _emit(self, kind: Kind, namespace: str, name: str, uid: str, seen: Seen | None) -> None:
        event = Changed(seen) if seen is not None else Deleted(kind, namespace, name, uid)
        self.told.append((kind, event, self.api.rv))

    async def carry_out(self, request: Request) -> Answered:
        return self.api.carry_out(request)

    async def items(self, kind: Kind, at: str = "") -> tuple[Seen, ...]:
        snapshot = next((one for one in self.api.history if str(one[0]) == at), None)
        assert (snapshot is None) == (at == "")
        return self.api.items(kind, snapshot)

    async def events(self, kind: Kind, after: str, count: int | None = None) -> list[tuple[Changed | Deleted, int]]:
        found = [(event, version) for one, event, version in self.told if one is kind and version > int(after)]
        if count is None:
            count = next(at for at, (event, _) in enumerate(found, 1) if isinstance(event, Deleted))
        return found[:count]

    def _edit(self, **changes: Any) -> None:
        self.api.put_secret(replace(self.api.secrets[NAME], **changes))

    async def creates_secret(self, *entries: AuthEntry, opaque: bool = False) -> None:
        told = facts(entries)
        self.api.put_secret(Secret(NAME, self.api.uid(), 0, "user", {}, KUBECTL, entries, told, opaque=opaque))

    async def edits_secret(self) -> None:
        self._edit(managers=KUBECTL | {MANAGER}, edited=True, data=FOREIGN)

    async def touches_secret(self) -> None:
        self._edit()

    async def adds_to_secret(self) -> None:
        self._edit()

    async def strips_secret(self) -> None:
        self._edit(labels={}, edited=True)

    async def freezes_secret(self) -> None:
        self._edit(immutable=True)

    async def deletes_secret(self) -> None:
        self.api.drop_secret(NAME)

    async def writes_account(self, name: str, *pull_secrets: str, labels: dict[str, str] | None = None) -> None:
        self.api.put_account(NAME, name, pull_secrets=pull_secrets, labels=labels or {})

    async def applies_account(self, name: str) -> None:
        self.api.apply_account(NAME, name)

    async def deletes_account(self, name: str) -> None:
        self.api.drop_account(NAME, name)

    async def begins_to_delete_namespace(self) -> None:
        self.api.terminate(NAME)

    async def deletes_namespace(self) -> None:
        self.api.terminate(NAME)
        self.api.remove_namespace(NAME)

    async def creates_namespace(self) -> None:
        self.api.put_namespace(NAME, {})


class TestSimulated(ClusterContract):
    @pytest.fixture
    def cluster(self) -> SimulatedCluster:
        cluster = SimulatedCluster()
        # What is shared by an apply without a word is a broken invariant elsewhere; here it is what servers do.
        cluster.api.judging = False
        return cluster
