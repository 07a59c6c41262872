"""The shapes of the documents as pydantic models: strict names, one constrained type per kind of field.

Classes are named for what they hold; their fields' meaning is on the pages docs/spec/*.md. `value()` gives the core
value. What fields mean together is not checked here but in `core.policy.validate` and `reading`.

Sources: RFC 3339 (times), Kubernetes API conventions (envelope, label selectors).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from portreeve.core.cluster import LabelSelector, NamespaceSelection, Operator, Requirement
from portreeve.core.fixtures import DEFAULT_NAMESPACE
from portreeve.core.people import Subjects
from portreeve.core.policy import (
    Access,
    AllowedSource,
    Delivery,
    DeliveryMode,
    ExemptionState,
    PolicyType,
    ServiceAccounts,
    ServiceAccountSelection,
    Stage,
)
from portreeve.core.reference import DIGEST_PATTERN, HOST_PATTERN, InvalidPrefix, SourcePrefix, parse_prefix
from portreeve.core.verdict import Decision
from portreeve.wire.documents.problems import MAPPING, WORD, Names
from portreeve.wire.times import read_time

_DIGEST = re.compile(DIGEST_PATTERN)
_ENV_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(HOST_PATTERN)
_URL_PATH = re.compile("(?:/[A-Za-z0-9._~%-]+)*/?")

PROVIDER_PATTERN: Final = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
"""The shape of a provider's name. Which there are, only the programs know (`portreeve.providers`)."""

MAX_REALM_CHARACTERS: Final = 512


def _refused(code: str, message: str, hint: str = "") -> PydanticCustomError:
    # Finished sentences travel as a value of a fixed template, which could not hold their braces.
    return PydanticCustomError(code, "{sentence}", {"sentence": message, "hint": hint})


def _boolean(value: object) -> object:
    """Booleans as YAML 1.2 writes them; `yes` and `on` are text there, and so they are refused here."""
    words = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
    found = words.get(value) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise _refused("field_type", "must be true or false")
    return found


def _prefix(value: object) -> SourcePrefix:
    if not isinstance(value, str):
        raise _refused("field_type", "must be text", "write host/path")
    if "://" in value and "@" in value:
        raise _refused("prefix_scheme", "has a scheme and user information (not shown)", "write host/path alone")
    try:
        return parse_prefix(value)
    except InvalidPrefix as error:
        raise _refused(error.code, error.message, error.hint) from error


def _time(value: object) -> datetime:
    try:
        return read_time(value)
    except ValueError as error:
        raise _refused("time", str(error), "write RFC 3339 in UTC, as 2027-01-31T00:00:00Z") from error


def generation(value: object) -> int:
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _refused("generation", "is not a whole number from 1 on")
    return value


def _image_scope(value: object) -> SourcePrefix | str:
    """The image of an exemption: a digest, else a prefix."""
    if isinstance(value, str) and value.startswith(("sha256:", "sha384:", "sha512:")):
        if not _DIGEST.fullmatch(value):
            raise _refused("digest", "is not a digest of full length in lower-case hexadecimal digits")
        return value
    return _prefix(value)


def _provider(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(PROVIDER_PATTERN, value):
        raise _refused("provider_name", "is not the name of a provider (not shown)", "as harbor, ecr or generic")
    return value


def _token_realm(value: object) -> str:
    """The one address of a token service on another host. What could hide where it leads is refused, and not shown."""
    hint = "write https://host/path, without user information, query or fragment"
    found = re.fullmatch("https://([^/]+)(.*)", value, re.DOTALL) if isinstance(value, str) else None
    if found is None or len(found[0]) > MAX_REALM_CHARACTERS:
        raise _refused("token_realm", "is not an address with https (not shown)", hint)
    dotted = any(part in {".", ".."} for part in found[2].split("/"))
    if not _HOST.fullmatch(found[1]) or not _URL_PATH.fullmatch(found[2]) or dotted:
        raise _refused("token_realm", "has more than a host and a path (not shown, as it may hold a password)", hint)
    return f"https://{found[1].lower()}{found[2]}"


def _form(value: object) -> str:
    return MAPPING if isinstance(value, (dict, BaseModel)) else WORD


Text = Annotated[str, Field(min_length=1)]
Bool = Annotated[bool, BeforeValidator(_boolean)]
Prefix = Annotated[SourcePrefix, PlainValidator(_prefix), WithJsonSchema({"type": "string", "minLength": 1})]
Time = Annotated[datetime, PlainValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})]
Generation = Annotated[int, PlainValidator(generation), WithJsonSchema({"type": "integer", "minimum": 1})]
Provider = Annotated[
    str,
    PlainValidator(_provider),
    WithJsonSchema({"type": "string", "pattern": PROVIDER_PATTERN, "minLength": 1, "maxLength": 63}),
]
TokenRealm = Annotated[
    str,
    PlainValidator(_token_realm),
    WithJsonSchema({"type": "string", "pattern": "^https://[^/@?#]+(/[^?#@]*)?$", "maxLength": MAX_REALM_CHARACTERS}),
]
ImageScope = Annotated[
    SourcePrefix | str, PlainValidator(_image_scope), WithJsonSchema({"type": "string", "minLength": 1})
]


