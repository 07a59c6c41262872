"""`apply`, `create`, `plan`, `confirm`, `delete`: the plan is shown, asked about, and is what runs."""

from __future__ import annotations

from typing import Any

from tests.cli.conftest import Operator
from tests.server.plane import document

HARBOR = document("Registry", "harbor", provider="harbor", host="harbor.example.com", path="shop")
GROUP = document("EnvironmentGroup", "production")
PROD = document("Environment", "prod", tier="production", group="production")
ACCESS = document("RegistryAccess", "shop", registry="harbor", environment="prod", namespaces={"names": ["shop"]})
ALL = (ACCESS, PROD, GROUP, HARBOR)


def labelled(one: dict[str, Any], **labels: str) -> dict[str, Any]:
    return {**one, "metadata": {**one["metadata"], "labels": labels}}


def test_apply_stores_the_documents_of_files_and_says_so(operator: Operator) -> None:
    operator.write("config/all.yaml", *ALL)
    done = operator.run("apply", "-f", "config", "-y")
    assert (done.code, done.err.splitlines()[:4]) == (
        0,
        ["create Environment/prod", "create EnvironmentGroup/production", "create Registry/harbor",
         "create RegistryAccess/shop"],
    )  # fmt: skip
    assert done.out.splitlines() == [
        "Environment/prod created", "EnvironmentGroup/production created", "Registry/harbor created",
        "RegistryAccess/shop created",
    ]  # fmt: skip
    again = operator.run("apply", "-f", "config")
    assert (again.code, again.out, again.err) == (0, "", "nothing to change\n")


def test_without_a_terminal_the_question_is_an_error_that_names_the_flag(operator: Operator) -> None:
    operator.write("all.yaml", *ALL)
    for more in ([], ["--no-input"]):
        done = operator.run("apply", "-f", "all.yaml", *more)
        assert (done.code, done.out) == (2, "")
        assert "create Registry/harbor" in done.err, "the plan is shown before"
        assert "answer_needed" in done.err
        assert "-y" in done.err
    assert operator.run("get", "registries", "-o", "name").out == ""
    failed = operator.run("apply", "-f", "all.yaml", "-o", "json")
    assert (failed.code, failed.json["error"]["code"]) == (2, "answer_needed")


def test_the_answer_is_json_where_asked(operator: Operator) -> None:
    operator.write("all.yaml", HARBOR)
    done = operator.run("apply", "-f", "all.yaml", "-y", "-o", "json")
    assert done.json["state"] == "confirmed"
    assert done.json["documents"] == [{"kind": "Registry", "name": "harbor", "change": "create"}]
    assert operator.run("apply", "-f", "all.yaml", "-o", "json").json["state"] == "unchanged"


def test_dry_runs_change_nothing(operator: Operator) -> None:
    operator.write("all.yaml", HARBOR)
    client = operator.run("apply", "-f", "all.yaml", "--dry-run=client", env={"PORTREEVE_SERVER": ""})
    assert (client.code, client.out) == (0, "Registry/harbor (read)\n")
    server = operator.run("apply", "-f", "all.yaml", "--dry-run=server", "-o", "json")
    assert (server.code, server.json["state"]) == (0, "planned")
    assert "create Registry/harbor" in server.err
    assert operator.run("get", "registries", "-o", "name").out == ""
    assert operator.run("apply", "-f", "all.yaml", "--dry-run").code == 2


def test_what_is_wrong_in_files_is_told_with_its_place(operator: Operator) -> None:
    operator.write("bad.yaml", HARBOR, document("Registry", "b", provider="harbr", host="b.example.com"))
    done = operator.run("apply", "-f", "bad.yaml", "-y", "-o", "json")
    assert done.code == 2
    assert done.json["error"]["code"] == "documents_invalid"
    assert "bad.yaml:" in done.json["error"]["problems"][0]["field"]
    assert operator.run("apply", "-f", "nowhere.yaml").code == 2
    operator.program.write("none.yaml", "# nothing\n")
    assert "documents_missing" in operator.run("apply", "-f", "none.yaml").err
    operator.write("twice.yaml", HARBOR, HARBOR)
    assert "name_twice" in operator.run("apply", "-f", "twice.yaml", "-o", "json").out


