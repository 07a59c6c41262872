"""The audit event: who did what to which object, by which way, and how it ended. Its canonical bytes are a leaf.

Theory of operation. An event has typed fields and nothing else: no body, no message, no map of whatever. Identifiers
are short, names are cut, what an object held before and after stands there as a digest only, and the reason is a code.
Every field takes exactly its own type, so a secret, which is a type of its own, cannot be put in, and a token does not
fit where its id belongs. What people and identity providers may have chosen, the names, goes through `escaped`.

The canonical form is JSON with sorted keys, no spaces, ASCII and integers; a field without a value is left out.
`decode` accepts the bytes that `encode` writes and no others, so one event has one leaf.

Left out: storage, the tree (`core.merkle`), and text for people.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, NoReturn, TypeVar

from portreeve.core.merkle import MAX_SIZE
from portreeve.errors import Invalid

Kind = TypeVar("Kind", bound=StrEnum)

VERSION: Final = 1
MAX_EVENT_BYTES: Final = 16_384
"""Five names of 253 characters, each at most 12 bytes as escaped JSON, and the rest."""
MAX_NAME: Final = 253
"""Characters: the longest name of an object in Kubernetes."""
MAX_ID: Final = 36
"""Characters: a UUID. Tokens with 256 bits are longer in any encoding, so none fits."""

# A list of our own: what Unicode calls printable grows with every Python, and old events must stay readable by each.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ud800-\udfff\ufeff\ufff0-\ufffb"
    "\ufffe\uffff\U000e0000-\U000e0fff]"
)
_ESCAPED: Final = re.compile(f"\\\\|{_UNSAFE.pattern}")
_NAME: Final = re.compile(r"(?:[^\\]|\\\\|\\u\{[0-9a-f]{1,6}\})*(?:\\~[0-9a-f]{32})?")
_ID: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:-]{{0,{MAX_ID - 1}}}")
_CODE: Final = re.compile("[a-z][a-z0-9_]{0,63}")
_DIGEST: Final = re.compile("sha256:[0-9a-f]{64}")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")


class Action(StrEnum):
    """Everything that is recorded. A new one is a new line here and in docs/spec/audit.md."""

    ACCESS_GRANT = "access.grant"
    ACCESS_REVOKE = "access.revoke"
    AGENT_ENROL = "agent.enrol"
    AGENT_RENEW = "agent.renew"
    AGENT_REVOKE = "agent.revoke"
    AGENT_SUSPEND = "agent.suspend"
    API_TOKEN_CREATE = "api_token.create"  # noqa: S105 -- the name of an action
    API_TOKEN_REVOKE = "api_token.revoke"  # noqa: S105 -- as above
    ACCESS_REFUSE = "access.refuse"
    AUDIT_EXPORT = "audit.export"
    BACKUP_CREATE = "backup.create"
    BACKUP_RESTORE = "backup.restore"
    BREAKGLASS_END = "breakglass.end"
    BREAKGLASS_START = "breakglass.start"
    BUNDLE_IMPORT = "bundle.import"
    CREDENTIAL_DESTROY = "credential.destroy"
    CREDENTIAL_EXPIRING = "credential.expiring"
    CREDENTIAL_RETIRE = "credential.retire"
    CREDENTIAL_ROTATE = "credential.rotate"
    CREDENTIAL_SET = "credential.set"
    ENVIRONMENT_CREATE = "environment.create"
    ENVIRONMENT_DELETE = "environment.delete"
    ENVIRONMENT_ENROL = "environment.enrol"
    ENVIRONMENT_LEAVE = "environment.leave"
    ENVIRONMENT_UPDATE = "environment.update"
    EXEMPTION_APPROVE = "exemption.approve"
    EXEMPTION_DENY = "exemption.deny"
    EXEMPTION_RENEW = "exemption.renew"
    EXEMPTION_REQUEST = "exemption.request"
    EXEMPTION_REVOKE = "exemption.revoke"
    GROUP_CREATE = "group.create"
    GROUP_DELETE = "group.delete"
    GROUP_UPDATE = "group.update"
    EGRESS_EXPORT = "egress.export"
    IMAGE_DELETE = "image.delete"
    IMAGE_DEPLOY = "image.deploy"
    IMAGE_TAG = "image.tag"
    KEY_DESTROY = "key.destroy"
    KEY_ROTATE = "key.rotate"
    LEASE_CLOSE = "lease.close"
    LEASE_OPEN = "lease.open"
    PASSWORD_SET = "password.set"  # noqa: S105 -- as above
    POLICY_CREATE = "policy.create"
    POLICY_DELETE = "policy.delete"
    POLICY_UPDATE = "policy.update"
    PROJECT_CREATE = "project.create"
    PROJECT_DELETE = "project.delete"
    PROJECT_UPDATE = "project.update"
    PULL_SECRET_DELIVER = "pull_secret.deliver"  # noqa: S105 -- as above
    PULL_SECRET_WITHDRAW = "pull_secret.withdraw"  # noqa: S105 -- as above
    REGISTRY_CREATE = "registry.create"
    REGISTRY_DELETE = "registry.delete"
    REGISTRY_UPDATE = "registry.update"
    REGISTRY_VALIDATE = "registry.validate"
    ROLE_GRANT = "role.grant"
    ROLE_REVOKE = "role.revoke"
    SESSION_END = "session.end"
    SESSION_START = "session.start"
    SETTINGS_UPDATE = "settings.update"
    SIGN_IN_LINK_CREATE = "sign_in_link.create"
    TOKEN_MINT = "token.mint"  # noqa: S105 -- as above
    USER_CREATE = "user.create"
    USER_DELETE = "user.delete"
    USER_LINK = "user.link"
    USER_UPDATE = "user.update"


class ObjectKind(StrEnum):
    """What can be acted on."""

    ACCESS = "access"
    AGENT = "agent"
    API_TOKEN = "api_token"  # noqa: S105 -- as above
    AUDIT_LOG = "audit_log"
    BACKUP = "backup"
    BUNDLE = "bundle"
    CREDENTIAL = "credential"
    ENVIRONMENT = "environment"
    EXEMPTION = "exemption"
    GROUP = "group"
    IMAGE = "image"
    KEY = "key"
    LEASE = "lease"
    NAMESPACE = "namespace"
    POLICY = "policy"
    PROJECT = "project"
    PULL_SECRET = "pull_secret"  # noqa: S105 -- as above
    REGISTRY = "registry"
    ROLE = "role"
    SESSION = "session"
    SETTINGS = "settings"
    USER = "user"
    WORKLOAD = "workload"


class Outcome(StrEnum):
    """How it ended: the change was made, or it was refused and nothing changed.

    A change outside the database has two events with one request: INTENDED before it, and behind it DONE or FAILED.
    One that is intended and nothing more was cut short: only a look at the thing itself tells.
    """

    DONE = "done"
    REFUSED = "refused"
    INTENDED = "intended"
    FAILED = "failed"


class ViaKind(StrEnum):
    """By what somebody was known."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105 -- as above
    CERTIFICATE = "certificate"
    SYSTEM = "system"


