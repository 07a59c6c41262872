"""What `check` found, in the formats that other tools read. One file per format, each a pure function.

`FORMATS` maps the name of a format, as in `--report FORMAT=PATH`, to its function. Files are the caller's.
Everything that is shown was written by somebody else: each format escapes it by its own rules, after
`portreeve.wire.reports.text` has made it printable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from portreeve.core.findings import Inspection
from portreeve.wire.reports import csv, github, json, junit, markdown, openreports, policyreport, sarif


class Render(Protocol):
    """A format."""

    def __call__(self, inspection: Inspection, *, tool_version: str) -> str:
        """The whole report as text, ending in a line break."""
        ...


FORMATS: Final[Mapping[str, Render]] = {
    "csv": csv.render,
    "github": github.render,
    "json": json.render,
    "junit": junit.render,
    "markdown": markdown.render,
    "openreports": openreports.render,
    "policyreport": policyreport.render,
    "sarif": sarif.render,
}
