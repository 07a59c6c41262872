"""Why the policy of an environment is what it is: the sentences follow what the desired state is made of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portreeve.core.cluster import Tier
from portreeve.core.desired import desired
from portreeve.core.effective_policy import Step, explain, too_old
from portreeve.core.environments import Environment
from portreeve.core.estate import Capabilities, Estate
from portreeve.core.policy import PolicyType, Registry, Stage
from portreeve.core.reference import parse_prefix
from tests.core.estates import CAPABLE, HOST, NOW, PROD, access, policy

HARBOR = Registry("harbor", "generic", parse_prefix("harbor.example.com"))


def estate(*policies: object, environment: Environment = PROD, kubernetes: str | None = "v1.33.1") -> Estate:
    held = {environment.name: Capabilities(kubernetes, CAPABLE.namespaces)}
    own = (access(environment=environment.name),)
    return Estate(
        environments=(environment,), registries=(HARBOR,), accesses=own, policies=policies, capabilities=held  # type: ignore[arg-type] # they are policies
    )  # fmt: skip


def said(held: Estate, step: Step, environment: Environment = PROD) -> str:
    return " ".join(one.text for one in explain(held, environment).sentences if one.step is step)


def test_without_a_policy_anything_may_run() -> None:
    assert "any image may run" in said(estate(), Step.POLICY)
    assert said(estate(), Step.ACCESS) == "1 access of the environment itself counts."
    assert said(estate(), Step.STAGE) == said(estate(), Step.PLANE) == ""


@pytest.mark.parametrize("override", [False, True])
def test_what_is_masked_is_what_the_desired_state_masks(override: bool) -> None:
    held = estate(policy(allow_override=override))
    found = explain(held, PROD)
    state = desired(held, PROD, now=NOW)
    assert {one.owner for one in found.in_force} == {one.owner for one in state.grants}
    assert tuple(one.owner.removeprefix("access ") for one in found.masked) == state.masked
    assert ("is masked" in said(held, Step.ACCESS)) is not override
    assert ("says allowOverride: 1 access of the policy and 1 access" in said(held, Step.ACCESS)) is override


def test_the_plane_is_admission_only_where_the_cluster_is_known_to_be_able() -> None:
    assert "itself judges" in said(estate(policy()), Step.PLANE)
    old = estate(policy(), kubernetes="v1.29.4")
    assert "needs 1.30 or newer" in said(old, Step.PLANE)
    assert "deployment time only" in said(old, Step.PLANE)
    assert "not known" in said(estate(policy(), kubernetes=None), Step.PLANE)
    hosts = policy(type=PolicyType.DOCKER, groups=("hosts",))
    assert "no admission step" in said(estate(hosts, environment=HOST), Step.PLANE, HOST)


def test_only_a_version_that_is_known_is_too_old() -> None:
    assert too_old(PROD, Capabilities("v1.29.4")) == "Kubernetes v1.29.4 cannot restrict sources: needs 1.30 or newer"
    assert too_old(PROD, Capabilities("v1.30.0")) is None
    assert too_old(PROD, Capabilities(None)) is None
    assert too_old(replace(HOST, tier=Tier.PRODUCTION), Capabilities("v1.29.4")) is None


def test_each_stage_has_its_sentence() -> None:
    texts = {said(estate(policy(stage=stage)), Step.STAGE) for stage in Stage}
    assert len(texts) == len(Stage)
