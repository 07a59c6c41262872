"""A registry in memory, as an exchange: the OCI API with open, Basic or token access, and no socket.

    fake = FakeRegistry(Scheme.BEARER, logins={"portreeve": "secret"})
    client = Client(fake.origin, fake, login=…, realms=(), now=…, budget=Budget())

`asked` has every request as it came. Tokens are plain words that name what they allow. It does what
tests/oci/behaviour.py says of registries; the real ones are held against the same.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, urlsplit

from portreeve.core.secret import SecretValue
from portreeve.oci.manifests import OCI_INDEX
from portreeve.oci.model import Scheme
from portreeve.transport.exchange import Request, Response
from tests.fakes.images import digest_of

PATH = re.compile(r"/v2/(?P<name>.+?)/(?P<what>manifests|blobs|tags|referrers)/(?P<rest>.+)")


def plain(value: str | SecretValue) -> str:
    return value.reveal().decode() if isinstance(value, SecretValue) else value


def said(status: int, body: bytes = b"", **headers: str) -> Response:
    """An answer; header names with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"content-length": str(len(body)), **named}, SecretValue(body))


def refused(status: int, code: str, **headers: str) -> Response:
    body = json.dumps({"errors": [{"code": code, "message": "no", "detail": None}]}).encode()
    return said(status, body, content_type="application/json", **headers)


