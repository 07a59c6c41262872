"""A real Kubernetes control plane for tests: etcd, API server, controller manager; ready in seconds, gone after.

    with Cluster(kubernetes) as cluster, cluster.client() as client:
        client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "payments"}}).expect(201)

There are no nodes: pods are admitted and stored, and never run. Everything listens on loopback; every file is in one
temporary directory; every request is in the audit log.

Leaves out: where the programs come from (components.py).
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from portreeve.sandbox import kubernetes
from portreeve.sandbox.kubernetes import CONTROLLERS
from tests.tools.certificates import CertificateAuthority, service_account_keys
from tests.tools.components import Kubernetes
from tests.tools.kubeclient import DRY_RUN, KubeClient, Response, Unexpected, wait_until
from tests.tools.process import Process, free_ports

__all__ = ["DRY_RUN", "Cluster", "ClusterFailed", "KubeClient", "Response", "Unexpected", "wait_until"]

START_TIMEOUT_S = 180.0
"""4 to 6 s were measured on an idle machine; tests also run beside compilers."""

START_ATTEMPTS = 3
"""A free port may be taken by another process before ours listens on it."""

USERS: Mapping[str, tuple[str, ...]] = {"developer": (), "system:node:worker-1": ("system:nodes",)}
"""Users with a token, and their groups: somebody without rights, and a node."""

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/readyz*", "/livez*", "/healthz*", "/openapi*"]},
        {"level": "None", "users": ["system:apiserver", "system:kube-controller-manager"]},
        {"level": "Metadata"},
    ],
}


class ClusterFailed(Exception):
    """The control plane did not start. The message ends with the ends of its logs."""


class Cluster:
    """A control plane, started on entry and removed on exit.

    Args:
        programs: from `find_kubernetes`.
        users: who gets a token → groups.
        controllers: those of the controller manager; empty: it is not started.
        directory: keeps logs and audit log there instead of in a directory that is removed.

    Attributes: url, ca_file, client_cert and client_key (group system:masters), kubeconfig, audit_log, version,
        programs.
    """

    def __init__(
        self,
        programs: Kubernetes,
        *,
        users: Mapping[str, tuple[str, ...]] = USERS,
        controllers: tuple[str, ...] = CONTROLLERS,
        directory: Path | None = None,
    ) -> None:
        self.programs = programs
        self._users = users
        self._controllers = controllers
        self._kept = directory
        self._processes: list[Process] = []
        self._tokens = {user: secrets.token_urlsafe(24) for user in users}
        self._audit_offset = 0
        self._audit: dict[str, list[dict[str, Any]]] = {}
        self.version = programs.version

    def __enter__(self) -> Self:
        self.directory = self._kept or Path(tempfile.mkdtemp(prefix="portreeve-cluster-"))
        try:
            self._write_files()
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()
        if self._kept is None:
            shutil.rmtree(self.directory, ignore_errors=True)

    def token(self, user: str) -> str:
        """The bearer token of one of the users."""
        return self._tokens[user]

    def client(self, user: str | None = None) -> KubeClient:
        """A client with all rights, or one of a user with a token."""
        if user is not None:
            return KubeClient(self.url, self.ca_file, token=self.token(user))
        return KubeClient(self.url, self.ca_file, certificate=(self.client_cert, self.client_key))

    def audit_events(self, audit_id: str, timeout_s: float = 10.0) -> list[dict[str, Any]]:
        """The audit log's events of a request. Waits for the first: it is written about when the response is."""

        def events() -> list[dict[str, Any]]:
            self._read_audit_log()
            return self._audit.get(audit_id, [])

        return wait_until(events, f"audit events of request {audit_id}", timeout_s)

    def audit_annotations(self, audit_id: str) -> dict[str, str]:
        """The annotations of a request's last event, which are those of admission among others."""
        return dict(self.audit_events(audit_id)[-1].get("annotations", {}))

    def all_audit_events(self) -> list[dict[str, Any]]:
        """Every event so far, oldest request first: for counting calls."""
        self._read_audit_log()
        return [event for events in self._audit.values() for event in events]

    def compact(self) -> None:
        """Have etcd forget every version but the present one: a watch from an earlier one is gone (410).

        It shows at once where the API server keeps no window of its own, as for events.
        """
        present = self._etcd("kv/range", {"key": base64.b64encode(b"/").decode()})["header"]["revision"]
        self._etcd("kv/compaction", {"revision": present, "physical": True})

    def _etcd(self, path: str, body: Mapping[str, Any]) -> Any:
        """A call to etcd's JSON gateway."""
        request = urllib.request.Request(f"{self._etcd_url}/v3/{path}", json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def _read_audit_log(self) -> None:
        with self.audit_log.open("rb") as log:
            log.seek(self._audit_offset)
            for line in log:
                if not line.endswith(b"\n"):
                    break  # still being written
                self._audit_offset += len(line)
                event = json.loads(line)
                self._audit.setdefault(event["auditID"], []).append(event)

    def _write_files(self) -> None:
        directory = self.directory
        directory.mkdir(parents=True, exist_ok=True)
        self.audit_log = directory / "audit.log"
        self._authority = CertificateAuthority(directory)
        self.ca_file = self._authority.file
        self.client_cert, self.client_key = self._authority.issue("admin", "admin", groups=("system:masters",))
        serving = self._authority.issue("server", "kube-apiserver", hosts=("127.0.0.1", "localhost"))
        self._manager = self._authority.issue("manager", "system:kube-controller-manager")
        self._files = kubernetes.Files(directory, self.ca_file, serving, service_account_keys(directory))
        (directory / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY))
        rows = [_token_row(self._tokens[user], user, groups) for user, groups in self._users.items()]
        (directory / "tokens.csv").write_text("".join(rows))

    def _start(self) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                self._start_once()
                return
            except ClusterFailed as error:
                self._stop()
                if "address already in use" not in str(error) or attempt == START_ATTEMPTS:
                    raise
                shutil.rmtree(self.directory / "etcd", ignore_errors=True)

    def copy_of_etcd(self, to: Path) -> None:
        """What is stored now, copied while nothing runs; the cluster goes on afterwards, at the same address."""
        self._stop()
        shutil.copytree(self.directory / "etcd", to)
        self._start_on(*self._ports)

    def restore_etcd(self, copy: Path) -> None:
        """Go on from what was stored when the copy was made, at the same address: all that came after is lost."""
        self._stop()
        shutil.rmtree(self.directory / "etcd")
        shutil.copytree(copy, self.directory / "etcd")
        self._start_on(*self._ports)

    def _start_once(self) -> None:
        self._start_on(*free_ports(4))

    def _start_on(self, etcd: int, peer: int, port: int, manager_port: int) -> None:
        self._ports = etcd, peer, port, manager_port
        self.url = f"https://127.0.0.1:{port}"
        self._etcd_url = f"http://127.0.0.1:{etcd}"
        self.kubeconfig = self._write_kubeconfig("kubeconfig", (self.client_cert, self.client_key))
        ports = kubernetes.Ports(etcd, peer, port, manager_port)
        self._run(kubernetes.etcd(self.programs.etcd, self.directory, ports), kubernetes.etcd_environment())
        watched = (
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            f"--audit-policy-file={self.directory / 'audit-policy.json'}",
            f"--audit-log-path={self.audit_log}",
        )
        self._run(kubernetes.apiserver(self.programs.apiserver, self._files, ports, watched))
        with self.client() as client:
            self._await("the API server to be ready", lambda: client.request("GET", "/readyz").status == 200)
            if self._controllers:
                kubeconfig = self._write_kubeconfig("manager.kubeconfig", self._manager)
                program = self.programs.controller_manager
                self._run(kubernetes.manager(program, self._files, ports, kubeconfig, self._controllers))
                account = client.path("v1", "ServiceAccount", "default", "default")
                self._await("the first service account", lambda: client.request("GET", account).status == 200)

    def _run(self, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        self._processes.append(Process(command, self.directory, environment))

    def _await(self, what: str, ready: Any) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            ended = [process.name for process in self._processes if process.exit_code() is not None]
            late = time.monotonic() > deadline
            if ended or late:
                reason = f"{', '.join(ended)} ended" if ended else f"not after {START_TIMEOUT_S:.0f} s"
                tails = "\n".join(process.tail() for process in self._processes)
                raise ClusterFailed(f"waiting for {what}: {reason}\n{tails}")
            try:
                if ready():
                    return
            except OSError:
                pass  # nobody listens yet
            time.sleep(0.1)

    def _stop(self) -> None:
        while self._processes:
            self._processes.pop().stop()  # the last started first: each still has what it depends on

    def _write_kubeconfig(self, name: str, identity: tuple[Path, Path]) -> Path:
        return kubernetes.write_kubeconfig(self.directory / name, "test", self.url, self.ca_file, identity)


def _token_row(token: str, user: str, groups: tuple[str, ...]) -> str:
    """A row of the token file: token, user, uid, and the groups in one quoted field."""
    columns = [token, user, f"uid-{user}"] + ([f'"{",".join(groups)}"'] if groups else [])
    return ",".join(columns) + "\n"
