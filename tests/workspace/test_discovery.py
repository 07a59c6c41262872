"""What is found on a machine, by the files and sockets of one made for the test."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from portreeve.workspace.discovery import Discovery, Login, discover

SECRET = "c2VjcmV0OmNhbmFyeQ=="


class Machine:
    """A home, a runtime directory, and the variables that name them."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.environment = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "run")}

    def write(self, name: str, content: object) -> str:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return str(path)

    def discover(self, **more: str) -> Discovery:
        found = discover({**self.environment, **more})
        # Sockets of the machine that the tests run on.
        found.engines = [one for one in found.engines if str(self.home) in one.address or "://" + "e" in one.address]
        return found


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def kubeconfig(*names: str, current: str = "") -> dict[str, object]:
    contexts = [{"name": name, "context": {"cluster": name, "user": SECRET, "namespace": "shop"}} for name in names]
    return {"apiVersion": "v1", "kind": "Config", "contexts": contexts, "current-context": current,
            "users": [{"name": "u", "user": {"token": SECRET}}]}  # fmt: skip


def test_an_empty_machine_has_nothing(machine: Machine) -> None:
    found = machine.discover()
    assert (found.contexts, found.engines, found.logins, found.unread) == ([], [], [], [])


def test_contexts_are_merged_as_kubectl_does(machine: Machine) -> None:
    first = machine.write("a", kubeconfig("prod", "kind-dev", current="kind-dev"))
    second = machine.write("b", kubeconfig("prod", "k3d-x", current="prod"))
    found = machine.discover(KUBECONFIG=f"{first}:{second}::{machine.home}/missing").contexts
    assert [(one.name, one.file, one.current, one.local) for one in found] == [
        ("prod", first, False, ""),
        ("kind-dev", first, True, "kind"),
        ("k3d-x", second, False, "k3d"),
    ]
    assert {one.namespace for one in found} == {"shop"}


def test_without_the_variable_the_usual_file_counts(machine: Machine) -> None:
    machine.write(".kube/config", kubeconfig("prod"))
    assert [one.name for one in machine.discover().contexts] == ["prod"]
    assert machine.discover(KUBECONFIG="/nonexistent").contexts == []


def test_logins_are_found_in_the_order_in_which_tools_look(machine: Machine) -> None:
    one = machine.write("auth.json", {"auths": {"quay.io": {"auth": SECRET}}})
    two = machine.write(
        "run/containers/auth.json", {"auths": {"quay.io": {"auth": SECRET}, "ghcr.io": {"auth": SECRET}}}
    )
    three = machine.write(".config/containers/auth.json", {"auths": {"r.example.com/team": {"auth": SECRET}}})
    four = machine.write(".docker/config.json", {
        "auths": {"https://index.docker.io/v1/": {}, "https://me:pw@old.example.com/v2/": {"auth": SECRET}},
        "credsStore": "desktop", "credHelpers": {"1.dkr.ecr.eu-west-1.amazonaws.com": "ecr-login"}})  # fmt: skip
    five = machine.write(".dockercfg", {"last.example.com:5000": {"auth": SECRET}})
    found = machine.discover(REGISTRY_AUTH_FILE=one)
    assert found.logins == [
        Login("quay.io", one, ""),
        Login("ghcr.io", two, ""),
        Login("r.example.com/team", three, ""),
        Login("1.dkr.ecr.eu-west-1.amazonaws.com", four, "ecr-login"),
        Login("index.docker.io", four, "desktop"),
        Login("old.example.com", four, ""),
        Login("last.example.com:5000", five, ""),
    ]
    assert found.summary() == "found 0 contexts, 7 registry logins; nothing was contacted"


def test_the_variable_of_docker_goes_before_the_home(machine: Machine) -> None:
    machine.write(".docker/config.json", {"auths": {"home.example.com": {"auth": SECRET}}})
    machine.write("other/config.json", {"auths": {"other.example.com": {"auth": SECRET}}})
    found = machine.discover(DOCKER_CONFIG=str(machine.home / "other"))
    assert [one.host for one in found.logins] == ["other.example.com"]


def test_no_value_of_a_credential_is_in_what_was_found(machine: Machine) -> None:
    machine.write(".kube/config", kubeconfig("prod"))
    machine.write(".docker/config.json", {"auths": {f"https://me:{SECRET}@r.example.com": {"auth": SECRET}}})
    found = machine.discover(DOCKER_HOST=f"tcp://me:{SECRET}@engine.example.com:2376")
    assert [one.address for one in found.engines] == ["tcp://engine.example.com:2376"]
    assert SECRET not in repr(found)


def test_sockets_are_seen_and_not_connected(machine: Machine) -> None:
    (machine.home / "run/podman").mkdir(parents=True)
    (machine.home / "run/docker.sock").write_text("not a socket")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(machine.home / "run/podman/podman.sock"))
        listening.listen()
        listening.setblocking(False)
        found = machine.discover()
        assert [one.name for one in found.engines] == ["podman"]
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert "1 Podman engine," in found.summary()


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "\x00", "auths: [", "- a", '{"auths": []}', '{"auths": {"a": 1}, "credHelpers": 3, "credsStore": []}',
     '{"contexts": [1, {"name": {}}, {"name": "n", "context": []}], "current-context": []}', "[" * 100_000,
     f'{{"auths": {{"r": "{SECRET}"'],
)  # fmt: skip
def test_bad_files_are_named_and_make_nothing_fail(machine: Machine, content: str) -> None:
    for name in (".kube/config", ".docker/config.json", ".dockercfg"):
        machine.write(name, content)
    found = machine.discover()
    assert SECRET not in repr(found.unread)
    assert found.logins == []
    assert found.summary().startswith("found ")


def test_what_is_no_readable_file_is_named(machine: Machine) -> None:
    (machine.home / ".docker").mkdir()
    os.mkfifo(machine.home / ".docker/config.json")
    (machine.home / ".dockercfg").mkdir()
    big = machine.write("big", " " * (5 << 20))
    (machine.home / "bytes").write_bytes(b"\xff\xfe\x00")
    found = machine.discover(KUBECONFIG=f"{big}:{machine.home / 'bytes'}:nul\x00")
    assert [one.reason.split(",")[0] for one in found.unread if "config.json" in one.file] == ["it is not a file"]
    assert len(found.unread) == 5
