"""One finding, or one thing that was not evaluated, as a few lines of text: what, where, why, and what to do.

A verdict that was explained already is not explained again: ten replicas of one mistake are one explanation and ten
places.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from portreeve.cli.terminal import Terminal, safe
from portreeve.core.findings import Finding
from portreeve.core.manifests import ImageUse, NotEvaluated, Place
from portreeve.core.policy import PUBLIC_HOSTS, Origin, Stage
from portreeve.core.reference import SourcePrefix
from portreeve.core.sources import ResolvedSources, stage_in
from portreeve.core.verdict import Code, Decision, ImageVerdict

INDENT: Final = " " * 6

COLORS: Final = {Decision.ALLOW: "green", Decision.DENY: "red", Decision.UNKNOWN: "yellow"}

_CONTAINER: Final = {
    Place.CONTAINERS: "container",
    Place.INIT_CONTAINERS: "init container",
    Place.EPHEMERAL_CONTAINERS: "ephemeral container",
    Place.VOLUMES: "volume",
    Place.COMPOSE: "service",
    Place.DOCKERFILE: "stage",
    Place.WORKFLOW: "at",
}

_STAGE: Final = {
    Stage.OFF: ", stage off: not enforced",
    Stage.AUDIT: ", stage audit: reported, not refused",
    Stage.WARN: ", stage warn: warned of, not refused",
    Stage.DENY: "",
}


def place_of(use: ImageUse) -> str:
    """`Deployment/api  container web`, as far as there are names."""
    named = f"{use.kind}/{use.name}" if use.name else use.kind
    container = f"{_CONTAINER[use.place]} {use.container}" if use.container else ""
    return safe("  ".join(filter(None, (named, container))))


def where(item: ImageUse | NotEvaluated) -> str:
    """`file:line`; the file alone when all of it is meant."""
    return safe(f"{item.file}:{item.line}" if item.line else item.file)


def suggestion(verdict: ImageVerdict, sources: ResolvedSources, namespace: str) -> str:
    """What would make this image pass."""
    code = verdict.reasons[0].code
    if code is Code.UNSAFE_REFERENCE:
        return "write the image in full: host/path:tag, or host/path@sha256:…"
    if code is Code.GRANT_UNRESOLVED:
        return "give the Registry documents with -p, and name the namespaces of the grant"
    near = verdict.nearest
    if near and near.origin is not Origin.PREFILLED and _same_owner(near.prefix, str(verdict.canonical)):
        return f"widen {near.prefix} ({near.field or near.owner}), or request an exemption"
    under = " or ".join(f"{prefix}/" for prefix in _mirrors(sources, namespace))
    return f"{f'use a mirror under {under}, ' if under else ''}add a source, or request an exemption"


def _same_owner(prefix: SourcePrefix, canonical: str) -> bool:
    return bool(prefix.path) and canonical.startswith(f"{prefix.host}/{prefix.path.partition('/')[0]}/")


def _mirrors(sources: ResolvedSources, namespace: str) -> list[SourcePrefix]:
    """The two widest sources in scope. Those on public hosts come last: nobody mirrors to another's path."""
    own = [source.prefix for source in sources.in_scope(namespace) if source.origin is not Origin.PREFILLED]
    return sorted(own, key=lambda prefix: (prefix.host in PUBLIC_HOSTS, prefix.path.count("/"), prefix))[:2]


@dataclass(slots=True)
class Blocks:
    """Prints the findings of one run."""

    terminal: Terminal
    sources: ResolvedSources
    _explained: dict[tuple[str, str], str] = field(default_factory=dict)

    def show(self, finding: Finding) -> None:
        """Print a denied or unknown image use; allowed ones are only counted."""
        verdict, use = finding.verdict, finding.use
        if verdict is None or verdict.decision is Decision.ALLOW:
            return
        label = self.terminal.paint(
            f"{verdict.decision:<7}"[: max(4, len(verdict.decision))], COLORS[verdict.decision], bold=True
        )
        self.terminal.data(f"{label}  {where(use)}  {place_of(use)}")
        first = self._explained.setdefault((use.image, use.namespace), where(use))
        if first != where(use):
            self.terminal.data(f"{INDENT}{safe(verdict.canonical or use.image)}  as at {first}")
            return
        for line in self._explanation(verdict, use):
            self.terminal.data(f"{INDENT}{safe(line)}")
        self.terminal.flush()

    def _explanation(self, verdict: ImageVerdict, use: ImageUse) -> list[str]:
        written = f"  (written {use.image})" if verdict.canonical not in {None, use.image} else ""
        policy = f"policy {self.sources.policy}{_STAGE[stage_in(self.sources.stage, use.namespace)]}"
        return [
            f"{verdict.canonical or use.image}{written}",
            *(f"{one.message} ({', '.join(filter(None, (policy, one.field)))})" for one in verdict.reasons),
            f"fix: {suggestion(verdict, self.sources, use.namespace)}",
        ]


def show_not_evaluated(terminal: Terminal, item: NotEvaluated) -> None:
    """Print what could not be judged."""
    label = terminal.paint("NOT EVALUATED", "yellow", bold=True)
    terminal.data(f"{label}  {where(item)}  {safe(item.reason)} ({item.code})")
