"""A pull test against the API server: make the pod, look at it and its events until the pull has ended, take it away.

The pod is taken away whatever happens: when the pull has ended, when the time is over, when the caller is cancelled,
and when nobody knows whether it was made. It is polled, not watched: a few small reads a second, for a minute or two.

Needs, in the namespace: create, get and delete of pods, list of events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from portreeve.core.pull_test import Observed, Outcome, Pull, Told, steps, verdict
from portreeve.errors import Denied, NotFound, PortreeveError, Unavailable
from portreeve.kube.client import Client, Selection
from portreeve.kube.errors import RefusedByAdmission
from portreeve.kube.objects import Event, Pod
from portreeve.kube.resources import EVENTS, PODS

POLL_S: Final = 0.5
"""Between two looks."""

DIGEST_S: Final = 10.0
"""How long after the pull the digest may take: it is there once the container was made."""

MOST_TRIES: Final = 10
"""To delete a pod that its kubelet goes on changing."""

ASK_AGAIN_S: Final = 0.3


async def pull_test(
    client: Client,
    manifest: Mapping[str, Any],
    *,
    timeout_s: float,
    say: Callable[[str], None],
    warn: Callable[[str], None],
) -> Pull:
    """Make the pod of `core.pull_test.pod` and follow it. `say` is told each step, `warn` of a pod that is left behind.

    Raises:
        As `Client.create`, but for a refusal by admission, which is a verdict. The pod is gone then, too.
    """
    name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    maybe_there = True
    try:
        try:
            made = (await client.create(PODS, manifest, Pod, namespace=namespace)).object
        except RefusedByAdmission as refusal:
            maybe_there = False
            who = f"policy {refusal.policy}" if refusal.policy else f"the webhook {refusal.webhook}"
            return Pull(Outcome.REFUSED, f"admission refused the pod: {who}")
        except PortreeveError as error:
            maybe_there = isinstance(error, Unavailable)
            raise
        return await _followed(client, made, timeout_s, say)
    finally:
        if maybe_there:
            await _taken_away(client, name, namespace, warn)


async def _followed(client: Client, made: Pod, timeout_s: float, say: Callable[[str], None]) -> Pull:
    """Look until the verdict is settled, or the time is over."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + timeout_s
    events: tuple[Told, ...] = ()
    while True:
        seen = await _observed(client, made)
        for line in steps(events, seen.events):
            say(line)
        events, found = seen.events, verdict(seen)
        if found.outcome is Outcome.PULLED:
            ends = min(ends, loop.time() + DIGEST_S)
        if found.settled or seen.gone or loop.time() >= ends:
            return found
        await asyncio.sleep(POLL_S)


async def _observed(client: Client, made: Pod) -> Observed:
    namespace = made.metadata.namespace
    try:
        pod = await client.get(PODS, made.metadata.name, Pod, namespace=namespace)
        gone = pod.metadata.uid != made.metadata.uid
    except NotFound:
        pod, gone = made, True
    selection = Selection(namespace, f"involvedObject.uid={made.metadata.uid}")
    found = sorted(await client.list(EVENTS, Event, selection), key=_happened)
    waiting = next((Told(why.reason, why.message) for _, why in pod.status.waiting), None)
    image_id = next((one.image_id for one in pod.status.containers if one.image_id), "")
    told = tuple(Told(event.reason, event.message) for event in found)
    return Observed(told, waiting, image_id, pod.spec.node_name, gone)


def _happened(event: Event) -> tuple[str, int]:
    """First when it happened first, then as they were written: many happen in one second."""
    version = event.metadata.resource_version
    return event.first_timestamp or event.event_time or "", int(version) if version.isdecimal() else 0


async def _taken_away(client: Client, name: str, namespace: str, warn: Callable[[str], None]) -> None:
    """Delete the pod; what fails is said, and hides no verdict and no error."""
    for _ in range(MOST_TRIES):
        try:
            pod = await client.get(PODS, name, Pod, namespace=namespace)
            version = pod.metadata.resource_version
            await client.delete(PODS, name, uid=pod.metadata.uid, resource_version=version, namespace=namespace)
        except NotFound:
            return
        except PortreeveError as error:
            if isinstance(error, Denied):
                break
            await asyncio.sleep(ASK_AGAIN_S)
        else:
            return
    warn(f"left behind: kubectl delete pod {name} -n {namespace}")
