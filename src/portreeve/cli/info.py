"""`portreeve info`: where everything is, what was found, what is in force."""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib import metadata
from typing import Any, Final

import click

from portreeve.cli.options import output_option
from portreeve.cli.terminal import current, terminal_options
from portreeve.version import __version__

TOOLS: Final = {
    "helm": ("version", "--short"),
    "kustomize": ("version",),
    "kubectl": ("version", "--client"),
}
"""Tools that render charts and kustomizations, and the arguments that make them tell their version."""

TOOL_TIMEOUT_S: Final = 10.0

EPILOG = """\b
Examples:
  portreeve info
  portreeve info -o json"""


@click.command(epilog=EPILOG)
@output_option("table", "json", "yaml")
@terminal_options
def command(output: str) -> int:
    """Show paths, settings and the external tools that are found. Nothing is contacted and nothing is made."""
    answer = gathered()
    if output != "table":
        from portreeve.cli.output import write

        write(answer, output)
        return 0
    terminal = current()
    for title, entries in answer.items():
        terminal.data(f"{title}:")
        width = max(len(name) for name in entries)
        for name, value in entries.items():
            terminal.data(f"  {name:<{width}}  {_text(value)}")
    return 0


def gathered() -> dict[str, dict[str, Any]]:
    """Section → name → value."""
    from portreeve.cli import paths, profiles

    return {
        "versions": {"portreeve": __version__, "python": platform.python_version()} | dict(map(_package, _PACKAGES)),
        "paths": {name: str(getattr(paths, name)()) for name in ("config", "data", "cache", "state")} | _last_check(),
        "settings": {
            level: {"path": str(file), "exists": file.is_file()}
            for level, file in (paths.settings_files() | {"profiles": profiles.path()}).items()
        },
        "environment": _environment(),
        "tools": {name: _tool(name, arguments) for name, arguments in TOOLS.items()},
    }


def _last_check() -> dict[str, str | None]:
    """The file, as the control plane looks for it."""
    import os

    from portreeve.workspace import last_check

    file = last_check.file_of(os.environ)
    return {"last check": str(file) if file else None}


_PACKAGES: Final = ("click", "PyYAML", "pydantic", "rich")


def _package(name: str) -> tuple[str, str | None]:
    try:
        return name, metadata.version(name)
    except metadata.PackageNotFoundError:
        return name, None


def _environment() -> dict[str, Any]:
    """Our variables that are set; one that may hold a secret shows only that it is."""
    import os

    secret = ("TOKEN", "PASSWORD", "SECRET")
    ours = {name: value for name, value in sorted(os.environ.items()) if name.startswith("PORTREEVE_")}
    shown = {name: "(set)" if any(word in name for word in secret) else value for name, value in ours.items()}
    return {"PORTREEVE_POLICY": None, **shown}


def _tool(name: str, arguments: tuple[str, ...]) -> dict[str, str | None]:
    path = shutil.which(name)
    if path is None:
        return {"path": None, "version": None}
    try:
        # No shell; the program is one that rendering would run anyway, its arguments are ours.
        answer = subprocess.run(  # noqa: S603 -- as said above
            [path, *arguments], capture_output=True, text=True, timeout=TOOL_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return {"path": path, "version": None}
    return {"path": path, "version": next(iter(answer.stdout.splitlines()), None)}


def _text(value: Any) -> str:
    from portreeve.cli.terminal import safe

    if isinstance(value, dict) and "exists" in value:
        return safe(f"{value['path']}{'' if value['exists'] else '  (none)'}")
    if isinstance(value, dict):
        return safe(f"{value['path']}  {value['version'] or ''}".rstrip()) if value["path"] else "not on PATH"
    return "-" if value is None else safe(str(value))
