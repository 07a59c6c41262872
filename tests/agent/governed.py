"""A real agent, as a process, between a real control plane and a real API server."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from tests.agent.secure import ENVIRONMENTS, asked_for, served_with_tls
from tests.cases.admission import build, pod_spec
from tests.server.plane import document
from tests.server.served import Served
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import DRY_RUN, KubeClient

PROGRAM = "import sys; from portreeve.agent.main import main; sys.exit(main())"
KEY = "r.example.com/team/"
SOON_S = 30.0


class RealClock:
    """Time as it is, for a control plane whose agent lives in a process of its own."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Agent:
    """The agent of one environment: what it is run with, and its process. `variables` are added to the environment."""

    state: Path
    kubeconfig: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None
    arguments: tuple[str, ...] = ()
    program: str = PROGRAM
    variables: Mapping[str, str] = field(default_factory=dict)

    def enrol(self, url: str, shown: bytes) -> None:
        """Raises: CalledProcessError."""
        words = [sys.executable, "-c", PROGRAM, "enrol", "--server", url, "--state", str(self.state)]
        subprocess.run(words, input=shown, check=True, capture_output=True, timeout=60)

    def start(self) -> None:
        words = ["run", "--state", str(self.state), "--kubeconfig", str(self.kubeconfig), *self.arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", self.program, *words],
                stdout=log,
                stderr=log,
                env={**os.environ, **self.variables},
            )

    def kill(self) -> None:
        """As the kernel does it, without any notice."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def stop(self) -> int:
        """As a kubelet does it; its exit code."""
        assert self.process is not None
        self.process.terminate()
        code, self.process = self.process.wait(30), None
        return code


@dataclass
class Governed:
    """All of it. `admin` may do everything."""

    served: Served
    admin: httpx2.AsyncClient
    agent: Agent
    kube: KubeClient
    passwords: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """A request of the administrator; what was answered."""
        answer = self.served.run(self.admin.request(method, f"/api/v1/{path}", **more))
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def confirmed(self, method: str, path: str, **more: Any) -> Any:
        """A change that was looked at first."""
        preview = self.ask(method, f"{path}?dryRun=All", **more)
        headers = {**more.pop("headers", {}), "Portreeve-Plan": preview["digest"]}
        return self.ask(method, path, headers=headers, **more)

    def registry(self, password: str) -> None:
        """A registry with a password."""
        self.passwords.append(password)
        pull = {"purpose": "pull", "method": "basic", "parameters": {"username": "robot"}}
        pull["expiresAt"] = "2030-01-01T00:00:00Z"
        self.served.put(
            document("Registry", "r", provider="harbor", host="r.example.com", path="team", credentials=[pull])
        )
        self.ask("PUT", "registries/r/credentials/pull", json={"secret": password})

    def rotate(self, password: str) -> None:
        """Another password."""
        self.passwords.append(password)
        self.ask("POST", "registries/r/credentials/pull/rotate", json={"secret": password})

    def grant(self, *namespaces: str, **more: Any) -> None:
        """The registry, for these namespaces."""
        names = {"names": list(namespaces)}
        self.served.put(document("RegistryAccess", "a", registry="r", environment="prod", namespaces=names, **more))

    def status(self) -> dict[str, Any]:
        """What the control plane says of the environment."""
        found: dict[str, Any] = self.ask("GET", "environments/prod")["status"]
        return found

    def conditions(self) -> dict[str, str]:
        return {one["type"]: one["status"] for one in self.status()["conditions"]}

    def reason(self, condition: str) -> str:
        """Why a condition is as it is; "" if it is not told."""
        found = [one["reason"] for one in self.status()["conditions"] if one["type"] == condition]
        return str(found[0]) if found else ""

    def policy(self, stage: str) -> None:
        """Granted registries and nothing else, at this stage."""
        restrict = {"stage": stage, "includeGrantedRegistries": True, "allowedSources": []}
        policy = document("RegistryPolicy", "p", groups=["production"], restrict=restrict, allowOverride=True)
        found = self.served.run(self.admin.get("/api/v1/policies/p"))
        if found.status_code == 200:
            self.confirmed("PUT", "policies/p", json=policy, headers={"If-Match": found.headers["ETag"]})
        else:
            self.confirmed("POST", "policies", json=policy)

    def secret(self, namespace: str) -> dict[str, Any] | None:
        answer = self.kube.request("GET", f"/api/v1/namespaces/{namespace}/secrets/portreeve-pull")
        return answer.body if answer.status == 200 else None

    def holds(self, namespace: str, password: str) -> bool:
        found = self.secret(namespace)
        return found is not None and password.encode() in base64.b64decode(found["data"][".dockerconfigjson"])


def until(holds: Callable[[], Any], what: str | Callable[[], str] = "", *, seconds: float = SOON_S) -> Any:
    """Wait until something holds, and what it gave. `what` may be worked out of how it stands then."""
    ends = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        assert time.monotonic() < ends, f"it never held: {what() if callable(what) else what}"
        time.sleep(0.02)


@contextmanager
def governed(
    kubernetes: Cluster, directory: Path, *, kubeconfig: Path | None = None, **settings: Any
) -> Iterator[Governed]:
    """An enrolled agent that runs, until the end of the block."""
    (directory / "plane").mkdir()
    database = f"sqlite:///{directory / 'plane/portreeve.db'}"
    with (
        served_with_tls(database, directory / "plane", clock=RealClock(), **settings) as served,  # type: ignore[arg-type]
        kubernetes.client() as kube,
    ):
        served.put(*ENVIRONMENTS)
        join = asked_for(served)
        pinned = base64.urlsafe_b64encode(join.pinned).rstrip(b"=")
        agent = Agent(directory / "agent", kubeconfig or kubernetes.kubeconfig, directory / "agent.log")
        agent.enrol(served.url, join.token.reveal() + b"." + pinned)
        admin = served.run(served.plane.client("root"))
        agent.start()
        try:
            yield Governed(served, admin, agent, kube)
        finally:
            agent.kill()
            ungoverned(kube)


def ungoverned(kube: KubeClient) -> None:
    """Take away what the agent enforced, and wait until nothing bites any more: deleted is not yet gone.

    Other tests of this process have the same cluster.
    """
    gone = False
    for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
        path = f"/apis/admissionregistration.k8s.io/v1/{kind}"
        for one in kube.request("GET", path).expect(200).body["items"]:
            name = one["metadata"]["name"]
            if name.startswith("portreeve-images"):
                kube.request("DELETE", f"{path}/{name}").expect(200, 404)
                gone = True
    if gone:
        pod = build("Pod", "probe", "default", pod_spec({"containers": ["probe.invalid/probe"]}))
        until(lambda: kube.create(pod, DRY_RUN).status != 403, "the policy to be gone")
