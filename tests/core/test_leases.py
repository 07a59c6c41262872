"""A lease is live while somebody has to pull, a quiet time after, and an hour at most."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.leases import CAP_S, QUIET_S, Lease, found_live, looked_at

A, B = frozenset({"a"}), frozenset({"b"})
NOBODY: frozenset[str] = frozenset()


def live(lease: Lease | None, at: float) -> bool:
    return lease is not None and at < lease.until


def test_nobody_pulls_nothing_is_live() -> None:
    assert looked_at(None, NOBODY, 10.0) is None


def test_it_goes_on_for_a_quiet_time_after_the_last_pull() -> None:
    lease = looked_at(None, A, 0.0)
    lease = looked_at(lease, NOBODY, 100.0)
    assert live(lease, 100.0)
    assert not live(lease, QUIET_S)


def test_one_pull_after_the_other_keeps_it_open_until_the_cap() -> None:
    lease: Lease | None = None
    for at in range(0, 7200, 60):
        lease = looked_at(lease, A, float(at))
        assert live(lease, float(at)) is (at < CAP_S), at


def test_who_waits_without_any_news_is_not_forgotten_before_the_cap() -> None:
    """It is looked at only when it would end, as nothing happens meanwhile."""
    lease, at = looked_at(None, A, 0.0), 0.0
    while at < CAP_S:
        assert lease is not None
        at = lease.until
        lease = looked_at(lease, A, at)
        assert live(lease, at) is (at < CAP_S)


def test_who_comes_after_the_cap_opens_it_anew_and_who_had_their_time_does_not() -> None:
    lease = looked_at(None, A, 0.0)
    for at in range(0, 3700, 60):
        lease = looked_at(lease, A, float(at))
    assert not live(looked_at(lease, A, 4000.0), 4000.0)
    lease = looked_at(lease, A | B, 4000.0)
    assert live(lease, 4000.0)
    assert not live(looked_at(looked_at(lease, A, 4001.0), A, 4000.0 + QUIET_S), 4000.0 + QUIET_S)
    # Gone and back: it is another pull.
    lease = looked_at(looked_at(lease, NOBODY, 9000.0), A, 9001.0)
    assert live(lease, 9001.0)


def test_what_is_found_live_has_its_quiet_time() -> None:
    assert live(found_live(5.0), 5.0)
    assert not live(looked_at(found_live(5.0), NOBODY, 5.0 + QUIET_S), 5.0 + QUIET_S)


@given(st.lists(st.tuples(st.floats(0.0, 1000.0), st.sampled_from([NOBODY, A, B, A | B])), max_size=60))
def test_it_is_live_whenever_a_newcomer_pulls_and_never_for_longer_than_the_cap(
    news: list[tuple[float, frozenset[str]]],
) -> None:
    lease: Lease | None = None
    at, pulled = 0.0, NOBODY
    for passed, pulling in news:
        at += passed
        if lease is not None and at >= lease.until:
            lease = looked_at(lease, pulled, lease.until)  # as it is woken then
        lease = looked_at(lease, pulling, at)
        if pulling - pulled:
            assert live(lease, at)
        if lease is not None:
            assert lease.until <= lease.opened_at + CAP_S
        pulled = pulling
