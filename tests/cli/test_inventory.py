"""`portreeve inventory`, `needed` and `unused`: what an agent told, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portreeve.core.blast_radius import RunningImage
from portreeve.server.database.writer import Transaction
from portreeve.server.images.service import Observation, observe
from tests.cli.conftest import Operator
from tests.server.plane import document

pytestmark = pytest.mark.wide

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "cases/inventory_report.json").read_text())


@pytest.fixture
def told(operator: Operator) -> Operator:
    """An environment that has reported, with a grant that nothing uses and a registry that nobody granted."""
    names = {"names": ["shop"]}
    operator.plane.put(
        document("EnvironmentGroup", "production"),
        document("Environment", "prod", tier="production", group="production"),
        document("Environment", "west", tier="production", group="production"),
        document("Registry", "quay", provider="generic", host="quay.io"),
        document("Registry", "idle", provider="generic", host="idle.example.com"),
        document("RegistryAccess", "shop-idle", registry="idle", environment="prod", namespaces=names),
        document("RegistryAccess", "west-idle", registry="idle", environment="west", namespaces=names),
    )
    shop = {name: rows for name, rows in GOLDEN["inventory"][0].items() if name not in {"namespace", "leftOut"}}
    facts = {"namespaces": [{"name": "shop", "labels": {}}], "inventory": {"shop": shop}}
    running = [(RunningImage("prod", "shop", "Deployment/api", "nginx:1"), "")]

    async def job(transaction: Transaction) -> None:
        await observe(transaction, Observation("prod", 1, facts, running))

    operator.plane.run(operator.plane.plane.server.writer.run(job))
    return operator


def test_what_was_told_and_what_to_do(told: Operator) -> None:
    shown = told.run("inventory", "prod", "--only", "missed", "--no-headers")
    assert shown.code == 0, shown.err
    first, second = shown.out.splitlines()
    assert first.split()[:5] == ["missed", "shop", "Deployment/api", "started_before", "2"]
    assert first.endswith(" kubectl rollout restart deployment/api -n shop")
    assert "kubectl patch statefulset/db -n shop" in second
    rows = told.run("inventory", "prod", "-o", "json").json["items"]
    assert {row["what"] for row in rows} == {"workload", "reference", "account", "missed", "failure"}
    (failure,) = (row for row in rows if row["what"] == "failure")
    assert failure["detail"] == "unauthorized harbor.example.com/shop/api:1.4 since 2026-11-28T12:00:00Z"
    assert failure["do"].startswith("see that the namespace is granted")
    assert "StatefulSet/db and 2 more" in told.run("inventory", "prod", "-n", "shop", "-o", "csv").out
    assert "told no inventory" in told.run("inventory", "west").err


def test_what_is_needed_and_what_is_not_used(told: Operator) -> None:
    needed = told.run("needed", "--environment", "prod")
    assert needed.out.splitlines()[1].endswith("portreeve grant quay --environment prod -n shop")
    assert told.run("needed", "--environment", "west").err == "nothing\n"
    assert told.run("unused", "-o", "csv").out.splitlines()[1] == "prod,shop,idle,RegistryAccess,shop-idle"
    assert "not known of west" in told.run("unused").err
    assert told.run("unused", "-o", "custom-columns=N:.name", "--no-headers").out.strip() == "shop-idle"
