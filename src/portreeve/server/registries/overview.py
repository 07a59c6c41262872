"""Registries as they stand, in one row each: where they are granted, what pulls from them, how the last check ended.

Theory of operation. What runs is gone through once for each revision and scope, and what is granted once for each
revision; a row is then put together from look-ups, so that a page costs the same with 10,000 accesses as with ten. An
image counts for every registry at or below whose prefix it lies, as in the browser. Of grants those are counted whose
document the caller may see.

Left out: what a registry would answer now; that is validation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from portreeve import providers
from portreeve.core.authorization import Scope, visible_scope
from portreeve.core.blast_radius import RunningImage
from portreeve.core.cluster import Namespace, Tier
from portreeve.core.desired import Grant, granted
from portreeve.core.estate import Key
from portreeve.core.grant_use import Registries
from portreeve.core.permissions import Action, Kind
from portreeve.core.platform import anonymous_docker_hub_shown
from portreeve.core.policy import Registry
from portreeve.core.pull_failure import ADVICE, Cause, cause_of
from portreeve.core.reference import DOCKER_HUB, UnsafeReference, parse
from portreeve.core.vantage import Vantage, ordered, seen_from
from portreeve.errors import Invalid
from portreeve.providers.contract import Host, Place
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.service import seen
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.stored import Stored
from portreeve.server.documents.view import answered, is_connected, time
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import in_scope
from portreeve.server.images.service import visible
from portreeve.server.inventory.service import spaces

_KINDS: Mapping[str, str] = {"access": "RegistryAccess", "policy": "RegistryPolicy"}
"""First word of a grant's owner → kind of the document that grants."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant in force in one environment. `namespaces` are there or named; with `later` it may reach more of them."""

    document: Key
    environment: str
    namespaces: tuple[str, ...]
    later: bool
    mode: str


@dataclass(slots=True)
class Used:
    """What of a registry runs, as far as somebody may see it."""

    images: list[RunningImage] = field(default_factory=list)
    workloads: set[tuple[str, str, str]] = field(default_factory=set)
    namespaces: set[tuple[str, str]] = field(default_factory=set)
    environments: set[str] = field(default_factory=set)

    def add(self, image: RunningImage) -> None:
        """One more."""
        self.images.append(image)
        self.workloads.add((image.environment, image.namespace, image.owner))
        self.namespaces.add((image.environment, image.namespace))
        self.environments.add(image.environment)


NOTHING = Used()
"""What runs of a registry from which nothing comes."""


def uses(caller: Caller, snapshot: Snapshot) -> Mapping[str, Used]:
    """Registry → what the caller may see of what runs from it, sorted as `images.service.visible`."""
    memo = ("uses", _scope(caller, Kind.WORKLOAD))
    found = snapshot.overviews.get(memo)
    if found is None:
        registries = Registries(snapshot.estate.registries)
        found = snapshot.overviews[memo] = _uses(visible(caller, snapshot), registries)
    assert isinstance(found, dict)
    return found


ANONYMOUS: Final = ""
"""In the place of a registry's name: Docker Hub without signing in, for what no registry here covers."""


def _uses(running: Sequence[RunningImage], registries: Registries) -> dict[str, Used]:
    found: dict[str, Used] = defaultdict(Used)
    hub: dict[str, bool] = {}
    for image in running:
        covering = registries.covering(image.image)
        for registry in covering:
            found[registry.name].add(image)
        if not covering:
            if image.image not in hub:
                hub[image.image] = _host(image.image) == DOCKER_HUB
            if hub[image.image]:
                found[ANONYMOUS].add(image)
    return dict(found)


def _host(image: str) -> str:
    try:
        return parse(image).host
    except UnsafeReference:
        return ""


def anonymous(caller: Caller, snapshot: Snapshot) -> dict[str, Any]:
    """Docker Hub without signing in: what runs from there, and in which tiers it may be chosen at all."""
    shown = [str(tier) for tier in Tier if anonymous_docker_hub_shown(snapshot.settings, tier)]
    return {"uses": used_row(uses(caller, snapshot).get(ANONYMOUS, NOTHING)), "shownIn": shown}


