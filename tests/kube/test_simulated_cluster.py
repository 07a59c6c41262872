"""What the simulated cluster of `tests/simulation` claims, asked of the real API server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from portreeve.kube.client import Client
from tests.kube.acting_cluster import RealCluster
from tests.simulation.contract import ClusterContract
from tests.tools.kubeclient import KubeClient


@pytest.mark.slow
class TestRealServer(ClusterContract):
    @pytest.fixture
    def cluster(self, client: Client, kube_client: KubeClient, namespace: str) -> Iterator[RealCluster]:
        cluster = RealCluster(client, kube_client, namespace)
        yield cluster
        cluster.let_go()
