"""What goes over the channel: documents that only this agent can open, and reports that add up."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from portreeve.core.credential import decode_login
from portreeve.core.rotation import CONNECTED
from portreeve.server.database.writer import Transaction
from portreeve.server.desired import store as states
from portreeve.server.desired.document import PURPOSE, canonical
from portreeve.vault import sealing
from portreeve.vault.sealing import Delivery
from portreeve.vault.signing import verify
from tests.server.agents.agent import Agent, agents_plane, enrolled
from tests.server.plane import Plane, document

SECRET = "canary-of-the-channel-77b1"
GRANTED = (
    document(
        "Registry",
        "harbor",
        provider="harbor",
        host="harbor.example.com",
        credentials=[
            {
                "purpose": "pull",
                "method": "basic",
                "parameters": {"username": "robot"},
                "expiresAt": "2027-02-01T00:00:00Z",
            }
        ],
    ),
    document("RegistryAccess", "shop", registry="harbor", environment="prod", namespaces={"names": ["shop"]}),
)


async def granted(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await plane.put(*GRANTED)
    answer = await admin.put("/api/v1/registries/harbor/credentials/pull", json={"secret": SECRET})
    assert answer.status_code == 200


async def shown(admin: httpx2.AsyncClient, name: str = "prod") -> dict[str, Any]:
    status: dict[str, Any] = (await admin.get(f"/api/v1/environments/{name}")).json()["status"]
    return status


async def test_an_agent_opens_what_was_sealed_for_it_and_nobody_else_does(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    await granted(plane, admin)
    before = await enrolled(plane, admin)
    agent = await enrolled(plane, admin)  # in its place: what follows is sealed for this one
    answer = await agent.desired()
    whole = answer.json()
    body = whole["document"]
    assert answer.headers["ETag"] == f'"{body["hash"]}"'
    signature = base64.b64decode(whole["signature"])
    assert verify(agent.joined.signing_key, PURPOSE, canonical(body), signature)
    (grant,) = body["grants"]
    credential = grant["credential"]
    delivery = Delivery("prod", "harbor", credential["id"], credential["version"], body["generation"])
    sealed = base64.b64decode(credential["sealed"])
    login = decode_login(sealing.open_sealed(sealed, delivery, agent.opening))
    assert (login.username, login.password.reveal()) == ("robot", SECRET.encode())
    with pytest.raises(Exception, match="sealed for another key"):
        sealing.open_sealed(sealed, delivery, before.opening)
    assert SECRET not in answer.text


async def test_who_waits_is_woken_by_its_own_change_alone(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agents = {name: await enrolled(plane, admin, name) for name in ("prod", "west")}
    known = {name: (await agent.desired()).json()["document"]["generation"] for name, agent in agents.items()}
    polls = {name: asyncio.create_task(agent.desired(known[name])) for name, agent in agents.items()}
    while plane.server.doorbell.waiting < 2:  # noqa: ASYNC110 -- who waits tells nobody
        await asyncio.sleep(0)
    await granted(plane, admin)
    answer = await polls["prod"]
    assert answer.json()["document"]["generation"] > known["prod"]
    assert not polls["west"].done()
    # A second question of the same environment sends the first one home.
    second = asyncio.create_task(agents["west"].desired(known["west"]))
    assert (await polls["west"]).status_code == 304
    plane.server.doorbell.close()
    assert (await second).status_code == 304


async def test_without_anything_new_the_answer_is_that(database_url: str, tmp_path: Path) -> None:
    async with agents_plane(database_url, tmp_path, wait_s=0.05) as plane:
        await plane.put(document("EnvironmentGroup", "g"), document("Environment", "prod", tier="staging", group="g"))
        admin = await plane.client("root", "platform-admin")
        agent = await enrolled(plane, admin)
        await plane.server.desired.sweep()
        known = (await agent.desired()).json()["document"]["generation"]
        answer = await agent.desired(known)
        assert (answer.status_code, answer.content) == (304, b"")


async def test_a_restored_database_goes_on_behind_what_agents_have(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent = await enrolled(plane, admin)
    held = (await agent.desired()).json()["document"]
    ahead = held["generation"] + 7
    answer = (await agent.desired(ahead)).json()["document"]
    assert answer["generation"] > ahead + 1
    assert answer["previousHash"] == ""

    async def generation(transaction: Transaction) -> int:
        found = await states.find(transaction.connection, "prod")
        assert found is not None
        return found.generation

    # One that says that it is far ahead is not believed: numbers end.
    far = asyncio.create_task(agent.desired(2**52))
    while not plane.server.doorbell.waiting:  # noqa: ASYNC110 -- who waits tells nobody
        await asyncio.sleep(0)
    assert await plane.server.writer.run(generation) == answer["generation"]
    plane.server.doorbell.close()
    assert (await far).status_code == 304


async def test_reports_add_up_and_the_status_says_so(plane: Plane, admin: httpx2.AsyncClient) -> None:
    before = await shown(admin)
    assert (before["agent"]["state"], before["agent"]["connected"]) == ("none", False)
    assert [(one["type"], one["status"]) for one in before["conditions"]] == [("Connected", "Unknown")]
    agent = await enrolled(plane, admin)
    image = {"namespace": "shop", "owner": "Deployment/api", "image": "nginx:1", "digest": "sha256:" + "0" * 64}
    other = {"namespace": "shop", "owner": "Deployment/web", "image": "nginx:2"}
    enforced = {"type": "Enforced", "status": "True", "reason": "Probed", "observedGeneration": 1}
    first = await agent.report(
        images={"added": [image, other]},
        namespaces={"added": [{"name": "shop", "labels": {"team": "shop"}}, {"name": "pay"}]},
        capabilities={"kubernetes": "1.33.1", "mutatingAdmissionPolicy": True},
        conditions=[enforced],
        pullSecrets=[{"namespace": "shop", "uid": "u", "entries": [], "conflict": None}],
    )
    assert (first.status_code, first.json()) == (200, {"report": 1})
    await agent.report(images={"removed": [other]}, namespaces={"removed": ["pay"]}, withdrawn=["shop"])
    await plane.server.doorbell.note()
    status = await shown(admin)
    assert (status["kubernetes"], status["namespaces"], status["images"]) == ("1.33.1", 1, 1)
    assert status["agent"]["connected"] is True
    assert status["enforcement"] == "Off"  # there is no policy
    assert {one["type"] for one in status["conditions"]} == {"Connected", "Enforced"}
    rows = (await admin.get("/api/v1/images")).json()["items"]
    assert [row["image"] for row in rows] == ["nginx:1"]
    restrict = {"stage": "deny", "allowedSources": []}
    await plane.put(document("RegistryPolicy", "p", groups=["production"], restrict=restrict))
    assert (await shown(admin))["enforcement"] == "Enforced"
    told = {"PolicyAuditing": "Auditing", "PolicyEnforced": "Enforced", "Drifted": "Gap", "PolicyOff": "Unknown"}
    for reason, state in told.items():
        proven = "True" if state == "Enforced" else "False"
        await agent.report(conditions=[{**enforced, "status": proven, "reason": reason}])
        await plane.server.doorbell.note()
        assert (await shown(admin))["enforcement"] == state
    plane.clock.move(CONNECTED + timedelta(seconds=1))
    silent = await shown(admin)
    assert (silent["enforcement"], silent["agent"]["connected"]) == ("Unknown", False)


async def test_a_report_that_is_not_the_next_one_is_asked_for_whole(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent = await enrolled(plane, admin)
    assert (await agent.report(conditions=[])).status_code == 200
    again = await agent.send("POST", "observed", {"report": 1, "generation": 1, "whole": True})
    agent.reports += 1
    lost = await agent.report(conditions=[])
    assert [(one.status_code, one.json()["code"]) for one in (again, lost)] == [(409, "report_gap")] * 2
    whole = {"report": 10, "generation": 2, "whole": True, "conditions": []}
    assert (await agent.send("POST", "observed", whole)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"report": 1},
        {"report": -1, "generation": 1},
        {"report": True, "generation": 1},
        {"report": 1, "generation": 2**60},
        {"report": 1, "generation": 1, "secret": "canary"},
        {"report": 1, "generation": 1, "conditions": [{"type": "A", "status": "Maybe", "reason": "B"}]},
        {"report": 1, "generation": 1, "conditions": [{"type": "A", "status": "True", "reason": "B\n"}]},
        {"report": 1, "generation": 1, "images": {"added": [{"namespace": "a", "owner": "b", "image": "c" * 2000}]}},
        {"report": 1, "generation": 1, "images": {"added": [{"namespace": "a", "owner": "\u202e", "image": "c"}]}},
        {"report": 1, "generation": 1, "namespaces": {"added": [{"name": "a", "labels": {"b": 1}}]}},
        {"report": 1, "generation": 1, "withdrawn": "shop"},
    ],
)
async def test_a_report_of_another_form_is_refused(plane: Plane, admin: httpx2.AsyncClient, body: Any) -> None:
    agent = await enrolled(plane, admin)
    answer = await agent.send("POST", "observed", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "message_invalid")
    assert "canary" not in answer.text


async def test_what_there_is_nothing_of_is_answered_as_such(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent = await enrolled(plane, admin)
    for method, path, code in (("GET", "nothing", "no_route"), ("POST", "desired", "method")):
        answer = await agent.send(method, path)
        assert answer.json()["code"] == code
    wrong = await agent.send("GET", "desired?generation=x")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "request_invalid")
    large = await plane.anonymous().post("/agent/v1/enrol", content=b"x" * 40_000)
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")


async def test_nothing_of_an_identity_is_in_the_database(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await granted(plane, admin)
    issued = (await admin.post("/api/v1/environments/prod/enrolment")).json()
    plain = issued["join"].removeprefix("prtj_").partition(".")[0]
    agent: Agent = await enrolled(plane, admin)
    await agent.renewed()
    await agent.desired()
    rows = json.dumps((await admin.get("/api/v1/audit", params={"limit": 500})).json())
    assert plain not in rows
    assert SECRET not in rows


async def test_what_is_committed_while_the_doorbell_looks_is_not_missed(
    plane: Plane, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = await enrolled(plane, admin)
    known = (await agent.desired()).json()["document"]["generation"]
    looking, go_on, generations = asyncio.Event(), asyncio.Event(), plane.server.desired.generations

    async def slow(since: Any) -> Any:
        found = await generations(since)
        looking.set()
        await go_on.wait()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(plane.server.desired, "generations", slow)
        poll = asyncio.create_task(agent.desired(known))
        while not plane.server.doorbell.waiting:  # noqa: ASYNC110 -- who waits tells nobody
            await asyncio.sleep(0)
        await plane.put(document("Team", "ours"))  # concerns nobody, and makes it look
        await looking.wait()
        await granted(plane, admin)
        await plane.server.desired.sweep()
    go_on.set()
    async with asyncio.timeout(20):  # less than it looks by itself
        assert (await poll).status_code == 200
