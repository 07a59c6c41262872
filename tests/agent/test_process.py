"""`portreeve-agent` as it is run: a process of its own against a real control plane over real TLS."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.agent.secure import ENVIRONMENTS, asked_for, served_with_tls
from tests.agent.test_over_tls import until
from tests.server.plane import Clock, document

pytestmark = pytest.mark.wide

PROGRAM = "import sys; from portreeve.agent.main import main; sys.exit(main())"


def _now() -> datetime:
    return datetime.now(UTC)


def _text(pinned: bytes) -> bytes:
    return base64.urlsafe_b64encode(pinned).rstrip(b"=")


def agent(*arguments: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, *arguments]


def dead_cluster(directory: Path) -> Path:
    """A kubeconfig of a cluster that is not there."""
    named = {"name": "none"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [named | {"cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [named | {"user": {"token": "none"}}],
        "contexts": [named | {"context": {"cluster": "none", "user": "none"}}],
        "current-context": "none",
    }
    path = directory / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def test_an_agent_enrols_runs_and_ends_when_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "plane").mkdir()
    state = tmp_path / "state"
    database = f"sqlite:///{tmp_path / 'plane/portreeve.db'}"
    with served_with_tls(database, tmp_path / "plane", clock=Clock(_now())) as served:
        served.put(*ENVIRONMENTS)
        join = asked_for(served)
        shown = join.token.reveal() + b"." + _text(join.pinned)
        enrolling = agent("enrol", "--server", served.url, "--state", str(state), "--cluster", "kind")
        done = subprocess.run(enrolling, input=shown, capture_output=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, b"enrolled for prod\n"), done.stderr
        again = subprocess.run(enrolling, input=shown, capture_output=True, timeout=60)
        assert again.returncode == 2
        assert b"already_enrolled" in again.stderr
        needless = subprocess.run(
            [*enrolling, "--if-needed"], stdin=subprocess.DEVNULL, capture_output=True, timeout=60
        )
        assert (needless.returncode, needless.stdout) == (0, b"enrolled already for prod\n"), needless.stderr

        # Its cluster does not answer: documents are taken and kept all the same.
        words = ("run", "--state", str(state), "--kubeconfig", str(dead_cluster(tmp_path)))
        running = subprocess.Popen(agent(*words), stderr=subprocess.PIPE)
        try:
            until((state / "document.json").exists)
            first = (state / "document.json").read_bytes()
            served.put(
                document("Registry", "r", provider="harbor", host="r.example.com"),
                document("RegistryAccess", "a", registry="r", environment="prod", namespaces={"names": ["shop"]}),
            )
            until(lambda: (state / "document.json").read_bytes() != first)
        finally:
            running.terminate()
            _, told = running.communicate(timeout=60)
        assert running.returncode == 0, told
        kept = json.loads((state / "document.json").read_bytes())["document"]
        assert [one["registry"] for one in kept["grants"]] == ["r"]
        for secret in (join.token.reveal(), (state / "identity.pem").read_bytes().splitlines()[1]):
            assert secret not in told


def test_what_is_wrong_is_said_in_one_line_and_an_exit_code(tmp_path: Path) -> None:
    words = ("run", "--state", str(tmp_path / "none"))
    done = subprocess.run(agent(*words), capture_output=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(b"kubeconfig_not_in_cluster: ")
    done = subprocess.run(agent(*words, "--kubeconfig", str(dead_cluster(tmp_path))), capture_output=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(b"not_enrolled: ")
    environment = {**os.environ, "PORTREEVE_AGENT_JOIN_FILE": str(tmp_path / "join")}
    (tmp_path / "join").write_bytes(b"not a token")
    enrolling = agent("enrol", "--server", "https://127.0.0.1:1", "--state", str(tmp_path / "none"))
    done = subprocess.run(enrolling, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(b"join_token: ")
    assert b"not a token" not in done.stderr
    (tmp_path / "join").unlink()
    done = subprocess.run([*enrolling, "--if-needed"], env=environment, capture_output=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith(b"join_token: ")
    assert b"cannot be read" in done.stderr
