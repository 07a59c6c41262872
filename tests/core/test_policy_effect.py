"""What a draft does to what runs, and which of its rows does it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portreeve.core.blast_radius import RunningImage
from portreeve.core.estate import Estate
from portreeve.core.policy import Access, RegistryPolicy, Stage
from portreeve.core.policy_effect import Counts, Effect, effect, matched
from portreeve.core.reference import look_alikes, parse, parse_prefix
from portreeve.core.sources import resolve
from portreeve.core.verdict import Code, Decision
from tests.core.estates import NOW, labelled, policy, source, with_


def image(
    name: str, namespace: str = "shop", owner: str = "Deployment/api", environment: str = "prod-eu"
) -> RunningImage:
    return RunningImage(environment, namespace, owner, name)


def seen(drafted: RegistryPolicy, *images: RunningImage, estate: Estate | None = None) -> Effect:
    held = with_(estate or with_(), policies=(drafted,))
    return effect(held, drafted, {"prod-eu": images}, now=NOW)


def test_each_image_is_counted_once_by_what_becomes_of_it() -> None:
    drafted = policy("p", "base.example.com")
    found = seen(
        drafted,
        image("base.example.com/a:1"),
        image("evil.example.com/b:1", "cache"),
        image("evil.example.com/b:1", "kube-system"),
    )
    assert found.counts == Counts(running=3, allowed=1, blocked=1, unknown=0, reported=1)
    assert [one.image.namespace for one in found.blocked] == ["cache"]


def test_what_cannot_be_known_is_neither_allowed_nor_blocked() -> None:
    drafted = policy("p", "base.example.com", access=(Access("ghost", labelled("shop"), field="spec.access[0]"),))
    assert seen(drafted, image("other.example.com/a:1"), estate=with_(capabilities={})).counts == Counts(1, 0, 0, 1, 0)


@pytest.mark.parametrize("stage", Stage)
def test_the_stage_is_no_part_of_it(stage: Stage) -> None:
    assert seen(policy("p", stage=stage), image("evil.example.com/b:1")).counts.blocked == 1


def test_a_row_counts_all_that_it_covers_where_it_counts() -> None:
    drafted = replace(policy("p"), sources=(source("a.example.com"), source("a.example.com/x", "cache", index=1)))
    found = seen(
        drafted,
        image("a.example.com/x/y:1"),
        image("a.example.com/x/y:1", "cache", "Deployment/one"),
        image("a.example.com/x/y:1", "cache", "Deployment/two"),
        image("harbor.example.com/shop/api:1"),
    )
    assert found.matches == {
        "spec.restrict.allowedSources[0]": 3,
        "spec.restrict.allowedSources[1]": 2,
        "spec.access[0]": 1,
    }


def test_workloads_are_counted_and_the_blocked_are_cut() -> None:
    images = [image(f"evil.example.com/{n}:1", owner=f"Deployment/{n % 30:02}") for n in range(60)]
    found = seen(policy("p"), *images)
    assert (found.counts.blocked, found.workloads, len(found.blocked)) == (60, 30, 20)


def test_what_a_plan_would_refuse_is_said_while_it_is_written() -> None:
    drafted = policy("p", "docker.io", stage=Stage.AUDIT)
    found = seen(drafted, image("own.example.com/dns:1", "kube-system"))
    assert {one.code for one in found.refusals} == {"would_lock_out", "public_source"}


def test_an_image_is_matched_by_its_rows_the_most_specific_first() -> None:
    drafted = replace(policy("p"), sources=(source("a.example.com"), source("a.example.com/x", index=1)))
    found = matched("a.example.com/x/y", "shop", resolve(drafted), NOW)
    assert [one.field for one in found.rows] == ["spec.restrict.allowedSources[1]", "spec.restrict.allowedSources[0]"]
    assert found.verdict.canonical == "a.example.com/x/y:latest"


def test_an_image_that_cannot_be_read_says_why() -> None:
    found = matched("Nginx/x", "shop", resolve(policy("p")), NOW)
    assert (found.verdict.decision, found.verdict.reasons[0].code) == (Decision.DENY, Code.UNSAFE_REFERENCE)
    assert (found.rows, found.refusal) == ((), "upper_case_single_label_host")


@pytest.mark.parametrize(
    "text", ["registry.corp", "registry.corp:5000", "registry.corp/team", "*.azurecr.io", "*.a.io/b"]
)
def test_what_looks_like_a_prefix_is_not_covered_by_it(text: str) -> None:
    prefix = parse_prefix(text)
    assert look_alikes(prefix)
    assert not [one for one in look_alikes(prefix) if prefix.covers(parse(one))]
