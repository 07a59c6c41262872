"""A policy goes forward after a quiet time that somebody has watched, and back at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from portreeve.core.audit import decode
from portreeve.core.burn_down import KEPT_DAYS
from portreeve.core.policy import Stage
from portreeve.core.stages import MAX_AGE, HoldRule
from portreeve.server.database.tables import AUDIT_EVENTS, STAGE_DAYS, STAGE_WATCHES
from portreeve.server.stages.service import Move, Stages
from tests.server.agents.agent import ENVIRONMENTS, Agent, agents_plane, enrolled
from tests.server.plane import Plane, document

STEP, DAY = timedelta(hours=1), timedelta(days=1)
pytestmark = pytest.mark.wide

URL = "/api/v1/policies/p/stage"
GOOD, BAD = "harbor.example.com/shop/api:1", "docker.io/library/nginx:1"
REASONS = {"audit": "PolicyAuditing", "warn": "PolicyWarning", "deny": "PolicyEnforced", "off": "PolicyOff"}
SOURCES = [{"prefix": "harbor.example.com/shop", "scope": "Global"}]


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    """On SQLite alone, with sweeps that run when the test says so."""
    async with agents_plane(f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path) as started:
        await started.server.stages.stop()
        restrict = {"stage": "audit", "allowedSources": SOURCES}
        await started.put(*ENVIRONMENTS, document("RegistryPolicy", "p", groups=["production"], restrict=restrict))
        yield started


@pytest.fixture
async def admin(plane: Plane) -> httpx2.AsyncClient:
    return await plane.client("root", "platform-admin")


@dataclass
class Teller:
    """An agent, and what it tells: an image that runs, one that could, and at which stage the policy is proved."""

    plane: Plane
    agent: Agent
    image: str = GOOD
    workload: str = GOOD
    stage: str = "audit"

    async def says(self, **changed: str) -> None:
        """All of it anew, about the document of now."""
        vars(self).update(changed)
        await self.plane.server.desired.sweep()
        present = await self.plane.server.desired.current(self.agent.joined.environment)
        assert present is not None
        enforced = {"type": "Enforced", "status": "False", "reason": REASONS[self.stage]}
        conditions = [
            {"type": "ClusterSeen", "status": "True", "reason": "Watched"},
            {**enforced, "observedGeneration": present.generation},
        ]
        answer = await self.agent.report(
            whole=True,
            conditions=conditions,
            inventory=[{"namespace": "shop", "workloads": [{"owner": "CronJob/nightly", "image": self.workload}]}],
            namespaces={"added": [{"name": "shop"}]},
            images={"added": [{"namespace": "shop", "owner": "Deployment/api", "image": self.image}]},
        )
        assert answer.status_code == 200, answer.text

    async def comes(self) -> None:
        """It is seen. A certificate is for a day, so it asks for the next one now and then."""
        if self.plane.clock().hour % 12 == 0:
            assert (await self.agent.renewed()).status_code == 200
        assert (await self.agent.desired()).status_code == 200


@pytest.fixture
async def agents(plane: Plane, admin: httpx2.AsyncClient) -> list[Teller]:
    found = [Teller(plane, await enrolled(plane, admin, name)) for name in ("prod", "west")]
    for one in found:
        await one.says()
    await plane.server.stages.sweep()
    return found


async def passes(plane: Plane, time: timedelta, *present: Teller) -> None:
    """Time goes by; these agents come meanwhile, and sweeps run."""
    ends = plane.clock() + time
    while plane.clock() < ends:
        plane.clock.move(STEP)
        for one in present:
            await one.comes()
        await plane.server.doorbell.note()
        await plane.server.stages.sweep()
    for one in present:
        await one.says()  # documents are renewed with time, and proofs are of the present one


async def held(admin: httpx2.AsyncClient, stage: str = "deny", **more: Any) -> set[tuple[str | None, str]]:
    answer = await admin.get("/api/v1/policies/p/rollout", params={"stage": stage, **more})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["held"] == bool(body["holds"])
    return {(one["environment"], one["code"]) for one in body["holds"]}


async def promoted(admin: httpx2.AsyncClient, stage: str, **more: Any) -> httpx2.Response:
    """As somebody does it who looks at the plan first."""
    body = {"stage": stage, **more}
    plan = await admin.post(URL, json=body, params={"dryRun": "All"})
    assert plan.status_code == 200, plan.text
    return await admin.post(URL, json=body, headers={"Portreeve-Plan": plan.headers["Portreeve-Plan"]})


async def stage_of(admin: httpx2.AsyncClient) -> str:
    return str((await admin.get("/api/v1/policies/p")).json()["spec"]["restrict"]["stage"])


async def told(plane: Plane) -> list[tuple[str, str, str | None]]:
    """Action, outcome and reason of what the audit log says of policies."""
    async with plane.server.database.reader.connect() as connection:
        query = select(AUDIT_EVENTS.c.leaf).order_by(AUDIT_EVENTS.c.sequence)
        events = [decode(bytes(leaf)) for leaf in (await connection.execute(query)).scalars().all()]
    return [(str(one.action), str(one.outcome), one.reason) for one in events if str(one.action).startswith("policy")]


async def test_it_goes_forward_after_a_quiet_time_and_not_before(
    plane: Plane, admin: httpx2.AsyncClient, agents: list[Teller]
) -> None:
    await passes(plane, DAY - STEP, *agents)
    assert await held(admin, quietSeconds=86_400) == {("prod", "stage_quiet"), ("west", "stage_quiet")}
    refused = await promoted(admin, "deny", quietSeconds=86_400)
    assert (refused.status_code, refused.json()["code"]) == (409, "stage_held")
    assert [one["field"] for one in refused.json()["errors"]] == ["Environment/prod", "Environment/west"]
    await passes(plane, STEP, *agents)
    assert await held(admin, quietSeconds=86_400) == set()

    # It goes the way of every change of a policy: nobody does it who has not looked.
    unseen = await admin.post(URL, json={"stage": "warn", "quietSeconds": 86_400})
    assert (unseen.status_code, unseen.json()["code"]) == (428, "plan_needed")
    assert (await promoted(admin, "warn", quietSeconds=86_400)).status_code == 200
    # The time is over for the next stage, too; that warnings are given has to be proved first.
    assert await held(admin, quietSeconds=86_400) == {("prod", "stage_unproved"), ("west", "stage_unproved")}
    for agent in agents:
        await agent.says(stage="warn")
    done = await promoted(admin, "deny", quietSeconds=86_400)
    assert (done.status_code, await stage_of(admin)) == (200, "deny")
    assert done.json()["status"]["moved"] == {
        "from": "warn", "to": "deny", "by": "root", "at": done.json()["status"]["updatedAt"], "forced": False,
    }  # fmt: skip
    assert [one for one in await told(plane) if one[0] == "policy.promote"] == [
        ("policy.promote", "refused", "stage_held"),
        ("policy.promote", "done", None),
        ("policy.promote", "done", None),
    ]


async def test_what_would_be_denied_is_named_and_holds_as_long_again(
    plane: Plane, admin: httpx2.AsyncClient, agents: list[Teller]
) -> None:
    await agents[0].says(image=BAD, workload="quay.io/x/job:1")
    await passes(plane, DAY, *agents)
    assert await held(admin, quietSeconds=86_400) == {("prod", "stage_violations")}
    told = (await admin.get("/api/v1/policies/p/rollout")).json()
    assert [(one["owner"], one["image"]) for one in told["violations"]] == [
        ("CronJob/nightly", "quay.io/x/job:1"), ("Deployment/api", BAD),
    ]  # fmt: skip
    refused = (await promoted(admin, "deny", quietSeconds=86_400)).json()
    assert "Deployment/api in shop (docker.io/library/nginx:1)" in refused["errors"][0]["message"]
    await agents[0].says(image=GOOD, workload=GOOD)
    await plane.server.stages.sweep()
    await passes(plane, DAY - STEP, *agents)
    assert await held(admin, quietSeconds=86_400) == {("prod", "stage_quiet")}
    await passes(plane, STEP, *agents)
    assert await held(admin, quietSeconds=86_400) == set()


async def test_a_silent_environment_holds_and_begins_anew_and_all_of_it_outlives_a_restart(
    plane: Plane, admin: httpx2.AsyncClient, agents: list[Teller], tmp_path: Path
) -> None:
    await passes(plane, DAY, *agents)
    await passes(plane, MAX_AGE + STEP, agents[0])
    assert await held(admin, quietSeconds=86_400) == {("west", "stage_data_old")}
    await passes(plane, STEP, *agents)
    assert await held(admin, quietSeconds=86_400) == {("west", "stage_quiet")}
    async with plane.server.database.reader.connect() as connection:
        rows = {row.environment: row for row in (await connection.execute(select(STAGE_WATCHES))).all()}
    assert rows["prod"].since < rows["west"].since
    # A replica that begins with what is stored, and looks a short time after.
    server = plane.server
    other = Stages(server.writer, server.database, server.documents, server.desired, server.clock)
    await other.sweep()
    snapshot = await server.documents.snapshot()
    found = await other.rollout(snapshot, snapshot.estate.policies_by_name["p"], Move(Stage.DENY, HoldRule(DAY)))
    assert [(one.environment, one.code) for one in found.holds] == [("west", "stage_quiet")]
    # We were away ourselves for longer than data may be old: that is a gap everywhere.
    plane.clock.move(MAX_AGE + STEP)
    for agent in agents:
        await agent.says()
    assert await held(admin, quietSeconds=86_400) == {("prod", "stage_quiet"), ("west", "stage_quiet")}


async def test_it_can_be_forced_with_a_reason_that_stays_to_be_read(
    plane: Plane, admin: httpx2.AsyncClient, agents: list[Teller]
) -> None:
    assert agents
    wrong = await admin.post(URL, json={"stage": "deny", "force": True})
    assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (422, "stage_reason")
    done = await promoted(admin, "deny", force=True, reason="the incident of today")
    assert done.status_code == 200, done.text
    assert done.json()["status"]["moved"]["reason"] == "the incident of today"
    assert done.json()["status"]["moved"]["forced"] is True
    assert ("policy.promote", "done", "stage_held") in await told(plane)
    assert "incident" not in str(await told(plane))


async def test_back_needs_a_version_and_nothing_else(
    plane: Plane, admin: httpx2.AsyncClient, agents: list[Teller]
) -> None:
    await promoted(admin, "deny", force=True, reason="now")
    etag = (await admin.get("/api/v1/policies/p")).headers["ETag"]
    plane.clock.move(timedelta(days=30))  # nobody has been seen for a month
    outdated = await admin.post(URL, json={"stage": "audit"}, headers={"If-Match": '"x.1"'})
    assert (outdated.status_code, outdated.json()["code"]) == (412, "version_outdated")
    back = await admin.post(URL, json={"stage": "audit"}, headers={"If-Match": etag})
    assert (back.status_code, await stage_of(admin)) == (200, "audit")
    assert (await admin.post(URL, json={"stage": "off"})).status_code == 200
    assert (await told(plane))[-2:] == [("policy.update", "done", None), ("policy.roll_back", "done", None)]
    # Nothing is watched of a policy that is off; to begin with, audit is free.
    await plane.server.stages.sweep()
    async with plane.server.database.reader.connect() as connection:
        assert (await connection.execute(select(STAGE_WATCHES))).all() == []
    assert {code for _, code in await held(admin, quietSeconds=86_400)} >= {"stage_unwatched"}
    assert (await promoted(admin, "audit")).status_code == 200
    assert agents


async def test_it_is_remembered_in_few_writes_and_forgotten_with_its_environment(
    plane: Plane, admin: httpx2.AsyncClient, agents: list[Teller]
) -> None:
    assert await plane.server.stages.sweep() == 0
    plane.clock.move(timedelta(minutes=1))
    assert await plane.server.stages.sweep() == 0
    plane.clock.move(timedelta(minutes=5))
    assert await plane.server.stages.sweep() == 2
    await agents[0].says(image=BAD)
    # What is remembered of it, and its row of today.
    assert await plane.server.stages.sweep() == 2
    # What another environment reports is no reason to judge everything anew.
    judged = plane.server.writer.snapshot.governed
    assert [one[0] for one in judged if isinstance(one, tuple)] == ["prod"]
    gone = await admin.delete("/api/v1/environments/west", params={"force": "true", "dryRun": "All"})
    headers = {"Portreeve-Plan": gone.headers["Portreeve-Plan"]}
    assert (await admin.delete("/api/v1/environments/west?force=true", headers=headers)).status_code == 204
    async with plane.server.database.reader.connect() as connection:
        found = (await connection.execute(select(STAGE_WATCHES.c.environment))).scalars().all()
    assert found == ["prod"]


async def test_who_sees_less_hears_that_it_is_held_and_not_by_what(
    plane: Plane, admin: httpx2.AsyncClient, agents: list[Teller]
) -> None:
    await agents[0].says(image=BAD)
    place = {"environments": ["prod"], "namespaces": ["other"]}
    narrow = await plane.client("dev", "developer", **place)
    answer = (await narrow.get("/api/v1/policies/p/rollout?stage=deny")).json()
    assert (answer["held"], answer["hiddenEnvironments"], answer["violations"]) == (True, 1, [])
    assert "nginx" not in str(answer)
    assert "Deployment" not in str(answer)
    assert "1 would be denied: 1 that you may not see" in str(answer)
    assert (await narrow.post(URL, json={"stage": "off"})).json()["code"] == "not_found"
    assert ("policy.update", "refused", "not_found") in await told(plane)
    assert await stage_of(admin) == "audit"


async def burned(admin: httpx2.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await admin.get("/api/v1/policies/p/burn-down", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_each_day_tells_the_most_that_would_have_been_denied_and_what_nobody_knows(
    plane: Plane, admin: httpx2.AsyncClient, agents: list[Teller]
) -> None:
    prod, _ = agents
    await prod.says(image=BAD)
    await plane.server.stages.sweep()
    await prod.says(image=GOOD)
    await plane.server.stages.sweep()
    await passes(plane, 2 * DAY, prod)  # west is silent
    body = await burned(admin, days=4)
    found = [(one["day"], one["violations"], one["known"], one["unknown"]) for one in body["points"]]
    assert found == [
        ("2026-11-19", None, 0, 0), ("2026-11-20", 1, 1, 1), ("2026-11-21", 0, 1, 1), ("2026-11-22", 0, 1, 1),
    ]  # fmt: skip
    assert [(one["day"], one["what"], one["stage"]) for one in body["markers"]] == [("2026-11-20", "begun", "audit")]
    assert (body["quietSince"], body["safeSince"]) == (None, None)
    assert (body["environments"], body["hiddenEnvironments"]) == (["prod", "west"], 0)


async def test_it_is_safe_to_enforce_after_a_quiet_week_and_says_since_when(
    plane: Plane, admin: httpx2.AsyncClient, agents: list[Teller]
) -> None:
    await passes(plane, 6 * DAY, *agents)
    body = await burned(admin)
    assert (body["quietSince"], body["safeSince"], body["safeFrom"]) == (
        "2026-11-20T12:00:00Z", None, "2026-11-27T12:00:00Z",
    )  # fmt: skip
    assert await held(admin) != set()
    await passes(plane, 2 * DAY, *agents)
    assert (await burned(admin))["safeSince"] == "2026-11-27T12:00:00Z"
    # It says what the promotion itself is decided by.
    assert await held(admin) == set()


async def test_days_are_written_once_and_go_with_time_and_with_the_policy(plane: Plane, agents: list[Teller]) -> None:
    async def rows() -> list[tuple[str, str]]:
        async with plane.server.database.reader.connect() as connection:
            query = select(STAGE_DAYS.c.environment, STAGE_DAYS.c.day).order_by(STAGE_DAYS.c.day)
            return [(row.environment, row.day) for row in (await connection.execute(query)).all()]

    assert await plane.server.stages.sweep() == 0
    assert await rows() == [("prod", "2026-11-20"), ("west", "2026-11-20")]
    plane.clock.move(timedelta(days=KEPT_DAYS + 1))
    await plane.server.stages.sweep()
    assert {day for _, day in await rows()} == {"2027-05-20"}
    narrow = await plane.client("dev", "developer", environments=["prod"], namespaces=["shop"])
    body = await burned(narrow)
    # A day counts all that runs in an environment: whoever sees a part of it is told none.
    assert (body["environments"], body["hiddenEnvironments"]) == ([], 2)
    later = await plane.client("ada", "platform-admin")  # the token of the first one has ended meanwhile
    etag = {"If-Match": (await later.get("/api/v1/policies/p")).headers["ETag"]}
    plan = await later.delete("/api/v1/policies/p", params={"dryRun": "All"}, headers=etag)
    seen = {"Portreeve-Plan": plan.headers["Portreeve-Plan"]}
    gone = await later.delete("/api/v1/policies/p", headers={**etag, **seen})
    assert gone.status_code == 204, gone.text
    assert await rows() == []
