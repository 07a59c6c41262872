"""Reports: what has changed, once; whole where the control plane missed one; nothing is lost by a failure."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from portreeve.core.agent_messages import Phase, ReportDocument, Status, Verdict
from portreeve.core.agent_messages import Report as Told
from portreeve.core.credential import CredentialRef
from portreeve.core.observation import EntryFact
from portreeve.errors import Conflict, Invalid, PortreeveError, Unavailable
from portreeve.kube.objects import Container, LabelledMetadata, Metadata, Namespace, Pod, PodSpec
from portreeve.kube.resources import NAMESPACES
from portreeve.reconciler.inventory import InventoryKeeper, InventoryPart
from portreeve.reconciler.reporting import BARE_S, Reporter
from portreeve.server.agents.channel import MAX_REPORT_BYTES
from portreeve.server.agents.observing import merged
from portreeve.wire.channel import MOST_LABELS, ImageLine, Report, read_report, report_document

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


class Plane:
    """Takes reports as the control plane does, or fails as it is told."""

    def __init__(self) -> None:
        self.taken: list[Report] = []
        self.failing: list[PortreeveError | None] = []
        self.last = 0

    async def send(self, report: Report) -> None:
        if self.failing and (error := self.failing.pop(0)) is not None:
            raise error
        if not report.whole and report.number != self.last + 1:
            raise Conflict("report_gap", "")
        self.last = report.number
        self.taken.append(report)


class Part:
    """A part with rows of its own."""

    def __init__(self) -> None:
        self.resets = self.acknowledgements = 0

    def delta(self) -> dict[str, Any]:
        return {}

    def acknowledged(self) -> None:
        self.acknowledgements += 1

    def reset(self) -> None:
        self.resets += 1


@pytest.fixture
def plane() -> Plane:
    return Plane()


@pytest.fixture
def reporter(plane: Plane) -> Reporter:
    return Reporter(plane.send, clock=lambda: NOW, monotonic=lambda: 0.0, chance=lambda: 0.5)


def status(name: str, phase: Phase = Phase.DELIVERED, version: int = 1) -> Told:
    fact = EntryFact("r.example.com/", CredentialRef("c-1", version, NOW), live=True)
    return Told(Status(name, phase, f"uid-{name}", (fact,)))


def namespace(name: str, **labels: str) -> Namespace:
    return Namespace(LabelledMetadata(name=name, uid=name, resource_version="1", labels=labels))


async def test_the_first_is_whole_and_the_next_says_what_has_changed(plane: Plane, reporter: Reporter) -> None:
    part = Part()
    reporter.add_parts([part])
    reporter.registries({"c-1": "harbor"})
    reporter.seen(NAMESPACES, namespace("a", team="x"))
    reporter.told(status("a"))
    reporter.told(status("b"))
    reporter.capabilities({"kubernetes": "v1.36.3"})
    await reporter.flush()
    reporter.told(status("b", version=2))
    reporter.told(Told(Status("a", Phase.REMOVED)))
    reporter.gone(NAMESPACES, "", "a", "a")
    await reporter.flush()
    first, second = plane.taken
    assert first.whole
    assert [one["namespace"] for one in first.pull_secrets] == ["a", "b"]
    assert first.pull_secrets[0]["entries"][0] == {
        "registry": "harbor", "credential": "c-1", "version": 1, "state": "live", "expiresAt": "2026-11-28T12:00:00Z",
    }  # fmt: skip
    assert first.namespaces_added == ({"name": "a", "labels": {"team": "x"}},)
    assert first.capabilities == {"kubernetes": "v1.36.3"}
    assert (second.whole, second.number) == (False, first.number + 1)
    assert [one["entries"][0]["version"] for one in second.pull_secrets] == [2]
    assert (second.withdrawn, second.namespaces_removed) == (("a",), ("a",))
    assert (second.capabilities, second.conditions) == (None, None)
    assert (part.resets, part.acknowledgements) == (1, 2)


async def test_a_gap_is_answered_with_everything(plane: Plane, reporter: Reporter) -> None:
    reporter.told(status("a"))
    await reporter.flush()
    plane.last = 0  # as after a restore of the database
    reporter.told(status("b"))
    await reporter.flush()
    assert plane.taken[-1].whole
    assert [one["namespace"] for one in plane.taken[-1].pull_secrets] == ["a", "b"]


async def test_what_was_not_taken_is_said_with_the_next(plane: Plane, reporter: Reporter) -> None:
    await reporter.flush()
    reporter.told(status("a"))
    plane.failing = [Unavailable("no_answer", "")]
    with pytest.raises(Unavailable):
        await reporter.flush()
    reporter.told(status("b"))
    await reporter.flush()
    assert [one["namespace"] for one in plane.taken[-1].pull_secrets] == ["a", "b"]
    assert not plane.taken[-1].whole


async def test_a_report_that_was_taken_though_its_answer_was_lost_leads_to_a_whole_one(
    plane: Plane, reporter: Reporter
) -> None:
    await reporter.flush()
    reporter.told(status("a"))

    async def lost(report: Report) -> None:
        await plane.send(report)
        raise Unavailable("no_answer", "")

    reporter._send = lost
    with pytest.raises(Unavailable):
        await reporter.flush()
    reporter._send = plane.send
    await reporter.flush()
    assert plane.taken[-1].whole


async def test_conditions_keep_the_time_of_their_last_transition(plane: Plane) -> None:
    times = iter([NOW, NOW.replace(hour=13), NOW.replace(hour=14), *[NOW.replace(hour=15)] * 9])
    reporter = Reporter(plane.send, clock=lambda: next(times), monotonic=lambda: 0.0, chance=lambda: 0.5)
    reporter.condition("Enforced", "True", "PolicyEnforced")
    reporter.condition("Enforced", "True", "PolicyEnforced", "proved again")
    reporter.condition("Enforced", "False", "Gap")
    await reporter.flush()
    (told,) = plane.taken[-1].conditions or ()
    assert (told["status"], told["reason"], told["lastTransitionTime"]) == ("False", "Gap", "2026-11-28T14:00:00Z")
    assert "message" not in told


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ((), None),
        ((Phase.DELIVERED, Phase.NOTHING), ("True", "SecretSynced")),
        ((Phase.DELIVERED, Phase.PENDING), ("Unknown", "Reconciling")),
        ((Phase.PENDING, Phase.TAKEN), ("False", "SecretConflict")),
        ((Phase.IMMUTABLE,), ("False", "SecretConflict")),
    ],
)
async def test_one_condition_says_whether_all_have_what_they_should(
    plane: Plane, reporter: Reporter, phases: tuple[Phase, ...], expected: tuple[str, str] | None
) -> None:
    for number, phase in enumerate(phases):
        reporter.told(status(f"n{number}", phase))
    await reporter.flush()
    said = {one["type"]: (one["status"], one["reason"]) for one in plane.taken[-1].conditions or ()}
    assert said.get("Delivered") == expected


async def test_nothing_is_sent_before_the_cluster_was_seen_or_without_news(plane: Plane, reporter: Reporter) -> None:
    task = asyncio.create_task(reporter.serve())
    reporter.told(ReportDocument(4, "sha256:", Verdict.APPLIED))
    await asyncio.sleep(0.4)
    assert plane.taken == []
    reporter.ready.set()
    await asyncio.sleep(0.5)
    assert [one.generation for one in plane.taken] == [4]
    await asyncio.sleep(0.5)
    assert len(plane.taken) == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Strict(Plane):
    """Reads and lays over each other what it is sent, as the control plane does."""

    def __init__(self, inventory: int = 10**9) -> None:
        super().__init__()
        self.most_inventory = inventory
        self.facts: dict[str, Any] = {}
        self.seen: list[tuple[str, str]] = []
        self.refused = 0

    async def send(self, report: Report) -> None:
        body = json.dumps(report_document(report)).encode()
        assert len(body) <= MAX_REPORT_BYTES
        read = read_report(json.loads(body))
        if read.whole and read.number <= self.last:
            self.refused += 1
            raise Conflict("report_gap", "")
        if read.images_added and len(read.images_added) > self.most_inventory:
            self.refused += 1
            raise Invalid("report_too_large", "")
        await super().send(read)
        self.facts = merged({} if read.whole else self.facts, read)
        self.seen.append(self.condition("ClusterSeen"))

    def condition(self, kind: str) -> tuple[str, str]:
        (found,) = [one for one in self.facts["conditions"] if one["type"] == kind]
        return found["status"], found["reason"]


class Images(Part):
    """A part with lines of images."""

    def __init__(self, *lines: ImageLine) -> None:
        super().__init__()
        self.lines = lines

    def delta(self) -> dict[str, Any]:
        return {"images_added": self.lines, "inventory": ()}


def strict(plane: Plane, clock: datetime = NOW, at: Any = lambda: 0.0) -> Reporter:
    reporter = Reporter(plane.send, clock=lambda: clock, monotonic=at, chance=lambda: 0.5)
    reporter.condition("ClusterSeen", "True", "Watched")
    return reporter


@pytest.mark.wide
async def test_what_no_report_holds_is_split_and_nothing_counts_as_gone_before_the_last() -> None:
    plane = Strict()
    reporter = strict(plane)
    many = 10_500
    for number in range(many):
        reporter.seen(NAMESPACES, namespace(f"n{number:05}", team="x"))
        reporter.told(status(f"n{number:05}"))
    await reporter.flush()
    assert [one.whole for one in plane.taken] == [True] + [False] * (len(plane.taken) - 1)
    assert len(plane.taken) >= 2
    assert set(plane.seen[:-1]) == {("Unknown", "ReportGoesOn")}
    assert all(one.pull_secrets for one in plane.taken[:1])
    assert plane.condition("ClusterSeen") == ("True", "Watched")
    assert len(plane.facts["pullSecrets"]) == len(plane.facts["namespaces"]) == many
    for number in range(many):
        reporter.gone(NAMESPACES, "", f"n{number:05}", "")
    await reporter.flush()
    assert (plane.facts["pullSecrets"], plane.facts["namespaces"]) == ([], [])


async def test_a_namespace_with_more_labels_than_a_report_holds_ends_no_reports() -> None:
    plane = Strict()
    reporter = strict(plane)
    labels = {f"{'p' * 63}.example.com/{'n' * 50}{number:05}": "v" * 63 for number in range(9_000)}
    for name in ("a", "b"):
        reporter.seen(NAMESPACES, namespace(name, **labels))
    reporter.told(status("a"))
    await reporter.flush()
    assert [len(one["labels"]) for one in plane.facts["namespaces"]] == [MOST_LABELS] * 2


async def test_numbers_of_a_start_whose_clock_was_ahead_are_overtaken() -> None:
    plane = Strict()
    plane.last = int(NOW.timestamp() * 1000) + 400 * 86_400_000
    reporter = strict(plane)
    reporter.told(status("a"))
    for _ in range(9):
        try:
            await reporter.flush()
        except Conflict:
            continue
        break
    assert [one["namespace"] for one in plane.facts["pullSecrets"]] == ["a"]
    assert plane.refused < 20


async def test_an_inventory_that_is_refused_keeps_no_delivery_from_being_told() -> None:
    plane, at = Strict(inventory=1), [0.0]
    reporter = strict(plane, at=lambda: at[0])
    part = Images(ImageLine("a", "Pod/a", "one"), ImageLine("a", "Pod/a", "two"))
    reporter.add_parts([part])
    reporter.told(status("a"))
    await reporter.flush()
    assert [one["namespace"] for one in plane.facts["pullSecrets"]] == ["a"]
    assert plane.condition("InventoryTold") == ("False", "ReportRefused")
    reporter.told(status("b"))
    await reporter.flush()
    assert (plane.refused, part.acknowledgements) == (1, 0)
    at[0] = BARE_S + 1
    await reporter.flush()
    assert (plane.refused, part.acknowledgements) == (2, 0)
    plane.most_inventory, at[0] = 2, 2 * BARE_S + 2
    await reporter.flush()
    await reporter.flush()
    assert part.acknowledgements
    assert plane.taken[-2].whole
    assert plane.condition("InventoryTold") == ("True", "Told")


@pytest.mark.wide
async def test_the_longest_names_of_images_fit_into_reports() -> None:
    keeper = InventoryKeeper(frozenset())
    image = '"' * 600
    for space in ("a", "b"):
        for number in range(12_000):
            spec = PodSpec(containers=[Container(name="c", image=f"{image}{number}")])
            pod = Pod(Metadata(name=f"p{number}", namespace=space, uid=f"{space}{number}"), spec)
            keeper.seen("Pod", pod)
    plane = Strict()
    reporter = strict(plane)
    reporter.add_parts([InventoryPart(keeper, reporter.changed)])
    for _ in range(4):
        await reporter.flush()
    assert {line.namespace for one in plane.taken for line in one.images_added} == {"a", "b"}
    assert plane.facts["inventory"]["a"]["leftOut"] > 1_000
