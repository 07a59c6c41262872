"""Settings files: defaults for options, by verb. Flags and variables go before them.

    check: {policy: [policies/], fail-on: warn}

Lists are for options that repeat. Unknown verbs and options are errors: a misspelled rule that is passed over in
silence is a rule that nobody keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from portreeve.cli.options import CallerOption
from portreeve.cli.paths import settings_files
from portreeve.cli.verbs import VERBS
from portreeve.errors import Invalid, Problem

if TYPE_CHECKING:
    from portreeve.cli.terminal import Terminal

MAX_FILE_BYTES = 1 << 20


def defaults(verb: str, command: click.Command, terminal: Terminal) -> dict[str, Any]:
    """Parameter → value for a verb, from all settings files. Says which file of the project had a part in it.

    Raises:
        Invalid: `settings_invalid`, with every problem of every file.
    """
    merged: dict[str, Any] = {}
    problems: list[Problem] = []
    for level, file in settings_files().items():
        if not file.is_file():
            continue
        found = read(file, problems).get(verb, {})
        values = dict(_values(found, verb, command, file, problems))
        if level == "project":
            problems += _not_for_projects(values, command, verb, file)
        if values and level == "project":
            # The folder that is judged may belong to somebody else; what it sets must be seen.
            terminal.warn(f"settings from {file}: {', '.join(sorted(found))}")
        merged = {**values, **merged}
    if problems:
        raise Invalid("settings_invalid", "settings could not be used", problems=tuple(problems))
    return merged


def read(file: Path, problems: list[Problem]) -> dict[str, dict[str, Any]]:
    """Verb → option → value of one file; what is wrong goes to `problems`."""
    from portreeve.wire.document import Document
    from portreeve.wire.yaml import read_documents

    found: dict[str, dict[str, Any]] = {}
    content = file.read_bytes()
    if len(content) > MAX_FILE_BYTES:
        problems.append(Problem("settings", f"is larger than {MAX_FILE_BYTES:,} bytes", str(file)))
        return found
    for item in read_documents(content):
        value = getattr(item, "value", None)
        if not isinstance(item, Document) or not isinstance(value, dict):
            reason = getattr(item, "reason", "must be a mapping of commands")
            problems.append(Problem("settings", reason, f"{file}:{item.line}"))
            continue
        for verb, options in value.items():
            if verb not in VERBS or not isinstance(options, dict):
                what = "is not a command" if verb not in VERBS else "must be a mapping of options"
                problems.append(Problem("settings", what, f"{file}: {verb}", f"commands: {', '.join(VERBS)}"))
            else:
                found[str(verb)] = options
    return found


def _not_for_projects(values: Mapping[str, Any], command: click.Command, verb: str, file: Path) -> Iterator[Problem]:
    """What the folder that a command runs in must not decide: where a token goes, and what the caller consents to."""
    for option in command.params:
        if isinstance(option, CallerOption) and option.name in values:
            flag = max(option.opts, key=len).removeprefix("--")
            hint = "give it as a flag or a variable, or in your own settings"
            yield Problem("settings", "is not for the settings of a project", f"{file}: {verb}.{flag}", hint)


def _values(
    options: dict[str, Any], verb: str, command: click.Command, file: Path, problems: list[Problem]
) -> Iterator[tuple[str, Any]]:
    known = {
        flag.removeprefix("--"): option
        for option in command.params
        if isinstance(option, click.Option)
        for flag in option.opts
        if flag.startswith("--")
    }
    for name, value in options.items():
        option = known.get(name)
        if option is None or option.name is None:
            hint = f"options: {', '.join(sorted(known))}"
            problems.append(Problem("settings", "is not an option", f"{file}: {verb}.{name}", hint))
        elif isinstance(value, list) and not option.multiple:
            problems.append(Problem("settings", "takes one value, not a list", f"{file}: {verb}.{name}"))
        else:
            values = value if isinstance(value, list) else [value]
            yield option.name, [str(one) for one in values] if option.multiple else str(value)
