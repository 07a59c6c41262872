"""`export`, `diff` and `drift`: the configuration as files, the same bytes each time, and what differs from it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.cli.conftest import Operator, operator_of
from tests.server.plane import document
from tests.server.served import served

SCENE: tuple[dict[str, Any], ...] = (
    document("EnvironmentGroup", "production"),
    document("Environment", "prod", tier="production", group="production"),
    document(
        "Registry", "harbor", provider="gitlab", host="harbor.example.com",
        credentials=[
            {"purpose": "pull", "method": "token", "parameters": {"username": "u", "gitlabHost": "git.example.com"}}],
    ),
    document("RegistryAccess", "shop", registry="harbor", environment="prod",
             namespaces={"names": ["shop"], "selector": {"matchLabels": {"z": "1", "team": "shop"}}}),
    document("RegistryPolicy", "sources", groups=["production"], restrict={
        "stage": "audit", "allowedSources": [{"prefix": "harbor.example.com/shop", "scope": "Global", "note": "own"}]}),
    document("Team", "leads", title="Leads", members=["root"]),
    document("Project", "shop", admins={"teams": ["leads"]}),
    document("Exemption", "redis", policy="sources", scope={"image": "docker.io/library/redis"}, reason="later",
             owner="us", expiresAt="2027-01-01T00:00:00Z"),
)  # fmt: skip


@pytest.fixture
def filled(operator: Operator) -> Operator:
    """A control plane with a document of every kind."""
    operator.plane.put(*SCENE)
    return operator


def test_an_export_is_the_same_bytes_twice_and_applies_to_nothing(filled: Operator) -> None:
    first, second = filled.run("export"), filled.run("export")
    assert (first.code, first.err, first.out) == (0, "", second.out)
    found = list(yaml.safe_load_all(first.out))
    assert {one["kind"] for one in found} == {one["kind"] for one in SCENE} | {"User", "RoleBinding"}
    assert all(set(one) == {"apiVersion", "kind", "metadata", "spec"} for one in found)
    done = filled.run("apply", "-f", "-", stdin=first.out)
    assert (done.code, done.out, done.err) == (0, "", "nothing to change\n")
    assert filled.run("diff", "-f", "-", stdin=first.out).code == 0
    assert filled.run("drift", "-f", "-", stdin=first.out).code == 0


def test_an_export_is_the_same_from_every_database(filled: Operator, request: pytest.FixtureRequest) -> None:
    url = str(request.getfixturevalue("postgres_database"))
    folder = filled.program.folder / "elsewhere"
    folder.mkdir()
    with served(url, folder) as plane:
        other = operator_of(plane, folder / "operator")
        plane.put(*SCENE)
        assert other.run("export").out == filled.run("export").out


def test_an_export_is_one_file_for_each_document(filled: Operator) -> None:
    done = filled.run("export", "-o", "config")
    assert (done.code, done.out) == (0, "")
    folder = filled.program.folder / "config"
    files = {str(file.relative_to(folder)) for file in folder.rglob("*.yaml")}
    assert {"registries/harbor.yaml", "access/shop.yaml", "policies/sources.yaml", "groups/production.yaml"} <= files
    assert filled.run("apply", "-f", "config").err == "nothing to change\n"
    (folder / "teams/gone.yaml").write_text("x")
    assert "gone.yaml stands for nothing" in filled.run("export", "-o", "config").err


def test_an_export_is_narrowed_by_kind(filled: Operator) -> None:
    out = filled.run("export", "--kind", "teams", "--kind", "policy").out
    assert [one["kind"] for one in yaml.safe_load_all(out)] == ["Team", "RegistryPolicy"]
    assert filled.run("export", "--kind", "teams", "-l", "a=b").out == ""
    assert filled.run("export", "--kind", "nothing").code == 2


def test_diff_shows_what_would_change_and_exits_1(filled: Operator) -> None:
    filled.write("new.yaml", document("Team", "leads", title="Chiefs", members=["root"]), document("Team", "fresh"))
    done = filled.run("diff", "-f", "new.yaml")
    assert (done.code, done.err) == (1, "")
    assert "--- stored/Team/leads\n+++ wanted/Team/leads\n" in done.out
    assert "-  title: Leads\n+  title: Chiefs\n" in done.out
    assert "--- /dev/null\n+++ wanted/Team/fresh\n" in done.out
    found = filled.run("diff", "-f", "new.yaml", "-o", "json")
    assert (found.code, [one["change"] for one in found.json["differences"]]) == (1, ["only-in-files", "differs"])
    assert filled.run("diff", "-f", "new.yaml", "-o", "name").out == "Team/fresh\nTeam/leads\n"
    failed = filled.run("diff", "-f", "nowhere", "-o", "json")
    assert (failed.code, failed.json["error"]["code"]) == (2, "file_not_found")


def test_diff_shows_what_prune_would_delete(filled: Operator) -> None:
    old = document("Team", "old")
    old["metadata"]["labels"] = {"owner": "us"}
    filled.plane.put(old)
    filled.write("new.yaml", document("Team", "leads", title="Leads", members=["root"]))
    assert filled.run("diff", "-f", "new.yaml").code == 0
    done = filled.run("diff", "-f", "new.yaml", "--prune", "-l", "owner=us")
    assert done.code == 1
    assert "--- stored/Team/old\n+++ /dev/null\n" in done.out


def test_drift_is_told_in_both_directions(filled: Operator) -> None:
    filled.write("files.yaml", document("Team", "leads", title="Chiefs"), document("Team", "fresh"),
                 document("Registry", "harbor", provider="harbor", host="harbor.example.com"))  # fmt: skip
    done = filled.run("drift", "-f", "files.yaml", "--kind", "teams", "--kind", "groups")
    assert done.code == 1
    rows = [line.split()[:3] for line in done.out.splitlines()[1:]]
    assert rows == [["only-in-files", "Team", "fresh"], ["differs", "Team", "leads"],
                    ["only-on-server", "EnvironmentGroup", "production"]]  # fmt: skip
    found = filled.run("drift", "-f", "files.yaml", "-o", "json")
    assert found.code == 1
    assert {"change": "only-on-server", "kind": "Project"}.items() <= next(
        one for one in found.json["differences"] if one["kind"] == "Project"
    ).items()
    assert filled.run("drift", "-f", "files.yaml", "-l", "owner=us").code == 0
