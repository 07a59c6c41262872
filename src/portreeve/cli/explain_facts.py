"""Gathers what `explain` judges: from the cluster, the control plane, policy files, and the registry itself.

Each may be missing, forbidden or out of reach. Then a sentence says so and the others go on; only an object that was
named has to be there. Who says what the policy is, the first that knows: files, the control plane, the policy objects
of the cluster, the answer of its API server to a dry run.

The login for the registry is the one that the kubelet would show. It is sent to that registry's own origin and to the
token services that its provider publishes, or that --realm names; it is written nowhere.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from portreeve.cli.clock import now
from portreeve.cli.terminal import Terminal
from portreeve.core import pull_failure
from portreeve.core.policy import Exemption, ExemptionState, Stage
from portreeve.core.pull_facts import Facts, GrantFact, Judged, Lapsed, Probe, Puller
from portreeve.core.pull_keys import offers
from portreeve.core.reference import DOCKER_HUB, Reference, SourcePrefix, UnsafeReference, parse, parse_prefix
from portreeve.core.sources import stage_in
from portreeve.core.verdict import Decision, judge, lapsed
from portreeve.errors import Invalid, PortreeveError, Unauthenticated

if TYPE_CHECKING:
    from portreeve.client import Client as ControlPlane
    from portreeve.core.sources import ResolvedSources
    from portreeve.kube.client import Client as Cluster
    from portreeve.kube.kubeconfig import Connection
    from portreeve.kube.pulls import Pulls
    from portreeve.kube.resources import Resource

WORDS: Final = frozenset(
    {
        *("pod", "pods", "po", "deployment", "deployments", "deploy", "statefulset", "statefulsets", "sts"),
        *("daemonset", "daemonsets", "ds", "replicaset", "replicasets", "rs", "job", "jobs"),
        *("cronjob", "cronjobs", "cj"),
    }
)
"""Those of `kube.pulls.KINDS`, which is imported only when one of them is meant."""

MOST_IMAGES: Final = 50
"""Of one object that are looked into; a pod has a handful."""

PRIVATE: Final = (
    "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "::1/128",
    "fc00::/7",
)  # fmt: skip
"""Networks beside the public ones. It is the caller's own machine that asks, so no administrator has to list them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for. `kind` is None for an image; texts are "" where nothing was said."""

    what: str
    kind: Resource | None
    namespace: str = ""
    context: str = ""
    environment: str = ""
    platform: str = ""
    probe: bool = True
    registry_ca: Path | None = None
    realms: tuple[str, ...] = ()
    policies: tuple[Path, ...] = ()
    policy_name: str | None = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """The facts about each image, and who was asked."""

    facts: tuple[Facts, ...]
    used: tuple[str, ...]


@dataclass(slots=True)
class _Notes:
    """Who was asked, and what could not be read."""

    used: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def kind_of(what: str) -> Resource | None:
    """The kind of object that a word names, None for an image. `docker.io/deploy/api` is how to name that image."""
    word, slash, name = what.partition("/")
    if not slash or word.lower() not in WORDS or "/" in name:
        return None
    from portreeve.kube.pulls import KINDS

    return KINDS[word.lower()]


def gathered(asked: Asked, terminal: Terminal) -> Gathered:
    """Ask whoever is there.

    Raises:
        Invalid: `policy_not_given`: an image, and nobody to ask. PortreeveError: what was named cannot be read.
    """
    notes = _Notes()
    connection = _connection(asked, notes, terminal)
    control_plane = _control_plane(notes)
    if connection is None and control_plane is None and asked.kind is None:
        raise Invalid(
            "policy_not_given",
            "no policy was given, so there is no verdict",
            hint="-p FILE or PORTREEVE_POLICY; or sign in (portreeve login), or name a cluster (KUBECONFIG)",
        )
    try:
        facts = asyncio.run(_facts(asked, connection, control_plane, notes, terminal))
    finally:
        if control_plane is not None:
            control_plane.__exit__(None, None, None)
    return Gathered(facts, tuple(notes.used))


