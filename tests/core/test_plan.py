"""What a change would do, and whether what was confirmed may still run: each rule, then the laws."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portreeve.core.blast_radius import Inventory, RunningImage
from portreeve.core.cluster import LabelSelector, Namespace, NamespaceSelection, Tier
from portreeve.core.confirmation import basis, still_valid
from portreeve.core.desired import Plane, desired
from portreeve.core.environments import Environment
from portreeve.core.estate import Capabilities, CredentialFacts, Estate, Key
from portreeve.core.our_objects import Create, Delete, ObjectKind, Update, applied, changes, granted_objects
from portreeve.core.people import BindingScope, Role, RoleBinding, Subjects
from portreeve.core.plan import EnvironmentPlan, Plan, plan
from portreeve.core.plan_text import lines, markdown
from portreeve.core.policy import Access, Delivery, DeliveryMode, Registry, RegistryPolicy, ServiceAccounts, Stage
from portreeve.core.reached import Reached
from portreeve.core.reference import parse_prefix
from portreeve.core.sources import stage_in
from portreeve.core.verdict import Decision, judge
from tests.core.estates import (
    CAPABLE,
    DEV,
    FLEET,
    HOST,
    LATER,
    LEASE,
    NOW,
    PROD,
    access,
    labelled,
    names,
    policy,
    reporting,
    running,
    source,
    with_,
)

NOTHING = Inventory(reported=frozenset({"prod-eu", "dev", "host-1"}))
GOVERNED = with_(policies=(policy(),))


def planned(before: Estate, after: Estate, inventory: Inventory = NOTHING, **options: Any) -> Plan:
    return plan(before, after, inventory, now=NOW, **options)


def only(made: Plan) -> EnvironmentPlan:
    (environment,) = made.environments
    return environment


def told(made: Plan) -> list[tuple[str, str, str]]:
    """Each change as (verb, kind, namespace/name)."""
    found = []
    for change in only(made).changes:
        identity = (change.old if isinstance(change, Delete) else change.new).identity
        found.append((type(change).__name__, str(identity.kind), f"{identity.namespace}/{identity.name}"))
    return found


def test_nothing_to_change_is_an_empty_plan() -> None:
    made = planned(GOVERNED, GOVERNED, running("evil.io/x"))
    assert made.empty
    assert made.blocked() == ()
    assert lines(made) == ("Nothing changes.",)


def test_an_access_brings_an_entry_and_an_attachment() -> None:
    assert told(planned(with_(accesses=()), FLEET)) == [
        ("Create", "ServiceAccount attachment", "shop/portreeve-pull"),
        ("Create", "pull secret entry", "shop/harbor.example.com/shop/"),
    ]


def test_what_nothing_grants_any_more_is_deleted_by_the_same_plan() -> None:
    assert {verb for verb, _, _ in told(planned(FLEET, with_(accesses=())))} == {"Delete"}


def test_a_rotation_says_from_which_version_to_which() -> None:
    made = planned(FLEET, with_(credentials={"harbor": CredentialFacts("c-17", 5, LATER)}))
    (change,) = only(made).changes
    assert isinstance(change, Update)
    assert (dict(change.old.facts)["version"], dict(change.new.facts)["version"]) == ("4", "5")
    assert any("version 4 -> 5" in line for line in lines(made))


@pytest.mark.parametrize(
    ("delivery", "registry", "kinds"),
    [
        (Delivery(), "anonymous", []),
        (Delivery(DeliveryMode.NODE), "harbor", ["grant without a Secret"]),
        (Delivery(DeliveryMode.CLUSTER_IDENTITY), "anonymous", ["grant without a Secret"]),
        (Delivery(service_accounts=ServiceAccounts.NONE), "harbor", ["pull secret entry"]),
    ],
)
def test_a_secret_lies_there_only_where_a_credential_is_delivered_so(
    delivery: Delivery, registry: str, kinds: list[str]
) -> None:
    granted = with_(accesses=(access(registry=registry, namespaces=names("shop"), delivery=delivery),))
    assert [kind for _, kind, _ in told(planned(with_(accesses=()), granted))] == kinds


def test_two_grants_of_one_registry_share_an_entry_whose_mode_is_the_longer_lived() -> None:
    both = with_(accesses=(access("a", namespaces=names("shop"), delivery=LEASE), access("b")))
    entry = next(
        one for one in granted_objects(desired(both, PROD, now=NOW), None).values() if one.facts[0][0] == "credential"
    )
    assert dict(entry.facts)["mode"] == "standing"
    assert dict(entry.facts)["owners"] == "access a, access b"


def test_all_service_accounts_include_the_default_one() -> None:
    every = Delivery(service_accounts=ServiceAccounts.ALL)
    both = with_(accesses=(access("a", namespaces=names("shop"), delivery=every), access("b")))
    objects = granted_objects(desired(both, PROD, now=NOW), None)
    (attachment,) = [one for one in objects.values() if one.identity.kind is ObjectKind.ATTACHMENT]
    assert attachment.facts == (("serviceAccounts", "all"),)


def test_two_credentials_for_one_key_in_one_namespace_are_refused() -> None:
    other = Registry("hub-2", "docker-hub", parse_prefix("docker.io/acme"))
    estate = with_(registries=(*FLEET.registries, other), credentials={"hub": CRED, "hub-2": replace(CRED, id="d")})
    after = with_(estate, accesses=(access("a", "hub"), access("b", "hub-2")))
    assert [problem.code for problem in planned(estate, after).refusals] == ["pull_key_conflict"]
    shared = {"hub": CRED, "hub-2": replace(CRED, version=2)}
    assert planned(estate, with_(after, credentials=shared)).refusals == ()
    apart = with_(estate, accesses=(access("a", "hub"), access("b", "hub-2", namespaces=names("cache"))))
    assert planned(estate, apart).refusals == ()


CRED = CredentialFacts("c", 1, LATER)


def test_on_a_docker_host_an_access_is_a_permission() -> None:
    granted = access("h", environment="host-1", subjects=Subjects(("shop-leads",), ("user-b",)))
    made = planned(FLEET, with_(accesses=(*FLEET.accesses, granted)))
    assert [name for _, _, name in told(made)] == ["/harbor for team shop-leads", "/harbor for user user-b"]
    assert only(made).plane is Plane.DEPLOYMENT


def test_a_policy_brings_four_objects_masks_accesses_and_says_what_it_would_deny() -> None:
    made = planned(FLEET, GOVERNED, running("evil.io/x:1", "base.example.com/x", "harbor.example.com/shop/api"))
    environment = only(made)
    kinds = [kind for _, kind, _ in told(made)]
    assert kinds.count("ValidatingAdmissionPolicy") == 1
    assert kinds.count("ValidatingAdmissionPolicyBinding") == 3
    assert environment.masked == ("shop-harbor",)
    assert [one.image.image for one in made.radius.newly_denied] == ["evil.io/x:1"]
    assert only(planned(GOVERNED, FLEET)).unmasked == ("shop-harbor",)
    assert [one.image for one in planned(GOVERNED, FLEET, running("evil.io/x:1")).radius.newly_allowed] == [
        "evil.io/x:1"
    ]


def test_a_policy_under_audit_reports_and_denies_nothing() -> None:
    audit = with_(policies=(policy(stage=Stage.AUDIT),))
    made = planned(FLEET, audit, running("evil.io/x"))
    assert made.radius.newly_denied == ()
    assert [one.stage for one in made.radius.newly_reported] == [Stage.AUDIT]
    harder = planned(audit, GOVERNED, running("evil.io/x"))
    assert [one.image.image for one in harder.radius.newly_denied] == ["evil.io/x"]


def test_unknown_counts_as_denied_and_says_that_it_is_unknown() -> None:
    unknown = reporting(Capabilities("v1.33.1"), GOVERNED)
    made = planned(with_(unknown, policies=()), unknown, running("harbor.example.com/shop/x"))
    assert [one.decision for one in made.radius.newly_denied] == [Decision.UNKNOWN]
    assert {"grant_unresolved", "namespaces_unknown"} <= {one.code for one in only(made).notes}


def test_an_environment_whose_images_are_not_known_says_so() -> None:
    assert "inventory_unknown" in [one.code for one in only(planned(FLEET, GOVERNED, Inventory())).notes]
    assert "inventory_unknown" not in [one.code for one in only(planned(FLEET, GOVERNED)).notes]


@pytest.mark.parametrize(("version", "code"), [("v1.29.4", "kubernetes_too_old"), (None, "kubernetes_version")])
def test_a_cluster_that_cannot_restrict_sources_is_named_and_gets_no_policy(version: str | None, code: str) -> None:
    estate = reporting(Capabilities(version, CAPABLE.namespaces))
    made = planned(estate, with_(estate, policies=(policy(),)))
    assert (code, "Environment/prod-eu") in [(one.code, one.field) for one in only(made).notes]
    assert only(made).plane is Plane.DEPLOYMENT
    assert not any("Policy" in kind for _, kind, _ in told(made))


def test_a_policy_that_would_lock_out_a_running_system_image_is_refused() -> None:
    made = planned(FLEET, GOVERNED, running("quay.io/cni/agent:1", namespace="kube-system"))
    assert [problem.code for problem in made.refusals] == ["would_lock_out"]
    scoped = (source("quay.io/cni/agent", "kube-system"),)
    allowed = with_(policies=(replace(policy(), sources=scoped),))
    assert planned(FLEET, allowed, running("quay.io/cni/agent:1", namespace="kube-system")).refusals == ()


def test_a_public_source_in_production_is_refused_once_however_many_environments() -> None:
    two = with_(environments=(PROD, replace(PROD, name="prod-us"), DEV, HOST))
    after = with_(two, policies=(policy("prod-sources", "docker.io"),))
    assert [problem.code for problem in planned(two, after).refusals] == ["public_source"]


def test_only_what_the_change_adds_refuses() -> None:
    public = with_(policies=(policy("prod-sources", "docker.io"),))
    rotated = with_(public, credentials={"harbor": CredentialFacts("c-17", 5, LATER)})
    assert planned(public, rotated).refusals == ()
    moved = with_(environments=(PROD, replace(DEV, tier=Tier.PRODUCTION), HOST))
    wide = policy("dev", "docker.io", groups=("development",))
    assert [one.code for one in planned(with_(policies=(wide,)), with_(moved, policies=(wide,))).refusals] == [
        "public_source"
    ]


def test_a_credential_without_expiry_is_refused_in_production() -> None:
    unending = with_(credentials={"harbor": CredentialFacts("c-17", 5)})
    assert [problem.code for problem in planned(FLEET, unending).refusals] == ["credential_without_expiry"]


def test_what_is_wrong_with_the_proposal_refuses_it() -> None:
    broken = with_(accesses=(access(registry="ghost"),), policies=(policy(groups=("nowhere",)),))
    assert [problem.code for problem in planned(FLEET, broken).refusals] == ["not_known", "not_known"]


def test_a_group_that_another_policy_covers_is_a_conflict_that_names_it_unless_it_is_replaced() -> None:
    before = with_(policies=(policy("old"),))
    after = with_(policies=(policy("old"), policy("new", "other.example.com")))
    made = planned(before, after)
    (conflict,) = made.conflicts
    assert (conflict.code, conflict.field) == ("group_covered", "RegistryPolicy/new spec.groups")
    assert "policy old" in conflict.message
    replaced = planned(before, after, replacing=True)
    assert replaced.conflicts == ()
    (takeover,) = replaced.takeovers
    assert (takeover.taken_from, takeover.taken_by, takeover.emptied) == ("old", "new", True)
    assert replaced.proposal.by_key[Key("RegistryPolicy", "old")].groups == ()
    assert (only(replaced).policy_before, only(replaced).policy_after) == ("old", "new")
    assert only(made) == only(replaced)


def test_replacing_takes_the_group_and_does_nothing_else() -> None:
    before = with_(policies=(policy("old", groups=("development", "production")),))
    after = with_(before, policies=(*before.policies, policy("new", "other.example.com")))
    replaced = planned(before, after, replacing=True)
    assert [one.environment for one in replaced.environments] == ["prod-eu"]
    assert replaced.proposal.by_key[Key("RegistryPolicy", "old")] == replace(
        before.policies[0], groups=("development",)
    )


def test_two_policies_that_both_claim_a_group_are_a_conflict_that_replacing_does_not_settle() -> None:
    after = with_(policies=(policy("one"), policy("two")))
    assert [one.code for one in planned(FLEET, after, replacing=True).conflicts] == ["group_covered"]


@pytest.mark.parametrize(("kept", "needs_force"), [(12, False), (15, False), (9, True), (0, True)])
def test_deleting_more_than_thirty_percent_and_at_least_ten_objects_needs_force(kept: int, needs_force: bool) -> None:
    def holding(count: int) -> Estate:
        return with_(accesses=tuple(access(f"a-{index}", namespaces=names(f"n-{index}")) for index in range(count)))

    before, after = (reporting(Capabilities("v1.33.1"), holding(count)) for count in (17, kept))
    made = planned(before, after)
    assert bool(made.valve) is needs_force
    assert bool(made.blocked()) is needs_force
    assert made.blocked(force=True) == ()
    if kept == 0:
        assert made.valve[0].message == "34 of 34 objects (100 %) in prod-eu would be deleted"


def test_deleting_fewer_than_ten_objects_never_needs_force() -> None:
    made = planned(FLEET, with_(accesses=()))
    assert len(only(made).changes) == only(made).existing == 2
    assert made.valve == ()


def test_what_is_allowed_in_one_namespace_is_denied_in_another() -> None:
    scoped = with_(policies=(replace(policy(), sources=(source("evil.io", "shop"),)),))
    both = Inventory(running("evil.io/x").images + running("evil.io/x", namespace="cache").images)
    assert [one.image.namespace for one in planned(FLEET, scoped, both).radius.newly_denied] == ["cache"]


def test_an_environment_that_goes_takes_its_objects_and_no_image_is_called_allowed() -> None:
    made = planned(GOVERNED, with_(GOVERNED, environments=(DEV, HOST)), running("evil.io/x"))
    assert {verb for verb, _, _ in told(made)} == {"Delete"}
    assert made.radius.newly_allowed == ()


# ---- confirmation


def confirmed(before: Estate, after: Estate, inventory: Inventory = NOTHING) -> Any:
    return basis(planned(before, after, inventory))


def test_the_same_plan_made_again_is_valid_and_has_the_same_digest() -> None:
    one, other = (confirmed(FLEET, GOVERNED, running("evil.io/x")) for _ in range(2))
    assert one.digest == other.digest
    assert still_valid(one, other)


def test_a_document_at_another_version_refuses_and_is_named() -> None:
    changed = with_(versions={Key("Registry", "harbor"): 2})
    validity = still_valid(confirmed(FLEET, GOVERNED), confirmed(changed, with_(changed, policies=(policy(),))))
    assert not validity
    (reason,) = validity.reasons
    assert (reason.code, reason.field) == ("plan_outdated", "Registry/harbor")
    assert reason.message == "it was at version 1 and is at version 2"


def test_a_document_that_the_plan_does_not_read_may_change() -> None:
    elsewhere = with_(versions={Key("Registry", "hub"): 2, Key("Environment", "dev"): 9})
    assert still_valid(confirmed(FLEET, GOVERNED), confirmed(elsewhere, with_(elsewhere, policies=(policy(),))))


@pytest.mark.parametrize(("binding", "refuses"), [("ops", True), ("audit", False), ("cluster", False)])
def test_on_a_docker_host_a_plan_stands_on_the_bindings_that_let_somebody_pull_there(
    binding: str, refuses: bool
) -> None:
    auditing = RoleBinding("audit", Role.AUDITOR, Subjects(users=("user-c",)))
    elsewhere = RoleBinding("cluster", Role.OPERATOR, Subjects(users=("user-c",)), BindingScope(("prod-eu",)))
    held = with_(bindings=(*FLEET.bindings, auditing, elsewhere))
    granted = (*FLEET.accesses, access("h", environment="host-1", subjects=Subjects(users=("user-b",))))
    changed = with_(held, versions={Key("RoleBinding", binding): 2})
    first, again = (confirmed(one, with_(one, accesses=granted)) for one in (held, changed))
    assert [one.field for one in still_valid(first, again).reasons] == [f"RoleBinding/{binding}"] * refuses


def test_another_proposal_is_not_what_was_confirmed() -> None:
    other = with_(policies=(policy(allow_override=True),))
    reasons = still_valid(confirmed(FLEET, GOVERNED), confirmed(FLEET, other)).reasons
    assert [(one.code, one.field) for one in reasons] == [("plan_outdated", "RegistryPolicy/prod-sources")]


def test_an_environment_that_joined_the_group_since_refuses() -> None:
    grown = with_(environments=(*FLEET.environments, replace(PROD, name="prod-us")))
    reasons = still_valid(confirmed(FLEET, GOVERNED), confirmed(grown, with_(grown, policies=(policy(),)))).reasons
    assert [one.field for one in reasons] == ["Environment/prod-us"]


def test_growth_of_what_would_be_denied_refuses_with_every_image() -> None:
    reasons = still_valid(
        confirmed(FLEET, GOVERNED, running("evil.io/a")),
        confirmed(FLEET, GOVERNED, running("evil.io/a", "evil.io/b", "evil.io/c")),
    ).reasons
    assert [one.code for one in reasons] == ["plan_denies_more", "plan_denies_more"]
    assert "evil.io/b of Deployment/api in prod-eu/shop" in reasons[0].message


def test_less_that_would_be_denied_refuses_nothing() -> None:
    assert still_valid(confirmed(FLEET, GOVERNED, running("evil.io/a")), confirmed(FLEET, GOVERNED))


def test_a_new_namespace_changes_the_digest_and_refuses_nothing() -> None:
    more = Capabilities("v1.33.1", (*(CAPABLE.namespaces or ()), Namespace("new", {"team": "shop"})))
    grown = reporting(more)
    one, other = confirmed(FLEET, GOVERNED), confirmed(grown, with_(grown, policies=(policy(),)))
    assert one.digest != other.digest
    assert still_valid(one, other)


# ---- text


def test_the_text_says_what_blocks_and_escapes_what_came_from_outside() -> None:
    hostile = running("evil.io/x\x1b[31m\u202e", "evil.io/<b>`x`|")
    text = lines(planned(FLEET, with_(policies=(policy("prod-sources", "docker.io"),)), hostile))
    assert "Cannot be confirmed (1):" in text
    assert all(line.isascii() and line.isprintable() for line in text)
    marked = markdown(planned(FLEET, GOVERNED, hostile))
    assert "<b>" not in marked
    assert r"\<b\>" in marked


def test_long_lists_are_cut_and_counted() -> None:
    many = running(*(f"evil.io/x{index}" for index in range(30)))
    text = lines(planned(FLEET, GOVERNED, many))
    assert "Would newly be denied (30):" in text
    assert "  and 10 more" in text


# ---- laws

PREFIXES = ("a.example.com", "a.example.com/x", "b.example.com", "docker.io/acme", "*.apps.example.com")
IMAGES = ("a.example.com/x/y", "a.example.com/z", "b.example.com/q:1", "acme/app", "one.apps.example.com/i", "Bad Ref")
SELECTIONS = (names("shop"), names("cache", "shop"), labelled("shop"), NamespaceSelection((), LabelSelector()))


@st.composite
def policies(draw: st.DrawFn, name: str, group: str) -> RegistryPolicy:
    granted = draw(st.lists(st.tuples(st.sampled_from(("harbor", "hub")), st.sampled_from(SELECTIONS)), max_size=2))
    prefixes = draw(st.lists(st.sampled_from(PREFIXES), unique=True, max_size=4))
    return replace(
        policy(name, groups=(group,)),
        sources=tuple(source(prefix, index=index) for index, prefix in enumerate(prefixes)),
        access=tuple(Access(one, where, field=f"spec.access[{i}]") for i, (one, where) in enumerate(granted)),
        stage=draw(st.sampled_from(Stage)),
        allow_override=draw(st.booleans()),
        generation=draw(st.integers(1, 3)),
    )


@st.composite
def estates(draw: st.DrawFn) -> Estate:
    held = [draw(policies(f"p-{group}", group)) for group in ("production", "development") if draw(st.booleans())]
    pairs = st.tuples(
        st.sampled_from(("harbor", "hub", "anonymous")),
        st.sampled_from(("prod-eu", "dev")),
        st.sampled_from(SELECTIONS),
        st.sampled_from(DeliveryMode),
    )
    accesses = tuple(
        access(f"a-{index}", registry, environment, namespaces=where, delivery=Delivery(mode))
        for index, (registry, environment, where, mode) in enumerate(draw(st.lists(pairs, max_size=4)))
    )
    return with_(policies=tuple(held), accesses=accesses)


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    one = st.builds(
        RunningImage,
        st.sampled_from(("prod-eu", "dev")),
        st.sampled_from(("shop", "cache")),
        st.just("Deployment/api"),
        st.sampled_from(IMAGES),
    )
    return Inventory(tuple(draw(st.lists(one, max_size=8))))


def objects(estate: Estate, environment: Environment) -> Any:
    return granted_objects(desired(estate, environment, now=NOW), estate.capabilities_of(environment).namespaces)


@settings(deadline=None)
@given(estates(), inventories())
def test_law_a_plan_from_an_estate_to_itself_is_empty(estate: Estate, inventory: Inventory) -> None:
    made = planned(estate, estate, inventory)
    assert made.empty
    assert made.blocked() == ()
    assert made.radius == planned(FLEET, FLEET).radius


@settings(deadline=None)
@given(estates(), estates())
def test_law_making_the_changes_of_a_plan_gives_the_state_after(before: Estate, after: Estate) -> None:
    touched = {one.environment: one for one in planned(before, after).environments}
    for environment in (PROD, DEV):
        old, new = objects(before, environment), objects(after, environment)
        assert applied(old, changes(old, new)) == new
        rules = (ObjectKind.POLICY, ObjectKind.BINDING)
        made = touched[environment.name].changes if environment.name in touched else ()
        grants = [one for one in made if (one.old if isinstance(one, Delete) else one.new).identity.kind not in rules]
        assert applied(old, grants) == new
        assert {Create, Update, Delete} >= {type(one) for one in made}


@settings(deadline=None)
@given(estates(), policies("p-production", "production"), st.sampled_from(PREFIXES), inventories())
def test_law_adding_a_source_never_denies_more(
    before: Estate, proposed: RegistryPolicy, prefix: str, inventory: Inventory
) -> None:
    wider = replace(proposed, sources=(*proposed.sources, source(prefix, index=9)))
    others = tuple(one for one in before.policies if one.name != proposed.name)
    narrow, wide = (planned(before, with_(before, policies=(*others, one)), inventory) for one in (proposed, wider))
    denied = {one.image for one in narrow.radius.newly_denied}
    assert {one.image for one in wide.radius.newly_denied} <= denied


def refused(estate: Estate, image: RunningImage) -> bool:
    """The long way: no memory, no short cut."""
    environment = next(one for one in estate.environments if one.name == image.environment)
    sources = desired(estate, environment, now=NOW).sources
    if sources is None or stage_in(sources.stage, image.namespace) is not Stage.DENY:
        return False
    return judge(image.image, image.namespace, sources, now=NOW).decision is not Decision.ALLOW


@settings(max_examples=50, deadline=None)
@given(estates(), estates(), inventories())
def test_law_newly_denied_is_what_is_refused_after_and_was_not_before(
    before: Estate, after: Estate, inventory: Inventory
) -> None:
    radius = planned(before, after, inventory).radius
    images = set(inventory.images)
    assert [one.image for one in radius.newly_denied] == sorted(
        one for one in images if refused(after, one) and not refused(before, one)
    )
    assert list(radius.newly_allowed) == sorted(
        one for one in images if refused(before, one) and not refused(after, one)
    )


@settings(max_examples=50, deadline=None)
@given(estates(), estates(), estates(), inventories(), inventories())
def test_law_digests_are_equal_exactly_if_the_bases_are(
    before: Estate, after: Estate, other: Estate, inventory: Inventory, elsewhere: Inventory
) -> None:
    one = confirmed(before, after, inventory)
    for second in (confirmed(before, after, inventory), confirmed(before, other, elsewhere)):
        assert (one.digest == second.digest) == (one == second)


@settings(deadline=None)
@given(estates())
def test_law_masking_then_unmasking_returns_the_same_state(estate: Estate) -> None:
    bare = with_(estate, policies=())
    masked = with_(bare, policies=(policy(),))
    away = planned(masked, bare)
    there = planned(bare, masked)
    assert [one.masked for one in there.environments] == [one.unmasked for one in away.environments]
    assert desired(with_(masked, policies=()), PROD, now=NOW) == desired(bare, PROD, now=NOW)


@given(estates(), estates(), inventories(), st.data())
def test_law_a_change_that_is_said_not_to_reach_an_environment_does_not(
    before: Estate, other: Estate, inventory: Inventory, data: st.DataObject
) -> None:
    """The next estate takes some kinds of documents from another one and shares the rest, as stored ones do."""
    names = ("environments", "registries", "projects", "teams", "bindings", "accesses", "policies", "exemptions")
    taken = data.draw(st.sets(st.sampled_from((*names, "credentials", "capabilities")), max_size=2))
    after = replace(before, **{name: getattr(other, name) for name in taken})
    looking = plan(before, after, inventory, now=NOW)
    with mock.patch.object(Reached, "environment", return_value=True):
        thorough = plan(before, after, inventory, now=NOW)
    assert looking == thorough


def test_time_alone_changes_a_plan_only_through_exemptions() -> None:
    later = plan(FLEET, GOVERNED, running("evil.io/x"), now=NOW + timedelta(days=300))
    assert basis(later).digest == confirmed(FLEET, GOVERNED, running("evil.io/x")).digest
