"""The policy that a cluster enforces, read from the cluster itself: for those who have no documents and no login.

Left out: whether it is ours (whoever may write such objects governs the cluster anyway), and what it says of an image.

Needs: get of validatingadmissionpolicies and of validatingadmissionpolicybindings, for our two objects.

Source: Kubernetes, "Validating Admission Policy" (validationActions).
"""

from __future__ import annotations

import msgspec

from portreeve.core.compiled import Compiled
from portreeve.core.policy import Stage
from portreeve.core.render import DENY_BINDING, POLICY_NAME
from portreeve.errors import NotFound
from portreeve.kube.client import Client
from portreeve.kube.objects import OwnedMetadata, Partial
from portreeve.kube.resources import BINDINGS, POLICIES


class _Variable(Partial):
    name: str = ""
    expression: str = ""


class _Spec(Partial):
    variables: list[_Variable] | None = None
    validation_actions: list[str] | None = None


class _Object(Partial):
    metadata: OwnedMetadata
    spec: _Spec = msgspec.field(default_factory=_Spec)


async def enforced(client: Client) -> Compiled | None:
    """The compiled policy; None if the cluster has none of ours. A policy that nothing binds is at stage off.

    Raises:
        As `Client.get`.
    """
    try:
        policy = await client.get(POLICIES, POLICY_NAME, _Object)
    except NotFound:
        return None
    try:
        actions = (await client.get(BINDINGS, DENY_BINDING, _Object)).spec.validation_actions or []
    except NotFound:
        actions = []
    annotations = policy.metadata.annotations or {}
    generation = annotations.get("portreeve.io/generation", "")
    return Compiled(
        annotations.get("portreeve.io/policy", ""),
        int(generation) if generation.isascii() and generation.isdecimal() and len(generation) < 10 else 0,
        _stage(actions),
        {one.name: one.expression for one in policy.spec.variables or ()},
    )


def _stage(actions: list[str]) -> Stage:
    for action, stage in (("Deny", Stage.DENY), ("Warn", Stage.WARN), ("Audit", Stage.AUDIT)):
        if action in actions:
            return stage
    return Stage.OFF