def grants(snapshot: Snapshot) -> Mapping[str, Sequence[Granted]]:
    """Registry → where it is granted, by environment and document; nobody is asked who may see it."""
    found = snapshot.overviews.get("grants")
    if found is None:
        held: dict[str, list[Granted]] = defaultdict(list)
        for environment in sorted(snapshot.estate.environments, key=lambda one: one.name):
            known = snapshot.estate.capabilities_of(environment).namespaces
            there = None if known is None else {one.name for one in known}
            for grant in granted(snapshot.estate, environment):
                word, _, name = grant.owner.partition(" ")
                selected, later = _selected(grant, known, there), grant.namespaces.selector is not None
                row = Granted(Key(_KINDS[word], name), environment.name, selected, later, str(grant.delivery.mode))
                held[grant.registry].append(row)
        found = snapshot.overviews["grants"] = dict(held)
    assert isinstance(found, dict)
    return found


def _selected(grant: Grant, known: Sequence[Namespace] | None, there: set[str] | None) -> tuple[str, ...]:
    """As `Grant.selected`; by names alone there is no need to look at every namespace of the environment."""
    if there is None or grant.namespaces.selector is not None:
        return grant.selected(known)
    return tuple(sorted(there.intersection(grant.namespaces.names)))


def counts(caller: Caller, snapshot: Snapshot) -> Mapping[str, Mapping[str, int]]:
    """Registry → in how many places it is granted, by documents that the caller may see; worked out once for each."""
    shown = _documents(caller, snapshot)
    memo = ("counts", shown)
    found = snapshot.overviews.get(memo)
    if found is None:
        held = ((name, [one for one in rows if one.document in shown]) for name, rows in grants(snapshot).items())
        found = snapshot.overviews[memo] = {name: _counted(rows) for name, rows in held}
    assert isinstance(found, dict)
    return found


NOWHERE: Final = MappingProxyType({"documents": 0, "environments": 0, "namespaces": 0, "selectors": 0})
"""Of a registry that is granted nowhere."""


def grants_seen(caller: Caller, snapshot: Snapshot, registry: str) -> list[Granted]:
    """Where a registry is granted, by documents that the caller may see."""
    shown = _documents(caller, snapshot)
    return [one for one in grants(snapshot).get(registry, ()) if one.document in shown]


def _documents(caller: Caller, snapshot: Snapshot) -> frozenset[Key]:
    """The accesses and policies that the caller may see."""
    memo = ("documents", *(_scope(caller, KINDS[kind].permission) for kind in _KINDS.values()))
    found = snapshot.overviews.get(memo)
    if found is None:
        held = (one.key for kind in _KINDS.values() for one in seen(caller, KINDS[kind], snapshot))
        found = snapshot.overviews[memo] = frozenset(held)
    assert isinstance(found, frozenset)
    return found


def _scope(caller: Caller, kind: Kind) -> Scope | None:
    """What of a kind the caller may see; None for nothing, as their token is for something else."""
    return visible_scope(caller.principal, kind) if in_scope(caller, Action.LIST, kind) else None


def row(caller: Caller, snapshot: Snapshot, stored: Stored, now: datetime) -> dict[str, Any]:
    """One registry as it stands."""
    value, told = stored.value, answered(stored, snapshot, now)["status"]
    assert isinstance(value, Registry)
    ready, check = told["conditions"][0], told.get("validation")
    pull = next((one for one in told.get("credentials") or () if one["purpose"] == "pull"), None)
    return {
        "name": value.name,
        "title": str(stored.spec.get("title", "")),
        "provider": value.provider,
        "prefix": told["prefix"],
        "project": value.project or None,
        "auth": told["auth"],
        "ready": {"status": ready["status"], "reason": ready["reason"], "message": ready["message"]},
        "check": check,
        "expiresAt": told.get("expiresAt"),
        "token": (pull or {}).get("token"),
        "grants": dict(counts(caller, snapshot).get(value.name, NOWHERE)),
        "uses": used_row(uses(caller, snapshot).get(value.name, NOTHING)),
        "updatedAt": told["updatedAt"],
    }


