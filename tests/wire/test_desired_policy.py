"""What an agent reads of a policy renders to the objects that the control plane means, and judges as they do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core import cel
from portreeve.core.desired import DesiredState, Plane, PolicyInForce, desired, sources_document
from portreeve.core.enforcement_messages import Reason
from portreeve.core.environments import EnvironmentType
from portreeve.core.policy import (
    AllowedSource,
    Exemption,
    ExemptionState,
    RegistryPolicy,
    Stage,
)
from portreeve.core.reference import parse_prefix
from portreeve.core.render import compile_policy, digest
from portreeve.core.sources import ResolvedSources, resolve
from portreeve.core.verdict import judge
from portreeve.core.why_link import why_url
from portreeve.errors import Invalid
from portreeve.server.desired.document import canonical, render_digest, wanted
from portreeve.wire.desired_policy import read_sources, read_wanted
from tests.cases.admission import corpus
from tests.core.estates import FLEET, NOW, PROD, exemption, policy, reporting, with_
from tests.core.test_plan import estates

PREFIXES = (
    "ghcr.io/acme",
    "docker.io",
    "*.azurecr.io/base",
    "localhost:5000",
    "10.0.0.5:5000/x",
    "a.example/b/c/d/e/f/g/h",
)
NAMES = ("shop", "kube-system", "portreeve-system", "a-b")


def state_of(sources: ResolvedSources, generation: int = 7) -> DesiredState:
    in_force = PolicyInForce(sources.policy, sources.generation, sources.stage, Plane.ADMISSION)
    return DesiredState(
        "prod", EnvironmentType.KUBERNETES, in_force, sources, (), (), datetime(2027, 1, 1, tzinfo=UTC), generation, "h"
    )


def sent(state: DesiredState) -> dict[str, Any]:
    """As it arrives: in canonical bytes, with keys in another order than they were written."""
    read: dict[str, Any] = json.loads(canonical(wanted(state, "", {})))
    return read


def check(state: DesiredState) -> None:
    """The agent renders what the control plane does, or nothing where that renders nothing."""
    expected = render_digest(state)
    found = read_wanted(sent(state))
    if state.sources is None:
        assert (found.manifests, found.sources) == ((), None)
        return
    if expected is None:
        off = state.sources.stage is Stage.OFF
        assert (found.manifests, found.fault) == (() if off else None, None if off else Reason.NOT_RENDERED)
        return
    assert found.fault is None
    assert found.manifests == compile_policy(state.sources)
    assert found.sources is not None
    assert digest(list(found.manifests)) == expected
    assert sources_document(found.sources) == sources_document(state.sources)


@given(estates())
def test_every_estate_renders_alike_on_both_sides(estate: Any) -> None:
    for environment in estate.environments:
        state = replace(desired(estate, environment, now=NOW), generation=1)
        check(state)


@st.composite
def sources(draw: st.DrawFn) -> ResolvedSources:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(PREFIXES[:5]),
                st.none() | st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(tuple),
            ),
            max_size=8,
        )
    )
    exempted = draw(
        st.lists(
            st.tuples(
                st.sampled_from((*PREFIXES[:5], "sha256:" + "a" * 64)),
                st.lists(st.sampled_from(NAMES), unique=True).map(tuple),
                st.integers(0, 10**6),
            ),
            max_size=4,
        )
    )
    exemptions = [
        Exemption(
            f"e-{number}",
            "prod",
            NOW + timedelta(seconds=seconds),
            prefix=None if covered.startswith("sha256:") else parse_prefix(covered),
            digest=covered if covered.startswith("sha256:") else None,
            namespaces=namespaces,
            state=ExemptionState.ACTIVE,
        )
        for number, (covered, namespaces, seconds) in enumerate(exempted)
    ]
    listed = tuple(AllowedSource(parse_prefix(prefix), namespaces) for prefix, namespaces in rows)
    wanted = RegistryPolicy(
        "prod", stage=draw(st.sampled_from(Stage)), sources=listed, generation=draw(st.integers(0, 2**40))
    )
    return resolve(wanted, exemptions=exemptions)


@given(sources())
def test_drawn_sources_render_alike_on_both_sides(drawn: ResolvedSources) -> None:
    check(state_of(drawn))


def test_the_corpus_is_rendered_and_judged_alike_on_both_sides() -> None:
    found = corpus()
    ours = resolve(found.policy)
    check(state_of(ours))
    theirs = read_sources(json.loads(json.dumps(sources_document(ours))))
    for reference in found.references:
        for namespace in found.namespaces:
            assert (
                judge(reference.image, namespace, theirs).decision is judge(reference.image, namespace, ours).decision
            )


def test_the_estate_of_the_examples_is_rendered_with_its_exemptions() -> None:
    estate = with_(policies=(policy(),), exemptions=(exemption(namespaces=("shop",)),))
    state = replace(desired(estate, PROD, now=NOW), generation=1)
    assert state.sources is not None
    assert state.sources.exemptions
    assert render_digest(state) is not None
    check(state)


def test_the_link_of_the_message_is_rendered_alike_on_both_sides() -> None:
    link = why_url("https://portreeve.example.com/here", "A" * 24)
    linked = replace(resolve(RegistryPolicy("prod", stage=Stage.DENY)), why_url=link)
    check(state_of(linked))
    assert render_digest(state_of(linked)) != render_digest(state_of(replace(linked, why_url="")))
    (validation,) = compile_policy(linked)[0]["spec"]["validations"]
    assert cel.literal(f" or open {link}") in validation["messageExpression"]


def test_objects_of_another_digest_are_not_those_that_are_meant() -> None:
    document = sent(state_of(resolve(RegistryPolicy("prod", stage=Stage.DENY))))
    document["policy"]["renderDigest"] = "sha256:" + "0" * 64
    found = read_wanted(document)
    assert (found.manifests, found.fault) == (None, Reason.RENDER_DIFFERS)


def test_what_cannot_be_rendered_is_not_removed() -> None:
    unresolved = resolve(RegistryPolicy("prod", stage=Stage.DENY))
    document = sent(state_of(unresolved))
    document["sources"]["unresolved"] = ["harbor: registry harbor is not known here"]
    assert read_wanted(document).fault is Reason.RENDER_DIFFERS
    document["policy"]["renderDigest"] = None
    found = read_wanted(document)
    assert (found.manifests, found.fault) == (None, Reason.NOT_RENDERED)


def test_a_policy_that_is_off_needs_no_rendering_to_be_removed() -> None:
    capabilities = reporting(FLEET.capabilities["prod-eu"].__class__(None, ()))
    estate = with_(capabilities, policies=(policy(stage=Stage.OFF),))
    state = replace(desired(estate, PROD, now=NOW), generation=1)
    assert render_digest(state) is None
    assert read_wanted(sent(state)).manifests == ()


GOOD = sent(
    state_of(resolve(RegistryPolicy("prod", stage=Stage.DENY, sources=(AllowedSource(parse_prefix("a.example")),))))
)


def _with(path: str, value: Any) -> dict[str, Any]:
    """GOOD with one field changed."""
    document: dict[str, Any] = json.loads(json.dumps(GOOD))
    inner: Any = document
    *outer, last = path.split(".")
    for name in outer:
        inner = inner[name]
    inner[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("generation", "7"),
        ("generation", -1),
        ("generation", True),
        ("notAfter", "tomorrow"),
        ("notAfter", 5),
        ("policy", None),
        ("policy.name", "other"),
        ("policy.version", 9),
        ("policy.stage", "warn"),
        ("policy.stage", []),
        ("policy.renderDigest", 5),
        ("sources", None),
        ("sources.policy", "not a name'"),
        ("sources.generation", 1.5),
        ("sources.stage", "enforce"),
        ("sources.everywhere", []),
        ("sources.everywhere", {"a.example": "policy"}),
        ("sources.everywhere", {"A.example/": "policy"}),
        ("sources.everywhere", {"a.example/' in x/": "policy"}),
        ("sources.everywhere", {"a.example/": 5}),
        ("sources.byNamespace", {"Shop": {}}),
        ("sources.byNamespace", {"shop": []}),
        ("sources.exemptions", [["e", "a.example", []]]),
        ("sources.exemptions", [["e", "a.example", ["x y"], "2027-01-01T00:00:00Z"]]),
        ("sources.exemptions", [["e", "a.example/", [], "2027-01-01T00:00:00Z"]]),
        ("sources.exemptions", [["e", "a.example", [], "2027-01-01"]]),
        ("sources.unresolved", [5]),
        ("sources.unresolved", {}),
        ("sources.whyUrl", 5),
        ("sources.whyUrl", "javascript:alert(1)/why#" + "A" * 24 + "/"),
        ("sources.whyUrl", "https://a.example/why#" + "A" * 24 + "/' + variables.secret + '"),
        ("sources.whyUrl", "https://a.example/why#" + "A" * 24),
        ("sources.whyUrl", "https://a.example/" + "a/" * 300 + "why#" + "A" * 24 + "/"),
    ],
)
def test_what_the_control_plane_does_not_write_is_refused(path: str, value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        read_wanted(_with(path, value))
    assert refused.value.code == "message_invalid"


def test_the_example_is_read() -> None:
    found = read_wanted(GOOD)
    assert (found.generation, found.policy, found.fault) == (7, "prod", None)
    assert isinstance(found.manifests, tuple)
    assert all(isinstance(one, Mapping) for one in found.manifests)
