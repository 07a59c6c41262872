"""`portreeve up --kubeconfig` as a process, its administrator, and the API server of the cluster that it keeps."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2

from tests.agent.governed import RealClock
from tests.agent.secure import server_certificate
from tests.server.plane import document
from tests.server.program import Machine, Running
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import KubeClient

EXPIRES = "2036-01-01T00:00:00Z"


@dataclass
class Local:
    """A machine with a kubeconfig. Nothing runs before `up`, and what was said in it stays."""

    machine: Machine
    kube: KubeClient
    arguments: tuple[str, ...]
    authority: Path
    running: Running = field(init=False)
    token: str = ""
    said: list[str] = field(default_factory=list)

    @contextmanager
    def up(self, *arguments: str) -> Iterator[Running]:
        """It runs until the end of the block, as it is told to; the first time an administrator signs in."""
        with self.machine.up(*(arguments or self.arguments)) as running:
            self.running = running
            self.token = self.token or self._signed_in(running)
            yield running
            assert running.stop() == 0, running.err
        self.said += [*running.out, *running.err]

    def _signed_in(self, running: Running) -> str:
        _, _, link = running.link().partition("/login#t=")
        ends = (RealClock()() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        asked = {"title": "test", "expiresAt": ends, "scope": {}}
        # As a browser does it.
        page = {"Sec-Fetch-Site": "same-origin"}
        with httpx2.Client(base_url=running.address, verify=self._trust(), trust_env=False, headers=page) as client:
            assert client.post("/api/v1/sign-in/link", json={"token": link}).is_success
            made = client.post("/api/v1/me/tokens", json=asked)
        assert made.is_success, made.text
        return str(made.json()["token"])

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.authority)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """A request of the administrator; what was answered."""
        headers = {"Authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        url = f"{self.running.address}/api/v1/{path}"
        answer = httpx2.request(method, url, headers=headers, verify=self._trust(), trust_env=False, timeout=30, **more)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def confirmed(self, method: str, path: str, **more: Any) -> None:
        """A change that was looked at first."""
        preview = self.ask(method, f"{path}?dryRun=All", **more)
        self.ask(method, path, headers={"Portreeve-Plan": preview["digest"]}, **more)

    def put(self, plural: str, kind: str, name: str, **spec: Any) -> None:
        self.confirmed("PUT", f"{plural}/{name}", json=document(kind, name, **spec))

    def environment(self) -> None:
        self.put("groups", "EnvironmentGroup", "development", type="kubernetes")
        self.put("environments", "Environment", "dev", type="kubernetes", tier="development", group="development")

    def grant(self, namespace: str, password: str) -> None:
        """A registry with a password, for a namespace."""
        pull = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}, "expiresAt": EXPIRES}
        self.put(
            "registries", "Registry", "r", provider="harbor", host="r.example.com", path="team", credentials=[pull]
        )
        self.ask("PUT", "registries/r/credentials/pull", json={"secret": password})
        names = {"names": [namespace]}
        self.put("access", "RegistryAccess", "a", registry="r", environment="dev", namespaces=names)

    def rotate(self, password: str) -> None:
        self.ask("POST", "registries/r/credentials/pull/rotate", json={"secret": password})

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", "environments/dev")["status"]
        return found

    def has_left(self) -> bool:
        """Whether the environment is gone."""
        return "dev" not in [one["metadata"]["name"] for one in self.ask("GET", "environments")["items"]]

    def conditions(self) -> dict[str, str]:
        return {one["type"]: one["status"] for one in self.status()["conditions"]}

    def secret(self, namespace: str) -> dict[str, Any] | None:
        answer = self.kube.request("GET", f"/api/v1/namespaces/{namespace}/secrets/portreeve-pull")
        return answer.body if answer.status == 200 else None

    def holds(self, namespace: str, password: str) -> bool:
        found = self.secret(namespace)
        return found is not None and password.encode() in base64.b64decode(found["data"][".dockerconfigjson"])

    def events(self) -> list[tuple[str, str]]:
        """Action and principal of the events about agents, oldest first."""
        found = self.ask("GET", "audit?limit=200")["items"]
        found.sort(key=lambda one: one["sequence"])
        return [(one["action"], one["actor"]["principal"]) for one in found if one["object"]["kind"] == "agent"]


@contextmanager
def local_start(kubernetes: Cluster, directory: Path) -> Iterator[Local]:
    """A machine on which `up --kubeconfig` can be run, with a certificate, so that an agent can come later."""
    _, certificate, key = server_certificate(directory / "tls")
    machine = Machine(
        directory / "home",
        PORTREEVE_SERVER_TLS_CERTIFICATE=str(certificate),
        PORTREEVE_SERVER_TLS_KEY=str(key),
        PORTREEVE_SERVER_AGENTS_TRUST=str(directory / "tls/ca.crt"),
    )
    arguments = ("--kubeconfig", str(kubernetes.kubeconfig), "--environment", "dev")
    with kubernetes.client() as kube:
        yield Local(machine, kube, arguments, directory / "tls/ca.crt")
