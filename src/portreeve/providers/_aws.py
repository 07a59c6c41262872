"""What both registries of AWS need: who signs (a key, or a role that it assumes), and one call of a JSON service.

A role is assumed by AWS Security Token Service with the stored key, for the shortest time that it allows; what it
gives is used at once and kept nowhere. Its answer is XML, of which three fields are read by their exact form and
nothing is parsed.

Left out: web identities (they need a token of somebody else's, fresh each time), and Roles Anywhere, which signs with a
certificate.
Sources: AWS Security Token Service API Reference, AssumeRole; Amazon ECR API Reference, Common Errors.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from portreeve.core.credential import Login
from portreeve.core.secret import SecretValue
from portreeve.errors import NotFound, PortreeveError
from portreeve.providers._answers import (
    Failures,
    asked,
    failed,
    form,
    mapping,
    moment,
    parsed,
    secret,
    stored_word,
    text,
)
from portreeve.providers.contract import Field, Method, Minted, Outside, Stored
from portreeve.transport.exchange import Request, Response
from portreeve.transport.sigv4 import Credentials, signed

LIFE: Final = timedelta(hours=12)
"""Source: Amazon ECR API Reference, GetAuthorizationToken."""

MARGIN: Final = timedelta(seconds=600)
"""A token is reported as ending this much early, as some have been seen to (kubernetes/kubernetes#69141)."""

SESSION: Final = "portreeve"
"""The name of an assumed role's session, which stands in CloudTrail."""

SESSION_S: Final = 900
"""Seconds that an assumed role is used. Source: STS, the least that AssumeRole takes."""

KEY_ID: Final = Field(
    "accessKeyId", "Access key id", pattern="[A-Z0-9]{16,128}", example="AKIAIOSFODNN7EXAMPLE", hint="begins with AKIA"
)
ROLE: Final = (
    Field(
        "roleArn",
        "Role",
        pattern=r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,576}",
        example="arn:aws:iam::123456789012:role/pull",
    ),
    Field(
        "externalId",
        "External id",
        required=False,
        pattern=r"[A-Za-z0-9_+=,.@:/-]{2,1224}",
        hint="what the role's trust policy asks for (sts:ExternalId)",
    ),
)

_DENIED: Final = frozenset({
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature",
    "InvalidClientTokenId", "InvalidSignatureException", "MissingAuthenticationToken",
    "MissingAuthenticationTokenException", "NotAuthorized", "OptInRequired", "RegionDisabledException",
    "RequestExpired", "SignatureDoesNotMatch", "UnrecognizedClientException",
})  # fmt: skip
_THROTTLED: Final = frozenset({
    "LimitExceededException", "RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException",
})  # fmt: skip
_TRY_LATER: Final = frozenset({"InternalFailure", "ServerException", "ServiceUnavailable"})
_NOT_FOUND: Final = frozenset({"RegistryNotFoundException", "RepositoryNotFoundException"})


def methods(needs: tuple[str, ...], *more: Field) -> tuple[Method, ...]:
    """The two ways to sign in, with the least privileges of a registry."""
    return (
        Method(
            "aws-key",
            "Access key of an IAM user",
            "Secret access key",
            (KEY_ID, *more),
            ends=False,
            life=LIFE,
            needs=needs,
            advice="an access key never ends: rotate it, or assume a role with an external id",
        ),
        Method(
            "aws-role",
            "Role, assumed with an access key",
            "Secret access key",
            (KEY_ID, *ROLE, *more),
            ends=False,
            life=LIFE,
            needs=("sts:AssumeRole on the role, by the key", *(f"{need}, by the role" for need in needs)),
        ),
    )


@dataclass(frozen=True, slots=True)
class Service:
    """A JSON service of AWS: where it is, as what it is signed, and the prefix of its actions."""

    url: str
    region: str
    name: str
    target: str
    sts: str
    """Address of the security token service beside it."""


