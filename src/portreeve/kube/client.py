"""The Kubernetes API of one cluster, as far as we use it: thin, typed by partial structs, without retries.

Theory of operation
-------------------
Each call is one request, but for two repetitions that are safe: a request that the server did not accept as ours (401)
is sent again once with a fresh identity, and a list whose page is gone (410) begins anew, a few times. Whoever calls
decides about the rest: errors have kinds, and `retry_after_s` where the server named a time.

What is read is decoded into msgspec structs that name the fields which somebody needs; the rest is skipped and costs
neither memory nor much time. `METADATA` asks for `PartialObjectMetadata`, so that the server leaves out spec and data.

Writes name what they stand on: a patch carries `test` operations, an apply a `resourceVersion` or nothing, a deletion
its UID and resourceVersion. `force` is a method of its own, with its danger in its name.

Left out: Protobuf, HTTP/2 (one TLS connection for each watch is what a pod-sized client has), discovery.

Sources: Kubernetes API concepts (lists in chunks, watch bookmarks, resource versions, server-side apply, dry run);
RFC 6902; RFC 7396 is not used.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar
from urllib.parse import urlencode

import msgspec

from portreeve.core.observation import MANAGER
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, PortreeveError, Stalled
from portreeve.kube.errors import Gone, Status, described, of_status, refusal
from portreeve.kube.identity import Identity
from portreeve.kube.kubeconfig import Connection
from portreeve.kube.resources import ACCESS_REVIEWS, Resource
from portreeve.transport.exchange import Request, Response
from portreeve.transport.streaming import Streaming

T = TypeVar("T")

FIELD_MANAGER: Final = MANAGER
"""Under which name the server records the fields that we set. One of the three marks of an object of ours."""

LEAST_PAGE: Final = 10
"""As many of the largest objects that a server stores are an answer that is read."""

DEEPEST: Final = 200
"""Levels of JSON that are read. No field of ours is as deep; `managedFields` may have 10,000, as somebody likes."""

PAGE: Final = 500
"""Objects of a list at once, as client-go has it: 5 MB of pods."""

LIST_ATTEMPTS: Final = 4
"""How often a list whose next page is gone begins anew. A page's version is kept for five minutes; losing four lists in
a row means that the server cannot give this one."""

LINE_BYTES: Final = 16 << 20
"""Of one event of a watch. etcd takes objects of 1.5 MiB; JSON with managed fields is a few times that."""

WATCH_WAIT_S: Final = 120.0
"""For each wait on a watch. The server sends a bookmark each minute; two missing ones are a connection that is gone."""

PLAIN: Final = "application/json"
METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

JsonPatch = Sequence[Mapping[str, Any]]
"""Operations of RFC 6902, in order."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects: of one namespace ("" for all), by fields and by labels, in the API's own notation."""

    namespace: str = ""
    fields: str = ""
    labels: str = ""

    def query(self) -> dict[str, str]:
        """As parameters of a list or a watch."""
        given = {"fieldSelector": self.fields, "labelSelector": self.labels}
        return {name: value for name, value in given.items() if value}


