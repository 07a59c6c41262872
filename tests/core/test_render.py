"""What is compiled and what is refused, without a cluster; tests/e2e asks a real one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from portreeve.core import cel
from portreeve.core.cluster import SYSTEM_NAMESPACES, LabelSelector, NamespaceSelection
from portreeve.core.policy import Access, AllowedSource, Registry, RegistryPolicy, Stage
from portreeve.core.reference import SourcePrefix, parse_prefix
from portreeve.core.render import (
    AGENT_IMAGE,
    MAX_POLICY_BYTES,
    Manifest,
    ProtectedImage,
    compile_policy,
    digest,
)
from portreeve.core.sources import resolve
from portreeve.errors import Invalid

POLICY = RegistryPolicy(
    "prod-sources", stage=Stage.DENY, sources=(AllowedSource(parse_prefix("ghcr.io/acme")),), generation=7
)


def compiled(policy: RegistryPolicy = POLICY) -> tuple[Manifest, ...]:
    return compile_policy(resolve(policy))


def test_a_policy_becomes_one_policy_and_three_bindings_the_policy_first() -> None:
    assert [obj["metadata"]["name"] for obj in compiled()] == [
        "portreeve-images",
        "portreeve-images-deny",
        "portreeve-images-warn",
        "portreeve-images-system",
    ]


@pytest.mark.parametrize(
    ("stage", "pods", "templates"),
    [
        (Stage.AUDIT, ["Audit"], ["Audit"]),
        (Stage.WARN, ["Warn", "Audit"], ["Warn", "Audit"]),
        (Stage.DENY, ["Deny", "Audit"], ["Warn", "Audit"]),
    ],
)
def test_the_stage_decides_the_actions_and_system_namespaces_are_audited(
    stage: Stage, pods: list[str], templates: list[str]
) -> None:
    _, deny, warn, system = compiled(replace(POLICY, stage=stage))
    assert deny["spec"]["validationActions"] == pods
    assert warn["spec"]["validationActions"] == templates
    assert system["spec"]["validationActions"] == ["Audit"]


def test_stage_off_renders_nothing() -> None:
    assert compiled(replace(POLICY, stage=Stage.OFF)) == ()


def test_bindings_select_namespaces_by_the_one_label_that_nobody_can_set() -> None:
    for obj in compiled()[1:]:
        (expression,) = obj["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"]
        assert expression["key"] == "kubernetes.io/metadata.name"
        assert expression["values"] == list(SYSTEM_NAMESPACES)


def test_the_policy_fails_closed_and_has_no_parameters_that_could_be_deleted() -> None:
    policy = compiled()[0]
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert "paramKind" not in policy["spec"]
    assert "paramRef" not in json.dumps(compiled())


def test_every_rule_covers_create_and_update_and_the_ephemeral_subresource() -> None:
    rules = compiled()[0]["spec"]["matchConstraints"]["resourceRules"]
    assert all(rule["operations"] == ["CREATE", "UPDATE"] for rule in rules)
    resources = {resource for rule in rules for resource in rule["resources"]}
    assert resources == {
        "pods", "pods/ephemeralcontainers", "podtemplates", "replicationcontrollers", "daemonsets", "deployments",
        "replicasets", "statefulsets", "cronjobs", "jobs",
    }  # fmt: skip


def test_equal_policies_render_to_equal_bytes_and_digests() -> None:
    shuffled = replace(POLICY, sources=(*POLICY.sources, AllowedSource(parse_prefix("quay.io/a"))))
    reversed_ = replace(shuffled, sources=tuple(reversed(shuffled.sources)))
    assert json.dumps(compiled(shuffled)) == json.dumps(compiled(reversed_))
    assert compiled()[0]["metadata"]["annotations"]["portreeve.io/render-digest"] == digest(compiled()[0]["spec"])
    assert digest(compiled()[0]["spec"]) != digest(compiled(shuffled)[0]["spec"])


def test_what_would_lock_out_a_system_image_or_the_agent_is_not_compiled() -> None:
    sources = resolve(POLICY)
    assert compile_policy(sources, protected=[AGENT_IMAGE])
    cni = ProtectedImage("kube-system", "docker.io/cilium/cilium:1.18")
    with pytest.raises(Invalid) as caught:
        compile_policy(sources, protected=[AGENT_IMAGE, cni])
    (problem,) = caught.value.problems
    assert problem.code == "would_lock_out"
    assert "docker.io/cilium/cilium:1.18 runs in kube-system" in problem.message
    healed = replace(
        POLICY, sources=(*POLICY.sources, AllowedSource(parse_prefix("docker.io/cilium/cilium"), ("kube-system",)))
    )
    assert compile_policy(resolve(healed), protected=[AGENT_IMAGE, cni])
    moved = resolve(POLICY, agent=parse_prefix("mirror.example/portreeve/agent"))
    with pytest.raises(Invalid, match="prod-sources"):
        compile_policy(moved, protected=[AGENT_IMAGE])


def test_kubeadm_and_agent_images_are_allowed_without_a_word_in_the_policy() -> None:
    system = [f"registry.k8s.io/{name}:v1" for name in ("pause", "kube-proxy", "coredns/coredns", "etcd")]
    protected = [AGENT_IMAGE, *(ProtectedImage("kube-system", image) for image in system)]
    assert compile_policy(resolve(replace(POLICY, sources=())), protected=protected)


def test_a_grant_that_cannot_be_resolved_is_not_compiled_and_a_resolved_one_is_a_source() -> None:
    by_name = Access("harbor", NamespaceSelection(("shop",)), field="spec.access[0]")
    granting = replace(POLICY, access=(by_name,))
    with pytest.raises(Invalid) as caught:
        compiled(granting)
    assert caught.value.problems[0].field == "spec.access[0]"
    harbor = Registry("harbor", "harbor", parse_prefix("harbor.example.com/shop"))
    policy = compile_policy(resolve(granting, registries=[harbor]))[0]
    assert "shop harbor.example.com/shop/" in json.dumps(policy)
    everywhere = replace(granting, access=(replace(by_name, namespaces=NamespaceSelection((), LabelSelector())),))
    assert resolve(everywhere, registries=[harbor]).everywhere["harbor.example.com/shop/"]


def sources_of(count: int, namespaces: tuple[str, ...] | None = None) -> tuple[AllowedSource, ...]:
    return tuple(
        AllowedSource(SourcePrefix(f"registry-{index % 97}.example.com", f"team-{index}/project"), namespaces)
        for index in range(count)
    )


def test_maps_are_cut_into_shards_below_the_limit_of_an_expression() -> None:
    policy = compiled(replace(POLICY, sources=(*sources_of(5000), *sources_of(3000, ("team-a",)))))[0]
    expressions = {variable["name"]: variable["expression"] for variable in policy["spec"]["variables"]}
    assert {"everywhere0", "everywhere1", "everywhere2", "scoped0", "scoped1"} <= set(expressions)
    assert max(map(len, expressions.values())) <= cel.MAX_EXPRESSION_LENGTH
    assert all("variables.everywhere2" in expressions[name] for name in ("unlisted",))


def test_a_policy_too_large_for_the_api_server_is_refused_with_its_size() -> None:
    with pytest.raises(Invalid) as caught:
        compiled(replace(POLICY, sources=sources_of(25_000)))
    assert caught.value.code == "policy_too_large"
    assert f"{MAX_POLICY_BYTES:,}" in caught.value.message
    assert caught.value.hint


def test_a_prefix_deeper_than_the_policy_looks_is_refused_not_lost() -> None:
    deep = AllowedSource(SourcePrefix("h.io", "a/b/c/d/e/f/g/h"), field="spec.restrict.allowedSources[0]")
    with pytest.raises(Invalid) as caught:
        compiled(replace(POLICY, sources=(deep,)))
    assert [problem.code for problem in caught.value.problems] == ["prefix_too_deep"]


def test_names_in_messages_are_literals() -> None:
    hostile = replace(resolve(POLICY), policy="x' + variables.secret + '")
    policy = compile_policy(hostile)[0]
    (validation,) = policy["spec"]["validations"]
    assert "x\\u0027 + variables.secret + \\u0027" in validation["messageExpression"]
