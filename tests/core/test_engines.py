"""Equivalents for other engines: the same expressions, other clothes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portreeve.core.cluster import SYSTEM_NAMESPACES
from portreeve.core.engines import LIMITS, Engine, compile_for
from portreeve.core.policy import AllowedSource, RegistryPolicy, Stage
from portreeve.core.reference import parse_prefix
from portreeve.core.render import ProtectedImage, compile_policy
from portreeve.core.sources import resolve
from portreeve.errors import Invalid

SOURCES = resolve(RegistryPolicy("prod", stage=Stage.DENY, sources=(AllowedSource(parse_prefix("ghcr.io/acme")),)))
NATIVE = compile_policy(SOURCES)[0]["spec"]


def test_kubernetes_is_what_render_says() -> None:
    assert compile_for(Engine.KUBERNETES, SOURCES) == compile_policy(SOURCES)


def test_kyverno_policies_hold_the_same_expressions_and_the_stage_of_each_part() -> None:
    pods, templates, system = compile_for(Engine.KYVERNO, SOURCES)
    assert [obj["spec"]["validationActions"] for obj in (pods, templates, system)] == [["Deny"], ["Warn"], ["Audit"]]
    for obj in (pods, templates, system):
        assert obj["kind"] == "ValidatingPolicy"
        assert obj["spec"]["variables"] == NATIVE["variables"]
        assert obj["spec"]["validations"] == NATIVE["validations"]
        assert obj["spec"]["autogen"]["podControllers"]["controllers"] == []
    assert "pods/ephemeralcontainers" in pods["spec"]["matchConstraints"]["resourceRules"][0]["resources"]


def test_gatekeeper_has_one_template_and_a_constraint_for_each_binding() -> None:
    template, deny, warn, system = compile_for(Engine.GATEKEEPER, SOURCES)
    (code,) = template["spec"]["targets"][0]["code"]
    assert code["engine"] == "K8sNativeValidation"
    assert code["source"]["variables"] == NATIVE["variables"]
    assert template["metadata"]["name"] == template["spec"]["crd"]["spec"]["names"]["kind"].lower()
    assert [obj["spec"]["enforcementAction"] for obj in (deny, warn, system)] == ["deny", "warn", "dryrun"]
    assert deny["spec"]["match"]["excludedNamespaces"] == list(SYSTEM_NAMESPACES)
    assert system["spec"]["match"]["namespaces"] == list(SYSTEM_NAMESPACES)
    assert {"apiGroups": ["batch"], "kinds": ["CronJob", "Job"]} in warn["spec"]["match"]["kinds"]


@pytest.mark.parametrize("engine", list(Engine))
def test_every_engine_keeps_the_refusals_of_the_compiler_and_renders_nothing_at_off(engine: Engine) -> None:
    with pytest.raises(Invalid, match="not compiled"):
        compile_for(engine, SOURCES, protected=[ProtectedImage("kube-system", "cni.example/agent")])
    assert compile_for(engine, replace(SOURCES, stage=Stage.OFF)) == ()


def test_an_engine_that_is_not_the_api_server_states_its_limits() -> None:
    assert set(LIMITS) == set(Engine)
    assert all(LIMITS[engine] for engine in (Engine.KYVERNO, Engine.GATEKEEPER))
