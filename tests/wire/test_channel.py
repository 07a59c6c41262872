"""Messages of the agents' channel: there and back, and everything else refused with its place and not its value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.namespace_view import MOST_ROWS
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid
from portreeve.wire.channel import (
    ImageLine,
    Join,
    Joined,
    Report,
    join_document,
    read_join,
    read_joined,
    read_renewal,
    read_report,
    read_signed,
    report_document,
)

CASES = Path(__file__).parents[1] / "cases"
NAMES = st.from_regex("[a-z][a-z0-9-]{0,20}", fullmatch=True)
LINES = st.lists(st.builds(ImageLine, NAMES, NAMES, NAMES, st.sampled_from(["", f"sha256:{'0' * 64}"])), max_size=5)
STATUS = st.sampled_from(["True", "False", "Unknown"])
CONDITION = {"type": st.just("Enforced"), "status": STATUS, "reason": st.just("Probed")}
CONDITIONS = st.lists(st.fixed_dictionaries({**CONDITION, "observedGeneration": st.integers(0, 2**40)}), max_size=3)
REPORTS = st.builds(
    Report,
    number=st.integers(0, 2**50),
    whole=st.booleans(),
    generation=st.integers(0, 2**50),
    conditions=st.none() | CONDITIONS.map(tuple),
    withdrawn=st.lists(NAMES, max_size=3).map(tuple),
    images_added=LINES.map(tuple),
    images_removed=LINES.map(tuple),
    namespaces_added=st.lists(st.fixed_dictionaries({"name": NAMES, "labels": st.dictionaries(NAMES, NAMES)}),
                              max_size=3).map(tuple),
    namespaces_removed=st.lists(NAMES, max_size=3).map(tuple),
    capabilities=st.none() | st.fixed_dictionaries({"kubernetes": st.just("1.36.2")}),
    inventory=st.none() | st.lists(st.fixed_dictionaries({"namespace": NAMES, "leftOut": st.integers(0, 9)}),
                                   max_size=3).map(tuple),
)  # fmt: skip


@given(REPORTS)
def test_a_report_is_read_as_it_was_written(report: Report) -> None:
    assert read_report(json.loads(json.dumps(report_document(report)))) == report


def test_a_report_with_an_inventory_is_what_it_was_in_the_first_release_that_had_one() -> None:
    """The golden file: an agent that is older, or newer, writes and reads exactly this."""
    golden = json.loads((CASES / "inventory_report.json").read_text(encoding="utf-8"))
    report = read_report(golden)
    assert json.loads(json.dumps(report_document(report))) == golden
    assert report.inventory is not None
    assert [one["namespace"] for one in report.inventory] == ["shop", "gone"]


def test_an_agent_that_keeps_an_inventory_can_be_told_from_one_that_does_not() -> None:
    assert read_report({"report": 1, "generation": 1}).inventory is None
    assert read_report({"report": 1, "generation": 1, "inventory": []}).inventory == ()


INVENTORY_WRONG: list[tuple[dict[str, Any], str]] = [
    ({"missed": [{"owner": "Deployment/api", "why": "canary!", "pods": 1}]}, "missed[0].why"),
    ({"missed": [{"owner": "Deployment/api", "why": "a", "pods": 1, "command": "canary"}]}, "missed[0]"),
    ({"pullFailures": [{"owner": "a", "image": "i", "cause": "dns", "count": -1}]}, "pullFailures[0].count"),
    ({"pullSecretReferences": [{"secret": "a"}]}, "pullSecretReferences[0].pods"),
    ({"pullSecretReferences": [{"secret": "a", "data": "canary"}]}, "pullSecretReferences[0]"),
    ({"workloads": [{"owner": "a\u202e", "image": "canary"}]}, "workloads[0].owner"),
    ({"registries": ["canary"] * (MOST_ROWS + 1)}, "registries"),
    ({"workloads": None}, "workloads"),
]


@pytest.mark.parametrize(("said", "field"), INVENTORY_WRONG)
def test_an_inventory_of_another_form_is_refused_by_its_place(said: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_report({"report": 1, "generation": 1, "inventory": [{"namespace": "shop", **said}]})
    (problem,) = refused.value.problems
    assert problem.field == f"inventory[0].{field}"
    assert "canary" not in refused.value.diagnostics()


def test_a_join_is_read_as_it_was_written() -> None:
    sent = join_document(Join(SecretValue("prtj_canary"), "request", b"key", "cluster"))
    found = read_join(json.loads(json.dumps(sent)))
    assert found.token.reveal() == b"prtj_canary"
    assert (found.request, found.sealing_key, found.cluster) == ("request", b"key", "cluster")
    joined = Joined("prod", "0a", "certificate", "trust", b"k" * 32)
    assert read_joined(json.loads(json.dumps(joined.document()))) == joined
    assert read_renewal({"request": "x"}) == "x"


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        (None, "", "field_type"),
        ({}, "report", "field_missing"),
        ({"report": 1, "generation": 1, "canary": 1}, "", "field_unknown"),
        ({"report": 1, "generation": 1, "images": {"added": [{"canary": 1}]}}, "images.added[0]", "field_unknown"),
        ({"report": 1, "generation": "canary"}, "generation", "field_type"),
        ({"report": 1, "generation": 1, "conditions": [{"type": "-canary"}]}, "conditions[0].status", "field_missing"),
        ({"report": 1, "generation": 1, "withdrawn": ["a" * 64]}, "withdrawn[0]", "field_type"),
    ],
)
def test_what_is_wrong_is_named_and_not_repeated(body: Any, field: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_report(body)
    (problem,) = refused.value.problems
    assert (refused.value.code, problem.field, problem.code) == ("message_invalid", field, code)
    assert "canary" not in refused.value.diagnostics()


@given(st.binary(max_size=200))
def test_whatever_comes_as_a_document_is_read_or_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        read_signed(data)


def test_the_bytes_that_are_signed_do_not_depend_on_how_they_came() -> None:
    document = {"b": 1, "a": {"d": [], "c": "ü"}}
    whole = {"signature": "AAAA", "document": document}
    compact = read_signed(json.dumps(whole, separators=(",", ":")).encode())
    spaced = read_signed(json.dumps(whole, indent=2, sort_keys=True, ensure_ascii=False).encode())
    assert compact.body == spaced.body == b'{"a":{"c":"\\u00fc","d":[]},"b":1}'


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(Invalid):
        read_signed(b'{"document":' + b"[" * 100_000)
