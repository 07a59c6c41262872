"""Enrolment, renewal and shutting out: who is an agent, and who is none (AG-01, AG-02, AG-05; I9)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from portreeve.core.agent_identity import ON_ITS_WAY, RENEWABLE
from portreeve.core.secret import SecretValue
from portreeve.server.agents.service import LASTS, PREFIX
from portreeve.vault import agent_keys, certificates
from portreeve.vault.certificates import LIFE, trust_hash
from portreeve.vault.signing import generate
from portreeve.wire.channel import Join, join_document
from tests.server.agents.agent import ENVIRONMENTS, TRUST, Agent, agents_plane, enrolled, join, token
from tests.server.plane import NOW, Plane, document, running
from tests.tools.postgres import PostgresServer

REFUSED = (401, "agent_refused")


def told(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def actions(admin: httpx2.AsyncClient) -> list[str]:
    rows = (await admin.get("/api/v1/audit", params={"limit": 500})).json()["items"]
    return [row["action"] for row in rows]


async def test_a_join_token_pins_whom_the_agent_may_trust(plane: Plane, admin: httpx2.AsyncClient) -> None:
    answer = (await admin.post("/api/v1/environments/prod/enrolment")).json()
    assert answer["join"].startswith(PREFIX)
    assert answer["join"] in answer["command"]
    bundle = (await plane.anonymous().get("/agent/v1/trust")).text
    assert trust_hash(bundle) == trust_hash(TRUST)
    assert "environment.enrol" in await actions(admin)


async def test_without_a_certificate_to_know_it_by_there_is_no_enrolment(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as plane:
        await plane.put(*ENVIRONMENTS)
        admin = await plane.client("root", "platform-admin")
        assert told(await admin.post("/api/v1/environments/prod/enrolment")) == (409, "agents_need_tls")
        assert (await plane.anonymous().get("/agent/v1/trust")).status_code == 404


async def test_of_a_hundred_joins_at_once_exactly_one_wins(plane: Plane, admin: httpx2.AsyncClient) -> None:
    one = await token(admin)
    answers = await asyncio.gather(*(join(plane, one) for _ in range(100)))
    won = [agent for _, agent in answers if agent is not None]
    assert len(won) == 1
    assert {told(answer) for answer, agent in answers if agent is None} == {(401, "enrolment_refused")}
    assert (await won[0].desired()).status_code == 200
    assert (await actions(admin)).count("agent.enrol") == 100  # each of those that were refused, too


async def test_an_answer_that_was_lost_is_given_to_the_same_key_again(plane: Plane, admin: httpx2.AsyncClient) -> None:
    one, key = await token(admin), agent_keys.generate()
    _, first = await join(plane, one, key=key)
    _, again = await join(plane, one, key=key)
    assert first is not None
    assert again is not None
    assert (await again.desired()).status_code == 200
    assert (await first.desired()).status_code == 200  # it is the same agent
    assert (await join(plane, one, key=key, cluster="cluster-2"))[1] is None
    await first.renewed()
    await first.desired()
    assert (await join(plane, one, key=key))[1] is None


async def test_a_token_ends_and_a_new_one_voids_it(plane: Plane, admin: httpx2.AsyncClient) -> None:
    first = await token(admin)
    second = await token(admin)
    for wrong in (first, SecretValue(PREFIX + "nothing"), SecretValue("")):
        answer, _ = await join(plane, wrong)
        assert told(answer) == (401, "enrolment_refused")
    plane.clock.move(LASTS)
    assert (await join(plane, second))[1] is None


async def test_a_token_is_for_an_environment_and_not_for_its_name(plane: Plane, admin: httpx2.AsyncClient) -> None:
    one, agent = await token(admin, "west"), await enrolled(plane, admin)
    for name in ("west", "prod"):
        path = f"/api/v1/environments/{name}?force=true"
        headers = {"If-Match": (await admin.get(f"/api/v1/environments/{name}")).headers["ETag"]}
        plan = await admin.delete(f"{path}&dryRun=All", headers=headers)
        headers["Portreeve-Plan"] = plan.json()["digest"]
        assert (await admin.delete(path, headers=headers)).status_code == 204
    await plane.put(*ENVIRONMENTS[1:])
    assert (await join(plane, one))[1] is None
    assert told(await agent.desired()) == REFUSED
    assert (await admin.get("/api/v1/environments/prod/agent")).json()["agent"]["state"] == "none"


async def test_renewal_goes_on_where_a_crash_has_cut_it_off(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent, key = await enrolled(plane, admin), agent_keys.generate()
    before = agent.copy()
    assert (await agent.renewed(key)).status_code == 200
    # It dies before it has written the certificate down, and asks again with the key that it had written.
    assert (await before.desired()).status_code == 200
    again = before.copy()
    assert (await again.renewed(key)).status_code == 200
    assert (await again.desired()).status_code == 200
    assert told(await before.desired()) == REFUSED
    assert (await again.desired()).status_code == 200


async def test_two_holders_of_one_certificate_are_both_suspended(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent = await enrolled(plane, admin)
    thief = agent.copy()
    await agent.renewed()
    assert (await agent.desired()).status_code == 200
    assert told(await thief.renewed()) == REFUSED
    assert told(await agent.desired()) == REFUSED
    assert told(await thief.desired()) == REFUSED
    assert (await actions(admin)).count("agent.suspend") == 1
    assert (await admin.get("/api/v1/environments/prod/agent")).json()["agent"]["state"] == "suspended"
    # Only a person lets somebody in again, and neither of the two comes in by that.
    fresh = await enrolled(plane, admin)
    plane.clock.move(ON_ITS_WAY)
    assert told(await thief.desired()) == REFUSED
    assert (await fresh.desired()).status_code == 200


async def test_a_thief_who_renews_first_is_found_out_by_the_agent(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent = await enrolled(plane, admin)
    thief = agent.copy()
    await thief.renewed()
    await thief.desired()
    assert told(await agent.desired()) == REFUSED  # it may have been on its way
    assert (await thief.desired()).status_code == 200
    plane.clock.move(ON_ITS_WAY)
    assert told(await agent.desired()) == REFUSED
    assert told(await thief.desired()) == REFUSED


async def test_two_keys_for_the_next_certificate_are_two_holders(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent = await enrolled(plane, admin)
    thief = agent.copy()
    await thief.renewed()
    assert told(await agent.renewed()) == REFUSED
    assert told(await thief.desired()) == REFUSED


async def test_a_certificate_that_has_ended_is_good_for_renewal_alone(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent = await enrolled(plane, admin)
    plane.clock.move(LIFE)
    assert told(await agent.desired()) == REFUSED
    assert told(await agent.report(conditions=[])) == REFUSED
    assert (await agent.renewed()).status_code == 200
    assert (await agent.desired()).status_code == 200
    plane.clock.move(LIFE + RENEWABLE)
    assert told(await agent.renewed()) == REFUSED


async def test_who_is_revoked_is_refused_everywhere(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent, pending = await enrolled(plane, admin), await token(admin)
    assert (await admin.delete("/api/v1/environments/prod/agent")).status_code == 204
    for answer in (await agent.desired(), await agent.report(conditions=[]), await agent.renewed()):
        assert told(answer) == REFUSED
    assert (await join(plane, pending))[1] is None
    assert (await admin.delete("/api/v1/environments/prod/agent")).status_code == 204
    assert (await actions(admin)).count("agent.revoke") == 1


async def test_a_report_that_was_admitted_before_the_revocation_is_not_stored(
    plane: Plane, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, admit = await enrolled(plane, admin), plane.server.agents.admit

    async def late(*given: Any) -> Any:
        found = await admit(*given)
        await admin.delete("/api/v1/environments/prod/agent")
        return found

    monkeypatch.setattr(plane.server.agents, "admit", late)
    assert told(await agent.report(capabilities={"kubernetes": "1.33.1"})) == REFUSED
    assert "kubernetes" not in (await admin.get("/api/v1/environments/prod")).json()["status"]


async def test_who_waits_when_revoked_gets_nothing_more(database_url: str, tmp_path: Path) -> None:
    trust = tmp_path / "trust.pem"
    trust.write_text(TRUST)
    async with running(database_url, tmp_path, agents_trust=trust, channel_wait_s=30) as plane:
        await plane.put(*ENVIRONMENTS)
        admin = await plane.client("root", "platform-admin")
        agent = await enrolled(plane, admin)
        held = (await agent.desired()).json()["document"]
        poll = asyncio.create_task(agent.desired(held["generation"]))
        while not plane.server.doorbell.waiting:  # noqa: ASYNC110 -- who waits tells nobody
            await asyncio.sleep(0)
        await admin.delete("/api/v1/environments/prod/agent")
        assert told(await poll) == REFUSED


async def test_every_wrong_identity_gets_the_same_answer(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent = await enrolled(plane, admin)
    target = "/agent/v1/desired?generation=0"
    stranger = certificates.generate(plane.clock())
    foreign_key = agent_keys.generate()
    foreign = stranger.issue(agent_keys.request(foreign_key), certificates.Identity(agent.joined.uid, 1), plane.clock())
    good = agent.headers("GET", target, b"")
    wrong = {
        "nothing": {},
        "no header of ours": {agent_keys.HEADER: "x"},
        "another method": agent.headers("POST", target, b""),
        "another target": agent.headers("GET", f"{target}1", b""),
        "another body": agent.headers("GET", target, b"x"),
        "too early": agent.headers("GET", target, b"", plane.clock() - timedelta(minutes=6)),
        "too late": agent.headers("GET", target, b"", plane.clock() + timedelta(minutes=6)),
        "another authority": Agent(
            plane, agent.client, foreign_key, type(agent.joined)("prod", "", foreign.pem, ""), agent.opening
        ).headers("GET", target, b""),
        "another key": Agent(plane, agent.client, foreign_key, agent.joined, agent.opening).headers("GET", target, b""),
    }
    answers = {name: await agent.client.get(target, headers=headers) for name, headers in wrong.items()}
    assert (await agent.client.get(target, headers=good)).status_code == 200
    answers["replayed"] = await agent.client.get(target, headers=good)
    assert {name: told(answer) for name, answer in answers.items()} == dict.fromkeys(answers, REFUSED)
    texts = {tuple((k, v) for k, v in answer.json().items() if k != "request") for answer in answers.values()}
    assert len(texts) == 1


async def test_a_certificate_reaches_its_own_environment_and_no_other(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agents = {name: await enrolled(plane, admin, name) for name in ("prod", "west")}
    for name, agent in agents.items():
        assert (await agent.desired()).json()["document"]["environment"] == name
        other = "west" if name == "prod" else "prod"
        # Whatever else the request names, it is about the certificate's own.
        for target in (f"desired?generation=0&environment={other}", f"desired?environment={other}"):
            assert (await agent.send("GET", target)).json()["document"]["environment"] == name
        answer = await agent.report(environment=other, capabilities={"kubernetes": f"1.33.{len(name)}"})
        assert answer.status_code == 200
        shown = (await admin.get(f"/api/v1/environments/{name}")).json()["status"]
        assert shown["kubernetes"] == f"1.33.{len(name)}"
    await admin.delete("/api/v1/environments/prod/agent")
    assert told(await agents["prod"].desired()) == REFUSED
    assert (await agents["west"].desired()).status_code == 200


async def test_an_agent_is_nobody_to_the_api(plane: Plane, admin: httpx2.AsyncClient) -> None:
    agent = await enrolled(plane, admin)
    target = "/api/v1/environments"
    answer = await agent.client.get(target, headers=agent.headers("GET", target, b""))
    assert told(answer) == (401, "unauthenticated")


@pytest.mark.parametrize("body", [{}, [], {"token": 1}, {"token": "x", "more": 1}, "x"])
async def test_a_join_of_another_form_is_refused(plane: Plane, admin: httpx2.AsyncClient, body: object) -> None:
    assert told(await plane.anonymous().post("/agent/v1/enrol", json=body)) == (422, "message_invalid")


async def test_a_join_with_a_key_that_nothing_can_be_sealed_for(plane: Plane, admin: httpx2.AsyncClient) -> None:
    one = await token(admin)
    asked = Join(one, agent_keys.request(agent_keys.generate()), b"no key", "cluster")
    answer = await plane.anonymous().post("/agent/v1/enrol", json=join_document(asked))
    assert told(answer) == (422, "sealing_key")
    assert (await join(plane, one))[1] is not None  # and the token is not used up by it


@pytest.mark.wide
async def test_two_replicas_know_the_same_agents(
    postgres: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    keys = (generate(), certificates.generate(NOW))
    with postgres.database(postgres_template) as url:
        async with (
            agents_plane(url, tmp_path, keys=keys) as one,
            agents_plane(url, tmp_path, keys=keys, clock=one.clock) as two,
        ):
            await one.put(*ENVIRONMENTS)
            admin = await one.client("root", "platform-admin")
            shared = await token(admin)
            answers = await asyncio.gather(*(join(plane, shared) for plane in (one, two) for _ in range(20)))
            (agent,) = [agent for _, agent in answers if agent is not None]
            await one.server.desired.sweep()
            elsewhere = agent.copy()
            for plane in (one, two):
                elsewhere.client = plane.anonymous()
                assert (await elsewhere.desired()).status_code == 200
            await admin.delete("/api/v1/environments/prod/agent")
            assert told(await elsewhere.desired()) == REFUSED


@pytest.mark.wide
async def test_who_waits_at_one_replica_hears_of_what_another_one_changes(
    postgres: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    keys = (generate(), certificates.generate(NOW))
    with postgres.database(postgres_template) as url:
        async with (
            agents_plane(url, tmp_path, keys=keys) as one,
            agents_plane(url, tmp_path, keys=keys, clock=one.clock) as two,
        ):
            await one.put(*ENVIRONMENTS)
            admin = await one.client("root", "platform-admin")
            agent = await enrolled(one, admin)
            known = (await agent.desired()).json()["document"]["generation"]
            agent.client = two.anonymous()
            poll = asyncio.create_task(agent.desired(known))
            while not two.server.doorbell.waiting:  # noqa: ASYNC110 -- who waits tells nobody
                await asyncio.sleep(0)
            await one.put(
                document("Registry", "r", provider="harbor", host="r.example.com"),
                document("RegistryAccess", "a", registry="r", environment="prod", namespaces={"names": ["shop"]}),
            )
            answer = (await poll).json()["document"]
            assert [grant["registry"] for grant in answer["grants"]] == ["r"]
            poll = asyncio.create_task(agent.desired(answer["generation"]))
            while not two.server.doorbell.waiting:  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0)
            await admin.delete("/api/v1/environments/prod/agent")
            assert told(await poll) == REFUSED
