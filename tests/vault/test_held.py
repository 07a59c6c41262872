"""Kept keys: silence of a key service is bridged for a bounded time, an answer of it never is."""

from __future__ import annotations

import pytest

from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, Invalid, PortreeveError, Stalled, Unavailable
from portreeve.vault import aead
from portreeve.vault.held import HeldMasterKey, Holding
from portreeve.vault.key_providers import LocalMasterKey
from portreeve.vault.ports import MasterKey

KEY = SecretValue(bytes(range(32)))
SILENCE = Unavailable("key_service_unavailable", "no answer")


class Service:
    """A master key that counts how often it is asked and fails as it is told; with it, a clock."""

    def __init__(self) -> None:
        self.below = LocalMasterKey(aead.new_key())
        self.failure: PortreeveError | None = None
        self.asked = 0
        self.now_s = 1000.0
        self.takes_s = 0.0

    @property
    def key_id(self) -> str:
        return self.below.key_id

    def wrap(self, key: SecretValue, *, context: bytes) -> bytes:
        return self.below.wrap(key, context=context)

    def unwrap(self, wrapped: bytes, *, context: bytes) -> SecretValue:
        self.asked += 1
        self.now_s += self.takes_s
        if self.failure is not None:
            raise self.failure
        return self.below.unwrap(wrapped, context=context)

    def held(self, holding: Holding = Holding(fresh_s=60, stale_s=3600)) -> HeldMasterKey:  # noqa: B008 -- frozen
        return HeldMasterKey(self, holding, lambda: self.now_s)


@pytest.fixture
def service() -> Service:
    return Service()


def opens(key: MasterKey, wrapped: bytes, context: bytes = b"a") -> bool:
    return key.unwrap(wrapped, context=context).equals_in_constant_time(KEY)


def test_a_fresh_key_serves_without_asking(service: Service) -> None:
    held = service.held()
    wrapped = held.wrap(KEY, context=b"a")
    for now_s in (1000, 1030, 1059.9):
        service.now_s = now_s
        assert opens(held, wrapped)
    assert service.asked == 1


def test_after_its_time_the_service_is_asked_again_and_its_time_begins_anew(service: Service) -> None:
    held = service.held()
    wrapped = held.wrap(KEY, context=b"a")
    for now_s, asked in ((1000, 1), (1060, 2), (1119, 2), (1120, 3)):
        service.now_s = now_s
        assert opens(held, wrapped)
        assert service.asked == asked


def test_a_silent_service_is_bridged_until_the_key_is_stale(service: Service) -> None:
    held = service.held()
    wrapped = held.wrap(KEY, context=b"a")
    assert opens(held, wrapped)
    service.failure = SILENCE
    for now_s in (1060, 2000, 4599):
        service.now_s = now_s
        assert opens(held, wrapped)
    assert service.asked == 4
    service.now_s = 4600
    with pytest.raises(Unavailable):
        held.unwrap(wrapped, context=b"a")


def test_bridging_does_not_prolong_itself(service: Service) -> None:
    """However often a stale key is used, its age counts from the last time that the service confirmed it."""
    held = service.held(Holding(fresh_s=0, stale_s=10))
    wrapped = held.wrap(KEY, context=b"a")
    assert opens(held, wrapped)
    service.failure = SILENCE
    for step in range(9):
        service.now_s = 1001.0 + step
        assert opens(held, wrapped)
    service.now_s = 1010
    with pytest.raises(Unavailable):
        held.unwrap(wrapped, context=b"a")


def test_a_key_that_gets_stale_while_the_service_hangs_does_not_serve(service: Service) -> None:
    held = service.held(Holding(fresh_s=1, stale_s=10))
    wrapped = held.wrap(KEY, context=b"a")
    assert opens(held, wrapped)
    service.failure, service.takes_s, service.now_s = SILENCE, 5, 1006
    with pytest.raises(Unavailable):
        held.unwrap(wrapped, context=b"a")


@pytest.mark.parametrize(
    "failure",
    [
        Stalled("ciphertext_refused", "no"),
        Stalled("key_service_answer", "no"),
        Denied("key_service_denied", "no"),
    ],
    ids=["refused", "another answer", "denied"],
)
def test_an_answer_is_never_masked_and_ends_the_keeping(service: Service, failure: PortreeveError) -> None:
    held = service.held()
    wrapped = held.wrap(KEY, context=b"a")
    assert opens(held, wrapped)
    service.now_s, service.failure = 1060, failure
    with pytest.raises(type(failure)) as why:
        held.unwrap(wrapped, context=b"a")
    assert why.value is failure
    service.failure = SILENCE
    with pytest.raises(Unavailable):
        held.unwrap(wrapped, context=b"a")


