"""What a policy that is being written would do, as far as the caller may see it; nothing is stored.

The draft is decided on as its plan would be (`Documents.draft`), and judged by `core.policy_effect`. Counts and rows
are of what the caller may see running; how many environments are hidden is told, and not which.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from portreeve.core.authorization import selectable, visible_scope
from portreeve.core.blast_radius import Denial, RunningImage
from portreeve.core.cluster import Namespace, restriction_problem
from portreeve.core.desired import plane
from portreeve.core.environments import Environment, EnvironmentType
from portreeve.core.estate import Estate, Key, policy_type
from portreeve.core.permissions import Action, Kind
from portreeve.core.policy import AllowedSource, Origin, PolicyType, RegistryPolicy, is_public
from portreeve.core.policy_effect import Counts, Effect, Matched, Place, effect, matched
from portreeve.core.reference import InvalidPrefix, look_alikes, parse_prefix
from portreeve.core.sources import resolve
from portreeve.core.takeover import settle
from portreeve.errors import Invalid, Problem
from portreeve.server.documents.kinds import KINDS
from portreeve.server.documents.placement import parts
from portreeve.server.documents.proposal import ANY, Draft, Proposal, Put
from portreeve.server.documents.service import seen
from portreeve.server.documents.snapshot import Snapshot
from portreeve.server.documents.view import time
from portreeve.server.http.caller import Caller
from portreeve.server.http.guard import in_scope, may
from portreeve.server.http.problems import Rejected
from portreeve.server.images.service import visible
from portreeve.server.inventory.service import Sees
from portreeve.server.plans.view import problems
from portreeve.server.stages.looking import last_seen
from portreeve.wire.documents import read_document

MOST_ASKED: Final = 20
"""Images, and prefixes, of one question: what a person types beside a form."""

MOST_BLOCKED: Final = 20
"""Blocked images that are listed; `counts` has the true number."""

MOST_DRAFTS: Final = 32
"""Drafts whose effect is kept: of everybody who writes a policy just now."""

MOST_PLACES: Final = 200
MOST_NAMESPACES: Final = 1_000

BODY: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["document"],
    "properties": {
        "document": {"$ref": "#/components/schemas/PolicyDocument"},
        "images": {"type": "array", "maxItems": MOST_ASKED, "items": {"type": "string", "maxLength": 512}},
        "prefixes": {"type": "array", "maxItems": MOST_ASKED, "items": {"type": "string", "maxLength": 512}},
        "namespace": {"type": "string", "maxLength": 253},
        "environment": {"type": "string", "maxLength": 253},
    },
}


@dataclass(frozen=True)
class Question:
    """A draft, and what is asked about it: images in a namespace of an environment ("" any), and prefixes as typed."""

    proposal: Proposal
    images: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    namespace: str = "default"
    environment: str = ""


def read_question(body: object) -> Question:
    """The question as it is sent.

    Raises:
        Rejected, Invalid: with the place of every problem; of the document, the field in it.
    """
    if not isinstance(body, Mapping):
        raise Rejected(400, "body_type", "the body must be a mapping with a document")
    wrong = list(_wrong_fields(body))
    if wrong:
        raise Invalid("request_invalid", "the body cannot be read", problems=tuple(wrong))
    document = body.get("document")
    if isinstance(document, Mapping):
        document = {part: value for part, value in document.items() if part != "status"}
    read = read_document(document)
    if read.kind != "RegistryPolicy":
        problem = Problem("name", "is not RegistryPolicy", "kind", "send a RegistryPolicy here")
        raise Invalid("documents_invalid", "1 problem in what was read", problems=(problem,))
    return Question(
        Proposal((Put(read, ANY),)),
        tuple(body.get("images", ())),
        tuple(body.get("prefixes", ())),
        body.get("namespace") or "default",
        body.get("environment", ""),
    )


def _wrong_fields(body: Mapping[str, Any]) -> Iterator[Problem]:
    if set(body) - set(BODY["properties"]):
        yield Problem("field_unknown", "has a field that is none here (not shown)", "body")
    for name in ("images", "prefixes"):
        if not _texts(body.get(name, [])):
            yield Problem("field_type", f"must be a list of at most {MOST_ASKED} texts", name)
    for name in ("namespace", "environment"):
        if not isinstance(body.get(name, ""), str) or len(body.get(name, "")) > 253:
            yield Problem("field_type", "must be text", name)


def _texts(value: object) -> bool:
    if not isinstance(value, list) or len(value) > MOST_ASKED:
        return False
    return all(isinstance(one, str) and len(one) <= 512 for one in value)


def answered(caller: Caller, draft: Draft, question: Question, now: datetime) -> dict[str, Any]:
    """The answer as plain values. It judges what runs, which may take a while."""
    estate = settle(draft.before.estate, draft.after.estate).estate
    policy = estate.policies_by_name[question.proposal.puts[0].read.value.name]
    snapshot = draft.before
    environments = _environments(caller, snapshot, policy)
    found = _effect(caller, snapshot, estate, policy, environments, now)
    known = _known(caller, snapshot, environments)
    covered = sum(one.group in policy.groups and policy_type(one.type) is policy.type for one in estate.environments)
    return {
        "kind": "PolicyEffect",
        "policy": policy.name,
        "exists": Key("RegistryPolicy", policy.name) in snapshot.documents,
        "stage": str(policy.stage),
        "revision": snapshot.revision,
        "counts": {**_counts(found.counts), "workloads": found.workloads},
        "blocked": [_denial(one, found, now) for one in found.blocked],
        "sources": list(_sources(policy, found)),
        "grants": list(_grants(policy, estate, found, known)),
        "groups": list(_groups(caller, snapshot, policy)),
        "namespaces": _namespaces(known),
        "subjects": _subjects(caller, policy, estate, environments),
        "places": [_place(one, snapshot) for one in found.places[:MOST_PLACES]],
        "hiddenEnvironments": covered - len(environments),
        "freshness": freshness(snapshot, environments),
        "refusals": problems(found.refusals),
        "warnings": problems(draft.proposal.puts[0].read.warnings),
        "matched": list(_matches(question, policy, estate, found, now)),
        "prefixes": [prefix_shown(one) for one in question.prefixes],
    }


def _effect(
    caller: Caller, snapshot: Snapshot, estate: Estate, policy: RegistryPolicy, environments: list[Environment],
    now: datetime,
) -> Effect:  # fmt: skip
    """Worked out once for each draft: whoever types an image beside it asks about the same draft at each letter."""
    scope = visible_scope(caller.principal, Kind.WORKLOAD) if in_scope(caller, Action.LIST, Kind.WORKLOAD) else None
    names = tuple(one.name for one in environments)
    memo = (scope, names, policy, now.replace(second=0, microsecond=0))
    found = snapshot.drafted.get(memo)
    if found is None:
        if len(snapshot.drafted) >= MOST_DRAFTS:
            snapshot.drafted.clear()
        running = _running(caller, snapshot, environments)
        found = effect(estate, policy, running, now=now, most_blocked=MOST_BLOCKED)
        snapshot.drafted[memo] = found
    assert isinstance(found, Effect)
    return found


def _environments(caller: Caller, snapshot: Snapshot, policy: RegistryPolicy) -> list[Environment]:
    """Those of the policy's groups that the caller may see, sorted by name."""
    there = (one.value for one in seen(caller, KINDS["Environment"], snapshot) if not one.leaving)
    return [
        one
        for one in there
        if isinstance(one, Environment) and one.group in policy.groups and policy_type(one.type) is policy.type
    ]


