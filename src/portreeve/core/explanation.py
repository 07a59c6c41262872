"""Why an image is not pulled, or may not run: one cause out of a finite list, from what is known about it.

Theory of operation
-------------------
Causes are looked for in the order in which a pull would meet them, and the first that holds counts:

    name → admission (policy, exemption) → what the node said → which login was offered → what the registry answers

What a node said names the stage that failed and seldom the reason: "401" is one of a dozen mistakes. So a refusal of
the registry is looked into: which pull secrets the kubelet got, which of their keys match, which almost do, whose
credential has ended. What the registry answers to the very login that is offered then tells rights from passwords.

Three rules. A cause is named only if something says so: the node, the policy, or the registry. What could not be read
makes the answer unknown, not good. And a probe from here is a statement about here: where it contradicts the node, that
is said.

Left out: reading any of it (`kube.pulls`, `oci.probing`), and the commands that help (`core.remedies`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portreeve.core import pull_failure
from portreeve.core.credential import CredentialRef
from portreeve.core.observation import PULL_SECRET
from portreeve.core.policy import Stage
from portreeve.core.pull_facts import Facts, Said
from portreeve.core.pull_failure import ADVICE
from portreeve.core.pull_keys import NearMiss, Offer, Reading, near_misses, offers
from portreeve.core.reference import Reference, UnsafeReference, parse
from portreeve.core.verdict import Decision


class Cause(StrEnum):
    """Why; each is a row in docs/howto/why-not-pulled.md."""

    NONE = "none"
    UNKNOWN = "unknown"
    NAME_INVALID = "name_invalid"
    SOURCE_BLOCKED = "source_blocked"
    EXEMPTION_EXPIRED = "exemption_expired"
    ADMISSION = "admission"
    NO_GRANT = "no_grant"
    NOT_DELIVERED = "grant_not_delivered"
    SECRET_MISSING = "pull_secret_missing"  # noqa: S105 -- the name of a cause
    ACCOUNT_WITHOUT_SECRET = "account_without_secret"  # noqa: S105 -- as above
    OWN_PULL_SECRETS = "own_pull_secrets"
    POD_BEFORE_SECRET = "pod_before_secret"  # noqa: S105 -- as above
    WRONG_KEY = "wrong_key"
    HOLLOW = "credential_withdrawn"
    EXPIRED = "credential_expired"
    REFUSED_LOGIN = "credential_refused"
    SCOPE = "scope_missing"
    UNAUTHORIZED = "unauthorized"
    NODE_DIFFERS = "node_differs"
    RATE_LIMIT = "rate_limit"
    GATE = "registry_gate"
    PLATFORM = "platform_missing"
    NOT_FOUND = "not_found"
    NEVER_PULLED = "never_pulled"
    CERTIFICATE = "certificate"
    NO_TLS = "no_tls"
    DNS = "dns"
    CONNECTION_REFUSED = "connection_refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    DISK = "disk_full"
    NODE_THROTTLED = "node_throttled"
    NODE_REFUSED = "node_refused"
    SIGNATURE = "signature"
    CORRUPT = "corrupt"
    SERVER = "registry_failed"


_AS_SAID: Final[Mapping[pull_failure.Cause, Cause]] = {
    pull_failure.Cause.RATE_LIMIT: Cause.RATE_LIMIT,
    pull_failure.Cause.GATE: Cause.GATE,
    pull_failure.Cause.PLATFORM: Cause.PLATFORM,
    pull_failure.Cause.NOT_FOUND: Cause.NOT_FOUND,
    pull_failure.Cause.NAME_INVALID: Cause.NAME_INVALID,
    pull_failure.Cause.NEVER_PULLED: Cause.NEVER_PULLED,
    pull_failure.Cause.CERTIFICATE: Cause.CERTIFICATE,
    pull_failure.Cause.NO_TLS: Cause.NO_TLS,
    pull_failure.Cause.DNS: Cause.DNS,
    pull_failure.Cause.REFUSED: Cause.CONNECTION_REFUSED,
    pull_failure.Cause.TIMEOUT: Cause.TIMEOUT,
    pull_failure.Cause.UNREACHABLE: Cause.UNREACHABLE,
    pull_failure.Cause.DISK: Cause.DISK,
    pull_failure.Cause.NODE_THROTTLED: Cause.NODE_THROTTLED,
    pull_failure.Cause.NODE_REFUSED: Cause.NODE_REFUSED,
    pull_failure.Cause.SIGNATURE: Cause.SIGNATURE,
    pull_failure.Cause.CORRUPT: Cause.CORRUPT,
    pull_failure.Cause.SERVER: Cause.SERVER,
}
"""Causes that are what they are, whoever offered which login."""

_OF_LOGIN: Final = frozenset(
    {
        pull_failure.Cause.UNAUTHORIZED,
        pull_failure.Cause.FORBIDDEN,
        pull_failure.Cause.EXPIRED,
        pull_failure.Cause.SECRET_MISSING,
    }
)
"""Causes behind which there is another one."""

_FROM_HERE: Final = frozenset(
    {
        pull_failure.Cause.CERTIFICATE,
        pull_failure.Cause.NO_TLS,
        pull_failure.Cause.DNS,
        pull_failure.Cause.REFUSED,
        pull_failure.Cause.TIMEOUT,
        pull_failure.Cause.UNREACHABLE,
        pull_failure.Cause.RATE_LIMIT,
        pull_failure.Cause.SERVER,
    }
)
"""Causes that another machine may not meet, so that a probe alone says them of this one."""

EXIT_FINE: Final = 0
EXIT_PROBLEM: Final = 1
EXIT_UNKNOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer for one image. `canonical` is "" for what cannot be read. `sentence` says the cause in full."""

    facts: Facts
    canonical: str
    cause: Cause
    sentence: str
    offered: tuple[Offer, ...] = ()
    near: tuple[NearMiss, ...] = ()

    @property
    def exit_code(self) -> int:
        """0: nothing is wrong. 1: a problem was found. 3: it is not known."""
        if self.cause is Cause.NONE:
            judged = self.facts.judged
            return EXIT_UNKNOWN if judged and judged.decision is Decision.UNKNOWN else EXIT_FINE
        return EXIT_UNKNOWN if self.cause is Cause.UNKNOWN else EXIT_PROBLEM


