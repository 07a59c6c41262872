"""Taking in what an agent reports: what has changed is laid over what it said before.

The environment is that of the agent's certificate, whatever the report says. A report whose number is not the next one,
and that is not whole, is refused with `report_gap`: the agent then sends everything once more.

Source: the design's documents, "The agent channel"; threat AG-05.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from portreeve.core.blast_radius import RunningImage
from portreeve.errors import Conflict, Invalid
from portreeve.server.agents import store
from portreeve.server.database.writer import Transaction
from portreeve.server.images.service import Observation, observe, running_with_digests, said
from portreeve.wire.channel import ImageLine, Report, access_request_document

MOST_IMAGES: Final = 200_000
"""Lines of images of one environment, over all reports; all of them are held in memory."""

MOST_INVENTORY: Final = 200_000
"""Lines of everything else of one environment."""

Line = tuple[str, str, str]


async def take(transaction: Transaction, environment: str, report: Report) -> int:
    """Store a report, as a part of a job; its number.

    Raises:
        Conflict: `report_gap`. Invalid: `report_too_large`.
    """
    connection = transaction.connection
    held = await store.of_environment(connection, environment)
    last = held.report if held else 0
    if not report.whole and report.number != last + 1:
        raise Conflict("report_gap", f"the report behind {last} is awaited", hint="the agent sends a whole one")
    if report.whole and report.number <= last:
        # One that was late, or is sent once more: what came behind it counts.
        raise Conflict("report_gap", f"a report with a number beyond {last} is awaited")
    facts = merged(await said(connection, environment), report)
    images: list[tuple[RunningImage, str]] | None = None
    if not _blind(report) and (report.whole or report.images_added or report.images_removed):
        running = {} if report.whole else dict(await running_with_digests(connection, environment))
        images = _running(environment, _changed(running, report))
    await observe(transaction, Observation(environment, report.generation, facts, images))
    await store.acknowledge(connection, environment, report.number)
    return report.number


def _blind(report: Report) -> bool:
    """Whether the agent has begun anew and has not seen its cluster yet: it then tells neither images nor inventory.

    What it told before stays, and is of the time of that report: nobody knows that nothing runs.
    """
    return report.whole and report.inventory is None and not report.images_added


def merged(before: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """The facts of an environment after this report; a whole one leaves nothing of those before but requests.

    Requests are answered in the desired state. An agent that begins anew, and has not looked for them yet, must not
    have these answers come and go.
    """
    if report.whole:
        before = {name: held for name, held in before.items() if name == "accessRequests"}
    found = dict(before)
    if report.capabilities is not None:
        found.update(report.capabilities)
    if report.conditions is not None:
        found["conditions"] = [dict(one) for one in report.conditions]
    if report.pull_secrets or report.withdrawn:
        held = {one["namespace"]: one for one in before.get("pullSecrets", ())}
        held.update((one["namespace"], _plain(one)) for one in report.pull_secrets)
        for name in report.withdrawn:
            held.pop(name, None)
        found["pullSecrets"] = [held[name] for name in sorted(held)]
    if report.namespaces_added or report.namespaces_removed:
        known = {one["name"]: one for one in before.get("namespaces") or ()}
        known.update((one["name"], {"labels": {}, **one}) for one in report.namespaces_added)
        for name in report.namespaces_removed:
            known.pop(name, None)
        found["namespaces"] = [known[name] for name in sorted(known)]
    if report.access_requests is not None:
        found["accessRequests"] = [access_request_document(one) for one in report.access_requests]
    if report.inventory is not None:
        found["inventory"] = _replaced(before.get("inventory") or {}, report.inventory)
    return found


def _replaced(held: Mapping[str, Any], told: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Namespace → what is said of it, after what was told anew; a namespace of which nothing is said goes."""
    found = {**held, **{one["namespace"]: {k: v for k, v in one.items() if k != "namespace"} for one in told}}
    if sum(len(rows) for one in found.values() for rows in one.values() if not isinstance(rows, int)) > MOST_INVENTORY:
        raise Invalid("report_too_large", f"an environment has at most {MOST_INVENTORY:,} lines of inventory")
    return {name: found[name] for name in sorted(found) if found[name]}


def _plain(one: Mapping[str, Any]) -> dict[str, Any]:
    return {**one, "entries": [dict(entry) for entry in one["entries"]]}


def _changed(held: dict[Line, str], report: Report) -> dict[Line, str]:
    for gone in _keys(report.images_removed):
        held.pop(gone, None)
    for one in report.images_added:
        held[one.namespace, one.owner, one.image] = one.digest
    if len(held) > MOST_IMAGES:
        raise Invalid("report_too_large", f"an environment has at most {MOST_IMAGES:,} lines of images")
    return held


def _keys(lines: Iterable[ImageLine]) -> Iterable[Line]:
    return ((one.namespace, one.owner, one.image) for one in lines)


def _running(environment: str, held: Mapping[Line, str]) -> list[tuple[RunningImage, str]]:
    return [(RunningImage(environment, *line), digest) for line, digest in sorted(held.items())]
