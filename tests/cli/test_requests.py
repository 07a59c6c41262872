"""`portreeve requests`, `approve` and `deny`: what namespaces ask for, and what is said to that."""

from __future__ import annotations

import pytest

from portreeve.core.access_requests import AccessRequest
from portreeve.server.database.writer import Transaction
from portreeve.server.images.service import Observation, observe
from portreeve.wire.channel import access_request_document
from tests.cli.conftest import Operator
from tests.server.plane import document

pytestmark = pytest.mark.wide

PLACE = "prod/shop/harbor"


@pytest.fixture
def scene(operator: Operator) -> Operator:
    """An environment whose agent has told of two requests."""
    operator.plane.put(
        document("EnvironmentGroup", "production"),
        document("Environment", "prod", tier="production", group="production"),
        document("Registry", "r", provider="generic", host="r.example.com"),
    )
    asked = [AccessRequest(at, "harbor", f"u-{at}", 1, "r", reason="for the shop") for at in ("pay", "shop")]
    facts = {"namespaces": [{"name": name, "labels": {}} for name in ("pay", "shop")],
             "accessRequests": [access_request_document(one) for one in asked]}  # fmt: skip

    async def job(transaction: Transaction) -> None:
        await observe(transaction, Observation("prod", 1, facts, None))

    operator.plane.run(operator.plane.plane.server.writer.run(job))
    return operator


def test_a_request_is_listed_approved_and_another_refused(scene: Operator) -> None:
    shown = scene.run("requests", "--no-headers", "-n", "shop")
    assert shown.code == 0, shown.err
    assert shown.out.split() == ["prod", "shop", "harbor", "r", "requested", "for", "the", "shop",
                                 "portreeve", "approve", "request", PLACE]  # fmt: skip
    asked = scene.run("approve", "request", PLACE, "--no-input")
    assert asked.code == 2
    assert "create RegistryAccess/requested-r-prod" in asked.err
    assert "-y" in asked.err
    done = scene.run("approve", "request", PLACE, "-y")
    assert (done.code, done.out) == (0, "RegistryAccess/requested-r-prod created\n"), done.err
    again = scene.run("approve", "request", PLACE, "-y")
    assert again.code != 0
    assert "request_state" in again.err
    denied = scene.run("deny", "request", "prod/pay/harbor", "--comment", "use the mirror")
    assert (denied.code, denied.out) == (0, "prod/pay/harbor refused\n"), denied.err
    rows = scene.run("requests", "-o", "json").json["items"]
    assert [(one["namespace"], one["state"], one["why"]) for one in rows] == [
        ("pay", "refused", "use the mirror"), ("shop", "granted", "")]  # fmt: skip
    assert scene.run("requests", "--state", "requested", "-o", "json").json["items"] == []
    once_more = scene.run("deny", "request", "prod/pay/harbor", "-o", "json")
    assert once_more.json["why"] == ""


@pytest.mark.parametrize("place", ["prod", "prod/shop", "prod//harbor", "a/b/c/d"])
def test_a_request_is_named_in_full(scene: Operator, place: str) -> None:
    for verb in ("approve", "deny"):
        done = scene.run(verb, "request", place, "-o", "json")
        assert done.code == 2
        assert "ENVIRONMENT/NAMESPACE/NAME" in done.err
    assert scene.run("deny", "request", "prod/shop/none").code != 0
