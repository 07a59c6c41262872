"""The messages between an agent and the control plane: plain values ⇄ frozen ones, strict, each bounded.

An agent's report says what has changed since the one before. It names its own number: the control plane takes the one
behind that which it took last, or a whole one, so that nothing is lost and nothing is counted twice. What an agent says
is shown to people and judged, so every text has a limit and every list a length; unknown fields are refused.

Left out: the desired state, which the control plane builds from its own values (`server/desired`) and the agent takes
as a signed whole (`read_signed`).

Source: the design's documents, "The agent channel".
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from portreeve.core.access_requests import MAX_REASON, MOST_ACCOUNTS, MOST_REQUESTS, AccessRequest
from portreeve.core.namespace_view import MOST_LINES, MOST_NAMES, MOST_ROWS
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Problem

MOST_IMAGES: Final = 50_000
"""Lines of images in one report; a cluster of 10,000 pods has about as many."""
MOST_NAMESPACES: Final = 10_000
MOST_ENTRIES: Final = 4_000
"""Entries of one pull secret: its annotation, of 256 KB at most, names as many of the shortest."""
MOST_CONDITIONS: Final = 100
MOST_LABELS: Final = 1_000
"""Labels of one namespace. Kubernetes has no limit of its own, and whoever labels a namespace must not end reports."""
MAX_TEXT: Final = 1_024
MAX_NAME: Final = 253
MAX_NUMBER: Final = 2**53

_STATUS: Final = ("True", "False", "Unknown")
_WORD: Final = re.compile("[A-Za-z][A-Za-z0-9]{0,63}")
_CODE: Final = re.compile("[a-z][a-z0-9_]{0,63}")
_DIGEST: Final = re.compile("(?:sha256:[0-9a-f]{64})?")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")

Value = TypeVar("Value")
Fields = Mapping[str, tuple[bool, Callable[[Any, str], Any]]]
"""Name → whether it must be there, and how it is read."""


@dataclass(frozen=True, slots=True)
class Join:
    """What an agent enrols with. `sealing_key` is public, as the vault encodes it; `request` is PEM."""

    token: SecretValue
    request: str
    sealing_key: bytes
    cluster: str


@dataclass(frozen=True, slots=True)
class Joined:
    """What an agent gets: who it is, its certificate, the key that signs its documents, and whom to trust from now."""

    environment: str
    uid: str
    certificate: str
    trust: str
    signing_key: bytes = b""

    def document(self) -> dict[str, Any]:
        """As it is sent."""
        return {
            "environment": self.environment,
            "uid": self.uid,
            "certificate": self.certificate,
            "trust": self.trust,
            "signingKey": base64.b64encode(self.signing_key).decode("ascii"),
        }


@dataclass(frozen=True, slots=True)
class ImageLine:
    """One image that runs; `digest` is "" where it is not known."""

    namespace: str
    owner: str
    image: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What has changed in an environment since the report before; of a whole one, all there is.

    None means unchanged. `pull_secrets` hold what is in the namespaces named, `withdrawn` names those that have none
    any more. `inventory` replaces all that was said of each namespace that it names; one of which nothing else is said
    has nothing any more. An empty one says that the agent keeps an inventory, and that it is as before; a whole
    report without images and without an inventory is that of an agent that has not seen its cluster yet.
    `access_requests` are all of the cluster's; None means unchanged in a whole report, too.
    """

    number: int
    whole: bool
    generation: int
    conditions: tuple[Mapping[str, Any], ...] | None = None
    pull_secrets: tuple[Mapping[str, Any], ...] = ()
    withdrawn: tuple[str, ...] = ()
    images_added: tuple[ImageLine, ...] = ()
    images_removed: tuple[ImageLine, ...] = ()
    namespaces_added: tuple[Mapping[str, Any], ...] = ()
    namespaces_removed: tuple[str, ...] = ()
    capabilities: Mapping[str, Any] | None = None
    inventory: tuple[Mapping[str, Any], ...] | None = None
    access_requests: tuple[AccessRequest, ...] | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A desired state as it came: the signed bytes, the signature, and what the bytes say."""

    body: bytes
    signature: bytes
    document: Mapping[str, Any] = field(repr=False)


def join_document(join: Join) -> dict[str, Any]:
    """As an agent sends it; the one place where the token is in clear."""
    return {
        "token": join.token.reveal().decode("ascii"),
        "request": join.request,
        "sealingKey": base64.b64encode(join.sealing_key).decode("ascii"),
        "cluster": join.cluster,
    }


def read_join(value: Any) -> Join:
    """What an agent enrols with.

    Raises:
        Invalid: `message_invalid`, with the field and never with the token.
    """
    found = _record(
        {
            "token": (True, _text(512)),
            "request": (True, _text(4096)),
            "sealingKey": (True, _base64),
            "cluster": (True, _text(MAX_NAME)),
        }
    )(value, "")
    return Join(SecretValue(found["token"]), found["request"], found["sealingKey"], found["cluster"])


def read_joined(value: Any) -> Joined:
    """What an agent gets back.

    Raises:
        Invalid: `message_invalid`.
    """
    found = _record(
        {
            "environment": (True, _text(MAX_NAME)),
            "uid": (True, _text(64)),
            "certificate": (True, _text(16_384)),
            "trust": (True, _text(262_144)),
            "signingKey": (True, _base64),
        }
    )(value, "")
    return Joined(found["environment"], found["uid"], found["certificate"], found["trust"], found["signingKey"])


def read_renewal(value: Any) -> str:
    """The certificate request of a renewal.

    Raises:
        Invalid: `message_invalid`.
    """
    return str(_record({"request": (True, _text(4096))})(value, "")["request"])


def read_report(value: Any) -> Report:
    """What an agent has observed.

    Raises:
        Invalid: `message_invalid`, with the field.
    """
    found = _REPORT(value, "")
    images, namespaces = found.get("images", {}), found.get("namespaces", {})
    return Report(
        found["report"],
        found.get("whole", False),
        found["generation"],
        found.get("conditions"),
        found.get("pullSecrets", ()),
        found.get("withdrawn", ()),
        images.get("added", ()),
        images.get("removed", ()),
        namespaces.get("added", ()),
        namespaces.get("removed", ()),
        found.get("capabilities"),
        found.get("inventory"),
        found.get("accessRequests"),
    )


def report_document(report: Report) -> dict[str, Any]:
    """As an agent sends it: what is unchanged is left out."""
    found: dict[str, Any] = {"report": report.number, "generation": report.generation}
    if report.whole:
        found["whole"] = True
    if report.conditions is not None:
        found["conditions"] = [dict(one) for one in report.conditions]
    if report.pull_secrets:
        found["pullSecrets"] = [dict(one) for one in report.pull_secrets]
    if report.withdrawn:
        found["withdrawn"] = list(report.withdrawn)
    images = _changes([_line(one) for one in report.images_added], [_line(one) for one in report.images_removed])
    namespaces = _changes([dict(one) for one in report.namespaces_added], list(report.namespaces_removed))
    if images:
        found["images"] = images
    if namespaces:
        found["namespaces"] = namespaces
    if report.capabilities is not None:
        found["capabilities"] = dict(report.capabilities)
    if report.inventory is not None:
        found["inventory"] = [dict(one) for one in report.inventory]
    if report.access_requests is not None:
        found["accessRequests"] = [access_request_document(one) for one in report.access_requests]
    return found


def access_request_document(one: AccessRequest) -> dict[str, Any]:
    """A request as it is sent, and as it is kept."""
    return {
        "namespace": one.namespace,
        "name": one.name,
        "uid": one.uid,
        "generation": one.generation,
        "registry": one.registry,
        "mode": one.mode,
        "serviceAccounts": list(one.accounts),
        "reason": one.reason,
    }


def read_access_request(value: Any, at: str = "accessRequests[]") -> AccessRequest:
    """A request as it is sent, and as it is kept."""
    found = _ACCESS_REQUEST(value, at)
    return AccessRequest(
        found["namespace"],
        found["name"],
        found["uid"],
        found["generation"],
        found["registry"],
        found["mode"],
        found["serviceAccounts"],
        found["reason"],
    )


def read_signed(data: bytes) -> Signed:
    """A desired state; whether its signature is right is for whoever holds the key.

    Raises:
        Invalid: `message_invalid`.
    """
    try:
        whole = json.loads(data)
        document, signature = whole["document"], base64.b64decode(whole["signature"], validate=True)
        # The bytes that are signed are the canonical ones: a document has one form.
        body = json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")
    except (ValueError, TypeError, KeyError, RecursionError):
        document, signature, body = None, b"", b""
    if not isinstance(document, dict):
        raise _invalid((Problem("field_type", "is no signed document", "document"),))
    return Signed(body, signature, document)


class _Wrong(Exception):
    """Leaves the readers below; never leaves this module."""

    def __init__(self, code: str, message: str, field: str) -> None:
        super().__init__(message)
        self.problem = Problem(code, message, field)


def _invalid(problems: tuple[Problem, ...]) -> Invalid:
    return Invalid("message_invalid", "a message of the agents' channel cannot be read", problems=problems)


def _record(fields: Fields) -> Callable[[Any, str], dict[str, Any]]:
    """Reads an object with these fields and no others. At the top, what is wrong becomes `message_invalid`."""

    def read(value: Any, at: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise _Wrong("field_type", "must be an object", at)
        for name in value:
            if name not in fields:
                # Not repeated: it may be a secret in the wrong place.
                raise _Wrong("field_unknown", "holds a field that is not known", at)
        for name, (needed, _) in fields.items():
            if needed and name not in value:
                raise _Wrong("field_missing", "is missing", _under(at, name))
        return {name: fields[name][1](inner, _under(at, name)) for name, inner in value.items()}

    def outermost(value: Any, at: str) -> dict[str, Any]:
        if at:
            return read(value, at)
        try:
            return read(value, at)
        except _Wrong as wrong:
            raise _invalid((wrong.problem,)) from None

    return outermost


def _under(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _text(longest: int, form: re.Pattern[str] | None = None) -> Callable[[Any, str], str]:
    def read(value: Any, at: str) -> str:
        if not isinstance(value, str) or len(value) > longest:
            raise _Wrong("field_type", f"must be text of at most {longest:,} characters", at)
        if form is not None and form.fullmatch(value) is None:
            raise _Wrong("field_form", "does not have the form that it must have", at)
        if not value.isprintable() and form is None and "\n" not in value:
            raise _Wrong("field_form", "holds characters that cannot be shown", at)
        return value

    return read


def _number(value: Any, at: str) -> int:
    if type(value) is not int or not 0 <= value < MAX_NUMBER:
        raise _Wrong("field_type", "must be a whole number, and not negative", at)
    return value


def _switch(value: Any, at: str) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("field_type", "must be true or false", at)
    return value


def _base64(value: Any, at: str) -> bytes:
    try:
        return base64.b64decode(_text(8192)(value, at), validate=True)
    except (binascii.Error, ValueError):
        raise _Wrong("field_form", "must be base64", at) from None


def _or_null(inner: Callable[[Any, str], Value]) -> Callable[[Any, str], Value | None]:
    return lambda value, at: None if value is None else inner(value, at)


def _rows(inner: Callable[[Any, str], Value], most: int) -> Callable[[Any, str], tuple[Value, ...]]:
    def read(value: Any, at: str) -> tuple[Value, ...]:
        if not isinstance(value, list) or len(value) > most:
            raise _Wrong("field_type", f"must be a list of at most {most:,}", at)
        return tuple(inner(one, f"{at}[{number}]") for number, one in enumerate(value))

    return read


def _one_of(*words: str) -> Callable[[Any, str], str]:
    def read(value: Any, at: str) -> str:
        if value not in words or not isinstance(value, str):
            raise _Wrong("field_form", f"must be one of {', '.join(words)}", at)
        return value

    return read


def _labels(value: Any, at: str) -> dict[str, str]:
    if not isinstance(value, Mapping) or len(value) > MOST_LABELS:
        raise _Wrong("field_type", f"must be an object of at most {MOST_LABELS} texts", at)
    name = _text(317)
    return {name(key, at): name(inner, at) for key, inner in value.items()}


def _image(value: Any, at: str) -> ImageLine:
    found = _IMAGE(value, at)
    return ImageLine(found["namespace"], found["owner"], found["image"], found.get("digest", ""))


def _changes(added: list[Any], removed: list[Any]) -> dict[str, Any]:
    return {name: rows for name, rows in (("added", added), ("removed", removed)) if rows}


def _line(one: ImageLine) -> dict[str, str]:
    found = {"namespace": one.namespace, "owner": one.owner, "image": one.image}
    return found | ({"digest": one.digest} if one.digest else {})


_IMAGE: Final = _record(
    {
        "namespace": (True, _text(63)),
        "owner": (True, _text(320)),
        "image": (True, _text(MAX_TEXT)),
        "digest": (False, _text(71, _DIGEST)),
    }
)
_CONDITION: Final = _record(
    {
        "type": (True, _text(64, _WORD)),
        "status": (True, _one_of(*_STATUS)),
        "reason": (True, _text(64, _WORD)),
        "message": (False, _text(MAX_TEXT)),
        "observedGeneration": (False, _number),
        "lastTransitionTime": (False, _text(20, _TIME)),
    }
)
_ENTRY: Final = _record(
    {
        "registry": (True, _text(MAX_NAME)),
        "credential": (True, _text(64)),
        "version": (True, _number),
        "state": (True, _text(64, _WORD)),
        "expiresAt": (False, _or_null(_text(20, _TIME))),
    }
)
_PULL_SECRET: Final = _record(
    {
        "namespace": (True, _text(63)),
        "uid": (True, _text(64)),
        "entries": (True, _rows(_ENTRY, MOST_ENTRIES)),
        "conflict": (False, _or_null(_text(MAX_TEXT))),
        "phase": (False, _text(64, _WORD)),
    }
)
_WORKLOAD: Final = _record({"owner": (True, _text(320)), "image": (True, _text(MAX_TEXT))})
_REFERENCE: Final = _record(
    {
        "secret": (True, _text(MAX_NAME)),
        "pods": (True, _number),
        "owners": (True, _rows(_text(320), MOST_NAMES)),
        "serviceAccounts": (True, _rows(_text(MAX_NAME), MOST_NAMES)),
        "more": (True, _number),
    }
)
_KEPT: Final = _record(
    {"name": (True, _text(MAX_NAME)), "tool": (True, _text(64, _CODE)), "app": (True, _text(MAX_NAME))}
)
_MISSED: Final = _record({"owner": (True, _text(320)), "why": (True, _text(64, _CODE)), "pods": (True, _number)})
_PULL_FAILURE: Final = _record(
    {
        "owner": (True, _text(320)),
        "image": (True, _text(MAX_TEXT)),
        "cause": (True, _text(64, _CODE)),
        "count": (True, _number),
        "since": (False, _text(20, _TIME)),
    }
)
_INVENTORY: Final = _record(
    {
        "namespace": (True, _text(63)),
        "workloads": (False, _rows(_WORKLOAD, MOST_LINES)),
        "pullSecretReferences": (False, _rows(_REFERENCE, MOST_ROWS)),
        "serviceAccounts": (False, _rows(_KEPT, MOST_ROWS)),
        "missed": (False, _rows(_MISSED, MOST_ROWS)),
        "pullFailures": (False, _rows(_PULL_FAILURE, MOST_ROWS)),
        "registries": (False, _rows(_text(MAX_NAME), MOST_ROWS)),
        "leftOut": (False, _number),
    }
)
_ACCESS_REQUEST: Final = _record(
    {
        "namespace": (True, _text(63)),
        "name": (True, _text(MAX_NAME)),
        "uid": (True, _text(64)),
        "generation": (True, _number),
        "registry": (True, _text(MAX_NAME)),
        "mode": (True, _text(64)),
        "serviceAccounts": (True, _rows(_text(MAX_NAME), MOST_ACCOUNTS)),
        "reason": (True, _text(MAX_REASON)),
    }
)
_NAMESPACE: Final = _record({"name": (True, _text(63)), "labels": (False, _labels)})
_REPORT: Final = _record(
    {
        "report": (True, _number),
        "whole": (False, _switch),
        "generation": (True, _number),
        "environment": (False, _text(MAX_NAME)),
        "conditions": (False, _rows(_CONDITION, MOST_CONDITIONS)),
        "pullSecrets": (False, _rows(_PULL_SECRET, MOST_NAMESPACES)),
        "withdrawn": (False, _rows(_text(63), MOST_NAMESPACES)),
        "images": (
            False,
            _record({"added": (False, _rows(_image, MOST_IMAGES)), "removed": (False, _rows(_image, MOST_IMAGES))}),
        ),
        "namespaces": (
            False,
            _record(
                {
                    "added": (False, _rows(_NAMESPACE, MOST_NAMESPACES)),
                    "removed": (False, _rows(_text(63), MOST_NAMESPACES)),
                }
            ),
        ),
        "capabilities": (
            False,
            _record({"kubernetes": (False, _text(64)), "mutatingAdmissionPolicy": (False, _switch)}),
        ),
        "inventory": (False, _rows(_INVENTORY, MOST_NAMESPACES)),
        "accessRequests": (False, _rows(read_access_request, MOST_REQUESTS)),
    }
)
