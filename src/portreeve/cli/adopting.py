"""Taking over what a cluster's pull secrets hold: a Registry for each place and user, an access for its namespaces.

What is there already is used: a Registry of the same place and user keeps its credential, an access of it to the same
environment gets the namespaces that it lacks. A password goes from the cluster's answer to the control plane's API.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from portreeve.cli import changes, clock, credentials
from portreeve.cli.add import name_for
from portreeve.cli.documents import Document, Key, canonical, stored
from portreeve.cli.kinds import KINDS, at
from portreeve.core.adoption import REASONS, LeftOut, Wanted, chosen
from portreeve.core.reference import shown
from portreeve.errors import Invalid, PortreeveError, Problem
from portreeve.providers import named as provider_named
from portreeve.providers.contract import Method, Place, Provider, Stored
from portreeve.providers.firewall import GENERIC
from portreeve.providers.recognise import recognise
from portreeve.wire.dump import time_text

if TYPE_CHECKING:
    from portreeve.cli.changes import Consent
    from portreeve.cli.surveying import Asked, Survey
    from portreeve.cli.terminal import Terminal
    from portreeve.client import Client
    from portreeve.core.secret import SecretValue

NAME_CHARACTERS: Final = 63


@dataclass(slots=True)
class Adoption:
    """What is to be stored: documents by kind and name, and the secrets that follow them.

    `expires_at` is when those end that do not say so; `endless` are Registries whose credential would need that, as
    production takes none without an end where its provider knows ends (rule 13).
    """

    there: dict[Key, Document]
    environment: str
    production: bool = False
    expires_at: str | None = None
    documents: dict[Key, Document] = field(default_factory=dict)
    secrets: list[tuple[credentials.Credential, SecretValue]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    endless: list[str] = field(default_factory=list)
    left: list[LeftOut] = field(default_factory=list)
    taken: int = 0

    def take(self, wanted: Wanted) -> None:
        """Take one credential over; leave it out if no provider signs in like that."""
        found = _way_in(wanted)
        if found is None:
            self.left.append(LeftOut(*wanted.secrets[0], str(wanted.place), "no_method"))
            return
        self._access(self._registry(wanted, *found), wanted.namespaces)
        self.taken += 1

    def _registry(self, wanted: Wanted, provider: Provider, method: Method, parameters: Mapping[str, str]) -> str:
        spec: dict[str, Any] = {"provider": provider.name, "host": wanted.place.host}
        spec |= {"path": wanted.place.path} if wanted.place.path else {}
        entry = {"purpose": "pull", "method": method.name} | ({"parameters": parameters} if parameters else {})
        ends = time_text(wanted.expires_at) if wanted.expires_at else self.expires_at
        spec["credentials"] = [entry | ({"expiresAt": ends} if ends else {})]
        name = self._same(spec, wanted.username)
        if name is None:
            name = self._free("Registry", name_for(wanted.place.host, wanted.place.path), wanted.username)
            self.documents["Registry", name] = _document("Registry", name, spec)
        elif self._holds_secret(name):
            self.notes.append(f"Registry/{name} has a credential of {shown(wanted.username)} already, which stays")
            return name
        if self.production and method.ends and ends is None:
            self.endless.append(name)
        source = credentials.Source("cluster", ", ".join("/".join(one) for one in wanted.secrets))
        self.secrets.append((credentials.Credential(name, "pull", source, ends), wanted.password))
        return name

    def _same(self, spec: Mapping[str, Any], username: str) -> str | None:
        """The Registry of the same place that signs in as the same user, if there is one."""
        for (kind, name), document in self.there.items():
            if kind != "Registry":
                continue
            held = document["spec"]
            pull = next((one for one in held.get("credentials") or () if one.get("purpose") == "pull"), None)
            if (held["host"], held.get("path", "")) != (spec["host"], spec.get("path", "")) or pull is None:
                continue
            told = (pull.get("parameters") or {}).get("username")
            if told == username or (told is None and pull["method"] == spec["credentials"][0]["method"]):
                return name
        return None

    def _holds_secret(self, registry: str) -> bool:
        listed = at(self.there["Registry", registry], "status.credentials") or ()
        return any(one.get("purpose") == "pull" and one.get("state") == "stored" for one in listed)

    def _access(self, registry: str, namespaces: Sequence[str]) -> None:
        missing = list(namespaces)
        for (kind, _), document in {**self.there, **self.documents}.items():
            spec = document["spec"]
            if kind == "RegistryAccess" and (spec.get("registry"), spec.get("environment")) == (
                registry,
                self.environment,
            ):
                granted = (spec.get("namespaces") or {}).get("names") or ()
                missing = [one for one in missing if one not in granted]
        if not missing:
            return
        widened = self._access_of(registry)
        if widened is not None:
            spec = dict(widened["spec"])
            spec["namespaces"] = {"names": sorted({*spec["namespaces"]["names"], *missing})}
            document = canonical({**widened, "spec": spec})
            etag = at(widened, "status.etag")
            name = document["metadata"]["name"]
            self.documents["RegistryAccess", name] = {**document, "status": {"etag": etag}} if etag else document
            return
        name = self._free("RegistryAccess", f"{registry}-{self.environment}", "adopted")
        spec = {
            "registry": registry,
            "environment": self.environment,
            "namespaces": {"names": sorted(missing)},
            "delivery": {"mode": "standing"},
        }
        self.documents["RegistryAccess", name] = _document("RegistryAccess", name, spec)

    def _access_of(self, registry: str) -> Document | None:
        """An access that names can be added to without changing what else it says."""
        for (kind, _), document in self.there.items():
            spec = document["spec"]
            named_only = set(spec.get("namespaces") or ()) == {"names"}
            standing = (spec.get("delivery") or {}).get("mode", "standing") == "standing"
            place = (spec.get("registry"), spec.get("environment"))
            if kind == "RegistryAccess" and place == (registry, self.environment) and named_only and standing:
                return document
        return None

    def _free(self, kind: str, base: str, word: str) -> str:
        """A name that no document of the kind has."""
        slug = re.sub("[^a-z0-9]+", "-", word.lower()).strip("-") or "user"
        for name in _names(base, slug):
            if (kind, name) not in self.there and (kind, name) not in self.documents:
                return name
        raise AssertionError("there are more numbers than documents")


def adopt(client: Client, survey: Survey, asked: Asked, consent: Consent, terminal: Terminal, output: str) -> int:
    """Show the plan, ask, store the documents, and send the credentials; the exit code.

    Raises:
        Invalid: as `prepared`. PortreeveError: as `changes.made`.
    """
    adoption = prepared(client, asked)
    for note in (*(f"left out: {_where(one)}: {REASONS[one.reason]}" for one in adoption.left), *adoption.notes):
        terminal.warn(note)
    more = {"leftOut": [_left(one) for one in adoption.left]}
    if asked.dry_run == "client":
        _told(adoption, output, terminal, more)
        return 0
    plan: changes.Plan = {"id": None, "documents": []}
    if adoption.documents:
        plan = changes.Proposal(list(adoption.documents.values())).planned(client)
        changes.show(plan, terminal, must_be_seen=not consent.yes)
    for credential, _ in adoption.secrets:
        terminal.warn(_line(credential))
    if asked.dry_run == "server":
        changes.answer(plan, output, terminal, state="planned", credentials=[], **more)
        return 0
    changes.refuse_blocked(plan, force=False)
    done: list[dict[str, Any]] = []
    if plan["documents"] or adoption.secrets:
        where = f"environment {asked.environment} (context {survey.connection.context})"
        changes.ask(f"Take {adoption.taken} over into {where}?", consent)
        if plan["documents"]:
            changes.confirmed(client, plan)
        done = credentials.put_all_resolved(client, adoption.secrets)
    changes.answer(plan, output, terminal, state="confirmed" if done else None, credentials=done, **more)
    if output == "table":
        for one_done in done:
            terminal.data(f"Registry/{one_done['registry']} credential {one_done['purpose']} set")
        terminal.note("once the agent has delivered: portreeve adopt --retire takes the old Secrets away")
    return 0


def prepared(client: Client, asked: Asked) -> Adoption:
    """What is to be stored; nothing is changed.

    Raises:
        Invalid: `adopt_nothing`: nothing of it can be taken over; `adopt_endless`: the environment takes no credential
            without an end. PortreeveError: there is no such environment, or the control plane does not answer.
    """
    environment = asked.environment
    place = client.get(f"/api/v1/environments/{quote(environment, safe='')}")
    production = at(place, "spec.tier") == "production"
    wanted, left = chosen(asked.rows, clock.now(), named=asked.named)
    there = stored(client, (KINDS["Registry"], KINDS["RegistryAccess"]))
    adoption = Adoption(there, environment, production, asked.expires_at, left=list(left))
    for one in wanted:
        adoption.take(one)
    if not adoption.taken:
        problems = tuple(Problem("adopt_left_out", REASONS[one.reason], _where(one)) for one in adoption.left)
        hint = "portreeve adopt shows what there is"
        raise Invalid("adopt_nothing", "none of these Secrets can be taken over", hint=hint, problems=problems)
    if adoption.endless:
        # Told before anything is stored: the documents could be, and the credentials would then be refused.
        raise Invalid(
            "adopt_endless",
            f"{environment} is production, and nothing says when the credentials end of {', '.join(adoption.endless)}",
            hint="see when they end at their registries, and say so: --expires-at 2027-06-01T00:00:00Z",
        )
    return adoption


def _told(adoption: Adoption, output: str, terminal: Terminal, more: Mapping[str, Any]) -> None:
    """What would be proposed; the control plane was not asked what of it would change."""
    named_ = [{"kind": kind, "name": name} for kind, name in adoption.documents]
    if output != "table":
        from portreeve.cli.output import write

        write({"state": "read", "documents": list(adoption.documents.values()), **more}, output)
        return
    for one in named_:
        terminal.data(f"{one['kind']}/{one['name']} (proposed)")
    for credential, _ in adoption.secrets:
        terminal.data(_line(credential))


def _line(credential: credentials.Credential) -> str:
    return f"set the credential {credential.purpose} of Registry/{credential.registry} from {credential.source}"


def _where(one: LeftOut) -> str:
    return f"{one.namespace}/{one.name}{f' {shown(one.key)}' if one.key else ''}"


def _left(one: LeftOut) -> dict[str, Any]:
    return {"namespace": one.namespace, "name": one.name, "key": one.key or None, "reason": one.reason}


def _document(kind: str, name: str, spec: Mapping[str, Any]) -> Document:
    return canonical({"apiVersion": "portreeve.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})


def _names(base: str, slug: str) -> Iterator[str]:
    yield base[:NAME_CHARACTERS].rstrip("-")
    for number in range(1, 10_000):
        tail = f"-{slug}" if number == 1 else f"-{slug}-{number}"
        yield f"{base[: max(1, NAME_CHARACTERS - len(tail))].rstrip('-')}{tail}"[-NAME_CHARACTERS:]


def _way_in(wanted: Wanted) -> tuple[Provider, Method, dict[str, str]] | None:
    """The provider and its way to sign in that delivers exactly this user and password; None if there is none."""
    place = Place(wanted.place.host, wanted.place.path)
    names = [claim.provider for claim in recognise(str(wanted.place)) if claim.certain]
    for name in dict.fromkeys([*names, GENERIC]):
        provider = provider_named(name)
        if provider.misplaced(place) is None or name == GENERIC:
            for method in sorted(provider.methods, key=lambda one: one.name != "basic"):
                parameters = {"username": wanted.username} if _asks_user(method) else {}
                if _delivers(provider, place, method, parameters, wanted):
                    return provider, method, parameters
    return None


def _asks_user(method: Method) -> bool:
    return any(one.name == "username" for one in method.fields)


def _delivers(provider: Provider, place: Place, method: Method, parameters: Mapping[str, str], wanted: Wanted) -> bool:
    if provider.problems(method.name, parameters):
        return False
    try:
        login = provider.login(place, Stored(method.name, parameters, wanted.password))
    except PortreeveError:
        return False  # the secret is not of the kind that this method takes
    return login is not None and login.username == wanted.username