def test_prune_deletes_what_has_the_label_and_is_not_in_the_files(operator: Operator) -> None:
    first = [labelled(document("Team", name, title=name), owner="us") for name in ("a", "b")]
    operator.write("all.yaml", *first, document("Team", "theirs"))
    assert operator.run("apply", "-f", "all.yaml", "-y").code == 0
    operator.write("all.yaml", first[0])
    assert "go together" in operator.run("apply", "-f", "all.yaml", "--prune", "-y").err
    done = operator.run("apply", "-f", "all.yaml", "--prune", "-l", "owner=us", "-y")
    assert (done.code, done.out) == (0, "Team/b deleted\n")
    assert operator.run("get", "teams", "-o", "name").out == "a\ntheirs\n"


def test_a_group_that_another_policy_covers_needs_replace(operator: Operator) -> None:
    sources = {"stage": "audit", "allowedSources": [{"prefix": "harbor.example.com/shop", "scope": "Global"}]}
    one, two = (document("RegistryPolicy", name, groups=["production"], restrict=sources) for name in ("one", "two"))
    operator.write("one.yaml", GROUP, PROD, one)
    operator.write("two.yaml", two)
    assert operator.run("apply", "-f", "one.yaml", "-y").code == 0
    refused = operator.run("apply", "-f", "two.yaml", "-y", "-o", "json")
    assert (refused.code, refused.json["error"]["code"]) == (2, "plan_blocked")
    assert "--replace" in refused.err
    assert "one" in str(refused.json["error"]["problems"])
    assert operator.run("apply", "-f", "two.yaml", "-y", "--replace").code == 0


def test_create_refuses_what_is_there(operator: Operator) -> None:
    operator.write("all.yaml", HARBOR)
    assert operator.run("create", "-f", "all.yaml", "-y").out == "Registry/harbor created\n"
    again = operator.run("create", "-f", "all.yaml", "-y", "-o", "json")
    assert (again.code, again.json["error"]["code"]) == (2, "name_taken")


def test_a_plan_is_made_by_one_command_and_confirmed_by_another(operator: Operator) -> None:
    operator.write("all.yaml", HARBOR)
    plan = operator.run("plan", "-f", "all.yaml", "-o", "name").out.strip()
    assert "create Registry/harbor" in operator.run("plan", "-f", "all.yaml").out
    assert operator.run("plan", "-f", "all.yaml", "-o", "json").json["documents"][0]["change"] == "create"
    assert operator.run("confirm", plan).code == 2
    done = operator.run("confirm", plan, "-y")
    assert (done.code, done.out) == (0, "Registry/harbor created\n")
    again = operator.run("confirm", plan, "-y", "-o", "json")
    assert (again.code, again.json["error"]["code"]) == (2, "plan_confirmed")
    assert operator.run("confirm", "nothing", "-y", "-o", "json").json["error"]["code"] == "not_found"


def test_delete_goes_through_a_plan(operator: Operator) -> None:
    operator.write("all.yaml", *ALL)
    operator.run("apply", "-f", "all.yaml", "-y")
    assert operator.run("delete", "access", "shop").code == 2
    done = operator.run("delete", "access", "shop", "-y")
    assert (done.code, done.out) == (0, "RegistryAccess/shop deleted\n")
    missing = operator.run("delete", "access", "shop", "-y", "-o", "json")
    assert (missing.code, missing.json["error"]["code"]) == (2, "not_found")
    assert operator.run("delete", "registry", "harbor", "-y", "-o", "json").json["documents"][0]["change"] == "delete"


def test_an_older_version_than_that_which_is_there_is_refused(operator: Operator) -> None:
    operator.write("team.yaml", document("Team", "a"))
    operator.run("apply", "-f", "team.yaml", "-y")
    operator.program.write("read.yaml", operator.run("get", "team", "a", "-o", "yaml").out)
    operator.write("team.yaml", document("Team", "a", title="A"))
    operator.run("apply", "-f", "team.yaml", "-y")
    done = operator.run("apply", "-f", "read.yaml", "-y", "-o", "json")
    assert (done.code, done.json["error"]["code"]) == (2, "version_outdated")
