"""A small synchronous Kubernetes client for tests, on the standard library.

It is not the product's client, on purpose: a test that reads back through the code under test proves little. It shows
what that code needs to be judged by: status, body, warnings, and the id under which the audit log knows the request.

Leaves out: watching, paging, retries of writes.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, Self, TypeVar

T = TypeVar("T")
Object = dict[str, Any]
Query = Mapping[str, str | list[str]]

DRY_RUN: Query = {"dryRun": "All"}
REQUEST_TIMEOUT_S = 60.0
"""As long as the API server itself gives a request."""


class Unexpected(AssertionError):
    """The API server answered otherwise than the test needs."""


@dataclass(frozen=True)
class Response:
    """What the API server answered.

    Args:
        body: the parsed JSON; the text if it was none; None if there was nothing.
        warnings: texts of the Warning headers, in order.
        audit_id: as in the audit log; empty if the server gave none.
    """

    status: int
    body: Any
    headers: Message
    warnings: tuple[str, ...]
    audit_id: str

    def json(self) -> Any:
        return self.body

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """Why it was refused, in the server's words; empty if it does not say."""
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else str(self.body or "")

    def expect(self, *statuses: int) -> Response:
        """This response, if its status is one of those; any 2xx if none are given.

        Raises:
            Unexpected: with what the server said.
        """
        if self.status in statuses if statuses else self.ok:
            return self
        wanted = " or ".join(map(str, statuses)) or "2xx"
        raise Unexpected(f"expected {wanted}, got {self.status}: {self.message or self.body}")


class KubeClient:
    """One connection to an API server, kept alive, as one user. Not for several threads at once.

    Args:
        certificate: files of certificate and key.
        token: bearer token; with neither, requests are anonymous.
    """

    def __init__(
        self, url: str, ca_file: Path, *, certificate: tuple[Path, Path] | None = None, token: str | None = None
    ) -> None:
        parts = urllib.parse.urlsplit(url)
        context = ssl.create_default_context(cafile=str(ca_file))
        if certificate is not None:
            context.load_cert_chain(*certificate)
        self._connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=REQUEST_TIMEOUT_S, context=context
        )
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._resources: dict[str, dict[str, tuple[str, bool]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request. A read on a connection that the server has closed meanwhile is sent again, a write never.

        Args:
            body: bytes and text go as they are, anything else as JSON.
            headers: further ones, such as Impersonate-User.
        """
        target = path + ("?" + urllib.parse.urlencode(query, doseq=True) if query else "")
        payload = body if body is None or isinstance(body, bytes | str) else json.dumps(body)
        payload = payload.encode() if isinstance(payload, str) else payload
        sent = {"Accept": "application/json", **self._headers, **(headers or {})}
        if payload is not None:
            sent["Content-Type"] = content_type
        try:
            return self._exchange(method, target, payload, sent)
        except ConnectionError:
            if method not in ("GET", "HEAD"):
                raise
            return self._exchange(method, target, payload, sent)

    def _exchange(self, method: str, target: str, payload: bytes | None, headers: Mapping[str, str]) -> Response:
        try:
            self._connection.request(method, target, payload, dict(headers))
            answer = self._connection.getresponse()
            text = answer.read().decode()
        except BaseException:
            self._connection.close()  # it may hold half an answer; the next request opens another
            raise
        return Response(
            status=answer.status,
            body=_parsed(text),
            headers=answer.headers,
            warnings=tuple(_warning_text(value) for value in answer.headers.get_all("Warning", [])),
            audit_id=answer.headers.get("Audit-Id", ""),
        )

    def path(self, api_version: str, kind: str, name: str = "", namespace: str = "", subresource: str = "") -> str:
        """The path of an object, or of its collection when the name is empty. Asks the server's discovery, once."""
        base = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
        if kind not in self._resources.get(api_version, {}):
            listed = self.request("GET", base).expect(200).body["resources"]
            self._resources[api_version] = {
                each["kind"]: (each["name"], each["namespaced"]) for each in listed if "/" not in each["name"]
            }
        if kind not in self._resources[api_version]:
            raise LookupError(f"the API server knows no {kind} in {api_version}")
        resource, namespaced = self._resources[api_version][kind]
        scope = f"/namespaces/{namespace or 'default'}" if namespaced else ""
        parts = [base + scope, resource, *([urllib.parse.quote(name, safe="")] if name else [])]
        return "/".join([*parts, *([subresource] if subresource else [])])

    def _path_of(self, obj: Object, *, collection: bool = False) -> str:
        metadata = obj["metadata"]
        name = "" if collection else metadata["name"]
        return self.path(obj["apiVersion"], obj["kind"], name, metadata.get("namespace", ""))

    def create(self, obj: Object, query: Query | None = None) -> Response:
        return self.request("POST", self._path_of(obj, collection=True), obj, query=query)

    def replace(self, obj: Object, query: Query | None = None) -> Response:
        return self.request("PUT", self._path_of(obj), obj, query=query)

    def server_side_apply(self, obj: Object, field_manager: str, query: Query | None = None) -> Response:
        """Apply an object. To take fields from other managers: `query={"force": "true"}`."""
        applied = {"fieldManager": field_manager, **(query or {})}
        return self.request("PATCH", self._path_of(obj), obj, "application/apply-patch+yaml", applied)

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Response:
        return self.request("GET", self.path(api_version, kind, name, namespace))

    def delete(self, obj: Object, query: Query | None = None) -> Response:
        return self.request("DELETE", self._path_of(obj), query=query)

    def wait_for(
        self, api_version: str, kind: str, name: str, namespace: str = "", timeout_s: float = 30.0
    ) -> Response:
        """Wait until an object is there."""

        def found() -> Response | None:
            response = self.get(api_version, kind, name, namespace)
            return response if response.status == 200 else None

        return wait_until(found, f"{kind} {namespace}/{name} to exist", timeout_s)


def wait_until(condition: Callable[[], T | None], what: str, timeout_s: float = 30.0) -> T:
    """Ask again until the condition gives something true, and return that.

    Raises:
        TimeoutError: naming what was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s:.0f} s for {what}")
        time.sleep(0.05)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _warning_text(header: str) -> str:
    """The text of `299 - "text"` (RFC 9111 before it was dropped, as Kubernetes still sends it)."""
    value = header.encode("latin-1").decode(errors="replace")
    _, quote, rest = value.partition('"')
    if not quote:
        return value
    text, escaped = [], False
    for character in rest:
        if character == '"' and not escaped:
            break
        escaped = character == "\\" and not escaped
        if not escaped:
            text.append(character)
    return "".join(text)
