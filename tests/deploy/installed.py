"""The chart, installed in a real API server, and the agent's own client there."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tools.charts import Charts, Object, Rendered
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import DRY_RUN, KubeClient, Response, wait_until

CHART = Path(__file__).parents[2] / "deploy/helm/agent"
AGENT = "portreeve-agent"
MANAGER = "portreeve"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Installed:
    """An installation.

    Args:
        home: the agent's namespace.
        namespace: of a team; the agent delivers there.
        admin: a client with all rights.
        agent: one with the agent's.
        token: the agent's.
    """

    cluster: Cluster
    rendered: Rendered
    home: str
    namespace: str
    admin: KubeClient
    agent: KubeClient
    token: str

    def apply_secret(
        self,
        namespace: str = "",
        *,
        name: str = "portreeve-pull",
        force: bool = False,
        dry: bool = False,
        **changes: Any,
    ) -> Response:
        """A Secret as the agent writes it, with changes, applied by the agent."""
        body = secret(namespace or self.namespace, name, **changes)
        query = {"force": "true"} if force else {}
        return self.agent.server_side_apply(body, MANAGER, {**query, **(DRY_RUN if dry else {})})

    def patch_account(self, name: str, *operations: Mapping[str, Any]) -> Response:
        """A JSON Patch of a ServiceAccount by the agent."""
        path = self.agent.path("v1", "ServiceAccount", name, self.namespace)
        return self.agent.request("PATCH", path, list(operations), "application/json-patch+json")


def secret(namespace: str, name: str = "portreeve-pull", **changes: Any) -> Object:
    """A pull secret of ours; `labels` and `annotations` go into its metadata, anything else to the top."""
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": changes.pop("labels", {"app.kubernetes.io/managed-by": "portreeve"}),
        "annotations": changes.pop("annotations", {}),
    }
    data = {".dockerconfigjson": "eyJhdXRocyI6e319"}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/dockerconfigjson"}
    return {**body, "data": data, **changes}


@contextmanager
def installed(cluster: Cluster, charts: Charts, values: Mapping[str, Any]) -> Iterator[Installed]:
    """Install the chart in a namespace of its own, beside one of a team; all of it is gone afterwards."""
    home, team = (f"deploy-{secrets.token_hex(4)}" for _ in range(2))
    rendered = charts.render(CHART, values, namespace=home)
    with cluster.client() as admin:
        restricted = {
            "pod-security.kubernetes.io/enforce": "restricted",
            "pod-security.kubernetes.io/warn": "restricted",
        }
        try:
            admin.create(_namespace(home, restricted)).expect(201)
            admin.create(_namespace(team, {"portreeve.io/attach": "true"})).expect(201)
            for one in rendered.objects:
                admin.server_side_apply(one, "admin").expect(200, 201)
            admin.wait_for("v1", "ServiceAccount", "default", team)
            token = _token(admin, home)
            with KubeClient(cluster.url, cluster.ca_file, token=token) as agent:
                found = Installed(cluster, rendered, home, team, admin, agent, token)
                _wait_until_effective(found)
                yield found
        finally:
            for one in reversed(rendered.objects):
                admin.delete(one)
            for name in (home, team):
                admin.delete(_namespace(name, {}))
            # The server goes on with a policy for a moment, and other tests share it.
            wait_until(lambda: admin.create(_reading("default"), DRY_RUN).ok, "the policies to be gone")


def _namespace(name: str, labels: Mapping[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}


def _token(admin: KubeClient, home: str) -> str:
    path = admin.path("v1", "ServiceAccount", AGENT, home, "token")
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    return str(admin.request("POST", path, asked).expect(201).body["status"]["token"])


def _wait_until_effective(found: Installed) -> None:
    """Roles and policies count a moment after they are stored; both are proved by what they do."""

    def guarded() -> bool:
        answer = found.apply_secret(labels={}, dry=True)
        return answer.status == 422 and "portreeve-agent-guard" in answer.message

    wait_until(lambda: found.apply_secret(dry=True).ok, "the agent's role")
    wait_until(guarded, "the guard")
    wait_until(lambda: not found.admin.create(_reading(found.namespace), DRY_RUN).ok, "the policy of the pull secret")


def _reading(namespace: str) -> Object:
    return pod(namespace, volumes=[{"name": "v", "secret": {"secretName": "portreeve-pull"}}])


def pod(namespace: str, name: str = "p", *, container: Mapping[str, Any] | None = None, **spec: Any) -> Object:
    """A pod that needs nothing; `container` is added to its container, anything else to its spec."""
    one = {"name": "c", "image": "registry.example.com/app:1", **(container or {})}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [one], **spec}}
