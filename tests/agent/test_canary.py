"""No credential is in any byte that an agent leaves, but in the Secret; and the search is not blind.

A whole life with canaries for passwords: granted, rotated with overlap, in conflict, edited, refused by a policy whose
message quotes the Secret, its records lost, killed, aborted, broken in the middle by mistakes of ours, taken back.

What somebody's own policy quotes is in the audit log of their API server, put there by the API server; it must be
nowhere else, and that it is there shows that there was something to repeat.

Sources: mission, rule 5; reliability I5; threats AG-09.
"""

from __future__ import annotations

import base64
import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from portreeve.server.agents import channel
from portreeve.wire.channel import Report, read_report
from tests.agent.governed import Governed, governed, until
from tests.canary import ENCODINGS, Canary, Finder, Hit
from tests.kube.conftest import namespace
from tests.server.canary import sinks
from tests.server.canary.secrets_of import made
from tests.server.canary.sinks import Recorder, Sink
from tests.tools.cluster import Cluster
from tests.tools.kubeclient import KubeClient

__all__ = ["namespace"]

CHATTY = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
from portreeve.agent.main import main
"""
"""An agent that logs all it can, asyncio and faulthandler included (see `VARIABLES`)."""

BROKEN = """
from portreeve.reconciler import delivering, requests

def failing(good, name, when):
    left = [1]
    def once(*given):
        made = good(*given)
        if left and when(*given):
            left.clear()
            raise RuntimeError(name + ' is broken')
        return made
    return once

requests.render = failing(requests.render, 'render', lambda entries: True)
delivering.reconcile.step = failing(
    delivering.reconcile.step, 'step', lambda state, event: type(event).__name__ == 'DocumentPersisted')
