"""All that the hostile registry does, in one process whose memory is watched. The last line has the figures.

Run: python -m tests.oci.hostile_run DIRECTORY [PART OF A NAME]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.fakes.hostile.behaviours import BEHAVIOURS
from tests.fakes.hostile.registry import LIMITS, PASSWORD, TOKEN, Behaviour, Hostile, Outcome

MOST_MIB = 64
STATUS = Path("/proc/self/status")
NOT_SHOWN = (PASSWORD, TOKEN, "hunter2", "signature=secret")
"""Credentials, what a registry shouts, and the query of a signed address."""

READ_AHEAD = 65536
"""Bytes that one read may bring beyond the budget."""


def peak_mib() -> float:
    """The most memory since `forget_peak`. Not getrusage: what that says begins with the parent's."""
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith("VmHWM")) / 1024


def forget_peak() -> None:
    """Let the peak be what is taken now. Source: proc(5), clear_refs."""
    Path("/proc/self/clear_refs").write_text("5")


def faults(behaviour: Behaviour, outcome: Outcome) -> Iterator[str]:
    """What is wrong with what came of it."""
    if outcome.code != behaviour.code:
        yield f"says {outcome.code or 'nothing'}, not {behaviour.code or 'nothing'}"
    if outcome.leaked:
        yield f"sent a credential elsewhere: {outcome.elsewhere!r}"
    if outcome.forbidden or outcome.refused_addresses:
        yield f"connected to {outcome.refused_addresses}"
    # What was refused is counted, too.
    if outcome.budget.requests > LIMITS.requests + 1 or outcome.budget.bytes > LIMITS.bytes + READ_AHEAD:
        yield f"took {outcome.budget.requests} requests, {outcome.budget.bytes} bytes"
    if outcome.error is None:
        return
    told = outcome.error.diagnostics()
    if not outcome.error.hint or len(told) > 1000 or not told.replace("\n", "").isprintable():
        yield f"tells it badly: {told!a}"
    if any(each in told for each in NOT_SHOWN):
        yield f"shows what must not be shown: {told!a}"
    if not 0 <= (outcome.error.retry_after_s or 0) <= 24 * 3600:
        yield f"would wait for {outcome.error.retry_after_s} s"


async def run(directory: Path, behaviours: Sequence[Behaviour]) -> bool:
    """Whether all went as it should."""
    leaked = forbidden = wrong = 0
    async with Hostile(directory) as hostile:
        harmless = next(each for each in BEHAVIOURS if each.name == "its sha512")
        await hostile.run(harmless)  # what the libraries take at their first use is not the registry's doing
        forget_peak()
        before = peak_mib()
        for behaviour in behaviours:
            outcome = await hostile.run(behaviour)
            leaked += outcome.leaked
            forbidden += outcome.forbidden + len(outcome.refused_addresses)
            for fault in faults(behaviour, outcome):
                wrong += 1
                print(f"{behaviour.name!a}: {fault}")
        grown = peak_mib() - before
    print(
        f"hostile registry: {len(behaviours)} behaviours, {leaked} credential bytes elsewhere, "
        f"{forbidden} forbidden connections, +{grown:.0f} MiB"
    )
    return wrong == leaked == forbidden == 0 and grown <= MOST_MIB


if __name__ == "__main__":
    chosen = [each for each in BEHAVIOURS if not sys.argv[2:] or sys.argv[2] in each.name]
    sys.exit(0 if asyncio.run(run(Path(sys.argv[1]), chosen)) else 1)
