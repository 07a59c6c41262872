"""`portreeve add environment`: the document where there is none, and one command that enrols an agent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Operator
from tests.server.agents.agent import TRUST
from tests.server.plane import document
from tests.server.served import Served, served


@pytest.fixture
def control_plane(tmp_path: Path) -> Iterator[Served]:
    """As everywhere here, and agents can know it."""
    (tmp_path / "trust.pem").write_text(TRUST)
    url = f"sqlite:///{tmp_path / 'portreeve.db'}"
    with served(
        url, tmp_path, agents_trust=tmp_path / "trust.pem", public_url="https://portreeve.example.com"
    ) as started:
        started.put(document("EnvironmentGroup", "production"))
        yield started


NEW = ("add", "environment", "prod-eu", "--tier", "production", "--group", "production")


def test_one_command_is_the_answer_and_nothing_else_is(operator: Operator) -> None:
    asked = operator.run(*NEW)
    assert (asked.code, operator.run("get", "environments", "-o", "name").out) == (2, "")
    added = operator.run(*NEW, "-y")
    assert added.code == 0, added.err
    (line,) = added.out.splitlines()
    assert line.startswith("printf %s prtj_")
    assert line.endswith("| portreeve-agent enrol --server https://portreeve.example.com")
    assert "prtj_" not in added.err
    for told in ("--from-file=token=/dev/stdin", "kubectl apply -f deploy/kustomize/agent/agent.yaml", "helm install"):
        assert told in added.err
    assert "--set server=https://portreeve.example.com --set cluster=prod-eu --set join.existingSecret=" in added.err
    # Another agent for the same environment: nothing is asked, as nothing is changed.
    again = operator.run("add", "environment", "prod-eu", "-o", "json")
    assert again.code == 0, again.err
    assert again.json["join"] not in line
    shown = operator.run("get", "environment", "prod-eu", "-o", "json").json
    assert shown["status"]["agent"]["state"] == "none"


def test_a_host_is_not_told_of_kubernetes(operator: Operator) -> None:
    operator.plane.put(document("EnvironmentGroup", "hosts", type="docker"))
    placed = ("--tier", "production", "--group", "hosts", "--type", "docker")
    added = operator.run("add", "environment", "dock", *placed, "-y")
    assert added.code == 0, added.err
    again = operator.run("add", "environment", "dock")
    assert "kubectl" not in added.err + again.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("add", "environment", "prod-eu"), "needs --tier and --group"),
        ((*NEW, "--provider", "harbor"), "--provider is not for add environment"),
        (("add", "registry", "r.example.com", "--tier", "production"), "--tier is not for add registry"),
        (("add", "environment", "Prod EU", "--tier", "production", "--group", "production", "-y"), "metadata.name"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(operator: Operator, words: tuple[str, ...], told: str) -> None:
    done = operator.run(*words)
    assert done.code == 2
    assert told in done.err
    assert operator.run("get", "environments", "-o", "name").out == ""


def test_an_agent_is_shut_out_once_somebody_has_read_what_stays(operator: Operator) -> None:
    operator.run(*NEW, "-y")
    joined = operator.run("add", "environment", "prod-eu", "-o", "json").json["join"]
    asked = operator.run("revoke", "--agent", "prod-eu")
    assert (asked.code, asked.out) == (2, "")
    assert "answer_needed" in asked.err
    assert "stays in the cluster: pull secrets" in asked.err
    absent = operator.run("revoke", "--agent", "prod-eu", "nowhere", "-y")
    assert (absent.code, absent.out) == (2, "")
    done = operator.run("revoke", "--agent", "prod-eu", "prod-eu", "-y")
    assert (done.code, done.out) == (0, "agent of prod-eu shut out\n"), done.err
    assert joined not in done.out + done.err
    events = operator.run("audit", "-o", "json").out
    assert "agent.revoke" in events
    again = operator.run("revoke", "--agent", "prod-eu", "-y", "-o", "json", "-q")
    assert (again.code, again.err) == (0, "")
    assert again.json["agents"] == [{"environment": "prod-eu", "was": "none", "state": "none"}]
    # An access of that name is another thing.
    assert operator.run("revoke", "prod-eu", "-y").code == 2
