"""Enrolling agents, knowing them again, renewing their certificates, and shutting them out; with the events of that.

Theory of operation. An administrator asks for an enrolment and is shown a token once. Whoever brings it first gets a
certificate for a key of their own, and the token counts for nobody else; the same key may ask again while the token
lasts, as the answer can have been lost. Everything after that is `core.agent_identity`, applied in the transaction that
it changes. Whatever is wrong with an identity, the answer is the same one; the log has the cause.

An environment has one row here, and so one holder. Where that is the control plane itself (`server.local`), the row has
no key and admits no certificate; an agent that joins takes its place like any other's, in the one transaction.

Sources: threats AG-01, AG-02 and AG-05; invariant I9.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from portreeve.core import agent_identity
from portreeve.core.agent_identity import RENEWABLE, Enrolment, Shown, State, Verdict
from portreeve.core.audit import Action, Actor, ObjectKind, Outcome, Target, Via, ViaKind, escaped
from portreeve.core.environments import EnvironmentType
from portreeve.core.estate import Key
from portreeve.core.secret import SecretValue
from portreeve.errors import Conflict, Unauthenticated
from portreeve.server import logs
from portreeve.server.agents import store
from portreeve.server.agents.store import Held
from portreeve.server.audit.journal import Entry
from portreeve.server.database.engine import Database
from portreeve.server.database.writer import Refusal, Transaction, Writer
from portreeve.server.desired.service import recipient
from portreeve.server.documents import store as documents
from portreeve.server.documents.proposal import Outcome as Proposed
from portreeve.server.http.caller import SYSTEM, Acting, Caller
from portreeve.server.people.tokens import digest, new_token
from portreeve.vault import sealing
from portreeve.vault.certificates import LIFE, Authority, Certificate, Identity, key_of_request, trust_hash
from portreeve.vault.sealing import SealingKey
from portreeve.wire.channel import Join, Joined

PREFIX: Final = "prtj_"
"""Of a join token, for leak scanners."""

LASTS: Final = timedelta(hours=1)
"""Of a join token: somebody has to go to the cluster with it, and a pipeline may wait for an approval."""

HERE: Final = Via(ViaKind.SYSTEM, "local")
"""How the control plane is known where it keeps a cluster itself."""

_UID: Final = 20
"""Characters of a uid that an audit event names a certificate by."""


@dataclass(frozen=True, slots=True)
class Issued:
    """An enrolment that was asked for. `join` is shown once: the token, and behind the dot whom the agent may trust."""

    environment: str
    join: SecretValue
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Agent:
    """Whoever has proven to be an environment's agent. Everything that they may do follows from this."""

    environment: str
    uid: str
    sealed_for: str
    report: int
    certificate: Certificate


