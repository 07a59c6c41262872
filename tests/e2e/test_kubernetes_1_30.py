"""The compiled policy in the CEL environment of Kubernetes 1.30, the oldest release that can restrict sources.

The checker is built from apiserver 0.30 itself, so "compiles" means what a 1.30 server means, and it evaluates
thousands of requests a second: the differential test runs there, far beyond the corpus.
"""

from __future__ import annotations

import copy
import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portreeve.core import cel
from portreeve.core.admission import Request, refused_images
from portreeve.core.policy import AllowedSource, Exemption, ExemptionState, RegistryPolicy, Stage
from portreeve.core.reference import SourcePrefix, parse_prefix
from portreeve.core.render import compile_policy
from portreeve.core.sources import ResolvedSources, resolve
from tests.cases.admission import build, cases, corpus, pod_spec
from tests.cases.references import references
from tests.tools.cel import CelChecker, Review

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
AUDIT_VALUE_LIMIT = 10 * 1024


def exempting(sources: ResolvedSources) -> ResolvedSources:
    """With exemptions, so that their variables are compiled too."""
    exemption = Exemption(
        "e", sources.policy, NOW + timedelta(hours=1), parse_prefix("evil.io/redis"), state=ExemptionState.ACTIVE
    )
    by_digest = replace(exemption, name="d", prefix=None, digest="sha256:" + "ab" * 32, namespaces=("team-a", "team-b"))
    return replace(sources, exemptions=(exemption, by_digest))


def many(count: int) -> tuple[AllowedSource, ...]:
    return tuple(
        AllowedSource(SourcePrefix(f"registry-{i % 97}.example.com", f"team-{i}/project")) for i in range(count)
    )


@pytest.mark.parametrize(
    "sources",
    [
        resolve(RegistryPolicy("empty", stage=Stage.DENY)),
        resolve(corpus().policy),
        exempting(resolve(corpus().policy)),
        resolve(RegistryPolicy("large", stage=Stage.AUDIT, sources=many(5_000))),
    ],
    ids=["no sources", "corpus", "exemptions", "5,000 sources"],
)
def test_every_expression_compiles_in_1_30(cel_checker: CelChecker, sources: ResolvedSources) -> None:
    assert cel_checker.compile(compile_policy(sources)[0]) == []


def test_the_checker_sees_what_1_30_does_not_know(cel_checker: CelChecker) -> None:
    policy = copy.deepcopy(compile_policy(resolve(corpus().policy))[0])
    policy["spec"]["variables"][0]["expression"] = "object.spec.containers.transformList(i, c, c.image)"
    assert cel_checker.compile(policy) != []


def test_the_1_30_evaluator_refuses_exactly_what_the_corpus_says(cel_checker: CelChecker) -> None:
    with cel_checker.evaluator(compile_policy(resolve(corpus().policy))[0]) as evaluator:
        wrong = []
        for case in cases():
            review = evaluator.review(
                case.object,
                case.old_object,
                operation=case.operation,
                namespace=case.namespace,
                subresource=case.subresource or None,
            )
            if review.error or review.audit.get("refused", "") != " ".join(case.refused)[:AUDIT_VALUE_LIMIT]:
                wrong.append((case.id, review))
    assert wrong[:3] == []


