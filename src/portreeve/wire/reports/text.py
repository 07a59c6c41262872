"""Foreign text made printable, the flat form of findings, and where the documentation lies: shared by all formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from portreeve.core.findings import Finding, Inspection
from portreeve.core.manifests import NotEvaluated
from portreeve.core.policy import Stage
from portreeve.core.sources import stage_in
from portreeve.core.verdict import Decision

DOCS_BASE: Final = "https://portreeve.io/docs"
"""Where the documentation of released versions lies. Only written into reports, never contacted."""

MAX_SHOWN: Final = 2_000
"""Characters of one field in a report for people. Far above any real name (an image reference has at most 520), and
far below what readers take: a CSV reader stops at 131,072, a spreadsheet at 32,767."""


def printable(text: str, limit: int = MAX_SHOWN) -> str:
    r"""`text` without control, bidirectional, private and unpaired characters: those as `\n`, `\x1b`, `\u202e`.

    Cut at `limit` characters, so that a report stays readable whatever it reports on.
    """
    cut = text[:limit] + ("…" if len(text) > limit else "")
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)


def help_uri(code: str) -> str:
    """The heading of a code in docs/errors.md. Codes that are not of our form lead to the page."""
    known = code.isascii() and code.replace("_", "").isalnum()
    return f"{DOCS_BASE}/errors.md#{code}" if known else f"{DOCS_BASE}/errors.md"


@dataclass(frozen=True, slots=True)
class Row:
    """A finding, flat, every field as given. What was not judged has None for verdict, code and reason."""

    file: str
    line: int
    kind: str
    namespace: str
    name: str
    container: str
    place: str
    image: str
    canonical: str | None
    verdict: str | None
    code: str | None
    reason: str | None
    nearest: str | None


def row(finding: Finding) -> Row:
    """One finding as a row; the deciding reason stands for all."""
    use, verdict = finding.use, finding.verdict
    reason = verdict.reasons[0] if verdict else None
    return Row(
        file=use.file,
        line=use.line,
        kind=use.kind,
        namespace=use.namespace,
        name=use.name,
        container=use.container,
        place=str(use.place),
        image=use.image,
        canonical=finding.canonical,
        verdict=str(verdict.decision) if verdict else None,
        code=str(reason.code) if reason else None,
        reason=reason.message if reason else None,
        nearest=str(verdict.nearest.prefix) if verdict and verdict.nearest else None,
    )


def stage_of(finding: Finding, inspection: Inspection) -> Stage:
    """How far the policy is enforced where the finding stands."""
    return stage_in(inspection.stage, finding.use.namespace)


def troubles(inspection: Inspection) -> list[Finding]:
    """What was denied, then what is unknown; each in the order found."""
    return [f for decision in (Decision.DENY, Decision.UNKNOWN) for f in inspection.findings if f.decision is decision]


def sentence(finding: Finding) -> str:
    """A finding in one printable line: image, place, verdict, every reason, the nearest source."""
    use, verdict = finding.use, finding.verdict
    where = f"{use.kind} {use.namespace}/{use.name}, {use.container}"
    if verdict is None:
        return printable(f"{use.image} ({where}): not judged, as no policy was given")
    why = "; ".join(reason.message for reason in verdict.reasons)
    near = f"; nearest allowed source: {verdict.nearest.prefix}" if verdict.nearest else ""
    return printable(f"{verdict.decision} {printable(use.image, 600)} ({printable(where, 600)}): {why}{near}")


def place_of(missing: NotEvaluated) -> str:
    """File and line of what was not evaluated, printable."""
    return printable(missing.file) + (f":{missing.line}" if missing.line else "")


def tally(inspection: Inspection) -> str:
    """The counts as one sentence."""
    s = inspection.summary
    unjudged = f"{s.unjudged} not judged · " if s.unjudged else ""
    return f"{s.allowed} allowed · {s.denied} denied · {s.unknown} unknown · {unjudged}{s.not_evaluated} not evaluated"
