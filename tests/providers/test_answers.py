"""What is read out of answers: of the right type or not there, and never an exception of Python's own."""

from __future__ import annotations

import base64
import json
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, PortreeveError, Stalled
from portreeve.providers import _answers
from portreeve.providers._answers import Minting, page_number, retry_after_s, segment
from portreeve.transport.exchange import Request, Response
from tests.fakes.network import Network
from tests.providers.contract_suite import NOW, outside

FAILURES = Minting("Acme", "see the token")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_whatever_is_in_a_field_it_is_read_as_its_type_or_as_nothing(value: Any) -> None:
    assert isinstance(_answers.mapping(value), dict)
    assert all(isinstance(row, dict) for row in _answers.rows(value))
    assert isinstance(_answers.text(value), str)
    assert (number := _answers.number(value)) is None or (isinstance(number, int) and number >= 0)
    assert (moment := _answers.moment(value)) is None or moment.tzinfo is UTC
    assert (life := _answers.seconds(value)) is None or life >= timedelta(0)
    assert isinstance(_answers.digest(value), str)


@given(JSON)
def test_a_token_and_a_cursor_are_words_or_refused(value: Any) -> None:
    with suppress(Stalled):
        assert re.fullmatch(rb"[!-~]+", _answers.secret(value, FAILURES).reveal())
    with suppress(Stalled):
        assert _answers.cursor(value, FAILURES) in {value, ""}


@given(st.text(max_size=40))
def test_a_name_is_one_segment_of_a_path_whatever_is_in_it(name: str) -> None:
    path = f"/api/{segment(name)}/tags"
    url = urlsplit(f"https://api.example.com{path}")
    assert (url.path, url.query, url.fragment, url.netloc) == (path, "", "", "api.example.com")
    assert url.path.count("/") == 3
    assert segment(name) not in {".", ".."}


@given(st.binary(max_size=80) | JSON.map(lambda value: json.dumps(value).encode()))
def test_the_end_of_a_token_that_is_none_is_not_known(payload: bytes) -> None:
    token = b".".join([b"e30", base64.urlsafe_b64encode(payload).rstrip(b"="), b"x"])
    for text in (token, payload):
        found = _answers.jwt_end(SecretValue(text))
        assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "30"}, 30.0),
        ({"retry-after": "999999999"}, 86400.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
        ({"retry-after": "Fri, 20 Nov 2026 12:01:00 GMT", "date": "Fri, 20 Nov 2026 12:00:00 GMT"}, 60.0),
        ({"retry-after": "Fri, 20 Nov 2026 11:00:00 GMT", "date": "Fri, 20 Nov 2026 12:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 20 Nov 2026 12:01:00 GMT"}, None),
        ({"retry-after": "Fri, 20 Nov 2026 12:01:00 GMT", "date": "20 Nov 2026 12:00:00"}, None),
    ],
)
def test_how_long_to_wait_is_read_in_both_forms_and_bounded(headers: dict[str, str], wait: float | None) -> None:
    assert retry_after_s(Response(429, headers)) == wait


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-11-20T12:00:00Z", NOW),
        ("2026-11-20T13:00:00.123456789+01:00", NOW),
        (1795176000, datetime.fromtimestamp(1795176000, UTC)),
        (1795176000.9, datetime.fromtimestamp(1795176000, UTC)),
        ("2026-11-20T12:00:00", None),
        ("0000-00-00T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        (1 << 60, None),
        (True, None),
    ],
)
def test_times_are_read_in_utc_or_not_at_all(value: Any, moment: datetime | None) -> None:
    assert _answers.moment(value) == moment


def test_a_page_is_a_number_from_one_on() -> None:
    assert [page_number(""), page_number("7")] == [1, 7]
    for text in ("0", "01", "1 ", "x", "1.5", "-1", "1" * 8):
        with pytest.raises(Invalid) as caught:
            page_number(text)
        assert caught.value.code == "cursor_invalid"


async def test_an_answer_that_is_larger_than_any_list_is_none() -> None:
    large = Response(200, {}, SecretValue(b"x" * (_answers.MAX_ANSWER_BYTES + 1)))
    request = Request("GET", "https://api.example.com/")
    with pytest.raises(PortreeveError) as caught:
        await _answers.asked(outside(Network({"*": lambda _: large})), request, FAILURES)
    assert caught.value.code == "mint_answer"


def test_an_error_keeps_nothing_of_the_answer() -> None:
    with pytest.raises(Stalled) as caught:
        _answers.parsed(Response(200, {}, SecretValue(b'{"token": "hunter2-hunter2"')), FAILURES)
    assert caught.value.__context__ is None
