"""Whatever a label holds, the page stays one that a strict reader reads, and says the same."""

from __future__ import annotations

import math
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portreeve.wire.exposition import LEFT_OUT, MOST_SERIES, Kind, Metric, Series, render
from tests.cases.hostile_strings import STRINGS
from tests.scraped import labels, scraped
from tests.tools.promql import Prometheus

METRIC = Metric("portreeve_thing", Kind.GAUGE, "A thing.", ("name", "place"))
LOST = {"Cc", "Zl", "Zp"}
PLAIN = Metric("portreeve_plain_total", Kind.COUNTER, "A count.")


def read_back(text: str) -> str:
    [series] = scraped(render([(METRIC, {(text, "here"): 1})]))["portreeve_thing"]
    return dict(series)["name"]


@pytest.mark.parametrize(
    "text", [r"back\slash", 'quo"te', "new\nline", r"\n", '"} 1\nportreeve_up 0', "", "ü", "a,b={}"]
)
def test_what_a_label_holds_comes_back(text: str) -> None:
    assert read_back(text) == text


@given(st.text(max_size=60))
@settings(max_examples=60)
def test_no_text_breaks_the_page(text: str) -> None:
    found = read_back(text)
    for one, other in zip(found, text, strict=True):
        lost = "?" if unicodedata.category(other) == "Cs" else "�" if unicodedata.category(other) in LOST else ""
        assert one == other or (lost and one == lost), (one, other)


def test_hostile_texts_stay_one_series() -> None:
    for text in STRINGS:
        read_back(text)


@given(st.floats())
def test_every_number_is_written_as_it_is(value: float) -> None:
    [found] = scraped(render([(METRIC, {("a", "b"): value})]))["portreeve_thing"].values()
    assert found == value or (math.isnan(found) and math.isnan(value))


def test_what_is_not_known_is_not_written_and_what_is_too_much_is_counted() -> None:
    many: Series = {(str(number), ""): 1.0 for number in range(MOST_SERIES + 3)}
    found = scraped(render([(PLAIN, {}), (METRIC, many)]))
    assert "portreeve_plain_total" not in found
    assert len(found["portreeve_thing"]) == MOST_SERIES
    assert found[LEFT_OUT.name] == {labels(metric="portreeve_thing"): 3}


def test_a_name_that_is_none_is_refused() -> None:
    for name in ("Portreeve", "a-b", "", "1a", "a b"):
        with pytest.raises(ValueError, match="no name"):
            Metric(name, Kind.GAUGE, "text")


def test_prometheus_reads_what_our_reader_reads(prometheus: Prometheus) -> None:
    numbers = (0.0, 1e300, -1.5, 5e-324, 2.0**60, math.inf)
    series: Series = {(text, str(place)): numbers[place % len(numbers)] for place, text in enumerate(STRINGS)}
    page = render([(METRIC, series), (PLAIN, {(): 3})])
    read = {
        (name, frozenset(one for one in held if one[1])): value
        for name, all_of_it in scraped(page).items()
        for held, value in all_of_it.items()
    }
    theirs = {(held.pop("__name__"), frozenset(held.items())): value for held, value in prometheus.scraped(page)}
    assert theirs == read
    for broken in (b"a 1 2 3 4\n", b'a{b="c} 1\n', b"a\n", b'a{b="\\"} 1\n'):
        with pytest.raises(ValueError, match=r"\w"):
            prometheus.scraped(broken)
