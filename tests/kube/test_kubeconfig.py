"""Kubeconfigs: what kubectl would make of them, and errors that show a file and a field and never what stands there."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from portreeve.errors import Invalid, PortreeveError, Unavailable
from portreeve.kube.client import Client
from portreeve.kube.kubeconfig import Connection, connection, find, in_cluster
from portreeve.kube.resources import NAMESPACES
from tests.tools.cluster import Cluster

CANARY = "hunter2-hunter2-hunter2"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
CLUSTER = {
    "server": "https://cluster.example.com:6443",
    "certificate-authority-data": base64.b64encode(b"PEM").decode(),
}


def write(
    path: Path,
    user: Mapping[str, Any],
    cluster: Mapping[str, Any] = CLUSTER,
    *,
    name: str = "one",
    namespace: str = "",
    current: bool = True,
) -> Path:
    context = {"cluster": name, "user": name} | ({"namespace": namespace} if namespace else {})
    document = {
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": context}],
    } | ({"current-context": name} if current else {})
    path.write_text(json.dumps(document))
    return path


def connect(*paths: Path, context: str = "", **given: Any) -> Connection:
    environment = {"KUBECONFIG": ":".join(map(str, paths)), "PATH": "/usr/bin:/bin"}
    return connection(find(environment), context, environment=environment, now=given.pop("now", lambda: NOW), **given)


async def token_of(made: Connection) -> str | None:
    token = (await made.identity.current()).token
    return None if token is None else token.reveal().decode()


async def test_the_first_file_that_names_something_counts(tmp_path: Path) -> None:
    first = write(tmp_path / "a", {"token": "first"}, namespace="shop", current=False)
    second = write(tmp_path / "b", {"token": "second"}, namespace="other")
    third = write(tmp_path / "c", {"token": "third"}, name="two", current=False)
    made = connect(tmp_path / "missing", first, second, third)
    assert (made.context, made.namespace, await token_of(made)) == ("one", "shop", "first")
    found = find({"KUBECONFIG": f"{first}:{third}"})
    assert found.contexts == {"one": "shop", "two": "default"}
    assert await token_of(connect(first, third, context="two")) == "third"


async def test_the_home_directory_has_one_when_the_variable_names_none(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    write(tmp_path / ".kube/config", {"token": "mine"})
    environment = {"HOME": str(tmp_path)}
    made = connection(find(environment), environment=environment, now=lambda: NOW)
    assert (made.server, await token_of(made)) == ("https://cluster.example.com:6443", "mine")


async def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("AUTHORITY")
    (tmp_path / "client.pem").write_text("CHAIN")
    (tmp_path / "client.key").write_text(CANARY)
    user = {"client-certificate": "client.pem", "client-key": "client.key"}
    cluster = {"server": "https://c.example.com", "certificate-authority": "ca.pem", "tls-server-name": "kubernetes"}
    made = connect(write(tmp_path / "config", user, cluster))
    certificate = (await made.identity.current()).certificate
    assert certificate is not None
    assert (certificate.chain, certificate.key.reveal()) == ("CHAIN", CANARY.encode())
    assert (made.trust.ca_bundle, made.server_name) == ("AUTHORITY", "kubernetes")
    assert CANARY not in repr(made) + repr(certificate) + repr(find({"KUBECONFIG": str(tmp_path / "config")}))


async def test_a_token_file_is_read_again_after_a_minute_and_when_it_is_refused(tmp_path: Path) -> None:
    token, clock = tmp_path / "token", [0.0]
    token.write_text("old\n")
    made = connect(write(tmp_path / "config", {"tokenFile": "token", "token": "never"}), monotonic=lambda: clock[0])
    assert await token_of(made) == "old"
    token.write_text("new")
    assert await token_of(made) == "old"
    assert made.identity.refused()
    assert await token_of(made) == "new"
    token.write_text("newer")
    clock[0] = 60.0
    assert await token_of(made) == "newer"


async def test_a_pod_finds_what_it_was_given(tmp_path: Path) -> None:
    for name, text in {"token": "pod-token", "ca.crt": "AUTHORITY", "namespace": "portreeve-system\n"}.items():
        (tmp_path / name).write_text(text)
    environment = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    made = in_cluster(environment, directory=tmp_path)
    assert (made.server, made.namespace) == ("https://[fd00::1]:443", "portreeve-system")
    assert await token_of(made) == "pod-token"
    with pytest.raises(Invalid) as outside:
        in_cluster({})
    assert outside.value.code == "kubeconfig_not_in_cluster"


def plugin(tmp_path: Path, script: str, **settings: Any) -> dict[str, Any]:
    """A user whose credential comes from a program in Python that runs in the file's own directory."""
    (tmp_path / "give.py").write_text(script)
    spec = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-I", str(tmp_path / "give.py")],
        "interactiveMode": "IfAvailable",
        **settings,
    }
    return {"exec": spec}


