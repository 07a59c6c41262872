"""The answer of `explain`, as text and for programs. No part of it holds a secret; names come from a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from portreeve.cli.terminal import Terminal, safe
from portreeve.core.explanation import EXIT_FINE, EXIT_PROBLEM, Explanation
from portreeve.core.pull_facts import Facts, GrantFact, Judged
from portreeve.core.pull_keys import Offer, PullSecret, Reading
from portreeve.core.remedies import fixes

WIDTH: Final = 11

_READ: Final = {
    Reading.READ: "",
    Reading.MISSING: " (not there)",
    Reading.FORBIDDEN: " (you may not read it)",
    Reading.MALFORMED: " (no pull secret)",
}


def show(explanations: Sequence[Explanation], used: Sequence[str], terminal: Terminal) -> None:
    """Each image as a block: the cause and its fix last, where a reader's eye is."""
    for number, explanation in enumerate(explanations):
        if number:
            terminal.data()
        for title, text in _lines(explanation):
            terminal.data(safe(f"{title:<{WIDTH}}{text}"))
        color = {EXIT_FINE: "green", EXIT_PROBLEM: "red"}.get(explanation.exit_code, "yellow")
        cause = terminal.paint(str(explanation.cause), color, bold=True)
        terminal.data(f"{'cause':<{WIDTH}}{cause}: {safe(explanation.sentence)}")
        for index, fix in enumerate(fixes(explanation)):
            terminal.data(safe(f"{'' if index else 'fix':<{WIDTH}}{fix}"))
    for one in dict.fromkeys(text for explanation in explanations for text in explanation.facts.unread):
        terminal.warn(f"not read: {one}")
    terminal.note(f"asked: {'; '.join(used) or 'nobody'}")


def _lines(explanation: Explanation) -> Iterator[tuple[str, str]]:
    facts = explanation.facts
    yield "image", f"{facts.image}{_whose(facts)}"
    if explanation.canonical and explanation.canonical != facts.image:
        yield "canonical", explanation.canonical
    yield "verdict", _verdict(facts.judged, facts.namespace)
    for index, line in enumerate(_secrets(facts)):
        yield "" if index else "pull with", line
    for index, offer in enumerate(explanation.offered):
        yield "" if index else "key", _offer(offer)
    for index, near in enumerate(explanation.near):
        yield "" if index else "near miss", f"{near.key} of Secret {near.secret}: {near.why}"
    if facts.grant is not None:
        yield "grant", _grant(facts.grant)
    if facts.puller.pod:
        told = ", ".join(str(one.cause) for one in facts.said) or ("the image is there" if facts.pulled else "nothing")
        platform = f", {facts.puller.platform}" if facts.puller.platform else ""
        yield "node", f"{told} (pod {facts.puller.pod}, node {facts.puller.node or 'none yet'}{platform})"
    elif facts.said:
        yield "cluster", ", ".join(str(one.cause) for one in facts.said)
    if facts.probe is not None:
        yield "registry", _probe(explanation)


def _whose(facts: Facts) -> str:
    puller = facts.puller
    return f"  ({puller.kind}/{puller.name}, container {puller.container})" if puller.kind else ""


def _verdict(judged: Judged | None, namespace: str) -> str:
    if judged is None:
        return "none: no policy was found for it"
    policy = f"policy {judged.policy}, generation {judged.generation}, " if judged.policy else ""
    return f"{judged.decision} in namespace {namespace} ({policy}stage {judged.stage}; by {judged.origin})"


def _secrets(facts: Facts) -> Iterator[str]:
    used = facts.named(facts.puller.used)
    account = f"ServiceAccount {facts.account.name}" if facts.account is not None else ""
    origin = "the pod's own" if facts.puller.own else account
    if facts.puller.used:
        yield f"{', '.join(f'Secret {one.name}{_READ[one.reading]}' for one in used)}; {origin}".rstrip("; ")
    elif facts.account is not None:
        unread = _READ[facts.account.reading]
        yield f"no pull secret; {account}{unread}"


