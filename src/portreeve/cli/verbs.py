"""The static table of verbs: all that `--help` and completion need, so that they import no verb."""

from __future__ import annotations

from typing import Final, NamedTuple


class Verb(NamedTuple):
    """A verb: the section of the help that it stands in, and its one line there. Its module has its name."""

    section: str
    help: str


OFFLINE: Final = "Judge files (no cluster, no network)"
POLICIES: Final = "Work on a policy"
CLUSTER: Final = "Look into a cluster (what is there: cluster, control plane, registry, files)"
EVIDENCE: Final = "Check evidence (no server, no network)"
CONTROL_PLANE: Final = "Run the control plane"
GOVERN: Final = "Govern (control plane)"
HOUSEKEEPING: Final = "Housekeeping"

VERBS: Final[dict[str, Verb]] = {
    "check": Verb(OFFLINE, "Judge every image in manifests, charts, Compose files, Dockerfiles, workflows."),
    "images": Verb(OFFLINE, "List the images in files; --why shows how one is read."),
    "diagnose": Verb(OFFLINE, "Say why images could not be pulled, from events."),
    "suggest": Verb(POLICIES, "Write a starter policy from the images in files."),
    "simulate": Verb(POLICIES, "Show what a new policy would deny or allow that the old one did not."),
    "test": Verb(POLICIES, "Run the test cases of policies."),
    "render": Verb(POLICIES, "Write a policy as the objects that enforce it in a cluster."),
    "hosts": Verb(POLICIES, "List the hosts that nodes must reach for a policy's sources."),
    "explain": Verb(CLUSTER, "Say why an image is not pulled, or may not run, and what to do."),
    "pulltest": Verb(CLUSTER, "Pull an image once in a cluster, and say what came of it."),
    "verify": Verb(EVIDENCE, "Verify an exported audit log: that no line was changed, dropped, moved or added."),
    "up": Verb(CONTROL_PLANE, "Start the control plane on this machine."),
    "login": Verb(GOVERN, "Sign in to a control plane with an API token."),
    "get": Verb(GOVERN, "List documents of a kind, or show those that are named."),
    "describe": Verb(GOVERN, "Show one document and its status in full."),
    "apply": Verb(GOVERN, "Store the documents of files, all or none: shows the plan, asks."),
    "diff": Verb(GOVERN, "Show how the documents of files differ from the stored ones."),
    "drift": Verb(GOVERN, "Compare files with the control plane, both ways."),
    "export": Verb(GOVERN, "Write the whole configuration as YAML: sorted, without secrets."),
    "plan": Verb(GOVERN, "Make a plan of the documents of files and show it; nothing is changed."),
    "confirm": Verb(GOVERN, "Run exactly this plan: shows it and asks."),
    "create": Verb(GOVERN, "Store new documents, all or none."),
    "edit": Verb(GOVERN, "Edit a document in $VISUAL or $EDITOR: shows the plan, asks."),
    "delete": Verb(GOVERN, "Delete documents, all or none: shows the plan, asks."),
    "grant": Verb(GOVERN, "Grant a registry to namespaces, users or teams: shows the plan, asks."),
    "revoke": Verb(GOVERN, "Take grants back: shows what loses its pull secret, asks."),
    "add": Verb(GOVERN, "Add a registry from anything pasted: tries it; or an environment, and enrols its agent."),
    "adopt": Verb(GOVERN, "Find the pull secrets that are in a cluster, take them over, or take the old ones away."),
    "validate": Verb(GOVERN, "Try a registry, stage by stage."),
    "browse": Verb(GOVERN, "Show repositories, tags or one image of a registry."),
    "use": Verb(GOVERN, "Show how a workload uses a registry."),
    "limits": Verb(GOVERN, "Show how much may still be pulled."),
    "egress": Verb(GOVERN, "List the hosts that an environment must reach; what is new of them."),
    "inventory": Verb(
        GOVERN, "Show what could run in an environment, who names which pull secret, and which pulls fail."
    ),
    "needed": Verb(GOVERN, "List registries that workloads use in namespaces where they are not granted."),
    "unused": Verb(GOVERN, "List grants of registries in namespaces where nothing uses them."),
    "requests": Verb(GOVERN, "List registries that namespaces ask for from within their clusters."),
    "approve": Verb(GOVERN, "Grant what a namespace asks for: shows the plan, asks."),
    "deny": Verb(GOVERN, "Refuse what a namespace asks for, and say why."),
    "rotate": Verb(GOVERN, "Rotate a registry's credential."),
    "rotation": Verb(GOVERN, "Show how far a registry's credential has come; --watch follows a rotation."),
    "pullsecrets": Verb(GOVERN, "List the pull secrets in an environment: versions, states, conflicts."),
    "attachments": Verb(GOVERN, "Show what is attached to environments: policies, accesses, conditions."),
    "calendar": Verb(GOVERN, "Show what ends when: credentials, tokens, exemptions; also as iCalendar."),
    "exempt": Verb(GOVERN, "Request, approve, deny, renew or revoke an exception to a policy."),
    "audit": Verb(GOVERN, "Show events of the audit log; audit export writes all of it."),
    "token": Verb(GOVERN, "Make, list and revoke API tokens of your own."),
    "info": Verb(HOUSEKEEPING, "Show paths, settings and the external tools that are found."),
    "version": Verb(HOUSEKEEPING, "Show the version."),
    "completion": Verb(HOUSEKEEPING, "Write the completion script of a shell."),
    "help": Verb(HOUSEKEEPING, "Explain a topic: exit-codes, environment, or a command."),
}
"""Verb → what is shown of it, in the order of the help."""
