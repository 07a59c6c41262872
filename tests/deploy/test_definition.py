"""The custom resource's definition in a real API server: what it explains, what it refuses, what kubectl shows."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tests.deploy.definition import API, ask, asked, defined, definition
from tests.deploy.write_manifests import FILE
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import KubeClient, wait_until

pytestmark = pytest.mark.slow

SCHEMA = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
STATUS = f"{API}/namespaces/{{}}/registryaccesses/r/status"


@pytest.fixture(scope="module")
def admin(kubernetes: Cluster) -> Iterator[KubeClient]:
    with kubernetes.client() as client, defined(client):
        yield client


@pytest.fixture
def namespace(admin: KubeClient) -> Iterator[str]:
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"crd-{secrets.token_hex(4)}"}}
    admin.create(obj).expect(201)
    yield obj["metadata"]["name"]  # type: ignore[index] # it is what stands above
    admin.delete(obj)


def fields(schema: Mapping[str, Any], path: str = "registryaccess") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Path and schema of everything below, as `kubectl explain` names it."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{path}.{name}", inner
        yield from fields(inner.get("items", inner), f"{path}.{name}")


def test_every_field_is_bounded_and_described() -> None:
    for path, inner in fields(SCHEMA):
        if path == "registryaccess.metadata":
            continue
        assert inner.get("description", "").strip(), path
        text = inner.get("items", inner)
        if text["type"] == "string" and path.count(".") > 1:
            assert {"maxLength", "enum", "format"} & text.keys(), path
        if inner["type"] == "array":
            assert "maxItems" in inner, path
            assert inner["items"].get("description"), path


@pytest.mark.usefixtures("admin")
def test_kubectl_explains_every_field(kubernetes: Cluster) -> None:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("NOT RUN: kubectl is not on PATH (Debian package kubernetes-client); it is no part of the product")
    command = [program, "--kubeconfig", str(kubernetes.kubeconfig), "explain"]

    def explained(path: str) -> str:
        """The server publishes its schemas a moment after it serves the kind."""
        done = subprocess.run([*command, path], capture_output=True, check=False, timeout=60, text=True)
        return done.stdout

    for path in ("regacc", "registryaccess.spec", "registryaccess.spec.delivery", "registryaccess.status.conditions"):
        said = wait_until(lambda path=path: explained(path), f"an explanation of {path}")  # type: ignore[misc]
        assert "DESCRIPTION:" in said
        assert "<empty>" not in said, said


@pytest.mark.parametrize(
    "spec",
    [
        {"registry": ""},
        {"registry": "Upper"},
        {"registry": "r" * 64},
        {"registry": "a/b"},
        {"delivery": {"mode": "node"}},
        {"delivery": {"serviceAccounts": ["a"] * 2}},
        {"delivery": {"serviceAccounts": [f"a{number}" for number in range(21)]}},
        {"delivery": {"serviceAccounts": [""]}},
        {"reason": "x" * 1001},
        {"reason": "two\nlines"},
        {"reason": "\x1b[31m"},
    ],
)
def test_what_is_no_request_is_refused(admin: KubeClient, spec: dict[str, Any]) -> None:
    answer = admin.request("POST", f"{API}/namespaces/default/registryaccesses", asked("default", **spec))
    assert answer.status == 422, answer.body


def test_the_registry_never_changes_and_the_status_is_not_the_askers(admin: KubeClient, namespace: str) -> None:
    made = ask(admin, namespace, reason="ö: for the shop")
    assert made["spec"]["registry"] == "r"
    path = f"{API}/namespaces/{namespace}/registryaccesses/r"
    merge = "application/merge-patch+json"
    refused = admin.request("PATCH", path, {"spec": {"registry": "other"}}, merge)
    assert refused.status == 422
    assert "never changes" in refused.message
    changed = admin.request("PATCH", path, {"spec": {"reason": "b"}, "status": {"state": "Granted"}}, merge).expect(200)
    assert changed.body["metadata"]["generation"] == 2
    assert "status" not in changed.body
    wrong = admin.request("PATCH", STATUS.format(namespace), {"status": {"state": "Fine"}}, merge)
    assert wrong.status == 422


@pytest.mark.parametrize(("role", "verbs"), [("edit", {"create", "delete", "get", "list", "patch", "update", "watch"}),
                                             ("view", {"get", "list", "watch"})])  # fmt: skip
def test_roles_of_a_namespace_include_its_requests(role: str, verbs: set[str]) -> None:
    """By aggregation, which needs a controller that the tests' cluster has not: the label and the rule are held."""
    found = [one for one in yaml.safe_load_all(FILE.read_text(encoding="utf-8"))
             if f"rbac.authorization.k8s.io/aggregate-to-{role}" in one["metadata"].get("labels", {})]  # fmt: skip
    [rule] = found[0]["rules"]
    assert (rule["apiGroups"], rule["resources"], set(rule["verbs"])) == (["portreeve.io"], ["registryaccesses"], verbs)
