"""What `portreeve test` reads: images with the verdict that a policy must give them.

Shapes are those of documents.md in the design (PolicyTest), read by `portreeve.wire.documents`. Running the cases
is the program's; here are only the values.
"""

from __future__ import annotations

from dataclasses import dataclass

from portreeve.core.verdict import Decision

DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class PolicyCase:
    """One image in one namespace and what must be said of it.

    `canonical` None means that the canonical form is not compared. `field` is the path of the case in its document.
    """

    image: str
    verdict: Decision
    namespace: str = DEFAULT_NAMESPACE
    canonical: str | None = None
    field: str = ""


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """Cases for policies. `policies` are files as written, relative to `file`, the document's own; never empty."""

    name: str
    policies: tuple[str, ...]
    cases: tuple[PolicyCase, ...]
    file: str = ""
