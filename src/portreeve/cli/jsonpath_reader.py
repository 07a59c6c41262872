"""Reads JSONPath templates as kubectl does: text, with paths in braces.

    {.items[*].metadata.name}     {range .items[*]}{.metadata.name}{"\\n"}{end}     {.metadata.labels['a.b']}
    .a\\.b   [0]   [-1]   [1:3]   ['a','b']   ..name   [?(@.spec.tier=="production")]   {"text"}

Leaves out: several expressions in one pair of braces, and more than one comparison in a filter; kubectl has no `&&`
there either. Source: kubernetes.io, "JSONPath Support"; client-go, `util/jsonpath/parser.go`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

from portreeve.cli.jsonpath import Deep, Each, Filter, Index, Key, Literal, Part, Path, Range, Slice, Step, Union
from portreeve.errors import Invalid

_NAME: Final = re.compile(r"(?:\\.|[^\\.\[\]{}(),:;=!<>'\"\s])+")
_OPERATOR: Final = re.compile(r"\s*(==|!=|<=|>=|<|>)\s*")
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_BOUNDS: Final = re.compile(r"(-?[0-9]+)?(?:(:)(-?[0-9]+)?(?::([1-9][0-9]*)?)?)?")
_SPACE: Final = re.compile(r"\s*")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
_WORDS: Final = {"true": True, "false": False, "null": None}
MOST_CHARS: Final = 10_000
"""A template is typed by hand."""


MOST_DEPTH: Final = 20
"""Ranges and filters in one another."""


class Reader:
    """Reads a template, or one path, from left to right. `at` is where it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._depth = 0
        if len(text) > MOST_CHARS:
            self.fail(f"it has {len(text):,} characters, and at most {MOST_CHARS:,} are read", "split it")

    def fail(self, what: str, fix: str) -> NoReturn:
        """Say where it cannot be read.

        Raises:
            Invalid: `usage`.
        """
        raise Invalid("usage", f"{what}, at character {self.at + 1} of {self.text[:200]!r}", hint=fix)

    def ended(self) -> bool:
        """Whether all was read."""
        return self.at >= len(self.text)

    def took(self, token: str) -> bool:
        """Whether this comes next; it is read then."""
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def expect(self, token: str, fix: str) -> None:
        """This comes next, or it is an error."""
        if not self.took(token):
            there = f"there is {self.text[self.at]!r}" if not self.ended() else "the text ends"
            self.fail(f"{there} where {token} is expected", fix)

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        if self._depth == MOST_DEPTH:
            self.fail(f"more than {MOST_DEPTH} ranges and filters are in one another", "take some of them apart")
        self._depth += 1
        yield
        self._depth -= 1

    def _matched(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found[0] if found else ""

    def parts(self, *, nested: bool = False) -> tuple[Part, ...]:
        """Text and braces up to the end, or up to the {end} of the range that it is the body of."""
        found: list[Part] = []
        while not self.ended():
            if not self.took("{"):
                end = self.text.find("{", self.at)
                end = len(self.text) if end < 0 else end
                found.append(self.text[self.at : end])
                self.at = end
                continue
            self._matched(_SPACE)
            if self.took("end}"):
                if not nested:
                    self.fail("{end} ends no range", "take it away, or write {range .items[*]} before it")
                return tuple(found)
            found.append(self._braced())
        if nested:
            self.fail("a range does not end", "write {end} behind what is said of each")
        return tuple(found)

    def _braced(self) -> Part:
        if self.took("range "):
            self._matched(_SPACE)
            path = self.path()
            self._closed()
            with self._deeper():
                return Range(path, self.parts(nested=True))
        part: Part = self._string() if self.text[self.at : self.at + 1] in {'"', "'"} else self.path()
        self._closed()
        return part

    def _closed(self) -> None:
        self._matched(_SPACE)
        self.expect("}", "write one expression in each pair of braces, as {.metadata.name}")

    def path(self) -> Path:
        """One path, as far as it goes."""
        start = self.at
        from_root = self.took("$")
        if not from_root:
            self.took("@")
        steps = self._steps()
        if self.at == start:
            self.fail("a path does not begin", "begin it with a point, as {.metadata.name}, or quote what is text")
        return Path(steps, from_root)

    def bare_path(self) -> Path:
        """One path, whose first point may be left out."""
        if self.ended() or self.text[self.at] in ".[$@":
            return self.path()
        first = Key(self._name())
        return Path((first, *self._steps()))

    def _steps(self) -> tuple[Step, ...]:
        steps: list[Step] = []
        while not self.ended():
            if self.took(".."):
                steps.append(Deep(self._name()))
            elif self.took("."):
                here = self.text[self.at : self.at + 1]
                # "." alone is all of it, and kubectl takes .items.[0], too.
                if here != "[" and (steps or here not in {"}", ""}):
                    steps.append(Each() if self.took("*") else Key(self._name()))
            elif self.took("["):
                steps.append(self._bracket())
            else:
                break
        return tuple(steps)

    def _name(self) -> str:
        found = self._matched(_NAME)
        if not found:
            self.fail("a name is missing", "write one, as .metadata.name; odd ones as ['odd.name']")
        return re.sub(r"\\(.)", r"\1", found)

    def _bracket(self) -> Step:
        if self.took("*"):
            step: Step = Each()
        elif self.took("?("):
            with self._deeper():
                step = self._filter()
        else:
            steps = [self._member()]
            while self.took(","):
                self._matched(_SPACE)
                steps.append(self._member())
            step = steps[0] if len(steps) == 1 else Union(tuple(steps))
        self.expect("]", "end what is in brackets: [0], [1:3], [*], ['name'], [?(@.name==\"text\")]")
        return step

    def _member(self) -> Step:
        if self.text[self.at : self.at + 1] in {'"', "'"}:
            return Key(self._string())
        found = _BOUNDS.match(self.text, self.at)
        if found is None or not found[0]:
            self.fail("neither a number nor a quoted name is in brackets", "write [0], [*] or ['name']")
        self.at = found.end()
        first, colon, last, step = found.groups()
        if not colon:
            return Index(int(first))
        return Slice(slice(*(int(one) if one else None for one in (first, last, step))))

    def _string(self) -> str:
        quote, start = self.text[self.at], self.at
        self.at += 1
        found = ""
        while not self.took(quote):
            if self.ended():
                self.at = start
                self.fail("a quoted text does not end", f"write {quote} behind it")
            if self.took("\\") and not self.ended():
                found += _ESCAPES.get(self.text[self.at], self.text[self.at])
            else:
                found += self.text[self.at]
            self.at += 1
        return found

    def _filter(self) -> Filter:
        self._matched(_SPACE)
        left = self._operand()
        operator = self._matched(_OPERATOR).strip()
        right = self._operand() if operator else Literal(None)
        self._matched(_SPACE)
        self.expect(")", 'a filter has one comparison, as [?(@.spec.tier=="production")]')
        return Filter(left, operator, right)

    def _operand(self) -> Path | Literal:
        char = self.text[self.at : self.at + 1]
        if char in {'"', "'"}:
            return Literal(self._string())
        if char in {"@", "$"}:
            return self.path()
        if number := self._matched(_NUMBER):
            return Literal(json.loads(number))
        word = next((word for word in _WORDS if self.took(word)), None)
        if word is None:
            self.fail("what is compared cannot be read", 'write @.name for a field of the entry, and "text" for text')
        return Literal(_WORDS[word])