GIVES = """
import json, os, pathlib
runs = pathlib.Path(os.environ["RUNS"]); runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
info = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
token = f"{info['spec'].get('cluster', {}).get('server', 'none')}|{len(runs.read_text())}"
print(json.dumps({"apiVersion": info["apiVersion"], "kind": "ExecCredential",
                  "status": {"token": token, "expirationTimestamp": "2026-11-28T13:00:00Z"}}))
"""


async def test_a_plugin_is_run_once_until_its_credential_ends_or_is_refused(tmp_path: Path) -> None:
    clock = [NOW]
    runs = [{"name": "RUNS", "value": str(tmp_path / "runs")}]
    user = plugin(tmp_path, GIVES, env=runs, provideClusterInfo=True)
    made = connect(write(tmp_path / "config", user), now=lambda: clock[0])
    server = CLUSTER["server"]
    assert [await token_of(made), await token_of(made)] == [f"{server}|1", f"{server}|1"]
    clock[0] = NOW + timedelta(minutes=59, seconds=40)
    assert await token_of(made) == f"{server}|2"
    made.identity.refused()
    assert await token_of(made) == f"{server}|3"


def given(status: dict[str, str]) -> str:
    return json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (f"import sys; print('{CANARY}'); print('{CANARY}', file=sys.stderr); sys.exit(3)", Unavailable),
        (f"print('{CANARY}')", Invalid),
        (f"print('{{\"kind\": \"ExecCredential\", \"apiVersion\": \"{CANARY}\"}}')", Invalid),
        (f"print({given({'token': 'two words'})!r})", Invalid),
        (f"print({given({'clientKeyData': 'k'})!r})", Invalid),
        ("print('x' * (2 << 20))", Invalid),
    ],
)  # fmt: skip
async def test_what_a_plugin_says_is_never_repeated(tmp_path: Path, script: str, kind: type[PortreeveError]) -> None:
    made = connect(write(tmp_path / "config", plugin(tmp_path, script)))
    with pytest.raises(kind) as why:
        await made.identity.current()
    assert CANARY not in why.value.diagnostics()
    assert why.value.__context__ is None or CANARY not in repr(why.value.__context__)


WRONG: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("user.token", {"token": [CANARY]}, CLUSTER),
    ("user.client-key", {"client-certificate-data": base64.b64encode(CANARY.encode()).decode()}, CLUSTER),
    ("user.client-key-data", {"client-key-data": f"!{CANARY}"}, CLUSTER),
    ("user.password", {"username": "", "password": CANARY}, CLUSTER),
    ("user.as", {"token": "t", "as": CANARY}, CLUSTER),
    ("user.auth-provider", {"auth-provider": {"name": CANARY}}, CLUSTER),
    ("user.exec.command", {"exec": {"apiVersion": "client.authentication.k8s.io/v1"}}, CLUSTER),
    ("user.exec.apiVersion", {"exec": {"command": "x", "apiVersion": CANARY}}, CLUSTER),
    ("user.exec.env[0]", {"exec": {"command": "x", "apiVersion": "client.authentication.k8s.io/v1",
                                   "env": [{"name": CANARY}]}}, CLUSTER),
    ("cluster.server", {"token": CANARY}, {}),
    ("cluster.proxy-url", {"token": CANARY}, {**CLUSTER, "proxy-url": f"http://u:{CANARY}@p"}),
    ("cluster.insecure-skip-tls-verify", {}, {**CLUSTER, "insecure-skip-tls-verify": CANARY}),
    ("cluster.insecure-skip-tls-verify", {}, {**CLUSTER, "insecure-skip-tls-verify": True}),
    ("cluster.certificate-authority", {}, {**CLUSTER, "certificate-authority-data": "ICAg"}),
]  # fmt: skip


