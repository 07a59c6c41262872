"""`portreeve version`."""

from __future__ import annotations

import platform

import click

from portreeve.cli.options import output_option
from portreeve.cli.terminal import current, terminal_options
from portreeve.version import __version__

EPILOG = """\b
Examples:
  portreeve version
  portreeve version -o json"""


@click.command(epilog=EPILOG)
@output_option("table", "json", "yaml")
@terminal_options
def command(output: str) -> int:
    """Show the version of the program and of the Python that runs it."""
    answer = {"version": __version__, "python": platform.python_version(), "platform": platform.platform()}
    if output == "table":
        current().data(f"portreeve {__version__} (Python {answer['python']}, {answer['platform']})")
    else:
        from portreeve.cli.output import write

        write(answer, output)
    return 0