_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
"""Null in YAML. Readers that keep every scalar as text hand it over like this."""


class Model(BaseModel):
    """What every model here has in common: unknown fields are errors, values are never echoed, null is absent."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        """Null is absent. Where text may stand it stays: a note may say "null", and an empty label value counts."""
        if not isinstance(data, dict):
            return data
        return {k: v for k, v in data.items() if not (isinstance(v, str) and v in _NULLS and k in _no_text(cls))}


@cache
def _no_text(model: type[BaseModel]) -> frozenset[str]:
    """The fields, as written, that do not hold free text."""
    return frozenset(i.alias or n for n, i in model.model_fields.items() if i.annotation not in (str, str | None))


class MetadataModel(Model):
    """The part of the envelope that names a document."""

    name: Text
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class StatusModel(Model):
    """What the control plane answers; of it only `observedGeneration` is read, and what is new in it does no harm."""

    model_config = ConfigDict(extra="ignore")

    observed_generation: Generation | None = None
    conditions: list[dict[str, Any]] = []


class RequirementModel(Model):
    """One line of `matchExpressions`."""

    key: Text
    operator: Operator
    values: list[str] = []

    @model_validator(mode="after")
    def _values_fit(self) -> RequirementModel:
        needed = self.operator in {Operator.IN, Operator.NOT_IN}
        if needed != bool(self.values):
            raise _refused("selector_values", f"{self.operator} takes {'at least one of' if needed else 'no'} values")
        return self

    def value(self) -> Requirement:
        """The core value."""
        return Requirement(self.key, self.operator, tuple(self.values))


class SelectorModel(Model):
    """A label selector; empty selects everything."""

    match_labels: dict[str, str] = {}
    match_expressions: list[RequirementModel] = []

    def value(self) -> LabelSelector:
        """The core value."""
        return LabelSelector(tuple(self.match_labels.items()), tuple(r.value() for r in self.match_expressions))


class NamespacesModel(Model):
    """Namespaces by name, by label, or both."""

    names: list[Text] = []
    selector: SelectorModel | None = None

    def value(self) -> NamespaceSelection:
        """The core value."""
        return NamespaceSelection(tuple(self.names), self.selector.value() if self.selector else None)


class ServiceAccountsModel(Model):
    """ServiceAccounts by name or by label."""

    names: list[Text] = []
    selector: SelectorModel | None = None

    def value(self) -> ServiceAccountSelection:
        """The core value."""
        return ServiceAccountSelection(tuple(self.names), self.selector.value() if self.selector else None)


class DeliveryModel(Model):
    """How the credential reaches a pull, and which ServiceAccounts get it."""

    mode: DeliveryMode = DeliveryMode.STANDING
    service_accounts: Annotated[
        Annotated[Literal["default", "all", "none"], Tag(WORD)] | Annotated[ServiceAccountsModel, Tag(MAPPING)],
        Discriminator(_form),
    ] = "default"

    def value(self) -> Delivery:
        """The core value."""
        chosen = self.service_accounts
        return Delivery(
            self.mode, chosen.value() if isinstance(chosen, ServiceAccountsModel) else ServiceAccounts(chosen)
        )


class SubjectsModel(Model):
    """Teams and users by name."""

    teams: tuple[Text, ...] = ()
    users: tuple[Text, ...] = ()

    def value(self) -> Subjects:
        """The core value."""
        return Subjects(self.teams, self.users)


class AccessModel(Model):
    """A registry granted to namespaces, or to subjects. Which of them, `core.policy.validate` checks."""

    registry: Text
    namespaces: NamespacesModel = NamespacesModel()
    subjects: SubjectsModel = SubjectsModel()
    delivery: DeliveryModel = DeliveryModel()

    def value(self, field: str) -> Access:
        """The core value."""
        return Access(self.registry, self.namespaces.value(), self.delivery.value(), field, self.subjects.value())


class ScopeModel(Model):
    """Named namespaces; that the list is not empty, `core.policy.validate` checks."""

    namespaces: list[Text]


class AllowedSourceModel(Model):
    """A source prefix and where it counts."""

    prefix: Prefix
    scope: Annotated[
        Annotated[Literal["Global"], Tag(WORD)] | Annotated[ScopeModel, Tag(MAPPING)], Discriminator(_form)
    ]
    note: str = ""

    def value(self, field: str, owner: str) -> AllowedSource:
        """The core value."""
        namespaces = tuple(self.scope.namespaces) if isinstance(self.scope, ScopeModel) else None
        return AllowedSource(self.prefix, namespaces, self.note, field, owner=owner)


class RestrictModel(Model):
    """The allowed sources and how far they are enforced."""

    stage: Stage = Stage.OFF
    include_granted_registries: Bool = True
    allowed_sources: list[AllowedSourceModel] = []


class PolicySpecModel(Model):
    """What a RegistryPolicy says."""

    type: PolicyType = PolicyType.KUBERNETES
    groups: list[Text] = []
    access: list[AccessModel] = []
    restrict: RestrictModel = RestrictModel()
    allow_override: Bool = False
    title: str = ""


class PolicyDocument(Model):
    """A RegistryPolicy."""

    api_version: Literal["portreeve.io/v1"]
    kind: Literal["RegistryPolicy"]
    metadata: MetadataModel
    spec: PolicySpecModel
    status: StatusModel = StatusModel()


class TlsModel(Model):
    """Trust in the registry's certificate."""

    ca_bundle: str = ""
    insecure_skip_verify: Bool = False
    plain_http: Bool = Field(default=False, alias="plainHTTP")


