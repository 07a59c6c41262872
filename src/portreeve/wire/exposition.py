"""Metrics as Prometheus reads them: the text format, version 0.0.4.

A metric is declared once, with its kind, its sentence and its labels; what is written are its samples, by the values of
those labels, so that no series comes twice. Whatever a label holds is escaped; control characters, which the format
leaves to the reader, become U+FFFD. A metric has at most `MOST_SERIES` series: those beyond are left out, and how many
they were is said by `LEFT_OUT`, as half a picture must not look like a whole one.

Left out: OpenMetrics, histograms, timestamps. Source: Prometheus, "Exposition formats", text-based format.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

MOST_SERIES: Final = 10_000
"""Of one metric. A fleet of 10,000 environments has one series for each."""

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Kind(StrEnum):
    """What a value does: go up and down, or only grow until the process ends."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Metric:
    """A declared metric. `text` is one sentence on what it says.

    Raises:
        ValueError: a name that the format does not know.
    """

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (self.name, *self.labels):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a metric or label")


LEFT_OUT: Final = Metric(
    "portreeve_metrics_left_out", Kind.GAUGE, "Series that were too many to be written, by metric.", ("metric",)
)

Series = Mapping[tuple[str, ...], float]
"""Values of the labels → value. A metric without labels has the one key ()."""


def render(found: Iterable[tuple[Metric, Series]]) -> bytes:
    """The page. A metric without a series is left out: what is not known is not 0."""
    lines: list[str] = []
    left_out: dict[tuple[str, ...], float] = {}
    for metric, series in found:
        lines += _lines(metric, series)
        if len(series) > MOST_SERIES:
            left_out[metric.name,] = len(series) - MOST_SERIES
    lines += _lines(LEFT_OUT, left_out)
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def _lines(metric: Metric, series: Series) -> Iterable[str]:
    if not series:
        return
    yield f"# HELP {metric.name} {metric.text}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for values, value in islice(series.items(), MOST_SERIES):
        labels = ",".join(f'{name}="{escaped(held)}"' for name, held in zip(metric.labels, values, strict=True))
        yield f"{metric.name}{{{labels}}} {number(value)}" if labels else f"{metric.name} {number(value)}"


def escaped(text: str) -> str:
    """The value of a label, as it stands between quotes."""
    return _CONTROL.sub("�", text).translate(_ESCAPES)


def number(value: float) -> str:
    """A value, as Go's ParseFloat reads it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))
