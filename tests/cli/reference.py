"""docs/cli.md from the command tree. Run: python -m tests.cli.reference > docs/cli.md."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import click

from portreeve.cli.help import ENVIRONMENT, EXIT_CODES, PRECEDENCE
from portreeve.cli.main import root
from portreeve.cli.verbs import VERBS

HEAD = """\
# The command line

Data goes to standard output, everything else to standard error. `-o json` of every command is one JSON document, also
for an error: `{"error": {"code", "message", "hint", "docs"}}`, with `problems` where there are several.

This page is written by `python -m tests.cli.reference > docs/cli.md`; a test compares it with the commands.
"""

SETTINGS = """\
A settings file gives defaults by command; options are called as their flags, lists are for those that repeat:

```yaml
check: {policy: [policies/], fail-on: warn}
```

Misspelled commands and options are errors. What `.portreeve.yaml` of the working folder sets is said on standard error.
It may not say where a token goes or consent to a change: `server`, `profile`, `ca-file`, `timeout`, `yes`, `no-input`,
`prune`, `replace` and `force` are for flags, variables and the user's own file.
It belongs to whoever writes the folder: where a pipeline judges the changes of others, set `PORTREEVE_NO_PROJECT=1`.
Variables of options that repeat are split at blanks, and those that take paths as `PATH` is.
"""


def page() -> str:
    """The whole page."""
    context = click.Context(root, info_name="portreeve", **root.context_settings)
    lines = [HEAD, "## Every command", "", *_options(root, context), ""]
    for name in VERBS:
        command = root.get_command(context, name)
        assert command is not None
        lines += _section(name, command, click.Context(command, info_name=name, parent=context))
    lines += ["## Exit codes", "", "| Code | Meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    lines += ["", "## Settings", "", f"Precedence: `{PRECEDENCE}`.", "", SETTINGS]
    lines += ["| Variable | Meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in ENVIRONMENT.items()]
    return "\n".join(lines) + "\n"


def _section(name: str, command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"## portreeve {name}"
    yield ""
    yield f"`portreeve {name} {usage}`"
    yield ""
    yield re.sub(r"\s*\n\s*(?=\S)(?<!\n\n)", " ", command.help or "").strip()
    yield ""
    yield from _options(command, context)
    yield ""
    yield "```console"
    yield from (line.strip() for line in (command.epilog or "").splitlines() if line.startswith("  "))
    yield "```"
    yield ""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _inner(f"{name} {inner.name}", inner, click.Context(inner, info_name=inner.name, parent=context))


def _inner(name: str, command: click.Command, context: click.Context) -> Iterator[str]:
    """A word behind the verb; the examples are those of the verb."""
    yield f"### portreeve {name}"
    yield ""
    yield f"`portreeve {name} {' '.join(command.collect_usage_pieces(context))}`"
    yield ""
    yield " ".join((command.help or "").split())
    yield ""
    yield from _options(command, context)
    yield ""


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    yield "| Option | Meaning |"
    yield "|---|---|"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and isinstance(parameter, click.Option):
            names, meaning = (text.replace("|", "\\|") for text in record)
            yield f"| `{names}` | {' '.join(meaning.split())} |"


if __name__ == "__main__":
    sys.stdout.write(page())