"""
"""Mistakes of ours, once each, where credentials are in the hands of whoever is on the stack."""

RUN = "sys.exit(main())"
VARIABLES = {"PYTHONASYNCIODEBUG": "1", "PYTHONFAULTHANDLER": "1"}

QUOTING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "quoting"},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["secrets"]}
            ]
        },
        "validations": [
            {
                "expression": "object.metadata.name != 'portreeve-pull'",
                "messageExpression": "'quoted: ' + string(object.data['.dockerconfigjson'])",
            }
        ],
    },
}
BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "quoting"},
    "spec": {"policyName": "quoting", "validationActions": ["Deny"]},
}
AUDIT = "audit log of the API server"


@dataclass
class Swept:
    """Everything that an agent may have left something in."""

    scene: Governed
    cluster: Cluster
    recorder: Recorder
    directory: Path
    processes: list[Sink] = field(default_factory=list)
    reports: list[Sink] = field(default_factory=list)
    files: list[Sink] = field(default_factory=list)

    def look_at_process(self) -> None:
        """What anybody on the node may read of the process, and what lies in its directory now."""
        assert self.scene.agent.process is not None
        proc = Path("/proc") / str(self.scene.agent.process.pid)
        for name in ("environ", "cmdline", "status", "limits"):
            self.processes.append((f"process {name}", (proc / name).read_bytes()))
        for file in sorted(self.scene.agent.state.rglob("*")):
            if file.is_file():
                self.files.append((f"state {file.name}", file.read_bytes()))

    def took(self, value: Any) -> Report:
        """As `read_report`, and keeps what was sent."""
        self.reports.append(("report", json.dumps(value).encode()))
        return read_report(value)

    def sinks(self) -> Iterator[Sink]:
        """Every sink there is."""
        yield "log of the agent", self.scene.agent.log.read_bytes()
        yield from self.processes
        yield from self.files
        yield from self.reports
        yield from objects(self.scene.kube)
        yield AUDIT, self.cluster.audit_log.read_bytes()
        url = f"sqlite:///{self.directory / 'plane/portreeve.db'}"
        yield from ((f"control plane {name}", data) for name, data in self.recorder.sinks())
        yield from ((f"control plane {name}", data) for name, data in sinks.tables(url))
        yield from ((f"control plane {name}", data) for name, data in sinks.files(url, None))
        yield from answers(self.scene)

    def found(self, finder: Finder) -> list[Hit]:
        """What is found in them."""
        return [hit for name, data in self.sinks() for hit in finder.search(data, name)]


def objects(kube: KubeClient) -> Iterator[Sink]:
    """Every object of the cluster, of a Secret all but its data."""
    groups = kube.request("GET", "/apis").body["groups"]
    for base in ("/api/v1", *(f"/apis/{version['groupVersion']}" for one in groups for version in one["versions"])):
        for kind in kube.request("GET", base).body["resources"]:
            if "list" not in kind["verbs"]:
                continue
            for item in kube.request("GET", f"{base}/{kind['name']}").expect(200).body["items"]:
                if kind["name"] == "secrets":
                    del item["data"]
                yield f"object {kind['name']}", json.dumps(item).encode()


def answers(scene: Governed) -> Iterator[Sink]:
    """What the control plane says of it all to somebody who may ask for everything."""
    for path in (
        "environments/prod", "environments/prod/desired", "registries/r", "registries/r/rotation", "access/a",
        "audit", "audit.csv", "export", "environments/prod/inventory", "environments.csv",
    ):  # fmt: skip
        answer = scene.served.run(scene.admin.get(f"/api/v1/{path}"))
        assert answer.status_code in {200, 404}, answer.text
        yield f"answer {path}", answer.content


def live(swept: Swept, namespace: str, passwords: Iterator[Canary]) -> set[str]:
    """The life; those that somebody's policy has quoted."""
    scene = swept.scene
    kube, agent = scene.kube, scene.agent

    def rotated() -> Canary:
        canary = next(passwords)
        scene.rotate(canary.secret)
        return canary

    def holds(canary: Canary) -> Callable[[], bool]:
        def found() -> bool:
            secret = scene.secret(namespace)
            if secret is None:
                return False
            auths = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))["auths"]
            return canary.secret in {one["password"] for one in auths.values()}

        return found

    first = next(passwords)
    scene.registry(first.secret)
    scene.grant(namespace)
    until(holds(first), "delivered")
    swept.look_at_process()
    # With overlap: the sweep that ends it does not run meanwhile.
    scene.served.run(scene.served.plane.server.rotations.stop())
    second = rotated()
    until(lambda: holds(second)() and holds(first)(), "both")
    until(lambda: scene.served.run(scene.served.plane.server.rotations.sweep()), "confirmed")
    until(lambda: not holds(first)(), "the old one removed")
    scene.policy("audit")
    until(lambda: scene.reason("Enforced") == "PolicyAuditing", "audited")

    # Refused by somebody's policy, which quotes what it refuses.
    for one in (QUOTING, BINDING):
        kube.create(one).expect(201)
    path = f"/api/v1/namespaces/{namespace}/secrets/portreeve-pull"
    merge = "application/merge-patch+json"
    edit = {"metadata": {"labels": {"a": "b"}}}
    until(lambda: kube.request("PATCH", path, edit, merge, query={"dryRun": "All"}).status == 422, "it refuses")
    quoted = rotated()
    until(lambda: scene.reason("Delivered") == "SecretConflict", "told")
    for one in (BINDING, QUOTING):
        kube.delete(one)
    swept.look_at_process()

    # Killed, and its records lost; the policy is gone, so the next try is good.
    agent.kill()
    (agent.state / "records.jsonl").unlink()
    until(lambda: kube.request("PATCH", path, edit, merge, query={"dryRun": "All"}).status == 200, "refused no more")
    agent.start()
    until(holds(quoted), "after a loss of the records")

    # Somebody takes it over, and gives it up.
    mine = {"data": {".dockerconfigjson": base64.b64encode(b'{"auths":{}}').decode()}}
    kube.request("PATCH", path, mine, merge).expect(200)
    until(lambda: scene.reason("Delivered") == "SecretConflict", "taken")
    taken = rotated()
    kube.request("DELETE", path).expect(200)
    until(holds(taken), "given up")
    swept.look_at_process()

    # Mistakes of ours in the middle of it, then the end by a signal that leaves a trace.
    agent.kill()
    agent.program = CHATTY + BROKEN + RUN
    broken = rotated()
    agent.start()
    until(holds(broken), "though it broke")
    swept.look_at_process()
    assert agent.process is not None
    agent.process.send_signal(signal.SIGABRT)
    assert agent.process.wait(30) == -signal.SIGABRT

    agent.program = CHATTY + RUN
    scene.confirmed("DELETE", "policies/p")
    agent.start()
    until(lambda: scene.reason("Enforced") == "PolicyOff", "not enforced any more")
    scene.confirmed("DELETE", "access/a")
    until(lambda: scene.secret(namespace) is None, "taken back")
    swept.look_at_process()
    assert agent.stop() == 0
    return {second.name, quoted.name}


