"""The engine against answers written by hand, and laws that must hold for any policy."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.admission import Request, refused_images
from portreeve.core.policy import AllowedSource, Exemption, ExemptionState, RegistryPolicy, Stage
from portreeve.core.reference import SourcePrefix, parse_prefix
from portreeve.core.sources import ResolvedSources, resolve
from portreeve.core.verdict import Decision, evaluate
from tests.cases.admission import Case, build, cases, corpus, pod_spec
from tests.cases.references import references

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


def request_of(case: Case) -> Request:
    return Request(case.namespace, case.operation, case.object, case.old_object, case.groups, NOW)


def test_the_corpus_is_large_enough_and_names_every_listed_bypass() -> None:
    everything = list(cases())
    assert len({case.id for case in everything}) == len(everything) >= 500
    bypasses = Counter(case.bypass for case in everything)
    assert {"AD-01", "AD-02", "AD-03", "AD-05", "AD-06", "AD-13"} <= set(bypasses)
    assert any(len(case.object["spec"].get("containers", [])) == 200 for case in everything if case.kind == "Pod")


def test_the_engine_refuses_exactly_what_the_corpus_says() -> None:
    sources = resolve(corpus().policy)
    wrong = [
        (case.id, case.refused, found)
        for case in cases()
        if (found := refused_images(request_of(case), sources)) != case.refused
    ]
    assert wrong[:5] == []


PREFIXES = st.builds(
    SourcePrefix,
    st.sampled_from(
        ["docker.io", "ghcr.io", "registry.example.com", "registry.example.com:5000", "localhost", "*.azurecr.io"]
    ),
    st.sampled_from(["", "library", "team", "a", "a/a-b", "library/nginx"]),
)
SOURCES = st.builds(AllowedSource, PREFIXES, st.none() | st.just(("team-a",)) | st.just(("team-b", "public")))
IMAGES = st.sampled_from(list(references(7, 400)))


def restriction(*sources: AllowedSource) -> ResolvedSources:
    return resolve(RegistryPolicy("laws", stage=Stage.DENY, sources=sources))


@given(
    st.lists(SOURCES, max_size=5),
    SOURCES,
    st.lists(IMAGES, min_size=1, max_size=5),
    st.sampled_from(["team-a", "team-b"]),
)
def test_adding_a_source_never_denies_more(
    sources: list[AllowedSource], added: AllowedSource, images: list[str], namespace: str
) -> None:
    before = evaluate(images, namespace, restriction(*sources))
    after = evaluate(images, namespace, restriction(*sources, added))
    for old, new in zip(before.images, after.images, strict=True):
        assert old.decision is Decision.DENY or new.decision is Decision.ALLOW


@given(
    st.dictionaries(
        st.sampled_from(["labels", "annotations"]), st.dictionaries(st.text(max_size=8), st.text(max_size=8))
    ),
    st.lists(IMAGES, min_size=1, max_size=3),
)
def test_metadata_never_turns_deny_into_allow(metadata: dict[str, dict[str, str]], images: list[str]) -> None:
    sources = restriction(AllowedSource(parse_prefix("ghcr.io")))
    spec = pod_spec({"containers": images})
    plain = refused_images(Request("team-a", "CREATE", build("Pod", "p", "team-a", spec), created_at=NOW), sources)
    decorated = refused_images(
        Request("team-a", "CREATE", build("Pod", "p", "team-a", spec, **metadata), created_at=NOW), sources
    )
    assert plain == decorated


@given(st.lists(IMAGES, min_size=1, max_size=4))
def test_an_empty_policy_denies_everything(images: list[str]) -> None:
    assert all(image.decision is Decision.DENY for image in evaluate(images, "team-a", restriction()).images)


def exempting(**fields: object) -> ResolvedSources:
    base: dict[str, object] = {
        "name": "e", "policy": "laws", "expires_at": NOW + timedelta(hours=1), "state": ExemptionState.ACTIVE,
        "prefix": parse_prefix("evil.io/redis"),
    }  # fmt: skip
    return resolve(RegistryPolicy("laws", stage=Stage.DENY), exemptions=[Exemption(**{**base, **fields})])  # type: ignore[arg-type]  # fields vary by test


def refused(
    sources: ResolvedSources, image: str = "evil.io/redis:7", namespace: str = "cache", operation: str = "CREATE"
) -> bool:
    obj = build("Pod", "p", namespace, pod_spec({"containers": [image]}))
    old = build("Pod", "p", namespace, pod_spec({"containers": ["other.io/x"]})) if operation == "UPDATE" else None
    return bool(refused_images(Request(namespace, operation, obj, old, created_at=NOW), sources))


def test_an_exemption_lets_an_image_through_until_it_expires() -> None:
    assert not refused(exempting())
    assert refused(exempting(expires_at=NOW))
    assert refused(exempting(), "evil.io/redis-evil")
    assert refused(exempting(), "evil.io/x")


def test_an_exemption_that_nobody_approved_counts_for_nothing() -> None:
    for state in set(ExemptionState) - {ExemptionState.APPROVED, ExemptionState.ACTIVE, ExemptionState.EXPIRING}:
        assert refused(exempting(state=state))
    assert refused(exempting(policy="another"))


def test_an_exemption_counts_in_its_namespaces_alone_and_never_for_an_update() -> None:
    assert not refused(exempting(namespaces=("cache",)))
    assert refused(exempting(namespaces=("cache",)), namespace="shop")
    assert refused(exempting(), operation="UPDATE")


def test_an_exemption_counts_in_its_groups_alone_and_in_all_of_them_where_the_group_is_not_known() -> None:
    exemption = Exemption(
        "e",
        "laws",
        NOW + timedelta(hours=1),
        parse_prefix("evil.io/redis"),
        state=ExemptionState.ACTIVE,
        groups=("blue",),
    )
    policy = RegistryPolicy("laws", stage=Stage.DENY, groups=("blue", "green"))
    assert not refused(resolve(policy, exemptions=[exemption], group="blue"))
    assert refused(resolve(policy, exemptions=[exemption], group="green"))
    assert refused(resolve(policy, exemptions=[exemption]))
    assert not refused(resolve(replace(policy, groups=("blue",)), exemptions=[exemption]))
    assert refused(resolve(replace(policy, groups=()), exemptions=[exemption]))


def test_an_exemption_by_digest_covers_that_digest_alone() -> None:
    digest = "sha256:" + "ab" * 32
    assert not refused(exempting(prefix=None, digest=digest), f"evil.io/any@{digest}")
    assert refused(exempting(prefix=None, digest=digest), "evil.io/any")
    assert refused(exempting(prefix=None, digest=digest), "evil.io/any@sha256:" + "cd" * 32)
    assert refused(exempting(prefix=None, digest=digest), f"Evil/Any@{digest}")
