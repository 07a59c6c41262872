"""The same restriction for other policy engines: Kyverno and Gatekeeper.

Both evaluate CEL with Kubernetes' own libraries, so the expressions are those of `core.render`, word for word, and only
what is around them differs. What an engine cannot do is said in `LIMITS` and printed above the objects.

Sources: Kyverno, "ValidatingPolicy" (policies.kyverno.io/v1); Gatekeeper, "ConstraintTemplate" with the
K8sNativeValidation engine (templates.gatekeeper.sh/v1, constraints.gatekeeper.sh/v1beta1).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from portreeve.core import render
from portreeve.core.cluster import SYSTEM_NAMESPACES
from portreeve.core.policy import Stage
from portreeve.core.render import AGENT_IMAGE, Manifest, ProtectedImage, Rules
from portreeve.core.sources import ResolvedSources


class Engine(StrEnum):
    """What evaluates a restriction at admission."""

    KUBERNETES = "kubernetes"
    KYVERNO = "kyverno"
    GATEKEEPER = "gatekeeper"


LIMITS: Final[dict[Engine, tuple[str, ...]]] = {
    Engine.KUBERNETES: (),
    Engine.KYVERNO: (
        "Needs Kyverno 1.17 or newer (policies.kyverno.io/v1).",
        "Judged by a webhook: while it is down, failurePolicy Fail stops every pod that Kyverno is asked about.",
        "Background scans are off: grandfathering and exemptions compare with the request, which a scan does not have.",
    ),
    Engine.GATEKEEPER: (
        "Needs Gatekeeper 3.18 or newer with the K8sNativeValidation engine on.",
        "Gatekeeper's webhook must listen to UPDATE and pods/ephemeralcontainers; by default it lacks the latter.",
        "Its audit has no request: images that run already are reported though an update would leave them alone.",
    ),
}

TEMPLATE_KIND: Final = "PortreeveImages"

_KINDS: Final = {
    "pods": "Pod",
    "podtemplates": "PodTemplate",
    "replicationcontrollers": "ReplicationController",
    "daemonsets": "DaemonSet",
    "deployments": "Deployment",
    "replicasets": "ReplicaSet",
    "statefulsets": "StatefulSet",
    "cronjobs": "CronJob",
    "jobs": "Job",
}


def compile_for(
    engine: Engine, sources: ResolvedSources, *, protected: Iterable[ProtectedImage] = (AGENT_IMAGE,)
) -> tuple[Manifest, ...]:
    """The restriction as objects of `engine`, in the order in which they are applied; empty at stage off.

    Raises:
        Invalid: as `render.compile_policy`, whose checks come first whatever the engine.
    """
    native = render.compile_policy(sources, protected=protected)
    if engine is Engine.KUBERNETES or not native:
        return native
    return _kyverno(sources, native[0]) if engine is Engine.KYVERNO else _gatekeeper(sources, native[0])


def _kyverno(sources: ResolvedSources, native: Manifest) -> tuple[Manifest, ...]:
    """Three policies, because a Kyverno policy has its actions and its namespaces in itself."""
    stage = {Stage.AUDIT: "Audit", Stage.WARN: "Warn", Stage.DENY: "Deny"}[sources.stage]
    templates = "Audit" if sources.stage is Stage.AUDIT else "Warn"
    parts: tuple[tuple[str, str, str, tuple[Rules, ...]], ...] = (
        (render.POLICY_NAME, stage, "NotIn", (render.POD_RULES,)),
        (render.WARN_BINDING, templates, "NotIn", (render.WORKLOAD_RULES,)),
        (render.SYSTEM_BINDING, "Audit", "In", (render.POD_RULES, render.WORKLOAD_RULES)),
    )
    judged = {key: native["spec"][key] for key in ("matchConditions", "variables", "validations", "auditAnnotations")}
    return tuple(
        render.described(
            "policies.kyverno.io/v1",
            "ValidatingPolicy",
            name,
            sources,
            {
                "validationActions": [action],
                "failurePolicy": "Fail",
                "evaluation": {"admission": {"enabled": True}, "background": {"enabled": False}},
                "autogen": {"podControllers": {"controllers": []}},
                "matchConstraints": {
                    "matchPolicy": "Equivalent",
                    "namespaceSelector": render.namespace_selector(operator),
                    "resourceRules": render.resource_rules(*rules),
                },
                **judged,
            },
        )
        for name, action, operator, rules in parts
    )


def _gatekeeper(sources: ResolvedSources, native: Manifest) -> tuple[Manifest, ...]:
    """A template with the expressions and three constraints, the counterparts of the bindings."""
    source = {"failurePolicy": "Fail"} | {
        key: native["spec"][key] for key in ("matchConditions", "variables", "validations")
    }
    template = render.described(
        "templates.gatekeeper.sh/v1",
        "ConstraintTemplate",
        TEMPLATE_KIND.lower(),
        sources,
        {
            "crd": {"spec": {"names": {"kind": TEMPLATE_KIND}}},
            "targets": [
                {
                    "target": "admission.k8s.gatekeeper.sh",
                    "code": [{"engine": "K8sNativeValidation", "source": source}],
                }
            ],
        },
    )
    stage = {Stage.AUDIT: "dryrun", Stage.WARN: "warn", Stage.DENY: "deny"}[sources.stage]
    templates = "dryrun" if sources.stage is Stage.AUDIT else "warn"
    everywhere = {"excludedNamespaces": list(SYSTEM_NAMESPACES)}
    system = {"namespaces": list(SYSTEM_NAMESPACES)}
    return (
        template,
        _constraint(sources, render.DENY_BINDING, stage, everywhere, render.POD_RULES),
        _constraint(sources, render.WARN_BINDING, templates, everywhere, render.WORKLOAD_RULES),
        _constraint(sources, render.SYSTEM_BINDING, "dryrun", system, render.POD_RULES, render.WORKLOAD_RULES),
    )


def _constraint(
    sources: ResolvedSources, name: str, action: str, namespaces: dict[str, Any], *rules: Rules
) -> Manifest:
    kinds = [
        {"apiGroups": [group], "kinds": [_KINDS[resource] for resource in resources if "/" not in resource]}
        for each in rules
        for group, _, resources in each
    ]
    match = {"kinds": kinds, **namespaces}
    spec = {"enforcementAction": action, "match": match}
    return render.described("constraints.gatekeeper.sh/v1beta1", TEMPLATE_KIND, name, sources, spec)
