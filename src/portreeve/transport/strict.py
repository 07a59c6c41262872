"""JSON that is read in one way only: what two readers could disagree about is refused.

Registries are written in Go, we are not. Go's reader takes the last of two keys and does not mind their case (U+017F
counts as s, the Kelvin sign as k); ours would take another one, and whoever sends both shows one image to us and
another to the node. Hence: keys that are equal under case folding are refused, wherever they stand.

Left out: line numbers and the shapes of documents. `wire.strict_json` reads people's files; this reads peers' answers.

Sources: RFC 8259; Go, encoding/json (foldName); threats 2.6.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

from portreeve.errors import Stalled

DEPTH: Final = 32
"""Nesting. A manifest needs five; Python's own reader gives up at a thousand."""

VALUES: Final = 200_000
"""Commas and brackets. A list of 50,000 tags in one answer has 50,000; each value takes up to 100 bytes of memory."""

_DIGITS: Final = 20
"""Of an integer. The largest number in any answer is a size, of 19 digits at most."""

_STRUCTURE: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{},]', re.DOTALL)
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


class _Refused(Exception):
    """Leaves the json module; never leaves this one."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


def read(data: bytes, *, where: str) -> Any:
    """The value of a JSON text.

    Args:
        where: who answered, for messages: a redacted address.
    Raises:
        Stalled: `answer_not_json`; `answer_ambiguous` (keys that some readers take for the same, numbers that readers
            round differently, halves of characters); `answer_too_large` (nested too deeply, too many values).
    """
    try:
        text = data.decode()
        _measure(text)
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_no_constant, parse_int=_integer, parse_float=_float
        )
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except _Refused as refused:
        code, why = refused.code, refused.why
    except UnicodeEncodeError:
        code, why = "answer_ambiguous", "it holds half of a character"
    except ValueError:
        code, why = "answer_not_json", "it is something else, such as a web page"
    else:
        return value
    raise Stalled(code, f"{where} answered with what is not taken: {why}", hint=_HINTS[code])


_HINTS: Final = {
    "answer_not_json": "see that the address is that of a registry, not of a web page or a login",
    "answer_ambiguous": "somebody may be showing different things to different readers; do not use this content",
    "answer_too_large": "ask for less at once; see that the address is that of a registry",
}


def _measure(text: str) -> None:
    """Depth and number of values before anything is built."""
    depth = values = 0
    for token in _STRUCTURE.finditer(text):
        mark = token[0]
        if mark in "[{":
            depth += 1
            values += 1
        elif mark in "]}":
            depth -= 1
        elif mark == ",":
            values += 1
        if depth > DEPTH:
            raise _Refused("answer_too_large", f"nested more than {DEPTH} deep")
        if values > VALUES:
            raise _Refused("answer_too_large", f"more than {VALUES} values")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key.casefold() for key, _ in pairs}) != len(pairs):
        raise _Refused("answer_ambiguous", "a key stands twice, or in two spellings")
    return dict(pairs)


def _no_constant(name: str) -> NoReturn:
    raise _Refused("answer_not_json", f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise _Refused("answer_ambiguous", "a number is larger than readers agree on")
    return int(digits)


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _Refused("answer_ambiguous", "a number is larger than readers agree on")
    return number
