"""`grant` and `revoke`."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Operator
from tests.server.plane import document


@pytest.fixture
def scene(operator: Operator) -> Operator:
    """A registry and two environments."""
    operator.plane.put(
        document("EnvironmentGroup", "production"),
        document("EnvironmentGroup", "hosts", type="docker"),
        document("Environment", "prod", tier="production", group="production"),
        document("Environment", "host", type="docker", tier="development", group="hosts"),
        document("Registry", "harbor", provider="harbor", host="harbor.example.com", path="shop"),
        document("Project", "shop", namespaces=[{"environment": "prod", "names": ["shop"]}]),
        document("Team", "builders", members=["root"]),
    )
    return operator


def test_a_grant_is_made_through_its_plan(scene: Operator) -> None:
    asked = scene.run("grant", "harbor", "--environment", "prod", "-n", "shop")
    assert (asked.code, asked.out) == (2, "")
    assert "create RegistryAccess/harbor-prod" in asked.err
    done = scene.run("grant", "harbor", "--environment", "prod", "-n", "shop", "-n", "jobs", "-y")
    assert (done.code, done.out) == (0, "RegistryAccess/harbor-prod created\n")
    spec = scene.run("get", "access", "harbor-prod", "-o", "json").json["spec"]
    assert (spec["namespaces"]["names"], spec["delivery"]["mode"]) == (["shop", "jobs"], "standing")
    again = scene.run("grant", "harbor", "--environment", "prod", "-n", "x", "-y", "-o", "json")
    assert (again.code, again.json["error"]["code"]) == (2, "name_taken")
    assert "--name" in again.err


def test_projects_selectors_modes_and_names_are_taken(scene: Operator) -> None:
    done = scene.run("grant", "harbor", "--project", "shop", "-n", "shop", "--mode", "lease", "--name", "mine", "-y",
                     "-o", "json")  # fmt: skip
    assert done.json["documents"] == [{"kind": "RegistryAccess", "name": "mine", "change": "create"}]
    assert scene.run("get", "access", "mine", "-o", "json").json["spec"]["delivery"]["mode"] == "lease"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-n", "shop"], "one environment or one project"),
        (["--environment", "prod", "--project", "shop", "-n", "x"], "one environment or one project"),
        (["--environment", "prod"], "names namespaces, or users and teams"),
        (["--environment", "prod", "-n", "x", "--team", "builders"], "names namespaces, or users and teams"),
        (["--environment", "prod", "--selector", "x"], "KEY=VALUE"),
        (["--environment", "prod", "-n", "x", "--mode", "always"], "'always'"),
        (["--environment", "prod", "-n", "Not A Name"], "documents_invalid"),
        (["--environment", "nowhere", "-n", "x", "-y"], "nowhere"),
    ],
)
def test_what_is_no_grant_is_refused(scene: Operator, arguments: list[str], said: str) -> None:
    done = scene.run("grant", "harbor", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_grant_is_taken_back(scene: Operator) -> None:
    scene.run("grant", "harbor", "--environment", "prod", "-n", "shop", "-y")
    assert scene.run("revoke", "harbor-prod").code == 2
    done = scene.run("revoke", "harbor-prod", "-y")
    assert (done.code, done.out) == (0, "RegistryAccess/harbor-prod deleted\n")
    missing = scene.run("revoke", "harbor-prod", "-y", "-o", "json")
    assert (missing.code, missing.json["error"]["code"]) == (2, "not_found")