class Agents:
    """The service. `trust` is the bundle of certificates that agents trust; "" where none is known."""

    def __init__(
        self,
        writer: Writer,
        database: Database,
        authority: Authority,
        signing_key: bytes,
        trust: str,
        clock: Callable[[], datetime],
    ) -> None:
        self.writer = writer
        self.database = database
        self.authority = authority
        self._signing_key = signing_key
        self.trust = trust
        self.clock = clock
        self.seen: dict[str, datetime] = {}
        """Environment → when its agent was seen here, since that was last written down."""

    async def enrolment(self, transaction: Transaction, caller: Caller, environment: str) -> Issued:
        """A new token for an environment that is there; earlier ones of it are void.

        Raises:
            Conflict: `agents_need_tls`: nothing is known that an agent could know us by.
        """
        if not self.trust:
            raise Conflict(
                "agents_need_tls",
                "an agent could not tell this control plane from another one: no certificate of it is known",
                hint="set PORTREEVE_SERVER_TLS_CERTIFICATE, or behind a proxy PORTREEVE_SERVER_AGENTS_TRUST",
            )
        token, expires_at = new_token(), transaction.now + LASTS
        await store.void_enrolments(transaction.connection, environment, transaction.now)
        await store.insert_enrolment(
            transaction.connection,
            token=digest(token),
            environment=environment,
            environment_uid=transaction.snapshot.documents[Key("Environment", environment)].uid,
            created_by=caller.principal.user,
            expires_at=expires_at,
        )
        target = Target(ObjectKind.ENVIRONMENT, escaped(environment), escaped(environment))
        transaction.record(Entry(caller.actor, Action.ENVIRONMENT_ENROL, target, caller.request))
        pinned = base64.urlsafe_b64encode(trust_hash(self.trust)).rstrip(b"=")
        join = SecretValue(PREFIX.encode() + token.reveal() + b"." + pinned)
        return Issued(environment, join, expires_at)

    async def join(self, asked: Join, request: str) -> Joined:
        """A certificate for whoever brings the token first.

        Raises:
            Unauthenticated: `enrolment_refused`, whatever is wrong with the token.
            Invalid: `certificate_request`, `sealing_key`.
        """
        key = key_of_request(asked.request)
        sealed_for = sealing.read_public(asked.sealing_key).fingerprint.hex()
        token = digest(SecretValue(asked.token.reveal().removeprefix(PREFIX.encode())))

        async def job(transaction: Transaction) -> Joined:
            row = await store.enrolment(transaction.connection, token, transaction.now)
            present = transaction.snapshot.documents.get(Key("Environment", row.environment)) if row else None
            if row is None or present is None or present.uid != row.environment_uid:
                raise _not_enrolled()
            before = await store.of_environment(transaction.connection, row.environment)
            if row.used_key:
                if row.used_key != key or row.used_cluster != asked.cluster or not _can_repeat(before, key):
                    raise Refusal(_not_enrolled(), _entry(row.environment, Action.AGENT_ENROL, request, "refused"))
                assert before is not None, "_can_repeat has seen it"
                return self._joined(before, asked.request, transaction.now)
            taken = await store.use_enrolment(transaction.connection, token, key, asked.cluster)
            if not taken:
                raise _not_enrolled()
            last = agent_identity.last_counter(before.enrolment) if before and before.uid == present.uid else 0
            held = Held(
                row.environment,
                present.uid,
                agent_identity.enrolled(last, key, transaction.now),
                asked.cluster,
                sealed_for,
                transaction.now,
                transaction.now,
            )
            joined = self._joined(held, asked.request, transaction.now)
            held = replace(held, expires_at=transaction.now + LIFE)
            await recipient(transaction, row.environment, asked.sealing_key)
            await _store(transaction, held)
            if before is not None and before.enrolment.state is State.LOCAL:
                transaction.record(
                    _entry(row.environment, Action.AGENT_REVOKE, request, "agent_enrolled", by=_actor(held))
                )
            transaction.record(_entry(row.environment, Action.AGENT_ENROL, request, by=_actor(held)))
            return joined

        return await self.writer.run(job)

    async def hold(self, environment: str, key: SealingKey, cluster: str, request: str, *, begins: bool) -> bool:
        """Be an environment's agent here, with this key; whether there is such an environment.

        Args:
            begins: somebody has just asked for it, so an agent that was shut out is replaced.
        Raises:
            Conflict: `agent_enrolled`, `local_agent_revoked`, `environment_type`.
        """
        sealed_for = key.fingerprint.hex()

        async def job(transaction: Transaction) -> bool:
            present = transaction.snapshot.documents.get(Key("Environment", environment))
            if present is None:
                return False
            before = await store.of_environment(transaction.connection, environment)
            _refuse_held(environment, before, sealed_for, begins=begins)
            found = transaction.snapshot.environment(environment)
            if found is None or found.type is not EnvironmentType.KUBERNETES:
                raise Conflict("environment_type", f"{environment} is no Kubernetes cluster", hint="name one that is")
            if before is not None and before.enrolment.state is State.LOCAL and before.sealed_for == sealed_for:
                return True
            last = agent_identity.last_counter(before.enrolment) if before and before.uid == present.uid else 0
            now = transaction.now
            enrolment = replace(agent_identity.enrolled(last, b"", now), state=State.LOCAL)
            await recipient(transaction, environment, sealing.public_bytes(key))
            # There is no certificate whose end could be told.
            await _store(transaction, Held(environment, present.uid, enrolment, cluster, sealed_for, now, now, now))
            transaction.record(_entry(environment, Action.AGENT_ENROL, request, by=Actor("portreeve", HERE)))
            return True

        return await self.writer.run(job)

    async def refuse_held(self, environment: str, key: SealingKey) -> None:
        """See that nobody else is an environment's agent, where it is about to be kept here.

        Raises:
            Conflict: as `hold`.
        """
        async with self.database.reader.connect() as connection:
            held = await store.of_environment(connection, environment)
        _refuse_held(environment, held, key.fingerprint.hex(), begins=True)

    async def refuse_lost(self, transaction: Transaction, environment: str, key: SealingKey) -> None:
        """See that an environment is still kept here, with this key, where something of it is written.

        Raises:
            Conflict: `agent_enrolled`, `local_agent_revoked`.
        """
        held = await store.of_environment(transaction.connection, environment)
        if held is None or held.enrolment.state is not State.LOCAL or held.sealed_for != key.fingerprint.hex():
            raise _held_elsewhere(environment, held)

    async def admit(self, certificate: Certificate, request: str) -> Agent:
        """Who shows this certificate and has proven to hold its key.

        Raises:
            Unauthenticated: `agent_refused`, whatever is wrong.
        """
        uid, now = certificate.identity.environment, self.clock()
        async with self.database.reader.connect() as connection:
            held = await store.of_uid(connection, uid)
        shown = _shown(certificate, now, timedelta())
        verdict = agent_identity.judge(held.enrolment if held else None, shown, now)
        if verdict is Verdict.REFUSE or held is None:
            raise self.refused(_cause(held, shown))
        if verdict is not Verdict.ADMIT:
            held = await self._changed(certificate, request)
        self.seen[held.environment] = now
        return Agent(held.environment, held.uid, held.sealed_for, held.report, certificate)

    async def _changed(self, certificate: Certificate, request: str) -> Held:
        """What a certificate changes by being shown, judged again where it is written."""

        async def job(transaction: Transaction) -> Held | None:
            held = await store.of_uid(transaction.connection, certificate.identity.environment)
            shown = _shown(certificate, transaction.now, timedelta())
            match agent_identity.judge(held.enrolment if held else None, shown, transaction.now):
                case Verdict.SUSPEND:
                    assert held is not None, "only what is held is suspended"
                    await _suspend(transaction, held, request)
                    return None
                case Verdict.ACTIVATE:
                    assert held is not None, "only what is held is activated"
                    held = held.standing(agent_identity.activated(held.enrolment, transaction.now))
                    held = replace(held, expires_at=certificate.not_after)
                    await _store(transaction, held)
                    return held
                case Verdict.ADMIT:
                    return held
                case _:
                    return None

        held = await self.writer.run(job)
        if held is None:
            raise self.refused("cloned")
        return held

    async def refuse_changed(self, transaction: Transaction, agent: Agent) -> None:
        """See that who was admitted is so still, where something of theirs is written.

        Raises:
            Unauthenticated: `agent_refused`: shut out, or replaced, since then.
        """
        held = await store.of_uid(transaction.connection, agent.uid)
        if (
            held is None
            or held.enrolment.state is not State.ACTIVE
            or held.enrolment.first > agent.certificate.identity.counter
        ):
            raise self.refused("changed")

    async def renew(self, certificate: Certificate, asked: str, request: str) -> Joined:
        """The next certificate, for another key, for whoever shows the present one or has shown it not long ago.

        Raises:
            Unauthenticated: `agent_refused`.
            Invalid: `certificate_request`.
        """
        key = key_of_request(asked)

        async def job(transaction: Transaction) -> Joined | None:
            held = await store.of_uid(transaction.connection, certificate.identity.environment)
            shown = _shown(certificate, transaction.now, RENEWABLE)
            verdict = agent_identity.judge_renewal(held.enrolment if held else None, shown, key, transaction.now)
            if held is None or verdict is Verdict.REFUSE:
                return None
            if verdict is Verdict.SUSPEND:
                await _suspend(transaction, held, request)
                return None
            enrolment = held.enrolment
            if verdict is Verdict.ACTIVATE:
                enrolment = agent_identity.activated(enrolment, transaction.now)
            again = enrolment.pending_key == key
            held = held.standing(agent_identity.renewing(enrolment, key))
            await _store(transaction, held)
            if not again:
                transaction.record(_entry(held.environment, Action.AGENT_RENEW, request, by=_actor(held)))
            return self._joined(held, asked, transaction.now, pending=True)

        found = await self.writer.run(job)
        if found is None:
            raise self.refused("renewal")
        return found

    async def revoke(self, transaction: Transaction, caller: Caller, environment: str) -> None:
        """Shut the agent of an environment out, and let none of its tokens count. That there is none is no failure."""
        voided = await store.void_enrolments(transaction.connection, environment, transaction.now)
        held = await store.of_environment(transaction.connection, environment)
        if held is not None and held.enrolment.state is not State.REVOKED:
            await recipient(transaction, environment, None)
            await _store(transaction, held.standing(replace(held.enrolment, state=State.REVOKED, pending_key=b"")))
        elif not voided:
            return
        target = Target(ObjectKind.AGENT, escaped(environment), escaped(environment))
        transaction.record(Entry(caller.actor, Action.AGENT_REVOKE, target, caller.request))

    def refused(self, cause: str) -> Unauthenticated:
        """The one answer to whoever is not known; the cause is for the log alone."""
        logs.agent_refused(cause)
        return Unauthenticated(
            "agent_refused",
            "no agent that is admitted here has sent this request",
            hint="see the environment's agent in the control plane; enrol it anew if it is to be admitted",
        )

    def _joined(self, held: Held, request: str, now: datetime, *, pending: bool = False) -> Joined:
        identity = Identity(held.uid, held.enrolment.counter + pending)
        made = self.authority.issue(request, identity, now)
        return Joined(held.environment, held.uid, made.pem, self.trust, self._signing_key)


