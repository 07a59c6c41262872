"""A restriction as Kubernetes objects: one ValidatingAdmissionPolicy and its three bindings per cluster.

Theory of operation
-------------------
`compile_policy` takes resolved sources and gives plain mappings, ready to be written as JSON or YAML.

* `portreeve-images` holds the sources as constant maps and judges pods and every workload kind with a pod template.
* `portreeve-images-deny` binds it to pods outside system namespaces; its actions follow the stage.
* `portreeve-images-warn` binds it to workload templates outside system namespaces, so that whoever runs `kubectl apply`
  is told at once and not by a silent ReplicaSet. Deny and Warn cannot be combined, hence a binding of its own.
* `portreeve-images-system` binds it to system namespaces in Audit: seen, never refused, never a hole in the dark.

Sources are inlined, not parameters: several bindings combine by AND, parameters deny while their informer is cold, and
one object changes atomically. What a policy refuses to hold (`check_capacity`) or must not deny (`check_protected`) is
said before anything is rendered.

Source: Kubernetes, "Validating Admission Policy" (admissionregistration.k8s.io/v1, since 1.30).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from portreeve.core import cel
from portreeve.core.cluster import AGENT_NAMESPACE, SYSTEM_NAMESPACES
from portreeve.core.expressions import match_conditions, validations, variables
from portreeve.core.policy import DEFAULT_AGENT_REPOSITORY, Stage
from portreeve.core.reference import MAX_SOURCE_SEGMENTS
from portreeve.core.sources import ResolvedSources
from portreeve.core.verdict import Decision, judge
from portreeve.errors import Invalid, Problem

Manifest = dict[str, Any]
"""A Kubernetes object as plain values."""

Rules = tuple[tuple[str, str, tuple[str, ...]], ...]
"""(API group, version, resources)"""

API_VERSION: Final = "admissionregistration.k8s.io/v1"
POLICY_NAME: Final = "portreeve-images"
DENY_BINDING: Final = "portreeve-images-deny"
WARN_BINDING: Final = "portreeve-images-warn"
SYSTEM_BINDING: Final = "portreeve-images-system"

MAX_POLICY_BYTES: Final = 1_000_000
"""Size of the rendered policy as JSON. etcd refuses a request of more than 1.5 MiB, and server-side apply stores the
field set of the object beside it."""

POD_RULES: Final[Rules] = (("", "v1", ("pods", "pods/ephemeralcontainers")),)
WORKLOAD_RULES: Final[Rules] = (
    ("", "v1", ("podtemplates", "replicationcontrollers")),
    ("apps", "v1", ("daemonsets", "deployments", "replicasets", "statefulsets")),
    ("batch", "v1", ("cronjobs", "jobs")),
)


@dataclass(frozen=True, slots=True)
class ProtectedImage:
    """An image that must stay admissible: it runs in a system namespace, or it is our agent."""

    namespace: str
    image: str


AGENT_IMAGE: Final = ProtectedImage(AGENT_NAMESPACE, DEFAULT_AGENT_REPOSITORY)


def compile_policy(
    sources: ResolvedSources, *, protected: Iterable[ProtectedImage] = (AGENT_IMAGE,)
) -> tuple[Manifest, ...]:
    """The policy and its bindings, in the order in which they are applied: policy first, bindings last.

    Empty at stage off. `protected` are images that the policy must not deny.

    Raises:
        Invalid: a grant is unresolved, a prefix is too deep, a protected image would be denied, or the policy is too
            large; every problem is listed.
    """
    problems = [*_unresolved(sources), *_too_deep(sources), *check_protected(sources, protected)]
    if problems:
        raise Invalid(
            "policy_not_compiled",
            f"policy {sources.policy} was not compiled: it would not mean in the cluster what it says",
            problems=tuple(problems),
        )
    if sources.stage is Stage.OFF:
        return ()
    policy = _policy(sources)
    check_capacity(policy)
    return (policy, *_bindings(sources))


def check_protected(sources: ResolvedSources, protected: Iterable[ProtectedImage]) -> list[Problem]:
    """Protected images that the sources do not allow (rule 10). Empty means none."""
    found: list[Problem] = []
    for one in protected:
        verdict = judge(one.image, one.namespace, sources)
        if verdict.decision is not Decision.ALLOW:
            found.append(
                Problem(
                    "would_lock_out",
                    f"{verdict.canonical or one.image} runs in {one.namespace} and would be refused",
                    "spec.restrict.allowedSources",
                    f"add its repository with scope {{namespaces: [{one.namespace}]}}",
                )
            )
    return found


def check_capacity(policy: Manifest) -> None:
    """Refuse what the API server could not hold.

    Raises:
        Invalid: `policy_too_large`, with the size and the limit.
    """
    expressions = {variable["name"]: variable["expression"] for variable in policy["spec"]["variables"]}
    too_long = tuple(cel.expressions_too_long(expressions))
    size_bytes = len(json.dumps(policy))
    if too_long or size_bytes > MAX_POLICY_BYTES:
        raise Invalid(
            "policy_too_large",
            f"the compiled policy has {size_bytes:,} bytes of {MAX_POLICY_BYTES:,} at most"
            + (f"; too long: {', '.join(too_long)}" if too_long else ""),
            hint="allow shorter prefixes: one for a team's path instead of one for each repository",
        )


def _too_deep(sources: ResolvedSources) -> list[Problem]:
    """Sources that no look-up would reach: `parse_prefix` refuses them, and one built otherwise must not vanish."""
    held = (sources.everywhere, *sources.by_namespace.values())
    return [
        Problem(
            "prefix_too_deep",
            f"{source.prefix} has more than {MAX_SOURCE_SEGMENTS} path segments",
            f"{source.field}.prefix",
            "write a shorter prefix",
        )
        for each in held
        for source in each.values()
        if len(source.prefix.path.split("/")) > MAX_SOURCE_SEGMENTS
    ]


def _unresolved(sources: ResolvedSources) -> list[Problem]:
    return [
        Problem("grant_unresolved", grant.why, grant.access.field, "give its Registry document, or name the namespaces")
        for grant in sources.unresolved
    ]


def resource_rules(*groups: Rules) -> list[dict[str, Any]]:
    """`resourceRules` for CREATE and UPDATE of the given groups of resources."""
    return [
        {
            "apiGroups": [group],
            "apiVersions": [version],
            "operations": ["CREATE", "UPDATE"],
            "resources": list(resources),
        }
        for rules in groups
        for group, version, resources in rules
    ]


def namespace_selector(operator: str) -> dict[str, Any]:
    """System namespaces (In) or all others (NotIn), by the one label that nobody can set: the server writes it."""
    return {
        "matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": operator, "values": list(SYSTEM_NAMESPACES)}
        ]
    }


def _policy(sources: ResolvedSources) -> Manifest:
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"matchPolicy": "Equivalent", "resourceRules": resource_rules(POD_RULES, WORKLOAD_RULES)},
        "matchConditions": match_conditions(),
        "variables": [{"name": name, "expression": text} for name, text in variables(sources).items()],
        "validations": validations(sources),
        "auditAnnotations": [{"key": "refused", "valueExpression": "variables.refused.join(' ')"}],
    }
    return described(API_VERSION, "ValidatingAdmissionPolicy", POLICY_NAME, sources, spec)


def _bindings(sources: ResolvedSources) -> tuple[Manifest, ...]:
    pods = {
        Stage.AUDIT: ["Audit"],
        Stage.WARN: ["Warn", "Audit"],
        Stage.DENY: ["Deny", "Audit"],
    }[sources.stage]
    templates = ["Audit"] if sources.stage is Stage.AUDIT else ["Warn", "Audit"]
    return (
        _binding(DENY_BINDING, sources, pods, "NotIn", POD_RULES),
        _binding(WARN_BINDING, sources, templates, "NotIn", WORKLOAD_RULES),
        _binding(SYSTEM_BINDING, sources, ["Audit"], "In", POD_RULES, WORKLOAD_RULES),
    )


def _binding(
    name: str,
    sources: ResolvedSources,
    actions: Sequence[str],
    operator: str,
    *rules: Rules,
) -> Manifest:
    spec = {
        "policyName": POLICY_NAME,
        "validationActions": list(actions),
        "matchResources": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": namespace_selector(operator),
            "resourceRules": resource_rules(*rules),
        },
    }
    return described(API_VERSION, "ValidatingAdmissionPolicyBinding", name, sources, spec)


def described(api_version: str, kind: str, name: str, sources: ResolvedSources, spec: Manifest) -> Manifest:
    """An object of ours: its name, whose it is, and which revision of which policy it was rendered from."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/managed-by": "portreeve"},
            "annotations": {
                "portreeve.io/policy": sources.policy,
                "portreeve.io/generation": str(sources.generation),
                "portreeve.io/render-digest": digest(spec),
            },
        },
        "spec": spec,
    }


def digest(value: Any) -> str:
    """`sha256:…` over the canonical JSON of a value: sorted keys, no spaces."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
