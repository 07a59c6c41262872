"""How a cluster is reached and as whom: from kubeconfig files, or from what a pod is given.

A message names the file and the field, and never what stands there: a kubeconfig is full of credentials, and a value
in the wrong field is often one. What would be passed over in silence and change who asks, or what is trusted
(impersonation, a proxy, a password), is refused by name.

Sources: Kubernetes, "Organizing Cluster Access Using kubeconfig Files"; client.authentication.k8s.io/v1;
client-go tools/clientcmd (precedence: data before file, token file before token) and rest.InClusterConfig.
"""

from __future__ import annotations

import base64
import binascii
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from portreeve.core.reference import shown
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, PortreeveError
from portreeve.kube import files
from portreeve.kube.identity import (
    API_VERSIONS,
    FixedIdentity,
    Identity,
    IdentitySource,
    Plugin,
    PluginIdentity,
    TokenFile,
)
from portreeve.transport.client_certificate import ClientCertificate
from portreeve.transport.exchange import one_word
from portreeve.transport.trust import Trust
from portreeve.wire.kubeconfig import Entry, Kubeconfig, merged

POD_DIRECTORY: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token, its cluster's authority and its namespace. Source: rest.InClusterConfig."""

_REFUSED: Final = {
    "as": "impersonation",
    "as-uid": "impersonation",
    "as-groups": "impersonation",
    "as-user-extra": "impersonation",
    "username": "a password",
    "password": "a password",
    "auth-provider": "an auth-provider, which kubectl dropped in 1.26",
}


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """One cluster and one identity. `context` is "" in a pod; `namespace` is the one that is meant without a name."""

    server: str
    trust: Trust
    identity: IdentitySource
    context: str = ""
    namespace: str = "default"
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """The kubeconfig files together, before a context is chosen. `current` is "" when none is said to be."""

    config: Kubeconfig
    current: str

    @property
    def contexts(self) -> Mapping[str, str]:
        """Context → its namespace ("default" where none is said), in the order of the files."""
        return {name: _word(entry, "namespace", "context") or "default" for name, entry in self.config.contexts.items()}


def find(environment: Mapping[str, str]) -> Found:
    """The kubeconfig files that KUBECONFIG lists, or the one in the home directory. Files that are missing say nothing.

    Raises:
        Invalid: `kubeconfig_file`, `kubeconfig`: a file is there and cannot be used.
    """
    config = merged(_files(environment))
    for one in config.unread:
        # The reader's reason may quote a key of the file; its code does not.
        raise Invalid(
            "kubeconfig",
            f"{one.file}: line {one.line} cannot be read as a kubeconfig ({one.code})",
            hint="kubectl config view shows what kubectl makes of it",
        )
    return Found(config, config.current)


