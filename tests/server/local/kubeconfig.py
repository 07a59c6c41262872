"""Kubeconfigs of a cluster that nobody answers for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NOBODY = "https://127.0.0.1:1"


def kubeconfig(directory: Path) -> Path:
    """One with a token in it."""
    return written(directory, {"token": "a-token"})


def written(directory: Path, user: Mapping[str, Any]) -> Path:
    """One with this user, in the context `here`."""
    path = directory / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": NOBODY}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(content))
    return path
