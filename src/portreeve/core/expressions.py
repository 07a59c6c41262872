"""The CEL expressions of the compiled policy: what a request adds, what of it nothing allows, and what to say.

Theory of operation
-------------------
The policy is a chain of variables, each a name for one step, evaluated when first asked for and then remembered:

    spec, before → fresh        images that this request adds, in all five places
    everywhere…, scoped…, here  the sources as constant maps
    unlisted                    fresh images that no source covers
    created, exempt… → refused  unlisted images without an exemption in force

`core.admission` is the same decision in Python.

Source: Kubernetes, "Validating Admission Policy", variables and messageExpression.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC
from typing import Final

from portreeve.core import cel
from portreeve.core.admission import MIRROR_ANNOTATION, NODES_GROUP
from portreeve.core.sources import ResolvedSources

SHOWN_IMAGES: Final = 8
"""Refused images that one message names, at 250 characters each: the API server discards more than 5 KiB."""

LONGEST_SHOWN: Final = 250
UNSHOWN: Final = "(an unprintable or overlong name)"
_PRINTABLE: Final = re.compile(r"[!-~]+")
_PASTED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,249}")


def variables(sources: ResolvedSources) -> dict[str, str]:
    """The policy's variables, name → expression, in the order in which they build on each other."""
    everywhere = cel.shards(dict.fromkeys(sources.everywhere, "true"))
    scoped = cel.shards(
        {f"{namespace} {key}": "true" for namespace, held in sources.by_namespace.items() for key in held}
    )
    named = sorted(sources.by_namespace)
    found = {
        "spec": _pod_spec("object"),
        "before": f"oldObject == null ? [] : [{_pod_spec('oldObject')}].map(s, {_images('s')})",
        "fresh": f"{_images('variables.spec')}.filter(i, !variables.before.exists(b, i in b))",
        **{f"everywhere{index}": text for index, text in enumerate(everywhere)},
        **{f"scoped{index}": text for index, text in enumerate(scoped)},
        "here": f"request.namespace in {_set(named)} ? [request.namespace + ' '] : []",
    }
    in_scope = cel.any_of(f"h + k in variables.scoped{index}" for index in range(len(scoped)))
    listed = cel.any_of(
        [
            *(f"k in variables.everywhere{index}" for index in range(len(everywhere))),
            f"variables.here.exists(h, {in_scope})",
        ]
    )
    found["unlisted"] = f"variables.fresh.filter(i, !({_judged('i', listed)}))"
    return found | (_exemptions(sources) if sources.exemptions else {"refused": "variables.unlisted"})


def _judged(image: str, found: str) -> str:
    covered = cel.covered("n", found)
    return f"{cel.readable(image)} && {cel.repositories(image)}.exists(n, {covered})"


def _exemptions(sources: ResolvedSources) -> dict[str, str]:
    """Variables that let an exempted image through until its expiry.

    CEL has no clock, but the server sets creationTimestamp before it validates a CREATE. On UPDATE there is nothing to
    compare with, so an image that an UPDATE adds is refused. Keys are "<namespace> <prefix or digest>", the namespace
    being empty for every one; of two exemptions with one key the later expiry counts.
    """
    expiries: dict[str, str] = {}
    for exemption in sources.exemptions:
        scope = exemption.prefix.key if exemption.prefix else str(exemption.digest)
        for namespace in exemption.namespaces or ("",):
            key = f"{namespace} {scope}"
            expiry = f"{exemption.expires_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            expiries[key] = max(expiry, expiries.get(key, expiry))
    maps = cel.shards({key: cel.literal(expiry) for key, expiry in expiries.items()})
    names = [f"variables.exempt{index}" for index in range(len(maps))]
    lookups = [f"w + k in {name} && t < timestamp({name}[w + k])" for name in names]
    unexpired = f"variables.created.exists(t, ['', request.namespace].map(w, w + ' ').exists(w, {cel.any_of(lookups)}))"
    digest = f"(i.contains('@') ? [i.split('@')[1]] : []).exists(k, {unexpired})"
    exempted = f"{cel.repositories('i')}.exists(n, {digest} || {cel.covered('n', unexpired)})"
    return {
        "created": "request.operation == 'CREATE' ? [timestamp(dyn(object).metadata.creationTimestamp)] : []",
        **{f"exempt{index}": text for index, text in enumerate(maps)},
        "refused": "variables.created.size() == 0 ? variables.unlisted : variables.unlisted"
        f".filter(i, !({cel.readable('i')} && {exempted}))",
    }


