"""Events: one canonical form, strictly read, and no way in for a secret."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core import audit
from portreeve.core.audit import Actor, Agent, Event, ObjectKind, Target, Via, ViaKind, decode, encode, escaped
from portreeve.errors import Invalid
from tests.core.events import event, events


@given(events)
def test_an_event_reads_back_as_it_was(one: Event) -> None:
    leaf = encode(one)
    assert decode(leaf) == one
    assert encode(decode(leaf)) == leaf
    assert len(leaf) <= audit.MAX_EVENT_BYTES


@given(events)
def test_the_form_is_canonical(one: Event) -> None:
    leaf = encode(one)
    value = json.loads(leaf)
    assert leaf == json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")
    assert all(0x20 <= byte < 0x7F for byte in leaf)


def test_the_largest_event_fits() -> None:
    name = "\U0001f680" * audit.MAX_NAME
    large = replace(
        event(),
        sequence=(1 << 63) - 2,
        actor=Actor(name, Via(ViaKind.CERTIFICATE, "x" * 36), name),
        target=Target(ObjectKind.PULL_SECRET, name, name, name),
        reason="x" * 64,
    )
    assert decode(encode(large)) == large


@given(st.binary(max_size=300))
def test_nothing_but_invalid_leaves_on_any_bytes(data: bytes) -> None:
    with pytest.raises(Invalid):
        decode(data)


@given(events, st.data())
def test_a_changed_byte_is_another_event_or_refused(one: Event, data: st.DataObject) -> None:
    leaf = encode(one)
    at = data.draw(st.integers(0, len(leaf) - 1))
    changed = leaf[:at] + bytes([leaf[at] ^ data.draw(st.integers(1, 255))]) + leaf[at + 1 :]
    with contextlib.suppress(Invalid):
        assert decode(changed) != one


LEAF = encode(event()).decode()


@pytest.mark.parametrize(
    "text",
    [
        LEAF.replace('"v":1', '"v":1,"v":1'),
        LEAF.replace('"v":1', '"v":2'),
        LEAF.replace('"v":1', '"v":true'),
        LEAF.replace('"v":1', '"v":1.0'),
        LEAF.replace('"v":1', '"v":1,"x":1'),
        LEAF.replace('"sequence":0', '"sequence":-1'),
        LEAF.replace('"sequence":0', '"sequence":-0'),
        LEAF.replace('"sequence":0', '"sequence":NaN'),
        LEAF.replace('"sequence":0', '"sequence":"0"'),
        LEAF.replace('"sequence":0', '"sequence":1e0'),
        LEAF.replace('"sequence":0', f'"sequence":{"9" * 5000}'),
        LEAF.replace('"sequence":0', f'"sequence":{1 << 63}'),
        LEAF.replace('"generation":41', '"generation":null'),
        LEAF.replace('"done"', '"Done"'),
        LEAF.replace('"done"', "1"),
        LEAF.replace('"policy.update"', '"policy.invent"'),
        LEAF.replace('"policy.update"', '["policy.update"]'),
        LEAF.replace("123456Z", "123456+00:00"),
        LEAF.replace("123456Z", "123Z"),
        LEAF.replace("2026-11-20", "2026-11-31"),
        LEAF.replace('"prod-eu"', "null"),
        LEAF.replace('"prod-eu"', '""'),
        LEAF.replace('"prod-eu"', '"a\\nb"'),
        LEAF.replace('"prod-eu"', '"\\u202e"'),
        LEAF.replace('"prod-eu"', '"\\ud800"'),
        LEAF.replace('"prod-eu"', '"prod\\u002deu"'),
        LEAF.replace('"prod-eu"', '"prod\\\\eu"'),
        LEAF.replace('"prod-eu"', '"prød"'),
        LEAF.replace('"sha256:', '"sha1:', 1),
        LEAF.replace(",", ", ", 1),
        LEAF + "\n",
        f"\ufeff{LEAF}",
        f"[{LEAF}]",
        "[" * 16_000,
        '{"a":' * 3_000,
        "null",
        "",
        " " * 20_000,
    ],
)  # fmt: skip
def test_what_is_not_the_canonical_form_is_refused(text: str) -> None:
    assert text != LEAF
    with pytest.raises(Invalid) as caught:
        decode(text.encode())
    assert caught.value.code == "audit_event"


@pytest.mark.parametrize("field", ["action", "actor", "object", "outcome", "request", "sequence", "time", "v"])
def test_a_missing_field_is_named(field: str) -> None:
    value = json.loads(LEAF)
    del value[field]
    with pytest.raises(Invalid, match=f"^{field}: is missing$"):
        decode(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


@dataclass(frozen=True)
class Secret:
    """As the vault has one: a type of its own."""

    value: str = "hunter2-canary"


class TextSecret(str):
    """A secret that pretends to be text."""

    __slots__ = ()


@pytest.mark.parametrize("secret", [Secret(), TextSecret("hunter2-canary"), b"hunter2-canary", {"password": "x"}])
def test_a_secret_fits_into_no_field(secret: Any) -> None:
    base = event()
    for field in ("sequence", "time", "actor", "action", "target", "outcome", "request", "reason", "agent", "before",
                  "after"):  # fmt: skip
        with pytest.raises(Invalid) as caught:
            replace(base, **{field: secret})
        assert "hunter2" not in caught.value.diagnostics()
    via = Via(ViaKind.SESSION, "s-1")
    attempts: list[Any] = [
        lambda: Actor(secret, via),
        lambda: Actor("a", secret),
        lambda: Actor("a", via, secret),
        lambda: Via(secret, "s-1"),
        lambda: Via(ViaKind.SESSION, secret),
        lambda: Target(secret, "x"),
        lambda: Target(ObjectKind.KEY, secret),
        lambda: Target(ObjectKind.KEY, "x", secret),
        lambda: Target(ObjectKind.KEY, "x", None, secret),
        lambda: Agent(secret, 1),
        lambda: Agent("a", secret),
        lambda: escaped(secret),
    ]
    for attempt in attempts:
        with pytest.raises(Invalid):
            attempt()


def test_a_token_does_not_fit_where_its_id_belongs() -> None:
    with pytest.raises(Invalid):
        Via(ViaKind.TOKEN, "x" * 43)  # 256 bits in base64


@given(st.text(st.characters()), st.text(st.characters()))
def test_escaping_keeps_names_apart_and_on_one_line(one: str, other: str) -> None:
    assert (escaped(one) == escaped(other)) == (one == other)
    if one:
        assert Target(ObjectKind.USER, escaped(one)).name == escaped(one)
        assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in escaped(one))


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("alice", "alice"),
        ("Jürgen Ærø", "Jürgen Ærø"),
        ("a\nb", "a\\u{a}b"),
        ("\x1b[31m", "\\u{1b}[31m"),
        ("DOMAIN\\alice", "DOMAIN\\\\alice"),
        ("a\u202eb", "a\\u{202e}b"),
        ("\ud800", "\\u{d800}"),
    ],
)
def test_control_characters_are_escaped(name: str, shown: str) -> None:
    assert escaped(name) == shown


def test_long_names_are_cut_and_stay_apart() -> None:
    one, other = escaped("\n" * 200 + "a"), escaped("\n" * 200 + "b")
    assert one != other
    assert len(one) <= audit.MAX_NAME
    assert escaped(one) != one, "what looks cut is told from what was"
    assert Target(ObjectKind.USER, one).name == one


@pytest.mark.parametrize(
    "time",
    [datetime(2026, 11, 20), datetime(2026, 11, 20, tzinfo=timezone(timedelta(hours=1))), "2026-11-20", None],  # noqa: DTZ001 -- that is the point
)
def test_only_utc_is_a_time(time: Any) -> None:
    with pytest.raises(Invalid, match="UTC"):
        replace(event(), time=time)
