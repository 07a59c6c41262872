"""Every metric of the control plane: its name, its labels, and what it says. docs/howto/metrics.md lists them.

Names and labels are what alerts and dashboards of other people are made of, so a change of one is a breaking change.
Source: the design's interfaces, "Metrics, dashboards, alerts"; Prometheus, "Metric and label naming".
"""

from __future__ import annotations

from typing import Final

from portreeve.wire.exposition import LEFT_OUT, Kind, Metric

_GAUGE, _COUNTER = Kind.GAUGE, Kind.COUNTER

BUILD: Final = Metric("portreeve_build_info", _GAUGE, "1; the release that runs.", ("version",))

REGISTRY: Final = Metric("portreeve_registry_info", _GAUGE, "1; what a registry is.", ("registry", "provider", "host"))
REGISTRY_UP: Final = Metric(
    "portreeve_registry_up", _GAUGE, "1 if the registry answered at the last contact, else 0.", ("registry",)
)
PROBE: Final = Metric(
    "portreeve_registry_probe_duration_seconds", _GAUGE, "How long the last validation took.", ("registry",)
)

CREDENTIAL_EXPIRY: Final = Metric(
    "portreeve_credential_expiry_timestamp_seconds",
    _GAUGE,
    "When a stored credential ends; minted tokens do not count.",
    ("registry", "purpose"),
)
REFRESH: Final = Metric(
    "portreeve_credential_refresh_total", _COUNTER, "Attempts to mint a token, by how they ended.", ("result",)
)

PULL_SECRETS: Final = Metric(
    "portreeve_pull_secrets", _GAUGE, "Namespaces by the state of their pull secret.", ("environment", "state")
)
POLICY_IMAGES: Final = Metric(
    "portreeve_policy_images", _GAUGE, "Images that run, by what the policy does and says.", ("mode", "verdict")
)
POLICY_IMAGES_DETAILED: Final = Metric(
    POLICY_IMAGES.name, _GAUGE, POLICY_IMAGES.text, ("environment", *POLICY_IMAGES.labels)
)
COVERAGE: Final = Metric(
    "portreeve_policy_coverage_ratio", _GAUGE, "Share of the images that run which a policy judges, from 0 to 1."
)

EXEMPTIONS: Final = Metric("portreeve_exemptions", _GAUGE, "Exemptions by state.", ("state",))
EXEMPTION_EXPIRY: Final = Metric(
    "portreeve_exemption_expiry_timestamp_seconds", _GAUGE, "When the next exemption in force ends."
)
EXEMPTION_EXPIRY_DETAILED: Final = Metric(
    EXEMPTION_EXPIRY.name, _GAUGE, "When an exemption in force ends.", ("exemption",)
)

CONNECTED: Final = Metric(
    "portreeve_environment_connected", _GAUGE, "1 while the agent waits in the channel, else 0.", ("environment",)
)
LAST_SEEN: Final = Metric(
    "portreeve_environment_last_seen_timestamp_seconds", _GAUGE, "When the agent was seen last.", ("environment",)
)
ENFORCEMENT: Final = Metric(
    "portreeve_enforcement_state",
    _GAUGE,
    "1 for the state that holds, 0 for the others.",
    ("environment", "state"),
)
DRIFT: Final = Metric(
    "portreeve_drift_resources", _GAUGE, "Objects of ours that are not as they should be.", ("environment",)
)

REQUESTS: Final = Metric(
    "portreeve_http_requests_total", _COUNTER, "Answered requests of the API, by class of status.", ("method", "code")
)
SCRAPE: Final = Metric("portreeve_metrics_gathering_seconds", _GAUGE, "How long it took to put these figures together.")
STARTED: Final = Metric("process_start_time_seconds", _GAUGE, "When the process started.")
CPU: Final = Metric("process_cpu_seconds_total", _COUNTER, "Processor time, user and system.")
MEMORY: Final = Metric("process_resident_memory_bytes", _GAUGE, "Memory in use.")

ALL: Final = (
    BUILD, REGISTRY, REGISTRY_UP, PROBE, CREDENTIAL_EXPIRY, REFRESH, PULL_SECRETS, POLICY_IMAGES, COVERAGE, EXEMPTIONS,
    EXEMPTION_EXPIRY, CONNECTED, LAST_SEEN, ENFORCEMENT, DRIFT, REQUESTS, SCRAPE, STARTED, CPU, MEMORY, LEFT_OUT,
)  # fmt: skip
"""As they are in the mode `summary`."""

DETAILED: Final = (POLICY_IMAGES_DETAILED, EXEMPTION_EXPIRY_DETAILED)
"""Those that have more labels in the mode `detailed`."""