def planted(swept: Swept, namespace: str) -> int:
    """Put a canary in each kind of sink, and see that the sweep finds each: how many those are."""
    canaries = made("planted", 6)
    leaks = [ENCODINGS[name](one.sought).decode("latin-1") for name, one in zip(
        ("raw", "base64+1", "json", "HEX", "base64url+2", "url"), canaries, strict=True)]  # fmt: skip
    with swept.scene.agent.log.open("a") as log:
        log.write(f"ERROR applied {leaks[0]}\n")
    swept.processes.append(("process environ", b"TOKEN=" + leaks[1].encode()))
    swept.reports.append(("report", json.dumps({"conflict": leaks[2]}).encode()))
    (swept.scene.agent.state / "leak").write_text(leaks[3])
    swept.files += [("state leak", (swept.scene.agent.state / "leak").read_bytes())]
    event = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "leak", "namespace": namespace}}
    about = {"kind": "Secret", "namespace": namespace, "name": "portreeve-pull"}
    swept.scene.kube.create({**event, "involvedObject": about, "reason": "Leak", "message": leaks[4]}).expect(201)
    logging.getLogger("portreeve.leak").debug("reported %s", leaks[5])
    hits = swept.found(Finder(canaries))
    wanted = ("log of the agent", "process environ", "report", "state leak", "object events", "control plane log")
    for canary, sink in zip(canaries, wanted, strict=True):
        assert any(hit.canary == canary.name and hit.sink == sink for hit in hits), (sink, hits)
    return len(canaries)


@pytest.mark.slow
def test_no_credential_is_in_any_byte_but_in_the_secret(
    kubernetes: Cluster,
    tmp_path: Path,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    canaries = [one for one in made("agent", 20) if "password" in one.secret or one.mark == ""][:8]
    recorder = Recorder()
    with recorder.recording(monkeypatch), governed(kubernetes, tmp_path) as scene:
        swept = Swept(scene, kubernetes, recorder, tmp_path)
        monkeypatch.setattr(channel, "read_report", swept.took)
        scene.agent.kill()
        scene.agent.program, scene.agent.variables = CHATTY + RUN, VARIABLES
        scene.agent.start()
        quoted = live(swept, namespace, iter(canaries))
        finder = Finder(canaries)
        hits = swept.found(finder)
        theirs = [hit for hit in hits if hit.sink == AUDIT and hit.canary in quoted]
        wrong = [hit for hit in hits if hit not in theirs]
        assert not wrong, "\n".join(sorted({f"{hit.canary}: {hit.encoding} in {hit.sink}" for hit in wrong})[:40])
        assert theirs, "the policy quoted nothing, so that nothing could be repeated"
        log = scene.agent.log.read_text()
        for trace in ("render is broken", "step is broken", "Fatal Python error: Aborted"):
            assert trace in log, f"there was no {trace}"
        limits = [data for name, data in swept.processes if name == "process limits"]
        assert all(b"Max core file size        0 " in one for one in limits), "it would leave a core"
        leaks = planted(swept, namespace)
    with capsys.disabled():
        print(
            f"\n{len(canaries)} credentials × {len(ENCODINGS)} encodings over {finder.sinks} sinks,"
            f" {finder.bytes_searched:,} bytes: {len(wrong)} hits; {leaks} of 6 planted leaks found",
            file=sys.stderr,
        )
