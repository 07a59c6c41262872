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
from portreeve.core.admission import MIRROR_ANNOTATION, NODES_GROUP
from portreeve.core.cluster import AGENT_NAMESPACE, SYSTEM_NAMESPACES
from portreeve.core.policy import DEFAULT_AGENT_REPOSITORY, Stage
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

SHOWN_IMAGES: Final = 8
"""Refused images that one message names, at 250 characters each: the API server discards more than 5 KiB."""

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
        Invalid: a grant is unresolved, a protected image would be denied, or the policy is too large; every problem
            is listed.
    """
    problems = [*_unresolved(sources), *check_protected(sources, protected)]
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


def _unresolved(sources: ResolvedSources) -> list[Problem]:
    return [
        Problem("grant_unresolved", grant.why, grant.access.field, "give its Registry document, or name the namespaces")
        for grant in sources.unresolved
    ]


def variables(sources: ResolvedSources) -> dict[str, str]:
    """The policy's variables, name → expression, in the order in which they build on each other."""
    everywhere = cel.shards(dict.fromkeys(sources.everywhere, "true"))
    scoped = cel.shards(
        {f"{namespace} {key}": "true" for namespace, held in sources.by_namespace.items() for key in held}
    )
    named = sorted(sources.by_namespace)
    found = {
        "spec": _pod_spec("object"),
        "before": f"oldObject == null ? [] : [{_pod_spec('oldObject')}].map(s, {_images('s')})",
        "fresh": f"{_images('variables.spec')}.filter(i, !variables.before.exists(b, i in b))",
        **{f"everywhere{index}": text for index, text in enumerate(everywhere)},
        **{f"scoped{index}": text for index, text in enumerate(scoped)},
        "here": f"request.namespace in {_set(named)} ? [request.namespace + ' '] : []",
    }
    in_scope = cel.any_of(f"h + k in variables.scoped{index}" for index in range(len(scoped)))
    listed = cel.any_of(
        [
            *(f"k in variables.everywhere{index}" for index in range(len(everywhere))),
            f"variables.here.exists(h, {in_scope})",
        ]
    )
    found["unlisted"] = f"variables.fresh.filter(i, !({_judged('i', listed)}))"
    return found | (_exemptions(sources) if sources.exemptions else {"refused": "variables.unlisted"})


def _judged(image: str, found: str) -> str:
    covered = cel.covered("n", found)
    return f"{cel.readable(image)} && {cel.repositories(image)}.exists(n, {covered})"


def _exemptions(sources: ResolvedSources) -> dict[str, str]:
    """Variables that let an exempted image through until its expiry.

    CEL has no clock, but the server sets creationTimestamp before it validates a CREATE. On UPDATE there is nothing to
    compare with, so an image that an UPDATE adds is refused. Keys are "<namespace> <prefix or digest>", the namespace
    being empty for every one; of two exemptions with one key the later expiry counts.
    """
    expiries: dict[str, str] = {}
    for exemption in sources.exemptions:
        scope = exemption.prefix.key if exemption.prefix else str(exemption.digest)
        for namespace in exemption.namespaces or ("",):
            key = f"{namespace} {scope}"
            expiry = f"{exemption.expires_at:%Y-%m-%dT%H:%M:%SZ}"
            expiries[key] = max(expiry, expiries.get(key, expiry))
    maps = cel.shards({key: cel.literal(expiry) for key, expiry in expiries.items()})
    names = [f"variables.exempt{index}" for index in range(len(maps))]
    lookups = [f"w + k in {name} && t < timestamp({name}[w + k])" for name in names]
    unexpired = f"variables.created.exists(t, ['', request.namespace].map(w, w + ' ').exists(w, {cel.any_of(lookups)}))"
    digest = f"(i.contains('@') ? [i.split('@')[1]] : []).exists(k, {unexpired})"
    exempted = f"{cel.repositories('i')}.exists(n, {digest} || {cel.covered('n', unexpired)})"
    return {
        "created": "request.operation == 'CREATE' ? [timestamp(dyn(object).metadata.creationTimestamp)] : []",
        **{f"exempt{index}": text for index, text in enumerate(maps)},
        "refused": "variables.created.size() == 0 ? variables.unlisted : variables.unlisted"
        f".filter(i, !({cel.readable('i')} && {exempted}))",
    }


def _pod_spec(root: str) -> str:
    return (
        f"dyn({root}).kind == 'Pod' ? dyn({root}).spec"
        f" : dyn({root}).kind == 'CronJob' ? dyn({root}).spec.jobTemplate.spec.template.spec"
        f" : dyn({root}).kind == 'PodTemplate' ? dyn({root}).template.spec"
        f" : dyn({root}).spec.template.spec"
    )


def _images(spec: str) -> str:
    """The images of all five places; a missing one is the empty string, which nothing allows."""
    containers = " + ".join(
        f"{spec}.?{place}.orValue([]).map(c, c.?image.orValue(''))"
        for place in ("containers", "initContainers", "ephemeralContainers")
    )
    return (
        f"({containers} + {spec}.?volumes.orValue([]).filter(v, has(v.image)).map(v, v.image.?reference.orValue('')))"
    )


def _set(names: Sequence[str]) -> str:
    return "{" + ",".join(f"{cel.literal(name)}:true" for name in names) + "}"


def _message(sources: ResolvedSources) -> str:
    """One line: the images, the namespace, the policy and its generation, and the command that explains.

    An image goes into the command only if it is a plain reference, so that pasting it into a shell is harmless.
    """
    shown = cel.printable("i")
    first = cel.printable("variables.refused[0]")
    safe = "variables.refused[0].matches('^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,249}$')"
    tail = f" (policy {sources.policy}, generation {sources.generation}); why: portreeve explain "
    return (
        f"(variables.refused.size() == 1 ? 'image ' + {first}"
        f" : variables.refused.size() <= {SHOWN_IMAGES} ? 'images ' + variables.refused.map(i, {shown}).join(', ')"
        f" : 'image ' + {first} + ' and ' + string(variables.refused.size() - 1) + ' others')"
        f" + ' not allowed in namespace ' + request.namespace + {cel.literal(tail)}"
        f" + ({safe} ? variables.refused[0] + ' ' : '') + '-n ' + request.namespace"
    )


def match_conditions() -> list[dict[str, str]]:
    """Requests that are judged at all: everything but a node's mirror of a static pod that runs already."""
    mirror = (
        f"!({cel.literal(NODES_GROUP)} in request.userInfo.?groups.orValue([])"
        f" && {cel.literal(MIRROR_ANNOTATION)} in dyn(object).metadata.?annotations.orValue({{}}))"
    )
    return [{"name": "not-a-mirror-pod", "expression": mirror}]


def validations(sources: ResolvedSources) -> list[dict[str, str]]:
    """The one validation and its message."""
    return [
        {
            "expression": "variables.refused.size() == 0",
            "reason": "Forbidden",
            "message": f"an image is not allowed here (policy {sources.policy}, generation {sources.generation})",
            "messageExpression": _message(sources),
        }
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
    revision = f"{sources.policy}/{sources.generation}"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"matchPolicy": "Equivalent", "resourceRules": resource_rules(POD_RULES, WORKLOAD_RULES)},
        "matchConditions": match_conditions(),
        "variables": [{"name": name, "expression": text} for name, text in variables(sources).items()],
        "validations": validations(sources),
        "auditAnnotations": [
            {"key": "refused", "valueExpression": "variables.refused.join(' ')"},
            {
                "key": "policy",
                "valueExpression": f"variables.refused.size() == 0 ? '' : {cel.literal(revision)}",
            },
        ],
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
