"""What is left in an environment that is leaving; what is not known counts as left."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from portreeve.core.leaving import SETTLED, Said, left


def condition(name: str, status: str, reason: str = "R", **more: Any) -> dict[str, Any]:
    return {"type": name, "status": status, "reason": reason, **more}


SEEN, SYNCED = condition("ClusterSeen", "True"), condition("Delivered", "True")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CLEAN = Said(7, NOW, (SEEN, SYNCED), 0)


@pytest.mark.parametrize(
    "said",
    [
        CLEAN,
        # Started anew, it has nothing to say of deliveries; after a while that counts.
        replace(CLEAN, conditions=(SEEN,), at=NOW - SETTLED),
        replace(CLEAN, generation=8),
        replace(CLEAN, conditions=(*CLEAN.conditions, condition("Enforced", "False", "PolicyOff"))),
        replace(
            CLEAN, conditions=(*CLEAN.conditions, condition("Enforced", "False", "PolicyOff", observedGeneration=7))
        ),
    ],
)
def test_nothing_is_left(said: Said) -> None:
    assert left(said, 7, NOW) == ()


@pytest.mark.parametrize(
    ("said", "emptied", "word"),
    [
        (None, 7, "not reported"),
        (CLEAN, None, "not taken up"),
        (replace(CLEAN, generation=6), 7, "not taken up"),
        (replace(CLEAN, pull_secrets=1_234), 7, "1,234 pull secrets"),
        (replace(CLEAN, conditions=(condition("ClusterSeen", "False"), SYNCED)), 7, "cannot see"),
        (replace(CLEAN, conditions=(SEEN,)), 7, "not said"),
        (replace(CLEAN, conditions=(SEEN, condition("Delivered", "Unknown"))), 7, "not said"),
        (replace(CLEAN, conditions=(SEEN, SYNCED, condition("Enforced", "True", "PolicyEnforced"))), 7, "policy"),
        (replace(CLEAN, conditions=(SEEN, SYNCED, condition("Enforced", "Unknown", "Removing"))), 7, "policy"),
        (
            replace(
                CLEAN, conditions=(SEEN, SYNCED, condition("Enforced", "False", "PolicyOff", observedGeneration=6))
            ),
            7,
            "policy",
        ),
    ],
)
def test_something_is_left_or_not_known(said: Said | None, emptied: int | None, word: str) -> None:
    assert word in " ".join(left(said, emptied, NOW))
