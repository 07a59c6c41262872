"""docs/howto/govern.sh, run as it stands: from nothing to a policy, and from SQLite to PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs/howto/govern.sh"
SECRET = "the-robots-secret"


@pytest.mark.slow
def test_the_script_goes_from_a_first_start_to_a_second_control_plane(tmp_path: Path, postgres_database: str) -> None:
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TMPDIR") if name in os.environ}
    environment = {**kept, "HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    database = postgres_database.replace("postgresql+psycopg", "postgresql")
    command = ["sh", str(SCRIPT), str(tmp_path / "tried"), database]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.rstrip().endswith("== Both say the same")
    assert "policy none -> prod-sources" in done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    held = [path for path in (tmp_path / "tried").rglob("*") if path.is_file()]
    assert held, "the script left what it wrote"
    assert [path for path in held if SECRET.encode() in path.read_bytes()] == []