EVERYTHING: Final = Selection()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list, and the version that the whole list is of. `first` is true when a list begins, also anew."""

    items: list[T]
    resource_version: str
    first: bool


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[T]):
    """One line of a watch: `ADDED`, `MODIFIED` or `DELETED` with its object, `BOOKMARK` with a version alone."""

    type: str
    object: T | None
    resource_version: str


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """What a write brought. `created` tells 201 from 200; `warnings` is the header as it came, for looking names up."""

    object: T
    created: bool
    warnings: str = ""


class _ListMeta(msgspec.Struct, gc=False, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct, Generic[T], gc=False):
    items: list[T] | None = None
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


class _Line(msgspec.Struct, gc=False):
    type: str
    object: msgspec.Raw


class _Change(msgspec.Struct, Generic[T], gc=False):
    type: str
    object: T


class _Version(msgspec.Struct, gc=False, rename="camel"):
    resource_version: str = ""


class _Versioned(msgspec.Struct, gc=False):
    metadata: _Version = msgspec.field(default_factory=_Version)


class _VersionInfo(msgspec.Struct, gc=False, rename="camel"):
    git_version: str = ""


class _ReviewStatus(msgspec.Struct, gc=False):
    allowed: bool = False


class _Review(msgspec.Struct, gc=False):
    status: _ReviewStatus = msgspec.field(default_factory=_ReviewStatus)


_CHANGES: Final = tuple(b'{"type":"%s"' % word for word in (b"ADDED", b"MODIFIED", b"DELETED"))
"""How the server begins a line whose object is whole; it is read in one go. Any other line is looked into first."""

_LINE: Final = msgspec.json.Decoder(_Line)
_VERSIONED: Final = msgspec.json.Decoder(_Versioned)
_STATUS: Final = msgspec.json.Decoder(Status)


class Client:
    """One cluster, one identity. Use it in `async with`; many tasks of one event loop may share it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._session: Streaming | None = None
        self._shown: Identity | None = None
        self._older: list[Streaming] = []
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connections, those of watches too."""
        ending, self._session, self._older = [*self._older, self._session], None, []
        for session in ending:
            if session is not None:
                await session.close()

    # Reading

    async def version(self) -> str:
        """The server's version as it tells it: "v1.36.3". Raises: as `get`."""
        response = await self._asked("get version", "GET", "/version")
        return self._decoded(response, _VersionInfo, "get version").git_version

    async def get(self, resource: Resource, name: str, into: type[T], *, namespace: str = "", accept: str = PLAIN) -> T:
        """One object.

        Raises:
            NotFound: `kube_not_found`. Denied: `kube_forbidden`. Unauthenticated: `kube_unauthorized`.
            Throttled: `kube_throttled`. Unavailable: `kube_unavailable`, and what the transport says.
            Invalid: what the connection's identity says. Stalled: `kube_answer`: it is not of the shape that we know.
        """
        what = described("get", resource.plural, name, namespace)
        response = await self._asked(what, "GET", resource.path(namespace=namespace, name=name), accept=accept)
        return self._decoded(response, into, what)

    async def pages(
        self,
        resource: Resource,
        into: type[T],
        selection: Selection = EVERYTHING,
        *,
        accept: str = PLAIN,
        limit: int = PAGE,
        not_older_than: str = "",
    ) -> AsyncGenerator[Page[T]]:
        """A list, page by page, all of one version: the most recent one, or any that is not older than the given one.

        A page that `first` marks begins the list, also when it has to begin anew: what came before it is void.

        Raises:
            As `get`. Gone: `kube_gone`: its pages were gone each time.
            Unavailable: `kube_version_ahead`: the server has nothing as new as `not_older_than`.
        """
        what = described("list", resource.plural, namespace=selection.namespace)
        path = resource.path(namespace=selection.namespace)
        query = selection.query()
        if not_older_than:
            query |= {"resourceVersion": not_older_than, "resourceVersionMatch": "NotOlderThan"}
        attempts, further = 1, ""
        while True:
            asked = query if not further else selection.query() | {"continue": further}
            try:
                response = await self._asked(what, "GET", path, query=asked | {"limit": str(limit)}, accept=accept)
            except Stalled as error:
                if error.code != "answer_too_large" or limit <= LEAST_PAGE:
                    raise
                # A few hundred objects as large as they may be: whoever makes them must not blind us.
                limit = max(LEAST_PAGE, limit // 8)
                continue
            except Gone:
                if not further or attempts == LIST_ATTEMPTS:
                    raise
                attempts, further = attempts + 1, ""
                continue
            read = self._decoded(response, _List[into], what)  # type: ignore[valid-type]
            yield Page(read.items or [], read.metadata.resource_version, first=not further)
            further = read.metadata.continue_
            if not further:
                return

    async def list(
        self, resource: Resource, into: type[T], selection: Selection = EVERYTHING, *, accept: str = PLAIN
    ) -> list[T]:
        """All objects at once; for what is few. Raises: as `pages`."""
        found: list[T] = []
        async with aclosing(self.pages(resource, into, selection, accept=accept)) as pages:
            async for page in pages:
                found = [] if page.first else found
                found += page.items
        return found

    async def watch(
        self,
        resource: Resource,
        into: type[T],
        selection: Selection = EVERYTHING,
        *,
        resource_version: str,
        timeout_s: int,
        accept: str = PLAIN,
    ) -> AsyncGenerator[WatchEvent[T]]:
        """What changes after a version, with bookmarks, until the server ends it after about `timeout_s`.

        Use it in `aclosing`. An object that came in part, as the connection ended within it, is not given.

        Raises:
            As `get`. Gone: `kube_gone`, as an answer or within the stream: list again. Unavailable: `no_answer`: the
            connection ended early, or nothing came for two minutes.
        """
        what = described("watch", resource.plural, namespace=selection.namespace)
        query = selection.query() | {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_s),
        }
        async with aclosing(self._lines(what, resource.path(namespace=selection.namespace), query, accept)) as lines:
            async for line in lines:
                yield self._event(line, into, what)

    def _event(self, line: bytes, into: type[T], what: str) -> WatchEvent[T]:
        try:
            if line.startswith(_CHANGES):
                change: _Change[T] = self._decoder(_Change[into]).decode(line)  # type: ignore[valid-type]
                return WatchEvent(change.type, change.object, _version_of(change.object))
            event = _LINE.decode(line)
            if event.type == "ERROR":
                status = _STATUS.decode(event.object)
                raise of_status(what, status.code, status)
            version = _VERSIONED.decode(event.object).metadata.resource_version
            given = None if event.type == "BOOKMARK" else self._decoder(into).decode(event.object)
        except (msgspec.DecodeError, UnicodeDecodeError):
            fault = _unreadable(what)
        except RecursionError:
            return self._event(_shallow(line), into, what)
        else:
            return WatchEvent(event.type, given, version)
        raise fault

    async def _lines(self, what: str, path: str, query: Mapping[str, str], accept: str) -> AsyncGenerator[bytes]:
        """Whole lines of a watch's answer."""
        for again in (True, False):
            session, request = await self._prepared("GET", path, query, accept)
            async with session.opened(request, wait_s=WATCH_WAIT_S) as answer:
                if answer.status != 200:
                    body = await _bounded(answer.pieces())
                    if answer.status == 401 and again and self.connection.identity.refused():
                        continue
                    raise refusal(what, answer.status, answer.headers, body)
                rest = bytearray()
                async with aclosing(answer.pieces()) as pieces:
                    async for piece in pieces:
                        rest += piece
                        if len(rest) > LINE_BYTES:
                            raise _unreadable(what)
                        *whole, last = bytes(rest).split(b"\n")
                        rest = bytearray(last)
                        for line in whole:
                            if line:
                                yield line
                return

    async def can_i(
        self, verb: str, resource: Resource, *, name: str = "", namespace: str = "", subresource: str = ""
    ) -> bool:
        """Whether we may do this; the server decides and nothing is done. Raises: as `get`."""
        attributes = {
            "verb": verb,
            "group": resource.group,
            "version": resource.version,
            "resource": resource.plural,
            "subresource": subresource,
            "name": name,
            "namespace": namespace,
        }
        review = {
            "apiVersion": ACCESS_REVIEWS.api_version,
            "kind": ACCESS_REVIEWS.kind,
            "spec": {"resourceAttributes": attributes},
        }
        return (await self.create(ACCESS_REVIEWS, review, _Review)).object.status.allowed

    # Writing

    async def create(
        self,
        resource: Resource,
        manifest: Mapping[str, Any],
        into: type[T],
        *,
        namespace: str = "",
        dry_run: bool = False,
    ) -> Answered[T]:
        """A new object.

        Raises:
            As `get`. Exists: `kube_exists`. NamespaceEnding: `kube_namespace_ending`. RefusedByAdmission:
            `kube_admission`. Invalid: `kube_invalid`. Denied: also `kube_quota`.
        """
        what = described("create", resource.plural, namespace=namespace)
        path = resource.path(namespace=namespace)
        return await self._written(what, "POST", path, _encoded(manifest), into, query=_dry(dry_run))

    async def apply(
        self, resource: Resource, manifest: Mapping[str, Any], into: type[T], *, dry_run: bool = False
    ) -> Answered[T]:
        """Server-side apply as `portreeve`: made if it is not there. `metadata.uid` and `resourceVersion` in the
        manifest are conditions.

        Raises:
            As `create`. Conflict: `kube_conflict`: a condition does not hold, or a field is another manager's.
        """
        return await self._applied(resource, manifest, into, _dry(dry_run))

    async def unsafe_force_apply(
        self, resource: Resource, manifest: Mapping[str, Any], into: type[T], *, dry_run: bool = False
    ) -> Answered[T]:
        """As `apply`, taking fields from other managers. Only for objects that are ours, with `uid` and
        `resourceVersion` as conditions. Raises: as `apply`; Invalid: `kube_force`: a condition is missing.
        """
        metadata = manifest["metadata"]
        if not metadata.get("uid") or not metadata.get("resourceVersion"):
            raise Invalid("kube_force", "an apply by force names neither UID nor version", hint="read the object first")
        return await self._applied(resource, manifest, into, {"force": "true"} | _dry(dry_run))

    async def _applied(
        self, resource: Resource, manifest: Mapping[str, Any], into: type[T], query: Mapping[str, str]
    ) -> Answered[T]:
        name, namespace = manifest["metadata"]["name"], manifest["metadata"].get("namespace", "")
        what = described("apply", resource.plural, name, namespace)
        path = resource.path(namespace=namespace, name=name)
        return await self._written(
            what, "PATCH", path, _encoded(manifest), into, query=query, content_type="application/apply-patch+yaml"
        )

    async def patch(
        self,
        resource: Resource,
        name: str,
        operations: JsonPatch,
        into: type[T],
        *,
        namespace: str = "",
        dry_run: bool = False,
    ) -> Answered[T]:
        """A JSON Patch, whole or not at all.

        Raises:
            As `create`. Invalid: `kube_invalid`, which also is what the server answers when a `test` fails.
        """
        what = described("patch", resource.plural, name, namespace)
        path = resource.path(namespace=namespace, name=name)
        body = _encoded(list(operations))
        return await self._written(
            what, "PATCH", path, body, into, query=_dry(dry_run), content_type="application/json-patch+json"
        )

    async def delete(
        self,
        resource: Resource,
        name: str,
        *,
        uid: str,
        resource_version: str,
        namespace: str = "",
        dry_run: bool = False,
    ) -> None:
        """Delete the object if it still is that one, at that version.

        Raises:
            As `get`. Conflict: `kube_conflict`: it is another one, or has changed.
        """
        what = described("delete", resource.plural, name, namespace)
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid, "resourceVersion": resource_version},
            "propagationPolicy": "Background",
            # Not in the query: the server does not read that when there is a body, and would delete.
            "dryRun": ["All"] if dry_run else [],
        }
        path = resource.path(namespace=namespace, name=name)
        await self._asked(what, "DELETE", path, body=_encoded(options), content_type=PLAIN)

    # How it is asked

    async def _written(
        self,
        what: str,
        method: str,
        path: str,
        body: SecretValue,
        into: type[T],
        *,
        query: Mapping[str, str],
        content_type: str = PLAIN,
    ) -> Answered[T]:
        query = {"fieldManager": FIELD_MANAGER, **query}
        response = await self._asked(what, method, path, query=query, body=body, content_type=content_type)
        return Answered(
            self._decoded(response, into, what), response.status == 201, response.headers.get("warning", "")
        )

    async def _asked(
        self,
        what: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: SecretValue | None = None,
        content_type: str = "",
        accept: str = PLAIN,
    ) -> Response:
        for again in (True, False):
            session, request = await self._prepared(method, path, query or {}, accept, body, content_type)
            response = await session.send(request)
            if response.status < 300:
                return response
            if response.status == 401 and again and self.connection.identity.refused():
                continue
            raise refusal(what, response.status, response.headers, response.body.reveal())
        raise AssertionError("the second answer was returned or raised")

    async def _prepared(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        accept: str,
        body: SecretValue | None = None,
        content_type: str = "",
    ) -> tuple[Streaming, Request]:
        identity = await self.connection.identity.current()
        headers: dict[str, str | SecretValue] = {"Accept": accept}
        if content_type:
            headers["Content-Type"] = content_type
        if identity.token is not None:
            headers["Authorization"] = SecretValue(b"Bearer " + identity.token.reveal())
        url = f"{self.connection.server}{path}" + (f"?{urlencode(query)}" if query else "")
        return await self._session_of(identity), Request(method, url, headers, body or SecretValue(b""))

    async def _session_of(self, identity: Identity) -> Streaming:
        """The session that shows this certificate; the one before it stays open for what runs on it."""
        shown = self._shown.certificate if self._shown else None
        if self._session is not None and shown is not identity.certificate:
            ending, self._older, self._session = self._older, [self._session], None
            for older in ending:
                await older.close()
        if self._session is None:
            self._session = Streaming(
                self.connection.server,
                self.connection.trust,
                certificate=identity.certificate,
                server_name=self.connection.server_name,
            )
        self._shown = identity
        return self._session

    def _decoder(self, into: Any) -> msgspec.json.Decoder[Any]:
        found = self._decoders.get(into)
        if found is None:
            found = self._decoders[into] = msgspec.json.Decoder(into, dec_hook=_secret)
        return found

    def _decoded(self, response: Response, into: type[T], what: str) -> T:
        decoder = self._decoder(into)
        try:
            try:
                read: T = decoder.decode(response.body.reveal())
            except RecursionError:
                read = decoder.decode(_shallow(response.body.reveal()))
        except (msgspec.DecodeError, UnicodeDecodeError):
            # The library's message names a path within the answer, and sometimes a value.
            fault = _unreadable(what)
        else:
            return read
        raise fault


