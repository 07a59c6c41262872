"""Documents: plain mappings, as a YAML or JSON reader gives them, into core values.

The shapes are those of documents.md in the design; their pages are docs/spec/*.md. Unknown fields are errors.
Every problem of every document is collected before `Invalid` is raised. Scalars may come as text ("true") or as
YAML and JSON types; nulls count as absent. Values are never echoed where a secret could stand.

Left out: reading files (`portreeve.wire.yaml`), writing (`portreeve.wire.dump`), and whether what a document names is
there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from portreeve.core.cluster import indexed, is_dns_label, label_problems
from portreeve.core.environments import Environment, EnvironmentGroup, environment_problems
from portreeve.core.fixtures import PolicyCase, PolicyTest
from portreeve.core.people import Project, RoleBinding, Team, User, binding_problems, project_problems
from portreeve.core.platform import PlatformSettings, settings_problems
from portreeve.core.policy import (
    API_VERSION,
    Documents,
    Exemption,
    PolicyType,
    Registry,
    RegistryAccess,
    RegistryPolicy,
    access_problems,
    lint,
    validate,
)
from portreeve.core.reference import InvalidPrefix, SourcePrefix, parse_prefix, shown
from portreeve.errors import Invalid, Problem
from portreeve.wire.documents.models import (
    JUDGING,
    AccessModel,
    AllowedSourceModel,
    ExemptionDocument,
    MetadataModel,
    PolicyDocument,
    PolicyTestDocument,
    RegistryDocument,
    RegistrySpecModel,
    generation,
    names_of,
)
from portreeve.wire.documents.problems import to_problem
from portreeve.wire.documents.secrets import without_secrets
from portreeve.wire.documents.tenancy import (
    TENANCY,
    EnvironmentDocument,
    EnvironmentGroupDocument,
    ProjectDocument,
    RegistryAccessDocument,
    RoleBindingDocument,
    SettingsDocument,
    TeamDocument,
    TenancyDocument,
    UserDocument,
)
from portreeve.wire.dump import GENERATION_ANNOTATION, dump, time_text

MODELS: Final[Mapping[str, type[BaseModel]]] = {**JUDGING, **TENANCY}
"""Kind → model, for every kind."""

MAX_DEPTH: Final = 32
"""Levels of mappings and lists. The deepest field of any kind lies at level 9."""

Source = tuple[Mapping[str, Any], str, int]
"""A document, the file it came from as the user named it, and its first line, counted from 1."""

Tenancy = EnvironmentGroup | Environment | Project | RegistryAccess | Team | RoleBinding | User | PlatformSettings
Value = RegistryPolicy | Registry | Exemption | PolicyTest | Tenancy


@dataclass(frozen=True, slots=True)
class _Result:
    """What one document gave; `value` is None if it has problems or is of no kind of ours."""

    value: Value | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    spec: Mapping[str, Any] | None = None
    """The canonical form of `spec`, where the value does not hold all of it."""


@dataclass(frozen=True, slots=True)
class Read:
    """One document: its value, and its parts in canonical form. `warnings` refuse nothing."""

    kind: str
    value: Value
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: Mapping[str, Any]
    warnings: tuple[Problem, ...]


def read_documents(mappings: Iterable[Source]) -> Documents:
    """Read documents of every kind; policy tests are checked and passed over.

    Problems carry the path of their field, behind `file:line Kind/name` if there are several documents.

    Raises:
        Invalid: `documents_invalid`, with every problem of every document.
    """
    results = _read_all(list(mappings))
    values = [result.value for result in results]
    return Documents(
        policies=tuple(value for value in values if isinstance(value, RegistryPolicy)),
        registries=tuple(value for value in values if isinstance(value, Registry)),
        exemptions=tuple(value for value in values if isinstance(value, Exemption)),
        warnings=tuple(warning for result in results for warning in result.warnings),
        groups=tuple(value for value in values if isinstance(value, EnvironmentGroup)),
        environments=tuple(value for value in values if isinstance(value, Environment)),
        projects=tuple(value for value in values if isinstance(value, Project)),
        accesses=tuple(value for value in values if isinstance(value, RegistryAccess)),
        teams=tuple(value for value in values if isinstance(value, Team)),
        bindings=tuple(value for value in values if isinstance(value, RoleBinding)),
        users=tuple(value for value in values if isinstance(value, User)),
    )


def read_document(mapping: object, *, where: str = "") -> Read:
    """Read one document of any kind but a policy test. Its `status` is taken as it stands; callers strip a foreign one.

    `where` goes in front of the fields of problems, for one document among several.

    Raises:
        Invalid: `documents_invalid`, with every problem.
    """
    result = _placed(_read(mapping, where), where)
    if result.problems or result.value is None:
        raise _invalid(result.problems)
    assert isinstance(mapping, Mapping)  # anything else has problems
    if isinstance(result.value, PolicyTest):
        problem = Problem("kind", "is for portreeve test alone", f"{where}: kind" if where else "kind")
        raise _invalid((problem,))
    metadata = _plain(mapping)["metadata"]
    spec = dump(result.value)["spec"] if result.spec is None else result.spec
    labels, annotations = metadata.get("labels", {}), metadata.get("annotations", {})
    return Read(mapping["kind"], result.value, labels, annotations, spec, result.warnings)


def _invalid(problems: tuple[Problem, ...]) -> Invalid:
    plural = "problem" if len(problems) == 1 else "problems"
    return Invalid("documents_invalid", f"{len(problems)} {plural} in what was read", problems=problems)


def read_policy_tests(mappings: Iterable[Source]) -> tuple[PolicyTest, ...]:
    """Read the policy tests among the documents, in their order; everything else is checked and passed over.

    Raises:
        Invalid: as for `read_documents`.
    """
    return tuple(r.value for r in _read_all(list(mappings)) if isinstance(r.value, PolicyTest))


def _read_all(sources: Sequence[Source]) -> list[_Result]:
    labels = [_label(source) if len(sources) > 1 else "" for source in sources]
    results = [_placed(_read(mapping, file), label) for (mapping, file, _), label in zip(sources, labels, strict=True)]
    problems = [problem for result in results for problem in result.problems]
    problems += _twice(sources, labels)
    if problems:
        raise _invalid(tuple(problems))
    return results


def _placed(result: _Result, label: str) -> _Result:
    if not label:
        return result

    def place(problems: Iterable[Problem]) -> tuple[Problem, ...]:
        return tuple(replace(p, field=f"{label}: {p.field}" if p.field else label) for p in problems)

    return replace(result, problems=place(result.problems), warnings=place(result.warnings))


def _identity(mapping: object) -> tuple[str, str]:
    """Kind and name as far as they are text; for messages and for finding twins."""
    if not isinstance(mapping, Mapping):
        return "", ""
    metadata = mapping.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    kind = mapping.get("kind")
    return str(kind) if isinstance(kind, str) else "", str(name) if isinstance(name, str) else ""


def _label(source: Source) -> str:
    mapping, file, line = source
    kind, name = (shown(text, 63) if text else "?" for text in _identity(mapping))
    return f"{shown(file, 200)}:{line} {kind}/{name}"


def _twice(sources: Sequence[Source], labels: Sequence[str]) -> Iterator[Problem]:
    seen: dict[tuple[str, str], str] = {}
    for (mapping, file, line), label in zip(sources, labels, strict=True):
        identity = _identity(mapping)
        if identity in seen:
            message = f"is the name of another one at {seen[identity]}"
            yield Problem("name_twice", message, f"{label}: metadata.name", "rename one")
        elif all(identity):
            seen[identity] = f"{shown(file, 200)}:{line}"


def _read(mapping: object, file: str) -> _Result:
    try:
        raw = _plain(mapping)
    except RecursionError:
        return _Result(problems=(Problem("too_deep", f"is nested deeper than {MAX_DEPTH} levels"),))
    if not isinstance(raw, dict):
        return _Result(problems=(Problem("field_type", "a document must be a mapping"),))
    kind = _identity(raw)[0]
    envelope = tuple(_envelope_problems(raw))
    if kind in MODELS:
        result = _READERS[kind](raw | {"apiVersion": API_VERSION}, file)
        return replace(result, problems=(*envelope, *result.problems))
    return _Result(problems=envelope)


def _envelope_problems(raw: Mapping[str, Any]) -> Iterator[Problem]:
    version, kind = raw.get("apiVersion"), _identity(raw)[0]
    if version != API_VERSION and not (version is None and kind == "PolicyTest"):
        what = "is missing" if version is None else "is not a version that this program reads"
        yield Problem("api_version", what, "apiVersion", f"write {API_VERSION}")
    if kind not in MODELS:
        yield Problem("kind", "is missing or not a kind of ours", "kind", f"one of {', '.join(MODELS)}")


def _plain(value: object, depth: int = 0) -> Any:
    """The value without nulls, and without whatever a reader adds to its texts.

    Raises:
        RecursionError: deeper than MAX_DEPTH.
    """
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, Mapping):
        return {str(k): _plain(v, depth + 1) for k, v in value.items() if v is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    return str(value) if isinstance(value, str) else value


_Document = TypeVar("_Document", bound=BaseModel)


def _validated(model: type[_Document], raw: Mapping[str, Any]) -> tuple[_Document | None, tuple[Problem, ...]]:
    try:
        return model.model_validate(raw), ()
    except ValidationError as error:
        names = names_of(model)
        found = error.errors(include_url=False, include_input=False)
        return None, tuple(to_problem(dict(entry), names) for entry in found)


def _read_policy(raw: Mapping[str, Any], _file: str) -> _Result:
    document, problems = _validated(PolicyDocument, raw)
    if document is None:
        named = {problem.field for problem in problems}
        more = (problem for problem in validate(_salvaged(raw)) if problem.field not in named)
        return _Result(problems=(*problems, *more))
    revision, problems = _generation_of(document)
    policy = _policy(document, revision)
    problems += (*validate(policy), *label_problems(indexed("spec.groups", policy.groups), "an EnvironmentGroup"))
    return _Result(policy, problems, tuple(lint(policy)))


def _policy(document: PolicyDocument, revision: int) -> RegistryPolicy:
    name, spec = document.metadata.name, document.spec
    return RegistryPolicy(
        name=name,
        type=spec.type,
        groups=tuple(spec.groups),
        access=tuple(access.value(f"spec.access[{i}]") for i, access in enumerate(spec.access)),
        stage=spec.restrict.stage,
        include_granted_registries=spec.restrict.include_granted_registries,
        sources=tuple(
            source.value(f"spec.restrict.allowedSources[{i}]", name)
            for i, source in enumerate(spec.restrict.allowed_sources)
        ),
        allow_override=spec.allow_override,
        generation=revision,
        title=spec.title,
    )


def _generation_of(document: PolicyDocument) -> tuple[int, tuple[Problem, ...]]:
    """The status wins over the annotation; files have neither and count as the first revision."""
    written = document.metadata.annotations.get(GENERATION_ANNOTATION)
    if document.status.observed_generation is not None or written is None:
        return document.status.observed_generation or 1, ()
    try:
        return generation(written), ()
    except PydanticCustomError as error:
        return 1, (Problem("generation", error.message(), f"metadata.annotations.{GENERATION_ANNOTATION}"),)


def _salvaged(raw: Mapping[str, Any]) -> RegistryPolicy:
    """Whatever of a broken policy can be read, each entry with its own index, so that one run shows every problem."""
    spec = _mapping(raw, "spec")
    sources = _entries(AllowedSourceModel, _mapping(spec, "restrict").get("allowedSources"))
    accesses = _entries(AccessModel, spec.get("access"))
    return RegistryPolicy(
        name=_identity(raw)[1] or "unnamed",
        type=PolicyType.DOCKER if spec.get("type") == PolicyType.DOCKER else PolicyType.KUBERNETES,
        access=tuple(access.value(f"spec.access[{i}]") for i, access in accesses),
        sources=tuple(source.value(f"spec.restrict.allowedSources[{i}]", "") for i, source in sources),
    )


def _mapping(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = raw.get(name)
    return inner if isinstance(inner, dict) else {}


def _entries(model: type[_Document], entries: object) -> Iterator[tuple[int, _Document]]:
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        value, _ = _validated(model, entry)
        if value is not None:
            yield index, value


def _name_problems(metadata: MetadataModel) -> Iterator[Problem]:
    if not is_dns_label(metadata.name):
        hint = "lower-case letters, digits and dashes, up to 63"
        yield Problem("name", f"{shown(metadata.name, 63)} is not a DNS label", "metadata.name", hint)


def _read_registry(raw: Mapping[str, Any], _file: str) -> _Result:
    cleaned, secrets = without_secrets(raw)
    document, problems = _validated(RegistryDocument, cleaned)
    if document is None:
        return _Result(problems=(*secrets, *problems))
    prefix, problems = _registry_prefix(document.spec)
    problems = (*secrets, *problems, *_name_problems(document.metadata), *_credential_problems(document.spec))
    if prefix is None:
        return _Result(problems=problems)
    registry = Registry(document.metadata.name, document.spec.provider, prefix, document.spec.project or "")
    return _Result(registry, problems, spec=_registry_spec(document.spec, prefix))


def _registry_spec(spec: RegistrySpecModel, prefix: SourcePrefix) -> dict[str, Any]:
    """A registry's canonical spec: the host and path as references name them, nothing that is empty or the default."""
    written = spec.model_dump(by_alias=True, exclude_defaults=True)
    for credential in written.get("credentials", []):
        # Where one command line found the secret is of no use to anybody else, and is not kept.
        credential.pop("credentialFrom", None)
        if "expiresAt" in credential:
            credential["expiresAt"] = time_text(credential["expiresAt"])
    return {**written, "host": prefix.host} | ({"path": prefix.path} if prefix.path else {})


