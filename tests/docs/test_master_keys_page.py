"""docs/howto/master-keys.md: every line that names a key is one that is understood."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from portreeve.errors import Stalled
from portreeve.vault.key_uris import master_key

PAGE = (Path(__file__).parents[2] / "docs/howto/master-keys.md").read_text(encoding="utf-8")
LINES = re.findall(r"^\| `([a-z]+:[^`]+)` \|", PAGE, re.MULTILINE)
AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}


def test_there_is_one_line_of_each_kind() -> None:
    assert [line.partition(":")[0] for line in LINES] == ["file", "env", "transit", "awskms"]


@pytest.mark.parametrize("line", LINES)
def test_each_line_is_understood(line: str) -> None:
    try:
        master_key(line, AWS, clock=lambda: datetime(2026, 11, 20, tzinfo=UTC))
    except Stalled as error:
        assert error.code == "master_key_missing"  # noqa: PT017 -- the file and variable of the page are not here


@pytest.mark.parametrize("parameter", re.findall(r"^\| `([a-z-]+=[^`]+)` \|", PAGE, re.MULTILINE))
def test_each_parameter_is_known_where_it_stands(parameter: str) -> None:
    transit, awskms = LINES[2], LINES[3]
    line = f"{awskms}?{parameter}" if parameter.startswith("endpoint") else f"{transit}&{parameter}"
    if parameter.startswith("token-"):
        line = f"{transit.partition('?')[0]}?{parameter}"
    if parameter.startswith("ca-file"):
        return  # it is read at once, and is not here
    master_key(line, AWS, clock=lambda: datetime(2026, 11, 20, tzinfo=UTC))
