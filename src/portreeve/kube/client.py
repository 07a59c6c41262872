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

import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import msgspec

from portreeve.core.observation import MANAGER
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Stalled
from portreeve.kube.answers import Answered, Decoders, Listed, Page, WatchEvent
from portreeve.kube.asking import PLAIN, Asking
from portreeve.kube.errors import Gone, described
from portreeve.kube.kubeconfig import Connection
from portreeve.kube.resources import ACCESS_REVIEWS, Resource

T = TypeVar("T")

FIELD_MANAGER: Final = MANAGER
"""Under which name the server records the fields that we set. One of the three marks of an object of ours."""

LEAST_PAGE: Final = 10
"""As many of the largest objects that a server stores are an answer that is read."""

PAGE: Final = 500
"""Objects of a list at once, as client-go has it: 5 MB of pods."""

LIST_ATTEMPTS: Final = 4
"""How often a list whose next page is gone begins anew. A page's version is kept for five minutes; losing four lists in
a row means that the server cannot give this one."""

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


class _VersionInfo(msgspec.Struct, gc=False, rename="camel"):
    git_version: str = ""


class _ReviewStatus(msgspec.Struct, gc=False):
    allowed: bool = False


class _Review(msgspec.Struct, gc=False):
    status: _ReviewStatus = msgspec.field(default_factory=_ReviewStatus)


class Client:
    """One cluster, one identity. Use it in `async with`; many tasks of one event loop may share it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        # Watches have a session of their own: a pool looks through all its connections for each request.
        self._asking, self._watching = Asking(connection), Asking(connection)
        self._decoders = Decoders()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connections, those of watches too."""
        await self._asking.close()
        await self._watching.close()

    # Reading

    async def version(self) -> str:
        """The server's version as it tells it: "v1.36.3". Raises: as `get`."""
        response = await self._asking.asked("get version", "GET", "/version")
        return self._decoders.decoded(response, _VersionInfo, "get version").git_version

    async def get(self, resource: Resource, name: str, into: type[T], *, namespace: str = "", accept: str = PLAIN) -> T:
        """One object.

        Raises:
            NotFound: `kube_not_found`. Denied: `kube_forbidden`. Unauthenticated: `kube_unauthorized`.
            Throttled: `kube_throttled`. Unavailable: `kube_unavailable`, and what the transport says.
            Invalid: what the connection's identity says. Stalled: `kube_answer`: it is not of the shape that we know.
        """
        what = described("get", resource.plural, name, namespace)
        response = await self._asking.asked(what, "GET", resource.path(namespace=namespace, name=name), accept=accept)
        return self._decoders.decoded(response, into, what)

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
            asked = {"limit": str(limit)} | (query if not further else selection.query() | {"continue": further})
            try:
                response = await self._asking.asked(what, "GET", path, query=asked, accept=accept)
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
            read = self._decoders.decoded(response, Listed[into], what)  # type: ignore[valid-type]
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
        async with aclosing(
            self._watching.lines(what, resource.path(namespace=selection.namespace), query, accept)
        ) as lines:
            async for line in lines:
                yield self._decoders.event(line, into, what)

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
        self,
        resource: Resource,
        manifest: Mapping[str, Any],
        into: type[T],
        *,
        dry_run: bool = False,
        subresource: str = "",
        accept: str = PLAIN,
    ) -> Answered[T]:
        """Server-side apply as `portreeve`: made if it is not there, but for a subresource. `metadata.uid` and
        `resourceVersion` in the manifest are conditions.

        Raises:
            As `create`. Conflict: `kube_conflict`: a condition does not hold, or a field is another manager's.
        """
        return await self._applied(resource, manifest, into, _dry(dry_run), subresource, accept)

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
        self,
        resource: Resource,
        manifest: Mapping[str, Any],
        into: type[T],
        query: Mapping[str, str],
        subresource: str = "",
        accept: str = PLAIN,
    ) -> Answered[T]:
        name, namespace = manifest["metadata"]["name"], manifest["metadata"].get("namespace", "")
        what = described("apply", resource.plural, name, namespace)
        path = resource.path(namespace=namespace, name=name, subresource=subresource)
        return await self._written(
            what,
            "PATCH",
            path,
            _encoded(manifest),
            into,
            query=query,
            content_type="application/apply-patch+yaml",
            accept=accept,
        )

    async def patch(
        self,
        resource: Resource,
        name: str,
        operations: JsonPatch,
        into: type[T],
        *,
        namespace: str = "",
        manager: str = FIELD_MANAGER,
        dry_run: bool = False,
    ) -> Answered[T]:
        """A JSON Patch, whole or not at all. `manager` is whom the server records as the one who set the fields.

        Raises:
            As `create`. Invalid: `kube_invalid`, which also is what the server answers when a `test` fails.
        """
        what = described("patch", resource.plural, name, namespace)
        path = resource.path(namespace=namespace, name=name)
        body = _encoded(list(operations))
        return await self._written(
            what,
            "PATCH",
            path,
            body,
            into,
            query={"fieldManager": manager, **_dry(dry_run)},
            content_type="application/json-patch+json",
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
        await self._asking.asked(what, "DELETE", path, body=_encoded(options), content_type=PLAIN)

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
        accept: str = PLAIN,
    ) -> Answered[T]:
        query = {"fieldManager": FIELD_MANAGER, **query}
        response = await self._asking.asked(
            what, method, path, query=query, body=body, content_type=content_type, accept=accept
        )
        return Answered(
            self._decoders.decoded(response, into, what), response.status == 201, response.headers.get("warning", "")
        )


def _encoded(value: Any) -> SecretValue:
    """The body of a write; JSON is YAML, which an apply is said to be. Secret values are revealed here alone."""
    try:
        data = _ENCODER.encode(value)
    except UnicodeEncodeError:
        # Half of a surrogate pair. The server says what it thinks of it: JSON may have one, YAML may not.
        data = json.dumps(value, default=_revealed, separators=(",", ":")).encode()
    if not data.isascii() or b"\x7f" in data:
        data = _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", data.decode()).encode()
    return SecretValue(data)


def _revealed(value: object) -> str:
    if isinstance(value, SecretValue):
        return value.reveal().decode()
    raise TypeError(f"{type(value).__name__} has no place in an object")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_revealed)
"""Takes a tenth of the time of the standard library's; and its escapes of what is beyond U+FFFF are no YAML."""

_NOT_IN_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What JSON lets stand, and YAML refuses or folds; in JSON it is within strings. Source: YAML 1.2, 5.1 and 5.4."""


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}
