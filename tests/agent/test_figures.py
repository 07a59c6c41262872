"""The metrics of an agent that runs: each of them, and what they say; the names that alerts are made of.

Source: issue 5, point 9.
"""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

import pytest

from portreeve.agent import figures
from tests.agent.governed import governed, until
from tests.kube.conftest import namespace
from tests.scraped import Scraped, labels, scraped
from tests.tools.cluster import Cluster

__all__ = ["namespace"]

ROOT = Path(__file__).parents[2]
RULE = ROOT / "deploy/helm/agent/templates/prometheusrule.yaml"


def test_the_page_lists_every_metric_with_its_labels() -> None:
    page = (ROOT / "docs/howto/metrics.md").read_text(encoding="utf-8")
    section = page.partition("## The agent")[2].partition("\n## ")[0]
    listed = {
        name: tuple(re.findall(r"\w+", held))
        for name, held in re.findall(r"^\| `(\w+)` \| ([^|]*)\|", section, re.MULTILINE)
    }
    assert listed == {one.name: one.labels for one in figures.ALL}


def fetched(url: str) -> tuple[int, bytes]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.status, answer.read()


@pytest.mark.slow
def test_an_agent_tells_of_its_work_and_every_metric_of_an_alert_is_told(
    kubernetes: Cluster, namespace: str, tmp_path: Path
) -> None:
    with governed(kubernetes, tmp_path) as scene:
        scene.agent.stop()
        scene.agent.arguments = ("--metrics", "0")
        scene.agent.start()
        found = until(
            lambda: re.search(r"metrics at (http://127\.0\.0\.1:\d+)", scene.agent.log.read_text()), "listens"
        )
        url = found[1]
        scene.registry("canary-of-the-figures-7")
        scene.grant(namespace)
        until(lambda: scene.conditions().get("Delivered") == "True", "delivered")
        assert fetched(f"{url}/healthz") == (200, b"ok\n")

        def page() -> Scraped:
            return scraped(fetched(f"{url}/metrics")[1])

        until(lambda: page()["portreeve_agent_namespaces"][labels(phase="delivered")] == 1, "told")
        agent = page()
        assert set(agent) == {one.name for one in figures.ALL}
        assert agent["portreeve_agent_channel_state"][labels(state="answered")] == 1
        assert agent["portreeve_agent_requests_total"][labels(kind="ApplySecret", outcome="done")] >= 1
        assert agent["portreeve_agent_reports_total"][labels(result="taken")] >= 1
        assert set(agent["portreeve_agent_watch_blind"].values()) == {0}
        until(lambda: page()["portreeve_agent_generation"][labels()] == scene.status()["generation"], "believed")
        assert namespace not in str(agent)

        answer = scene.served.run(scene.admin.post("/api/v1/registries/r/validate"))
        assert answer.status_code == 200, answer.text
        until(lambda: scene.conditions().get("Delivered") == "True", "told")
        plane = scraped(scene.served.run(scene.admin.get("/metrics")).content)
        asked = set(re.findall(r"portreeve_\w+", RULE.read_text(encoding="utf-8")))
        assert len(asked) > 5
        assert asked - set(plane) - set(agent) == set()
        assert plane["portreeve_pull_secrets"][labels(environment="prod", state="in_sync")] == 1
        assert scene.agent.stop() == 0
