"""What reading a YAML or JSON file gives: documents with their lines, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Keys whose text matters by itself: images, and names that an unquoted null would change.
LOCATED_KEYS: Final = frozenset({"image", "reference", "namespace", "container", "uses", "source"})


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How much one document may ask for."""

    depth: int = 200
    """Nesting of mappings and lists. Kubernetes' own types stay below 30; schemas in definitions reach 60."""
    alias_characters: int = 8 << 20
    """Characters that all aliases of one document stand for; 8 Mi is a hundred times what Compose files use."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document. `value` is a LocatedMapping, a list or text; `line` counts from 1.

    `late_merge` is the line of a mapping in which a merge key stands behind a key that it also gives, 0 for none.
    """

    value: object
    line: int
    late_merge: int = 0


@dataclass(frozen=True, slots=True)
class WithoutImages:
    """An object of a kind that can hold no image, told from its text."""

    line: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A document, or a part of one, that cannot be read.

    `line` and `column` count from 1 and are 0 when they are not known. Codes: `alias_bomb`, `binary`,
    `document_marker`, `duplicate_key`, `encoding`, `json_syntax`, `too_deep`, `yaml_key`, `yaml_syntax`, `yaml_tag`.
    """

    line: int
    column: int
    code: str
    reason: str


Item = Document | WithoutImages | Broken