def test_nothing_is_kept_of_a_failure(service: Service) -> None:
    held = service.held()
    wrapped = held.wrap(KEY, context=b"a")
    service.failure = SILENCE
    with pytest.raises(Unavailable):
        held.unwrap(wrapped, context=b"a")
    service.failure = None
    assert opens(held, wrapped)


def test_a_kept_key_serves_its_own_context_alone(service: Service) -> None:
    held = service.held()
    wrapped = held.wrap(KEY, context=b"a")
    assert opens(held, wrapped)
    for other, context in (
        (wrapped, b"b"),
        (wrapped[:-1], b"a"),
        (wrapped + b"a", b""),
        (wrapped[:-1], wrapped[-1:] + b"a"),
    ):
        with pytest.raises(Stalled):
            held.unwrap(other, context=context)
    assert opens(held, wrapped)


def test_a_hanging_service_is_left_alone_for_the_pause(service: Service) -> None:
    held = service.held(Holding(fresh_s=60, stale_s=3600, pause_s=30))
    wrapped = held.wrap(KEY, context=b"a")
    assert opens(held, wrapped)
    service.failure = SILENCE
    for now_s, asked in ((1060, 2), (1089, 2), (1090, 3), (1119, 3)):
        service.now_s = now_s
        assert opens(held, wrapped)
        assert service.asked == asked
    service.now_s, service.failure = 1120, None
    assert opens(held, wrapped)
    service.now_s = 1180
    assert opens(held, wrapped)
    assert service.asked == 5


def test_the_pause_does_not_keep_an_unknown_key_from_being_asked_for(service: Service) -> None:
    held = service.held(Holding(fresh_s=60, stale_s=3600, pause_s=30))
    one, two = held.wrap(KEY, context=b"a"), held.wrap(KEY, context=b"a")
    assert opens(held, one)
    service.now_s, service.failure = 1060, SILENCE
    assert opens(held, one)
    service.failure, service.now_s = None, 1065
    assert opens(held, two)
    assert service.asked == 3
    assert opens(held, one)
    assert service.asked == 4


def test_the_age_of_a_key_counts_from_when_it_was_asked_for(service: Service) -> None:
    """The service may have decided at any time after that; the earliest is what can be relied on."""
    held = service.held()
    wrapped = held.wrap(KEY, context=b"a")
    service.takes_s = 30
    assert opens(held, wrapped)
    service.now_s = 1060
    assert opens(held, wrapped)
    assert service.asked == 2


def test_an_answer_on_its_way_while_all_is_forgotten_is_not_kept(service: Service) -> None:
    class Forgetting(Service):
        def unwrap(self, wrapped: bytes, *, context: bytes) -> SecretValue:
            held.forget()
            return super().unwrap(wrapped, context=context)

    slow = Forgetting()
    held = slow.held()
    wrapped = held.wrap(KEY, context=b"a")
    assert opens(held, wrapped)
    assert opens(held, wrapped)
    assert slow.asked == 2


def test_what_is_forgotten_is_asked_for_again(service: Service) -> None:
    held = service.held()
    wrapped = held.wrap(KEY, context=b"a")
    assert opens(held, wrapped)
    held.forget()
    service.failure = SILENCE
    with pytest.raises(Unavailable):
        held.unwrap(wrapped, context=b"a")


def test_the_key_used_longest_ago_makes_room(service: Service) -> None:
    held = service.held(Holding(fresh_s=60, stale_s=3600, most=2))
    one, two, three = (held.wrap(KEY, context=b"a") for _ in range(3))
    for wrapped in (one, two, one, three, one):
        assert opens(held, wrapped)
    assert service.asked == 3
    assert opens(held, two)
    assert service.asked == 4


@pytest.mark.parametrize(
    ("fresh_s", "stale_s", "pause_s", "most"), [(2, 1, 0, 1), (-1, 1, 0, 1), (0, 1, -1, 1), (0, 1, 0, 0)]
)
def test_times_that_make_no_sense_are_refused(fresh_s: float, stale_s: float, pause_s: float, most: int) -> None:
    with pytest.raises(Invalid) as why:
        Holding(fresh_s=fresh_s, stale_s=stale_s, pause_s=pause_s, most=most)
    assert why.value.code == "key_holding"