def _running(
    caller: Caller, snapshot: Snapshot, environments: Iterable[Environment]
) -> dict[str, Sequence[RunningImage]]:
    found: dict[str, list[RunningImage]] = {one.name: [] for one in environments}
    if found:
        for image in visible(caller, snapshot):
            if image.environment in found:
                found[image.environment].append(image)
    return dict(found)


def _counts(counts: Counts) -> dict[str, int]:
    return {
        "running": counts.running,
        "allowed": counts.allowed,
        "blocked": counts.blocked,
        "unknown": counts.unknown,
        "reported": counts.reported,
    }


def _denial(denial: Denial, found: Effect, now: datetime) -> dict[str, Any]:
    image = denial.image
    place = next(one for one in found.places if one.environment.name == image.environment)
    assert place.state.sources is not None  # something is denied there
    verdict = matched(image.image, image.namespace, place.state.sources, now).verdict
    return {
        "environment": image.environment,
        "namespace": image.namespace,
        "owner": image.owner,
        "image": image.image,
        "canonical": verdict.canonical,
        "reason": denial.reason,
        "nearest": str(verdict.nearest.prefix) if verdict.nearest else None,
    }


def _sources(policy: RegistryPolicy, found: Effect) -> Iterator[dict[str, Any]]:
    """The rows of the policy in their order, then those that every policy has."""
    for source in policy.sources:
        yield {**_source(source), "matches": found.matches[source.field], "public": is_public(source.prefix)}
    for source, count in found.prefilled:
        yield {**_source(source), "matches": count, "public": False}


