"""Whether a policy may go a stage forward: nothing it would deny for some days, and data from everywhere meanwhile.

Theory of operation
-------------------
A policy goes from `off` to `audit`, `warn` and `deny`. What warns or refuses for the first time is held back until each
environment of its groups has been *watched* for the quiet period, without a gap and without a violation. A violation is
our own evaluation of what runs or could run: a workload whose image the policy would not allow under `deny`.

A `Watch` is what is remembered of one policy in one environment. `watched` makes the next one of a look: it goes on as
long as each look finds data that is young enough, and begins anew after a gap (an agent that was silent, or we
ourselves), and when the policy judges by another text. A stage is no part of that text.

Unknown is never good: an agent that is silent, an inventory that is incomplete, a proof that is missing hold it back,
each with its own sentence. Going back only lets more pass, so nothing ever holds that.

Left out: what ran and ended between two looks, which are a second apart while reports come. What the cluster has
refused or warned of: those are the same images, seen by the cluster. When promotions are scheduled.

Sources: interfaces.md 4.3; mission, "Verdict and stage are apart" and "Violations and denials"; requirement U-14.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from portreeve.core.blast_radius import STRICTNESS, Denial
from portreeve.core.enforcement_messages import Reason
from portreeve.core.policy import RegistryPolicy, Stage
from portreeve.core.render import digest

QUIET: Final = timedelta(days=7)
"""How long nothing may have been denied. Source: interfaces.md 4.3: a week has every weekly job in it."""

MOST_QUIET: Final = timedelta(days=90)
"""The longest that can be asked for: a quarter has every monthly job in it."""

MAX_AGE: Final = timedelta(hours=1)
"""How old what is known of an environment may be. A restart or a short outage is no gap; half a day is one."""

NAMED: Final = 3
"""Violations that a sentence names; the others are counted."""

_PROVED: Final[Mapping[Stage, Reason]] = {
    Stage.AUDIT: Reason.POLICY_AUDITING,
    Stage.WARN: Reason.POLICY_WARNING,
    Stage.DENY: Reason.POLICY_ENFORCED,
}


@dataclass(frozen=True, slots=True)
class HoldRule:
    """What has to hold before a policy goes forward."""

    quiet: timedelta = QUIET
    max_age: timedelta = MAX_AGE


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered of one policy in one environment; times are UTC and aware.

    Args:
        text: tells the policy's text from another one; its stage is no part of it.
        since: from when it is watched without a gap; None: it is not, just now.
        looked_at: when it was looked at last.
        data_at: of when the last complete data was, as of that look.
        violations: how many there were at that look.
        violation_at: until when there was one, as far as it is known; None: there was none.
    """

    text: str
    since: datetime | None
    looked_at: datetime
    data_at: datetime | None = None
    violations: int = 0
    violation_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen of one policy in one environment at a time.

    Args:
        seen_at: when its agent was seen last; None: never, or it is shut out.
        told: the environment has told all that runs and could run, and sees its cluster.
        reason: why its condition `Enforced` is as it is; "" if it has told none.
        present: that condition is about the document that is wanted now.
        hidden: violations that whoever asks may not see; they are counted, and not named.
    """

    environment: str
    at: datetime
    text: str
    seen_at: datetime | None
    told: bool
    violations: tuple[Denial, ...] = ()
    reason: str = ""
    present: bool = False
    hidden: int = 0

    @property
    def count(self) -> int:
        """How many violations there are."""
        return len(self.violations) + self.hidden


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a policy may not go forward. `until` is when this ends by itself, None: it does not.

    `environment` is "" for what is said of the policy as a whole. `since` is from when it is so, where that is known.
    """

    environment: str
    code: str
    text: str
    since: datetime | None = None
    until: datetime | None = None


def forward(before: Stage, after: Stage) -> bool:
    """Whether a move lets less pass than before."""
    return STRICTNESS[after] > STRICTNESS[before]


def may_be_held(before: Stage, after: Stage) -> bool:
    """Whether the conditions are asked: only of what warns or refuses for the first time."""
    return forward(before, after) and after is not Stage.AUDIT


def next_stage(stage: Stage) -> Stage | None:
    """The stage that follows; None after `deny`."""
    following = STRICTNESS[stage] + 1
    return next((one for one, rank in STRICTNESS.items() if rank == following), None)


def policy_text(policy: RegistryPolicy) -> str:
    """What tells the text that a policy judges by from another one: not its stage, its groups, or what is noted."""
    sources = tuple(replace(one, note="", field="") for one in policy.sources)
    return digest(asdict(replace(policy, stage=Stage.OFF, generation=0, groups=(), sources=sources, title="")))


