"""Write what the console's typed client is made of: python -m tests.console.schema.

The OpenAPI document comes from the application itself and is committed nowhere, as a copy could only be out of date.
Types are for the compiler alone: the wheel's build strips them, and needs neither this nor the server.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from portreeve.server.http.openapi import describe
from tests.server.plane import running

CONSOLE: Final = Path(__file__).parents[2] / "console"


async def _document(directory: Path) -> dict[str, object]:
    async with running(f"sqlite:///{directory / 'portreeve.db'}", directory) as plane:
        return describe(plane.app)


def main() -> int:
    """Write console/openapi.json, and src/api/schema.d.ts from it."""
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(_document(Path(directory)))
    (CONSOLE / "openapi.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    return subprocess.run([sys.executable, CONSOLE / "build.py", "schema"], check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
