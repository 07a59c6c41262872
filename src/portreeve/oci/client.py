"""The client for one registry: what `distribution.Distribution` promises, over any exchange.

One client serves one operation: what it learned (tokens, which digest a tag had) is good for that long. A registry that
shows two digests for one tag meanwhile is not believed.

Sources: OCI Distribution Specification 1.1; Docker Registry HTTP API V2 (`_catalog`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote, unquote

from portreeve.core.credential import Login
from portreeve.errors import Denied, Invalid, NotFound, Stalled
from portreeve.oci import digests, errors, links, manifests, names
from portreeve.oci.asking import REDIRECTS, Asking, Question, looped
from portreeve.oci.challenge import chosen
from portreeve.oci.model import Challenge, Descriptor, Head, Manifest, Names, Scheme
from portreeve.oci.shapes import Shapes
from portreeve.transport import strict
from portreeve.transport.budget import Budget
from portreeve.transport.exchange import AsyncExchange, Response
from portreeve.transport.origin import Origin, joined, split_url

_JSON: Final = {"accept": "application/json"}
_MANIFESTS: Final = {"accept": manifests.ACCEPT}
_CATALOG: Final = "registry:catalog:*"
_REFERRER_PAGES: Final = 100


class Client:
    """A `Distribution` over HTTP."""

    def __init__(
        self,
        origin: str,
        exchange: AsyncExchange,
        *,
        login: Login | None,
        realms: Sequence[str],
        now: Callable[[], datetime],
        budget: Budget,
    ) -> None:
        """
        Args:
            origin: scheme, host and port.
            login: who asks; None: nobody, whom some registries answer as well.
            realms: addresses of token services, without query, that a credential may be sent to, beside the registry's
                own origin.
            now: UTC, aware.
            budget: the operation's own; best the one that the exchange spends from.
        Raises:
            Invalid: `url_refused`.
        """
        self._asking = Asking(origin, exchange, login=login, realms=realms, now=now, budget=budget)
        self._budget = budget
        self._digests: dict[tuple[str, str], str] = {}
        self._pages: dict[tuple[str, str], str] = {}

    async def challenge(self) -> Challenge:
        """How the registry wants to be asked; see `Distribution`."""
        question = Question("GET", "/v2/", headers=_JSON)
        where = self._asking.where(question)
        answer = await self._asking.plain(question)
        if answer.status == 200 and not _is_page(answer):
            return Challenge(Scheme.NONE)
        if answer.status == 401:
            found = chosen(answer.headers.get("www-authenticate", ""), where=where)
            if found is None:
                raise errors.unsupported(where, "wants a login of a kind that is not known here")
            return found
        if answer.status in {200, 400, 404} or answer.status in REDIRECTS:
            raise NotFound(
                "registry_not_v2",
                f"{where} is not the API of a registry",
                hint="name the registry's own host and port, without a path; see whether it wants https",
            )
        raise self._asking.fault(question, answer)

    async def sign_in(self, scope: str = "") -> None:
        """Show the credential and have it accepted; see `Distribution`."""
        await self._asking.sign_in(await self.challenge(), Question("GET", "/v2/", scope, headers=_JSON))

    async def head(self, repository: str, reference: str) -> Head:
        """A manifest without its body; see `Distribution`."""
        question = self._manifest_question("HEAD", repository, reference)
        answer = await self._asking.follow(question)
        if answer.status == 405:  # some proxies let no HEAD through
            question = self._manifest_question("GET", repository, reference)
            answer = await self._asking.follow(question)
            if answer.status == 200:
                return Head(self._taken(repository, reference, question, answer).descriptor, _signals(answer))
        if answer.status != 200:
            raise self._asking.fault(question, answer, errors.manifest_unknown)
        return Head(await self._described(repository, reference, question, answer), _signals(answer))

    async def _described(self, repository: str, reference: str, question: Question, answer: Response) -> Descriptor:
        where = self._asking.where(question)
        digest = answer.headers.get("docker-content-digest", "")
        if not digest and ":" not in reference:
            return (await self.manifest(repository, reference)).descriptor
        if not digests.is_digest(digest or reference):
            raise digests.mismatch(where, "what it calls its digest is none")
        if ":" in reference and _differ(digest or reference, reference):
            raise digests.mismatch(where, f"it calls it by {digest}")
        self._same(repository, reference, digest or reference, where)
        length = answer.headers.get("content-length", "")
        size = int(length) if length.isascii() and length.isdecimal() and len(length) < 19 else -1
        return Descriptor(digest or reference, manifests.plain_type(answer.headers.get("content-type", "")), size)

    async def manifest(self, repository: str, reference: str) -> Manifest:
        """A manifest, hashed anew; see `Distribution`."""
        question = self._manifest_question("GET", repository, reference)
        answer = await self._asking.follow(question)
        if answer.status != 200:
            raise self._asking.fault(question, answer, errors.manifest_unknown)
        return self._taken(repository, reference, question, answer)

    def _manifest_question(self, method: str, repository: str, reference: str) -> Question:
        path = f"/v2/{names.repository(repository)}/manifests/{names.reference(reference)}"
        return Question(method, path, _scope(repository, "pull"), headers=_MANIFESTS)

    def _taken(self, repository: str, reference: str, question: Question, answer: Response) -> Manifest:
        """The manifest of an answer, after its bytes were held against every digest that is claimed for them."""
        where, content = self._asking.where(question), answer.body.reveal()
        claimed = answer.headers.get("docker-content-digest", "")
        digest = digests.of(content)
        if claimed:
            digest = digests.held(content, claimed, where=where)
        if ":" in reference:
            digest = digests.held(content, reference, where=where)
        self._same(repository, reference, digest, where)
        content_type = answer.headers.get("content-type", "")
        manifest = manifests.read(content, content_type=content_type, digest=digest, where=where)
        self._budget.take(len(manifest.children) + len(manifest.layers))
        return manifest

    def _same(self, repository: str, reference: str, digest: str, where: str) -> None:
        """See that a tag has the digest that it had before in this operation."""
        if ":" in reference:
            return
        before = self._digests.setdefault((repository, reference), digest)
        if _differ(before, digest):
            raise digests.mismatch(where, f"it showed {before} before, and now {digest}")

    async def blob(self, repository: str, descriptor: Descriptor, *, limit_bytes: int) -> bytes:
        """A small blob, hashed anew; see `Distribution`."""
        question = self._blob_question("GET", repository, descriptor.digest)
        where = self._asking.where(question)
        if descriptor.size_bytes > limit_bytes:
            raise _too_large(where, limit_bytes)
        answer = await self._asking.follow(question)
        if answer.status != 200:
            raise self._asking.fault(question, answer, errors.blob_unknown)
        content = answer.body.reveal()
        if len(content) > limit_bytes:
            raise _too_large(where, limit_bytes)
        if descriptor.size_bytes not in {-1, len(content)}:
            raise digests.mismatch(where, f"it has {len(content)} bytes and not {descriptor.size_bytes}")
        digests.held(content, descriptor.digest, where=where)
        return content

    async def blob_host(self, repository: str, digest: str) -> str:
        """The host and port that a blob comes from; see `Distribution`."""
        question = self._blob_question("HEAD", repository, digest)
        answer = await self._asking.ask(question)
        if answer.status in REDIRECTS and "location" in answer.headers:
            at = f"{self._asking.origin}{question.path}"
            return _host_and_port(Origin.of(self._asking.target(answer.headers["location"], at)))
        if answer.status != 200:
            raise self._asking.fault(question, answer, errors.blob_unknown)
        return _host_and_port(self._asking.origin)

    def _blob_question(self, method: str, repository: str, digest: str) -> Question:
        path = f"/v2/{names.repository(repository)}/blobs/{digests.checked(digest)}"
        return Question(method, path, _scope(repository, "pull"))

    async def tags(self, repository: str, *, after: str = "", limit: int = 100) -> Names:
        """A page of tags; what is no tag is left out. See `Distribution`."""
        path = f"/v2/{names.repository(repository)}/tags/list"
        question = Question("GET", path, _scope(repository, "pull"), links.query(after, limit), _JSON)
        return await self._page(question, "tags", names.is_tag, after, limit)

    async def catalog(self, *, after: str = "", limit: int = 100) -> Names:
        """A page of repositories; what is no repository is left out. See `Distribution`."""
        question = Question("GET", "/v2/_catalog", _CATALOG, links.query(after, limit), _JSON)
        return await self._page(question, "repositories", names.is_repository, after, limit)

    async def _page(self, question: Question, key: str, fits: Callable[[str], bool], after: str, limit: int) -> Names:
        answer = await self._asking.ask(question)
        where = self._asking.where(question)
        if answer.status != 200:
            missing = errors.repository_unknown if key == "tags" else _no_catalog
            raise self._asking.fault(question, answer, missing)
        shapes = Shapes(where)
        listed = shapes.listed(shapes.mapping(strict.read(answer.body.reveal(), where=where), (key,)).get(key))
        found = [each for each in (shapes.text(each) for each in listed) if fits(each)]
        onward = links.following(answer.headers.get("link", ""), self._asking.origin, question.path)
        most = min(max(limit, 1), links.MOST)
        if not after.startswith("?") and not onward:
            found, onward = _cut(found, after, most)
        self._budget.take(len(found))
        if onward and (onward == after or self._pages.setdefault((question.path, onward), after) != after):
            raise looped(where)
        return Names(tuple(found), onward)

    async def referrers(self, repository: str, digest: str, *, artifact_type: str = "") -> Sequence[Descriptor]:
        """What refers to a manifest; see `Distribution`."""
        path = f"/v2/{names.repository(repository)}/referrers/{digests.checked(digest)}"
        wanted = f"artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
        found: list[Descriptor] = []
        seen = {wanted}
        for _ in range(_REFERRER_PAGES):
            question = Question("GET", path, _scope(repository, "pull"), wanted, {"accept": manifests.OCI_INDEX})
            answer = await self._asking.ask(question)
            if answer.status != 200 or _is_page(answer):
                found = list(await self._tagged_referrers(repository, digest, question, answer))
                break
            found += self._index(question, answer)
            onward = links.following(answer.headers.get("link", ""), self._asking.origin, path).removeprefix("?")
            if not onward:
                break
            if onward in seen:
                raise looped(self._asking.where(question))
            seen.add(onward)
            wanted = onward
        return tuple(each for each in found if artifact_type in {"", each.artifact_type})

    def _index(self, question: Question, answer: Response) -> tuple[Descriptor, ...]:
        where, content = self._asking.where(question), answer.body.reveal()
        content_type = answer.headers.get("content-type", "")
        index = manifests.read(content, content_type=content_type, digest=digests.of(content), where=where)
        if index.config is not None:
            Shapes(where).ambiguous("an image where an index was asked for")
        self._budget.take(len(index.children))
        return index.children

    async def _tagged_referrers(
        self, repository: str, digest: str, question: Question, answer: Response
    ) -> Sequence[Descriptor]:
        """By the tag schema, for registries without the API. Source: OCI Distribution 1.1, "Referrers tag schema"."""
        fault = self._asking.fault(question, answer)
        if not isinstance(fault, NotFound) and fault.code != "registry_unsupported":
            raise fault
        algorithm, _, encoded = digest.partition(":")
        tag = f"{algorithm}-{encoded[:64]}"
        try:
            return (await self.manifest(repository, tag)).children
        except NotFound as unknown:
            if unknown.code == "manifest_unknown":
                return ()
            raise

    async def may_push(self, repository: str) -> bool | None:
        """Whether the credential could push there; see `Distribution`."""
        path = f"/v2/{names.repository(repository)}/blobs/uploads/"
        scope = _scope(repository, "pull,push")
        question = Question("POST", path, scope)
        try:
            answer = await self._asking.ask(question)
        except Denied as denied:
            if denied.code != "registry_denied" and self._asking.login is not None:
                raise
            return False
        if answer.status in {401, 403} or "DENIED" in errors.codes(answer):
            return False
        if answer.status not in {201, 202}:
            fault = self._asking.fault(question, answer)
            if fault.handling.retry:
                raise fault
            return None
        await self._cancel(answer.headers.get("location", ""), path, scope)
        return True

    async def _cancel(self, location: str, path: str, scope: str) -> None:
        """Give an upload up, where it is at the registry itself; others end by themselves."""
        try:
            origin, below, query = split_url(joined(f"{self._asking.origin}{path}", location))
        except Invalid:
            return
        if origin == self._asking.origin and below.startswith(path) and ".." not in unquote(below):
            await self._asking.ask(Question("DELETE", below, scope, query))

    async def put_tag(self, repository: str, manifest: Manifest, tag: str) -> None:
        """Let a tag name a manifest; see `Distribution`."""
        path = f"/v2/{names.repository(repository)}/manifests/{names.tag(tag)}"
        headers = {"content-type": manifest.descriptor.media_type}
        question = Question("PUT", path, _scope(repository, "pull,push"), headers=headers, body=manifest.content)
        answer = await self._asking.ask(question)
        if answer.status not in {200, 201, 202}:
            raise self._asking.fault(question, answer)
        told = answer.headers.get("docker-content-digest", "")
        if told:
            digests.held(manifest.content, told, where=self._asking.where(question))
        self._digests[repository, tag] = manifest.descriptor.digest

    async def delete(self, repository: str, reference: str) -> None:
        """Delete a manifest by digest, or a tag; see `Distribution`."""
        path = f"/v2/{names.repository(repository)}/manifests/{names.reference(reference)}"
        question = Question("DELETE", path, _scope(repository, "pull,push,delete"))
        answer = await self._asking.ask(question)
        if answer.status not in {200, 202, 204}:
            raise self._asking.fault(question, answer, errors.manifest_unknown)
        self._digests.pop((repository, reference), None)


def _scope(repository: str, actions: str) -> str:
    return f"repository:{repository}:{actions}"


def _is_page(answer: Response) -> bool:
    """Whether it is for browsers: a login page with status 200 is no registry."""
    return "html" in answer.headers.get("content-type", "").lower()


def _signals(answer: Response) -> Mapping[str, str]:
    """The headers that tell of limits, name in lower case → value; each cut at 200 characters."""
    return {name: value[:200] for name, value in answer.headers.items() if "ratelimit" in name or name == "retry-after"}


def _differ(one: str, other: str) -> bool:
    """Whether two digests of the same algorithm differ; digests of different ones cannot be compared."""
    return one.partition(":")[0] == other.partition(":")[0] and one != other


def _cut(found: list[str], after: str, most: int) -> tuple[list[str], str]:
    """The page of a list that has no `Link`, and what continues it.

    Registries that know nothing of pages (Distribution 2.8 and its tags) answer with all names each time. Then the
    order is ours, so that pages join.
    """
    if len(found) > most or after in found:
        found = sorted(name for name in found if name > after)
    return found[:most], found[most - 1] if len(found) >= most else ""


def _no_catalog(where: str) -> NotFound:
    return NotFound("catalog_unsupported", f"{where} is not offered", hint="this registry lists no repositories")


def _too_large(where: str, limit_bytes: int) -> Stalled:
    return Stalled(
        "answer_too_large", f"{where} has more than {limit_bytes} bytes", hint="it is not what it is taken for"
    )


def _host_and_port(origin: Origin) -> str:
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    return f"{host}:{origin.port}"
