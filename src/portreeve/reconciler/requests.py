"""Requests of the core, each as one call of the API, and how it ended as one of the core's outcomes.

Nothing is decided here but one thing: an apply that was to make a Secret, and found one of somebody's with the very
same content, has made us a co-owner of it. Our fields are given up again at once, before anybody looks.

What an answer of the API says about its cause is read by code and class alone; its message may quote what was sent.

Sources: kubernetes.md 2.4 "Collision behaviour"; reliability F-02 to F-16.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from portreeve.core.agent_messages import (
    Answer,
    ApplySecret,
    DeleteSecret,
    Outcome,
    PatchServiceAccount,
    ReadSecret,
    ReadServiceAccount,
    Request,
)
from portreeve.core.credential import render
from portreeve.core.observation import (
    ENTRIES_ANNOTATION,
    MANAGER,
    AccountSeen,
    SecretSeen,
    encode_facts,
    facts,
)
from portreeve.core.secret import SecretValue
from portreeve.errors import (
    Conflict,
    Denied,
    Invalid,
    NotFound,
    PortreeveError,
    Throttled,
    Unauthenticated,
    Unavailable,
)
from portreeve.kube.client import METADATA, Client
from portreeve.kube.errors import NamespaceEnding, RefusedByAdmission
from portreeve.kube.objects import OwnedMeta, Secret, ServiceAccount
from portreeve.kube.pull_secret import KEY, NAME, TYPE
from portreeve.kube.resources import SECRETS, SERVICE_ACCOUNTS
from portreeve.reconciler import seen

BROKEN_OFF_S: Final = 45.0
"""After this a request is broken off. The core takes one for lost after 60 s; what is lost must not come later."""

ANNOTATION_CHARACTERS: Final = 255 << 10
"""Of 256 KB that all annotations of an object may have. Source: apimachinery, TotalAnnotationSizeLimitB."""

_NOT_SENT: Final = {
    "pull_secret_too_large": Outcome.TOO_LARGE,
    "credential_username": Outcome.UNFIT,
    "credential_not_text": Outcome.UNFIT,
}
"""Mistakes in what was to be written, by their code."""

Seen = SecretSeen | AccountSeen | None

log = logging.getLogger("portreeve.agent")


class Requests:
    """Carries requests out. `monotonic` is the clock of the core's `at`; `chance` gives [0, 1)."""

    def __init__(self, client: Client, *, monotonic: Callable[[], float], chance: Callable[[], float]) -> None:
        self._client = client
        self._monotonic = monotonic
        self._chance = chance
        self.counted: Counter[tuple[str, ...]] = Counter()
        """(kind of request, outcome) → how many."""

    async def carried_out(self, request: Request) -> Answer:
        """How the request ended. Nothing is raised: not for what a server says, nor for a mistake of ours about it."""
        outcome, found, after_s = Outcome.UNKNOWN, None, None
        try:
            async with asyncio.timeout(BROKEN_OFF_S):
                found = await self._asked(request)
            outcome = Outcome.DONE
        except TimeoutError:
            pass
        except PortreeveError as error:
            outcome, after_s = _outcome(error), error.retry_after_s
            if isinstance(error, Invalid) and error.code == "kube_invalid":
                outcome = await self._why_invalid(request)
        except Exception:
            # Nobody knows how far it came. Raised, it would be waited for as if the server were silent.
            log.exception("%s in %s failed", type(request).__name__, request.namespace)
        self.counted[type(request).__name__, str(outcome)] += 1
        account = request.name if isinstance(request, ReadServiceAccount | PatchServiceAccount) else ""
        return Answer(
            request.ask, request.namespace, account, outcome, self._monotonic(), self._chance(), found, after_s
        )

    async def _asked(self, request: Request) -> Seen:
        match request:
            case ReadSecret(namespace):
                return seen.secret_read(await self._client.get(SECRETS, NAME, Secret, namespace=namespace))
            case ApplySecret():
                return await self._apply(request)
            case DeleteSecret(namespace, uid, version):
                await self._client.delete(SECRETS, NAME, uid=uid, resource_version=version, namespace=namespace)
                return None
            case ReadServiceAccount(namespace, name):
                account = await self._client.get(SERVICE_ACCOUNTS, name, ServiceAccount, namespace=namespace)
                return seen.account(account)
            case PatchServiceAccount(namespace, name):
                patched = await self._client.patch(
                    SERVICE_ACCOUNTS, name, request.operations(), ServiceAccount, namespace=namespace
                )
                return seen.account(patched.object)

    async def _apply(self, request: ApplySecret) -> SecretSeen:
        answer = await self._client.apply(SECRETS, manifest(request), OwnedMeta, accept=METADATA)
        found = seen.secret(answer.object.metadata)
        if not request.uid and not answer.created and found.managers - {MANAGER}:
            bare = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME, "namespace": request.namespace}}
            await self._client.apply(SECRETS, bare, OwnedMeta)
            raise Conflict("kube_conflict", "somebody has made it at the same time", hint="read it again")
        return found

    async def _why_invalid(self, request: Request) -> Outcome:
        """What 422 means: a test or a precondition that does not hold, or an object that is not taken."""
        if isinstance(request, PatchServiceAccount):
            return Outcome.CONFLICT
        if not isinstance(request, ApplySecret) or not request.uid:
            return Outcome.REFUSED
        try:
            there = await self._client.get(SECRETS, NAME, Secret, namespace=request.namespace)
        except PortreeveError:
            return Outcome.CONFLICT
        same = there.metadata.uid == request.uid and there.metadata.resource_version == request.resource_version
        # An immutable one is read again, and then known as such.
        return Outcome.REFUSED if same and not there.immutable else Outcome.CONFLICT


def manifest(request: ApplySecret) -> dict[str, Any]:
    """The Secret as it is applied. UID and version are preconditions where it is there already.

    Raises:
        Invalid: `pull_secret_too_large`; `credential_username`, `credential_not_text`: it has no place for a login.
    """
    told = encode_facts(facts(request.entries))
    if len(told) > ANNOTATION_CHARACTERS:
        raise Invalid(
            "pull_secret_too_large",
            f"{len(request.entries):,} entries cannot be told in annotations",
            hint="grant the namespace fewer registries, or one registry as a whole in place of many paths",
        )
    conditions = {"uid": request.uid, "resourceVersion": request.resource_version} if request.uid else {}
    metadata = {
        "name": NAME,
        "namespace": request.namespace,
        "labels": dict(request.labels),
        "annotations": {ENTRIES_ANNOTATION: told},
        **conditions,
    }
    data = {KEY: SecretValue(base64.b64encode(render(request.entries).reveal()))}
    return {"apiVersion": "v1", "kind": "Secret", "type": TYPE, "metadata": metadata, "data": data}


def _outcome(error: PortreeveError) -> Outcome:
    match error:
        case NamespaceEnding():
            return Outcome.GONE
        case RefusedByAdmission():
            return Outcome.REFUSED
        case Denied():
            return Outcome.REFUSED if error.code == "kube_quota" else Outcome.FORBIDDEN
        case Unauthenticated():
            return Outcome.UNAVAILABLE
        case NotFound():
            return Outcome.NOT_FOUND
        case Conflict():
            return Outcome.CONFLICT
        case Throttled():
            return Outcome.THROTTLED
        case Unavailable():
            # Without an answer nobody knows whether it was carried out.
            return Outcome.UNAVAILABLE if error.code == "kube_unavailable" else Outcome.UNKNOWN
        case Invalid():
            return _NOT_SENT.get(error.code, Outcome.REFUSED)
    return Outcome.UNKNOWN
