"""What images there are, told as facts: by source, by name, and what their names leave open. Nothing is judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from portreeve.cli.blocks import where
from portreeve.cli.terminal import safe
from portreeve.core.findings import Finding
from portreeve.core.reference import DEFAULT_TAG, DOCKER_HUB, Reference, parse

SHOWN = 5
"""Examples in one line of facts."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One source, its image uses, distinct images, and uses that name a digest."""

    source: str
    uses: int
    distinct: int
    by_digest: int


def owner_of(reference: Reference) -> str:
    """Host and first path segment where there is one before the last: who publishes the image."""
    owner, slash, _ = reference.path.partition("/")
    return f"{reference.host}/{owner}" if slash else reference.host


def by_source(found: Sequence[Finding]) -> list[SourceRow]:
    """Sources, the most used first, then by name. What cannot be canonicalised has no source."""
    grouped: dict[str, list[Reference]] = {}
    for finding in found:
        if finding.canonical is not None:
            reference = parse(finding.canonical)
            grouped.setdefault(owner_of(reference), []).append(reference)
    rows = [
        SourceRow(source, len(held), len(set(held)), sum(one.pinned for one in held))
        for source, held in grouped.items()
    ]
    return sorted(rows, key=lambda row: (-row.uses, row.source))


def facts(found: Sequence[Finding]) -> list[str]:
    """Sentences on what the names leave open; empty when nothing."""
    moving = [finding for finding in found if _moves(finding)]
    short = Counter(finding.use.image for finding in found if _is_short(finding))
    unreadable = [finding for finding in found if finding.canonical is None]
    lines = []
    if moving:
        lines.append(f'{_uses(len(moving))} no tag or ":{DEFAULT_TAG}": first at {where(moving[0].use)}')
    if short:
        lines.append(f"{_uses(short.total())} a short name: {_examples(short)}")
    if unreadable:
        lines.append(
            f"{_uses(len(unreadable))} a name that cannot be read safely: "
            + ", ".join(f"{f.use.image!a} at {where(f.use)}" for f in unreadable[:SHOWN])
        )
    return lines


def distinct(found: Iterable[Finding]) -> int:
    """How many different images there are; one that cannot be canonicalised counts as written."""
    return len({finding.canonical or finding.use.image for finding in found})


def counted(count: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _uses(count: int) -> str:
    return "1 use has" if count == 1 else f"{count} uses have"


def _moves(finding: Finding) -> bool:
    if finding.canonical is None:
        return False
    reference = parse(finding.canonical)
    return reference.tag == DEFAULT_TAG and not reference.pinned


def _is_short(finding: Finding) -> bool:
    """Whether Docker Hub was only meant and not named."""
    return (
        finding.canonical is not None
        and finding.canonical.startswith(f"{DOCKER_HUB}/")
        and not finding.use.image.startswith((f"{DOCKER_HUB}/", f"index.{DOCKER_HUB}/"))
    )


def _examples(images: Counter[str]) -> str:
    shown = ", ".join(f"{safe(image)} → {parse(image)}" for image in list(images)[:SHOWN])
    return shown + (f" and {len(images) - SHOWN} more" if len(images) > SHOWN else "")