def _registry_prefix(spec: RegistrySpecModel) -> tuple[SourcePrefix | None, tuple[Problem, ...]]:
    if "/" in spec.host or "@" in spec.host:
        message = "is more than host[:port] (not shown, as it may hold a password)"
        return None, (Problem("registry_host", message, "spec.host", "the path goes into spec.path"),)
    path = spec.path.strip("/")
    try:
        prefix = parse_prefix(f"{spec.host}/{path}" if path else spec.host)
    except InvalidPrefix as error:
        of_path = error.code in {"prefix_path", "prefix_tag", "prefix_path_wildcard", "prefix_too_deep"}
        return None, (Problem(error.code, error.message, "spec.path" if of_path else "spec.host", error.hint),)
    if prefix.wildcard:
        problem = Problem("registry_wildcard", "a registry is one host", "spec.host", "register each host")
        return None, (problem,)
    return prefix, ()


def _credential_problems(spec: RegistrySpecModel) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, credential in enumerate(spec.credentials):
        if credential.purpose in seen:
            field = f"spec.credentials[{index}].purpose"
            yield Problem("credential_twice", f"there is another credential for {credential.purpose}", field)
        seen.add(credential.purpose)


def _read_exemption(raw: Mapping[str, Any], _file: str) -> _Result:
    document, problems = _validated(ExemptionDocument, raw)
    if document is None:
        return _Result(problems=problems)
    spec, image = document.spec, document.spec.scope.image
    problems = (
        *_name_problems(document.metadata),
        *label_problems({"spec.policy": spec.policy}, "a RegistryPolicy"),
        *label_problems(indexed("spec.scope.groups", spec.scope.groups), "an EnvironmentGroup"),
        *label_problems(indexed("spec.scope.namespaces", spec.scope.namespaces), "a namespace"),
    )
    exemption = Exemption(
        name=document.metadata.name,
        policy=spec.policy,
        expires_at=spec.expires_at,
        prefix=image if isinstance(image, SourcePrefix) else None,
        digest=image if isinstance(image, str) else None,
        namespaces=tuple(spec.scope.namespaces),
        state=document.status.state,
        reason=spec.reason,
        ticket=spec.ticket,
        owner=spec.owner,
        groups=tuple(spec.scope.groups),
    )
    return _Result(exemption, problems)


