"""Validating a registry: every stage of the checklist, one after the other, as somebody watches.

Theory of operation. Each stage uses the real thing and asks as little as it can: it resolves the name, opens a
connection, looks at the certificate, asks `/v2/`, shows the credential, asks for the head of one image, lists one
repository, and opens an upload that it cancels at once. A stage that fails says why; those that build on it are not
tried, and all others are. What one stage needs of another is handed on in `_Found`.

Which image is asked for: the one that the caller names, else one that runs somewhere and comes from there, else the
first that browsing finds. Source: the design's providers page, section 6.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from portreeve.core.checklist import Check, Outcome, Stage, after, expiry, explained, failed, ok, unknown
from portreeve.core.credential import Login
from portreeve.errors import Denied, NotFound, PortreeveError, Unavailable
from portreeve.oci.distribution import Distribution
from portreeve.oci.model import Challenge, Scheme
from portreeve.providers.contract import Browse, Query
from portreeve.server.registries.contact import Contact, Contacts, Line
from portreeve.transport import reach

BUDGET_S: Final = 60.0
"""For the whole list: a person watches it. Each wait in it ends earlier."""

STAGE_S: Final = 20.0
"""For one stage: longer than any registry that works takes, and shorter than anybody's patience."""


@dataclass
class _Found:
    """What the stages have found so far."""

    challenge: Challenge | None = None
    login: Login | None = None
    distribution: Distribution | None = None
    image: tuple[str, str] | None = None
    broken: dict[Stage, Stage] = field(default_factory=dict)
    """Stage that failed or was not tried → the one that failed."""


NEEDS: Final[dict[Stage, tuple[Stage, ...]]] = {
    Stage.DNS: (),
    Stage.TCP: (Stage.DNS,),
    Stage.TLS: (Stage.DNS, Stage.TCP),
    Stage.API: (Stage.DNS, Stage.TCP, Stage.TLS),
    Stage.CHALLENGE: (Stage.API,),
    Stage.TOKEN: (Stage.API, Stage.CHALLENGE),
    Stage.PULL: (Stage.API, Stage.CHALLENGE, Stage.TOKEN),
    Stage.BROWSE: (Stage.API, Stage.CHALLENGE, Stage.TOKEN),
    Stage.PUSH: (Stage.API, Stage.CHALLENGE, Stage.TOKEN),
    Stage.EXPIRY: (),
}
"""What has to have worked before a stage is tried."""


