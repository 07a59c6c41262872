"""The route of the last check: for those who may read settings; what cannot be believed is none, with its reason."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from portreeve.workspace.last_check import MOST_OTHERS, file_of, write
from tests.server.plane import Plane, running
from tests.workspace.test_last_check import CHECK


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


@pytest.fixture
async def plane(tmp_path: Path, home: dict[str, str]) -> AsyncIterator[Plane]:
    async with running(f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path, surroundings=home) as found:
        yield found


async def test_it_is_read_anew_and_told_to_those_who_may_read_settings(plane: Plane, home: dict[str, str]) -> None:
    admin = await plane.client("root", "platform-admin")
    file = file_of(home)
    assert file
    assert (await admin.get("/api/v1/last-check")).json() == {"file": str(file), "reason": "", "check": None}
    write(file, replace(CHECK, at=plane.clock()), home)
    answer = await admin.get("/api/v1/last-check")
    assert answer.status_code == 200
    check = answer.json()["check"]
    assert (check["policy"], check["totals"]["notEvaluated"], check["sources"][0]["byDigest"]) == ("prod", 1, 0)
    assert check["next"] == [
        {"does": "check again, with the same policy",
         "command": "cd /src &&\nportreeve check -p p.yaml -n shop a.yaml"}
    ]  # fmt: skip
    developer = await plane.client("dev", "developer", environments=["a"])
    assert (await developer.get("/api/v1/last-check")).status_code == 403
    assert (await plane.anonymous().get("/api/v1/last-check")).status_code == 401


async def test_without_a_policy_nothing_is_judged_and_words_of_the_file_are_quoted(
    plane: Plane, home: dict[str, str]
) -> None:
    file = file_of(home)
    assert file
    paths = ("-x", "$(touch hacked)")
    unjudged = replace(CHECK.findings[0], verdict="", canonical="")
    write(
        file,
        replace(CHECK, at=plane.clock(), policy="", stage="", policy_files=(), paths=paths, findings=(unjudged,)),
        home,
    )
    check = (await (await plane.client("root", "platform-admin")).get("/api/v1/last-check")).json()["check"]
    assert (check["policy"], check["stage"]) == (None, None)
    assert (check["findings"][0]["verdict"], check["findings"][0]["canonical"]) == (None, None)
    assert check["next"][0]["command"] == "cd /src &&\nportreeve suggest -n shop -- -x '$(touch hacked)' > policy.yaml"


async def test_a_command_that_may_be_cut_is_none_and_one_that_reads_a_pipe_says_so(
    plane: Plane, home: dict[str, str]
) -> None:
    file = file_of(home)
    assert file
    admin = await plane.client("root", "platform-admin")
    write(file, replace(CHECK, at=plane.clock(), paths=("-",), options=("--policy-name", "prod")), home)
    (step,) = (await admin.get("/api/v1/last-check")).json()["check"]["next"]
    assert step == {
        "does": "check again, with the same policy, with the same input piped in",
        "command": "cd /src &&\nportreeve check -p p.yaml --policy-name prod -",
    }
    write(file, replace(CHECK, at=plane.clock(), paths=tuple(f"{number}.yaml" for number in range(MOST_OTHERS))), home)
    assert (await admin.get("/api/v1/last-check")).json()["check"]["next"] == []


async def test_a_damaged_file_is_none_with_a_reason(plane: Plane, home: dict[str, str]) -> None:
    file = file_of(home)
    assert file
    file.parent.mkdir(parents=True)
    file.write_text('{"form": 1, "at": "canary"}')
    told = (await (await plane.client("root", "platform-admin")).get("/api/v1/last-check")).json()
    assert told["check"] is None
    assert told["reason"].startswith("it is damaged")
    assert "canary" not in str(told)