async def call(
    service: Service, action: str, fields: Mapping[str, object], stored: Stored, outside: Outside, failures: Failures
) -> Mapping[str, Any]:
    """What the service answers to an action.

    Raises:
        PortreeveError: as `failures` says. Invalid: `mint_secret`.
    """
    who = await _signer(service, stored, outside, failures)
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": f"{service.target}.{action}"}
    request = Request("POST", service.url, headers, SecretValue(json.dumps(fields)))
    request = signed(request, who, region=service.region, service=service.name, now=outside.now)
    response = await asked(outside, request, failures)
    if response.status == 400:
        raise _refused(_kind(response), response, failures)
    if response.status != 200:
        raise failed(response, failures)
    return mapping(parsed(response, failures))


def _kind(response: Response) -> str:
    """What a service calls its refusal, "" if it does not say so exactly once.

    The refusal is not read as JSON: some services write its message under two spellings of one name, which our reader
    refuses. They also write a namespace before the kind: "com.amazonaws.ecr#ThrottlingException".
    """
    found = re.findall(rb'"__type"\s*:\s*"(?:[A-Za-z0-9_.]{1,80}#)?([A-Za-z]{1,80})"', response.body.reveal())
    return found[0].decode() if len(found) == 1 else ""


async def _signer(service: Service, stored: Stored, outside: Outside, failures: Failures) -> Credentials:
    key = Credentials(stored.parameters.get("accessKeyId", ""), stored_word(stored.secret, failures.title))
    role = stored.parameters.get("roleArn", "")
    if stored.method != "aws-role" or not role:
        return key
    fields = {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": role,
        "RoleSessionName": SESSION,
        "DurationSeconds": str(SESSION_S),
    }
    if external := stored.parameters.get("externalId"):
        fields["ExternalId"] = external
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    request = Request("POST", service.sts, headers, form(fields))
    request = signed(request, key, region=service.region, service="sts", now=outside.now)
    return _assumed(await asked(outside, request, failures), failures)


def _assumed(response: Response, failures: Failures) -> Credentials:
    body = response.body.reveal().decode("utf-8", "replace")
    if response.status in {400, 403}:
        raise _refused(_between(body, "Code", "[A-Za-z.]{1,64}"), response, failures)
    if response.status != 200:
        raise failed(response, failures)
    key_id = _between(body, "AccessKeyId", "[A-Z0-9]{16,128}")
    if not key_id:
        raise failures.unreadable("the assumed role came without a key")
    word = "[A-Za-z0-9+/=_.-]{1,8192}"
    parts = [secret(_between(body, name, word), failures) for name in ("SecretAccessKey", "SessionToken")]
    return Credentials(key_id, *parts)


def _between(body: str, name: str, pattern: str) -> str:
    """The text of an element that is there exactly once, else ""."""
    found = re.findall(rf"<{name}>\s*({pattern})\s*</{name}>", body)
    return found[0] if len(found) == 1 else ""


def _refused(kind: str, response: Response, failures: Failures) -> PortreeveError:
    if kind in _DENIED or (not kind and response.status == 403):
        return failures.denied(f"AWS says {kind}" if kind else "AWS says 403")
    if kind in _THROTTLED:
        return failures.throttled(response)
    if kind in _TRY_LATER:
        return failures.unavailable(f"AWS says {kind}")
    if kind in _NOT_FOUND:
        return NotFound("browse_not_found", f"{failures.title} knows no such repository")
    return failures.unreadable(f"it answered {response.status}")


def minted(data: Mapping[str, Any], outside: Outside, failures: Failures) -> Minted:
    """The login in an authorization token; it is reported as ending MARGIN early, a tenth where its life is short.

    Raises:
        Stalled: there is none, or it has ended.
    """
    try:
        plain = base64.b64decode(text(data.get("authorizationToken"), 65536), validate=True)
        username, _, password = plain.decode("ascii").partition(":")
    except ValueError:
        username = password = ""
    if username != "AWS":
        raise failures.unreadable("there is no token in it")
    login = Login(username, secret(password, failures))
    ends = moment(data.get("expiresAt"))
    if ends is None:
        raise failures.unreadable("it does not say when the token ends")
    left = min(ends - outside.now, LIFE)
    if left < timedelta(seconds=60):
        raise failures.unreadable("the token has ended already, or ends within a minute")
    return Minted(login, outside.now + left - min(MARGIN, left / 10))
