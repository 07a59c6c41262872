"""`portreeve pulltest`: forms and exit codes of verdicts; tests/kube/test_pull_test.py has the API server."""

from __future__ import annotations

import json

import pytest

from portreeve.cli.main import run
from portreeve.cli.pulltest import _shown
from portreeve.cli.terminal import Terminal
from portreeve.core.pull_failure import Cause
from portreeve.core.pull_test import Outcome, Pull, pod

MANIFEST = pod("ghcr.io/acme/api:1", "shop", suffix="1", service_account="api", timeout_s=60)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (Pull(Outcome.PULLED, "the image was pulled", digest="sha256:1"), 0),
        (Pull(Outcome.FAILED, "the pull failed: dns", Cause.DNS), 1),
        (Pull(Outcome.REFUSED, "admission refused the pod: policy x"), 1),
        (Pull(Outcome.UNKNOWN, "the node is still pulling"), 3),
    ],
)
def test_each_outcome_has_its_exit_code_and_form(found: Pull, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert _shown(found, MANIFEST, "json", Terminal()) == code
    answer = json.loads(capsys.readouterr().out)
    assert (answer["outcome"], answer["image"]) == (str(found.outcome), "ghcr.io/acme/api:1")
    assert (answer["do"] is None) == (found.outcome in {Outcome.PULLED, Outcome.UNKNOWN})
    assert _shown(found, MANIFEST, "table", Terminal()) == code
    assert f"outcome         {found.outcome}\n" in capsys.readouterr().out


def test_what_is_no_reference_is_refused_before_anything_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pulltest", "deadbeef"]) == 2
    assert "a bare image id" in capsys.readouterr().err