class Forget:
    """A follower: an environment that is deleted has no agent any more, also if it is made again under its name."""

    async def follow(self, transaction: Transaction, caller: Acting, found: Proposed) -> None:  # noqa: ARG002 - protocol
        """As `documents.service.Follower`."""
        for change in found.changes:
            if change.key.kind == "Environment" and change.after is None:
                name, revision = change.key.name, transaction.next_revision()
                await store.forget(transaction.connection, name)
                await recipient(transaction, name, None)
                key = Key(documents.AGENT, name)
                await documents.note(transaction.connection, revision, key, "deleted", 0, transaction.now)
                transaction.snapshot = replace(transaction.snapshot.without_agent(name), revision=revision)


async def _store(transaction: Transaction, held: Held) -> None:
    """Write an agent down, so that every replica sees it and sweeps look again."""
    revision = transaction.next_revision()
    await store.save(transaction.connection, held)
    key = Key(documents.AGENT, held.environment)
    await documents.note(transaction.connection, revision, key, "updated", revision, transaction.now)
    transaction.snapshot = transaction.snapshot.with_agent(revision, held.row)


async def _suspend(transaction: Transaction, held: Held, request: str) -> None:
    await recipient(transaction, held.environment, None)
    await _store(transaction, held.standing(replace(held.enrolment, state=State.SUSPENDED)))
    transaction.record(_entry(held.environment, Action.AGENT_SUSPEND, request, "agent_cloned"))


