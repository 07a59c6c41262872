"""Options and arguments that several verbs share, so that one flag means one thing everywhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Decorator = Callable[[Decorated], Decorated]


JSONPATH: Final = "jsonpath="
COLUMNS: Final = "custom-columns="
PROJECTIONS: Final = {
    JSONPATH: "{.items[*].metadata.name}",
    COLUMNS: "NAME:.metadata.name,CREATED:.status.createdAt",
}
"""How a form begins that names parts of the answer → an example of what follows."""


class Form(click.Choice[str]):
    """One of some forms, or a projection."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The form as it was written, once it can be read."""
        for prefix, example in PROJECTIONS.items():
            if value in {prefix, prefix.removesuffix("=")}:
                self.fail(f"{prefix} lacks what to show; write -o '{prefix}{example}'", param, ctx)
            if isinstance(value, str) and value.startswith(prefix):
                from portreeve.cli.projection import read

                read(value)
                return value
        return super().convert(value, param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:  # noqa: ARG002 -- click's
        """How help shows it."""
        return f"[{'|'.join((*self.choices, *(f'{prefix}…' for prefix in PROJECTIONS)))}]"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        """The forms, and how projections begin."""
        from click.shell_completion import CompletionItem

        begun = [CompletionItem(prefix) for prefix in PROJECTIONS if prefix.startswith(incomplete)]
        return [*super().shell_complete(ctx, param, incomplete), *begun]


def output_option(*formats: str) -> Decorator[Any]:
    """-o, with the first format as the default."""
    return click.option(
        "-o", "--output", type=click.Choice(formats), default=formats[0], show_default=True, help="Form of the answer."
    )


def read_option(*formats: str) -> Decorator[Any]:
    """-o of a verb that reads: also with a part of the answer that the caller names."""
    return click.option(
        "-o", "--output", type=Form(formats), default=formats[0], show_default=True,
        help="Form of the answer. jsonpath= takes kubectl's templates, custom-columns= TITLE:PATH,…",
    )  # fmt: skip


def report_values(formats: Sequence[str]) -> Callable[..., list[str]]:
    """Completes FORMAT= of --report."""

    def complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
        return [f"{name}=" for name in formats if name.startswith(incomplete)]

    return complete


no_headers_option = click.option("--no-headers", is_flag=True, help="Leave out the line of column names.")


class NamedOption(click.Option):
    """An option whose variable is called like the flag where the parameter is not: PORTREEVE_CHECK_REPORT."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The value of PORTREEVE_<COMMAND>_<FLAG>, None when it is unset or empty."""
        flag = max(self.opts, key=len).removeprefix("--").replace("-", "_").upper()
        return os.environ.get(f"{ctx.auto_envvar_prefix}_{flag}") or None


def report_option(formats: Sequence[str]) -> Callable[[Any], Any]:
    """`--report FORMAT=PATH`, for the commands that write reports beside their answer."""
    return click.option(
        "--report",
        "reports",
        cls=NamedOption,
        multiple=True,
        metavar="FORMAT=PATH",
        shell_complete=report_values(formats),
        help=f"Also write a report; repeatable; PATH - is standard output. FORMAT: {', '.join(formats)}.",
    )


class PolicyOption(NamedOption):
    """-p, which also reads PORTREEVE_POLICY; the variable of the verb itself goes first."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The value of the more specific variable."""
        return super().resolve_envvar_value(ctx) or os.environ.get("PORTREEVE_POLICY") or None


def policy_options(*, required: bool = False) -> Decorator[Any]:
    """-p and --policy-name. Without `required` the verb itself decides what no policy means."""

    def decorate(function: Decorated) -> Decorated:
        name = click.option("--policy-name", metavar="NAME", help="Which RegistryPolicy, where -p gives several.")
        files = click.option(
            "-p", "--policy", "policies", cls=PolicyOption, type=click.Path(path_type=Path), multiple=True,
            required=required, metavar="FILE",
            help="File or folder with RegistryPolicy, Registry and Exemption documents; repeatable. "
                 "Also PORTREEVE_POLICY.",
        )  # fmt: skip
        return files(name(function))

    return decorate


def input_options(*, required: bool = True) -> Decorator[Any]:
    """PATH… and what narrows it."""

    def decorate(function: Decorated) -> Decorated:
        for option in (
            click.option("--exclude", multiple=True, metavar="GLOB",
                         help="Leave out files whose path, or its end, matches; repeatable."),
            click.option("--include", multiple=True, metavar="GLOB",
                         help="Only files whose path, or its end, matches; * crosses slashes."),
            click.option("-n", "--namespace", default="default", show_default=True, metavar="NS",
                         help="Namespace of objects that name none."),
            click.argument("paths", nargs=-1, required=required, type=click.Path(allow_dash=True),
                           metavar="PATH..." if required else "[PATH]..."),
        ):  # fmt: skip
            function = option(function)
        return function

    return decorate


class CallerOption(NamedOption):
    """An option that the settings of a project may not give: it says where a token goes, or consents to something.

    The folder that a command runs in may belong to somebody else. `shared` is the variable that holds for all commands.
    """

    def __init__(self, *words: Any, shared: str = "", **settings: Any) -> None:
        super().__init__(*words, **settings)
        self.shared = shared

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The value of the more specific variable."""
        return super().resolve_envvar_value(ctx) or (os.environ.get(self.shared) if self.shared else None) or None


def consent_options(function: Decorated) -> Decorated:
    """-y and --no-input, for whatever asks before it changes something."""
    yes = click.option(
        "-y", "--yes", is_flag=True, cls=CallerOption, help="Do not ask; the plan is shown all the same."
    )
    no_input = click.option(
        "--no-input", is_flag=True, cls=CallerOption, help="Never ask: without -y that is an error."
    )
    return yes(no_input(function))


def files_option(function: Decorated) -> Decorated:
    """-f, for whatever takes documents."""
    return click.option(
        "-f", "--filename", "files", cls=NamedOption, type=click.Path(path_type=Path), multiple=True, required=True,
        metavar="PATH", help="File or folder with documents, or - for standard input; repeatable.",
    )(function)  # fmt: skip


def label_option(text: str) -> Decorator[Any]:
    """-l, with what it is good for here."""
    return click.option("-l", "--selector", "labels", cls=NamedOption, multiple=True, metavar="KEY=VALUE", help=text)
