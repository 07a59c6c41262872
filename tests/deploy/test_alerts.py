"""The alerts: when each fires and when it does not, by Prometheus' own engine, and where each leads.

Source: interfaces.md, "Metrics, dashboards, alerts".
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.deploy.installed import CHART
from tests.deploy.test_chart import MONITORING, SERVER, VALUES
from tests.tools.charts import Charts, Object
from tests.tools.promql import Firing, Prometheus, Series

ROOT = CHART.parents[2]
NAMES = tuple(VALUES["prometheusRule"]["alerts"])
OFF = {name: {"enabled": False} for name in NAMES}
MINUTE, HOUR, DAY = 60, 3600, 86400


def alerts(charts: Charts, **changes: Any) -> list[Object]:
    """The rules, with changes to the values of an alert."""
    values = {**SERVER, "prometheusRule": {"enabled": True, "alerts": changes}}
    [group] = charts.render(CHART, values, api_versions=MONITORING).of("PrometheusRule")["spec"]["groups"]
    rules: list[Object] = group["rules"]
    return rules


def steady(metric: str, value: float, **labels: str) -> Series:
    """A metric that has had one value since the first minute."""
    return Series({"__name__": f"portreeve_{metric}", **labels}, [value] * 200)


IN = {"environment": "prod-eu"}
OF = {"registry": "harbor", "purpose": "pull"}

BAD: dict[str, tuple[Series, int]] = {
    "EnvironmentDisconnected": (steady("environment_connected", 0, **IN), 10 * MINUTE),
    "EnforcementGap": (steady("enforcement_state", 1, state="gap", **IN), 5 * MINUTE),
    "PullSecretOutOfSync": (steady("pull_secrets", 1, state="foreign", **IN), 15 * MINUTE),
    "CredentialExpiringSoon": (steady("credential_expiry_timestamp_seconds", 3 * DAY, **OF), HOUR),
    "CredentialExpired": (steady("credential_expiry_timestamp_seconds", 0, **OF), MINUTE),
    "RegistryUnreachable": (steady("registry_up", 0, registry="harbor"), 15 * MINUTE),
    "PolicyDrift": (steady("drift_resources", 2, **IN), 30 * MINUTE),
}
"""What is wrong, and for how long until somebody is told. Time begins at 0, so 3 days are three days away."""

GOOD = [
    steady("environment_connected", 1, **IN),
    steady("enforcement_state", 1, state="enforced", **IN),
    steady("enforcement_state", 0, state="gap", **IN),
    steady("enforcement_state", 0, state="unknown", **IN),
    steady("enforcement_state", 1, state="not_wanted", environment="dev"),
    steady("pull_secrets", 40, state="in_sync", **IN),
    steady("pull_secrets", 0, state="missing", **IN),
    steady("credential_expiry_timestamp_seconds", 30 * DAY, **OF),
    steady("registry_up", 1, registry="harbor"),
    steady("drift_resources", 0, **IN),
]


def fires(prometheus: Prometheus, charts: Charts, series: list[Series], after_s: int) -> list[Firing]:
    return prometheus.firing(alerts(charts), series, after_s=after_s)


@pytest.mark.parametrize("name", NAMES)
def test_it_fires_once_it_has_held_and_says_of_what(name: str, prometheus: Prometheus, charts: Charts) -> None:
    series, held = BAD[name]
    assert fires(prometheus, charts, [series], held - MINUTE) == []
    [firing] = fires(prometheus, charts, [series], held)
    assert firing.alert == name
    said = firing.annotations["summary"] + firing.annotations["description"]
    assert ("prod-eu" if "environment" in series.labels else "harbor") in said
    assert "<no value>" not in said
    assert "{{" not in said


def test_none_fires_where_all_is_well(prometheus: Prometheus, charts: Charts) -> None:
    assert fires(prometheus, charts, GOOD, 2 * HOUR) == []


def test_what_recovers_in_between_starts_anew(prometheus: Prometheus, charts: Charts) -> None:
    blinking = [0.0] * 9 + [1.0] + [0.0] * 9
    series = Series({"__name__": "portreeve_environment_connected", **IN}, blinking)
    assert fires(prometheus, charts, [series], 18 * MINUTE) == []


def test_what_is_not_known_to_be_enforced_counts_as_a_gap(prometheus: Prometheus, charts: Charts) -> None:
    series = steady("enforcement_state", 1, state="unknown", **IN)
    [firing] = fires(prometheus, charts, [series], HOUR)
    assert (firing.alert, firing.labels["severity"]) == ("EnforcementGap", "critical")


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (8 * DAY, []),
        (6 * DAY, [("CredentialExpiringSoon", "warning")]),
        (DAY, [("CredentialExpiringSoon", "critical")]),
        (30 * MINUTE, [("CredentialExpired", "critical")]),
    ],
)
def test_a_credential_is_told_of_once_and_more_urgently_as_it_ends(
    left: int, told: list[tuple[str, str]], prometheus: Prometheus, charts: Charts
) -> None:
    """After two hours, so that what was left then is two hours less."""
    series = steady("credential_expiry_timestamp_seconds", left, **OF)
    found = fires(prometheus, charts, [series], 2 * HOUR)
    assert [(one.alert, one.labels["severity"]) for one in found] == told


def test_each_leads_to_a_section_that_is_there(charts: Charts) -> None:
    page = (ROOT / "docs/alerts.md").read_text(encoding="utf-8")
    sections = {title.lower() for title in re.findall(r"^## (\w+)$", page, re.MULTILINE)}
    found = alerts(charts)
    assert {one["alert"] for one in found} == set(NAMES)
    assert {one["annotations"]["runbook_url"] for one in found} == {
        f"https://portreeve.io/docs/alerts#{section}" for section in sections
    }


def test_what_the_page_tells_people_to_run_is_there() -> None:
    page, cli = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("alerts.md", "cli.md"))
    assert set(re.findall(r"`(portreeve [a-z]+)", page)) <= set(
        re.findall(r"^## (portreeve [a-z]+)$", cli, re.MULTILINE)
    )


def test_the_page_describes_every_metric_that_is_asked_for(charts: Charts) -> None:
    page = (ROOT / "docs/alerts.md").read_text(encoding="utf-8")
    asked = {name for one in alerts(charts) for name in re.findall(r"portreeve_\w+", one["expr"])}
    assert asked == set(re.findall(r"^\| `(portreeve_\w+)` \|", page, re.MULTILINE))


def test_one_is_turned_off_moved_and_weighed(prometheus: Prometheus, charts: Charts) -> None:
    for name in NAMES:
        assert name not in {one["alert"] for one in alerts(charts, **{name: {"enabled": False}})}
    assert alerts(charts, **OFF) == []
    rules = alerts(charts, **{**OFF, "PolicyDrift": {"threshold": 5, "severity": "info", "for": "1h"}})
    few, many = (steady("drift_resources", count, **IN) for count in (5, 6))
    assert prometheus.firing(rules, [few], after_s=2 * HOUR) == []
    assert prometheus.firing(rules, [many], after_s=HOUR - MINUTE) == []
    [firing] = prometheus.firing(rules, [many], after_s=HOUR)
    assert firing.labels["severity"] == "info"
