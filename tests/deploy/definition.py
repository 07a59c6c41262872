"""The definition of the custom resource, as those who have no Helm get it, in a cluster for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from tests.deploy.write_manifests import FILE
from tests.tools.charts import Object
from tests.tools.kubeclient import KubeClient, wait_until

API = "/apis/portreeve.io/v1"


def definition() -> Object:
    """As it stands in the file."""
    documents = yaml.safe_load_all(FILE.read_text(encoding="utf-8"))
    found: list[Object] = [one for one in documents if one["kind"] == "CustomResourceDefinition"]
    return found[0]


@contextmanager
def defined(admin: KubeClient) -> Iterator[None]:
    """The cluster knows the kind until the end of the block; longer, if somebody else has made it known before."""
    one = definition()
    there = admin.request("GET", f"{API}/registryaccesses").status == 200
    admin.server_side_apply(one, "admin").expect(200, 201)
    try:
        wait_until(lambda: admin.request("GET", f"{API}/registryaccesses").status == 200, "the kind to be served")
        yield
    finally:
        if not there:
            admin.delete(one)
            wait_until(lambda: admin.request("GET", f"{API}/registryaccesses").status == 404, "the kind to be gone")


def asked(namespace: str, name: str = "r", **spec: Any) -> Object:
    """A request."""
    metadata = {"name": name, "namespace": namespace}
    given = {"registry": "r", **spec}
    return {"apiVersion": "portreeve.io/v1", "kind": "RegistryAccess", "metadata": metadata, "spec": given}


def ask(kube: KubeClient, namespace: str, name: str = "r", **spec: Any) -> Object:
    """Make a request; the object."""
    path = f"{API}/namespaces/{namespace}/registryaccesses"
    made: Object = kube.request("POST", path, asked(namespace, name, **spec)).expect(201).body
    return made


def read(kube: KubeClient, namespace: str, name: str = "r") -> Object:
    """The object of a request."""
    found: Object = kube.request("GET", f"{API}/namespaces/{namespace}/registryaccesses/{name}").expect(200).body
    return found


def conditions(found: Object) -> dict[str, tuple[str, str]]:
    """Type → (status, reason)."""
    said = found.get("status", {}).get("conditions", [])
    return {one["type"]: (one["status"], one["reason"]) for one in said}
