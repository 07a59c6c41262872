"""A Kubernetes control plane without nodes, as command lines: etcd, API server, controller manager.

Pods are admitted and stored, and never run. Everything listens on loopback and keeps its files in one directory.

Left out: starting and ending them (`processes`, and for tests `tests.tools.cluster`), and where they come from
(`programs`).

Source: the reference pages of kube-apiserver, kube-controller-manager and etcd.
"""

from __future__ import annotations

import base64
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SERVICE_CIDR: Final = "192.0.2.0/24"
"""TEST-NET-1 of RFC 5737: routed nowhere."""

CONTROLLERS: Final = (
    "clusterrole-aggregation-controller",  # without it the roles admin, edit and view are empty
    "deployment-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "validatingadmissionpolicy-status-controller",
)
"""What a cluster without nodes needs."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Of etcd for clients and for peers, of the API server, of the controller manager."""

    etcd: int
    peer: int
    apiserver: int
    manager: int


@dataclass(frozen=True, slots=True)
class Files:
    """Where it keeps what; `serving` and `signing` are a certificate with its key, and a key with its public half."""

    directory: Path
    authority: Path
    serving: tuple[Path, Path]
    signing: tuple[Path, Path]


def etcd(program: Path, directory: Path, ports: Ports) -> list[str]:
    """Its data are in `etcd` of the directory."""
    client, peer = f"http://127.0.0.1:{ports.etcd}", f"http://127.0.0.1:{ports.peer}"
    return [
        str(program),
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # nothing that is kept here would be missed
        "--log-level=warn",
    ]


def etcd_environment() -> dict[str, str]:
    """etcd before 3.5 starts on arm64 only if told so; on amd64 the setting is without effect."""
    return {"ETCD_UNSUPPORTED_ARCH": "arm64" if platform.machine() == "aarch64" else ""}


def apiserver(program: Path, files: Files, ports: Ports, more: Sequence[str] = ()) -> list[str]:
    """It believes certificates of the authority, whose organizations are groups."""
    certificate, key = files.serving
    signing, verifying = files.signing
    return [
        str(program),
        f"--etcd-servers=http://127.0.0.1:{ports.etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={ports.apiserver}",
        f"--cert-dir={files.directory}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={files.authority}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",  # as kubeadm sets it
        "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={signing}",
        f"--service-account-key-file={verifying}",
        "--profiling=false",
        *more,
    ]


def manager(
    program: Path, files: Files, ports: Ports, kubeconfig: Path, controllers: Sequence[str] = CONTROLLERS
) -> list[str]:
    """The controllers that a cluster without nodes needs, or those that are named."""
    return [
        str(program),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--authentication-tolerate-lookup-failure=true",
        "--bind-address=127.0.0.1",
        f"--secure-port={ports.manager}",
        f"--cert-dir={files.directory}",
        f"--controllers={','.join(controllers)}",
        f"--root-ca-file={files.authority}",
        f"--service-account-private-key-file={files.signing[0]}",
        "--use-service-account-credentials=true",  # each controller has its own rights, as in a cluster
        "--leader-elect=false",
        "--profiling=false",
    ]


def write_kubeconfig(path: Path, name: str, server: str, authority: Path, identity: tuple[Path, Path]) -> Path:
    """A kubeconfig for its owner alone. JSON is YAML, and whoever reads kubeconfigs reads YAML."""
    certificate, key = identity
    user = {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)}
    cluster = {"server": server, "certificate-authority-data": _base64(authority)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