async def _facts(
    asked: Asked,
    connection: Connection | None,
    control_plane: ControlPlane | None,
    notes: _Notes,
    terminal: Terminal,
) -> tuple[Facts, ...]:
    namespace = asked.namespace or (connection.namespace if connection is not None else "default")
    pulls, judging = None, None
    if connection is not None:
        pulls, judging = await _cluster(asked, connection, namespace, notes)
    sources, exemptions = _from_files(asked, terminal)
    environment = _environment(asked, control_plane, notes)
    found = []
    for image, base in _uses(asked, pulls, namespace):
        facts = replace(base, image=image)
        if control_plane is not None and environment:
            facts = _by_control_plane(control_plane, environment, facts, notes)
        if sources is not None:
            facts = replace(facts, judged=judged(facts, sources, exemptions, "files"))
        elif facts.judged is None and judging is not None:
            facts = replace(facts, judged=await judging.judge(facts))
        facts = replace(facts, unread=(*facts.unread, *notes.unread))
        found.append(await _probed(asked, facts, pulls, notes) if asked.probe else facts)
    return tuple(found)


def _uses(asked: Asked, pulls: Pulls | None, namespace: str) -> list[tuple[str, Facts]]:
    """Each image with what the cluster says of it."""
    time = now()
    puller = pulls.puller if pulls is not None else Puller()
    puller = replace(puller, platform=asked.platform or puller.platform)
    secrets, account = (pulls.secrets, pulls.account) if pulls is not None else ((), None)
    unread = pulls.unread if pulls is not None else ()
    base = Facts("", namespace, time, puller, account, secrets, unread=unread)
    if asked.kind is None:
        return [(asked.what, base)]
    assert pulls is not None
    return [
        (
            use.image,
            replace(base, puller=replace(puller, container=use.container), said=use.said, pulled=use.pulled),
        )
        for use in pulls.uses[:MOST_IMAGES]
    ]


# The cluster


def _connection(asked: Asked, notes: _Notes, terminal: Terminal) -> Connection | None:
    """The cluster of the kubeconfig. For an image it may be missing; an object has to be somewhere."""
    from portreeve.kube.kubeconfig import connection, find

    try:
        found = find(os.environ)
        if asked.kind is None and not asked.context and not found.current:
            return None
        return connection(found, asked.context, environment=os.environ, now=now)
    except PortreeveError as error:
        if asked.kind is not None:
            terminal.note(f"note: {asked.what} was read as an object; the image of that name is docker.io/{asked.what}")
        if asked.kind is not None or asked.context:
            raise
        notes.unread.append(f"the cluster: {error.message}")
        return None


async def _cluster(
    asked: Asked, connection: Connection, namespace: str, notes: _Notes
) -> tuple[Pulls | None, _Judging | None]:
    from portreeve.kube.client import Client
    from portreeve.kube.pulls import read, read_image

    where = f"cluster {connection.context or connection.server}"
    async with Client(connection) as client:
        try:
            if asked.kind is not None:
                pulls = await read(client, asked.kind, asked.what.partition("/")[2], namespace)
            else:
                pulls = await read_image(client, namespace)
            judging = await _policy_of(client, connection, pulls, notes)
        except PortreeveError as error:
            if asked.kind is not None:
                raise
            notes.unread.append(f"{where}: {error.message}")
            return None, None
    notes.used.append(where)
    return pulls, judging


@dataclass(frozen=True, slots=True)
class _Judging:
    """Who in the cluster says what the policy is: its objects, or its API server when asked."""

    connection: Connection
    account: str
    sources: ResolvedSources | None = None

    async def judge(self, facts: Facts) -> Judged | None:
        """What it says of an image; None where it says nothing."""
        if self.sources is not None:
            return judged(facts, self.sources, self.sources.exemptions, "the cluster's policy")
        from portreeve.core.admission_objects import Admitted, Refused
        from portreeve.kube.admission import ask
        from portreeve.kube.client import Client

        async with Client(self.connection) as client:
            try:
                said = await ask(client, facts.namespace, facts.image, self.account)
            except PortreeveError:
                return None
        if isinstance(said, Refused):
            why = f"refused by {said.policy or 'a webhook'}"
            return Judged(Decision.DENY, Stage.DENY, "a dry run", reasons=(why,))
        return Judged(Decision.ALLOW, Stage.DENY, "a dry run") if isinstance(said, Admitted) else None