def _read_policy_test(raw: Mapping[str, Any], file: str) -> _Result:
    document, problems = _validated(PolicyTestDocument, raw)
    if document is None:
        return _Result(problems=problems)
    cases = tuple(
        PolicyCase(case.image, case.verdict, case.namespace, case.canonical, f"spec.cases[{index}]")
        for index, case in enumerate(document.spec.cases)
    )
    name = document.metadata.name
    problems = tuple(_name_problems(document.metadata))
    return _Result(PolicyTest(name, tuple(document.spec.policies), cases, file), problems)


def _reader(
    model: type[TenancyDocument], check: Callable[[Any], Iterable[Problem]] = lambda _: ()
) -> Callable[[Mapping[str, Any], str], _Result]:
    """A reader of documents whose value stands for itself: shape, name, then what `check` finds in the value."""

    def read(raw: Mapping[str, Any], _file: str) -> _Result:
        document, problems = _validated(model, raw)
        if document is None:
            return _Result(problems=problems)
        value = document.value()
        return _Result(value, (*_name_problems(document.metadata), *check(value)))

    return read


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any], str], _Result]]] = {
    "RegistryPolicy": _read_policy,
    "Registry": _read_registry,
    "Exemption": _read_exemption,
    "PolicyTest": _read_policy_test,
    "EnvironmentGroup": _reader(EnvironmentGroupDocument),
    "Environment": _reader(EnvironmentDocument, environment_problems),
    "Project": _reader(ProjectDocument, project_problems),
    "RegistryAccess": _reader(RegistryAccessDocument, access_problems),
    "Team": _reader(TeamDocument),
    "RoleBinding": _reader(RoleBindingDocument, binding_problems),
    "User": _reader(UserDocument),
    "Settings": _reader(SettingsDocument, settings_problems),
}
