"""Clients of the real API server, and a namespace of the test's own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest

from portreeve.core.secret import SecretValue
from portreeve.kube.client import Client
from portreeve.kube.identity import FixedIdentity, Identity
from portreeve.kube.kubeconfig import Connection, connection, find
from portreeve.transport.trust import Trust
from tests.fakes.fault_proxy import FaultProxy
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import KubeClient


def now() -> datetime:
    return datetime.now(UTC)


def connected(cluster: Cluster) -> Connection:
    """All rights, through the kubeconfig that a person would use."""
    environment = {"KUBECONFIG": str(cluster.kubeconfig)}
    return connection(find(environment), environment=environment, now=now)


def as_token(cluster: Cluster, token: str) -> Connection:
    return Connection(
        cluster.url,
        Trust(ca_bundle=cluster.ca_file.read_text()),
        FixedIdentity(Identity(token=SecretValue(token))),
    )


@pytest.fixture
async def client(kubernetes: Cluster) -> AsyncIterator[Client]:
    async with Client(connected(kubernetes)) as client:
        yield client


@pytest.fixture
async def proxy(kubernetes: Cluster) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(kubernetes) as proxy:
        yield proxy


@pytest.fixture
async def through_proxy(proxy: FaultProxy) -> AsyncIterator[Client]:
    async with Client(Connection(proxy.url, Trust(), FixedIdentity(Identity()))) as client:
        yield client


@pytest.fixture
def namespace(kube_client: KubeClient) -> Iterator[str]:
    name = f"kube-{secrets.token_hex(4)}"
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    kube_client.create(obj).expect(201)
    kube_client.wait_for("v1", "ServiceAccount", "default", name)
    yield name
    kube_client.delete(obj)
