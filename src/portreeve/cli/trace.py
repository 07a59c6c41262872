"""How one image is read, step by step, and which source covers it: the long answer to "why".

The steps are told from what was written and what `core.reference` made of it, so that they cannot differ from the
verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from portreeve.cli.blocks import COLORS, suggestion
from portreeve.cli.image_facts import counted
from portreeve.cli.terminal import Terminal, safe
from portreeve.core.manifests import ImageUse
from portreeve.core.policy import AllowedSource
from portreeve.core.reference import DOCKER_HUB, DOCKER_HUB_ALIAS, OFFICIAL, Reference, UnsafeReference, keys, parse
from portreeve.core.sources import ResolvedSources, stage_in
from portreeve.core.verdict import ImageVerdict


@dataclass(frozen=True, slots=True)
class Step:
    """One decision on the way from what was written to the canonical form."""

    rule: str
    result: str


@dataclass(frozen=True, slots=True)
class Trace:
    """How an image is read. `reference` is None and `refused` says why where it cannot be read safely."""

    image: str
    steps: tuple[Step, ...]
    reference: Reference | None
    refused: str = ""


def trace(image: str) -> Trace:
    """Read one image and tell each step."""
    try:
        reference = parse(image)
    except UnsafeReference as error:
        return Trace(image, (), None, f"{error.explanation} ({error.reason})")
    return Trace(image, (_host(image, reference), _path(image, reference), _version(image, reference)), reference)


def _host(image: str, reference: Reference) -> Step:
    first, slash, _ = image.partition("@")[0].partition("/")
    if not slash:
        return Step(f"there is no '/': a name alone is an official image of {DOCKER_HUB}", f"host {DOCKER_HUB}")
    if first == reference.host:
        return Step(f"{first!r} is a host: it has a dot or a port, or is localhost", f"host {first}")
    if first == DOCKER_HUB_ALIAS:
        return Step(f"{DOCKER_HUB_ALIAS} is another name of {DOCKER_HUB}", f"host {DOCKER_HUB}")
    if first.lower() == reference.host:
        return Step("hosts are compared in lower case", f"host {reference.host}")
    return Step(f"{first!r} is no host: it has no dot and no port, so Docker Hub is meant", f"host {DOCKER_HUB}")


def _path(image: str, reference: Reference) -> Step:
    added = reference.host == DOCKER_HUB and reference.path.startswith(OFFICIAL) and OFFICIAL not in image
    rule = f"one segment on {DOCKER_HUB} means {OFFICIAL}" if added else "the path is taken as written"
    return Step(rule, f"path {reference.path}")


def _version(image: str, reference: Reference) -> Step:
    if reference.digest and reference.tag:
        return Step("the digest decides what is pulled, the tag does not", f"{reference.tag} @ {reference.digest}")
    if reference.digest:
        return Step("the digest decides what is pulled", f"digest {reference.digest}")
    if image.endswith(f":{reference.tag}"):
        return Step("the tag is taken as written; what it names may change", f"tag {reference.tag}")
    return Step("neither tag nor digest: the tag is latest", f"tag {reference.tag}")


def as_mapping(
    found: Trace,
    namespace: str,
    uses: Iterable[ImageUse] | None = None,
    sources: ResolvedSources | None = None,
    verdict: ImageVerdict | None = None,
) -> dict[str, Any]:
    """The whole answer for programs. `uses` None: no files were given."""
    answer: dict[str, Any] = {
        "image": found.image,
        "namespace": namespace,
        "canonical": str(found.reference) if found.reference else None,
        "refused": found.refused or None,
        "steps": [{"rule": step.rule, "result": step.result} for step in found.steps],
        "keys": list(keys(found.reference)) if found.reference else [],
    }
    if uses is not None:
        answer["usedIn"] = [
            {"file": use.file, "line": use.line, "kind": use.kind, "name": use.name, "image": use.image} for use in uses
        ]
    if sources and verdict:
        answer |= {
            "policy": sources.policy,
            "stage": str(stage_in(sources.stage, namespace)),
            "verdict": str(verdict.decision),
            "reasons": [{"code": one.code, "message": one.message, "field": one.field} for one in verdict.reasons],
            "covering": [_source(one) for one in _covering(found, namespace, sources)],
            "nearest": _source(verdict.nearest) if verdict.nearest else None,
        }
    return answer


def _covering(found: Trace, namespace: str, sources: ResolvedSources) -> tuple[AllowedSource, ...]:
    return sources.covering(found.reference, namespace) if found.reference else ()


def _source(source: AllowedSource) -> dict[str, Any]:
    scope: Any = "Global" if source.namespaces is None else {"namespaces": list(source.namespaces)}
    return {"prefix": str(source.prefix), "scope": scope, "field": source.field, "origin": str(source.origin)}


def show(answer: dict[str, Any], terminal: Terminal) -> None:
    """The reading of the image as text."""
    terminal.data(f"image      {safe(answer['image'])}")
    for step in answer["steps"]:
        terminal.data(f"  {step['rule']}  →  {step['result']}")
    if answer["canonical"] is None:
        terminal.data(f"refused    {safe(answer['refused'])}: no policy can allow it")
    else:
        terminal.data(f"canonical  {answer['canonical']}")
        terminal.data("keys       a source covers it if it is one of")
        for key in answer["keys"]:
            terminal.data(f"  {key.removesuffix('/')}{_mark(key, answer)}")
    if "usedIn" in answer:
        terminal.data(f"used in    {counted(len(answer['usedIn']), 'place')}")
        for use in answer["usedIn"]:
            terminal.data(safe(f"  {use['file']}:{use['line']}  {use['kind']} {use['name']}  {use['image']}"))


def _mark(key: str, answer: dict[str, Any]) -> str:
    fields = [
        source["field"] or source["origin"] for source in answer.get("covering", ()) if f"{source['prefix']}/" == key
    ]
    return f"   ← allowed by {fields[0]}" if fields else ""


def show_verdict(answer: dict[str, Any], verdict: ImageVerdict, sources: ResolvedSources, terminal: Terminal) -> None:
    """The verdict as text: the answer, every reason, the nearest source and what to do."""
    label = terminal.paint(str(verdict.decision), COLORS[verdict.decision], bold=True)
    revision = f"policy {sources.policy}, generation {sources.generation}, stage {answer['stage']}"
    terminal.data(f"verdict    {label} in namespace {safe(answer['namespace'])} ({revision})")
    for reason in verdict.reasons:
        terminal.data(f"  {safe(reason.message)}{f' ({reason.field})' if reason.field else ''}")
    if verdict.decision != "ALLOW":
        if verdict.nearest:
            terminal.data(f"  nearest: {verdict.nearest.prefix} ({verdict.nearest.field or verdict.nearest.owner})")
        terminal.data(f"  fix: {suggestion(verdict, sources, answer['namespace'])}")


def places(image: str, uses: Iterable[ImageUse]) -> list[ImageUse]:
    """Uses of the same repository, whatever the tag; of the same text where it cannot be read."""
    repository = _repository(image)
    return [use for use in uses if _repository(use.image) == repository]


def _repository(image: str) -> str:
    try:
        return parse(image).repository
    except UnsafeReference:
        return image
