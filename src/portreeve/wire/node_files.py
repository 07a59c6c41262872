"""Files for nodes as text: TOML, YAML and JSON, each by a writer; nothing is put together by hand.

JSON has no comments, and the readers of policy.json refuse keys that they do not know; what such a file is about stands
in the list beside it. Sources: TOML 1.0.0; containers-policy.json(5).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from portreeve.core.node_files import NodeFile, Syntax
from portreeve.core.reference import shown
from portreeve.wire.text import as_json, as_yaml

_LONGEST_COMMENT = 4000


def as_text(file: NodeFile) -> str:
    """The whole file, with what it is about above it where its syntax has comments."""
    if file.syntax is Syntax.JSON:
        return as_json(file.content)
    comments = "".join(
        f"# {shown(line, _LONGEST_COMMENT) if not line.isprintable() else line}\n" for line in file.about
    )
    return comments + (as_toml(file.content) if file.syntax is Syntax.TOML else as_yaml(dict(file.content)))


def as_toml(content: Mapping[str, Any]) -> str:
    """Strings, flags, lists of strings, tables and lists of tables as TOML.

    Raises:
        TypeError: a value of another type.
    """
    return "".join(f"{line}\n" for line in _table(content, ()))


def _table(content: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """Own values first: after the header of a table inside, they would belong to that one."""
    inner = {key: value for key, value in content.items() if isinstance(value, dict) or _is_tables(value)}
    for key, value in content.items():
        if key not in inner:
            yield f"{_string(key)} = {_value(value)}"
    for key, value in inner.items():
        name = ".".join(map(_string, (*path, key)))
        header = f"[{name}]" if isinstance(value, dict) else f"[[{name}]]"
        for table in [value] if isinstance(value, dict) else value:
            yield from ("", header, *_table(table, (*path, key)))


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case list():
            return f"[{', '.join(map(_value, value))}]"
        case _:
            raise TypeError(f"{type(value).__name__} is not written as TOML")


def _string(text: str) -> str:
    """A value, or a key: these are quoted as well, so that nothing depends on what is in them.

    JSON's escapes are TOML's, but for DEL, which JSON leaves as it is.
    """
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