def escaped(text: str) -> str:
    r"""A name as an event holds it: unsafe characters as `\u{hex}`, backslashes doubled, cut at `MAX_NAME`.

    Two names never become one: escaping can be read backwards, and what is cut ends in a digest of the whole.
    """
    if type(text) is not str:
        _refuse("name", "must be text")
    safe = _ESCAPED.sub(lambda found: r"\\" if found[0] == "\\" else rf"\u{{{ord(found[0]):x}}}", text)
    if len(safe) <= MAX_NAME:
        return safe
    mark = rf"\~{sha256(text.encode(errors='surrogatepass')).hexdigest()[:32]}"
    whole = _NAME.match(safe[: MAX_NAME - len(mark)])
    assert whole is not None, "the pattern matches nothing as well"
    return whole[0] + mark


@dataclass(frozen=True, slots=True)
class Via:
    """The id of the session, API token or certificate; never the thing itself."""

    kind: ViaKind
    id: str

    def __post_init__(self) -> None:
        _check_type("actor.via.kind", self.kind, ViaKind)
        _check_pattern("actor.via.id", self.id, _ID)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted; `on_behalf_of` is the person for whom a robot or an agent did."""

    principal: str
    via: Via
    on_behalf_of: str | None = None

    def __post_init__(self) -> None:
        _check_name("actor.principal", self.principal)
        _check_type("actor.via", self.via, Via)
        if self.on_behalf_of is not None:
            _check_name("actor.onBehalfOf", self.on_behalf_of)


@dataclass(frozen=True, slots=True)
class Target:
    """What was acted on, and where it lies."""

    kind: ObjectKind
    name: str
    environment: str | None = None
    project: str | None = None

    def __post_init__(self) -> None:
        _check_type("object.kind", self.kind, ObjectKind)
        _check_name("object.name", self.name)
        for field, value in (("object.environment", self.environment), ("object.project", self.project)):
            if value is not None:
                _check_name(field, value)


@dataclass(frozen=True, slots=True)
class Agent:
    """The agent that carried it out, and the generation of the desired state that it held."""

    id: str
    generation: int

    def __post_init__(self) -> None:
        _check_pattern("agent.id", self.id, _ID)
        _check_number("agent.generation", self.generation)


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the log. `sequence` counts from zero and is the number of its leaf.

    `reason` is a code of docs/errors.md. `before` and `after` are digests of the documents, which hold no credential.

    Raises:
        Invalid: `audit_event`, naming the field.
    """

    sequence: int
    time: datetime
    actor: Actor
    action: Action
    target: Target
    outcome: Outcome
    request: str
    reason: str | None = None
    agent: Agent | None = None
    before: str | None = None
    after: str | None = None

    def __post_init__(self) -> None:
        _check_number("sequence", self.sequence)
        _check_time(self.time)
        for field, value, kind in (
            ("actor", self.actor, Actor), ("action", self.action, Action), ("object", self.target, Target),
            ("outcome", self.outcome, Outcome),
        ):  # fmt: skip
            _check_type(field, value, kind)
        _check_pattern("request", self.request, _ID)
        if self.agent is not None:
            _check_type("agent", self.agent, Agent)
        for field, text, pattern in (
            ("reason", self.reason, _CODE), ("before", self.before, _DIGEST), ("after", self.after, _DIGEST),
        ):  # fmt: skip
            if text is not None:
                _check_pattern(field, text, pattern)


