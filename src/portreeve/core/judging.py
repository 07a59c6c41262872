"""Findings from what was read: each image use judged, or, without a policy, only canonicalised.

A manifest names the same image in the same namespace many times; each pair is judged once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from portreeve.core.findings import Finding
from portreeve.core.manifests import ImageUse, NotEvaluated
from portreeve.core.reference import UnsafeReference, parse
from portreeve.core.sources import ResolvedSources
from portreeve.core.verdict import ImageVerdict, judge

Answer = tuple[ImageVerdict | None, str | None]


@dataclass(slots=True)
class Judge:
    """Judges by one policy at one time; `sources` None judges nothing. `now` is UTC, aware."""

    sources: ResolvedSources | None
    now: datetime
    _answers: dict[tuple[str, str], Answer] = field(default_factory=dict)

    def finding(self, use: ImageUse) -> Finding:
        """What is said of one use."""
        key = (use.image, use.namespace)
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self._answer(*key)
        return Finding(use, *answer)

    def _answer(self, image: str, namespace: str) -> Answer:
        if self.sources is None:
            return None, canonical(image)
        verdict = judge(image, namespace, self.sources, now=self.now)
        return verdict, verdict.canonical


def canonical(image: str) -> str | None:
    """The canonical form, None for what cannot be canonicalised safely."""
    try:
        return str(parse(image))
    except UnsafeReference:
        return None


def findings(items: Iterable[ImageUse | NotEvaluated], judged: Judge) -> Iterator[Finding | NotEvaluated]:
    """The stream as read, every image use replaced by its finding."""
    for item in items:
        yield judged.finding(item) if isinstance(item, ImageUse) else item
