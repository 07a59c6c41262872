"""How often tokens are minted: 500 environments with 50 namespaces each, a handful of registries, simulated days.

What is counted is what `core.refresh` asks for, as `server.refresh` drives it: a tick each five seconds, tokens of 12
hours as ECR gives them. Beside it stands what minting for each environment, and for each namespace, would come to.

Run: make bench, or python -m bench.mints
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from random import Random

from bench.figures import Figures
from portreeve.core.refresh import Event, Mint, Minted, State, Tick, Wanted, Wants, step

ENVIRONMENTS, NAMESPACES, REGISTRIES, DAYS = 500, 50, 6, 30
LIFE = timedelta(hours=12)
TICK = timedelta(seconds=5)
NOW = datetime(2026, 11, 20, tzinfo=UTC)
MOST_A_DAY = 24 / (0.40 * 12)
"""Refreshing at 40 % of 12 hours each time. At exactly half of it there would be 4."""


def minted(registries: int, days: int) -> int:
    """Mints in so many days, behind the first of each."""
    chance, state, count = Random(7).random, State(), 0
    wanted = [Wanted(f"c{number}", "api.ecr", 1, LIFE.total_seconds()) for number in range(registries)]
    # Every environment asks for every registry; what is wanted is one token of each all the same.
    asked = {one.key: one for _ in range(ENVIRONMENTS) for one in wanted}
    now = NOW

    def told(event: Event) -> list[Mint]:
        nonlocal state
        state, effects = step(state, event)
        return [one for one in effects if isinstance(one, Mint)]

    told(Wants(list(asked.values()), now))
    while now < NOW + timedelta(days=days):
        for mint in told(Tick(now)):
            count += 1
            told(Minted(mint.key, mint.attempt, now + LIFE, now, chance()))
        # To the tick behind whatever is due next; none before it does anything.
        due = min(line.due_at for line in state.lines.values())
        now += max(TICK, TICK * -(-(due - now) // TICK))
    return count - registries


def main() -> None:
    """Print the figures."""
    figures = Figures()
    begin = time.perf_counter()
    a_day = minted(REGISTRIES, DAYS) / DAYS
    took = time.perf_counter() - begin
    figures.show(f"mints a day and registry, {ENVIRONMENTS} environments", a_day / REGISTRIES, "", MOST_A_DAY)
    figures.show(f"mints a day, {REGISTRIES} registries", a_day, "")
    figures.show("if each environment minted", a_day * ENVIRONMENTS, "")
    figures.show(f"if each of {NAMESPACES} namespaces did", a_day * ENVIRONMENTS * NAMESPACES, "")
    figures.show(f"deciding it, {DAYS} days", took, "s", 5.0)
    figures.finish()


if __name__ == "__main__":
    main()