def _source(source: AllowedSource) -> dict[str, Any]:
    """A row; `field` is where it stands in the document, "" for what no document says."""
    return {
        "field": source.field,
        "prefix": str(source.prefix),
        "namespaces": None if source.namespaces is None else list(source.namespaces),
        "note": source.note,
        "origin": str(source.origin),
        "owner": source.owner,
        "removable": source.origin is Origin.POLICY,
    }


def _grants(
    policy: RegistryPolicy, estate: Estate, found: Effect, known: Mapping[str, Sequence[Namespace]]
) -> Iterator[dict[str, Any]]:
    """The accesses of the policy, each with what it covers now, and the namespaces that it selects now."""
    for access in policy.access:
        registry = estate.registries_by_name.get(access.registry)
        selected = {
            one.name for held in known.values() for one in held if access.namespaces.selects(one.name, one.labels)
        }
        yield {
            "field": access.field,
            "registry": access.registry,
            "prefix": str(registry.prefix) if registry else None,
            "matches": found.matches[access.field],
            "namespaces": {"count": len(selected), "first": sorted(selected)[:MOST_BLOCKED]},
        }


def _known(caller: Caller, snapshot: Snapshot, environments: Iterable[Environment]) -> dict[str, tuple[Namespace, ...]]:
    """Environment → its namespaces, as far as the caller may see them."""
    sees = Sees(caller, Kind.NAMESPACE, snapshot)
    return {
        environment.name: tuple(
            one
            for one in snapshot.estate.capabilities_of(environment).namespaces or ()
            if sees.place(environment.name, one.name)
        )
        for environment in environments
    }


def _namespaces(known: Mapping[str, Sequence[Namespace]]) -> list[dict[str, Any]]:
    """Namespaces to choose from, with in how many environments each is; sorted by name."""
    counted = Counter(one.name for held in known.values() for one in held)
    return [{"name": name, "environments": counted[name]} for name in sorted(counted)][:MOST_NAMESPACES]


def _subjects(
    caller: Caller, policy: RegistryPolicy, estate: Estate, environments: Iterable[Environment]
) -> dict[str, list[str]]:
    """Whom an access of a policy for Docker may name, for who may write it: teams and users with a role there."""
    if policy.type is not PolicyType.DOCKER or not may(caller, Action.PLAN, parts(policy, estate, {})).allowed:
        return {"teams": [], "users": []}
    held = [selectable(one, estate.bindings, estate.teams) for one in environments]
    teams = sorted({name for one in held for name in one.teams})
    users = sorted({name for one in held for name in one.users})
    return {"teams": teams[:MOST_NAMESPACES], "users": users[:MOST_NAMESPACES]}


def _groups(caller: Caller, snapshot: Snapshot, policy: RegistryPolicy) -> Iterator[dict[str, Any]]:
    """The draft's groups with the other policy that covers each now, which confirming would take it out of."""
    known = {one.key.name for one in seen(caller, KINDS["EnvironmentGroup"], snapshot)}
    for name in policy.groups:
        covering = snapshot.estate.policies_by_group.get((name, policy.type), ())
        other = next((one.name for one in covering if one.name != policy.name), None)
        yield {"name": name, "known": name in known, "coveredBy": other}


