"""Who keeps an environment: one at a time, whoever comes first and whoever comes later. No cluster answers here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from portreeve.core.channel import Known
from portreeve.errors import Conflict
from portreeve.reconciler.records import Journal
from portreeve.server.local.clusters import Reached, reached
from portreeve.server.local.keeping import Keeping, LocalAgent, LocalAgents, known, remember
from portreeve.server.settings import LocalCluster, Settings
from portreeve.vault.sealing import generate
from portreeve.wire.channel import Report
from tests.server.agents.agent import ENVIRONMENTS, agents_plane, enrolled, join, token
from tests.server.local.kubeconfig import kubeconfig
from tests.server.plane import Plane, document

SOON_S = 20.0


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with agents_plane(f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path) as started:
        await started.put(*ENVIRONMENTS)
        yield started


@pytest.fixture
async def admin(plane: Plane) -> httpx2.AsyncClient:
    return await plane.client("root", "platform-admin")


def cluster(directory: Path, environment: str = "prod", *, asked: bool = False) -> Reached:
    found = LocalCluster(environment, kubeconfig(directory), asked=asked)
    return reached(Settings(directory / "data", directory / "keys", local_clusters=(found,)), {}, lambda: None)[0]  # type: ignore[arg-type, return-value]


def parts(plane: Plane) -> Keeping:
    server = plane.server
    return Keeping(server.writer, server.agents, server.desired, server.doorbell, server.clock, server.new_id)


def agents(plane: Plane, one: Reached) -> LocalAgents:
    return LocalAgents([one], parts(plane))


@asynccontextmanager
async def kept(plane: Plane, one: Reached) -> AsyncIterator[LocalAgents]:
    """It is kept, as far as that goes, until the end of the block."""
    found = agents(plane, one)
    await found.refuse_held()
    found.start()
    try:
        yield found
    finally:
        await found.stop()


async def until(holds: Callable[[], Awaitable[Any]], what: str) -> None:
    async with asyncio.timeout(SOON_S):
        while not await holds():  # noqa: ASYNC110 -- it is asked as a client asks
            await asyncio.sleep(0.02)


async def state(admin: httpx2.AsyncClient) -> str:
    return str((await admin.get("/api/v1/environments/prod/agent")).json()["agent"]["state"])


async def is_local(admin: httpx2.AsyncClient) -> bool:
    return await state(admin) == "local"


async def actions(admin: httpx2.AsyncClient) -> list[tuple[str, str, str, str | None]]:
    found = (await admin.get("/api/v1/audit?limit=200")).json()["items"]
    found.sort(key=lambda one: one["sequence"])
    return [
        (one["action"], one["actor"]["principal"], one["actor"]["via"]["id"], one.get("reason"))
        for one in found
        if one["object"]["kind"] == "agent"
    ]


async def test_it_enrols_once_and_comes_back_with_what_it_believed(
    plane: Plane, admin: httpx2.AsyncClient, tmp_path: Path
) -> None:
    one = cluster(tmp_path)

    async def believed() -> bool:
        held = await plane.server.desired.current("prod")
        return held is not None and held.generation == remembered(one).generation

    for _ in range(2):
        async with kept(plane, one):
            await until(lambda: is_local(admin), "enrolled")
            await until(believed, "believed")
    assert await actions(admin) == [("agent.enrol", "portreeve", "local", None)]
    held = await plane.server.desired.current("prod")
    assert held is not None
    assert f'"sealedFor":"{one.key.sealing_key.fingerprint.hex()}"'.encode() in held.document


def remembered(one: Reached) -> Known:
    """What is on the disk; the file is read as it is."""
    copy = one.directory / "copy"
    copy.mkdir(exist_ok=True)
    records = one.directory / "records.jsonl"
    (copy / "records.jsonl").write_bytes(records.read_bytes() if records.exists() else b"")
    with Journal(copy) as journal:
        return known(journal)


async def test_an_agent_that_joins_takes_over_and_is_not_displaced(
    plane: Plane, admin: httpx2.AsyncClient, tmp_path: Path
) -> None:
    one = cluster(tmp_path, asked=True)
    async with kept(plane, one) as keeping:
        await until(lambda: is_local(admin), "enrolled")
        agent = await enrolled(plane, admin)
        assert await state(admin) == "active"

        async def told() -> bool:
            return [one.code for one in keeping.problems()] == ["agent_enrolled"]

        await until(told, "it has given way")
        assert (await agent.desired()).status_code == 200
        # What `/readyz` asks.
        assert keeping.problems()[0] in replace(plane.server, local=keeping).problems()
        with pytest.raises(Conflict) as caught:
            await agents(plane, one).refuse_held()
        assert caught.value.code == "agent_enrolled"
        # Shut out by name: nothing takes its place by itself, and a start that asks for it does.
        await admin.delete("/api/v1/environments/prod/agent")
        await until(lambda: is_shut_out(keeping), "it stays away")
        assert await state(admin) == "revoked"
    async with kept(plane, one):
        await until(lambda: is_local(admin), "asked for once more")
        assert (await agent.desired()).status_code == 401
    assert [(action, who, why) for action, who, _, why in await actions(admin)] == [
        ("agent.enrol", "portreeve", None),
        ("agent.revoke", "agent/prod", "agent_enrolled"),
        ("agent.enrol", "agent/prod", None),
        ("agent.revoke", "root", None),
        ("agent.enrol", "portreeve", None),
    ]


async def test_a_report_that_was_on_its_way_counts_no_more(
    plane: Plane, admin: httpx2.AsyncClient, tmp_path: Path
) -> None:
    """The agent has come and has said nothing yet: what is known of its cluster is not overwritten from here."""
    one = cluster(tmp_path)
    late = LocalAgent(one, parts(plane))
    report = Report(1, True, 1, capabilities={"kubernetes": "1.36.0"})
    async with kept(plane, one):
        await until(lambda: is_local(admin), "enrolled")
        await late.take_in(report)
        await enrolled(plane, admin)
    with pytest.raises(Conflict) as caught:
        await late.take_in(report)
    assert caught.value.code == "agent_enrolled"
    other = LocalAgent(replace(one, key=generate()), parts(plane))
    with pytest.raises(Conflict):
        await other.take_in(report)


async def test_what_was_shut_out_by_name_does_not_come_back_with_a_restart(
    plane: Plane, admin: httpx2.AsyncClient, tmp_path: Path
) -> None:
    one = cluster(tmp_path)
    async with kept(plane, one) as keeping:
        await until(lambda: is_local(admin), "enrolled")
        assert (await admin.delete("/api/v1/environments/prod/agent")).status_code == 204
        await until(lambda: is_shut_out(keeping), "it has stopped")
    with pytest.raises(Conflict) as caught:
        await agents(plane, cluster(tmp_path, asked=True)).refuse_held()
    assert caught.value.code == "local_agent_revoked"
    async with kept(plane, one) as keeping:
        await until(lambda: is_shut_out(keeping), "it stays away")
        assert await state(admin) == "revoked"
    (tmp_path / "keys/local-prod.key").unlink()
    async with kept(plane, cluster(tmp_path)):
        await until(lambda: is_local(admin), "with another key")


async def is_shut_out(keeping: LocalAgents) -> bool:
    return [one.code for one in keeping.problems()] == ["local_agent_revoked"]


async def test_an_environment_is_waited_for_and_kept_again_when_it_is_made_anew(
    plane: Plane, admin: httpx2.AsyncClient, tmp_path: Path
) -> None:
    await delete(admin)
    async with kept(plane, cluster(tmp_path)) as keeping:
        for _ in range(2):
            await plane.put(ENVIRONMENTS[1])
            await until(lambda: is_local(admin), "made")
            assert keeping.problems() == ()
            await delete(admin)


async def delete(admin: httpx2.AsyncClient) -> None:
    """At once: nobody answers for the cluster, and an environment leaves only when it is known to be empty."""
    path = "/api/v1/environments/prod?force=true"
    plan = (await admin.delete(f"{path}&dryRun=All")).json()["digest"]
    answer = await admin.delete(path, headers={"Portreeve-Plan": plan})
    assert answer.status_code == 204, answer.text


async def test_a_docker_host_is_not_kept(plane: Plane, tmp_path: Path) -> None:
    await plane.put(
        document("EnvironmentGroup", "docker", type="docker"),
        document("Environment", "host", type="docker", tier="production", group="docker"),
    )
    async with kept(plane, cluster(tmp_path, "host")) as keeping:

        async def told() -> bool:
            return [one.code for one in keeping.problems()] == ["environment_type"]

        await until(told, "refused")


async def test_a_database_that_was_restored_goes_on_behind_what_was_believed(
    plane: Plane, admin: httpx2.AsyncClient, tmp_path: Path
) -> None:
    one = cluster(tmp_path)
    with Journal(one.directory) as journal:
        remember(journal, Known(40, "sha256:of-another-time", b"\x01"))
    async with kept(plane, one):
        await until(lambda: believed_behind(one, 40), "numbers go on")
    held = await plane.server.desired.current("prod")
    assert held is not None
    assert held.generation == remembered(one).generation


async def test_a_second_history_is_not_believed_and_numbers_go_on_behind_it(
    plane: Plane, admin: httpx2.AsyncClient, tmp_path: Path
) -> None:
    """The same number with another content: what a restored database has written anew."""
    one = cluster(tmp_path)
    async with kept(plane, one):
        await until(lambda: is_local(admin), "enrolled")
        await until(lambda: believed_behind(one, 0), "believed")
    seen = remembered(one)
    with Journal(one.directory) as journal:
        remember(journal, Known(seen.generation, "sha256:of-another-time", b"\x01"))
    async with kept(plane, one):
        await until(lambda: believed_behind(one, seen.generation), "numbers go on")


async def believed_behind(one: Reached, generation: int) -> bool:
    return remembered(one).generation > generation


async def test_an_agents_token_still_counts_once_while_it_is_kept_from_here(
    plane: Plane, admin: httpx2.AsyncClient, tmp_path: Path
) -> None:
    """A token from before is no second holder: who brings it is the one from then on."""
    shown = await token(admin)
    async with kept(plane, cluster(tmp_path)):
        await until(lambda: is_local(admin), "enrolled")
        _, agent = await join(plane, shown)
        assert agent is not None
        assert (await join(plane, shown))[1] is None
        assert await state(admin) == "active"