class CredentialFromModel(Model):
    """Where the command line finds a secret when a registry is applied; exactly one of the four."""

    env: str | None = None
    file: Text | None = None
    stdin: Bool | None = None
    helper: Text | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> CredentialFromModel:
        if len(self.model_fields_set) != 1:
            raise _refused("credential_from", "names no source of the secret, or several", "env, file, stdin or helper")
        if self.env is not None and not _ENV_NAME.fullmatch(self.env):
            raise _refused("credential_from", "env is not the name of a variable (not shown)", "letters, digits and _")
        return self


class CredentialModel(Model):
    """How we sign in for one purpose. The secret itself is in no document."""

    purpose: Literal["pull", "management"]
    method: Text
    parameters: dict[str, str] = {}
    expires_at: Time | None = None
    credential_from: CredentialFromModel | None = None


class RegistrySpecModel(Model):
    """What a Registry says."""

    provider: Provider
    host: Text
    path: str = ""
    project: Text | None = None
    tls: TlsModel = TlsModel()
    token_realm: TokenRealm | None = None
    title: str = ""
    credentials: list[CredentialModel] = []


class RegistryDocument(Model):
    """A Registry."""

    api_version: Literal["portreeve.io/v1"]
    kind: Literal["Registry"]
    metadata: MetadataModel
    spec: RegistrySpecModel
    status: StatusModel = StatusModel()


class ExemptionScopeModel(Model):
    """Where an exemption counts, and for which image."""

    groups: list[Text] = []
    namespaces: list[Text] = []
    image: ImageScope


class ExemptionSpecModel(Model):
    """What an Exemption says."""

    policy: Text
    scope: ExemptionScopeModel
    reason: Text
    ticket: str = ""
    owner: Text
    expires_at: Time


class ExemptionStatusModel(StatusModel):
    """How far the exemption has come."""

    state: ExemptionState = ExemptionState.REQUESTED


class ExemptionDocument(Model):
    """An Exemption."""

    api_version: Literal["portreeve.io/v1"]
    kind: Literal["Exemption"]
    metadata: MetadataModel
    spec: ExemptionSpecModel
    status: ExemptionStatusModel = ExemptionStatusModel()


class CaseModel(Model):
    """One image and its verdict."""

    image: Text
    namespace: Text = DEFAULT_NAMESPACE
    verdict: Decision
    canonical: Text | None = None


class PolicyTestSpecModel(Model):
    """What a PolicyTest says."""

    policies: Annotated[list[Text], Field(min_length=1)]
    cases: Annotated[list[CaseModel], Field(min_length=1)]


class PolicyTestDocument(Model):
    """A PolicyTest. It is never sent anywhere, so it alone may leave `apiVersion` out."""

    api_version: Literal["portreeve.io/v1"] = "portreeve.io/v1"
    kind: Literal["PolicyTest"]
    metadata: MetadataModel
    spec: PolicyTestSpecModel


JUDGING: Final[Mapping[str, type[BaseModel]]] = {
    "RegistryPolicy": PolicyDocument,
    "Registry": RegistryDocument,
    "Exemption": ExemptionDocument,
    "PolicyTest": PolicyTestDocument,
}
"""Kind → model of the documents that judging images takes. No other tool has kinds of these names."""


def names_of(model: type[BaseModel]) -> Names:
    """The tree of field names of a model, as they are written in documents."""
    return Names(
        {
            info.alias or name: next((names_of(inner) for inner in _models_in(info.annotation)), Names())
            for name, info in model.model_fields.items()
        }
    )


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
