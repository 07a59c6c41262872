"""`exempt`: asking for an exemption, and deciding on one that somebody else asked for."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Operator
from tests.server.plane import document

ASKED = ("--policy", "sources", "--image", "docker.io/library/redis", "-n", "cache", "--reason", "mirror not ready",
         "--owner", "cache-team", "--expires-at", "2027-01-01T00:00:00Z")  # fmt: skip


@pytest.fixture
def scene(operator: Operator) -> Operator:
    """A policy, and an exemption to it that somebody else has requested."""
    sources = {"stage": "audit", "allowedSources": [{"prefix": "harbor.example.com/shop", "scope": "Global"}]}
    operator.plane.put(
        document("EnvironmentGroup", "production"),
        document("Environment", "prod", tier="production", group="production"),
        document("RegistryPolicy", "sources", groups=["production"], restrict=sources),
    )
    other = operator.plane.token("other", "platform-admin")
    done = operator.run("exempt", "request", "theirs", *ASKED, env={"PORTREEVE_TOKEN": other})
    assert (done.code, done.out) == (0, "Exemption/theirs requested\n"), done.err
    return operator


def test_an_exemption_is_requested(scene: Operator) -> None:
    done = scene.run("exempt", "request", "mine", *ASKED, "--group", "production", "-o", "json")
    assert (done.code, done.json["status"]["state"]) == (0, "requested")
    assert done.json["spec"]["scope"] == {"groups": ["production"], "namespaces": ["cache"],
                                          "image": "docker.io/library/redis"}  # fmt: skip
    again = scene.run("exempt", "request", "mine", *ASKED[:-1], "2027-02-01T00:00:00Z", "-o", "json")
    assert again.code == 2
    assert "error" in again.json


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["request", "x", "--policy", "sources"], "missing option"),
        (["request", "x", *ASKED[:-1], "tomorrow"], "time"),
        (["aprove", "x"], "no such command"),
    ],
)
def test_wrong_input_is_named(operator: Operator, arguments: list[str], said: str) -> None:
    done = operator.run("exempt", *arguments, "-o", "json")
    assert done.code == 2
    assert said in done.err.lower()
    assert operator.run("exempt").err.startswith("usage: missing command")


@pytest.mark.parametrize(("verb", "more"), [("approve", ["--comment", "fine"]), ("deny", []), ("revoke", []),
                                            ("renew", ["--expires-at", "2027-02-01T00:00:00Z"])])  # fmt: skip
def test_a_decision_is_told(scene: Operator, verb: str, more: list[str]) -> None:
    if verb in {"renew", "revoke"}:
        assert scene.run("exempt", "approve", "theirs").code == 0
    done = scene.run("exempt", verb, "theirs", *more, "-o", "json")
    assert done.code == 0, done.err
    assert isinstance(done.json, dict)
    missing = scene.run("exempt", verb, "nothing", *more, "-o", "json")
    assert (missing.code, missing.json["error"]["code"]) == (2, "not_found")


def test_nobody_approves_what_they_requested(scene: Operator) -> None:
    assert scene.run("exempt", "request", "mine", *ASKED).code == 0
    done = scene.run("exempt", "approve", "mine", "-o", "json")
    assert done.code in {2, 4}
    assert "error" in done.json