def digest(document: bytes) -> str:
    """What stands in `before` and `after` for a document. Never give it a credential: short ones can be guessed."""
    return f"sha256:{sha256(document).hexdigest()}"


def time_text(time: datetime) -> str:
    """A time as events write it: RFC 3339, UTC, microseconds."""
    return f"{time.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def encode(event: Event) -> bytes:
    """The canonical bytes: the leaf of the tree."""
    actor, target, agent = event.actor, event.target, event.agent
    return json.dumps(
        _present(
            v=VERSION,
            sequence=event.sequence,
            time=time_text(event.time),
            actor=_present(
                principal=actor.principal,
                onBehalfOf=actor.on_behalf_of,
                via={"kind": str(actor.via.kind), "id": actor.via.id},
            ),
            action=str(event.action),
            object=_present(
                kind=str(target.kind), name=target.name, environment=target.environment, project=target.project
            ),
            outcome=str(event.outcome),
            reason=event.reason,
            request=event.request,
            agent={"id": agent.id, "generation": agent.generation} if agent else None,
            before=event.before,
            after=event.after,
        ),
        sort_keys=True,
        separators=(",", ":"),
    ).encode("ascii")


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def decode(data: bytes) -> Event:
    """Read the canonical bytes of an event, and only these.

    Raises:
        Invalid: `audit_event`, naming the field, or saying how the bytes differ from the canonical ones.
    """
    if type(data) is not bytes or len(data) > MAX_EVENT_BYTES:
        _refuse("", f"is longer than {MAX_EVENT_BYTES} bytes")
    try:
        value = json.loads(
            data.decode("ascii"), object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float
        )
    except (ValueError, RecursionError) as wrong:
        raise Invalid("audit_event", "the event is not JSON in ASCII") from wrong
    event = _event(value)
    if encode(event) != data:
        _refuse("", "is not in canonical form: sorted keys, no spaces, ASCII, nothing twice")
    return event


