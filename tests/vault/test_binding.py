"""A binding can be read in one way only."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portreeve.vault.binding import Owner, encoded

PARTS = st.lists(st.text(max_size=4), max_size=4)


@given(st.text(max_size=4), PARTS, st.text(max_size=4), PARTS)
def test_different_parts_have_different_bytes(purpose: str, parts: list[str], other: str, others: list[str]) -> None:
    assert (encoded(purpose, *parts) == encoded(other, *others)) is ((purpose, parts) == (other, others))


def test_moving_a_boundary_changes_the_bytes() -> None:
    assert len({encoded("p", "ab", "c"), encoded("p", "a", "bc"), encoded("p", "abc"), encoded("p", "abc", "")}) == 4


def test_the_encoding_does_not_change() -> None:
    """Stored values depend on it."""
    assert encoded("p", "a", 1, b"\x00").hex() == (
        "00000005" + "00000012" + b"portreeve.io/vault".hex() + "00000001" + "70" + "00000001" + "61"
        "00000008" + "0000000000000001" + "00000001" + "00"
    )


def test_no_project_is_taken_for_everybody() -> None:
    assert str(Owner()) == "global"
    assert str(Owner("global")) != str(Owner())