class Validation:
    """One validation of one registry."""

    def __init__(
        self,
        contacts: Contacts,
        contact: Contact,
        clock: Callable[[], datetime],
        images: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """`images` are (repository, tag or digest) that may be asked for, the best first."""
        self._contacts = contacts
        self._contact = contact
        self._clock = clock
        self._images = images
        self._found = _Found()
        self._line: Line

    async def run(self) -> AsyncGenerator[Check, None]:
        """The stages as they are found, each once and in the order of `Stage`."""
        async with self._contacts.line(self._contact) as self._line:
            for stage in Stage:
                check = await self._stage(stage)
                if check.outcome is Outcome.FAILED:
                    self._found.broken[stage] = stage
                yield check

    async def _stage(self, stage: Stage) -> Check:
        for needed in NEEDS[stage]:
            if needed in self._found.broken:
                self._found.broken[stage] = self._found.broken[needed]
                return after(stage, self._found.broken[needed])
        steps: dict[Stage, Callable[[], Awaitable[Check]]] = {
            Stage.DNS: self._dns,
            Stage.TCP: self._tcp,
            Stage.TLS: self._tls,
            Stage.API: self._api,
            Stage.CHALLENGE: self._challenge,
            Stage.TOKEN: self._token,
            Stage.PULL: self._pull,
            Stage.BROWSE: self._browse,
            Stage.PUSH: self._push,
            Stage.EXPIRY: self._expiry,
        }
        credential = self._contact.credential
        try:
            async with asyncio.timeout(STAGE_S):
                return await steps[stage]()
        except TimeoutError:
            slow = Unavailable("no_answer", f"{self._contact.place.host} took longer than {STAGE_S:g} s")
            return failed(stage, slow, "see that it runs and can be reached from the control plane")
        except PortreeveError as error:
            ends_at = credential.expires_at if credential else None
            check = failed(stage, error, self._contact.provider.hint(error.code))
            return explained(check, anonymous=credential is None, ends_at=ends_at, now=self._clock())

    @property
    def _server(self) -> tuple[str, int]:
        """Host and port of the OCI API."""
        parts = urlsplit(self._contact.origin)
        return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)

    async def _dns(self) -> Check:
        host, port = self._server
        addresses = await reach.resolve(host, port, self._contacts.rules, resolver=self._contacts.resolver)
        return ok(Stage.DNS, f"{host} is {', '.join(map(str, addresses[:4]))}")

    async def _tcp(self) -> Check:
        host, port = self._server
        address = await reach.connect(host, port, self._contacts.rules, resolver=self._contacts.resolver)
        return ok(Stage.TCP, f"{address} takes connections for {host} on port {port}")

    async def _tls(self) -> Check:
        trust = self._contact.trust
        host, port = self._server
        if trust.plain_http:
            hint = "serve it over TLS and take spec.tls.plainHTTP away: whoever is between reads the credential"
            return unknown(
                Stage.TLS, "there is no TLS: credentials and images cross the network in clear", "plain_http", hint
            )
        leaf = await reach.tls_chain(host, port, trust, self._contacts.rules, resolver=self._contacts.resolver)
        text = f"{leaf.subject or host}, by {leaf.issuer or 'nobody known'}"
        if trust.insecure_skip_verify:
            hint = "give its authority in spec.tls.caBundle and take spec.tls.insecureSkipVerify away"
            return unknown(Stage.TLS, f"the certificate is not verified: {text}", "tls_unverified", hint)
        if leaf.not_after is None:
            return ok(Stage.TLS, text)
        days = (leaf.not_after - self._clock()).days
        return ok(Stage.TLS, f"{text}, until {leaf.not_after:%Y-%m-%d} ({days} days)")

    async def _api(self) -> Check:
        self._found.distribution = self._line.distribution(None)
        self._found.challenge = await self._found.distribution.challenge()
        return ok(Stage.API, "/v2/ answers as the OCI Distribution API does")

    async def _challenge(self) -> Check:
        challenge = self._found.challenge
        assert challenge is not None
        match challenge.scheme:
            case Scheme.NONE:
                return ok(Stage.CHALLENGE, "it asks nobody who they are at /v2/")
            case Scheme.BASIC:
                return ok(Stage.CHALLENGE, "it takes user name and password (Basic)")
            case _:
                return self._realm(challenge)

    def _realm(self, challenge: Challenge) -> Check:
        """The token service is one that the credential may be sent to; without a credential nothing is sent."""
        origin = self._contact.origin
        realm = urlsplit(challenge.realm)
        own = f"{realm.scheme}://{realm.netloc}".lower() == origin.lower()
        if own or challenge.realm in self._contact.realms or self._contact.credential is None:
            return ok(Stage.CHALLENGE, f"tokens come from {realm.netloc}{realm.path} (Bearer)")
        shown = f"{realm.scheme}://{realm.netloc.rpartition('@')[2]}{realm.path}"
        error = Denied("realm_not_pinned", f"it wants the credential sent to {shown}, which nobody has approved")
        return failed(Stage.CHALLENGE, error, f"if that is its token service, write spec.tokenRealm: {shown}")

    async def _token(self) -> Check:
        self._found.login = await self._line.login(fresh=True)
        self._found.distribution = self._line.distribution(self._found.login)
        await self._found.distribution.sign_in()
        if self._found.login is None:
            return ok(Stage.TOKEN, "nobody signs in: it is used anonymously")
        return ok(Stage.TOKEN, f"it accepts the {self._contact.purpose} credential")

    async def _pull(self) -> Check:
        assert self._found.distribution is not None
        images = self._images or await self._any_image()
        if not images:
            return unknown(
                Stage.PULL,
                "no image is known to try",
                "image_unknown",
                "name one: portreeve validate registry NAME --image REPO:TAG",
            )
        repository, reference = images[0]
        separator = "@" if ":" in reference else ":"
        head = await self._found.distribution.head(repository, reference)
        self._found.image = (repository, reference)
        return ok(Stage.PULL, f"{repository}{separator}{reference} can be pulled: {head.descriptor.digest}")

    async def _any_image(self) -> tuple[tuple[str, str], ...]:
        contact = self._contact
        if contact.provider.browse is Browse.INVENTORY:
            return ()
        try:
            reader = await self._line.reader()
            found = await contact.provider.repositories(contact.place, reader, Query(limit=5))
            for repository in found.items:
                tags = await contact.provider.tags(contact.place, repository.name, reader, Query(limit=1))
                if tags.items:
                    return ((repository.name, tags.items[0].name),)
        except PortreeveError:
            pass  # It is told by the stage that browses.
        return ()

    async def _browse(self) -> Check:
        contact = self._contact
        if contact.provider.browse is Browse.INVENTORY:
            message = f"{contact.provider.title} lists no repositories: what environments run is shown in their place"
            return unknown(Stage.BROWSE, message, "catalog_unsupported")
        try:
            found = await contact.provider.repositories(contact.place, await self._line.reader(), Query(limit=1))
        except (NotFound, Denied) as error:
            # It pulls all the same, so it is not a failure of the registry.
            return unknown(Stage.BROWSE, error.message, error.code, "a management credential may be allowed to")
        return ok(
            Stage.BROWSE, "repositories can be listed" if found.items else "repositories can be listed; there are none"
        )

    async def _push(self) -> Check:
        contact = self._contact
        if contact.credential is None:
            return ok(Stage.PUSH, "nobody signs in, and nobody may push without")
        if contact.purpose != "pull":
            return unknown(Stage.PUSH, "a management credential may well push", "not_a_pull_credential")
        repository = self._found.image[0] if self._found.image else self._probe()
        assert self._found.distribution is not None
        may = await self._found.distribution.may_push(repository)
        if may is None:
            return unknown(Stage.PUSH, "the registry does not tell whether the credential may push", "push_unknown")
        if may:
            error = Denied("credential_can_push", f"the pull credential may push to {repository}")
            return failed(
                Stage.PUSH,
                error,
                "give it the right to pull and no other: who reads it in a cluster could replace images",
            )
        return ok(Stage.PUSH, "the pull credential may not push")

    def _probe(self) -> str:
        path = self._contact.place.path
        return f"{path}/portreeve-push-probe" if path else "portreeve-push-probe"

    async def _expiry(self) -> Check:
        credential = self._contact.credential
        if credential is None:
            return ok(Stage.EXPIRY, "there is no credential that could end")
        return expiry(credential.expires_at, can_end=self._contact.ends, now=self._clock())
