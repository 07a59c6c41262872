"""`portreeve apply`: bring the control plane to what files say: plan, look, confirm, then the secrets.

Secrets are read after the plan is confirmed and not before: a plan that is declined has touched none. That each can be
found is seen to first, so that a variable that is not set is told before anything is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from portreeve.cli.connection import connected, server_options
from portreeve.cli.options import CallerOption, consent_options, files_option, label_option, output_option
from portreeve.cli.terminal import Terminal, current, terminal_options

if TYPE_CHECKING:
    from portreeve.cli.changes import Consent, Plan, Proposal
    from portreeve.cli.credentials import Credential
    from portreeve.cli.documents import Wanted
    from portreeve.client import Client

EPILOG = """\b
Examples:
  portreeve apply -f config/
  portreeve apply -f config/ --dry-run=server
  portreeve apply -f config/ --prune -l owner=platform -y
  portreeve export | portreeve apply -f -              nothing to change"""


@click.command(epilog=EPILOG)
@files_option
@click.option("--prune", is_flag=True, cls=CallerOption,
              help="Delete what has the label of -l and a kind of the files, and is not in them.")  # fmt: skip
@label_option("KEY=VALUE of what --prune may delete; repeatable, all must hold.")
@click.option("--dry-run", "dry_run", type=click.Choice(["none", "client", "server"]), default="none",
              show_default=True, help="client: only read the files. server: make the plan and stop.")  # fmt: skip
@click.option("--replace", is_flag=True, cls=CallerOption, help="Take groups out of other policies that cover them.")
@click.option("--force", is_flag=True, cls=CallerOption, help="Consent to deleting more than is usual.")
@output_option("table", "json", "yaml")
@consent_options
@server_options
@terminal_options
def command(files: tuple[Path, ...], output: str, **options: Any) -> int:
    """Store the documents of files, all or none: shows the plan, asks, and runs exactly that plan.

    Then the secrets that credentialFrom names are read and sent. An exemption is only requested by this.
    """
    from portreeve.cli import credentials, documents
    from portreeve.cli.changes import Consent

    check_prune(options["prune"], options["labels"])
    wanted = documents.read(files)
    terminal = current()
    secrets = [one for document in wanted for one in document.credentials]
    if options["dry_run"] == "client":
        return _told(wanted, output, terminal)
    credentials.check(secrets, stdin_taken=Path("-") in files)
    with connected() as client:
        removals = pruned(client, wanted, options["labels"]) if options["prune"] else []
        proposal = proposed(wanted, removals, replace=options["replace"], force=options["force"])
        applied = Applied(proposal, secrets, dry=options["dry_run"] == "server")
        return applied.run(client, Consent(options["yes"], options["no_input"]), output, terminal)


@dataclass(frozen=True, slots=True)
class Applied:
    """A proposal and the secrets that follow it. `dry` stops at the plan."""

    proposal: Proposal
    secrets: Sequence[Credential] = ()
    dry: bool = False

    def run(self, client: Client, consent: Consent, output: str, terminal: Terminal) -> int:
        """The whole way; the exit code."""
        from portreeve.cli import changes, credentials

        plan = self.proposal.planned(client)
        self._show(plan, terminal, must_be_seen=not consent.yes and not self.dry)
        if not self.dry:
            changes.refuse_blocked(plan, force=self.proposal.force)
        state = "planned" if self.dry else None
        stored: list[dict[str, Any]] = []
        if not self.dry and (plan["documents"] or self.secrets):
            count = len(plan["documents"]) + len(self.secrets)
            changes.ask(f"Make {count} {'change' if count == 1 else 'changes'}?", consent)
            if plan["documents"]:
                changes.confirmed(client, plan)
            stored = credentials.put_all(client, self.secrets)
        changes.answer(plan, output, terminal, state=state, credentials=stored)
        if output == "table":
            for one in stored:
                terminal.data(f"Registry/{one['registry']} credential {one['purpose']} set")
        return 0

    def _show(self, plan: Plan, terminal: Terminal, *, must_be_seen: bool) -> None:
        from portreeve.cli import changes

        if plan["documents"]:
            changes.show(plan, terminal, must_be_seen=must_be_seen)
        for one in self.secrets:
            line = f"set the credential {one.purpose} of Registry/{one.registry} from {one.source}"
            (terminal.warn if must_be_seen else terminal.note)(line)


def check_prune(prune: bool, labels: Sequence[str]) -> None:
    """See that --prune says what it may delete, and that -l is for it.

    Raises:
        Invalid: `usage`.
    """
    from portreeve.cli.documents import labels_checked
    from portreeve.errors import Invalid

    labels_checked(labels)
    if prune != bool(labels):
        hint = "without a label it would delete whatever others made" if prune else "-l is for --prune"
        raise Invalid("usage", "--prune and -l KEY=VALUE go together", hint=hint)


def pruned(client: Client, wanted: Sequence[Wanted], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Deletions of what has the labels and is of a kind that the files hold, but not in them."""
    from portreeve.cli import changes, documents

    there = documents.stored(client, {one.kind for one in wanted}, labels)
    kept = {one.key for one in wanted}
    return [changes.removal(document) for key, document in there.items() if key not in kept]


def proposed(wanted: Sequence[Wanted], removals: Sequence[dict[str, Any]], *, replace: bool, force: bool) -> Proposal:
    """The documents and deletions as one proposal."""
    from portreeve.cli.changes import Proposal

    return Proposal([one.sent() for one in wanted], removals, replace, force)


def _told(wanted: Sequence[Wanted], output: str, terminal: Terminal) -> int:
    """What the files hold; nobody was asked what of it would change."""
    if output != "table":
        from portreeve.cli.output import write

        write({"state": "read", "documents": [{"kind": one.kind.name, "name": one.name} for one in wanted]}, output)
        return 0
    for one in wanted:
        terminal.data(f"{one.kind.name}/{one.name} (read)")
    return 0
