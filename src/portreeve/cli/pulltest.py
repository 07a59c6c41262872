"""`portreeve pulltest`: an image pulled once in a cluster by a pod made for it, and what came of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import click

from portreeve.cli.options import output_option
from portreeve.cli.terminal import Terminal, current, safe, terminal_options

if TYPE_CHECKING:
    from portreeve.core.pull_test import Pull
    from portreeve.kube.kubeconfig import Connection

LONGEST_S: Final = 3600

EPILOG = """\b
Examples:
  portreeve pulltest ghcr.io/acme/api:1.4 -n shop
  portreeve pulltest ghcr.io/acme/api:1.4 -n shop --service-account api --node worker-1
  portreeve pulltest ghcr.io/acme/api:1.4 -n shop --timeout 300 -o json
\b
Exit codes: 0 it was pulled, 1 the pull failed or admission refused the pod, 3 it is not known."""


@click.command(epilog=EPILOG)
@click.argument("image")
@click.option("-n", "--namespace", metavar="NS", help="Where the pod is made; that of the context, else default.")
@click.option("--context", metavar="NAME", help="Which context of the kubeconfig; the current one without it.")
@click.option(
    "--service-account", default="default", show_default=True, metavar="NAME", help="Whose pull secrets are used."
)
@click.option("--node", metavar="NAME", help="Which node has to pull, by its label kubernetes.io/hostname.")
@click.option(
    "--timeout",
    type=click.IntRange(1, LONGEST_S),
    default=120,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the pull to end.",
)
@output_option("table", "json", "yaml")
@terminal_options
def command(
    image: str,
    namespace: str | None,
    context: str | None,
    service_account: str,
    node: str | None,
    timeout: int,
    output: str,
) -> int:
    """Pull an image once in a cluster, and say what came of it.

    A pod is made in the namespace with your own rights (create, get and delete of pods, list of events), followed
    through its events, and deleted, also after Ctrl-C. It conforms to the Pod Security level restricted, and its
    command ends at once.
    """
    import asyncio
    import secrets

    from portreeve.cli.clock import now
    from portreeve.core.pull_test import pod
    from portreeve.core.reference import parse
    from portreeve.kube.kubeconfig import connection, find

    terminal = current()
    parse(image)  # What no runtime reads alike is refused here, with its reason.
    cluster = connection(find(os.environ), context or "", environment=os.environ, now=now)
    manifest = pod(
        image,
        namespace or cluster.namespace,
        suffix=secrets.token_hex(4),
        service_account=service_account,
        node=node or "",
        timeout_s=timeout,
    )
    try:
        found = asyncio.run(_run(cluster, manifest, timeout, terminal))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    return _shown(found, manifest, output, terminal)


async def _run(cluster: Connection, manifest: dict[str, Any], timeout_s: int, terminal: Terminal) -> Pull:
    import asyncio
    import signal

    from portreeve.kube.client import Client
    from portreeve.kube.pull_test import pull_test

    task = asyncio.current_task()
    assert task is not None, "asyncio.run makes one"
    # A runner that is stopped sends this one; the pod is to go then, too.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    terminal.note(f"pod {manifest['metadata']['name']} in {manifest['metadata']['namespace']}")
    async with Client(cluster) as client:
        return await pull_test(client, manifest, timeout_s=timeout_s, say=terminal.note, warn=terminal.warn)


def _shown(found: Pull, manifest: dict[str, Any], output: str, terminal: Terminal) -> int:
    from portreeve.core.findings import EXIT_INCOMPLETE, EXIT_OK, EXIT_VIOLATION
    from portreeve.core.pull_test import Outcome

    answer = as_mapping(found, manifest)
    if output == "table":
        for name, value in answer.items():
            if value not in (None, "", [], False):
                terminal.data(f"{name:<15} {safe(', '.join(value) if isinstance(value, list) else str(value))}")
    else:
        from portreeve.cli.output import write

        write(answer, output)
    match found.outcome:
        case Outcome.PULLED:
            return EXIT_OK
        case Outcome.UNKNOWN:
            return EXIT_INCOMPLETE
        case _:
            return EXIT_VIOLATION


def as_mapping(found: Pull, manifest: dict[str, Any]) -> dict[str, Any]:
    """The verdict for programs; a table leaves out what is empty."""
    from portreeve.core.pull_failure import ADVICE
    from portreeve.core.pull_test import Outcome

    spec, metadata = manifest["spec"], manifest["metadata"]
    advice = ADVICE[found.cause] if found.cause is not None else None
    image, namespace = spec["containers"][0]["image"], metadata["namespace"]
    do = advice.do if advice else ""
    if found.outcome is Outcome.REFUSED:
        do = f"portreeve explain {image} -n {namespace}"
    return {
        "image": image,
        "namespace": namespace,
        "serviceAccount": spec["serviceAccountName"],
        "outcome": str(found.outcome),
        "sentence": found.sentence,
        "cause": str(found.cause) if found.cause is not None else None,
        "meaning": advice.meaning if advice else None,
        "do": do or None,
        "node": found.node or None,
        "digest": found.digest or None,
        "took": found.took or None,
        "waited": found.waited or None,
        "sizeBytes": found.size_bytes,
        "present": found.present,
        "notes": list(found.notes),
    }