@pytest.mark.parametrize(("field", "user", "cluster"), WRONG)
def test_a_mistake_is_told_by_file_and_field_alone(
    field: str, user: dict[str, Any], cluster: dict[str, Any], tmp_path: Path
) -> None:
    path = write(tmp_path / "config", user, cluster)
    with pytest.raises(Invalid) as why:
        connect(path)
    assert why.value.message.startswith(f"{path}: {field}"), why.value.message
    assert CANARY not in why.value.diagnostics()


def test_a_file_that_cannot_be_read_shows_its_line_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(f"a: 1\n{CANARY}: 1\n{CANARY}: 2\n")
    with pytest.raises(Invalid) as why:
        connect(path)
    assert CANARY not in why.value.diagnostics()
    path.unlink()
    path.mkdir()
    with pytest.raises(Invalid, match="it is not a file"):
        connect(path)


def test_a_context_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    path = write(tmp_path / "config", {"token": CANARY}, current=False)
    for context in ("", "other"):
        with pytest.raises(Invalid) as why:
            connect(path, context=context)
        assert (why.value.code, why.value.hint) == ("kubeconfig_context", "there are: one")


@pytest.mark.slow
async def test_a_plugin_s_certificate_is_shown_to_the_real_server(kubernetes: Cluster, tmp_path: Path) -> None:
    status = {
        "clientCertificateData": kubernetes.client_cert.read_text(),
        "clientKeyData": kubernetes.client_key.read_text(),
    }
    (tmp_path / "given.json").write_text(given(status))
    script = f"print(open({str(tmp_path / 'given.json')!r}).read())"
    cluster = {"server": kubernetes.url, "certificate-authority": str(kubernetes.ca_file)}
    async with Client(connect(write(tmp_path / "config", plugin(tmp_path, script), cluster))) as client:
        assert await client.list(NAMESPACES, dict[str, Any])


@pytest.mark.slow
async def test_a_token_that_was_renewed_meanwhile_is_shown_on_the_second_try(
    kubernetes: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("ended-long-ago")
    cluster = {"server": kubernetes.url, "certificate-authority": str(kubernetes.ca_file)}
    made = connect(write(tmp_path / "config", {"tokenFile": "token"}, cluster))
    assert await token_of(made) == "ended-long-ago"
    (tmp_path / "token").write_text(kubernetes.token("developer"))
    async with Client(made) as client:
        assert not await client.can_i("list", NAMESPACES)


@pytest.mark.slow
async def test_a_certificate_that_a_plugin_renews_is_shown_and_older_connections_end(
    kubernetes: Cluster, tmp_path: Path
) -> None:
    status = {
        "clientCertificateData": kubernetes.client_cert.read_text(),
        "clientKeyData": kubernetes.client_key.read_text(),
    }
    (tmp_path / "given.json").write_text(given(status))
    script = f"print(open({str(tmp_path / 'given.json')!r}).read())"
    cluster = {"server": kubernetes.url, "certificate-authority": str(kubernetes.ca_file)}
    made = connect(write(tmp_path / "config", plugin(tmp_path, script), cluster))
    async with Client(made) as client:
        for _ in range(4):
            assert await client.version() == kubernetes.version
            made.identity.refused()
        assert len(client._asking._older) == 1
