"""`/metrics`: what it says of a fleet, who may have it, and that nothing anybody writes breaks it or makes it grow.

Source: the design's interfaces, "Metrics, dashboards, alerts"; issue 5, point 9.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from portreeve.core.rotation import CONNECTED
from portreeve.errors import Invalid, Unavailable
from portreeve.server import settings
from portreeve.server.metrics import catalogue, service
from portreeve.wire.exposition import CONTENT_TYPE
from tests.scraped import Scraped, labels, scraped
from tests.server.agents.agent import ENVIRONMENTS, Agent, agents_plane, enrolled
from tests.server.fakes import TokenService
from tests.server.plane import NOW, Clock, Plane, document
from tests.server.test_exemptions import exemption
from tests.server.test_refresh import registry as ecr
from tests.tools.promql import Prometheus

ROOT = Path(__file__).parents[2]
SECRET = "canary-of-the-metrics-31c9"
PROD = {"environment": "prod"}


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    service_ = TokenService(Clock())
    async with agents_plane(
        f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path, clock=service_.clock, minter=service_
    ) as started:
        await started.put(*ENVIRONMENTS)
        yield started


@pytest.fixture
async def admin(plane: Plane) -> httpx2.AsyncClient:
    return await plane.client("root", "platform-admin")


async def scrape(plane: Plane, client: httpx2.AsyncClient) -> Scraped:
    """The page as it is now: what is held for some seconds is given time to go."""
    plane.clock.move(service.FRESH)
    answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == CONTENT_TYPE
    return scraped(answer.content)


async def reported(plane: Plane, admin: httpx2.AsyncClient, **more: Any) -> Agent:
    agent = await enrolled(plane, admin)
    await plane.server.desired.sweep()
    await agent.desired()
    assert (await agent.report(**more)).status_code == 200
    await plane.server.doorbell.note()
    return agent


def secret(namespace: str, phase: str) -> dict[str, Any]:
    return {"namespace": namespace, "uid": "u", "phase": phase, "entries": [], "conflict": None}


def image(namespace: str, name: str) -> dict[str, Any]:
    return {"namespace": namespace, "owner": f"Deployment/{namespace}", "image": name}


async def test_nothing_is_said_of_what_is_not_known(plane: Plane, admin: httpx2.AsyncClient) -> None:
    await plane.put(document("Registry", "r", provider="harbor", host="r.example.com"))
    found = await scrape(plane, admin)
    assert found["portreeve_registry_info"] == {labels(registry="r", provider="harbor", host="r.example.com"): 1}
    silent = {
        "portreeve_registry_up", "portreeve_registry_probe_duration_seconds", "portreeve_environment_connected",
        "portreeve_environment_last_seen_timestamp_seconds", "portreeve_pull_secrets", "portreeve_drift_resources",
        "portreeve_policy_images", "portreeve_policy_coverage_ratio", "portreeve_exemption_expiry_timestamp_seconds",
        "portreeve_credential_expiry_timestamp_seconds",
    }  # fmt: skip
    assert not silent & set(found)
    # A policy nowhere is a policy that is wanted nowhere.
    assert found["portreeve_enforcement_state"][labels(environment="prod", state="not_wanted")] == 1


async def test_an_environment_is_told_of_as_its_agent_tells_of_it(plane: Plane, admin: httpx2.AsyncClient) -> None:
    enforced = {"type": "Enforced", "status": "True", "reason": "Probed", "observedGeneration": 1}
    phases = ["Delivered", "Delivered", "NothingToDeliver", "NameTaken", "Kept", "MadeUp", "InventedToo"]
    agent = await reported(
        plane,
        admin,
        conditions=[enforced],
        pullSecrets=[secret(f"n{number}", phase) for number, phase in enumerate(phases)],
    )
    found = await scrape(plane, admin)
    secrets = found["portreeve_pull_secrets"]
    told = {dict(one)["state"]: count for one, count in secrets.items() if count}
    assert told == {"in_sync": 3, "name_taken": 1, "kept": 1, "other": 2}
    assert found["portreeve_drift_resources"] == {labels(**PROD): 1}
    assert found["portreeve_environment_connected"] == {labels(**PROD): 1}
    [seen] = found["portreeve_environment_last_seen_timestamp_seconds"].values()
    assert NOW.timestamp() <= seen <= plane.clock().timestamp()

    restrict = {"stage": "deny", "allowedSources": []}
    await plane.put(document("RegistryPolicy", "p", groups=["production"], restrict=restrict))
    assert await state(plane, admin) == "enforced"
    await agent.report(conditions=[{**enforced, "status": "False", "reason": "Drifted"}])
    await plane.server.doorbell.note()
    assert await state(plane, admin) == "gap"
    assert (await scrape(plane, admin))["portreeve_drift_resources"] == {labels(**PROD): 2}
    plane.clock.move(CONNECTED)
    assert await state(plane, admin) == "unknown"
    assert (await scrape(plane, admin))["portreeve_environment_connected"] == {labels(**PROD): 0}


async def state(plane: Plane, client: httpx2.AsyncClient) -> str:
    found = (await scrape(plane, client))["portreeve_enforcement_state"]
    of_it = {dict(one)["state"]: value for one, value in found.items() if ("environment", "prod") in one}
    assert set(of_it) == {"enforced", "gap", "unknown", "not_wanted"}
    [holds] = [name for name, value in of_it.items() if value]
    return holds


async def test_images_are_counted_by_what_the_policy_says(plane: Plane, admin: httpx2.AsyncClient) -> None:
    allowed = [{"prefix": "docker.io/library/redis", "scope": "Global"}]
    restrict = {"stage": "deny", "allowedSources": allowed}
    images = [
        image("shop", "redis:7"),
        image("shop", "evil.example.com/x:1"),
        image("kube-system", "evil.example.com/x:1"),
    ]
    agent = await reported(plane, admin, images={"added": images})
    found = await scrape(plane, admin)
    assert found["portreeve_policy_images"] == {labels(mode="off", verdict="not_judged"): 3}
    assert found["portreeve_policy_coverage_ratio"] == {labels(): 0}
    await plane.put(document("RegistryPolicy", "p", groups=["production"], restrict=restrict))
    found = await scrape(plane, admin)
    assert found["portreeve_policy_images"] == {
        labels(mode="deny", verdict="allow"): 1,
        labels(mode="deny", verdict="deny"): 1,
        labels(mode="audit", verdict="deny"): 1,
    }
    assert found["portreeve_policy_coverage_ratio"] == {labels(): 1}
    await agent.report(images={"removed": images[1:2]})
    await plane.server.doorbell.note()
    assert labels(mode="deny", verdict="deny") not in (await scrape(plane, admin))["portreeve_policy_images"]


async def test_a_stored_credential_ends_and_what_is_minted_from_it_does_not_count(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    declared = {
        "purpose": "pull",
        "method": "basic",
        "parameters": {"username": "u"},
        "expiresAt": "2027-02-01T00:00:00Z",
    }
    await plane.put(
        document("Registry", "r", provider="harbor", host="r.example.com", credentials=[declared]),
        ecr(),
        document("RegistryAccess", "a", registry="ecr", environment="prod", namespaces={"names": ["shop"]}),
    )
    for name in ("r", "ecr"):
        answer = await admin.put(f"/api/v1/registries/{name}/credentials/pull", json={"secret": SECRET})
        assert answer.status_code == 200, answer.text
    before = await scrape(plane, admin)
    assert before["portreeve_credential_refresh_total"][labels(result="success")] == 0
    await plane.server.refresh.sweep()
    found = await scrape(plane, admin)
    assert [token.held is not None for token in plane.server.writer.snapshot.tokens.values()] == [True]
    ends = {labels(registry="r", purpose="pull"): 1801440000}
    assert found["portreeve_credential_expiry_timestamp_seconds"] == ends
    assert found["portreeve_credential_refresh_total"][labels(result="success")] == 1
    assert found["portreeve_registry_up"] == {labels(registry="ecr"): 1}


async def test_a_registry_that_mints_nothing_for_want_of_an_answer_is_down(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    minter = plane.server.refresh.minter
    assert isinstance(minter, TokenService)
    minter.failure = Unavailable("mint_unreachable", "no answer")
    await plane.put(
        ecr(), document("RegistryAccess", "a", registry="ecr", environment="prod", namespaces={"names": ["shop"]})
    )
    assert (await admin.put("/api/v1/registries/ecr/credentials/pull", json={"secret": SECRET})).status_code == 200
    await plane.server.refresh.sweep()
    found = await scrape(plane, admin)
    assert found["portreeve_registry_up"] == {labels(registry="ecr"): 0}
    assert found["portreeve_credential_refresh_total"][labels(result="unreachable")] == 1


async def test_a_validation_says_whether_it_answers(plane: Plane, admin: httpx2.AsyncClient) -> None:
    # Every name is this machine, which no registry may be: it is not reached.
    await plane.put(document("Registry", "r", provider="harbor", host="r.example.com"))
    assert (await admin.post("/api/v1/registries/r/validate")).status_code == 200
    found = await scrape(plane, admin)
    assert found["portreeve_registry_up"] == {labels(registry="r"): 0}
    assert labels(registry="r") in found["portreeve_registry_probe_duration_seconds"]


async def test_exemptions_by_state_and_the_next_end(tmp_path: Path, plane: Plane, admin: httpx2.AsyncClient) -> None:
    await plane.put(document("RegistryPolicy", "sources", groups=["production"], restrict={"stage": "deny"}))
    asker = await plane.client("dev", "developer", environments=["prod"], namespaces=["cache"])
    assert (await asker.post("/api/v1/exemptions", json=exemption())).status_code == 201
    found = await scrape(plane, admin)
    assert found["portreeve_exemptions"][labels(state="requested")] == 1
    assert (await admin.post("/api/v1/exemptions/redis/approve")).status_code == 200
    found = await scrape(plane, admin)
    assert found["portreeve_exemption_expiry_timestamp_seconds"] == {labels(): 1796083200}
    plane.clock.move(timedelta(days=30))
    found = await scrape(plane, admin)
    assert found["portreeve_exemptions"][labels(state="expired")] == 1
    assert "portreeve_exemption_expiry_timestamp_seconds" not in found


async def test_detailed_tells_environments_and_exemptions_apart(tmp_path: Path) -> None:
    async with agents_plane(f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path, metrics="detailed") as plane:
        await plane.put(*ENVIRONMENTS)
        admin = await plane.client("root", "platform-admin")
        await reported(plane, admin, images={"added": [image("shop", "redis:7")]})
        found = await scrape(plane, admin)
        assert found["portreeve_policy_images"] == {labels(mode="off", verdict="not_judged", environment="prod"): 1}
        await plane.put(document("RegistryPolicy", "p", groups=["production"], restrict={"stage": "warn"}))
        assert await state(plane, admin) == "not_wanted"


async def test_only_who_may_read_the_settings_of_everything_may_have_it(
    plane: Plane, admin: httpx2.AsyncClient
) -> None:
    assert (await plane.anonymous().get("/metrics")).status_code == 401
    narrow = await plane.client("nearby", "auditor", environments=["prod"])
    answer = await narrow.get("/metrics")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    await plane.client("prometheus", "auditor")
    token = await plane.token("prometheus", {"readOnly": True, "kinds": ["settings"]})
    scraper = plane.anonymous({"Authorization": f"Bearer {token.reveal().decode()}"})
    assert scraped((await scraper.get("/metrics")).content)
    # And what it may see besides is next to nothing.
    assert (await scraper.get("/api/v1/environments")).json()["items"] == []
    assert (await scraper.get("/api/v1/registries")).json()["items"] == []


async def test_who_asks_often_costs_little_and_sees_what_has_changed(plane: Plane, admin: httpx2.AsyncClient) -> None:
    first = (await admin.get("/metrics")).content
    assert (await admin.get("/metrics")).content == first
    await plane.put(document("Registry", "r", provider="harbor", host="r.example.com"))
    assert "portreeve_registry_info" in scraped((await admin.get("/metrics")).content)


async def test_prometheus_takes_the_page(plane: Plane, admin: httpx2.AsyncClient, prometheus: Prometheus) -> None:
    await plane.put(document("Registry", "r", provider="harbor", host="r.example.com"))
    page = (await admin.get("/metrics")).content
    names = {held["__name__"] for held, _ in prometheus.scraped(page)}
    assert names == set(scraped(page))


async def test_methods_and_labels_are_not_text_of_the_callers(plane: Plane, admin: httpx2.AsyncClient) -> None:
    for method in ("BREW", "X" * 200):
        await admin.request(method, "/api/v1/registries")
    found = await scrape(plane, admin)
    assert {dict(one)["method"] for one in found["portreeve_http_requests_total"]} <= {"GET", "POST", "other"}
    page = (await admin.get("/metrics")).content
    assert SECRET.encode() not in page


def test_a_mode_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="summary, detailed"):
        settings.read({"PORTREEVE_SERVER_METRICS": "all"}, tmp_path)
    assert settings.read({"PORTREEVE_SERVER_METRICS": "detailed"}, tmp_path).metrics == "detailed"


def test_the_page_lists_every_metric_with_its_labels() -> None:
    page = (ROOT / "docs/howto/metrics.md").read_text(encoding="utf-8")
    section = page.partition("## The control plane")[2].partition("\n## ")[0]
    listed = {
        name: tuple(re.findall(r"\w+", held))
        for name, held in re.findall(r"^\| `(\w+)` \| ([^|]*)\|", section, re.MULTILINE)
    }
    assert listed == {one.name: one.labels for one in catalogue.ALL}
    for one in catalogue.DETAILED:
        assert f"`{one.name}`: {', '.join(one.labels)}" in section
