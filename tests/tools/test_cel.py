"""The 1.30 policy judge: that it is 1.30, and that each part of a policy is heard."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.tools.cel import CelChecker

pytestmark = pytest.mark.slow

POLICY: dict[str, Any] = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "images"},
    "spec": {
        "failurePolicy": "Fail",
        "matchConditions": [{"name": "not-a-node", "expression": "!('system:nodes' in request.userInfo.groups)"}],
        "variables": [
            {"name": "images", "expression": "object.spec.containers.map(c, string(c.image))"},
            {"name": "refused", "expression": "variables.images.filter(i, !i.startsWith('r.example.com/'))"},
        ],
        "validations": [
            {
                "expression": "variables.refused.size() == 0",
                "messageExpression": "'refused in ' + request.namespace + ': ' + variables.refused.join(', ')",
                "reason": "Forbidden",
            }
        ],
        "auditAnnotations": [{"key": "refused", "valueExpression": "variables.refused.join(', ')"}],
    },
}


def pod(*images: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers, **spec}}


def changed(part: str, index: int, key: str, expression: str) -> dict[str, Any]:
    policy = copy.deepcopy(POLICY)
    policy["spec"][part][index][key] = expression
    return policy


def test_refusal_has_message_reason_annotation_and_cost(cel_checker: CelChecker) -> None:
    assert cel_checker.compile(POLICY) == []
    with cel_checker.evaluator(POLICY) as evaluator:
        review = evaluator.review(pod("r.example.com/a", "evil.io/x"), namespace="payments")
        assert not review.allowed
        assert review.message == "refused in payments: evil.io/x"
        assert review.decisions[0].reason == "Forbidden"
        assert review.audit == {"refused": "evil.io/x"}
        assert review.error == ""
        assert review.costs.keys() == {"matchConditions", "validations", "messageExpressions", "auditAnnotations"}
        assert review.cost == sum(review.costs.values()) > 0
        allowed = evaluator.review(pod("r.example.com/a"))
        assert (allowed.allowed, allowed.message, allowed.audit) == (True, "", {})


def test_match_condition_lets_a_request_pass_unjudged(cel_checker: CelChecker) -> None:
    node = {"username": "system:node:worker-1", "groups": ["system:nodes"]}
    with cel_checker.evaluator(POLICY) as evaluator:
        review = evaluator.review(pod("evil.io/x"), user=node)
    assert (review.allowed, review.matched, review.decisions) == (True, False, ())


@pytest.mark.parametrize(("failure_policy", "allowed"), [("Fail", False), ("Ignore", True)])
def test_error_goes_by_the_failure_policy(cel_checker: CelChecker, failure_policy: str, allowed: bool) -> None:
    policy = copy.deepcopy(POLICY)
    policy["spec"]["failurePolicy"] = failure_policy
    with cel_checker.evaluator(policy) as evaluator:
        review = evaluator.review({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {}})
    assert review.allowed is allowed
    assert "no such key: containers" in review.error


@pytest.mark.parametrize(
    ("part", "index", "key", "expression", "error"),
    [
        ("variables", 1, "expression", "1 +", "spec.variables[1].expression (refused): compilation failed: "),
        ("validations", 0, "expression", "'text'", "spec.validations[0].expression: must evaluate to bool"),
        ("validations", 0, "messageExpression", "1", "spec.validations[0].messageExpression: must evaluate to string"),
        (
            "validations",
            0,
            "messageExpression",
            "authorizer.serviceAccount('a', 'b').path('/').check('get').reason()",
            "spec.validations[0].messageExpression: compilation failed: ",
        ),
        (
            "auditAnnotations",
            0,
            "valueExpression",
            "true ? null : 'x'",
            "spec.auditAnnotations[0].valueExpression (refused): compilation failed: ",
        ),
        (
            "matchConditions",
            0,
            "expression",
            "variables.images.size() > 0",
            "spec.matchConditions[0].expression (not-a-node): compilation failed: ",
        ),
        # Kubernetes 1.31 and later know these; 1.30 must refuse them, or this is not 1.30.
        (
            "validations",
            0,
            "expression",
            "format.dns1123Label().validate('a') == optional.none()",
            "spec.validations[0]",
        ),
        ("validations", 0, "expression", "['a'].all(i, v, v == 'a')", "spec.validations[0].expression: compilation"),
        # 1.30 itself brings this, but stores it only when the release before knows it.
        ("validations", 0, "expression", "isIP('192.0.2.1')", "spec.validations[0].expression: compilation failed"),
    ],
)
def test_expression_that_is_not_stored_is_named(
    cel_checker: CelChecker, part: str, index: int, key: str, expression: str, error: str
) -> None:
    errors = cel_checker.compile(changed(part, index, key, expression))
    assert errors[0].startswith(error)


def test_typed_objects_lose_what_1_30_does_not_know(cel_checker: CelChecker) -> None:
    policy = changed("validations", 0, "expression", "object.spec.volumes.all(v, !has(v.image))")
    volume = pod("r.example.com/a", volumes=[{"name": "v", "image": {"reference": "evil.io/x"}}])
    with cel_checker.evaluator(policy) as evaluator:
        assert not evaluator.review(volume).allowed
        assert evaluator.review(volume, typed=True).allowed


def test_update_sees_both_objects_and_the_subresource(cel_checker: CelChecker) -> None:
    expression = "oldObject.spec.containers.size() == 1 && request.subResource == 'ephemeralcontainers'"
    condition = f"{expression} && request.resource.resource == 'pods' && request.operation == 'UPDATE'"
    with cel_checker.evaluator(changed("validations", 0, "expression", condition)) as evaluator:
        update = evaluator.review(pod("a", "b"), pod("a"), operation="UPDATE", subresource="ephemeralcontainers")
        assert update.error == ""
        assert update.allowed


def test_deletion_has_no_object(cel_checker: CelChecker) -> None:
    with cel_checker.evaluator(changed("validations", 0, "expression", "object == null")) as evaluator:
        assert evaluator.review(None, pod("a"), operation="DELETE").decisions[0].action == "admit"


def test_namespace_has_the_label_that_the_server_sets(cel_checker: CelChecker) -> None:
    condition = "namespaceObject.metadata.labels == {'kubernetes.io/metadata.name': 'payments', 'team': 'a'}"
    with cel_checker.evaluator(changed("validations", 0, "expression", condition)) as evaluator:
        assert evaluator.review(pod("a"), namespace="payments", namespace_labels={"team": "a"}).allowed


def test_what_is_no_policy_is_refused(cel_checker: CelChecker) -> None:
    with pytest.raises(ValueError, match="kind is"):
        cel_checker.compile({"kind": "ConfigMap"})
    with pytest.raises(ValueError, match="unknown field"):
        cel_checker.compile({**POLICY, "sepc": {}})
