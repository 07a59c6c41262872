"""docs/howto/registries.sh, run as it stands, against a real registry with TLS and a token service."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.images import image
from tests.server.registries.reached import fresh, pushed
from tests.tools.registry import READER, READER_PASSWORD, Access, DockerRegistry

SCRIPT = Path(__file__).parents[2] / "docs/howto/registries.sh"


@pytest.mark.slow
def test_the_script_goes_from_a_pasted_reference_to_a_firewall_rule(
    tmp_path: Path, docker_registry: Callable[[Access], DockerRegistry]
) -> None:
    registry, repository = docker_registry(Access.TOKEN), fresh()
    built = image("api")
    asyncio.run(pushed(registry, repository, built, "1.4"))
    (tmp_path / "ca.pem").write_text(registry.authority)
    (tmp_path / "password").write_text(READER_PASSWORD)
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    environment = {**kept, "HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    reference = f"127.0.0.1:{registry.port}/{repository}:1.4"
    given = [str(tmp_path / "tried"), reference, str(tmp_path / "ca.pem"), READER, str(tmp_path / "password")]
    command = ["sh", str(SCRIPT), *given, registry.realm]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.rstrip().endswith("== The registry works, and its firewall knows what it needs")
    assert built.digest in done.stdout
    assert "[registry_unauthorized]" in done.stdout
    green = done.stdout.split("every stage is green")[1].split("== ")[0]
    assert green.count("ok ") >= 8
    assert "FAILED" not in green
    held = [path for path in (tmp_path / "tried").rglob("*") if path.is_file()]
    assert [path for path in held if READER_PASSWORD.encode() in path.read_bytes()] == []
