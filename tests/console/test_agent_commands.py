"""What the console shows for agents, run as it stands, over TLS, below a path, and against a real API server:
enrolling, shutting out, removing an environment whose agent takes away what it delivered.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import STDOUT, Popen
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.agent.governed import PROGRAM as AGENT
from tests.agent.governed import ungoverned, until
from tests.agent.secure import served_with_tls
from tests.console.browser import Console, RealClock
from tests.console.mutations import runs
from tests.console.typed import as_typed, codes
from tests.server.plane import document
from tests.tools.cluster import Cluster
from tests.tools.process import free_ports

pytestmark = pytest.mark.slow

PLACES = ("by-portreeve", "by-curl", "by-button")
"""An environment for each way in which something is done."""

POD = "in-a-pod"
"""And one whose agent runs in its cluster."""


@dataclass
class Machine:
    """Where commands are typed: it trusts the control plane, and has `portreeve-agent`. Of that, all that is added is
    where keys are kept: the usual place belongs to root."""

    console: Console
    directory: Path
    trust: Path
    cluster: Cluster
    typed: int = 0

    def __post_init__(self) -> None:
        self.programs.mkdir(parents=True)
        shim = f'#!/bin/sh\nexec {sys.executable} -c "{AGENT}" "$@" --state "$AGENT_STATE"\n'
        (self.programs / "portreeve-agent").write_text(shim)
        (self.programs / "portreeve-agent").chmod(0o755)

    @property
    def programs(self) -> Path:
        return self.directory / "bin"

    def state(self, environment: str) -> Path:
        return self.directory / f"state-{environment}"

    def enrol(self, environment: str) -> None:
        """Another agent, as the command line does it."""
        shutil.rmtree(self.state(environment))
        self.run(self.run(f"portreeve add environment {environment}"), environment)

    def run(self, text: str, environment: str = "") -> str:
        self.typed += 1
        variables: Any = {
            "PORTREEVE_CA_FILE": str(self.trust),
            "CURL_CA_BUNDLE": str(self.trust),
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "AGENT_STATE": str(self.state(environment)),
        }
        folder = self.directory / f"typed-{self.typed}"
        return as_typed(self.console, folder, text, path=(self.programs,), **variables)

    @contextmanager
    def agent(self, environment: str) -> Iterator[None]:
        """The agent of an environment, while it runs."""
        words = [str(self.programs / "portreeve-agent"), "run", "--kubeconfig", str(self.cluster.kubeconfig)]
        with (self.directory / f"{environment}.log").open("wb") as log:
            variables = {**os.environ, "AGENT_STATE": str(self.state(environment))}
            running = Popen(words, stdout=log, stderr=STDOUT, env=variables)
            try:
                yield
            finally:
                running.terminate()
                running.wait(30)

    def standing(self, environment: str) -> Mapping[str, Any]:
        """How its agent stands, without times and names."""
        found = self.console.ask("GET", f"environments/{environment}/agent")["agent"]
        return {part: found[part] for part in ("state", "connected")}


@pytest.fixture(scope="module")
def machine(kubernetes: Cluster, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    directory = tmp_path_factory.mktemp("agents")
    (directory / "plane").mkdir()
    url = f"sqlite:///{directory / 'plane/portreeve.db'}"
    (port,) = free_ports(1)
    public = f"https://127.0.0.1:{port}/below/a/path"
    clock: Any = RealClock()
    with served_with_tls(url, directory / "plane", clock=clock, port=port, public_url=public) as served:
        served.url = public
        served.put(
            document("EnvironmentGroup", "production"),
            *(document("Environment", name, tier="production", group="production") for name in (*PLACES, POD)),
        )
        console = Console(served, browser)
        try:
            yield Machine(console, directory / "machine", directory / "plane/tls/ca.crt", kubernetes)
        finally:
            with kubernetes.client() as kube:
                ungoverned(kube)
        console.close()


@runs(
    "pages/environments/Agent.tsx:Enrol:POST",
    "pages/environments/Agent.tsx:ShutOut:DELETE",
    "pages/environments/RemoveEnvironment.tsx:RemoveEnvironment:ConfirmChange",
)
def test_agents_are_enrolled_shut_out_and_leave(machine: Machine) -> None:
    console, (portreeve, curl, button) = machine.console, PLACES
    page = console.page(f"/environments/{portreeve}?tab=agent")
    # What the page shows makes the command; what that shows is run as well.
    shown = codes(enrolment(page), page)
    assert machine.run(machine.run(shown["portreeve"]), portreeve) == f"enrolled for {portreeve}\n"
    console.go(page, f"/environments/{curl}?tab=agent")
    answered = json.loads(machine.run(codes(enrolment(page), page)["curl"]))
    assert machine.run(answered["command"], curl) == f"enrolled for {curl}\n"
    console.go(page, f"/environments/{button}?tab=agent")
    page.get_by_role("button", name="Make the enrolment command").click()
    command = page.get_by_label("the enrolment command", exact=True).inner_text()
    assert machine.run(command, button) == f"enrolled for {button}\n"
    assert len({str(machine.standing(one)) for one in PLACES}) == 1
    for place in PLACES:
        console.go(page, f"/environments/{place}?tab=agent")
        page.get_by_role("button", name="Shut the agent out").click()
        dialog = page.get_by_role("dialog", name=f"Shut out the agent of {place}")
        texts = codes(dialog, page)
        if place == button:
            dialog.get_by_role("button", name="Shut it out").click()
            expect(dialog).to_have_count(0)
        else:
            machine.run(texts["portreeve" if place == portreeve else "curl"])
        assert machine.standing(place)["state"] == "revoked"

    for place in PLACES:
        machine.enrol(place)
        console.go(page, f"/environments/{place}")
        page.get_by_role("button", name="Remove", exact=True).click()
        dialog = page.get_by_role("dialog", name=f"Remove the environment {place}")
        expect(dialog.get_by_role("list", name="Documents").get_by_role("listitem").first).to_be_visible()
        texts = codes(dialog, page)
        if place == button:
            dialog.get_by_role("button", name="Remove", exact=True).click()
            expect(dialog).to_have_count(0)
        else:
            machine.run(texts["portreeve" if place == portreeve else "curl"])
        left = console.ask("GET", f"environments/{place}")["status"]
        assert left["leaving"], left
    with machine.agent(portreeve):
        until(lambda: console.answer("GET", f"environments/{portreeve}").status_code == 404, "its agent has cleaned up")


def test_an_agent_in_the_cluster_is_given_its_token(machine: Machine) -> None:
    """Up to the chart: no test has helm."""
    if shutil.which("kubectl") is None:
        pytest.skip("NOT RUN: kubectl is not on PATH (Debian package kubernetes-client); it is no part of the product")
    page = machine.console.page(f"/environments/{POD}?tab=agent")
    page.get_by_role("button", name="Make the enrolment command").click()
    page.get_by_text("Or have the agent run in the cluster").click()
    lines = page.get_by_label("the commands for the cluster", exact=True).inner_text().strip().split("\n")
    assert [line.partition(" ")[0] for line in lines] == ["kubectl", "printf", "helm"]
    with machine.cluster.client() as kube:
        namespace = "/api/v1/namespaces/portreeve-system"
        try:
            machine.run("\n".join(lines[:-1]))
            held = kube.request("GET", f"{namespace}/secrets/portreeve-agent-join").expect(200).body["data"]
            assert b64decode(held["token"]).startswith(b"prtj_")
            assert b64decode(held["server"]).decode() == machine.console.url
        finally:
            kube.request("DELETE", namespace).expect(200, 404)


def enrolment(page: Page) -> Locator:
    return page.get_by_role("region", name="Enrol an agent")
