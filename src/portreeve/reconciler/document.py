"""A desired state as it came: which one it is, and its grants as the core's values, their credentials opened.

A credential that does not open keeps none of the others from being delivered: its grant has no login, and what was
delivered under its key before stays (`core.delivery`). Which ones those are is told beside the document.

Left out: whether the document is to be believed (`core.channel`), and its policy.

Source: server/desired/document.py, which writes it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from portreeve.core import channel
from portreeve.core.access_requests import Refusal
from portreeve.core.access_status import AccessGrant, Decisions
from portreeve.core.cluster import LabelSelector, NamespaceSelection, Operator, Requirement
from portreeve.core.credential import CredentialRef, Login, decode_login, source_of
from portreeve.core.delivery import DELIVERED, Document, DocumentGrant
from portreeve.core.policy import Delivery, DeliveryMode, ServiceAccounts, ServiceAccountSelection
from portreeve.errors import Invalid, PortreeveError
from portreeve.vault import sealing, signing
from portreeve.vault.agent_keys import body_digest
from portreeve.vault.sealing import OpeningKey
from portreeve.wire.channel import Signed

PURPOSE: Final = "desired state"
"""What the control plane's signature is for. Source: server/desired/document.py."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A document, and of each credential in it that did not open: its id → code of the error."""

    document: Document
    unopened: Mapping[str, str]


def judged(signed: Signed, key: bytes) -> channel.Document:
    """What a document says of itself, and whether this key of the control plane's has signed it.

    Raises:
        Invalid: `message_invalid`: it does not say which one it is.
    """
    found = signed.document
    try:
        not_after = datetime.strptime(found["notAfter"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        generation, written, previous = found["generation"], found["hash"], found["previousHash"]
        environment = found["environment"]
    except (KeyError, TypeError, ValueError):
        generation = None
    if type(generation) is not int or not all(isinstance(one, str) for one in (written, previous, environment)):
        raise Invalid("message_invalid", "a desired state does not say which one it is")
    proven = signing.verify(key, PURPOSE, signed.body, signed.signature)
    return channel.Document(environment, generation, written, previous, not_after, body_digest(signed.body), proven)


def opened(found: Mapping[str, Any], key: OpeningKey) -> Opened:
    """Read the grants of a document that is believed, and open what is sealed in them for `key`.

    Raises:
        Invalid: `message_invalid`: it does not have the shape that we know.
    """
    logins: dict[CredentialRef, Login] = {}
    unopened: dict[str, str] = {}
    try:
        environment, generation = str(found["environment"]), int(found["generation"])
        grants = tuple(
            _grant(grant, sealed)
            for grant in found["grants"]
            for sealed in [_Sealed(environment, generation, key, logins, unopened)]
        )
        ends = _time(found["notAfter"])
        document = Document(environment, generation, str(found["hash"]), grants, ends, _render_digest(found))
    except (KeyError, TypeError, ValueError, AttributeError):
        fault = Invalid(
            "message_invalid",
            "the grants of a desired state are not of the shape that this agent knows",
            hint="let the agent be of the control plane's release, or of the one after it",
        )
    else:
        return Opened(document, unopened)
    raise fault


def decisions(found: Mapping[str, Any]) -> Decisions:
    """What a document that is believed decides on requests for registries; it opens nothing.

    Raises:
        Invalid: `message_invalid`: it does not have the shape that we know.
    """
    try:
        grants = tuple(_access_grant(grant) for grant in found["grants"])
        refusals = tuple(_refusal(one) for one in found.get("requests", ()))
    except (KeyError, TypeError, ValueError, AttributeError):
        fault = Invalid(
            "message_invalid", "the decisions of a desired state are not of the shape that this agent knows"
        )
    else:
        return Decisions(grants, refusals)
    raise fault


def _access_grant(found: Mapping[str, Any]) -> AccessGrant:
    stated = found["credential"]
    return AccessGrant(
        str(found["owner"]),
        str(found["registry"]),
        tuple(map(str, found["keys"])),
        _selection(found["namespaces"]),
        DeliveryMode(found["delivery"]["mode"]) in DELIVERED,
        None if stated is None else CredentialRef(str(stated["id"]), int(stated["version"])),
    )


def _refusal(found: Mapping[str, Any]) -> Refusal:
    return Refusal(
        str(found["namespace"]), str(found["name"]), str(found["uid"]), int(found["generation"]), str(found["why"])
    )


@dataclass(frozen=True, slots=True)
class _Sealed:
    environment: str
    generation: int
    key: OpeningKey
    logins: dict[CredentialRef, Login]
    unopened: dict[str, str]

    def login(self, registry: str, credential: CredentialRef, text: str | None) -> Login | None:
        """The login of one version, opened once however many grants name it."""
        if text is None or credential.id in self.unopened:
            return None
        if credential not in self.logins:
            delivery = sealing.Delivery(self.environment, registry, credential.id, credential.version, self.generation)
            try:
                data = base64.b64decode(text, validate=True)
                self.logins[credential] = decode_login(sealing.open_sealed(data, delivery, self.key))
            except binascii.Error:
                self.unopened[credential.id] = "message_invalid"
                return None
            except PortreeveError as error:
                self.unopened[credential.id] = error.code
                return None
        return self.logins[credential]


def _grant(found: Mapping[str, Any], sealed: _Sealed) -> DocumentGrant:
    credential, login = None, None
    stated = found["credential"]
    if stated is not None:
        credential = CredentialRef(str(stated["id"]), int(stated["version"]), _time(stated["expiresAt"]))
        login = sealed.login(str(found["registry"]), credential, stated.get("sealed"))
    (key,) = found["keys"]
    return DocumentGrant(
        str(found["registry"]),
        source_of(str(key)),
        _selection(found["namespaces"]),
        Delivery(DeliveryMode(found["delivery"]["mode"]), _accounts(found["delivery"]["serviceAccounts"])),
        credential,
        login,
    )


def _accounts(found: Any) -> ServiceAccounts | ServiceAccountSelection:
    if isinstance(found, str):
        return ServiceAccounts(found)
    return ServiceAccountSelection(tuple(map(str, found["names"])), _selector(found["selector"]))


def _selection(found: Mapping[str, Any]) -> NamespaceSelection:
    return NamespaceSelection(tuple(map(str, found["names"])), _selector(found["selector"]))


def _selector(found: Mapping[str, Any] | None) -> LabelSelector | None:
    if found is None:
        return None
    labels = tuple((str(key), str(value)) for key, value in found["matchLabels"].items())
    return LabelSelector(labels, tuple(_requirements(found["matchExpressions"])))


def _requirements(found: Any) -> Iterator[Requirement]:
    for key, operator, values in found:
        yield Requirement(str(key), Operator(operator), tuple(map(str, values)))


def _render_digest(found: Mapping[str, Any]) -> str:
    return str((found["policy"] or {}).get("renderDigest") or "")


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