async def _policy_of(client: Cluster, connection: Connection, pulls: Pulls, notes: _Notes) -> _Judging | None:
    """How the cluster can be asked for its policy; None where it has none of ours."""
    from portreeve.core.compiled import sources_of
    from portreeve.errors import Denied
    from portreeve.kube.enforced import enforced

    account = pulls.account.name if pulls.account is not None else "default"
    try:
        compiled = await enforced(client)
    except Denied:
        return _Judging(connection, account)
    if compiled is None or compiled.stage is Stage.OFF:
        return None
    sources = sources_of(compiled)
    if sources is None:
        notes.unread.append("the policy of the cluster was written by another release")
    return _Judging(connection, account, sources)


# The policy


def _from_files(asked: Asked, terminal: Terminal) -> tuple[ResolvedSources | None, tuple[Exemption, ...]]:
    if not asked.policies:
        return None, ()
    from portreeve.cli.policies import load_documents

    chosen, documents = load_documents(asked.policies, asked.policy_name, terminal)
    return chosen.sources, tuple(one for one in documents.exemptions if one.policy == chosen.sources.policy)


def judged(facts: Facts, sources: ResolvedSources, exemptions: tuple[Exemption, ...], origin: str) -> Judged:
    """What some sources say of the image now, with the exemptions that covered it and have ended."""
    verdict = judge(facts.image, facts.namespace, sources, now=facts.now)
    ended = lapsed(facts.image, facts.namespace, exemptions, facts.now)
    return Judged(
        verdict.decision,
        stage_in(sources.stage, facts.namespace),
        origin,
        sources.policy,
        sources.generation,
        tuple(one.message for one in verdict.reasons),
        str(verdict.nearest.prefix) if verdict.nearest else "",
        tuple(Lapsed(one.name, one.expires_at) for one in ended),
    )


# The control plane


def _control_plane(notes: _Notes) -> ControlPlane | None:
    from portreeve.cli.connection import connected

    try:
        return connected()
    except Invalid as error:
        if error.code != "server_missing":
            raise
    except Unauthenticated as error:
        notes.unread.append(f"the control plane: {error.message}")
    return None


def _environment(asked: Asked, control_plane: ControlPlane | None, notes: _Notes) -> str:
    """The environment that the cluster is: the one that was named, or the only one that there is."""
    if control_plane is None or asked.environment:
        return asked.environment
    try:
        rows, _ = control_plane.listed("/api/v1/environments", most=2)
    except PortreeveError as error:
        notes.unread.append(f"the control plane: {error.message}")
        return ""
    if len(rows) != 1:
        notes.unread.append(
            f"the control plane knows {'several' if rows else 'no'} environments; name one: --environment"
        )
        return ""
    return str(rows[0]["metadata"]["name"])


def _by_control_plane(client: ControlPlane, environment: str, facts: Facts, notes: _Notes) -> Facts:
    """The facts with verdict and grant as the control plane has them."""
    query = {"image": facts.image, "environment": environment, "namespace": facts.namespace}
    try:
        answer = client.get("/api/v1/verdict", query)
        ended = _ended(client, facts) if answer.get("verdict") == "DENY" else ()
        grant = _grant_of(answer, environment) or GrantFact(environment, candidate=_candidate(client, facts.image))
    except PortreeveError as error:
        return replace(facts, unread=(*facts.unread, f"the control plane: {error.message}"))
    source = f"control plane {client.url}, environment {environment}"
    if source not in notes.used:
        notes.used.append(source)
    return replace(facts, judged=_verdict_of(answer, environment, ended), grant=grant)


def _verdict_of(answer: Mapping[str, Any], environment: str, ended: tuple[Lapsed, ...]) -> Judged | None:
    if not answer.get("verdict"):
        return None
    policy = answer.get("policy") or {}
    return Judged(
        Decision(answer["verdict"]),
        Stage(answer["stage"]),
        f"the control plane, environment {environment}",
        str(policy.get("name", "")),
        int(policy.get("version") or 0),
        tuple(str(one["message"]) for one in answer.get("reasons", ())),
        str(answer.get("nearest") or ""),
        ended,
    )


def _grant_of(answer: Mapping[str, Any], environment: str) -> GrantFact | None:
    pull = answer.get("pull")
    if not pull:
        return None
    credential = pull.get("credential") or {}
    return GrantFact(
        environment,
        str(pull["registry"]),
        str(pull["grant"]),
        str(pull["mode"]),
        str(pull["key"]),
        str(credential.get("id", "")),
        int(credential.get("version") or 0),
        _time(credential.get("expiresAt")),
    )


