"""What kube's own tests use: clients of the real API server, the fault proxy, a namespace."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from tests.kube.conftest import client, namespace, proxy, through_proxy
from tests.tools.kubeclient import KubeClient

__all__ = ["client", "namespace", "proxy", "through_proxy"]


@pytest.fixture
def made(kube_client: KubeClient) -> Iterator[Callable[..., str]]:
    """Makes namespaces with given labels; they are deleted afterwards."""
    names: list[str] = []

    def make(**labels: str) -> str:
        name = f"recon-{secrets.token_hex(4)}"
        kube_client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        names.append(name)
        return name

    yield make
    for name in names:
        kube_client.request("DELETE", f"/api/v1/namespaces/{name}")
