"""`portreeve adopt`: the pull secrets that are in a cluster already: see them, take them over, and take them away."""

from __future__ import annotations

from typing import Any

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import CallerOption, NamedOption, consent_options, output_option
from portreeve.cli.terminal import current, terminal_options

EPILOG = """\b
Examples:
  portreeve adopt                                        what is in the cluster of the current context
  portreeve adopt --context prod-eu -n shop --probe -o json
  portreeve adopt shop/regcred jobs/regcred --environment prod-eu
  portreeve adopt --all --environment prod-eu --dry-run=server
  portreeve adopt --retire shop/regcred --environment prod-eu
  portreeve adopt --retire --all --environment prod-eu --dry-run=client"""


@click.command(epilog=EPILOG)
@click.argument("names", nargs=-1, metavar="[NAMESPACE/NAME]...")
@click.option("--all", "every", is_flag=True, cls=CallerOption, help="Every Secret of the report, instead of names.")
@click.option("--environment", metavar="NAME", cls=NamedOption,
              help="The environment that the cluster is: take the Secrets over into it.")  # fmt: skip
@click.option("--retire", is_flag=True, cls=CallerOption,
              help="Take the old Secrets away where Portreeve delivers what they held.")  # fmt: skip
@click.option("--context", metavar="NAME", cls=CallerOption, help="Which context of the kubeconfig.")
@click.option("-n", "--namespace", "namespaces", cls=NamedOption, multiple=True, metavar="NS",
              help="Look into this namespace alone; repeatable.")  # fmt: skip
@click.option("--probe", is_flag=True, cls=CallerOption, help="Try each login at its registry, from this machine.")
@click.option("--registry-ca", metavar="FILE", type=click.Path(), cls=CallerOption,
              help="Trust these certificates to probe, and no others.")  # fmt: skip
@click.option("--expires-at", metavar="TIME", cls=NamedOption,
              help="When those credentials end that do not say so themselves: RFC 3339.")  # fmt: skip
@click.option("--dry-run", type=click.Choice(["none", "client", "server"]), default="none", show_default=True,
              help="client: say what would be done. server: have it checked there, and stop.")  # fmt: skip
@output_option("table", "json", "yaml")
@consent_options
@server_options
@terminal_options
def command(names: tuple[str, ...], output: str, yes: bool, no_input: bool, **options: Any) -> int:
    """Find the pull secrets that are in a cluster, take them over, or take the old ones away.

    Without --environment it reports: where each is, for which hosts and users, who uses it, and what is wrong with it.
    It asks the cluster as whoever the kubeconfig says. A password is shown nowhere: it goes from the cluster to the
    control plane, and to its own registry with --probe.
    """
    from portreeve.cli import adopting, retiring, surveying
    from portreeve.cli.changes import Consent

    _check(names, options)
    terminal = current()
    survey = surveying.survey(
        options["context"] or "", options["namespaces"], probe=options["probe"], ca_file=options["registry_ca"]
    )
    picked = surveying.picked(survey, names)
    if not options["environment"]:
        surveying.show(survey, picked, output, terminal)
        return 0
    surveying.warn_unseen(survey, terminal)
    asked = surveying.Asked(picked, options["environment"], bool(names), options["dry_run"], options["expires_at"])
    do = retiring.retire if options["retire"] else adopting.adopt
    with connected() as client:
        return do(client, survey, asked, Consent(yes, no_input), terminal, output)


def _check(names: tuple[str, ...], options: Any) -> None:
    """See that what is asked fits together.

    Raises:
        Invalid: `usage`.
    """
    from portreeve.errors import Invalid

    if names and options["every"]:
        raise Invalid("usage", "names and --all do not go together", hint="one or the other")
    if any(one.count("/") != 1 or one.startswith("/") or one.endswith("/") for one in names):
        raise Invalid("usage", "a Secret is named NAMESPACE/NAME", hint="portreeve adopt shows them")
    if options["registry_ca"] and not options["probe"]:
        raise Invalid("usage", "--registry-ca is for --probe", hint="add --probe")
    if options["expires_at"]:
        if options["retire"] or not options["environment"]:
            raise Invalid("usage", "--expires-at is for taking Secrets over", hint="--environment, without --retire")
        _check_time(options["expires_at"])
    if options["environment"]:
        if not names and not options["every"]:
            raise Invalid("usage", "it is not said which Secrets", hint="NAMESPACE/NAME..., or --all")
    elif options["retire"] or options["dry_run"] != "none":
        flag = "--retire" if options["retire"] else "--dry-run"
        raise Invalid("usage", f"{flag} needs --environment", hint="the environment that the cluster is")


def _check_time(text: str) -> None:
    from portreeve.errors import Invalid
    from portreeve.wire.times import read_time

    try:
        read_time(text)
    except ValueError as error:
        raise Invalid("usage", f"--expires-at {error}", hint="as 2027-06-01T00:00:00Z") from None