def _candidate(client: ControlPlane, image: str) -> str:
    """The registry with the longest path that covers the image, of those that the caller may see; "" for none."""
    try:
        reference = parse(image)
    except UnsafeReference:
        return ""
    covering = []
    for row in client.listed("/api/v1/registries")[0]:
        spec = row.get("spec") or {}
        prefix = SourcePrefix(str(spec.get("host", "")), str(spec.get("path") or ""))
        if prefix.covers(reference):
            covering.append((len(prefix.path), str(row["metadata"]["name"])))
    return max(covering, default=(0, ""))[1]


def _ended(client: ControlPlane, facts: Facts) -> tuple[Lapsed, ...]:
    rows, _ = client.listed("/api/v1/exemptions")
    exemptions = [found for row in rows if (found := _exemption(row)) is not None]
    return tuple(
        Lapsed(one.name, one.expires_at) for one in lapsed(facts.image, facts.namespace, exemptions, facts.now)
    )


def _exemption(row: Mapping[str, Any]) -> Exemption | None:
    """An exemption of the API; None where it has another shape than ours."""
    spec, state = row.get("spec") or {}, str((row.get("status") or {}).get("state", "requested")).lower()
    scope, ends = spec.get("scope") or {}, _time(spec.get("expiresAt"))
    image = str(scope.get("image", ""))
    try:
        digest = image if image.startswith(("sha256:", "sha384:", "sha512:")) else None
        prefix = None if digest else parse_prefix(image)
        if ends is None:
            return None
        return Exemption(
            str(row["metadata"]["name"]),
            str(spec.get("policy", "")),
            ends,
            prefix,
            digest,
            tuple(scope.get("namespaces") or ()),
            ExemptionState(state),
        )
    except (PortreeveError, ValueError, KeyError):
        return None


def _time(value: object) -> datetime | None:
    from portreeve.wire.times import read_time

    try:
        return read_time(value)
    except ValueError:
        return None


# The registry


async def _probed(asked: Asked, facts: Facts, pulls: Pulls | None, notes: _Notes) -> Facts:
    """The facts with what the registry answers to the login that a kubelet would show."""
    try:
        reference = parse(facts.image)
    except UnsafeReference:
        return facts
    used = facts.named(facts.puller.used)
    logins = pulls.logins if pulls is not None else {}
    shown = [one for one in offers(used, reference, facts.image) if (one.secret, one.key) in logins]
    answer = Probe(None, pull_failure.Cause.UNKNOWN)
    for secret, key in [(one.secret, one.key) for one in shown] or [("", "")]:
        answer = replace(
            await _asked_registry(asked, facts, reference, logins.get((secret, key))), secret=secret, key=key
        )
        if answer.cause not in {pull_failure.Cause.UNAUTHORIZED, pull_failure.Cause.FORBIDDEN}:
            break
    source = f"registry {reference.host}, from this machine"
    if source not in notes.used:
        notes.used.append(source)
    return replace(facts, probe=answer)


async def _asked_registry(asked: Asked, facts: Facts, reference: Reference, login: Any) -> Probe:
    from portreeve.oci.client import Client
    from portreeve.oci.probing import Noting, failed, probe
    from portreeve.transport.address_rules import AddressRules
    from portreeve.transport.budget import Budget
    from portreeve.transport.outward import Outward
    from portreeve.transport.trust import Trust

    origin, realms = _place(reference.host)
    trust = Trust(asked.registry_ca.read_text(encoding="ascii", errors="replace") if asked.registry_ca else "")
    budget = Budget()
    # Docker Hub counts a manifest as a pull, so there it is only fetched for a platform that somebody named.
    platforms = bool(asked.platform or (facts.puller.platform and reference.host != DOCKER_HUB))
    try:
        async with Outward(origin, trust, AddressRules.of(PRIVATE), budget) as outward:
            noting = Noting(outward)
            client = Client(origin, noting, login=login, realms=(*realms, *asked.realms), now=now, budget=budget)
            return await probe(
                client, noting, reference.path, reference.digest or reference.tag or "latest", platforms=platforms
            )
    except PortreeveError as error:
        return failed(error, None)


def _place(host: str) -> tuple[str, tuple[str, ...]]:
    """Where the registry's API is, and the token services that its provider publishes."""
    from portreeve import providers

    for provider in providers.every().values():
        claim = provider.claim(host)
        if claim is not None and claim.certain:
            return provider.origin(claim.place), tuple(provider.realms(claim.place))
    return f"https://{host}", ()
