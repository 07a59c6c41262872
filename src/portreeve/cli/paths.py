"""The folders of the program, by the XDG Base Directory Specification 0.8. Nothing is made or read here."""

from __future__ import annotations

import os
from pathlib import Path

PROGRAM = "portreeve"


def config() -> Path:
    """The user's settings."""
    chosen = os.environ.get("PORTREEVE_CONFIG_DIR")
    return Path(chosen) if chosen else _home("XDG_CONFIG_HOME", ".config")


def data() -> Path:
    """What a control plane of one's own keeps."""
    return _home("XDG_DATA_HOME", ".local/share")


def cache() -> Path:
    """What may be deleted at any time."""
    return _home("XDG_CACHE_HOME", ".cache")


def state() -> Path:
    """What the last check found, and what a sandbox of one's own keeps."""
    return _home("XDG_STATE_HOME", ".local/state")


def settings_files() -> dict[str, Path]:
    """Level → file, the one that wins first. PORTREEVE_NO_PROJECT leaves the project's out."""
    system = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)[0]
    project = {} if os.environ.get("PORTREEVE_NO_PROJECT") else {"project": Path(".portreeve.yaml")}
    return project | {"user": config() / "config.yaml", "system": Path(system) / PROGRAM / "config.yaml"}


def _home(variable: str, otherwise: str) -> Path:
    chosen = os.environ.get(variable, "")
    # The specification says to ignore relative paths.
    base = Path(chosen) if Path(chosen).is_absolute() else Path("~").expanduser() / otherwise
    return base / PROGRAM