Found = tuple[Cause, str]


def explain(facts: Facts) -> Explanation:
    """The cause, with the login that would be offered. Equal facts give equal answers."""
    try:
        reference = parse(facts.image)
    except UnsafeReference as error:
        return Explanation(facts, "", Cause.NAME_INVALID, f"no policy can allow this name: {error.explanation}")
    used = facts.named(facts.puller.used)
    offered = offers(used, reference, facts.image) or _told_offer(facts)
    near = near_misses(used, reference, facts.image)
    case = _Case(facts, reference, offered, near)
    cause, sentence = case.cause()
    return Explanation(facts, str(reference), cause, sentence, offered, near)


def _told_offer(facts: Facts) -> tuple[Offer, ...]:
    """What our Secret holds by the control plane's word, where it is named and may not be read."""
    ours, grant = facts.secret(PULL_SECRET), facts.grant
    if ours is None or ours.reading is not Reading.FORBIDDEN or not grant or not grant.key:
        return ()
    if PULL_SECRET not in facts.puller.used:
        return ()
    credential = CredentialRef(grant.credential, grant.version, grant.expires_at) if grant.credential else None
    return (Offer(PULL_SECRET, grant.key, credential, note="by the control plane's word: the Secret was not read"),)


@dataclass(frozen=True, slots=True)
class _Case:
    """One image with what would be offered for it."""

    facts: Facts
    reference: Reference
    offered: tuple[Offer, ...]
    near: tuple[NearMiss, ...]

    def cause(self) -> Found:
        """The first cause that holds."""
        return self._admission() or self._of_evidence() or self._without_evidence()

    # Admission

    def _admission(self) -> Found | None:
        facts, judged = self.facts, self.facts.judged
        refused = any(one.cause is pull_failure.Cause.ADMISSION for one in facts.said)
        if judged is not None and judged.decision is Decision.DENY and (judged.stage is Stage.DENY or refused):
            return self._blocked()
        if not refused:
            return None
        if judged is not None and judged.decision is Decision.ALLOW:
            return Cause.ADMISSION, (
                "admission refused a pod of it, and the policy allows it now: it changed since, or another one refused"
            )
        return Cause.SOURCE_BLOCKED, f"admission refused it in namespace {facts.namespace}; by which rule was not read"

    def _blocked(self) -> Found:
        judged = self.facts.judged
        assert judged is not None
        runs = "; what runs already stays until its pod is made anew" if self.facts.pulled else ""
        if judged.lapsed:
            last = max(judged.lapsed, key=lambda one: one.ended_at)
            named = f"exemption {last.name}" if last.name else "the exemption that covered it"
            return Cause.EXEMPTION_EXPIRED, f"{named} ended on {last.ended_at:%Y-%m-%dT%H:%M:%SZ}{runs}"
        why = judged.reasons[0] if judged.reasons else "no source allows it"
        return Cause.SOURCE_BLOCKED, f"the policy does not allow it in namespace {self.facts.namespace}: {why}{runs}"

    # With evidence: the node's word first, then the registry's

    def _of_evidence(self) -> Found | None:
        probe = self.facts.probe
        said = self._node()
        if said is not None:
            if said.cause in _AS_SAID:
                return self._plain(_AS_SAID[said.cause])
            missing = said.cause is pull_failure.Cause.SECRET_MISSING
            if probe is not None and probe.cause is None and not missing and not self._unseen():
                return Cause.NODE_DIFFERS, (
                    "the node was refused, and the registry now gives the image to the same login when asked from here"
                )
            return (
                self._platform() or self._without_evidence() if missing and self._answered() else self._of_login(said)
            )
        if probe is None or probe.cause in {None, pull_failure.Cause.UNKNOWN}:
            return self._platform() if probe is not None and probe.cause is None else None
        assert probe.cause is not None
        if self.facts.pulled and (probe.cause in _FROM_HERE or (not probe.key and self._unseen())):
            return None
        if probe.cause in _AS_SAID:
            cause, sentence = self._plain(_AS_SAID[probe.cause])
            here = "; asked from this machine, and a node may see it otherwise" if probe.cause in _FROM_HERE else ""
            return cause, sentence + here
        if not probe.key and (unseen := self._unseen()):
            return None if self._ended_grant() else (Cause.UNKNOWN, f"the registry wants a login; not read: {unseen}")
        return self._of_login(Said(probe.cause, anonymous=not probe.key))

    def _answered(self) -> bool:
        """Whether the registry gave the image to whoever asked from here."""
        return self.facts.probe is not None and self.facts.probe.cause is None

    def _unseen(self) -> str:
        """What of the kubelet's login could not be read, so that nobody can ask in its place; "" for nothing."""
        facts = self.facts
        if facts.grant is not None and not facts.grant.registry and facts.account is None:
            return ""
        hidden = [f"Secret {one.name}" for one in facts.named(facts.puller.used) if one.reading is Reading.FORBIDDEN]
        if hidden and self._not_granted([name.removeprefix("Secret ") for name in hidden]):
            return ""
        if not facts.puller.pod and not facts.puller.used:
            unread = facts.account is None or facts.account.reading is Reading.FORBIDDEN
            hidden += ["the namespace's ServiceAccount and pull secrets"] if unread else []
        return ", ".join(hidden)

    def _ended_grant(self) -> bool:
        grant = self.facts.grant
        return grant is not None and grant.expires_at is not None and grant.expires_at <= self.facts.now

    def _node(self) -> Said | None:
        """The most telling of what the node said, the newest first; None where it says nothing, or the image is there.

        That a pull secret is missing is only a warning: the pull goes on, so anything else tells more.
        """
        if self.facts.pulled:
            return None
        told = [
            one
            for one in self.facts.said
            if one.cause not in {pull_failure.Cause.UNKNOWN, pull_failure.Cause.ADMISSION}
        ]
        others = [one for one in told if one.cause is not pull_failure.Cause.SECRET_MISSING]
        return next(iter(others or told), None)

    def _plain(self, cause: Cause) -> Found:
        if cause is Cause.PLATFORM:
            return self._platform() or (cause, f"the image has no variant for {self._node_platform()}")
        if cause is Cause.RATE_LIMIT:
            who = f"with the login of {self.offered[0].key}" if self._live() else "and no login was shown"
            return cause, f"{self.reference.host} counts pulls, and what is free is used up, {who}"
        meaning = next(ADVICE[said].meaning for said, own in _AS_SAID.items() if own is cause)
        return cause, meaning

    def _node_platform(self) -> str:
        return self.facts.puller.platform or "the node's platform"

    def _platform(self) -> Found | None:
        probe, wanted = self.facts.probe, self.facts.puller.platform
        if probe is None or not probe.platforms or not wanted or _runs_on(wanted, probe.platforms):
            return None
        return Cause.PLATFORM, f"the image has {', '.join(probe.platforms)}, and the node is {wanted}"

    # Which login

    def _live(self) -> bool:
        return any(one.live for one in self.offered)

    def _of_login(self, said: Said) -> Found:
        return self._offered_and_refused(said) if self.offered else self._nothing_offered(said)

    def _offered_and_refused(self, said: Said) -> Found:
        first = self.offered[0]
        where = f"the entry {first.key} of Secret {first.secret}"
        if not self._live():
            return Cause.HOLLOW, f"{where} matches and is empty: its credential was taken back, or waits to be needed"
        ended = [one for one in self.offered if one.live and one.ended(self.facts.now)]
        if ended and len(ended) == sum(one.live for one in self.offered):
            credential = ended[0].credential
            assert credential is not None
            assert credential.expires_at is not None
            named = f"credential {credential.id}, version {credential.version}"
            return Cause.EXPIRED, f"{where} holds {named}, which ended on {credential.expires_at:%Y-%m-%dT%H:%M:%SZ}"
        if said.cause is pull_failure.Cause.EXPIRED:
            return Cause.EXPIRED, f"the registry says that the login of {where} has ended"
        probe = self.facts.probe
        if pull_failure.Cause.FORBIDDEN in {said.cause, probe.cause if probe else None}:
            return Cause.SCOPE, f"{where} is a login that may not pull {self.reference.path}, or there is no such path"
        return Cause.REFUSED_LOGIN, f"the registry does not accept the login of {where}"

    def _nothing_offered(self, said: Said) -> Found:
        facts, puller = self.facts, self.facts.puller
        elsewhere = self._held_elsewhere()
        if elsewhere is not None:
            return self._not_passed_on(elsewhere)
        unreadable = [one.name for one in facts.named(puller.used) if one.reading is Reading.FORBIDDEN]
        missing = [one.name for one in facts.named(puller.used) if one.reading is Reading.MISSING]
        unjudged = [one for one in self.near if not one.instead]
        if self.near and not unjudged:
            first = self.near[0]
            return Cause.WRONG_KEY, f"no key matches; {first.key} of Secret {first.secret} does not: {first.why}"
        if missing and not unreadable:
            return (
                Cause.SECRET_MISSING,
                f"the pod names pull secret {missing[0]}, which namespace {facts.namespace} has not",
            )
        if unjudged:
            return (
                Cause.UNAUTHORIZED,
                f"the registry wants a login, and {unjudged[0].key} was not judged: {unjudged[0].why}",
            )
        if unreadable and not self._not_granted(unreadable):
            shown = "it showed no login" if said.anonymous else "whether a login was shown is not known"
            return Cause.UNAUTHORIZED, (
                f"the registry wants a login; {shown}, and Secret {', '.join(unreadable)} may not be read by you"
            )
        if facts.grant is not None and facts.grant.registry:
            return Cause.NOT_DELIVERED, (
                f"{facts.grant.owner} grants registry {facts.grant.registry} to the namespace; its entry is not there"
            )
        return Cause.NO_GRANT, (
            f"the registry wants a login, and no pull secret of the pod has an entry for {self.reference.repository}"
        )

    def _not_granted(self, unreadable: list[str]) -> bool:
        """Whether the control plane says that a Secret which cannot be read holds nothing for this image."""
        grant = self.facts.grant
        return unreadable == [PULL_SECRET] and grant is not None and not grant.registry

    def _held_elsewhere(self) -> Offer | None:
        """A live entry for the image in a pull secret of the namespace that the pod does not use."""
        unused = tuple(one for one in self.facts.secrets if one.name not in self.facts.puller.used)
        return next((one for one in offers(unused, self.reference, self.facts.image) if one.live), None)

    def _not_passed_on(self, held: Offer) -> Found:
        facts, account = self.facts, self.facts.account
        there = f"Secret {held.secret} has an entry for it ({held.key})"
        named = account is not None and held.secret in account.pull_secrets
        if facts.puller.own:
            own = ", ".join(facts.puller.own)
            return Cause.OWN_PULL_SECRETS, (
                f"{there}, and the pod names imagePullSecrets of its own ({own}), so its ServiceAccount's are left out"
            )
        if named and facts.puller.before:
            assert account is not None
            return Cause.POD_BEFORE_SECRET, (
                f"{there}, and ServiceAccount {account.name} names it since the pod was made; a pod's list stays"
            )
        name = account.name if account is not None else "of the pod"
        return Cause.ACCOUNT_WITHOUT_SECRET, f"{there}, and ServiceAccount {name} does not name that Secret"

    # Without evidence

    def _without_evidence(self) -> Found:
        facts, probe = self.facts, self.facts.probe
        if facts.pulled:
            return Cause.NONE, "the image is there: the node has pulled it"
        if any(one.cause is pull_failure.Cause.UNKNOWN for one in facts.said):
            return (
                Cause.UNKNOWN,
                "the node says that the pull failed, in words that are not known here: read its events",
            )
        if probe is not None and probe.cause is None:
            if not probe.key and (unseen := self._unseen()):
                return (
                    Cause.UNKNOWN,
                    f"the registry gives it to anybody; which login a node shows was not read: {unseen}",
                )
            return Cause.NONE, f"the registry gives it to {self._asked_as()} when asked from here"
        if any(one.live and one.ended(facts.now) for one in self.offered[:1]):
            return self._offered_and_refused(Said(pull_failure.Cause.EXPIRED))
        if self._ended_grant() and not self.offered:
            assert facts.grant is not None
            assert facts.grant.expires_at is not None
            ended = f"{facts.grant.expires_at:%Y-%m-%dT%H:%M:%SZ}"
            return (
                Cause.EXPIRED,
                f"the credential of registry {facts.grant.registry}, which is granted there, ended on {ended}",
            )
        if probe is not None:
            return Cause.UNKNOWN, f"the registry's answer does not say: {probe.detail or 'it is of no known kind'}"
        return Cause.UNKNOWN, "nothing failed that was reported, and the registry was not asked"

    def _asked_as(self) -> str:
        probe = self.facts.probe
        return f"the login of {probe.key}" if probe and probe.key else "anybody"


def _runs_on(wanted: str, platforms: tuple[str, ...]) -> bool:
    """Whether one of the platforms is for a node; the image's variant (arm64/v8) is the node's business."""
    system, _, architecture = wanted.partition("/")
    return any(one.split("/")[:2] == [system, architecture.partition("/")[0]] for one in platforms)
