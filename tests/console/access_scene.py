"""A small fleet for the pages of access, environments, groups and attachments: one cluster that tells, one that is
silent, one too old to restrict sources, and a Docker host; grants in order, out of date, masked, needed and unused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from portreeve.core.access_requests import AccessRequest
from portreeve.wire.channel import access_request_document
from tests.server.agents.agent import Agent, enrolled
from tests.server.plane import document
from tests.server.served import Served

HOSTS: Final = {"harbor": "harbor.example.com", "quay": "quay.io/acme", "mirror": "mirror.example.com"}
SPACES: Final = ("cache", "jobs", "kube-system", "pay", "shop")


def documents() -> tuple[dict[str, Any], ...]:
    """Everything that is written down."""
    credential = [{"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}]
    hosts = {name: host.partition("/") for name, host in HOSTS.items()}
    return (
        *(document("EnvironmentGroup", name) for name in ("production", "development", "edge")),
        document("EnvironmentGroup", "hosts", type="docker"),
        document("Environment", "prod", tier="production", group="production", title="Production, Europe"),
        document("Environment", "dev", tier="development", group="development"),
        document("Environment", "edge-7", tier="production", group="edge"),
        document("Environment", "build-host", type="docker", tier="development", group="hosts"),
        *(
            document("Registry", name, provider="generic", host=host, credentials=credential,
                     **({"path": path} if path else {}))
            for name, (host, _, path) in hosts.items()
        ),
        document("RegistryAccess", "harbor-prod", registry="harbor", environment="prod",
                 namespaces={"names": ["shop", "pay"]}),
        document("RegistryAccess", "mirror-prod", registry="mirror", environment="prod",
                 namespaces={"names": ["cache"]}, delivery={"mode": "lease"}),
        document("RegistryAccess", "quay-dev", registry="quay", environment="dev", namespaces={"names": ["shop"]}),
        document("RegistryAccess", "harbor-edge-7", registry="harbor", environment="edge-7",
                 namespaces={"selector": {}}),
        document("RegistryPolicy", "edge-sources", groups=["edge"], restrict={"stage": "audit"},
                 access=[{"registry": "mirror", "namespaces": {"names": ["shop"]}}]),
        document("Settings", "platform", selectorLabels=["team"]),
        document("Team", "ops", members=["olga"]),
        document("Team", "strangers", members=["sam"]),
        document("User", "olga"),
        document("RoleBinding", "ops", role="operator", subjects={"teams": ["ops"]},
                 scope={"environments": ["build-host"]}),
        document("RegistryAccess", "harbor-build-host", registry="harbor", environment="build-host",
                 subjects={"teams": ["ops"]}),
    )  # fmt: skip


def entry(registry: str, version: int = 1) -> dict[str, Any]:
    """One entry of a pull secret."""
    return {"credential": "c", "registry": registry, "version": version, "state": "live", "expiresAt": None}


def secret(namespace: str, *entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A pull secret as an agent reports it."""
    return {"namespace": namespace, "uid": f"uid-{namespace}", "entries": list(entries), "phase": "Delivered", **more}


async def _told(agent: Agent, kubernetes: str, **more: Any) -> None:
    spaces = [{"name": name, "labels": {"team": name}} for name in SPACES]
    answer = await agent.report(namespaces={"added": spaces}, capabilities={"kubernetes": kubernetes}, **more)
    assert answer.status_code == 200, answer.text


async def _reports(served: Served) -> None:
    plane = served.plane
    admin = await plane.client("root", "platform-admin")
    for name in HOSTS:
        answer = await admin.put(f"/api/v1/registries/{name}/credentials/pull", json={"secret": f"good-{name}"})
        assert answer.status_code == 200, answer.text
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    seen = {"type": "ClusterSeen", "status": "True", "reason": "Watched", "lastTransitionTime": at}
    conflict = "there is a Secret of this name that is not ours"
    delivered = {
        "type": "Delivered", "status": "False", "reason": "SecretConflict", "message": f"cache: {conflict}",
        "lastTransitionTime": at,
    }  # fmt: skip
    images = [
        {"namespace": "shop", "owner": "Deployment/api", "image": "harbor.example.com/shop/api:1.4"},
        {"namespace": "jobs", "owner": "CronJob/report", "image": "quay.io/acme/report:2"},
        {"namespace": "cache", "owner": "StatefulSet/redis", "image": "mirror.example.com/redis:7"},
    ]
    wishes = (
        AccessRequest("jobs", "needs-harbor", "uid-1", 1, "harbor", reason="the nightly report"),
        AccessRequest("cache", "needs-quay", "uid-2", 1, "quay", reason="another image"),
    )
    agent = await enrolled(plane, admin)
    await _told(
        agent, "v1.33.1", images={"added": images}, inventory=[{"namespace": "shop", "registries": []}],
        pullSecrets=[secret("shop", entry("harbor")), secret("pay", entry("harbor", 0)),
                     secret("cache", phase="NameTaken", conflict=conflict)],
        conditions=[seen, delivered], accessRequests=[access_request_document(wish) for wish in wishes],
    )  # fmt: skip
    old = await enrolled(plane, admin, "edge-7")
    await _told(old, "v1.29.4", inventory=[], pullSecrets=[secret("shop", entry("mirror"))], conditions=[seen])
    await plane.server.desired.sweep()
    await plane.server.doorbell.note()


def set_up(served: Served) -> None:
    """Everything stored, enrolled and reported."""
    served.put(*documents())
    served.run(_reports(served))
