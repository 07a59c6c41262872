"""Taking other people's pull secrets away, as it was decided: one entry of a ServiceAccount, one Secret.

A ServiceAccount is patched on the condition that it is the one that was seen, at the version just read, and that the
entry stands where it stood; our own entry must be there, too. When somebody writes at the same time the test fails and
it is read again, a few times. It is patched under a name of its own: a list that the agent's name alone holds counts as
written by the agent, and the entry of our name that stays in it may be somebody's. A Secret is deleted if it still is
that object, at that version.

Needs: get and patch of serviceaccounts, delete of secrets.

Source: as attachment.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from portreeve.core.retirement import Detach, Removal
from portreeve.errors import Conflict, Invalid, NotFound
from portreeve.kube.client import Client
from portreeve.kube.objects import ServiceAccount
from portreeve.kube.pull_secret import NAME
from portreeve.kube.resources import SECRETS, SERVICE_ACCOUNTS

ATTEMPTS: Final = 8
"""Of one patch; see attachment.py."""


PERSON: Final = "portreeve-cli"
"""The field manager of what a person has the command line do."""


class Done(StrEnum):
    """What became of one step."""

    DONE = "done"
    ABSENT = "absent"
    """There was nothing to do any more."""
    CHANGED = "changed"
    """It is not what was seen, so that it was left alone."""


async def detach(client: Client, wanted: Detach, *, dry_run: bool = False) -> Done:
    """Take an entry out of a ServiceAccount, and touch no other.

    Raises:
        As `Client.patch`, but for tests that fail.
    """
    for _ in range(ATTEMPTS):
        seen = await _observe(client, wanted)
        if seen is None:
            return Done.ABSENT
        if seen.metadata.uid != wanted.uid or NAME not in seen.pull_secrets:
            return Done.CHANGED
        operations = _removals(seen, wanted.secret)
        if not operations:
            return Done.ABSENT
        try:
            await client.patch(
                SERVICE_ACCOUNTS,
                wanted.account,
                operations,
                ServiceAccount,
                namespace=wanted.namespace,
                manager=PERSON,
                dry_run=dry_run,
            )
        except (NotFound, Conflict):
            continue
        except Invalid:
            # To the server a test that fails and an object that is wrong are one answer.
            again = await _observe(client, wanted)
            if again is not None and again.metadata.resource_version == seen.metadata.resource_version:
                raise
        else:
            return Done.DONE
    return Done.CHANGED


async def remove(client: Client, wanted: Removal, *, dry_run: bool = False) -> Done:
    """Delete a Secret if it is still the one that was seen.

    Raises:
        As `Client.delete`, but for conditions that fail.
    """
    try:
        await client.delete(
            SECRETS,
            wanted.name,
            uid=wanted.uid,
            resource_version=wanted.resource_version,
            namespace=wanted.namespace,
            dry_run=dry_run,
        )
    except NotFound:
        return Done.ABSENT
    except Conflict:
        return Done.CHANGED
    return Done.DONE


async def _observe(client: Client, wanted: Detach) -> ServiceAccount | None:
    try:
        return await client.get(SERVICE_ACCOUNTS, wanted.account, ServiceAccount, namespace=wanted.namespace)
    except NotFound:
        return None


def _removals(seen: ServiceAccount, secret: str) -> list[Mapping[str, Any]]:
    """Of every entry of this name, from the last, so that the places of the others stay."""
    found: list[Mapping[str, Any]] = []
    for index in reversed(range(len(seen.pull_secrets))):
        if seen.pull_secrets[index] == secret:
            path = f"/imagePullSecrets/{index}"
            found.append({"op": "test", "path": path, "value": {"name": secret}})
            found.append({"op": "remove", "path": path})
    if not found:
        return []
    return [
        {"op": "test", "path": "/metadata/uid", "value": seen.metadata.uid},
        {"op": "test", "path": "/metadata/resourceVersion", "value": seen.metadata.resource_version},
        *found,
    ]
