"""Which alerts fire, and with what words; what is read of a page: Prometheus' own engine, templates and parser.

    with Prometheus(find_program(PROMQL, default_cache()).path) as prometheus:
        firing = prometheus.firing(rules, [Series({"__name__": "up"}, [0, 0, 0])], after_s=120)

Leaves out: recording rules, keep_firing_for, histograms.

Source: github.com/prometheus/prometheus/promql, pinned in promql/go.mod; `promtool test rules`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from tests.tools.process import LineProcess


@dataclass(frozen=True)
class Series:
    """A series: its labels with `__name__`, and a value for each step; None is none."""

    labels: Mapping[str, str]
    values: Sequence[float | None]


@dataclass(frozen=True)
class Firing:
    """An alert that fires, as Alertmanager would be told."""

    alert: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class Prometheus:
    """The program, started once."""

    def __init__(self, program: Path) -> None:
        self._process = LineProcess([str(program)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.close()

    def firing(
        self, rules: Sequence[Mapping[str, Any]], series: Sequence[Series], *, after_s: int, step_s: int = 60
    ) -> list[Firing]:
        """What fires so long after the first value, of rules as a PrometheusRule has them.

        Raises:
            ValueError: an expression or a template is wrong.
        """
        asked = {"rules": list(rules), "series": [asdict(one) for one in series], "stepS": step_s, "atS": after_s}
        answer = json.loads(self._process.ask(json.dumps(asked).encode()))
        if answer["error"]:
            raise ValueError(answer["error"])
        return [Firing(**one) for one in answer["firing"]]

    def scraped(self, page: bytes) -> list[tuple[dict[str, str], float]]:
        """The series of a page in the text format, as they are stored: labels with `__name__`, and the value.

        Raises:
            ValueError: it is no such page.
        """
        answer = json.loads(self._process.ask(json.dumps({"page": page.decode()}).encode()))
        if answer["error"]:
            raise ValueError(answer["error"])
        return [(one["labels"], float(one["value"])) for one in answer["scraped"]]