def _place(place: Place, snapshot: Snapshot) -> dict[str, Any]:
    environment = place.environment
    policy = snapshot.estate.policy_of(environment)
    return {
        "environment": environment.name,
        "group": environment.group,
        "type": str(environment.type),
        "tier": str(environment.tier),
        "counts": _counts(place.counts),
        "policyNow": policy.name if policy else None,
        "stageNow": str(policy.stage) if policy else None,
        "masked": len(place.state.masked),
        "lastSeen": time(last_seen(snapshot, environment.name, snapshot.reports.get(environment.name))),
        **capability(snapshot, environment),
    }


def capability(snapshot: Snapshot, environment: Environment) -> dict[str, Any]:
    """Whether images can be refused there at admission. `restricts` is null where nobody has said (rule 15)."""
    capabilities = snapshot.estate.capabilities_of(environment)
    version = capabilities.kubernetes
    told: dict[str, Any] = {"kubernetes": version, "enforcedBy": str(plane(environment, capabilities))}
    if environment.type is not EnvironmentType.KUBERNETES:
        return {**told, "restricts": False, "why": f"{environment.type} has no admission step"}
    if version is None:
        return {**told, "restricts": None, "why": "its Kubernetes version is not known"}
    problem = restriction_problem(version)
    why = f"{problem.message}; {problem.hint}" if problem else ""
    return {**told, "restricts": problem is None, "why": why}


def freshness(snapshot: Snapshot, environments: Sequence[Environment]) -> dict[str, Any]:
    """From how many environments numbers come, how old the oldest is, and who has said nothing of what runs there."""
    told = [one.name for one in environments if one.name in snapshot.running]
    # An agent that is there and says nothing has nothing new to say; of one that is gone, its last words count.
    stamps = [_told_at(snapshot, name) for name in told]
    known = [one for one in stamps if one is not None]
    return {
        "of": len(environments),
        "reported": len(told),
        "oldest": time(min(known)) if known else None,
        "silent": [one.name for one in environments if one.name not in snapshot.running][:MOST_BLOCKED],
    }


def _told_at(snapshot: Snapshot, name: str) -> datetime | None:
    reported = snapshot.reports.get(name)
    return last_seen(snapshot, name, reported) or (reported.at if reported else None)


def _matches(
    question: Question, policy: RegistryPolicy, estate: Estate, found: Effect, now: datetime
) -> Iterator[dict[str, Any]]:
    """What the draft says of the images that were asked about, in the environment that was named, or in the first."""
    named = [one for one in found.places if question.environment in {"", one.environment.name}]
    if named and named[0].state.sources is not None:
        place, sources = named[0].environment.name, named[0].state.sources
    else:
        everywhere = policy.type is PolicyType.DOCKER
        place, sources = None, resolve(policy, registries=estate.registries, namespaces=() if everywhere else None)
    for image in question.images:
        yield {"environment": place, **_matched(matched(image, question.namespace, sources, now), question.namespace)}


def _matched(found: Matched, namespace: str) -> dict[str, Any]:
    verdict = found.verdict
    return {
        "image": verdict.image,
        "namespace": namespace,
        "canonical": verdict.canonical,
        "verdict": str(verdict.decision),
        "unsafe": found.refusal or None,
        "reasons": [{"code": str(one.code), "message": one.message, "field": one.field} for one in verdict.reasons],
        "rows": [_source(one) for one in found.rows],
        "nearest": _source(verdict.nearest) if verdict.nearest else None,
    }


def prefix_shown(text: str) -> dict[str, Any]:
    """What a prefix means as it is typed: what it covers and, of what looks like it, what not; or why it is none."""
    try:
        prefix = parse_prefix(text)
    except InvalidPrefix as error:
        told = {"code": error.code, "message": error.message, "hint": error.hint}
        return {"text": text, "canonical": None, "problem": told, "public": False, "covers": [], "coversNot": []}
    host = prefix.host.replace("*", "a", 1)
    below = f"{host}/{prefix.path}/app" if prefix.path else f"{host}/app"
    return {
        "text": text,
        "canonical": str(prefix),
        "problem": None,
        "public": is_public(prefix),
        "covers": [*([f"{host}/{prefix.path}"] if prefix.path else []), below],
        "coversNot": list(look_alikes(prefix)),
    }