def _can_repeat(held: Held | None, key: bytes) -> bool:
    """Whether the answer to a join can be given again: the certificate that it held is still the present one."""
    if held is None:
        return False
    found: Enrolment = held.enrolment
    return found.state is State.ACTIVE and found.key == key and found.counter == found.first and not found.pending_key


def _shown(certificate: Certificate, now: datetime, longer: timedelta) -> Shown:
    valid = certificate.not_before <= now < certificate.not_after + longer
    return Shown(certificate.identity.counter, certificate.key, valid)


def _cause(held: Held | None, shown: Shown) -> str:
    if held is None:
        return "unknown"
    if held.enrolment.state is not State.ACTIVE:
        return str(held.enrolment.state)
    return "superseded" if shown.valid else "expired"


def _actor(held: Held) -> Actor:
    via = Via(ViaKind.CERTIFICATE, f"{held.uid[:_UID]}.{agent_identity.last_counter(held.enrolment)}")
    return Actor(escaped(f"agent/{held.environment}"), via)


def _entry(environment: str, action: Action, request: str, why: str = "", *, by: Actor | None = None) -> Entry:
    """An event about an agent. `why` "refused" says that nothing was done; else it is the reason's code."""
    target = Target(ObjectKind.AGENT, escaped(environment), escaped(environment))
    actor = by or Actor("portreeve", SYSTEM)
    if why == "refused":
        return Entry(actor, action, target, request, Outcome.REFUSED, "enrolment_refused")
    return Entry(actor, action, target, request, reason=why or None)


def _refuse_held(environment: str, held: Held | None, sealed_for: str, *, begins: bool) -> None:
    if held is None or held.enrolment.state is State.LOCAL:
        return
    # Who was shut out here was so by name; that the program starts once more takes nothing of that back.
    replaced = held.enrolment.state is State.REVOKED and held.sealed_for != sealed_for
    if not (begins and replaced):
        raise _held_elsewhere(environment, held)


def _held_elsewhere(environment: str, held: Held | None) -> Conflict:
    if held is None or held.enrolment.state is State.REVOKED:
        return Conflict(
            "local_agent_revoked",
            f"what kept {environment} was shut out by name, and nothing takes its place by itself",
            hint=f"start again with --kubeconfig; if it was kept from here, delete local-{environment}.key before that",
        )
    return Conflict(
        "agent_enrolled",
        f"an agent is enrolled for {environment}, and there is one at a time",
        hint=f"leave --kubeconfig out; or shut the agent out first: portreeve revoke --agent {environment}",
    )


def _not_enrolled() -> Unauthenticated:
    return Unauthenticated(
        "enrolment_refused",
        "the token enrols no agent: it has ended, was used, or is none",
        hint="ask for another one: portreeve add environment NAME",
    )
