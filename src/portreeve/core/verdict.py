"""May these images run in this namespace, and why: the one evaluation that every surface asks.

The stage of a policy is no part of it: a verdict says what the policy means, `sources.stage_in` how far that is
enforced. UNKNOWN is an answer of its own and never shown as good.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from portreeve.core.policy import AllowedSource, Exemption, ExemptionState, Origin
from portreeve.core.reference import Reference, UnsafeReference, keys, parse, shown
from portreeve.core.sources import ResolvedSources


class Decision(StrEnum):
    """What is answered for an image."""

    ALLOW = "ALLOW"
    DENY = "DENY"
    UNKNOWN = "UNKNOWN"


class Code(StrEnum):
    """Why; each has a heading in docs/errors.md."""

    SOURCE_ALLOWED = "source_allowed"
    EXEMPTED = "exempted"
    SOURCE_NOT_ALLOWED = "source_not_allowed"
    ALLOWED_ELSEWHERE = "source_allowed_elsewhere"
    UNSAFE_REFERENCE = "unsafe_reference"
    GRANT_UNRESOLVED = "grant_unresolved"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: its code, a sentence, and the field of the policy that it comes from ("" if from none)."""

    code: Code
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class ImageVerdict:
    """The answer for one image. `reasons` is never empty, the deciding one first.

    `canonical` is None for what cannot be canonicalised. `nearest` is set for a denied source when one in scope
    shares its host.
    """

    image: str
    decision: Decision
    reasons: tuple[Reason, ...]
    canonical: str | None = None
    nearest: AllowedSource | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer for all images of an object: DENY if one is denied, else UNKNOWN if one is unknown, else ALLOW."""

    namespace: str
    images: tuple[ImageVerdict, ...]

    @property
    def decision(self) -> Decision:
        """The weakest link. An object without images is allowed."""
        decisions = {image.decision for image in self.images}
        return next((d for d in (Decision.DENY, Decision.UNKNOWN) if d in decisions), Decision.ALLOW)


def evaluate(
    images: Iterable[str], namespace: str, sources: ResolvedSources, *, now: datetime | None = None
) -> Verdict:
    """Judge every image, in the order given.

    `now` (UTC, aware) is when the object is, or would be, created; None disregards exemptions, as admission does for
    an image that an UPDATE adds.
    """
    return Verdict(namespace, tuple(judge(image, namespace, sources, now=now) for image in images))


def judge(image: str, namespace: str, sources: ResolvedSources, *, now: datetime | None = None) -> ImageVerdict:
    """Judge one image; see `evaluate`."""
    try:
        reference = parse(image)
    except UnsafeReference as error:
        reason = Reason(Code.UNSAFE_REFERENCE, f"{error.explanation} ({error.reason})")
        return ImageVerdict(image, Decision.DENY, (reason,))
    if covering := sources.covering(reference, namespace):
        return ImageVerdict(image, Decision.ALLOW, tuple(map(_allowed_by, covering)), str(reference))
    exempting = sources.exempting(reference, namespace, now) if now is not None else ()
    if exempting:
        reasons = tuple(
            Reason(
                Code.EXEMPTED,
                f"exemption {e.name} until {e.expires_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}: {shown(e.reason)}",
            )
            for e in exempting
        )
        return ImageVerdict(image, Decision.ALLOW, reasons, str(reference))
    return _not_covered(image, reference, namespace, sources)


def lapsed(image: str, namespace: str, exemptions: Iterable[Exemption], now: datetime) -> tuple[Exemption, ...]:
    """Exemptions that covered the image there and have ended by `now`, the last to end first.

    What was never approved has covered nothing; what was revoked has not ended by itself.
    """
    try:
        reference = parse(image)
    except UnsafeReference:
        return ()
    covering = frozenset(keys(reference))
    found = [
        one
        for one in exemptions
        if one.expires_at <= now
        and (one.in_force or one.state is ExemptionState.EXPIRED)
        and (not one.namespaces or namespace in one.namespaces)
        and (one.digest == reference.digest if one.prefix is None else one.prefix.key in covering)
    ]
    return tuple(sorted(found, key=lambda one: one.expires_at, reverse=True))


def _allowed_by(source: AllowedSource) -> Reason:
    scope = "everywhere" if source.namespaces is None else f"in {', '.join(source.namespaces)}"
    why = f" ({source.owner})" if source.origin is not Origin.POLICY else ""
    return Reason(Code.SOURCE_ALLOWED, f"{source.prefix} is allowed {scope}{why}", source.field)


def _not_covered(image: str, reference: Reference, namespace: str, sources: ResolvedSources) -> ImageVerdict:
    elsewhere = _elsewhere(reference, namespace, sources)
    nearest = nearest_source(reference, namespace, sources)
    unresolved = tuple(
        Reason(Code.GRANT_UNRESOLVED, f"a grant in scope could not be resolved: {grant.why}", grant.access.field)
        for grant in sources.unresolved
        if grant.may_cover(reference, namespace)
    )
    if unresolved:
        return ImageVerdict(image, Decision.UNKNOWN, (*unresolved, *elsewhere), str(reference), nearest)
    message = f"not under any allowed source for namespace {namespace}"
    reasons = (Reason(Code.SOURCE_NOT_ALLOWED, message, "spec.restrict.allowedSources"), *elsewhere)
    return ImageVerdict(image, Decision.DENY, reasons, str(reference), nearest)


def _elsewhere(reference: Reference, namespace: str, sources: ResolvedSources) -> tuple[Reason, ...]:
    covering = keys(reference)  # once: there may be a thousand namespaces
    others = [
        (name, source)
        for name, held in sorted(sources.by_namespace.items())
        if name != namespace and any(key in held for key in covering)
        for key, source in held.items()
        if key in covering
    ]
    if not others:
        return ()
    names = sorted({name for name, _ in others})
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return (Reason(Code.ALLOWED_ELSEWHERE, f"allowed only in {listed}", others[0][1].field),)


def nearest_source(reference: Reference, namespace: str, sources: ResolvedSources) -> AllowedSource | None:
    """The source in scope on the same host with the most leading path segments in common; ties alphabetically."""
    path = reference.path.split("/")

    def common(source: AllowedSource) -> int:
        count = 0
        for ours, theirs in zip(path, source.prefix.path.split("/"), strict=False):
            if ours != theirs:
                break
            count += 1
        return count

    same_host = [source for source in sources.in_scope(namespace) if source.prefix.host == reference.host]
    return min(same_host, key=lambda source: (-common(source), source.prefix.key), default=None)
