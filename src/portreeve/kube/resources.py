"""The kinds of objects that we ask for, and where the API has them.

Left out: discovery. What we use is stable since Kubernetes 1.30 and earlier; a cluster without it answers 404.

Source: Kubernetes API reference, "Resource URIs".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object. `group` is "" for the core group; `plural` is its name in paths and in RBAC rules."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As in an object: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, *, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of an object, or of its collection without a name: of all namespaces without a namespace."""
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [base]
        if self.namespaced and namespace:
            parts.append(f"namespaces/{quote(namespace, safe='')}")
        parts.append(self.plural)
        parts += [quote(part, safe="") for part in (name, subresource) if part]
        return "/".join(parts)


NAMESPACES: Final = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
SECRETS: Final = Resource("", "v1", "Secret", "secrets")
SERVICE_ACCOUNTS: Final = Resource("", "v1", "ServiceAccount", "serviceaccounts")
NODES: Final = Resource("", "v1", "Node", "nodes", namespaced=False)
PODS: Final = Resource("", "v1", "Pod", "pods")
EVENTS: Final = Resource("", "v1", "Event", "events")
CLUSTER_EVENTS: Final = Resource("events.k8s.io", "v1", "Event", "events")
"""The same as they are written today; what is written there is read as the ones above, too."""
REPLICA_SETS: Final = Resource("apps", "v1", "ReplicaSet", "replicasets")
DEPLOYMENTS: Final = Resource("apps", "v1", "Deployment", "deployments")
STATEFUL_SETS: Final = Resource("apps", "v1", "StatefulSet", "statefulsets")
DAEMON_SETS: Final = Resource("apps", "v1", "DaemonSet", "daemonsets")
JOBS: Final = Resource("batch", "v1", "Job", "jobs")
CRON_JOBS: Final = Resource("batch", "v1", "CronJob", "cronjobs")
POLICIES: Final = Resource(
    "admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False
)
BINDINGS: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    namespaced=False,
)
MUTATING_POLICIES: Final = Resource(
    "admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicy", "mutatingadmissionpolicies", namespaced=False
)
"""Since 1.36; a cluster without it answers 404."""
ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False
)

WORKLOADS: Final = (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, REPLICA_SETS, JOBS, CRON_JOBS)
"""Kinds with a pod template whose pods are made by a controller."""
