"""Documents of files on their way to the control plane: what they propose, the plan of it, and the secrets that follow.

What apply, create, plan and diff have in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portreeve.cli.changes import Consent, Plan, Proposal
    from portreeve.cli.credentials import Credential
    from portreeve.cli.documents import Wanted
    from portreeve.cli.terminal import Terminal
    from portreeve.client import Client


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
        state = "confirmed" if stored else state
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