def _event(value: object) -> Event:
    fields = _mapping(
        "",
        value,
        required={"v", "sequence", "time", "actor", "action", "object", "outcome", "request"},
        optional={"reason", "agent", "before", "after"},
    )
    if type(fields["v"]) is not int or fields["v"] != VERSION:
        _refuse("v", f"must be {VERSION}")
    return Event(
        sequence=fields["sequence"],
        time=_time(fields["time"]),
        actor=_actor(fields["actor"]),
        action=_member("action", fields["action"], Action),
        target=_target(fields["object"]),
        outcome=_member("outcome", fields["outcome"], Outcome),
        request=fields["request"],
        reason=fields.get("reason"),
        agent=_agent(fields["agent"]) if "agent" in fields else None,
        before=fields.get("before"),
        after=fields.get("after"),
    )


def _actor(value: object) -> Actor:
    fields = _mapping("actor", value, required={"principal", "via"}, optional={"onBehalfOf"})
    via = _mapping("actor.via", fields["via"], required={"kind", "id"})
    found = Via(_member("actor.via.kind", via["kind"], ViaKind), via["id"])
    return Actor(fields["principal"], found, fields.get("onBehalfOf"))


def _target(value: object) -> Target:
    fields = _mapping("object", value, required={"kind", "name"}, optional={"environment", "project"})
    kind = _member("object.kind", fields["kind"], ObjectKind)
    return Target(kind, fields["name"], fields.get("environment"), fields.get("project"))


def _agent(value: object) -> Agent:
    fields = _mapping("agent", value, required={"id", "generation"})
    return Agent(fields["id"], fields["generation"])


def _mapping(field: str, value: object, *, required: set[str], optional: set[str] | None = None) -> Mapping[str, Any]:
    if type(value) is not dict:
        _refuse(field, "must be an object")
    if missing := required - value.keys():
        _refuse(_below(field, min(missing)), "is missing")
    if unknown := value.keys() - required - (optional or set()):
        _refuse(_below(field, escaped(min(unknown))), "is not a field")
    if empty := [name for name, one in value.items() if one is None]:
        _refuse(_below(field, min(empty)), "has no value; it is left out then")
    return value


def _below(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def _member(field: str, value: object, kind: type[Kind]) -> Kind:
    if type(value) is not str or value not in set(kind):
        _refuse(field, "is none of the known values")
    return kind(value)


def _time(value: object) -> datetime:
    if type(value) is not str or not _TIME.fullmatch(value):
        _refuse("time", "must be RFC 3339 in UTC with microseconds")
    try:
        return datetime.fromisoformat(value)
    except ValueError as wrong:
        raise Invalid("audit_event", "time: is no time") from wrong


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is not an integer")


def _check_type(field: str, value: object, kind: type) -> None:
    if type(value) is not kind:
        _refuse(field, f"must be of type {kind.__name__}")


def _check_number(field: str, value: object) -> None:
    if type(value) is not int or not 0 <= value < MAX_SIZE:
        _refuse(field, f"must be an integer from 0 to below {MAX_SIZE}")


def _check_name(field: str, value: object) -> None:
    if type(value) is not str or not 0 < len(value) <= MAX_NAME:
        _refuse(field, f"must be 1 to {MAX_NAME} characters")
    if _UNSAFE.search(value) or not _NAME.fullmatch(value):
        _refuse(field, "holds control characters or a single backslash; give it through `escaped`")


def _check_pattern(field: str, value: object, pattern: re.Pattern[str]) -> None:
    if type(value) is not str or not pattern.fullmatch(value):
        _refuse(field, f"must fit {pattern.pattern}")


def _check_time(value: object) -> None:
    if type(value) is not datetime or value.utcoffset() != timedelta(0):
        _refuse("time", "must be aware, and in UTC")


def _refuse(field: str, what: str) -> NoReturn:
    """The value itself is not shown: it may be what must not be in a log."""
    raise Invalid("audit_event", f"{field or 'the event'}: {what}")
