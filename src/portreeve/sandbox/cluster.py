"""The cluster of a sandbox, started and waited for. There are no nodes: pods are stored and never run."""

from __future__ import annotations

from pathlib import Path

from portreeve.sandbox import kubernetes
from portreeve.sandbox.directory import Directory
from portreeve.sandbox.kubernetes import Files, Ports
from portreeve.sandbox.parts import Parts, plain
from portreeve.sandbox.programs import Kubernetes

PORTS = ("etcd", "peer", "apiserver", "manager")


def start(parts: Parts, programs: Kubernetes) -> None:
    """What can start at once."""
    directory = parts.directory
    ports, quiet = _ports(directory), plain(directory)
    parts.run("etcd", kubernetes.etcd(programs.etcd, directory.path, ports), quiet | kubernetes.etcd_environment())
    parts.run("apiserver", kubernetes.apiserver(programs.apiserver, _files(directory), ports), quiet)
    _kubeconfig(directory, "kubeconfig", "admin")


def wait(parts: Parts, programs: Kubernetes) -> None:
    """Wait for the API server, start the controller manager, and wait until namespaces have their accounts."""
    directory = parts.directory
    admin = directory.file("admin.pem")
    parts.until("apiserver", lambda: parts.answers("apiserver", "/readyz", 200, identity=admin))
    kubeconfig = _kubeconfig(directory, "manager.kubeconfig", "manager")
    command = kubernetes.manager(programs.controller_manager, _files(directory), _ports(directory), kubeconfig)
    parts.run("manager", command, plain(directory))
    account = "/api/v1/namespaces/default/serviceaccounts/default"
    parts.until("manager", lambda: parts.answers("apiserver", account, 200, identity=admin))
    parts.say(f"Kubernetes {programs.version} answers; without nodes, so pods are stored and never run")


def _ports(directory: Directory) -> Ports:
    return Ports(*(directory.ports[name] for name in PORTS))


def _files(directory: Directory) -> Files:
    path = directory.path
    serving = path / "server.crt", path / "server.key"
    signing = path / "service-account.key", path / "service-account.pub"
    return Files(path, path / "ca.crt", serving, signing)


def _kubeconfig(directory: Directory, name: str, identity: str) -> Path:
    path, server = directory.path, f"https://127.0.0.1:{directory.ports['apiserver']}"
    pair = path / f"{identity}.crt", path / f"{identity}.key"
    return kubernetes.write_kubeconfig(path / name, "portreeve-sandbox", server, path / "ca.crt", pair)
