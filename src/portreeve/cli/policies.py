"""The policy documents that -p names: files and folders in, one policy with its resolved sources out.

Everything that is wrong in any of the files is said at once, each with file and line. In a folder, documents of others
(a kustomization, a Deployment) are passed over; in a file that was named they are errors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from portreeve.cli.terminal import Terminal, safe
from portreeve.core.policy import API_VERSION, Documents, RegistryPolicy
from portreeve.core.sources import ResolvedSources, resolve
from portreeve.errors import Invalid, NotFound, Problem
from portreeve.wire.document import Broken, Document
from portreeve.wire.documents import JUDGING, Source, read_documents
from portreeve.wire.yaml import read_documents as read_yaml

SUFFIXES: Final = frozenset({".json", ".yaml", ".yml"})

MAX_FILE_BYTES: Final = 16 << 20
"""Of one policy file. Ten thousand sources with notes are 2 MB."""

STANDARD_INPUT: Final = "-"


@dataclass(frozen=True, slots=True)
class Chosen:
    """One policy out of the documents, and what it allows."""

    policy: RegistryPolicy
    sources: ResolvedSources


def load(paths: Sequence[Path], name: str | None, terminal: Terminal) -> Chosen:
    """Read the documents and choose the policy.

    Raises:
        Invalid: a document is wrong, or there is not exactly one policy to choose.
        NotFound: a path, or a policy called `name`, does not exist.
    """
    return load_documents(paths, name, terminal)[0]


def load_documents(paths: Sequence[Path], name: str | None, terminal: Terminal) -> tuple[Chosen, Documents]:
    """As `load`, with all of the documents."""
    documents = read(paths)
    for warning in documents.warnings:
        terminal.warn(f"warning: {warning}")
    policy = choose(documents.policies, name, ", ".join(map(str, paths)))
    sources = resolve(policy, registries=documents.registries, exemptions=documents.exemptions, namespaces=None)
    return Chosen(policy, sources), documents


def read(paths: Sequence[Path]) -> Documents:
    """Every document of the files and folders as core values.

    Raises:
        Invalid: with every problem of every file.
        NotFound: a path does not exist.
    """
    found = sources_of(paths)
    try:
        documents = read_documents(found)
    except Invalid as error:
        raise placed(error, found) from error
    refuse_misdeclared(found)
    return documents


def refuse_misdeclared(found: Sequence[Source]) -> None:
    """See that there is the provider of each registry, and that it takes the credentials as they are declared.

    Raises:
        Invalid: `documents_invalid`, with every problem.
    """
    wrong: list[Problem] = []
    for mapping, file, line in found:
        if mapping.get("kind") == "Registry":
            wrong += misdeclared(mapping, f"{file}:{line}" if len(found) > 1 else "")
    if wrong:
        raise Invalid("documents_invalid", f"{len(wrong)} problems in what was read", problems=tuple(wrong))


def misdeclared(mapping: Mapping[str, Any], where: str = "") -> Iterator[Problem]:
    """What its provider finds wrong in a Registry document, which is one by its shape."""
    from portreeve.providers.declared import problems
    from portreeve.wire.documents import read_document

    read = read_document({name: part for name, part in mapping.items() if name != "status"}, where=where)
    for problem in problems(read.spec):
        yield replace(problem, field=f"{where}: {problem.field}" if where else problem.field)


def placed(error: Invalid, found: Sequence[Source]) -> Invalid:
    """The error with file and line at each problem; the reader leaves them out where there is one document only."""
    if len(found) != 1:
        return error
    _, file, line = found[0]
    at = tuple(replace(problem, field=f"{file}:{line}: {problem.field}".rstrip(": ")) for problem in error.problems)
    return Invalid(error.code, error.message, hint=error.hint, problems=at)


def refuse_two_readers(paths: Sequence[str], policies: Sequence[Path]) -> None:
    """Standard input can be read once.

    Raises:
        Invalid: `usage`, if more than one argument is "-".
    """
    if [*paths, *map(str, policies)].count(STANDARD_INPUT) > 1:
        raise Invalid("usage", "more than one argument is - (standard input)", hint="write one of them to a file")


def choose(policies: Sequence[RegistryPolicy], name: str | None, where: str) -> RegistryPolicy:
    """The one policy, or the one called `name`."""
    names = ", ".join(sorted(policy.name for policy in policies))
    named = [policy for policy in policies if name in {None, policy.name}]
    if len(named) == 1:
        return named[0]
    if not policies:
        raise Invalid(
            "policy_missing",
            f"{where} holds no RegistryPolicy",
            hint="portreeve suggest PATH > policy.yaml writes one to start from",
        )
    if not named:
        raise NotFound("policy_not_found", f"no RegistryPolicy is called {name}", hint=f"there are: {names}")
    raise Invalid(
        "policy_ambiguous",
        f"{where} holds {len(policies)} RegistryPolicy documents: {names}",
        hint="choose with --policy-name NAME",
    )


def sources_of(paths: Iterable[Path]) -> list[Source]:
    """The documents of the files and folders, as mappings with file and line.

    Raises:
        Invalid: `policy_unreadable`, with every file and document that cannot be read.
        NotFound: a path does not exist.
    """
    found: list[Source] = []
    problems: list[Problem] = []
    for file, named in _files(paths):
        for item in read_yaml(_content(file), json=file.suffix == ".json"):
            if isinstance(item, Broken):
                problems.append(Problem(item.code, item.reason, _place(file, item)))
            elif isinstance(item, Document) and (named or _is_ours(item.value)):
                _keep(item, file, found, problems)
    if problems:
        raise Invalid(
            "policy_unreadable",
            "documents could not be read",
            hint="mend them at the places named",
            problems=tuple(problems),
        )
    return found


def _keep(item: Document, file: Path, found: list[Source], problems: list[Problem]) -> None:
    if isinstance(item.value, dict):
        found.append((item.value, safe(str(file)), item.line))
    elif item.value not in (None, ""):
        problems.append(Problem("field_type", "a document must be a mapping", f"{safe(str(file))}:{item.line}"))


def _files(paths: Iterable[Path]) -> Iterator[tuple[Path, bool]]:
    """Files, each once, and whether it was named itself; those of a folder in the order of their paths."""
    seen: set[Path] = set()
    for path in paths:
        if str(path) != STANDARD_INPUT and not path.exists():
            raise NotFound("file_not_found", f"{safe(str(path))} does not exist", hint="name a file or a folder")
        inside = path.is_dir()
        files = sorted(f for f in path.rglob("*") if f.suffix in SUFFIXES and f.is_file()) if inside else [path]
        for file in files:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file, not inside


def _content(file: Path) -> bytes:
    """The whole file. What is too large is refused, never cut: the rest could hold what matters."""
    with sys.stdin.buffer if str(file) == STANDARD_INPUT else file.open("rb") as stream:
        content = stream.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise Invalid("file_too_large", f"{safe(str(file))} is larger than {MAX_FILE_BYTES:,} bytes")
    return content


def _place(file: Path, item: Broken) -> str:
    line = f":{item.line}" if item.line else ""
    return f"{safe(str(file))}{line}{f':{item.column}' if item.line and item.column else ''}"


def _is_ours(value: Any) -> bool:
    """Whether a document of a folder is meant for us: by its version, or by a kind that only we have."""
    if not isinstance(value, dict):
        return False
    version, kind = value.get("apiVersion"), value.get("kind")
    ours = isinstance(version, str) and version.startswith(API_VERSION.partition("/")[0])
    return ours or (version is None and kind in JUDGING)
