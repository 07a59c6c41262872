"""Kubeconfig files as kubectl puts them together: of each name the first file's entry counts, whole.

Entries hold credentials as they stand in the file: they are shown by no representation, and whoever takes one out wraps
it. Nothing is looked up here; paths in an entry are relative to the directory of its file.

Left out: what the fields of clusters and users mean (`kube.kubeconfig`).

Source: Kubernetes, "Organizing Cluster Access Using kubeconfig Files", merging rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from portreeve.wire.document import Broken, Document
from portreeve.wire.yaml import read_documents

MAX_FILE_BYTES: Final = 4 << 20
"""A kubeconfig of a thousand clusters with their certificates has about 3 MB."""

_LISTS: Final = {"contexts": "context", "clusters": "cluster", "users": "user"}
"""List in the file → the field of its entries that holds the settings."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The settings of one context, cluster or user. `file` is where they stand."""

    file: str
    settings: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that is no kubeconfig: the line (0 if not known), a code of the reader, and its reason.

    The reason may quote a key of the file; the code quotes nothing.
    """

    file: str
    line: int
    code: str
    reason: str


@dataclass(slots=True)
class Kubeconfig:
    """All files together: name → entry, in the order of the files. `current` is "" when no file says."""

    current: str = ""
    contexts: dict[str, Entry] = field(default_factory=dict)
    clusters: dict[str, Entry] = field(default_factory=dict)
    users: dict[str, Entry] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)


def merged(files: Iterable[tuple[str, bytes]]) -> Kubeconfig:
    """The files in the order in which they count, as (path, bytes); empty ones say nothing. Contents never raise."""
    found = Kubeconfig()
    for file, data in files:
        config = _config(file, data, found)
        found.current = found.current or _text(config.get("current-context"))
        for plural, singular in _LISTS.items():
            held: dict[str, Entry] = getattr(found, plural)
            for entry in _list(config.get(plural)):
                settings = _mapping(entry)
                if name := _text(settings.get("name")):
                    held.setdefault(name, Entry(file, _mapping(settings.get(singular))))
    return found


def _config(file: str, data: bytes, found: Kubeconfig) -> Mapping[str, Any]:
    for item in read_documents(data) if data.strip() else ():
        if isinstance(item, Document) and isinstance(item.value, Mapping):
            return item.value
        broken = isinstance(item, Broken)
        code, reason = (item.code, item.reason) if isinstance(item, Broken) else ("shape", "it is not a kubeconfig")
        found.unread.append(Unread(file, item.line if broken else 1, code, reason))
        break
    return {}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return str(value) if isinstance(value, str) else ""