def test_python_and_cel_agree_on_generated_references(
    cel_checker: CelChecker, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten images a pod: fewer requests, and what is refused still fits into one audit annotation."""
    seed = int(os.environ.get("PORTREEVE_SEED", "20260102"))
    texts = list(references(seed, int(os.environ.get("PORTREEVE_REFERENCES", "30000"))))
    sources = exempting(_generous())
    refused = 0
    with cel_checker.evaluator(compile_policy(sources)[0]) as evaluator:
        for start in range(0, len(texts), 10):
            images = texts[start : start + 10]
            obj = build("Pod", "p", "team-a", pod_spec({"containers": images}), creationTimestamp=_rfc3339(NOW))
            ours = refused_images(Request("team-a", "CREATE", obj, created_at=NOW), sources)
            review = evaluator.review(obj, namespace="team-a")
            refused += len(ours)
            # The server cuts white space from the ends of an audit annotation.
            if review.error or review.audit.get("refused", "").strip() != " ".join(ours).strip():
                raise AssertionError(_first_difference(evaluator.review, sources, images))
    with capsys.disabled():
        print(f"\nseed {seed}: {len(texts):,} references judged twice, {refused:,} refused, 0 differ")
    assert 0.2 * len(texts) < refused < 0.8 * len(texts)


def _generous() -> ResolvedSources:
    hosts = ("docker.io", "ghcr.io", "registry.example.com:5000", "*.azurecr.io", "localhost")
    everywhere = tuple(AllowedSource(SourcePrefix(host)) for host in hosts)
    scoped = tuple(
        AllowedSource(SourcePrefix(host, "library"), (namespace,))
        for host in ("quay.io", "10.0.0.1:5000", "host:80")
        for namespace in ("team-a", "team-b")
    )
    return resolve(RegistryPolicy("generous", stage=Stage.DENY, sources=(*everywhere, *scoped)))


def _rfc3339(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _first_difference(review: Any, sources: ResolvedSources, images: list[str]) -> str:
    whole = build("Pod", "p", "team-a", pod_spec({"containers": images}), creationTimestamp=_rfc3339(NOW))
    together: Review = review(whole, namespace="team-a")
    for image in images:
        obj = build("Pod", "p", "team-a", pod_spec({"containers": [image]}), creationTimestamp=_rfc3339(NOW))
        ours = bool(refused_images(Request("team-a", "CREATE", obj, created_at=NOW), sources))
        theirs: Review = review(obj, namespace="team-a")
        if theirs.error or ours == theirs.allowed:
            return f"{image!r}: Python {'refuses' if ours else 'allows'}; CEL: {theirs}"
    return f"they differ only together: {images!r}: {together}"


@pytest.mark.parametrize(
    ("age_s", "image", "namespace", "operation", "allowed"),
    [
        (0, "evil.io/redis:7", "shop", "CREATE", True),
        (3599, "evil.io/redis:7", "shop", "CREATE", True),
        (3600, "evil.io/redis:7", "shop", "CREATE", False),
        (0, "evil.io/redis:7", "shop", "UPDATE", False),
        (0, "evil.io/redis-evil:7", "shop", "CREATE", False),
        (0, "evil.io/x@sha256:" + "ab" * 32, "team-a", "CREATE", True),
        (0, "evil.io/x@sha256:" + "ab" * 32, "team-b", "CREATE", True),
        (0, "evil.io/x@sha256:" + "ab" * 32, "shop", "CREATE", False),
        (3600, "evil.io/x@sha256:" + "ab" * 32, "team-a", "CREATE", False),
        (0, "Evil/X@sha256:" + "ab" * 32, "team-a", "CREATE", False),
    ],
)
def test_exemptions_mean_the_same_in_both(
    cel_checker: CelChecker, age_s: int, image: str, namespace: str, operation: str, allowed: bool
) -> None:
    sources = exempting(resolve(corpus().policy))
    created_at = NOW + timedelta(seconds=age_s)
    obj = build("Pod", "p", namespace, pod_spec({"containers": [image]}), creationTimestamp=_rfc3339(created_at))
    old = build("Pod", "p", namespace, pod_spec({"containers": ["ghcr.io/acme/x"]})) if operation == "UPDATE" else None
    with cel_checker.evaluator(compile_policy(sources)[0]) as evaluator:
        review = evaluator.review(obj, old, operation=operation, namespace=namespace)
    assert not review.error
    assert review.allowed is allowed
    assert (not refused_images(Request(namespace, operation, obj, old, created_at=created_at), sources)) is allowed


def test_hostile_strings_read_back_from_cel_as_they_were(cel_checker: CelChecker) -> None:
    """AD-05: decode(encode(s)) == s in the real compiler, the result always one literal."""
    texts = [*references(3, 3_000), "x') || true || ('", "\\", "'", '"', "\u2028", "\0", "\U0001f680", "${x}", "`"]
    policy = copy.deepcopy(compile_policy(resolve(corpus().policy))[0])
    pod = build("Pod", "p", "team-a", pod_spec({"containers": ["ghcr.io/acme/x"]}))
    for start in range(0, len(texts), 500):
        part = texts[start : start + 500]
        listed = "[" + ",".join(map(cel.literal, part)) + "]"
        policy["spec"]["variables"] = [{"name": "texts", "expression": listed}]
        policy["spec"]["validations"] = [
            {"expression": f"{cel.literal(json.dumps(part))} == '' || variables.texts.size() == {len(part)}"}
        ]
        policy["spec"]["auditAnnotations"] = [
            {"key": f"t{index}", "valueExpression": f"'<' + variables.texts[{index}] + '>'"}
            for index in range(min(20, len(part)))
        ]
        with cel_checker.evaluator(policy) as evaluator:
            assert evaluator.compile_errors == []
            review = evaluator.review(pod, namespace="team-a")
        assert review.allowed, review
        assert {f"t{index}": f"<{text}>" for index, text in enumerate(part[:20])} == dict(review.audit)


def test_two_hundred_containers_and_five_hundred_sources_stay_within_every_budget(cel_checker: CelChecker) -> None:
    images = [f"registry-{i % 97}.example.com/team-{i}/project/app" for i in range(200)]
    pod = build("Pod", "p", "team-a", pod_spec({"containers": images}))
    worst = build(
        "Pod", "p", "team-a", pod_spec({"containers": [f"evil.example.com/a/b/c/d/e/f/g/h{i}" for i in range(200)]})
    )
    with cel_checker.evaluator(
        compile_policy(resolve(RegistryPolicy("p", stage=Stage.DENY, sources=many(500))))[0]
    ) as evaluator:
        good, bad = evaluator.review(pod, namespace="team-a"), evaluator.review(worst, namespace="team-a")
    assert good.allowed
    assert not bad.allowed
    assert not good.error
    assert not bad.error
    assert 0 < good.cost < bad.cost < 5_000_000
