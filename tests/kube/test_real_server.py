"""The shared behaviour, on the real API server."""

from __future__ import annotations

import pytest

from portreeve.kube.client import Client
from tests.kube.behaviour import KubernetesBehaviour
from tests.tools.kubeclient import KubeClient


@pytest.mark.slow
class TestRealServer(KubernetesBehaviour):
    @pytest.fixture
    def api(self, client: Client) -> Client:
        return client

    @pytest.fixture
    def stranger(self, kube_client: KubeClient) -> KubeClient:
        return kube_client
