"""A master key in AWS KMS.

The context goes into the encryption context, so KMS itself refuses a wrapped key that was moved. AWS writes encryption
contexts into CloudTrail in plain text: ours holds a project's unchanging id, an epoch and our own words, no secret.

A key is named by its ARN, never by an alias, which can be pointed at another key. `Decrypt` names the key as well, and
the answer must, although KMS would find it in the ciphertext: else whoever writes our database could hand us a key that
they wrapped themselves.

Needs: kms:Encrypt and kms:Decrypt on the key, which is symmetric (SYMMETRIC_DEFAULT).

Left out: credentials other than those handed in (roles of an instance or pod, web identity), grants, custom key stores,
and opening with a replica of a multi-Region key.

Sources: AWS KMS API Reference, Encrypt, Decrypt, Common Errors; AWS KMS Developer Guide, "Encryption context".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, PortreeveError
from portreeve.transport.exchange import Exchange, Request, Response
from portreeve.transport.sigv4 import Credentials, signed
from portreeve.vault.key_service import (
    answered,
    base64_bytes,
    denied,
    encoded_text,
    json_body,
    json_object,
    refused_ciphertext,
    unavailable,
    unexpected,
)

CONTEXT_NAME: Final = "portreeve"
"""The only name in our encryption contexts; key policies may ask for it (kms:EncryptionContextKeys)."""

_ARN: Final = re.compile(r"arn:(aws[a-z-]*):kms:([a-z0-9-]{4,32}):([0-9]{12}):key/([A-Za-z0-9-]{1,64})")
_DOMAINS: Final = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn"}

# KMS answers 400 to nearly everything; what it means stands in `__type`.
_DENIED: Final = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "RequestExpired",
    "UnrecognizedClientException",
}
_TRY_LATER: Final = {
    "DependencyTimeoutException",
    "InternalFailure",
    "KMSInternalException",
    "KeyUnavailableException",
    "LimitExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
}
_CIPHERTEXT: Final = {"IncorrectKeyException", "InvalidCiphertextException"}
_KEY: Final = {
    "DisabledException": "the answer that the key is disabled",
    "InvalidKeyUsageException": "the answer that the key is of another kind",
    "KMSInvalidStateException": "the answer that the key is disabled or will be deleted",
    "NotFoundException": "the answer that there is no such key",
}


@dataclass(frozen=True, slots=True)
class KmsKey:
    """A key of AWS KMS by its ARN. `endpoint` is "" for the public one of the ARN's region."""

    arn: str
    endpoint: str = ""

    def __post_init__(self) -> None:
        found = _ARN.fullmatch(self.arn)
        if found is None or (found[1] not in _DOMAINS and not self.endpoint):
            raise Invalid(
                "kms_key",
                "this is not the ARN of a key in AWS KMS, or its partition needs an endpoint",
                hint="name the key's own ARN, arn:aws:kms:<region>:<account>:key/<id>, not that of an alias",
            )

    @property
    def region(self) -> str:
        """Where the key lives."""
        return self.arn.split(":")[3]

    @property
    def url(self) -> str:
        """Where to ask."""
        partition = self.arn.split(":")[1]
        return self.endpoint or f"https://kms.{self.region}.{_DOMAINS[partition]}/"


@dataclass(frozen=True, slots=True, eq=False)
class KmsMasterKey:
    """A master key that KMS holds. `clock` gives the time of a signature: UTC, aware."""

    key: KmsKey
    credentials: Credentials = field(repr=False)
    exchange: Exchange = field(repr=False)
    clock: Callable[[], datetime] = field(repr=False)

    @property
    def key_id(self) -> str:
        """`awskms-` and the ARN, which KMS never uses twice."""
        return f"awskms-{self.key.arn}"

    def wrap(self, key: SecretValue, *, context: bytes) -> bytes:
        """`key` encrypted by KMS, bound to `context`."""
        answer = self._ask("Encrypt", {"Plaintext": encoded_text(key.reveal())}, context)
        blob = base64_bytes(answer.get("CiphertextBlob"))
        if not blob:
            raise unexpected(self.key.url, "no ciphertext")
        return blob

    def unwrap(self, wrapped: bytes, *, context: bytes) -> SecretValue:
        """What was wrapped; see `ports.MasterKey`.

        Raises:
            Denied: the credentials are not valid, or may not decrypt with this key.
        """
        answer = self._ask("Decrypt", {"CiphertextBlob": encoded_text(wrapped)}, context)
        plain = base64_bytes(answer.get("Plaintext"))
        if plain is None:
            raise unexpected(self.key.url, "no plaintext")
        return SecretValue(plain)

    def _ask(self, action: str, fields: Mapping[str, object], context: bytes) -> Mapping[str, Any]:
        place = {CONTEXT_NAME: encoded_text(context)}
        body = json_body({**fields, "KeyId": self.key.arn, "EncryptionContext": place})
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"TrentService.{action}"}
        request = Request("POST", self.key.url, headers, body)
        request = signed(request, self.credentials, region=self.key.region, service="kms", now=self.clock())
        response = answered(self.exchange, request)
        answer = self._successful(response)
        if answer.get("KeyId") != self.key.arn:
            raise unexpected(self.key.url, "an answer of another key than was asked")
        return answer

    def _successful(self, response: Response) -> Mapping[str, Any]:
        if response.status == 200:
            return json_object(response, self.key.url)
        if response.status != 400:
            raise unexpected(self.key.url, f"the status {response.status}")
        # Some services write a namespace before the name: "com.amazonaws.kms#NotFoundException".
        kind = str(json_object(response, self.key.url).get("__type", "")).rpartition("#")[2]
        raise self._failure(kind)

    def _failure(self, kind: str) -> PortreeveError:
        if kind in _DENIED:
            return denied(self.key.url)
        if kind in _TRY_LATER:
            return unavailable(self.key.url, f"answers {kind}")
        if kind in _CIPHERTEXT:
            return refused_ciphertext(self.key.url)
        return unexpected(self.key.url, _KEY.get(kind, "the status 400"))
