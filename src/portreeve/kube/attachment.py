"""Our entry in a ServiceAccount's `imagePullSecrets`, added and removed; no other entry is ever written.

The list is atomic to the API server: an apply by force, and a strategic merge, lose what others have put there. A JSON
Patch with a test of the version touches one entry, or nothing at all. When somebody writes between our reading and our
patch the test fails, and it is read and tried again, a few times.

Needs: get and patch of serviceaccounts, with `resourceNames: [default]` or of all.

Source: kubernetes.md 2.4 and 3.2; RFC 6902.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from portreeve.errors import Conflict, Invalid, NotFound
from portreeve.kube.client import Client
from portreeve.kube.errors import NamespaceEnding
from portreeve.kube.objects import OwnedMetadata, ServiceAccount
from portreeve.kube.pull_secret import NAME, NamespaceLeaving, Raced
from portreeve.kube.resources import SERVICE_ACCOUNTS

ATTEMPTS: Final = 8
"""Of one call. Who loses so often competes with a controller that writes without end, and is told so."""


@dataclass(frozen=True, slots=True)
class Attached:
    """The ServiceAccount names our Secret; `written` tells whether that took a write."""

    resource_version: str
    written: bool


@dataclass(frozen=True, slots=True)
class Detached:
    """The ServiceAccount does not name our Secret, or is not there."""

    written: bool


async def attach(client: Client, namespace: str, name: str) -> Attached | Detached | Raced | NamespaceLeaving:
    """Have a ServiceAccount name our Secret. `Detached` if there is no such ServiceAccount.

    Raises:
        As `Client.patch`, but for tests that fail.
    """
    found = await _changed(client, namespace, name, _additions)
    if found is None:
        return Detached(written=False)
    if isinstance(found, Raced | NamespaceLeaving):
        return found
    account, written = found
    return Attached(account.metadata.resource_version, written)


async def detach(client: Client, namespace: str, name: str) -> Detached | Raced | NamespaceLeaving:
    """Have a ServiceAccount not name our Secret.

    Raises:
        As `Client.patch`, but for tests that fail.
    """
    found = await _changed(client, namespace, name, _removals)
    if found is None or isinstance(found, Raced | NamespaceLeaving):
        return found or Detached(written=False)
    return Detached(found[1])


async def _changed(
    client: Client, namespace: str, name: str, change: Callable[[ServiceAccount], list[Mapping[str, Any]]]
) -> tuple[ServiceAccount, bool] | Raced | NamespaceLeaving | None:
    """The ServiceAccount after the change, and whether that took a write; None if there is none."""
    for _ in range(ATTEMPTS):
        seen = await _observe(client, namespace, name)
        if seen is None:
            return None
        operations = change(seen)
        if not operations:
            return seen, False
        patch = [*_unchanged(seen.metadata), *operations]
        try:
            answer = await client.patch(SERVICE_ACCOUNTS, name, patch, ServiceAccount, namespace=namespace)
        except NamespaceEnding:
            return NamespaceLeaving()
        except (NotFound, Conflict):
            continue
        except Invalid:
            # To the server a test that fails and an object that is wrong are one answer.
            again = await _observe(client, namespace, name)
            if again is not None and again.metadata.resource_version == seen.metadata.resource_version:
                raise
        else:
            return answer.object, True
    return Raced()


async def _observe(client: Client, namespace: str, name: str) -> ServiceAccount | None:
    try:
        return await client.get(SERVICE_ACCOUNTS, name, ServiceAccount, namespace=namespace)
    except NotFound:
        return None


def _unchanged(metadata: OwnedMetadata) -> Iterator[Mapping[str, Any]]:
    yield {"op": "test", "path": "/metadata/uid", "value": metadata.uid}
    yield {"op": "test", "path": "/metadata/resourceVersion", "value": metadata.resource_version}


def _additions(seen: ServiceAccount) -> list[Mapping[str, Any]]:
    if NAME in seen.pull_secrets:
        return []
    if seen.pull_secrets:
        return [{"op": "add", "path": "/imagePullSecrets/-", "value": {"name": NAME}}]
    return [{"op": "add", "path": "/imagePullSecrets", "value": [{"name": NAME}]}]


def _removals(seen: ServiceAccount) -> list[Mapping[str, Any]]:
    """Of every entry of ours, from the last, so that the places of the others stay."""
    found: list[Mapping[str, Any]] = []
    for index in reversed(range(len(seen.pull_secrets))):
        if seen.pull_secrets[index] == NAME:
            path = f"/imagePullSecrets/{index}"
            found.append({"op": "test", "path": path, "value": {"name": NAME}})
            found.append({"op": "remove", "path": path})
    return found
