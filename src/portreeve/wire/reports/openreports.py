"""Report and ClusterReport, openreports.io/v1alpha1: the successor of PolicyReport, with the source on top.

Source: openreports/reports-api, config/crd.
"""

from __future__ import annotations

from typing import Final

from portreeve.core.findings import Inspection
from portreeve.wire.reports.policyreport import SOURCE, Shape, render_as

SHAPE: Final = Shape("openreports.io/v1alpha1", "Report", "ClusterReport", (("source", SOURCE),))


def render(inspection: Inspection, *, tool_version: str) -> str:
    """The reports, that of the cluster first, the others sorted by namespace, kind and name."""
    return render_as(SHAPE, inspection, tool_version)
