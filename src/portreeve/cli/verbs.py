"""The static table of verbs: all that `--help` and completion need, so that they import no verb."""

from __future__ import annotations

from typing import Final, NamedTuple


class Verb(NamedTuple):
    """A verb: the section of the help that it stands in, and its one line there. Its module has its name."""

    section: str
    help: str


OFFLINE: Final = "Judge files (no cluster, no network)"
POLICIES: Final = "Work on a policy"
EVIDENCE: Final = "Check evidence (no server, no network)"
CONTROL_PLANE: Final = "Run the control plane"
HOUSEKEEPING: Final = "Housekeeping"

VERBS: Final[dict[str, Verb]] = {
    "check": Verb(OFFLINE, "Judge every image in manifests, charts, Compose files, Dockerfiles, workflows."),
    "images": Verb(OFFLINE, "List the images in files; --why shows how one is read."),
    "explain": Verb(OFFLINE, "Say whether one image may run in a namespace, and why."),
    "suggest": Verb(POLICIES, "Write a starter policy from the images in files."),
    "simulate": Verb(POLICIES, "Show what a new policy would deny or allow that the old one did not."),
    "test": Verb(POLICIES, "Run the test cases of policies."),
    "render": Verb(POLICIES, "Write a policy as the objects that enforce it in a cluster."),
    "hosts": Verb(POLICIES, "List the hosts that nodes must reach for a policy's sources."),
    "verify": Verb(EVIDENCE, "Verify an exported audit log: that no line was changed, dropped, moved or added."),
    "up": Verb(CONTROL_PLANE, "Start the control plane on this machine."),
    "info": Verb(HOUSEKEEPING, "Show paths, settings and the external tools that are found."),
    "version": Verb(HOUSEKEEPING, "Show the version."),
    "completion": Verb(HOUSEKEEPING, "Write the completion script of a shell."),
    "help": Verb(HOUSEKEEPING, "Explain a topic: exit-codes, environment, or a command."),
}
"""Verb → what is shown of it, in the order of the help."""
