"""A build of the console as small as it can be, and control planes that serve it."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.server.plane import Plane, running

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><base href="/"><title>Portreeve</title>
<script type="module" src="./assets/index-0a1b2c3d.js"></script>
<link rel="stylesheet" href="./assets/index-4e5f6a7b.css"></head><body><div id="root"></div></body></html>
"""
SCRIPT = "document.getElementById('root').textContent = 'here';\n" * 20
FONT = b"wOF2\x00\x01"

Serve = Callable[..., AbstractAsyncContextManager[Plane]]


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """A build."""
    found = tmp_path / "static"
    (found / "assets").mkdir(parents=True)
    (found / "index.html").write_text(PAGE)
    (found / "assets/index-0a1b2c3d.js").write_text(SCRIPT)
    (found / "assets/index-0a1b2c3d.js.gz").write_bytes(gzip.compress(SCRIPT.encode(), mtime=0))
    (found / "assets/index-4e5f6a7b.css").write_text("body { margin: 0 }\n")
    (found / "assets/text-8c9d0e1f.woff2").write_bytes(FONT)
    (found / "assets/mark-2a3b4c5d.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (found / "assets/notes.txt").write_text("of a type that is none of ours")
    (found / "secret.js").write_text("beside the directory")
    return found


@pytest.fixture
def serve(tmp_path: Path, static: Path) -> Serve:
    """A control plane that serves the build, on the embedded database, as the console knows none."""

    def start(**more: Any) -> AbstractAsyncContextManager[Plane]:
        return running(f"sqlite:///{tmp_path / 'portreeve.db'}", tmp_path, **{"static": static, **more})

    return start


@pytest.fixture
async def plane(serve: Serve) -> AsyncIterator[Plane]:
    """One without a proxy."""
    async with serve() as started:
        yield started
