"""One answer, proved: the corpus, the engine, the compiled policy and a real API server say the same of every case."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from portreeve.core.admission import Request, refused_images
from portreeve.core.render import DENY_BINDING, compile_policy
from portreeve.core.sources import resolve
from tests.cases.admission import Case, build, cases, corpus, pod_spec
from tests.cases.references import references
from tests.e2e.governed import (
    DRY_RUN,
    Answer,
    expected_annotation,
    govern,
    put,
    refused_by_server,
    remove,
    set_up_namespaces,
    take_down_namespaces,
)
from tests.tools.cluster import Cluster

pytestmark = pytest.mark.slow

NAIVE = "naive-prefix"
NAIVE_POLICY = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": NAIVE},
    "spec": {
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}
            ]
        },
        "validations": [{"expression": "object.spec.containers.all(c, c.image.startsWith('registry.corp.example'))"}],
        "auditAnnotations": [
            {
                "key": "verdict",
                "valueExpression": "object.spec.containers.all(c, c.image.startsWith('registry.corp.example'))"
                " ? 'admitted' : 'denied'",
            }
        ],
    },
}
NAIVE_BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": NAIVE},
    "spec": {"policyName": NAIVE, "validationActions": ["Audit"]},
}


@pytest.fixture(scope="module")
def answers(kubernetes: Cluster) -> Iterator[list[Answer]]:
    """Every case of the corpus put to the server once, a naive prefix policy listening beside ours."""
    objects = compile_policy(resolve(corpus().policy))
    with kubernetes.client() as client:
        set_up_namespaces(client, corpus().namespaces)
        client.create(NAIVE_POLICY).expect(201)
        client.create(NAIVE_BINDING).expect(201)
        govern(client, objects, corpus().namespaces[0])
        live: dict[tuple[str, str], dict[str, Any]] = {}
        try:
            yield [put(client, case, live) for case in cases()]
        finally:
            remove(client, [*objects, NAIVE_POLICY, NAIVE_BINDING], corpus().namespaces[0])
            take_down_namespaces(client, corpus().namespaces)


def test_the_real_api_server_refuses_exactly_what_the_corpus_says(kubernetes: Cluster, answers: list[Answer]) -> None:
    assert len(answers) >= 500
    wrong = [
        (answer.case.id, answer.status, found, expected_annotation(answer.case))
        for answer in answers
        if (found := refused_by_server(kubernetes, answer)) != expected_annotation(answer.case)
    ]
    assert wrong[:5] == [], f"{len(wrong)} of {len(answers)} differ"


def test_pods_are_refused_and_workloads_are_warned_of(answers: list[Answer]) -> None:
    wrong = [
        (answer.case.id, answer.status, answer.message, answer.warnings) for answer in answers if not _fits(answer)
    ]
    assert wrong[:5] == [], f"{len(wrong)} of {len(answers)} differ"


def _fits(answer: Answer) -> bool:
    case = answer.case
    if not case.refused:
        return answer.status in (200, 201) and not any("portreeve" in warning for warning in answer.warnings)
    if case.kind == "Pod":
        return answer.status == 403 and DENY_BINDING in answer.message and _says(answer.message, case)
    return answer.status in (200, 201) and any(_says(warning, case) for warning in answer.warnings)


def _says(message: str, case: Case) -> bool:
    """Whether the message is one line that names namespace, policy, generation and the command that explains."""
    plain = [image for image in case.refused if image.isprintable() and image.isascii() and " " not in image]
    named = not plain or len(plain[0]) > 250 or plain[0] in message
    told = (
        f"not allowed in namespace {case.namespace} (policy corpus, generation 42); why: portreeve explain " in message
    )
    return named and told and f"-n {case.namespace}" in message and "\n" not in message


def test_the_server_and_the_engine_agree_on_generated_references(
    kubernetes: Cluster, answers: list[Answer], capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten generated references a pod, with the corpus's policy still in force: what nobody thought of by hand."""
    assert answers
    seed = int(os.environ.get("PORTREEVE_SEED", "20260103"))
    # The hosts of the generator stand in for that of the policy, so that many are allowed; the server itself refuses
    # white space at the ends.
    drawn = (text.replace("quay.io", "registry.corp.example") for text in references(seed, 6_000))
    drawn = (text.replace("registry.example.com", "registry.corp.example") for text in drawn)
    texts = [text for text in drawn if text and text == text.strip() and "\0" not in text]
    sources = resolve(corpus().policy)
    asked: list[tuple[str, tuple[str, ...]]] = []
    with kubernetes.client() as client:
        for start in range(0, len(texts), 10):
            pod = build("Pod", f"generated-{start}", "public", pod_spec({"containers": texts[start : start + 10]}))
            expected = refused_images(Request("public", "CREATE", pod), sources)
            response = client.create(pod, DRY_RUN).expect(201, 403)
            assert (response.status == 403) is bool(expected), pod
            asked.append((response.audit_id, expected))
    wrong = [
        (expected, found)
        for audit_id, expected in asked
        if (found := kubernetes.audit_annotations(audit_id).get("portreeve-images/refused", "")) != " ".join(expected)
    ]
    refused = sum(len(expected) for _, expected in asked)
    with capsys.disabled():
        judged = f"{len(texts):,} generated references on the server, {refused:,} refused"
        print(f"\nseed {seed}: {judged}, {len(wrong)} pods differ")
    assert wrong[:3] == []


def test_a_naive_prefix_policy_admits_each_listed_bypass(
    kubernetes: Cluster, answers: list[Answer], capsys: pytest.CaptureFixture[str]
) -> None:
    """If it did not, the corpus could not tell a good policy from a bad one."""
    admitted: Counter[str] = Counter()
    denied: list[str] = []
    for answer in answers:
        if answer.case.kind != "Pod" or not answer.case.refused:
            continue
        verdict = kubernetes.audit_annotations(answer.audit_id).get(f"{NAIVE}/verdict", "admitted")
        if verdict == "admitted":
            admitted[answer.case.bypass or "other"] += 1
        elif answer.case.naive_admits:
            denied.append(answer.case.id)
    with capsys.disabled():
        print(f"\nadmitted by the naive policy, refused by ours: {dict(sorted(admitted.items()))}")
    assert denied[:5] == []
    assert {"AD-01", "AD-02", "AD-03", "AD-05", "AD-06"} <= set(admitted)
