"""A starter policy (`core.starter`) as YAML that a person reads: its reasons stand as comments."""

from __future__ import annotations

import json
from collections.abc import Iterator

from portreeve.cli.image_facts import counted
from portreeve.cli.terminal import safe
from portreeve.core.cluster import AGENT_NAMESPACE
from portreeve.core.policy import API_VERSION
from portreeve.core.starter import Starter


def coverage(starter: Starter) -> str:
    """Coverage as a sentence."""
    percent = f" ({100 * starter.covered // starter.uses} %)" if starter.uses else ""
    sources = counted(len(starter.sources), "source")
    return f"{starter.covered} of {counted(starter.uses, 'image use')}{percent} covered by {sources}"


def as_yaml(starter: Starter, name: str, stage: str) -> str:
    """The policy with its reasons as comments; the same input gives the same text."""
    return "\n".join([*_head(starter), *_body(starter, name, stage), *_leftovers(starter)]) + "\n"


def _head(starter: Starter) -> Iterator[str]:
    yield f"# Coverage: {coverage(starter)}."
    yield "# Read every source before you raise the stage: audit, then warn, then deny."
    yield f"# Always allowed, and not listed: what a cluster needs in kube-system, the agent in {AGENT_NAMESPACE}."


def _body(starter: Starter, name: str, stage: str) -> Iterator[str]:
    yield f"apiVersion: {API_VERSION}"
    yield "kind: RegistryPolicy"
    yield "metadata:"
    yield f"  name: {json.dumps(name)}"
    yield "spec:"
    yield "  type: kubernetes"
    yield "  restrict:"
    yield f"    stage: {json.dumps(stage)}"
    yield f"    allowedSources:{'' if starter.sources else ' []'}"
    for source in starter.sources:
        scope = "Global" if source.namespaces is None else f"{{namespaces: {json.dumps(list(source.namespaces))}}}"
        yield f"      - prefix: {json.dumps(str(source.prefix))}"
        yield f"        scope: {scope}"
        yield f"        note: {json.dumps(source.note)}"


def _leftovers(starter: Starter) -> Iterator[str]:
    if starter.to_mirror:
        yield "# To mirror. Public content is no source, so these stay denied until they come from a mirror:"
        width = max(len(one.repository) for one in starter.to_mirror)
        for one in starter.to_mirror:
            count = "   1 use " if one.uses == 1 else f"{one.uses:>4} uses"
            yield f"#   {one.repository:<{width}}  {count}  ->  {one.mirror}"
    if starter.local:
        yield "# On the machine itself: no registry that nodes share, so no source. Push these to one:"
        yield from (f"#   {name}" for name in starter.local)
    if starter.unreadable:
        yield "# Cannot be read safely, so no source can allow them; write them in full:"
        yield from (f"#   {safe(image)}" for image in starter.unreadable)
