"""A strict reader of Prometheus' text format, written from its description and not from what writes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_SAMPLE: Final = re.compile(r"([a-z_][a-z0-9_]*)(?:\{(.*)\})? (NaN|[+-]Inf|-?[0-9.]+(?:e[+-]?[0-9]+)?)")
_LABEL: Final = re.compile(r'([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)')
_UNESCAPED: Final = {r"\\": "\\", r"\"": '"', r"\n": "\n"}

Labels = frozenset[tuple[str, str]]
Scraped = Mapping[str, Mapping[Labels, float]]


def labels(**held: str) -> Labels:
    """The labels of a series."""
    return frozenset(held.items())


def scraped(page: bytes) -> Scraped:
    """Metric → labels → value. Fails for whatever the format does not know, and for a series that comes twice."""
    text = page.decode()
    assert text.endswith("\n") or not text
    found: dict[str, dict[Labels, float]] = {}
    kinds: dict[str, str] = {}
    current = ""
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            assert current not in found, f"{current} comes twice"
            found[current] = {}
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current
            assert kind in {"gauge", "counter"}
            assert (kind == "counter") == name.endswith("_total")
            kinds[name] = kind
        else:
            sample = _SAMPLE.fullmatch(line)
            assert sample is not None, line
            assert sample[1] == current, line
            assert current in kinds, line
            series = _labels(sample[2] or "")
            assert series not in found[current], line
            found[current][series] = float(sample[3])
    return found


def _labels(text: str) -> Labels:
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        label = _LABEL.match(text, at)
        assert label is not None, text
        assert label[1] not in found, text
        found[label[1]] = re.sub(r"\\.", lambda escape: _UNESCAPED[escape[0]], label[2])
        at = label.end()
    return frozenset(found.items())
