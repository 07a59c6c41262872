"""What an image is told, beyond allow and deny: every reason, the nearest source, and UNKNOWN where nobody can know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portreeve.core.cluster import LabelSelector, Namespace, NamespaceSelection
from portreeve.core.policy import Access, AllowedSource, Registry, RegistryPolicy, Stage
from portreeve.core.reference import parse_prefix
from portreeve.core.sources import resolve, stage_in
from portreeve.core.verdict import Code, Decision, evaluate, judge

POLICY = RegistryPolicy(
    "prod",
    stage=Stage.DENY,
    sources=(
        AllowedSource(parse_prefix("harbor.example.com/base"), field="spec.restrict.allowedSources[0]"),
        AllowedSource(parse_prefix("harbor.example.com/shop/api"), ("shop",), field="spec.restrict.allowedSources[1]"),
        AllowedSource(parse_prefix("harbor.example.com/shop/web"), field="spec.restrict.allowedSources[2]"),
        AllowedSource(parse_prefix("harbor.example.com"), ("trusted",), field="spec.restrict.allowedSources[3]"),
    ),
)
HARBOR = Registry("harbor", "harbor", parse_prefix("granted.example.com/shop"))


def test_every_source_that_covers_an_image_is_a_reason_the_most_specific_first() -> None:
    verdict = judge("harbor.example.com/base/x", "trusted", resolve(POLICY))
    assert verdict.decision is Decision.ALLOW
    assert [reason.field for reason in verdict.reasons] == [
        "spec.restrict.allowedSources[0]",
        "spec.restrict.allowedSources[3]",
    ]


@pytest.mark.parametrize(
    ("image", "namespace", "nearest"),
    [
        ("harbor.example.com/shop/api-2", "shop", "harbor.example.com/shop/api"),
        ("harbor.example.com/shop/other/x", "payments", "harbor.example.com/shop/web"),
        ("harbor.example.com/else", "payments", "harbor.example.com/base"),
        ("evil.io/shop/api", "shop", None),
    ],
)
def test_the_nearest_source_shares_most_leading_segments_on_the_same_host(
    image: str, namespace: str, nearest: str | None
) -> None:
    found = judge(image, namespace, resolve(POLICY)).nearest
    assert (str(found.prefix) if found else None) == nearest


def test_an_image_allowed_elsewhere_says_where() -> None:
    verdict = judge("harbor.example.com/shop/api:1", "payments", resolve(POLICY))
    assert verdict.decision is Decision.DENY
    assert [reason.code for reason in verdict.reasons] == [Code.SOURCE_NOT_ALLOWED, Code.ALLOWED_ELSEWHERE]
    assert verdict.reasons[1].message == "allowed only in shop, trusted"


def granting(selection: NamespaceSelection) -> RegistryPolicy:
    return replace(POLICY, access=(Access("harbor", selection, field="spec.access[0]"),))


def test_a_grant_of_an_unknown_registry_leaves_its_namespaces_unknown_and_no_others() -> None:
    sources = resolve(granting(NamespaceSelection(("shop",))))
    assert judge("evil.io/x", "shop", sources).decision is Decision.UNKNOWN
    assert judge("evil.io/x", "payments", sources).decision is Decision.DENY
    assert judge("harbor.example.com/base/x", "shop", sources).decision is Decision.ALLOW
    assert judge("Not/A Reference", "shop", sources).decision is Decision.DENY


def test_a_grant_by_label_leaves_unknown_what_its_registry_could_hold_and_nothing_else() -> None:
    policy = granting(NamespaceSelection((), LabelSelector((("team", "shop"),))))
    sources = resolve(policy, registries=[HARBOR])
    assert judge("granted.example.com/shop/x", "shop", sources).decision is Decision.UNKNOWN
    assert judge("evil.io/x", "shop", sources).decision is Decision.DENY
    known = resolve(policy, registries=[HARBOR], namespaces=[Namespace("shop", {"team": "shop"}), Namespace("other")])
    assert judge("granted.example.com/shop/x", "shop", known).decision is Decision.ALLOW
    assert judge("granted.example.com/shop/x", "other", known).decision is Decision.DENY


def test_grants_are_no_sources_where_the_policy_says_so() -> None:
    policy = replace(granting(NamespaceSelection(("shop",))), include_granted_registries=False)
    assert judge("granted.example.com/shop/x", "shop", resolve(policy, registries=[HARBOR])).decision is Decision.DENY


def test_an_object_is_as_good_as_its_worst_image() -> None:
    sources = resolve(granting(NamespaceSelection(("shop",))))
    good, unknown, bad = "harbor.example.com/base/x", "evil.io/x", "a b"
    assert evaluate([], "shop", sources).decision is Decision.ALLOW
    assert evaluate([good], "shop", sources).decision is Decision.ALLOW
    assert evaluate([good, unknown], "shop", sources).decision is Decision.UNKNOWN
    assert evaluate([bad, good, unknown], "shop", sources).decision is Decision.DENY


def test_system_namespaces_are_audited_whatever_the_stage() -> None:
    assert stage_in(Stage.DENY, "kube-system") is Stage.AUDIT
    assert stage_in(Stage.WARN, "kube-public") is Stage.AUDIT
    assert stage_in(Stage.OFF, "kube-system") is Stage.OFF
    assert stage_in(Stage.DENY, "portreeve-system") is Stage.DENY
