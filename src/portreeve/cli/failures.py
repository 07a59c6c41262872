"""Every failure as text on standard error, JSON on standard output where JSON was asked for, and an exit code.

Imported only once something has failed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from itertools import pairwise

import click

from portreeve.cli.terminal import safe
from portreeve.errors import PortreeveError

EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
"""128 + SIGPIPE, as a program has that leaves such a signal to the system."""

REPORT_TO = "https://github.com/portreeve/portreeve/issues"


def handled(failure: BaseException, arguments: Sequence[str]) -> int:
    """Tell the user of a failure; the exit code."""
    match failure:
        case SystemExit():
            raise failure
        case BrokenPipeError():
            # Whoever read us has enough. Python would complain once more when it closes the stream.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_PIPE
        case KeyboardInterrupt() | click.Abort():
            sys.stderr.write("interrupted\n")
            return EXIT_INTERRUPTED
        case click.ClickException():
            return _told(_usage(failure), arguments)
        case PortreeveError():
            return _told(failure, arguments)
        case OSError() if failure.filename is not None:
            return _told(_from_system(failure), arguments)
        case _:
            return _told(_internal(failure, arguments), arguments)


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether the answer was to be JSON. Read from the words: what failed may be the parsing of them."""
    words = list(arguments)
    wanted = any(word in {"-ojson", "--output=json", "-o=json"} for word in words)
    pairs = pairwise(words)
    verb = next((word for word in words if not word.startswith("-")), "").upper()
    return (
        wanted
        or any(pair in {("-o", "json"), ("--output", "json")} for pair in pairs)
        or (not _names_output(words) and os.environ.get(f"PORTREEVE_{verb}_OUTPUT") == "json")
    )


def _names_output(words: Sequence[str]) -> bool:
    return any(word.startswith(("-o", "--output")) for word in words)


def _told(error: PortreeveError, arguments: Sequence[str]) -> int:
    # Names in it come from files and from the command line.
    for line in error.diagnostics().split("\n"):
        sys.stderr.write(f"{safe(line)}\n")
    if wants_json(arguments):
        sys.stdout.write(f"{json.dumps({'error': as_json(error)}, indent=2, ensure_ascii=False)}\n")
        sys.stdout.flush()
    return error.handling.exit_code


def as_json(error: PortreeveError) -> dict[str, object]:
    """An error as programs read it; `problems` is there when there are several places to look at."""
    problems = [
        {"code": one.code, "message": one.message, "field": one.field, "hint": one.hint} for one in error.problems
    ]
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "docs": f"docs/errors.md#{error.code}",
        **({"problems": problems} if problems else {}),
    }


def _usage(failure: click.ClickException) -> PortreeveError:
    context = getattr(failure, "ctx", None)
    path = context.command_path if context else "portreeve"
    message = failure.format_message()
    return PortreeveError("usage", message[:1].lower() + message[1:], hint=f"{path} --help")


def _from_system(failure: OSError) -> PortreeveError:
    return PortreeveError("file", f"{failure.filename}: {failure.strerror}", hint="check the path and its permissions")


def _internal(failure: BaseException, arguments: Sequence[str]) -> PortreeveError:
    verbose = any(word == "--verbose" or (word[:2] == "-v" and not word.strip("-v")) for word in arguments)
    if verbose or os.environ.get("PORTREEVE_DEBUG"):
        import traceback

        traceback.print_exception(failure)
    text = f"internal error: {type(failure).__name__}: {failure}".replace("\n", " ")
    return PortreeveError("internal", text, hint=f"run again with -v and please report it: {REPORT_TO}")
