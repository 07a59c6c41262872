"""The result of `portreeve check` as it is kept for the first page of `portreeve up`.

Which findings somebody has to look at first is decided here; the file is `portreeve.workspace.last_check`'s. It is a
convenience: a check that cannot keep its result is as good as one that can, so no failure leaves this module.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from portreeve.cli.blocks import suggestion
from portreeve.cli.clock import now
from portreeve.cli.image_facts import owner_of
from portreeve.cli.inputs import Inputs
from portreeve.cli.terminal import Terminal
from portreeve.core.findings import Finding, Inspection
from portreeve.core.reference import DEFAULT_TAG, Reference, parse
from portreeve.core.sources import ResolvedSources
from portreeve.core.verdict import Decision
from portreeve.workspace import last_check
from portreeve.workspace.last_check import Found, From, LastCheck, Missed, Totals


@dataclass(frozen=True, slots=True)
class Asked:
    """What the run was asked, and how it ended."""

    inputs: Inputs
    policy_files: tuple[Path, ...]
    policy_name: str | None
    sources: ResolvedSources | None
    exit_code: int


def wanted(chosen: bool | None) -> bool:
    """Whether the result is kept: as was said, and by itself where a person works. A pipeline sets CI."""
    return chosen if chosen is not None else os.environ.get("CI", "").lower() in {"", "0", "false"}


def keep(inspection: Inspection, asked: Asked, objects: int, terminal: Terminal) -> None:
    """Keep it, if that can be done."""
    file = last_check.file_of(os.environ)
    if file is None:
        return
    try:
        last_check.write(file, result(inspection, asked, objects), os.environ)
    except (OSError, ValueError):
        terminal.detail(f"the result could not be kept in {file}")


def result(inspection: Inspection, asked: Asked, objects: int) -> LastCheck:
    """All that is kept of a run."""
    known = _parsed(inspection.findings)
    inputs = asked.inputs
    return LastCheck(
        at=now(),
        directory=os.getcwd(),  # noqa: PTH109 -- Path.cwd() is the same, and text is what is kept
        paths=inputs.paths,
        options=_options(asked),
        policy=inspection.policy or "",
        stage=str(inspection.stage) if inspection.policy else "",
        policy_files=tuple(map(str, asked.policy_files)),
        exit_code=asked.exit_code,
        totals=_totals(inspection, known, objects),
        findings=_worst(inspection.findings, known, asked.sources),
        not_evaluated=tuple(
            Missed(one.file, one.line, one.code, one.reason)
            for one in inspection.not_evaluated[: last_check.MOST_OTHERS]
        ),
        sources=tuple(_sources(inspection.findings, known)[: last_check.MOST_OTHERS]),
    )


def _options(asked: Asked) -> tuple[str, ...]:
    """The words that choose what is read and by which policy, as they are written."""
    inputs = asked.inputs
    words = ["--policy-name", asked.policy_name] if asked.policy_files and asked.policy_name else []
    if inputs.namespace != Inputs(()).namespace:
        words += ["-n", inputs.namespace]
    for flag, globs in (("--include", inputs.include), ("--exclude", inputs.exclude)):
        for glob in globs:
            words += [flag, glob]
    return tuple(words)


def _parsed(findings: tuple[Finding, ...]) -> dict[str, Reference]:
    """Canonical name → reference; each name is read once, however often it is used."""
    return {name: parse(name) for name in {one.canonical for one in findings} if name is not None}


def _moves(reference: Reference) -> bool:
    return reference.tag == DEFAULT_TAG and not reference.pinned


def _totals(inspection: Inspection, known: dict[str, Reference], objects: int) -> Totals:
    found, counts = inspection.findings, inspection.summary
    uses = Counter(one.canonical for one in found)
    return Totals(
        uses=len(found),
        distinct=len({one.canonical or one.use.image for one in found}),
        objects=objects,
        allowed=counts.allowed,
        denied=counts.denied,
        unknown=counts.unknown,
        unjudged=counts.unjudged,
        not_evaluated=counts.not_evaluated,
        unpinned=sum(uses[name] for name, one in known.items() if not one.pinned),
        moving=sum(uses[name] for name, one in known.items() if _moves(one)),
        unreadable=uses[None],
        sources=len({owner_of(one) for one in known.values()}),
    )


def _worst(
    findings: tuple[Finding, ...], known: dict[str, Reference], sources: ResolvedSources | None
) -> tuple[Found, ...]:
    """Those that somebody has to look at first; of one rank as they were found."""
    ranked = sorted(range(len(findings)), key=lambda at: _rank(findings[at], known))
    return tuple(_found(findings[at], known, sources) for at in ranked[: last_check.MOST_FINDINGS])


def _rank(finding: Finding, known: dict[str, Reference]) -> int:
    """Denied, unknown, what may become another image by itself, what a tag's owner may change, the rest."""
    reference = known.get(finding.canonical or "")
    if finding.decision is Decision.DENY:
        return 0
    if finding.decision is Decision.UNKNOWN or reference is None:
        return 1
    if _moves(reference):
        return 2
    return 4 if reference.pinned else 3


def _found(finding: Finding, known: dict[str, Reference], sources: ResolvedSources | None) -> Found:
    use, verdict = finding.use, finding.verdict
    reference = known.get(finding.canonical or "")
    bad = verdict if verdict and verdict.decision is not Decision.ALLOW else None
    return Found(
        file=use.file,
        line=use.line,
        kind=use.kind,
        namespace=use.namespace,
        name=use.name,
        container=use.container,
        image=last_check.unlogged(use.image),
        canonical=finding.canonical or "",
        verdict=str(verdict.decision) if verdict else "",
        why="; ".join(one.message for one in verdict.reasons) if verdict else "",
        fix=suggestion(bad, sources, use.namespace) if bad and sources else "",
        pinned=reference is not None and reference.pinned,
        moving=reference is not None and _moves(reference),
    )


def _sources(findings: tuple[Finding, ...], known: dict[str, Reference]) -> list[From]:
    """The most used first, then by name."""
    uses = Counter(one.canonical for one in findings if one.canonical is not None)
    grouped: dict[str, list[str]] = {}
    for name, reference in known.items():
        grouped.setdefault(owner_of(reference), []).append(name)
    rows = [
        From(source, sum(uses[one] for one in names), len(names), sum(uses[one] for one in names if known[one].pinned))
        for source, names in grouped.items()
    ]
    return sorted(rows, key=lambda row: (-row.uses, row.source))