def _offer(offer: Offer) -> str:
    credential = offer.credential
    parts = [f"{offer.key} of Secret {offer.secret}"]
    if credential is not None:
        end = f"ends {credential.expires_at:%Y-%m-%dT%H:%M:%SZ}" if credential.expires_at else "no end known"
        parts.append(f"credential {credential.id}, version {credential.version}, {end}")
    if not offer.live:
        parts.append("empty")
    return "; ".join((*parts, offer.note) if offer.note else parts)


def _grant(grant: GrantFact) -> str:
    if not grant.registry:
        return f"none covers it in environment {grant.environment}"
    end = f", ends {grant.expires_at:%Y-%m-%dT%H:%M:%SZ}" if grant.expires_at else ""
    credential = f"; credential {grant.credential}, version {grant.version}{end}" if grant.credential else ""
    return f"{grant.owner}: registry {grant.registry}, {grant.mode}{credential}"


def _probe(explanation: Explanation) -> str:
    probe = explanation.facts.probe
    assert probe is not None
    status = f"HTTP {probe.status}" if probe.status is not None else "no answer"
    who = f"the login of {probe.key}" if probe.key else "nobody"
    cause = str(probe.cause) if probe.cause is not None else "the image is there"
    platforms = f"; for {', '.join(probe.platforms)}" if probe.platforms else ""
    detail = f"; {probe.detail}" if probe.detail else ""
    return f"{status} to {who}, from this machine: {cause}{platforms}{detail}"


def as_mapping(explanations: Sequence[Explanation], used: Sequence[str]) -> dict[str, Any]:
    """The answer for programs."""
    return {"asked": list(used), "explanations": [_one(explanation) for explanation in explanations]}


def _one(explanation: Explanation) -> dict[str, Any]:
    facts, probe, judged, grant = (
        explanation.facts,
        explanation.facts.probe,
        explanation.facts.judged,
        explanation.facts.grant,
    )
    return {
        "image": facts.image,
        "canonical": explanation.canonical or None,
        "namespace": facts.namespace,
        "object": f"{facts.puller.kind}/{facts.puller.name}" if facts.puller.kind else None,
        "container": facts.puller.container or None,
        "pod": facts.puller.pod or None,
        "node": facts.puller.node or None,
        "platform": facts.puller.platform or None,
        "cause": str(explanation.cause),
        "sentence": explanation.sentence,
        "fixes": list(fixes(explanation)),
        "verdict": None
        if judged is None
        else {
            "decision": str(judged.decision),
            "stage": str(judged.stage),
            "by": judged.origin,
            "policy": judged.policy or None,
            "generation": judged.generation or None,
            "reasons": list(judged.reasons),
            "nearest": judged.nearest or None,
        },
        "serviceAccount": facts.account.name if facts.account else None,
        "pullSecrets": [_secret(one) for one in facts.named(facts.puller.used)],
        "ownPullSecrets": list(facts.puller.own),
        "offered": [_offered(one) for one in explanation.offered],
        "nearMisses": [
            {"secret": one.secret, "key": one.key, "why": one.why, "instead": one.instead or None}
            for one in explanation.near
        ],
        "grant": None
        if grant is None
        else {
            "environment": grant.environment,
            "registry": grant.registry or None,
            "candidate": grant.candidate or None,
            "owner": grant.owner or None,
            "mode": grant.mode or None,
            "expiresAt": _time(grant.expires_at),
        },
        "said": [str(one.cause) for one in facts.said],
        "pulled": facts.pulled,
        "probe": None
        if probe is None
        else {
            "status": probe.status,
            "cause": str(probe.cause) if probe.cause else None,
            "key": probe.key or None,
            "platforms": list(probe.platforms),
            "signals": dict(probe.signals),
            "detail": probe.detail or None,
        },
        "notRead": list(facts.unread),
    }


def _secret(secret: PullSecret) -> dict[str, Any]:
    return {"name": secret.name, "reading": str(secret.reading), "keys": list(secret.keys)}


def _offered(offer: Offer) -> dict[str, Any]:
    credential = offer.credential
    return {
        "secret": offer.secret,
        "key": offer.key,
        "credential": credential.id if credential else None,
        "version": credential.version if credential else None,
        "expiresAt": _time(credential.expires_at) if credential else None,
        "empty": not offer.live,
    }


def _time(at: Any) -> str | None:
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"