def _files(environment: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    listed, home = environment.get("KUBECONFIG", ""), environment.get("HOME", "")
    paths = listed.split(os.pathsep) if listed else [f"{home}/.kube/config"] if home else []
    for path in dict.fromkeys(Path(part) for part in paths if part):
        if path.exists():
            yield str(path), files.read(path, "the kubeconfig")


def connection(
    found: Found,
    context: str = "",
    *,
    environment: Mapping[str, str],
    now: Callable[[], datetime],
    monotonic: Callable[[], float] = time.monotonic,
) -> Connection:
    """The connection of a context, of the current one without a name.

    Args:
        environment: what a credential plugin inherits.
        now: UTC, aware; `monotonic`: seconds from any start.
    Raises:
        Invalid: `kubeconfig`, `kubeconfig_context`, `kubeconfig_file`, `kubeconfig_unsupported`, `credential_word`.
    """
    name = context or found.current
    if name not in found.config.contexts:
        raise Invalid(
            "kubeconfig_context",
            f"there is no context {shown(name)}" if name else "no context was named and none is current",
            hint=f"there are: {', '.join(map(shown, found.config.contexts)) or 'none'}",
        )
    chosen = found.config.contexts[name]
    cluster = _referred(found.config.clusters, chosen, "cluster", name)
    user = _referred(found.config.users, chosen, "user", name)
    server = _word(cluster, "server", "cluster")
    if not server:
        raise _wrong(cluster, "cluster.server", "is missing")
    if _word(cluster, "proxy-url", "cluster"):
        raise _unsupported(cluster, "cluster.proxy-url", "a proxy")
    trust = _trust(cluster)
    return Connection(
        server.rstrip("/"),
        trust,
        _identity(user, cluster, trust, environment=environment, now=now, monotonic=monotonic),
        name,
        found.contexts[name],
        _word(cluster, "tls-server-name", "cluster"),
    )


def in_cluster(
    environment: Mapping[str, str],
    *,
    directory: Path = POD_DIRECTORY,
    monotonic: Callable[[], float] = time.monotonic,
) -> Connection:
    """The connection of the pod that this runs in.

    Raises:
        Invalid: `kubeconfig_not_in_cluster`, `kubeconfig_file`.
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        raise Invalid(
            "kubeconfig_not_in_cluster",
            "this does not run in a pod: KUBERNETES_SERVICE_HOST and _PORT are not set",
            hint="name a kubeconfig instead",
        )
    authority = files.read(directory / "ca.crt", "the cluster's authority").decode(errors="replace")
    namespace = files.read(directory / "namespace", "the namespace").decode(errors="replace").strip()
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    token = TokenFile(directory / "token", monotonic=monotonic)
    return Connection(server, Trust(ca_bundle=authority), token, namespace=namespace or "default")


def _referred(entries: Mapping[str, Entry], context: Entry, field: str, name: str) -> Entry:
    wanted = _word(context, field, "context")
    if wanted not in entries:
        raise _wrong(context, f"context.{field}", f"of {shown(name)} names none that is there")
    return entries[wanted]


def _trust(cluster: Entry) -> Trust:
    skip = _flag(cluster, "insecure-skip-tls-verify", "cluster")
    bundle = _data_or_file(cluster, "certificate-authority", "cluster")
    if skip and bundle is not None:
        raise _wrong(cluster, "cluster.insecure-skip-tls-verify", "stands beside a certificate authority")
    # An authority that is there and empty must not turn into trust in everybody that this machine trusts.
    if bundle is not None and not bundle.reveal().strip():
        raise _wrong(cluster, "cluster.certificate-authority", "is empty")
    text = bundle.reveal().decode(errors="replace") if bundle is not None else ""
    return Trust(ca_bundle=text, insecure_skip_verify=skip)


def _identity(
    user: Entry,
    cluster: Entry,
    trust: Trust,
    *,
    environment: Mapping[str, str],
    now: Callable[[], datetime],
    monotonic: Callable[[], float],
) -> IdentitySource:
    for field, what in _REFUSED.items():
        if user.settings.get(field):
            raise _unsupported(user, f"user.{field}", what)
    certificate = _certificate(user)
    if path := _word(user, "tokenFile", "user"):
        return TokenFile(_path(user, path), monotonic=monotonic, certificate=certificate)
    if token := _word(user, "token", "user"):
        return FixedIdentity(Identity(certificate, one_word(SecretValue(token))))
    if user.settings.get("exec") and certificate is None:
        plugin = _plugin(user, cluster, trust)
        return PluginIdentity(plugin, now=now, environment=environment)
    return FixedIdentity(Identity(certificate))


def _certificate(user: Entry) -> ClientCertificate | None:
    chain, key = _data_or_file(user, "client-certificate", "user"), _data_or_file(user, "client-key", "user")
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        missing = "client-certificate" if chain is None else "client-key"
        raise _wrong(user, f"user.{missing}", "is missing beside its counterpart")
    return ClientCertificate(chain.reveal().decode(errors="replace"), key)


def _plugin(user: Entry, cluster: Entry, trust: Trust) -> Plugin:
    settings = user.settings["exec"]
    if not isinstance(settings, Mapping):
        raise _wrong(user, "user.exec", "is no mapping")
    spec = Entry(user.file, settings)
    command, version = _word(spec, "command", "user.exec"), _word(spec, "apiVersion", "user.exec")
    if not command:
        raise _wrong(user, "user.exec.command", "is missing")
    if version not in API_VERSIONS:
        raise _unsupported(user, "user.exec.apiVersion", f"anything but {' and '.join(API_VERSIONS)}")
    if _word(spec, "interactiveMode", "user.exec") == "Always":
        raise _unsupported(user, "user.exec.interactiveMode", "a plugin that has to ask a person")
    # A command with a slash is relative to the file, as client-go has it; a bare name is looked up on PATH.
    program = str(_path(user, command)) if "/" in command else command
    told: dict[str, Any] | None = None
    if _flag(spec, "provideClusterInfo", "user.exec"):
        told = {"server": _word(cluster, "server", "cluster"), "insecure-skip-tls-verify": trust.insecure_skip_verify}
        if trust.ca_bundle:
            told["certificate-authority-data"] = base64.b64encode(trust.ca_bundle.encode()).decode()
    return Plugin(
        program,
        tuple(_words(spec, "args")),
        dict(_variables(spec)),
        version,
        cluster=told,
        hint=_word(spec, "installHint", "user.exec")[:400],
    )


def _words(spec: Entry, field: str) -> Iterator[str]:
    listed = spec.settings.get(field)
    for index, one in enumerate(listed if isinstance(listed, list) else []):
        if not isinstance(one, str):
            raise _wrong(spec, f"user.exec.{field}[{index}]", "is no text")
        yield str(one)


def _variables(spec: Entry) -> Iterator[tuple[str, str]]:
    listed = spec.settings.get("env")
    for index, one in enumerate(listed if isinstance(listed, list) else []):
        name, value = (one.get("name"), one.get("value")) if isinstance(one, Mapping) else (None, None)
        if not isinstance(name, str) or not isinstance(value, str):
            raise _wrong(spec, f"user.exec.env[{index}]", "has no name or no value")
        yield str(name), str(value)


def _data_or_file(entry: Entry, field: str, kind: str) -> SecretValue | None:
    """What `<field>-data` holds in base64, or the file that `<field>` names; None if neither is there."""
    if data := _word(entry, f"{field}-data", kind):
        try:
            return SecretValue(base64.b64decode("".join(data.split()), validate=True))
        except (binascii.Error, ValueError):
            raise _wrong(entry, f"{kind}.{field}-data", "is not base64") from None
    if path := _word(entry, field, kind):
        return SecretValue(files.read(_path(entry, path), f"{kind}.{field}"))
    return None


def _path(entry: Entry, written: str) -> Path:
    """A path of an entry; a relative one is relative to the directory of its file."""
    return Path(entry.file).parent / written


def _word(entry: Entry, field: str, kind: str) -> str:
    value = entry.settings.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(entry, f"{kind}.{field}", "is no text")
    return "" if value in {"null", "~"} else str(value)


def _flag(entry: Entry, field: str, kind: str) -> bool:
    value = _word(entry, field, kind).lower()
    if value not in {"", "true", "false"}:
        raise _wrong(entry, f"{kind}.{field}", "is neither true nor false")
    return value == "true"


def _wrong(entry: Entry, field: str, why: str) -> PortreeveError:
    return Invalid(
        "kubeconfig", f"{entry.file}: {field} {why}", hint="kubectl config view shows the file as it is read"
    )


def _unsupported(entry: Entry, field: str, what: str) -> PortreeveError:
    return Invalid(
        "kubeconfig_unsupported",
        f"{entry.file}: {field}: {what} is not supported",
        hint="use a context with a certificate, a token or a credential plugin",
    )
