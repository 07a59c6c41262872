"""`portreeve calendar`: what ends when, for people, programs and calendar programs."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Operator
from tests.server.plane import NOW, document


@pytest.fixture
def filled(operator: Operator) -> Operator:
    """Two registries with a stored credential each, one of which ends. The plane's clock stands at `NOW`."""
    ways = {"harbor": {"method": "basic", "expiresAt": "2026-12-10T12:00:00Z"}, "quay": {"method": "robot"}}
    for name, way in ways.items():
        declared = {"purpose": "pull", "parameters": {"username": "acme+pull"}, **way}
        place = declared | {"credentialFrom": {"stdin": True}}
        operator.write(
            "r.yaml", document("Registry", name, provider=name, host=f"{name}.example.com", credentials=[place])
        )
        done = operator.run("apply", "-f", "r.yaml", "-y", stdin="secret")
        assert done.code == 0, done.err
    return operator


def test_the_next_end_comes_first_and_what_never_ends_last(filled: Operator) -> None:
    assert f"{NOW:%Y-%m-%d}" == "2026-11-20"
    shown = filled.run("calendar")
    lines = [line.split() for line in shown.out.splitlines()]
    assert lines[0][:5] == ["EXPIRES", "DAYS", "LEVEL", "LANE", "NAME"]
    assert lines[1][:5] == ["2026-12-10T12:00:00Z", "20", "30", "credential", "harbor/pull"]
    assert lines[2][2:5] == ["never", "credential", "quay/pull"]


def test_for_programs_and_for_calendar_programs(filled: Operator) -> None:
    (entry,) = filled.run("calendar", "--within", "30", "-o", "json").json["items"]
    assert entry["name"] == "harbor/pull"
    assert filled.run("calendar", "--level", "never", "-o", "csv").out.splitlines()[1].startswith(",,never,credential")
    assert "quay/pull" in filled.run("calendar", "--registry", "quay", "-o", "yaml").out
    feed = filled.run("calendar", "-o", "ics").out
    assert feed.splitlines()[0] == "BEGIN:VCALENDAR"
    assert feed.count("BEGIN:VEVENT") == 1
    assert filled.run("calendar", "--lane", "token").err == "nothing ends\n"
