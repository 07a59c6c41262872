"""The laws of every master key, whoever holds it: local, in a transit engine, in AWS KMS, and each of them kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portreeve.core.secret import SecretValue
from portreeve.errors import Denied, PortreeveError, Stalled
from portreeve.transport.session import Session
from portreeve.vault import aead, key_check, owner_keys
from portreeve.vault.aws_kms import KmsKey, KmsMasterKey
from portreeve.vault.binding import Owner
from portreeve.vault.held import HeldMasterKey, Holding
from portreeve.vault.key_providers import LocalMasterKey
from portreeve.vault.ports import MasterKey, MasterKeys
from portreeve.vault.transit import TransitKey, TransitMasterKey
from tests.tools.loopback import answering
from tests.vault.kms_server import CREDENTIALS, NOW, kms, new_key
from tests.vault.transit_server import TOKEN, TransitServer

pytestmark = pytest.mark.wide

SHARED = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
KEY = SecretValue(bytes(range(32)))


@dataclass(frozen=True)
class Holders:
    """A key, the same key built anew, and another key of the same holder."""

    key: MasterKey
    again: MasterKey
    other: MasterKey


def local() -> Iterator[Holders]:
    secret = aead.new_key()
    yield Holders(LocalMasterKey(secret), LocalMasterKey(secret), LocalMasterKey(aead.new_key()))


def transit() -> Iterator[Holders]:
    engine = TransitServer()
    engine.rotate("portreeve")
    engine.rotate("another")
    with Session() as session, answering(engine) as server:

        def named(name: str) -> MasterKey:
            return TransitMasterKey(TransitKey(server.url, "transit", name), lambda: SecretValue(TOKEN), session)

        yield Holders(named("portreeve"), named("portreeve"), named("another"))


def aws_kms() -> Iterator[Holders]:
    with Session() as session, kms() as endpoint:

        def named(arn: str) -> MasterKey:
            return KmsMasterKey(KmsKey(arn, endpoint), CREDENTIALS, session, lambda: NOW)

        arn = new_key(session, endpoint)
        yield Holders(named(arn), named(arn), named(new_key(session, endpoint)))


def kept() -> Iterator[Holders]:
    def held(key: MasterKey) -> MasterKey:
        return HeldMasterKey(key, Holding(fresh_s=60, stale_s=3600), lambda: 0.0)

    for holders in local():
        yield Holders(held(holders.key), held(holders.again), held(holders.other))


@pytest.fixture(scope="module", params=[local, transit, aws_kms, kept], ids=lambda kind: kind.__name__)
def holders(request: pytest.FixtureRequest) -> Iterator[Holders]:
    kind: Callable[[], Iterator[Holders]] = request.param
    yield from kind()


def refusal(key: MasterKey, wrapped: bytes, context: bytes) -> PortreeveError:
    """Denied is KMS's AccessDeniedException: so moto speaks of a ciphertext of another key, as AWS does of one whose
    key it does not find. For a key that is asked to open another's, AWS says IncorrectKeyException; see test_aws_kms.
    """
    with pytest.raises((Stalled, Denied)) as why:
        key.unwrap(wrapped, context=context)
    return why.value


@SHARED
@given(plain=st.binary(min_size=1, max_size=64), context=st.binary(max_size=200))
def test_what_was_wrapped_is_unwrapped(holders: Holders, plain: bytes, context: bytes) -> None:
    wrapped = holders.key.wrap(SecretValue(plain), context=context)
    assert holders.key.unwrap(wrapped, context=context).reveal() == plain
    assert holders.again.unwrap(wrapped, context=context).reveal() == plain


def test_two_wraps_of_one_key_differ(holders: Holders) -> None:
    assert holders.key.wrap(KEY, context=b"a") != holders.key.wrap(KEY, context=b"a")


@pytest.mark.parametrize("context", [b"", b"b", b"a ", b"A", b"aa", b"a\x00"])
def test_another_context_is_refused(holders: Holders, context: bytes) -> None:
    wrapped = holders.key.wrap(KEY, context=b"a")
    assert refusal(holders.key, wrapped, context).code == "ciphertext_refused"


@SHARED
@given(data=st.data())
def test_any_changed_byte_is_refused(holders: Holders, data: st.DataObject) -> None:
    wrapped = holders.key.wrap(KEY, context=b"a")
    at = data.draw(st.integers(0, len(wrapped) - 1))
    changed = bytearray(wrapped)
    changed[at] ^= data.draw(st.integers(1, 255))
    assert refusal(holders.key, bytes(changed), b"a").hint


@pytest.mark.parametrize(
    "change", [lambda b: b[:-1], lambda b: b + b"=", lambda b: b + b"\x00", lambda b: b"", lambda b: b[:9]]
)
def test_cut_and_lengthened_bytes_are_refused(holders: Holders, change: Callable[[bytes], bytes]) -> None:
    assert refusal(holders.key, change(holders.key.wrap(KEY, context=b"a")), b"a").hint


def test_another_key_is_refused(holders: Holders) -> None:
    assert refusal(holders.other, holders.key.wrap(KEY, context=b"a"), b"a").hint


def test_a_key_keeps_its_id_and_another_has_another(holders: Holders) -> None:
    assert holders.key.key_id == holders.again.key_id
    assert holders.key.key_id != holders.other.key_id


def test_a_key_shows_nothing_secret(holders: Holders) -> None:
    shown = repr(holders.key)
    assert TOKEN not in shown
    assert CREDENTIALS.secret_access_key.reveal().decode() not in shown
    assert CREDENTIALS.access_key_id not in shown


def test_owner_keys_and_check_values_live_under_it(holders: Holders) -> None:
    masters = MasterKeys(holders.other, (holders.key,))
    stored = owner_keys.create(Owner("one"), [], holders.key)
    moved = owner_keys.rewrapped(stored, masters)
    assert owner_keys.unwrap(moved, masters).key.equals_in_constant_time(owner_keys.unwrap(stored, masters).key)
    key_check.verify(masters, [key_check.make(key) for key in (holders.key, holders.other)], masters.ids)
