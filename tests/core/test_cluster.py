"""Versions and selectors."""

from __future__ import annotations

import pytest

from portreeve.core.cluster import (
    LabelSelector,
    NamespaceSelection,
    Operator,
    Requirement,
    restriction_problem,
)


@pytest.mark.parametrize(
    "version", ["1.30", "v1.30.0", "v1.36.3", "1.30+", "v1.31.2-eks-1a2b3c", "v1.30.4+k3s1", "2.0"]
)
def test_a_cluster_of_1_30_or_newer_can_restrict_sources(version: str) -> None:
    assert restriction_problem(version) is None


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("v1.29.14", "kubernetes_too_old"),
        ("v1.29.4-gke.1043000", "kubernetes_too_old"),
        ("1.9", "kubernetes_too_old"),
        ("0.30", "kubernetes_too_old"),
        ("", "kubernetes_version"),
        ("latest", "kubernetes_version"),
        ("v1", "kubernetes_version"),
        ("1.\u0663\u0660", "kubernetes_version"),
        ("v1.30\n", "kubernetes_version"),
    ],
)
def test_an_older_or_unreadable_version_is_a_problem(version: str, code: str) -> None:
    problem = restriction_problem(version)
    assert problem is not None
    assert problem.code == code
    assert problem.hint


@pytest.mark.parametrize(
    ("requirement", "labels", "matches"),
    [
        (Requirement("a", Operator.IN, ("1", "2")), {"a": "2"}, True),
        (Requirement("a", Operator.IN, ("1",)), {}, False),
        (Requirement("a", Operator.NOT_IN, ("1",)), {"a": "1"}, False),
        (Requirement("a", Operator.NOT_IN, ("1",)), {}, True),
        (Requirement("a", Operator.EXISTS), {"a": ""}, True),
        (Requirement("a", Operator.DOES_NOT_EXIST), {"a": ""}, False),
    ],
)
def test_a_requirement_matches_as_in_kubernetes(
    requirement: Requirement, labels: dict[str, str], matches: bool
) -> None:
    assert requirement.matches(labels) is matches
    assert LabelSelector((), (requirement,)).matches(labels) is matches


def test_names_and_selector_together_are_a_union_and_unknown_labels_leave_the_answer_open() -> None:
    selector = LabelSelector((("team", "shop"),))
    both = NamespaceSelection(("named",), selector)
    assert both.selects("named", {}) is True
    assert both.selects("other", {"team": "shop"}) is True
    assert both.selects("other", {"team": "x"}) is False
    assert both.selects("other", None) is None
    assert NamespaceSelection(("named",)).selects("other", None) is False
    assert NamespaceSelection((), LabelSelector()).selects("other", None) is True
