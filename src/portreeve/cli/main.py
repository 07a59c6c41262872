"""The entry point: a lazy command tree, and how every failure leaves the program.

What is imported here is paid for by every `--help` and every press of the tab key: click and a static table, nothing
of `portreeve.core`. Each verb is a module of its name with a click command called `command`; it returns an exit code.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any, Final

try:
    import click
except ModuleNotFoundError:
    sys.stderr.write("missing: the command line is not installed\ndo: pip install 'portreeve[cli]'\n")
    sys.exit(2)

from portreeve.cli.terminal import Terminal, terminal_options
from portreeve.cli.verbs import HOUSEKEEPING, VERBS

COMPLETE_VARIABLE: Final = "_PORTREEVE_COMPLETE"
ENVIRONMENT_PREFIX: Final = "PORTREEVE"
ARGUMENTS: Final = "portreeve.arguments"
"""Where the context keeps the words of the command line."""


class LazyGroup(click.Group):
    """A group that knows its verbs from the table and imports one only when it runs or shows its own help."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Every verb, in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- as above
        """The command of a verb, imported now."""
        if cmd_name not in VERBS:
            return None
        from importlib import import_module

        command: click.Command = import_module(f"portreeve.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that is meant; an unknown one is answered with the nearest."""
        if args[0] in VERBS or args[0].startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        from difflib import get_close_matches

        near = get_close_matches(args[0], VERBS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"commands: {', '.join(VERBS)}"
        raise click.UsageError(f"there is no command {args[0]!r}; {hint}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- as above
        """The verbs by section."""
        for section in dict.fromkeys(verb.section for verb in VERBS.values()):
            with formatter.section(section):
                formatter.write_dl([(name, verb.help) for name, verb in VERBS.items() if verb.section == section])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Verbs and global options; click's own would import every verb for its help."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=verb.help) for name, verb in VERBS.items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": ENVIRONMENT_PREFIX},
    epilog="""\b
Examples:
  portreeve check .                                    what is in here
  portreeve suggest . > policy.yaml                    a policy to start from
  helm template . | portreeve check - -p policy.yaml   judge what a chart renders
\b
Settings: flag > PORTREEVE_<COMMAND>_<FLAG> > .portreeve.yaml > user > system > default.
Exit codes: 0 fine, 1 violation, 2 error, 3 incomplete; see portreeve help exit-codes.""",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, wanted: _version(ctx, wanted),
    help="Show the version.",
)
@terminal_options
@click.pass_context
def root(ctx: click.Context) -> None:
    """May this image run in this namespace, and why."""
    verb = ctx.invoked_subcommand
    # Housekeeping must work while a settings file is broken.
    if verb and VERBS[verb].section != HOUSEKEEPING and not _asks_for_help(ctx):
        from portreeve.cli.settings import defaults

        command = root.get_command(ctx, verb)
        assert command is not None, "the verb was resolved a moment ago"
        ctx.default_map = {verb: defaults(verb, command, ctx.ensure_object(Terminal))}


def _asks_for_help(ctx: click.Context) -> bool:
    return not {"-h", "--help"}.isdisjoint(ctx.meta.get(ARGUMENTS, ()))


def _version(ctx: click.Context, wanted: bool) -> None:
    """Print the version and stop."""
    if wanted and not ctx.resilient_parsing:
        from portreeve.version import __version__

        sys.stdout.write(f"portreeve {__version__}\n")
        ctx.exit()


def main() -> None:
    """Run the program and exit."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the locale cannot show is escaped; failing on it would lose the verdict.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if os.environ.get(COMPLETE_VARIABLE):
        root.main(prog_name="portreeve", complete_var=COMPLETE_VARIABLE)
    sys.exit(run(sys.argv[1:] or ["--help"]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code. Nothing but SystemExit leaves."""
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
    except BaseException as failure:  # noqa: BLE001 -- the one place where every failure becomes an exit code
        from portreeve.cli.failures import handled

        return handled(failure, arguments)
    return code


def _invoke(arguments: Sequence[str]) -> int:
    """Like `Command.main`, which would turn a closed pipe into exit code 1, our code for a violation."""
    name = "kubectl portreeve" if sys.argv[0].endswith("kubectl-portreeve") else "portreeve"
    try:
        with root.make_context(name, list(arguments)) as context:
            context.meta[ARGUMENTS] = tuple(arguments)
            return int(root.invoke(context) or 0)
    except click.exceptions.Exit as stop:
        return stop.exit_code
