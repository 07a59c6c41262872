"""As whom a cluster is asked: something fixed, a token in a file that is renewed, or a plugin that is run.

A source is asked before each request and answers from what it has; after the server refused an identity it is asked
for a fresh one, once. Everything secret is a `SecretValue`; of a plugin's output nothing is repeated, nor of its
complaints, as both may hold credentials.

Left out: plugins that talk to a person (stdin is closed), and the `auth-provider` of old kubeconfigs.

Sources: Kubernetes, "Authenticating", client-go credential plugins (client.authentication.k8s.io/v1, ExecCredential);
client-go rest/token_source.go (files are read again after a minute).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Unavailable
from portreeve.kube import files
from portreeve.transport.client_certificate import ClientCertificate
from portreeve.transport.exchange import one_word

READ_AGAIN_S: Final = 60.0
"""A ServiceAccount's token is renewed at 80 % of its life, which is an hour or more. Source: client-go, as above."""

PLUGIN_S: Final = 60.0
"""Cloud tools ask their own services; a minute is what the kubelet gives its plugins."""

PLUGIN_BYTES: Final = 1 << 20
"""Of an ExecCredential: a token and a chain of certificates take some kilobytes."""

EARLY: Final = timedelta(seconds=30)
"""A plugin's credential is renewed before it ends, as requests take time and clocks differ."""

API_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """What is shown to the server: a certificate, a token, both, or nothing (anonymous)."""

    certificate: ClientCertificate | None = None
    token: SecretValue | None = None


class IdentitySource(Protocol):
    """Where identities come from."""

    async def current(self) -> Identity:
        """What to show now.

        Raises:
            Invalid: `kubeconfig_file`, `kubeconfig_plugin`, `credential_word`.
            Unavailable: `kubeconfig_plugin_failed`.
        """

    def refused(self) -> bool:
        """The server did not accept what was shown. Whether asking again may give something else."""


class FixedIdentity:
    """One that does not change."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def current(self) -> Identity:
        """The same, always."""
        return self._identity

    def refused(self) -> bool:
        """There is nothing else."""
        return False


class TokenFile:
    """A token in a file that somebody renews, as the kubelet does for ServiceAccounts."""

    def __init__(
        self, path: Path, *, monotonic: Callable[[], float], certificate: ClientCertificate | None = None
    ) -> None:
        """
        Args:
            monotonic: seconds from any start.
        """
        self._path, self._monotonic, self._certificate = path, monotonic, certificate
        self._identity: Identity | None = None
        self._read_at = 0.0

    async def current(self) -> Identity:
        """The file's token, read again after a minute."""
        now = self._monotonic()
        if self._identity is None or now - self._read_at >= READ_AGAIN_S:
            data = files.read(self._path, "the token").strip()
            self._identity, self._read_at = Identity(self._certificate, one_word(SecretValue(data))), now
        return self._identity

    def refused(self) -> bool:
        """The file is read again: it may have been renewed within the minute."""
        self._identity = None
        return True


@dataclass(frozen=True, slots=True)
class Plugin:
    """A program that gives credentials. `cluster` is handed to it when it asks for that; it holds no secret."""

    command: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    api_version: str = API_VERSIONS[0]
    directory: Path | None = None
    cluster: Mapping[str, Any] | None = field(default=None, repr=False)
    hint: str = ""


class PluginIdentity:
    """What a plugin gives, until that ends or is refused. Several requests at once run it once."""

    def __init__(self, plugin: Plugin, *, now: Callable[[], datetime], environment: Mapping[str, str]) -> None:
        """
        Args:
            now: UTC, aware.
            environment: what the plugin inherits, under what its own settings add.
        """
        self._plugin, self._now, self._environment = plugin, now, environment
        self._identity: Identity | None = None
        self._ends: datetime | None = None
        self._lock = asyncio.Lock()

    async def current(self) -> Identity:
        """The credential that the plugin gave, or a new one when it ends within half a minute."""
        async with self._lock:
            if self._identity is None or (self._ends is not None and self._now() >= self._ends - EARLY):
                output = await _run(self._plugin, self._environment)
                self._identity, self._ends = credential(output, self._plugin)
            return self._identity

    def refused(self) -> bool:
        """The plugin is run again."""
        self._identity = None
        return True


async def _run(plugin: Plugin, inherited: Mapping[str, str]) -> bytes:
    """Raises: Unavailable: `kubeconfig_plugin_failed`; Invalid: `kubeconfig_plugin`."""
    spec: dict[str, Any] = {"interactive": False}
    if plugin.cluster is not None:
        spec["cluster"] = plugin.cluster
    info = {"apiVersion": plugin.api_version, "kind": "ExecCredential", "spec": spec}
    name = Path(plugin.command).name
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command,
            *plugin.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**inherited, **plugin.environment, "KUBERNETES_EXEC_INFO": json.dumps(info)},
            cwd=plugin.directory,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its name or arguments cannot be used"
        raise Invalid(
            "kubeconfig_plugin", f"the credential plugin {name} did not start: {why}", hint=plugin.hint or "install it"
        ) from None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PLUGIN_S):
            output = await process.stdout.read(PLUGIN_BYTES + 1)
            while len(output) <= PLUGIN_BYTES and (more := await process.stdout.read(PLUGIN_BYTES + 1)):
                output += more
            code = 0 if len(output) > PLUGIN_BYTES else await process.wait()
    except TimeoutError:
        raise _failed(name, f"took longer than {PLUGIN_S:g} s") from None
    finally:
        # What it started goes with it: it has a process group of its own.
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if code != 0:
        raise _failed(name, f"ended with {code}")
    return output


def _failed(name: str, why: str) -> Unavailable:
    return Unavailable(
        "kubeconfig_plugin_failed",
        f"the credential plugin {name} {why}",
        hint="run kubectl in a terminal: it shows what the plugin says",
    )


def credential(output: bytes, plugin: Plugin) -> tuple[Identity, datetime | None]:
    """The identity in an ExecCredential, and when it ends (UTC), None if that is not said.

    Raises:
        Invalid: `kubeconfig_plugin`: it is none, or of another version than was asked for, or gives nothing usable.
    """
    name = Path(plugin.command).name
    try:
        read = json.loads(output) if len(output) <= PLUGIN_BYTES else None
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict) or read.get("kind") != "ExecCredential":
        raise _unusable(name, "gave no ExecCredential")
    if read.get("apiVersion") != plugin.api_version:
        raise _unusable(name, f"answered in another version than {plugin.api_version}")
    status = read.get("status")
    texts = {key: value for key, value in status.items() if isinstance(value, str)} if isinstance(status, dict) else {}
    chain, key = texts.get("clientCertificateData", ""), texts.get("clientKeyData", "")
    if bool(chain) != bool(key):
        raise _unusable(name, "gave a certificate without its key, or the reverse")
    token = texts.get("token", "")
    if not token and not chain:
        raise _unusable(name, "gave neither a token nor a certificate")
    certificate = ClientCertificate(chain, SecretValue(key)) if chain else None
    identity = Identity(certificate, one_word(SecretValue(token)) if token else None)
    return identity, _moment(texts.get("expirationTimestamp", ""), name)


def _moment(text: str, name: str) -> datetime | None:
    if not text:
        return None
    with suppress(ValueError):
        read = datetime.fromisoformat(text)
        if read.tzinfo is not None:
            return read.astimezone(UTC)
    raise _unusable(name, "gave a time that cannot be read")


def _unusable(name: str, why: str) -> Invalid:
    return Invalid("kubeconfig_plugin", f"the credential plugin {name} {why}", hint="see its version and its settings")
