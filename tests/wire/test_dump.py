from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.cluster import LabelSelector, NamespaceSelection, Operator, Requirement
from portreeve.core.policy import (
    Access,
    AllowedSource,
    Delivery,
    DeliveryMode,
    Exemption,
    ExemptionState,
    PolicyType,
    Registry,
    RegistryPolicy,
    ServiceAccounts,
    ServiceAccountSelection,
    Stage,
)
from portreeve.core.reference import SourcePrefix
from portreeve.providers import every
from portreeve.wire.documents import read_documents
from portreeve.wire.dump import dump
from tests.wire.validators import validator

LABEL = st.from_regex("[a-z][a-z0-9]{0,8}", fullmatch=True)
TEXT = st.text(max_size=20)
WORDS = st.text(min_size=1, max_size=20)
NAMES = st.lists(LABEL, unique=True, max_size=3).map(tuple)
SOME_NAMES = st.lists(LABEL, unique=True, min_size=1, max_size=3).map(tuple)
HOST = st.builds(lambda name, port: f"{name}.example.com{port}", LABEL, st.sampled_from(["", ":5000"]))
PATH = st.lists(LABEL, max_size=3).map("/".join)
PREFIX = st.builds(SourcePrefix, HOST, PATH) | st.builds(lambda p: SourcePrefix("*.example.com", p), PATH)

REQUIREMENT = st.builds(
    Requirement,
    LABEL,
    st.sampled_from([Operator.IN, Operator.NOT_IN]),
    st.lists(LABEL, min_size=1, max_size=2).map(tuple),
) | st.builds(Requirement, LABEL, st.sampled_from([Operator.EXISTS, Operator.DOES_NOT_EXIST]))
SELECTOR = st.builds(
    LabelSelector,
    st.dictionaries(LABEL, TEXT, max_size=2).map(lambda labels: tuple(labels.items())),
    st.lists(REQUIREMENT, max_size=2).map(tuple),
)
SELECTION = st.builds(NamespaceSelection, SOME_NAMES, st.none() | SELECTOR) | st.builds(
    NamespaceSelection, NAMES, SELECTOR
)
DELIVERY = st.builds(
    Delivery,
    st.sampled_from(DeliveryMode),
    st.sampled_from(ServiceAccounts) | st.builds(ServiceAccountSelection, NAMES, st.none() | SELECTOR),
)


@st.composite
def policies(draw: st.DrawFn) -> RegistryPolicy:
    name = draw(LABEL)
    prefixes = draw(st.lists(PREFIX, unique=True, max_size=4))
    return RegistryPolicy(
        name=name,
        type=PolicyType.KUBERNETES,
        groups=draw(NAMES),
        access=tuple(
            Access(draw(LABEL), draw(SELECTION), draw(DELIVERY), f"spec.access[{i}]")
            for i in range(draw(st.integers(0, 3)))
        ),
        stage=draw(st.sampled_from(Stage)),
        include_granted_registries=draw(st.booleans()),
        sources=tuple(
            AllowedSource(
                prefix,
                draw(st.none() | SOME_NAMES),
                draw(TEXT),
                f"spec.restrict.allowedSources[{i}]",
                owner=name,
            )
            for i, prefix in enumerate(prefixes)
        ),
        allow_override=draw(st.booleans()),
        generation=draw(st.integers(1, 10**9)),
        title=draw(TEXT),
    )


REGISTRIES = st.builds(
    Registry,
    LABEL,
    st.sampled_from([provider for provider in every() if provider != "docker-hub"]),
    st.builds(SourcePrefix, HOST, PATH),
) | st.builds(Registry, LABEL, st.just("docker-hub"), st.builds(SourcePrefix, st.just("docker.io"), PATH))

MOMENT = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)


@st.composite
def exemptions(draw: st.DrawFn) -> Exemption:
    by_digest = draw(st.booleans())
    return Exemption(
        name=draw(LABEL),
        policy=draw(LABEL),
        expires_at=draw(MOMENT),
        prefix=None if by_digest else draw(PREFIX),
        digest="sha256:" + draw(st.text("0123456789abcdef", min_size=64, max_size=64)) if by_digest else None,
        namespaces=draw(NAMES),
        state=draw(st.sampled_from(ExemptionState)),
        reason=draw(WORDS),
        ticket=draw(TEXT),
        owner=draw(WORDS),
        groups=draw(NAMES),
    )


def reread(value: RegistryPolicy | Registry | Exemption) -> object:
    document = json.loads(json.dumps(dump(value)))
    documents = read_documents([(document, "dumped.json", 1)])
    values: list[object] = [*documents.policies, *documents.registries, *documents.exemptions]
    assert len(values) == 1
    return values[0]


@given(policies())
def test_a_written_policy_reads_as_the_same(policy: RegistryPolicy) -> None:
    assert reread(policy) == policy


@given(REGISTRIES)
def test_a_written_registry_reads_as_the_same(registry: Registry) -> None:
    assert reread(registry) == registry


@given(exemptions())
def test_a_written_exemption_reads_as_the_same(exemption: Exemption) -> None:
    assert reread(exemption) == exemption


@given(policies())
def test_writing_twice_gives_the_same_text(policy: RegistryPolicy) -> None:
    again = reread(policy)
    assert isinstance(again, RegistryPolicy)
    assert json.dumps(dump(again)) == json.dumps(dump(policy))


@given(policies(), REGISTRIES, exemptions())
def test_what_is_written_fits_its_schema(policy: RegistryPolicy, registry: Registry, exemption: Exemption) -> None:
    for value in (policy, registry, exemption):
        document = dump(value)
        validator(document["kind"]).validate(document)


def test_an_empty_allow_list_is_written_because_it_denies_everything() -> None:
    restrict = dump(RegistryPolicy("p", stage=Stage.DENY))["spec"]["restrict"]
    assert restrict == {"stage": "deny", "includeGrantedRegistries": True, "allowedSources": []}


def test_keys_stand_in_the_order_of_the_pages() -> None:
    policy = RegistryPolicy("p", groups=("g",), generation=2)
    document = dump(policy)
    assert list(document) == ["apiVersion", "kind", "metadata", "spec"]
    assert list(document["spec"]) == ["type", "groups", "restrict", "allowOverride"]


def test_what_no_document_holds_is_refused() -> None:
    with pytest.raises(TypeError):
        dump("text")  # type: ignore[arg-type]  # the point of the test