_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{]|[\]}]', re.DOTALL)


def _shallow(data: bytes) -> bytes:
    """JSON with what is deeper than `DEEPEST` emptied: else one object that nests keeps all others from being read."""
    pieces, depth, kept = [], 0, 0
    for token in _TOKENS.finditer(data):
        match token[0]:
            case b"[" | b"{":
                depth += 1
                if depth == DEEPEST + 1:
                    pieces.append(data[kept : token.end()])
            case b"]" | b"}":
                if depth == DEEPEST + 1:
                    kept = token.start()
                depth -= 1
    return b"".join((*pieces, data[kept:]))


def _encoded(value: Any) -> SecretValue:
    """The body of a write; JSON is YAML, which an apply is said to be. Secret values are revealed here alone."""
    return SecretValue(json.dumps(value, default=_revealed, separators=(",", ":")))


def _revealed(value: object) -> str:
    if isinstance(value, SecretValue):
        return value.reveal().decode()
    raise TypeError(f"{type(value).__name__} has no place in an object")


def _version_of(item: Any) -> str:
    """The version of an object, in a struct or in a mapping."""
    version: str = item["metadata"]["resourceVersion"] if isinstance(item, dict) else item.metadata.resource_version
    return version


def _secret(wanted: type, value: Any) -> Any:
    """A value of a Secret's `data`, out of base64 and into its type."""
    if wanted is SecretValue:
        return SecretValue(base64.b64decode(value))
    # What msgspec asks of a hook that does not know a type; only a type of ours that we forgot gets here.
    raise NotImplementedError(wanted.__name__)


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


async def _bounded(pieces: AsyncIterator[bytes]) -> bytes:
    """The beginning of a refusal; a `Status` has a few hundred bytes."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > 1 << 20:
            break
    return bytes(body)


def _unreadable(what: str) -> PortreeveError:
    return Stalled(
        "kube_answer", f"{what}: the answer is not of the shape that we know", hint="see that this is an API server"
    )
