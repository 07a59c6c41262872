"""Inspections for the tests of all formats: one of each outcome, and hostile ones."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

from portreeve.core.cluster import NamespaceSelection
from portreeve.core.findings import Finding, Inspection
from portreeve.core.manifests import ImageUse, NotEvaluated, Place
from portreeve.core.policy import Access, AllowedSource, RegistryPolicy, Stage
from portreeve.core.reference import parse_prefix
from portreeve.core.sources import resolve
from portreeve.core.verdict import Code, Decision, ImageVerdict, Reason, judge

VERSION = "1.2.3"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

SOURCES = resolve(
    RegistryPolicy(
        "prod-sources",
        stage=Stage.DENY,
        access=(Access("unknown-registry", NamespaceSelection(("jobs",)), field="spec.access[0]"),),
        sources=(AllowedSource(parse_prefix("harbor.example.com/shop"), field="spec.restrict.allowedSources[0]"),),
    )
)


def use(image: str, *, line: int = 7, namespace: str = "shop", place: Place = Place.CONTAINERS) -> ImageUse:
    return ImageUse(image, place, "deploy/api.yaml", line, "Deployment", namespace, "api", "web")


def judged(image_use: ImageUse) -> Finding:
    verdict = judge(image_use.image, image_use.namespace, SOURCES, now=NOW)
    return Finding(image_use, verdict, verdict.canonical)


ALLOWED = judged(use("harbor.example.com/shop/api:1.4"))
DENIED = judged(use("harbor.example.com/other/api:1.4", line=12))
UNSAFE = judged(use("deadbeef", line=13))
UNKNOWN = judged(use("nginx", namespace="jobs"))
AUDITED = judged(use("nginx", namespace="kube-system"))
COMPOSE = judged(use("redis", place=Place.COMPOSE))
MISSING = NotEvaluated("chart/templates/a b.yaml", 3, "template", "{{ .Values.image }} is a template")
WHOLE = NotEvaluated("data.bin", 0, "binary", "not text")

EVERY = Inspection(
    "prod-sources",
    Stage.DENY,
    (ALLOWED, DENIED, UNSAFE, UNKNOWN, AUDITED, COMPOSE),
    (MISSING, WHOLE),
)
WITHOUT_POLICY = Inspection(None, Stage.OFF, (Finding(use("nginx"), None, "docker.io/library/nginx:latest"),), ())
NOTHING = Inspection("prod-sources", Stage.DENY, (), ())
ALL = {"every": EVERY, "without_policy": WITHOUT_POLICY, "nothing": NOTHING}

NASTY = st.sampled_from(
    [
        "\x00",
        "\n::error::pwned",
        "\r\n",
        "]]>",
        "<script>alert(1)</script>",
        "a|b",
        "=cmd|' /C calc'!A0",
        "+1",
        "@SUM(1)",
        "-2",
        "\t=1",
        "\x1b[31mred\x1b[0m",
        "\u202egnp.exe",
        "\u2028",
        "\ud800",
        "\ufffe",
        "\U0001f600",
        "```",
        "[x](javascript:alert(1))",
        "${{ secrets.TOKEN }}",
        "%0A%25",
        "{0}",
        "--- !!python/object:os.system",
        "",
        ",;:",
        '"',
        "'",
        "\\",
        "#12 @octocat https://evil.example www.evil.example",
        "../../etc/passwd",
        "a" * 1_000_000,
    ]
)
FOREIGN = st.text(max_size=30) | NASTY | st.builds(lambda a, b: a + b, NASTY, st.text(max_size=5))
LINES = st.integers(0, 10**6)

USES = st.builds(ImageUse, FOREIGN, st.sampled_from(Place), FOREIGN, LINES, FOREIGN, FOREIGN | st.just("shop"),
                 FOREIGN, FOREIGN)  # fmt: skip
REASONS = st.builds(Reason, st.sampled_from(Code), FOREIGN, FOREIGN)
VERDICTS = st.builds(
    ImageVerdict,
    FOREIGN,
    st.sampled_from(Decision),
    st.lists(REASONS, min_size=1, max_size=2).map(tuple),
    st.none() | FOREIGN,
    st.none() | st.just(AllowedSource(parse_prefix("a.example/b"))),
)
FINDINGS = st.builds(Finding, USES, st.none() | VERDICTS, st.none() | FOREIGN)
HOSTILE = st.builds(
    Inspection,
    st.none() | FOREIGN,
    st.sampled_from(Stage),
    st.lists(FINDINGS, max_size=4).map(tuple),
    st.lists(st.builds(NotEvaluated, FOREIGN, LINES, FOREIGN, FOREIGN), max_size=3).map(tuple),
)