def _pod_spec(root: str) -> str:
    return (
        f"dyn({root}).kind == 'Pod' ? dyn({root}).spec"
        f" : dyn({root}).kind == 'CronJob' ? dyn({root}).spec.jobTemplate.spec.template.spec"
        f" : dyn({root}).kind == 'PodTemplate' ? dyn({root}).template.spec"
        f" : dyn({root}).spec.template.spec"
    )


def _images(spec: str) -> str:
    """The images of all five places; a missing one is the empty string, which nothing allows."""
    containers = " + ".join(
        f"{spec}.?{place}.orValue([]).map(c, c.?image.orValue(''))"
        for place in ("containers", "initContainers", "ephemeralContainers")
    )
    return (
        f"({containers} + {spec}.?volumes.orValue([]).filter(v, has(v.image)).map(v, v.image.?reference.orValue('')))"
    )


def _set(names: Sequence[str]) -> str:
    return "{" + ",".join(f"{cel.literal(name)}:true" for name in names) + "}"


def _message(sources: ResolvedSources) -> str:
    """One line: the images, the namespace, the policy and its generation, the command and the page that explain.

    An image goes into the command and into the link only if it is a plain reference: pasted into a shell it is
    harmless, and in the fragment of a URL each character of it may stand as it is (`core.why_link`).
    """
    shown = cel.printable("i")
    first = cel.printable("variables.refused[0]")
    safe = "variables.refused[0].matches('^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,249}$')"
    tail = f" (policy {sources.policy}, generation {sources.generation}); why: portreeve explain "
    opened = cel.literal(f" or open {sources.why_url}")
    link = f" + {opened} + request.namespace + '/' + ({safe} ? variables.refused[0] : '')"
    return (
        f"(variables.refused.size() == 1 ? 'image ' + {first}"
        f" : variables.refused.size() <= {SHOWN_IMAGES} ? 'images ' + variables.refused.map(i, {shown}).join(', ')"
        f" : 'image ' + {first} + ' and ' + string(variables.refused.size() - 1) + ' others')"
        f" + ' not allowed in namespace ' + request.namespace + {cel.literal(tail)}"
        f" + ({safe} ? variables.refused[0] + ' ' : '') + '-n ' + request.namespace" + (link if sources.why_url else "")
    )


def refusal(image: str, namespace: str, sources: ResolvedSources) -> str:
    """What the API server answers if it refuses this one image: the text of `_message`, worked out here."""
    shown = image if len(image) <= LONGEST_SHOWN and _PRINTABLE.fullmatch(image) else UNSHOWN
    pasted = image if _PASTED.fullmatch(image) else ""
    why = f"portreeve explain {pasted + ' ' if pasted else ''}-n {namespace}"
    opened = f" or open {sources.why_url}{namespace}/{pasted}" if sources.why_url else ""
    told = f"(policy {sources.policy}, generation {sources.generation}); why: {why}{opened}"
    return f"image {shown} not allowed in namespace {namespace} {told}"


def match_conditions() -> list[dict[str, str]]:
    """Requests that are judged at all: everything but a node's mirror of a static pod that runs already."""
    mirror = (
        f"!({cel.literal(NODES_GROUP)} in request.userInfo.?groups.orValue([])"
        f" && {cel.literal(MIRROR_ANNOTATION)} in dyn(object).metadata.?annotations.orValue({{}}))"
    )
    return [{"name": "not-a-mirror-pod", "expression": mirror}]


def validations(sources: ResolvedSources) -> list[dict[str, str]]:
    """The one validation and its message."""
    return [
        {
            "expression": "variables.refused.size() == 0",
            "reason": "Forbidden",
            "message": f"an image is not allowed here (policy {sources.policy}, generation {sources.generation})",
            "messageExpression": _message(sources),
        }
    ]
