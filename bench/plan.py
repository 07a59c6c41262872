"""How long a plan takes: 200 clusters of 100 namespaces each, 10,000 accesses, one running image per namespace.

CPU time, because two cores are shared. Each figure is the least of three runs over estates made anew, so that nothing
that an estate remembers is counted as speed.

Run: make bench, or python -m bench.plan
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bench.figures import Figures
from portreeve.core.blast_radius import Inventory, RunningImage
from portreeve.core.cluster import LabelSelector, Namespace, NamespaceSelection, Tier
from portreeve.core.confirmation import basis
from portreeve.core.environments import Environment, EnvironmentGroup
from portreeve.core.estate import Capabilities, CredentialFacts, Estate
from portreeve.core.plan import Plan, plan
from portreeve.core.plan_text import markdown
from portreeve.core.policy import Access, AllowedSource, Registry, RegistryAccess, RegistryPolicy, Stage
from portreeve.core.reference import SourcePrefix

ENVIRONMENTS, NAMESPACES, ACCESSES, REGISTRIES = 200, 100, 10_000, 50
PLAN_LIMIT_S = 2.0
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def estate(*policies: RegistryPolicy) -> Estate:
    """A fleet in one group; 50 accesses for each cluster, each for two namespaces."""
    held = tuple(Namespace(f"team-{index}", {"team": f"t{index % 10}"}) for index in range(NAMESPACES))
    capabilities = Capabilities("v1.33.1", held)
    return Estate(
        groups=(EnvironmentGroup("fleet"),),
        environments=tuple(Environment(f"cluster-{index}", Tier.PRODUCTION, "fleet") for index in range(ENVIRONMENTS)),
        registries=tuple(
            Registry(f"registry-{index}", "harbor", SourcePrefix(f"r{index}.example.com"))
            for index in range(REGISTRIES)
        ),
        accesses=tuple(
            RegistryAccess(
                f"access-{index}",
                f"registry-{index // ENVIRONMENTS}",
                f"cluster-{index % ENVIRONMENTS}",
                namespaces=NamespaceSelection((f"team-{index % 100}", f"team-{(index + 7) % 100}")),
            )
            for index in range(ACCESSES)
        ),
        policies=policies,
        credentials={
            f"registry-{index}": CredentialFacts(f"c-{index}", 1, NOW + timedelta(days=90))
            for index in range(REGISTRIES)
        },
        capabilities={f"cluster-{index}": capabilities for index in range(ENVIRONMENTS)},
    )


def policy(*sources: str, override: bool) -> RegistryPolicy:
    """A policy that grants one registry by label and restricts sources."""
    selection = NamespaceSelection((), LabelSelector((("team", "t3"),)))
    return RegistryPolicy(
        "fleet",
        groups=("fleet",),
        access=(Access("registry-0", selection, field="spec.access[0]"),),
        stage=Stage.DENY,
        sources=tuple(AllowedSource(SourcePrefix(source), field="spec.restrict") for source in sources),
        allow_override=override,
    )


def inventory() -> Inventory:
    """One image in each namespace."""
    return Inventory(
        tuple(
            RunningImage(f"cluster-{cluster}", f"team-{index}", "Deployment/api", f"r{index % 60}.example.com/api:1")
            for cluster in range(ENVIRONMENTS)
            for index in range(NAMESPACES)
        )
    )


def least(run: Callable[[], object]) -> float:
    """CPU seconds of the quickest of three runs."""
    found = []
    for _ in range(3):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return min(found)


def planned(before: tuple[RegistryPolicy, ...], after: tuple[RegistryPolicy, ...], running: Inventory) -> Plan:
    """A plan between two estates that differ in their policies alone; the estates and the inventory are made anew."""
    one = estate(*before)
    return plan(one, replace(one, policies=after), replace(running), now=NOW)


def main() -> None:
    """Print the figures."""
    figures, running = Figures(), inventory()
    narrow, wide = policy("r1.example.com", override=False), policy("r1.example.com", "r2.example.com", override=False)
    keeping = policy("r1.example.com", override=True)
    shape = f"{ENVIRONMENTS} x {NAMESPACES}"
    figures.show("making the estate itself (counted in each below)", least(lambda: estate(narrow)), "s")
    figures.show(
        f"plan, {shape}: a source added", least(lambda: planned((narrow,), (wide,), running)), "s", PLAN_LIMIT_S
    )
    figures.show(
        f"plan, {shape}: a first policy masks {ACCESSES:,} accesses",
        least(lambda: planned((), (narrow,), running)),
        "s",
        PLAN_LIMIT_S,
    )
    figures.show(
        f"plan, {shape}: a policy beside {ACCESSES:,} accesses",
        least(lambda: planned((), (keeping,), running)),
        "s",
        PLAN_LIMIT_S,
    )
    figures.show("plan of no change", least(lambda: planned((narrow,), (narrow,), running)), "s", PLAN_LIMIT_S)
    made = planned((), (narrow,), running)
    figures.show("objects changed by the largest plan", sum(len(one.changes) for one in made.environments))
    figures.show("images that it would newly deny", len(made.radius.newly_denied))
    figures.show("its digest", least(lambda: basis(made).digest), "s")
    figures.show("its text", least(lambda: markdown(made)), "s")
    figures.finish()


if __name__ == "__main__":
    main()