@dataclass
class FakeRegistry:
    """`logins`: user name → password, who may do everything; `readers` may pull. Nobody's may-pull is `anonymous`."""

    scheme: Scheme = Scheme.NONE
    logins: Mapping[str, str] = field(default_factory=dict)
    readers: Mapping[str, str] = field(default_factory=dict)
    anonymous: bool = False
    referrers_api: bool = True
    origin: str = "https://registry.example.com"
    realm: str = "https://registry.example.com/token"
    asked: list[Request] = field(default_factory=list)
    manifests: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=dict)
    """Repository → tag or digest → media type and content."""
    blobs: dict[str, bytes] = field(default_factory=dict)

    async def send(self, request: Request) -> Response:
        """The answer; see `AsyncExchange`."""
        self.asked.append(request)
        if request.url.split("?")[0] == self.realm:
            return self._token(request)
        parts = urlsplit(request.url)
        assert f"{parts.scheme}://{parts.netloc}" == self.origin, request.url
        action = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}.get(request.method, "push")
        if parts.path.endswith("/blobs/uploads/cancelled"):
            action = "push"
        refusal = self._refusal(request, parts.path, action)
        return refusal or self._answer(request, parts.path, parse_qs(parts.query))

    def _refusal(self, request: Request, path: str, action: str) -> Response | None:
        authorization = plain(request.headers.get("authorization", ""))
        repository = re.split("/(?:manifests|blobs|tags|referrers)/", path.removeprefix("/v2/"))[0]
        if self.scheme is Scheme.NONE:
            return None
        if self.scheme is Scheme.BASIC:
            rights = self._rights(authorization)
            if action in rights:
                return None
            return refused(401 if not rights else 403, "DENIED", www_authenticate='Basic realm="fake"')
        granted = authorization.removeprefix("Bearer ").split("|") if authorization.startswith("Bearer ") else []
        wanted = "registry:catalog:*" if path == "/v2/_catalog" else f"repository:{repository}:{action}"
        if (path == "/v2/" and granted) or wanted in granted:
            return None
        scope = "" if path == "/v2/" else f',scope="{wanted}"'
        return refused(
            401, "UNAUTHORIZED", www_authenticate=f'Bearer realm="{self.realm}",service="fake registry"{scope}'
        )

    def _rights(self, authorization: str) -> frozenset[str]:
        everything = frozenset({"pull", "push", "delete"})
        if not authorization.startswith("Basic "):
            return frozenset({"pull"}) if self.anonymous and not authorization else frozenset()
        name, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if self.logins.get(name) == password:
            return everything
        return frozenset({"pull"}) if self.readers.get(name) == password else frozenset()

    def _token(self, request: Request) -> Response:
        rights = self._rights(plain(request.headers.get("authorization", "")))
        if not rights and "authorization" in request.headers:
            return refused(401, "UNAUTHORIZED")
        granted = ["-"]
        for scope in parse_qs(urlsplit(request.url).query).get("scope", []):
            kind, name, actions = scope.split(":")
            if kind == "registry":
                granted += ["registry:catalog:*"] if rights else []
                continue
            granted += [f"{kind}:{name}:{action}" for action in actions.split(",") if action in rights]
        return said(200, json.dumps({"token": "|".join(granted), "expires_in": 300}).encode())

    def _answer(self, request: Request, path: str, query: Mapping[str, list[str]]) -> Response:
        if path == "/v2/":
            return said(200, b"{}", content_type="application/json")
        if path == "/v2/_catalog":
            return self._page("/v2/_catalog", "repositories", sorted(self.manifests), query)
        match = PATH.fullmatch(path)
        if match is None:
            return said(404, b"404 page not found")
        name, rest = match["name"], match["rest"]
        if match["what"] == "blobs":
            return self._blob(request, name, rest, query)
        if match["what"] == "manifests":
            return self._manifest(request, name, rest)
        if name not in self.manifests:
            return refused(404, "NAME_UNKNOWN")
        if match["what"] == "referrers":
            return self._referrers(name, rest)
        tags = sorted(each for each in self.manifests[name] if ":" not in each)
        return self._page(path, "tags", tags, query)

    def _page(self, path: str, key: str, names: list[str], query: Mapping[str, list[str]]) -> Response:
        number, last = int(query.get("n", ["100"])[0]), query.get("last", [""])[0]
        if number > 1000:
            return refused(400, "PAGINATION_NUMBER_INVALID")
        left = [name for name in names if name > last]
        page = left[:number]
        link = f'<{path}?n={number}&last={quote(page[-1])}>; rel="next"' if len(left) > number else ""
        body = json.dumps({"name": "x", key: page}).encode()
        return said(200, body, content_type="application/json", **({"link": link} if link else {}))

    def _blob(self, request: Request, name: str, rest: str, query: Mapping[str, list[str]]) -> Response:
        if request.method == "POST":
            return said(202, location=f"/v2/{name}/blobs/uploads/one?state=x")
        if request.method == "PUT":
            digest = query["digest"][0]
            content = request.body.reveal()
            if digest_of(content) != digest:
                return refused(400, "DIGEST_INVALID")
            self.blobs[digest] = content
            return said(201)
        if request.method == "DELETE":
            return said(204)
        found = self.blobs.get(rest)
        if found is None:
            return refused(404, "BLOB_UNKNOWN")
        return said(200, found if request.method == "GET" else b"", content_length=str(len(found)))

    def _manifest(self, request: Request, name: str, rest: str) -> Response:
        held = self.manifests.setdefault(name, {}) if request.method == "PUT" else self.manifests.get(name)
        if held is None:
            return refused(404, "NAME_UNKNOWN")
        if request.method == "PUT":
            content = request.body.reveal()
            held[rest] = held[digest_of(content)] = (plain(request.headers["content-type"]), content)
            return said(201, docker_content_digest=digest_of(content))
        if rest not in held:
            return refused(404, "MANIFEST_UNKNOWN")
        if request.method == "DELETE":
            gone = held.pop(rest)
            for each in [tag for tag, content in held.items() if ":" in rest and content == gone]:
                del held[each]
            return said(202)
        media_type, content = held[rest]
        body = content if request.method == "GET" else b""
        length = str(len(content))
        return said(200, body, content_type=media_type, docker_content_digest=digest_of(content), content_length=length)

    def _referrers(self, name: str, digest: str) -> Response:
        if not self.referrers_api:
            return said(404, b"404 page not found")
        listed = []
        for each, (media_type, content) in self.manifests[name].items():
            body = json.loads(content)
            if ":" in each and body.get("subject", {}).get("digest") == digest:
                entry = {"mediaType": media_type, "digest": each, "size": len(content)}
                listed.append({**entry, "artifactType": body.get("artifactType", "")})
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()
        return said(200, index, content_type=OCI_INDEX)