def vantages(caller: Caller, snapshot: Snapshot, registry: str, now: datetime) -> list[Vantage]:
    """How a registry looks from each environment where it is granted, used or cannot be pulled, as the caller sees."""
    running: dict[str, int] = defaultdict(int)
    for image in uses(caller, snapshot).get(registry, NOTHING).images:
        running[image.environment] += 1
    failed = _failed(caller, snapshot).get(registry, {})
    names = {one.environment for one in grants_seen(caller, snapshot, registry)} | set(running) | set(failed)
    return ordered(
        seen_from(
            name,
            told=name in snapshot.running,
            connected=is_connected(name, snapshot, now),
            images=running.get(name, 0),
            failed=failed.get(name, ()),
        )
        for name in names
    )


def _failed(caller: Caller, snapshot: Snapshot) -> Mapping[str, Mapping[str, Sequence[tuple[Cause, str]]]]:
    """Registry → environment → cause and workload of each pull that fails, where the caller may see workloads."""
    memo = ("failed", _scope(caller, Kind.WORKLOAD))
    found = snapshot.overviews.get(memo)
    if found is None:
        registries = Registries(snapshot.estate.registries)
        held: dict[str, dict[str, list[tuple[Cause, str]]]] = defaultdict(lambda: defaultdict(list))
        for environment in snapshot.estate.environments:
            for namespace, said in spaces(caller, snapshot, environment):
                for line in said.get("pullFailures", ()):
                    for one in registries.covering(line["image"]):
                        held[one.name][environment.name].append(
                            (cause_of(line["cause"]), f"{namespace}/{line['owner']}")
                        )
        found = snapshot.overviews[memo] = {name: dict(by) for name, by in held.items()}
    assert isinstance(found, dict)
    return found


def vantage_row(one: Vantage, snapshot: Snapshot) -> dict[str, Any]:
    """One environment's view."""
    said = snapshot.reports.get(one.environment)
    return {
        "environment": one.environment,
        "outcome": str(one.outcome),
        "message": one.message,
        "at": time(said.at if said else None),
        "images": one.images,
        "failing": [
            {"cause": str(each.cause), "meaning": ADVICE[each.cause].meaning, "do": ADVICE[each.cause].do,
             "workloads": each.workloads}
            for each in one.failing
        ],
    }  # fmt: skip


def _counted(held: Sequence[Granted]) -> dict[str, int]:
    return {
        "documents": len({one.document for one in held}),
        "environments": len({one.environment for one in held}),
        "namespaces": len({(one.environment, name) for one in held for name in one.namespaces}),
        "selectors": sum(one.later for one in held),
    }


def used_row(found: Used) -> dict[str, int]:
    """How much of a registry runs."""
    return {
        "images": len(found.images),
        "workloads": len(found.workloads),
        "namespaces": len(found.namespaces),
        "environments": len(found.environments),
    }


def granted_row(one: Granted) -> dict[str, Any]:
    """One grant."""
    return {
        "kind": one.document.kind,
        "name": one.document.name,
        "environment": one.environment,
        "namespaces": list(one.namespaces),
        "andLaterOnes": one.later,
        "mode": one.mode,
    }


def host_rows(value: Registry) -> list[dict[str, Any]]:
    """What a firewall has to open for the registry; none where its provider is not known here."""
    try:
        provider = providers.named(value.provider)
    except Invalid:
        return []
    return [_host_row(one) for one in provider.hosts(Place(value.prefix.host, value.prefix.path))]


def _host_row(one: Host) -> dict[str, Any]:
    return {
        "host": one.name,
        "port": one.port,
        "purpose": str(one.purpose),
        "certain": one.certain,
        "note": one.note,
    }
