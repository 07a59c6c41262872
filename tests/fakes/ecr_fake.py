"""Amazon ECR, ECR Public and STS in memory: signatures are verified, tokens end when the test says so.

The verification is written anew here from the specification, so that it agrees with ours only if both are right. A
request that is more than five minutes away from the fake's own clock is refused, as AWS does.

Source: AWS Identity and Access Management User Guide, "Create a signed AWS API request".
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from portreeve.core.secret import SecretValue
from portreeve.transport.exchange import Request, Response
from tests.fakes.network import form, header, says

ROLE = "arn:aws:iam::123456789012:role/pull"
_PROOF = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, "
    r"SignedHeaders=(?P<names>[^,]+), Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass
class FakeAws:
    """`keys` are access keys with their secrets; `external_id` is what the role's trust policy asks for."""

    now: datetime
    keys: dict[str, str]
    life: timedelta = timedelta(hours=12)
    external_id: str = "portreeve-1"
    account: str = "123456789012"
    repositories: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)
    """Access keys of sessions, with their session tokens."""
    token: str = "ecr-token-0123456789abcdef"

    async def send(self, request: Request) -> Response:
        self.asked.append(request)
        sts = urlsplit(request.url).netloc.startswith("sts.")
        refusal = self._refusal(request)
        if refusal:
            return _xml(403, f"<Code>{refusal}</Code>") if sts else says({"__type": f"com.amazon#{refusal}"}, 400)
        return self._assumed(request) if sts else self._answer(request)

    def _refusal(self, request: Request) -> str:
        """Why the signature does not count, "" if it does."""
        proof = _PROOF.fullmatch(header(request, "authorization"))
        if proof is None:
            return "MissingAuthenticationToken"
        secret = self.keys.get(proof["key"])
        if secret is None:
            return "UnrecognizedClientException"
        if proof["key"] in self.sessions and header(request, "x-amz-security-token") != self.sessions[proof["key"]]:
            return "UnrecognizedClientException"
        at = datetime.strptime(header(request, "x-amz-date"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(at - self.now) > timedelta(minutes=5) or proof["day"] != at.strftime("%Y%m%d"):
            return "InvalidSignatureException"
        expected = self._signature(request, proof, secret)
        return "" if hmac.compare_digest(expected, proof["signature"]) else "InvalidSignatureException"

    def _signature(self, request: Request, proof: re.Match[str], secret: str) -> str:
        url = urlsplit(request.url)
        names = proof["names"].split(";")
        lines = [f"{name}:{url.netloc if name == 'host' else header(request, name)}\n" for name in names]
        digest = hashlib.sha256(request.body.reveal()).hexdigest()
        canonical = "\n".join([request.method, url.path, url.query, "".join(lines), proof["names"], digest])
        scope = f"{proof['day']}/{proof['region']}/{proof['service']}/aws4_request"
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{header(request, 'x-amz-date')}\n{scope}\n{hashed}"
        key = f"AWS4{secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, text.encode(), "sha256").hex()

    def _assumed(self, request: Request) -> Response:
        fields = form(request)
        if fields["RoleArn"] != ROLE or fields.get("ExternalId", "") != self.external_id:
            return _xml(403, "<Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message>")
        key, secret, token = "ASIASESSION00000000A", "session/secret+key=", "session-token-0123456789"
        self.keys[key], self.sessions[key] = secret, token
        inner = f"<AccessKeyId>{key}</AccessKeyId>\n<SecretAccessKey>{secret}</SecretAccessKey>"
        return _xml(200, f"<Credentials>{inner}<SessionToken>{token}</SessionToken></Credentials>")

    def _answer(self, request: Request) -> Response:
        target, _, action = header(request, "x-amz-target").partition(".")
        fields = json.loads(request.body.reveal())
        ends = (self.now + self.life).timestamp()
        data = {"authorizationToken": base64.b64encode(f"AWS:{self.token}".encode()).decode(), "expiresAt": ends}
        if action == "GetAuthorizationToken":
            public = target == "SpencerFrontendService"
            return says({"authorizationData": data if public else [{**data, "proxyEndpoint": "https://x"}]})
        listed = {"DescribeRepositories": self._repositories, "DescribeImages": self._images,
                  "DescribeImageTags": self._public_tags}  # fmt: skip
        if action in listed:
            return listed[action](fields)
        return says({"__type": "InvalidParameterException"}, 400)

    def _repositories(self, fields: Mapping[str, Any]) -> Response:
        rows = [{"repositoryName": name, "repositoryUri": f"public.ecr.aws/acme/{name}"} for name in self.repositories]
        return _paged("repositories", rows, fields)

    def _images(self, fields: Mapping[str, Any]) -> Response:
        if fields["repositoryName"] not in self.repositories:
            return says({"__type": "RepositoryNotFoundException"}, 400)
        return _paged("imageDetails", self.repositories[fields["repositoryName"]], fields)

    def _public_tags(self, fields: Mapping[str, Any]) -> Response:
        rows = [{"imageTag": tag, "imageDetail": row} for row in self.repositories[fields["repositoryName"]]
                for tag in row["imageTags"]]  # fmt: skip
        return _paged("imageTagDetails", rows, fields)


def _paged(name: str, rows: list[Any], fields: Mapping[str, Any]) -> Response:
    start = int(str(fields.get("nextToken", "after 0")).removeprefix("after "))
    end = start + int(fields["maxResults"])
    return says({name: rows[start:end], **({"nextToken": f"after {end}"} if end < len(rows) else {})})


def _xml(status: int, inner: str) -> Response:
    return Response(status, {"content-type": "text/xml"}, SecretValue(f"<Answer>{inner}</Answer>"))