def watched(before: Watch | None, look: Look, max_age: timedelta = MAX_AGE) -> Watch:
    """What is remembered after another look."""
    if before is not None and before.text != look.text:
        before = None
    data_at = None if before is None else before.data_at
    if look.told and look.seen_at is not None:
        data_at = look.seen_at
    violation_at = None if before is None else before.violation_at
    if look.count or (before is not None and before.violations):
        # It may have ended just before this look: nobody saw it go.
        violation_at = look.at
    return Watch(look.text, _since(before, look, data_at, max_age), look.at, data_at, look.count, violation_at)


def _since(before: Watch | None, look: Look, data_at: datetime | None, max_age: timedelta) -> datetime | None:
    """From when there is no gap. A restart of an agent, which has not told all for a minute, is none."""
    if data_at is None or look.at - data_at > max_age:
        return None
    if before is not None and before.since is not None and before.data_at is not None:
        gap = max(look.at - before.looked_at, data_at - before.data_at)
        if gap <= max_age:
            return before.since
    return look.at


def holds(
    looks: Iterable[tuple[Look, Watch | None]], before: Stage, after: Stage, rule: HoldRule, now: datetime
) -> tuple[Hold, ...]:
    """Everything that holds a policy back from a stage; empty: it may go there.

    Args:
        looks: every environment of the policy's groups, with what was remembered before that look.
    """
    if not may_be_held(before, after):
        return ()
    seen = sorted(looks, key=lambda pair: pair[0].environment)
    if not seen:
        text = "no environment is in the policy's groups: nobody has seen what it would deny"
        return (Hold("", "stage_nowhere", text),)
    return tuple(
        hold
        for look, remembered in seen
        for hold in _of_environment(look, watched(remembered, look, rule.max_age), before, rule, now)
    )


def _of_environment(look: Look, watch: Watch, stage: Stage, rule: HoldRule, now: datetime) -> Iterator[Hold]:
    name = look.environment
    yield from _data(look, rule)
    if look.count:
        yield Hold(name, "stage_violations", _violations(look))
    proved = _PROVED.get(stage)
    if proved is not None and not (look.present and look.reason == proved):
        told = f"its agent says {look.reason}" if look.reason else "its agent has said nothing of the policy"
        told += "" if look.present or not look.reason else " of an earlier state"
        yield Hold(name, "stage_unproved", f"it is not proved that the policy stands there at {stage}: {told}")
    if stage is Stage.OFF:
        yield Hold(name, "stage_unwatched", "the policy is off: nobody watches what it would deny; begin with audit")
    else:
        yield from _quiet(name, watch, rule, now)


def _data(look: Look, rule: HoldRule) -> Iterator[Hold]:
    if look.seen_at is None:
        yield Hold(look.environment, "stage_data_missing", "no agent tells what runs there")
    elif look.at - look.seen_at > rule.max_age:
        text = f"its agent was last seen {_time(look.seen_at)}, more than {period(rule.max_age)} ago"
        yield Hold(look.environment, "stage_data_old", text, look.seen_at)
    elif not look.told:
        text = "its agent has not told all that runs and could run there, or does not see its cluster"
        yield Hold(look.environment, "stage_data_missing", text)


def _quiet(environment: str, watch: Watch, rule: HoldRule, now: datetime) -> Iterator[Hold]:
    """That there was nothing to deny for as long as is asked for. What is there now is said before."""
    if watch.since is None:
        return  # that there is no data is said already
    begins = watch.since if watch.violation_at is None else max(watch.since, watch.violation_at)
    until = begins + rule.quiet
    if watch.violations or now >= until:
        return
    if watch.violation_at is not None and watch.violation_at >= watch.since:
        seen = f"the last violation was seen {_time(watch.violation_at)}"
        text = f"{seen}; it has to be quiet for {period(rule.quiet)}, until {_time(until)}"
    else:
        seen = f"it is watched without a gap since {_time(watch.since)}"
        text = f"{seen}; it has to be for {period(rule.quiet)}, until {_time(until)}"
    yield Hold(environment, "stage_quiet", text, begins, until)


def _violations(look: Look) -> str:
    named = [f"{one.image.owner} in {one.image.namespace} ({one.image.image})" for one in look.violations[:NAMED]]
    more = look.count - len(named)
    if more:
        named.append(f"{more} {'more' if named else 'that you may not see'}")
    return f"{look.count} would be denied: {', '.join(named)}"


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def period(length: timedelta) -> str:
    """A length as people write it: 7d, 1h, 90s."""
    seconds = int(length.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
