"""What one environment should hold: precedence, masking, grants, generations; and that none of it hangs on order."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portreeve.core.cluster import LabelSelector, Namespace, NamespaceSelection, Operator, Requirement, Tier
from portreeve.core.desired import Plane, desired, document, next_generation, plane
from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.estate import Capabilities, CredentialFacts, Estate, policy_type
from portreeve.core.people import Subjects
from portreeve.core.policy import Access, ExemptionState, Registry
from portreeve.core.reference import parse_prefix
from portreeve.core.tier_rules import flagged_credentials, public_sources, refused_credentials
from portreeve.core.verdict import Decision, judge
from tests.core.estates import (
    CAPABLE,
    DEV,
    DOCKER,
    FLEET,
    HOST,
    LATER,
    NOW,
    PROD,
    access,
    exemption,
    labelled,
    names,
    policy,
    reporting,
    source,
    with_,
)


def owners(estate: Estate, environment: Environment = PROD) -> list[str]:
    return [grant.owner for grant in desired(estate, environment, now=NOW).grants]


def test_without_a_policy_the_environments_own_accesses_are_in_force_and_nothing_is_restricted() -> None:
    state = desired(FLEET, PROD, now=NOW)
    assert owners(FLEET) == ["access shop-harbor"]
    assert (state.policy, state.sources, state.masked) == (None, None, ())


def test_a_policys_accesses_replace_the_environments_own_which_are_listed_as_masked() -> None:
    state = desired(with_(policies=(policy(),)), PROD, now=NOW)
    assert [grant.owner for grant in state.grants] == ["policy prod-sources"]
    assert state.masked == ("shop-harbor",)


def test_a_policy_that_allows_overrides_keeps_both() -> None:
    estate = with_(policies=(policy(allow_override=True),))
    assert owners(estate) == ["access shop-harbor", "policy prod-sources"]
    assert desired(estate, PROD, now=NOW).masked == ()


def test_a_policy_reaches_its_own_groups_and_no_others() -> None:
    assert desired(with_(policies=(policy(),)), DEV, now=NOW) == desired(FLEET, DEV, now=NOW)


def test_masking_and_unmasking_gives_the_same_state() -> None:
    before = desired(FLEET, PROD, now=NOW)
    masked = with_(policies=(policy(),))
    assert desired(masked, PROD, now=NOW) != before
    assert desired(replace(masked, policies=()), PROD, now=NOW) == before


def test_a_granted_registry_is_a_source_where_it_is_granted() -> None:
    sources = desired(with_(policies=(policy(),)), PROD, now=NOW).sources
    assert sources is not None
    assert judge("harbor.example.com/shop/api:1", "shop", sources).decision is Decision.ALLOW
    assert judge("harbor.example.com/shop/api:1", "cache", sources).decision is Decision.DENY


def test_a_masked_access_is_no_source() -> None:
    own = access("own", "hub", namespaces=names("cache"))
    masking = desired(with_(accesses=(own,), policies=(policy(),)), PROD, now=NOW).sources
    keeping = desired(with_(accesses=(own,), policies=(policy(allow_override=True),)), PROD, now=NOW).sources
    assert masking is not None
    assert keeping is not None
    assert judge("docker.io/acme/x", "cache", masking).decision is Decision.DENY
    assert judge("docker.io/acme/x", "cache", keeping).decision is Decision.ALLOW


def test_a_grant_keeps_its_selector_so_that_a_namespace_to_come_is_granted_too() -> None:
    (grant,) = desired(with_(accesses=(access(namespaces=labelled("shop")),)), PROD, now=NOW).grants
    assert grant.namespaces == labelled("shop")
    assert grant.selected(CAPABLE.namespaces) == ("shop", "shop-jobs")
    assert grant.selected([*(CAPABLE.namespaces or ()), Namespace("new", {"team": "shop"})])[0] == "new"
    assert grant.selected(None) == ()


def test_names_and_selector_together_are_a_union() -> None:
    both = replace(labelled("shop"), names=("cache", "not-there"))
    (grant,) = desired(with_(accesses=(access(namespaces=both),)), PROD, now=NOW).grants
    assert grant.selected(CAPABLE.namespaces) == ("cache", "shop", "shop-jobs")


def test_unknown_namespaces_leave_a_selected_grant_unresolved() -> None:
    unknown = reporting(Capabilities("v1.33.1", None), with_(policies=(policy(),)))
    sources = desired(unknown, PROD, now=NOW).sources
    assert sources is not None
    assert judge("harbor.example.com/shop/x", "shop", sources).decision is Decision.UNKNOWN


@pytest.mark.parametrize(
    ("chosen", "selected"),
    [
        (NamespaceSelection((), LabelSelector()), ("shop", "shop-jobs")),
        (names("shop", "cache"), ("shop",)),
        (names("elsewhere"), None),
        (labelled("shop"), ("shop", "shop-jobs")),
        (labelled("other"), ()),
        (NamespaceSelection((), LabelSelector((), (Requirement("team", Operator.DOES_NOT_EXIST),))), ()),
    ],
)
def test_an_access_of_a_project_is_for_those_of_its_namespaces_that_it_selects(
    chosen: NamespaceSelection, selected: tuple[str, ...] | None
) -> None:
    estate = with_(accesses=(access(environment="", project="shop-team", namespaces=chosen),))
    grants = desired(estate, PROD, now=NOW).grants
    assert [grant.selected(CAPABLE.namespaces) for grant in grants] == ([] if selected is None else [selected])
    assert desired(estate, DEV, now=NOW).grants == ()


def test_the_key_of_a_grant_is_that_of_pull_secrets() -> None:
    whole = Registry("whole-hub", "docker-hub", parse_prefix("docker.io"))
    estate = with_(
        registries=(*FLEET.registries, whole), accesses=(access(), access("h", "hub"), access("w", whole.name))
    )
    keys = [grant.key for grant in desired(estate, PROD, now=NOW).grants]
    assert keys == ["harbor.example.com/shop/", "docker.io/acme/", "https://index.docker.io/v1/"]


def test_a_registry_with_a_wildcard_is_granted_to_nobody() -> None:
    wide = Registry("wide", "generic", parse_prefix("*.example.com"))
    estate = with_(registries=(*FLEET.registries, wide), accesses=(access(registry="wide"),))
    assert desired(estate, PROD, now=NOW).grants == ()


def test_on_a_docker_host_a_grant_is_for_people_and_the_policy_for_deployment_time_only() -> None:
    estate = with_(
        accesses=(access(environment="host-1", subjects=Subjects(teams=("shop-leads",))),),
        policies=(policy(type=DOCKER, groups=("hosts",), access=(), allow_override=True),),
    )
    state = desired(estate, HOST, now=NOW)
    assert state.policy is not None
    assert state.policy.plane is Plane.DEPLOYMENT
    assert state.grants[0].subjects == Subjects(teams=("shop-leads",))
    assert state.sources is not None
    assert judge("harbor.example.com/shop/x", "", state.sources).decision is Decision.ALLOW


def test_a_policy_for_docker_grants_to_those_it_names_who_hold_a_role_there() -> None:
    def granted(*named: Subjects) -> list[Subjects]:
        accesses = tuple(
            Access("harbor", names(), subjects=one, field=f"spec.access[{i}]") for i, one in enumerate(named)
        )
        held = policy(type=DOCKER, groups=("hosts",), access=accesses)
        return [one.subjects for one in desired(with_(policies=(held,)), HOST, now=NOW).grants]

    assert granted(Subjects(users=("user-b", "user-z"))) == [Subjects(users=("user-b",))]
    assert granted(Subjects(teams=("strangers",))) == [Subjects()]
    assert granted(Subjects()) == [Subjects(("shop-leads",), ("user-a", "user-b"))]


@pytest.mark.parametrize(
    ("version", "enforcing"),
    [
        ("v1.30.0", Plane.ADMISSION),
        ("v1.29.9", Plane.DEPLOYMENT),
        ("nonsense", Plane.DEPLOYMENT),
        (None, Plane.DEPLOYMENT),
    ],
)
def test_admission_enforces_only_where_the_cluster_is_known_to_be_new_enough(
    version: str | None, enforcing: Plane
) -> None:
    assert plane(PROD, Capabilities(version)) is enforcing


def test_an_exemption_counts_in_its_group_until_it_ends() -> None:
    estate = with_(policies=(policy(),), exemptions=(exemption(),))
    during, after = desired(estate, PROD, now=NOW), desired(estate, PROD, now=LATER)
    assert during.sources is not None
    assert after.sources is not None
    assert [one.name for one in during.sources.exemptions] == ["redis"]
    assert after.sources.exemptions == ()
    elsewhere = desired(with_(estate, exemptions=(exemption(groups=("development",)),)), PROD, now=NOW)
    assert elsewhere.sources is not None
    assert elsewhere.sources.exemptions == ()


def test_an_exemption_for_one_of_a_policys_groups_counts_there_and_not_in_the_other() -> None:
    both = with_(policies=(policy(groups=("production", "development")),), exemptions=(exemption(),))
    there, elsewhere = (desired(both, environment, now=NOW).sources for environment in (PROD, DEV))
    assert there is not None
    assert elsewhere is not None
    assert [one.name for one in there.exemptions] == ["redis"]
    assert elsewhere.exemptions == ()


def test_the_generation_grows_with_the_hash_and_never_decreases() -> None:
    first = next_generation(None, desired(FLEET, PROD, now=NOW))
    same = next_generation(first, desired(FLEET, PROD, now=NOW + timedelta(hours=1)))
    rotated = with_(credentials={"harbor": CredentialFacts("c-17", 5, LATER)})
    second = next_generation(same, desired(rotated, PROD, now=NOW))
    back = next_generation(second, desired(FLEET, PROD, now=NOW))
    assert [first.generation, same.generation, second.generation, back.generation] == [1, 1, 2, 3]
    assert back.hash == first.hash


def test_the_hash_is_over_everything_but_itself_and_the_generation() -> None:
    state = desired(FLEET, PROD, now=NOW, not_after=LATER)
    assert state.hash.startswith("sha256:")
    assert document(replace(state, generation=9, hash="")) == document(state)
    assert desired(FLEET, PROD, now=NOW).hash != state.hash
    assert json.loads(json.dumps(document(state)))["notAfter"] == "2026-12-20T12:00:00Z"


@settings(deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_desired_state_does_not_hang_on_the_order_of_documents(shuffle: object) -> None:
    estate = with_(
        accesses=tuple(access(f"a-{index}", registry) for index, registry in enumerate(["hub", "harbor"] * 3)),
        policies=(policy(allow_override=True), policy("other", groups=("development",))),
        exemptions=(exemption(), replace(exemption(), name="second")),
    )
    shuffled = {}
    for kind in ("environments", "registries", "accesses", "policies", "exemptions"):
        held = list(getattr(estate, kind))
        shuffle.shuffle(held)  # type: ignore[attr-defined]  # hypothesis hands over a Random
        shuffled[kind] = tuple(held)
    for environment in estate.environments:
        assert desired(with_(estate, **shuffled), environment, now=NOW) == desired(estate, environment, now=NOW)


NARROWER = exemption(prefix=parse_prefix("docker.io/library/redis/x"))
IN_SHOP = exemption(namespaces=("shop",))
REDIS = policy("prod-sources", "docker.io/library/redis", "harbor.example.com")


@pytest.mark.parametrize(
    ("sentence", "tier", "exempted", "refused"),
    [
        ("public content is refused in production", Tier.PRODUCTION, None, True),
        ("public content is refused in staging", Tier.STAGING, None, True),
        ("public content is only named in development", Tier.DEVELOPMENT, None, False),
        ("an exemption that covers it lets it pass", Tier.PRODUCTION, exemption(), False),
        ("one without groups covers all of them", Tier.PRODUCTION, exemption(groups=()), False),
        ("one of another group does not", Tier.PRODUCTION, exemption(groups=("development",)), True),
        ("one for a narrower path does not", Tier.PRODUCTION, NARROWER, True),
        ("one for some namespaces does not cover a global source", Tier.PRODUCTION, IN_SHOP, True),
        ("a requested one does not", Tier.PRODUCTION, exemption(state=ExemptionState.REQUESTED), True),
        ("an ended one does not", Tier.PRODUCTION, replace(exemption(), expires_at=NOW), True),
        ("one of another policy does not", Tier.PRODUCTION, replace(exemption(), policy="other"), True),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)  # fmt: skip
def test_public_sources(sentence: str, tier: Tier, exempted: object, refused: bool) -> None:
    given_ = [] if exempted is None else [exempted]
    found = public_sources(REDIS, replace(PROD, tier=tier), given_, NOW)  # type: ignore[arg-type]  # a table
    assert [problem.code for problem in found] == ["public_source"] * refused, sentence


def test_an_exemption_for_namespaces_covers_a_source_scoped_to_them() -> None:
    scoped = replace(REDIS, sources=(source("docker.io/library/redis", "shop"),))
    assert public_sources(scoped, PROD, [exemption(namespaces=("shop", "cache"))], NOW) == []


@pytest.mark.parametrize(
    ("tier", "supported", "expires", "refused", "flagged"),
    [
        (Tier.PRODUCTION, True, False, True, False),
        (Tier.PRODUCTION, False, False, False, True),
        (Tier.PRODUCTION, True, True, False, False),
        (Tier.STAGING, True, False, False, True),
        (Tier.DEVELOPMENT, False, False, False, True),
    ],
)
def test_a_credential_without_expiry_is_refused_in_production_if_it_could_have_one_and_flagged_otherwise(
    tier: Tier, supported: bool, expires: bool, refused: bool, flagged: bool
) -> None:
    facts = CredentialFacts("c", 1, LATER if expires else None, supported)
    environment, granted = replace(PROD, tier=tier), [("harbor", facts), ("harbor", facts)]
    assert [one.code for one in refused_credentials(environment, granted)] == ["credential_without_expiry"] * refused
    assert [one.code for one in flagged_credentials(environment, granted)] == ["credential_never_expires"] * flagged


def test_swarms_are_of_the_docker_kind() -> None:
    assert policy_type(EnvironmentType.SWARM) is DOCKER
