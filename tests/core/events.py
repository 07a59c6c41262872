"""Events for tests: one of each kind, and any."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from portreeve.core.audit import Action, Actor, Agent, Event, ObjectKind, Outcome, Target, Via, ViaKind, digest, escaped

TIME = datetime(2026, 11, 20, 10, 0, 0, 123456, tzinfo=UTC)

names = st.text(st.characters(), min_size=1, max_size=300).map(escaped)
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,35}", fullmatch=True)
numbers = st.integers(0, (1 << 63) - 2)
digests = st.binary(max_size=8).map(digest)
times = st.datetimes(timezones=st.just(UTC))
events = st.builds(
    Event,
    sequence=numbers,
    time=times,
    actor=st.builds(Actor, names, st.builds(Via, st.sampled_from(ViaKind), ids), st.none() | names),
    action=st.sampled_from(Action),
    target=st.builds(Target, st.sampled_from(ObjectKind), names, st.none() | names, st.none() | names),
    outcome=st.sampled_from(Outcome),
    request=ids,
    reason=st.none() | st.from_regex("[a-z][a-z0-9_]{0,63}", fullmatch=True),
    agent=st.none() | st.builds(Agent, ids, numbers),
    before=st.none() | digests,
    after=st.none() | digests,
)


def event(sequence: int = 0, *, refused: bool = False) -> Event:
    """An event with every field."""
    return Event(
        sequence=sequence,
        time=TIME + timedelta(seconds=sequence),
        actor=Actor("ci@example.com", Via(ViaKind.TOKEN, "tok-7"), "alice@example.com"),
        action=Action.POLICY_UPDATE,
        target=Target(ObjectKind.POLICY, "prod-sources", "prod-eu", "shop"),
        outcome=Outcome.REFUSED if refused else Outcome.DONE,
        request=f"req-{sequence}",
        reason="source_not_allowed" if refused else None,
        agent=Agent("agent-1", 41),
        before=digest(b"%d" % sequence),
        after=digest(b"%d" % (sequence + 1)),
    )
