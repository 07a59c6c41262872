"""Documents out of files and from the control plane, in one canonical form, so that the two can be compared.

The canonical form is what the control plane stores: nothing that is empty or a default, no status, and no word on where
a secret is found. It is made here as well because a database may keep the keys of a mapping in an order of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from portreeve.cli.kinds import KINDS, Kind, at, name_of
from portreeve.core.policy import API_VERSION
from portreeve.errors import Invalid, Problem

if TYPE_CHECKING:
    from portreeve.cli.credentials import Credential
    from portreeve.client import Client

Document = dict[str, Any]
Key = tuple[str, str]
"""Kind and name."""

FREE: Final = frozenset({"annotations", "labels", "matchLabels", "parameters"})
"""Mappings whose keys are the user's. They are sorted; the order of all others is that of the shapes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One document of the files. `etag` is the version that it was read at, if the file says so."""

    kind: Kind
    name: str
    document: Document
    where: str
    etag: str | None = None
    credentials: tuple[Credential, ...] = ()

    @property
    def key(self) -> Key:
        """Kind and name."""
        return self.kind.name, self.name

    def sent(self) -> Document:
        """As a plan takes it."""
        return {**self.document, "status": {"etag": self.etag}} if self.etag else self.document


def read(paths: Sequence[Path]) -> list[Wanted]:
    """The documents of files, folders and standard input, in the order in which they are applied.

    Tests of policies that lie in a folder beside them are passed over.

    Raises:
        Invalid: with every problem of every document, each with its place.
        NotFound: a path does not exist.
    """
    from portreeve.cli.policies import sources_of

    sources = [one for one in sources_of(paths) if one[0].get("kind") != "PolicyTest" or Path(one[1]) in paths]
    found: list[Wanted] = []
    problems: list[Problem] = []
    seen: dict[Key, str] = {}
    for mapping, file, line in sources:
        try:
            one = wanted(mapping, f"{file}:{line}")
        except Invalid as error:
            problems += error.problems
            continue
        if seen.setdefault(one.key, one.where) != one.where:
            problems.append(Problem("name_twice", f"is at {seen[one.key]} too", f"{one.where}: {'/'.join(one.key)}"))
        found.append(one)
    if problems:
        raise Invalid("documents_invalid", f"{len(problems)} problems in what was read", problems=tuple(problems))
    if not found:
        hint = f"documents have apiVersion: {API_VERSION}"
        raise Invalid("documents_missing", f"{', '.join(map(str, paths))}: no document of ours", hint=hint)
    return ordered(found)


def wanted(mapping: Mapping[str, Any], where: str) -> Wanted:
    """One document as a reader of files gave it.

    Raises:
        Invalid: `documents_invalid`.
    """
    from portreeve.cli.credentials import named_in
    from portreeve.cli.policies import misdeclared

    document = canonical(mapping, where)
    if document["kind"] == "Registry" and (wrong := tuple(misdeclared(document, where))):
        raise Invalid("documents_invalid", f"{len(wrong)} problems in what was read", problems=wrong)
    etag = at(mapping, "status.etag")
    name = name_of(document)
    return Wanted(
        KINDS[document["kind"]], name, document, where, str(etag) if etag else None, tuple(named_in(mapping, name))
    )


def ordered(found: Iterable[Wanted]) -> list[Wanted]:
    """What is named before what names it, then by name."""
    order = list(KINDS)
    return sorted(found, key=lambda one: (order.index(one.kind.name), one.name))


def canonical(mapping: Mapping[str, Any], where: str = "") -> Document:
    """The canonical form of a document.

    Raises:
        Invalid: `documents_invalid`, with every problem.
    """
    from portreeve.wire.documents import read_document

    read = read_document({name: part for name, part in mapping.items() if name != "status"}, where=where)
    metadata: Document = {"name": read.value.name}
    if read.labels:
        metadata["labels"] = dict(read.labels)
    if read.annotations:
        metadata["annotations"] = dict(read.annotations)
    whole = {"apiVersion": API_VERSION, "kind": read.kind, "metadata": metadata, "spec": dict(read.spec)}
    return dict(_sorted(whole))


def _sorted(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        entries = sorted(value.items()) if name in FREE else value.items()
        return {key: _sorted(inner, key) for key, inner in entries}
    if isinstance(value, list | tuple):
        return [_sorted(inner) for inner in value]
    return value


def stored(client: Client, kinds: Iterable[Kind], labels: Sequence[str] = ()) -> dict[Key, Document]:
    """What the control plane has of these kinds, as it answers it; in the order of an export."""
    found: dict[Key, Document] = {}
    for kind in KINDS.values():
        if kind in set(kinds):
            rows = _single(client, kind, labels) if kind.single else _listed(client, kind, labels)
            found |= {(kind.name, name_of(row)): row for row in sorted(rows, key=name_of)}
    return found


def _listed(client: Client, kind: Kind, labels: Sequence[str]) -> list[Any]:
    rows = client.listed(kind.path, {"label": list(labels)} if labels else None)[0]
    # An environment that is leaving was deleted.
    return [row for row in rows if at(row, "status.phase") != "Leaving"]


def _single(client: Client, kind: Kind, labels: Sequence[str]) -> list[Any]:
    """The one document of a kind, if it was ever written; whoever may not see it has none, as of a list."""
    from portreeve.errors import NotFound

    try:
        document = client.get(kind.path)
    except NotFound:
        return []
    held = at(document, "metadata.labels") or {}
    pairs = (label.split("=", 1) for label in labels)
    written = at(document, "status.etag") is not None
    return [document] if written and all(held.get(name) == value for name, value in pairs) else []


def labels_checked(labels: Sequence[str]) -> Sequence[str]:
    """The labels, each KEY=VALUE.

    Raises:
        Invalid: `usage`.
    """
    for label in labels:
        name, equals, _ = label.partition("=")
        if not name or not equals:
            raise Invalid("usage", f"-l takes KEY=VALUE, not {label!r}", hint="-l app=shop")
    return labels


def text(document: Mapping[str, Any]) -> str:
    """A document as YAML."""
    from portreeve.wire.text import as_yaml

    return as_yaml(document)
