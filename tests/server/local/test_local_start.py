"""The whole way without an agent: `portreeve up --kubeconfig` and an API server; later an agent takes over."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agent.governed import Agent, until
from tests.kube.conftest import namespace
from tests.server.local.started import local_start
from tests.server.program import mode
from tests.tools.cluster import Cluster

__all__ = ["namespace"]

pytestmark = pytest.mark.slow


def test_a_cluster_is_kept_until_an_agent_comes(kubernetes: Cluster, namespace: str, tmp_path: Path) -> None:
    """Granted, kept over a restart, rotated, left and made anew, taken over by an agent, and not taken back."""
    with local_start(kubernetes, tmp_path) as local:
        with local.up():
            # It was told of an environment that nobody has made yet.
            local.environment()
            until(lambda: local.status()["agent"]["state"] == "local", "enrolled")
            local.grant(namespace, "first-canary-4711")
            until(lambda: local.holds(namespace, "first-canary-4711"), "delivered")
            until(lambda: local.conditions().get("Delivered") == "True", "told")
            until(lambda: local.conditions().get("DesiredStateAccepted") == "True", "told what was believed")
            status = local.status()
            assert status["agent"]["connected"] is True
            assert status["agent"]["certificateExpiresAt"] is None
            connected = next(one for one in status["conditions"] if one["type"] == "Connected")
            assert (connected["reason"], connected["message"]) == (
                "Local",
                "run by the control plane, without an agent",
            )
            before = local.secret(namespace)
        key = local.machine.keys / "local-dev.key"
        assert mode(key) == "600"
        made = key.read_bytes()

        with local.up():
            # The same key: what was sealed for it is still to be opened, and the Secret stays the same object.
            assert key.read_bytes() == made
            local.rotate("second-canary-0815")
            until(lambda: local.holds(namespace, "second-canary-0815"), "rotated")
            after = local.secret(namespace)
            assert before is not None
            assert after is not None
            assert after["metadata"]["uid"] == before["metadata"]["uid"]
            assert local.events() == [("agent.enrol", "portreeve")]

            # An environment that is deleted leaves the cluster empty first; made anew, it is kept again.
            local.confirmed("DELETE", "access/a")
            local.confirmed("DELETE", "environments/dev")
            until(local.has_left, "left")
            assert local.secret(namespace) is None
            local.environment()
            local.grant(namespace, "second-canary-0815")
            until(lambda: local.holds(namespace, "second-canary-0815"), "delivered again")
            before = local.secret(namespace)
            assert before is not None

            join = local.ask("POST", "environments/dev/enrolment")
            agent = Agent(tmp_path / "agent", kubernetes.kubeconfig, tmp_path / "agent.log")
            agent.enrol(local.running.address, join["join"].encode())
            assert local.status()["agent"]["state"] == "active"
            assert ("agent.revoke", "agent/dev") in [(action, who) for action, who in local.events()]
            local.rotate("third-canary-2342")
            agent.start()
            try:
                until(lambda: local.holds(namespace, "third-canary-2342"), "rotated by the agent")
                after = local.secret(namespace)
                assert after is not None
                assert after["metadata"]["uid"] == before["metadata"]["uid"]
                local.confirmed("DELETE", "access/a")
                until(lambda: local.secret(namespace) is None, "removed")
            finally:
                agent.kill()

        done = local.machine.run(*local.arguments, "--port", "0")
        assert (done.returncode, done.stdout) == (2, "")
        assert "agent_enrolled: an agent is enrolled for dev" in done.stderr
        said = "\n".join(local.said) + (tmp_path / "agent.log").read_text()
        assert "canary" not in said
        assert "Traceback" not in said
        assert "task failed" not in said, said
