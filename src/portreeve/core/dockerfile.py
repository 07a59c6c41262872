"""Images of a Dockerfile: its text in, image uses out.

Theory of operation
-------------------
The text is cut into instructions as BuildKit does: parser directives first (`escape`, `syntax`), then lines joined at
the escape character, comment lines left out wherever they stand, here-documents skipped up to their end. Of the
instructions four name images: `FROM`, `COPY --from=`, `RUN --mount=…,from=` and, as a comment, `# syntax=`, which is
the image of the program that reads the rest. `ONBUILD` is looked through.

A name of an earlier stage is no image, nor is `scratch`; a number is a stage for `COPY` and `RUN`, and an image for
`FROM`. Variables take the default that an `ARG` in front of the first `FROM` gives; an image with any other
variable is a template.

Left out: named build contexts, which only the command line knows, and the frontends that `# syntax=` may name with
another language. Specification: Dockerfile reference; BuildKit's parser where it is silent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from portreeve.core.manifests import LONGEST, Place, Result, Source, image_result

if TYPE_CHECKING:
    from collections.abc import Iterator

KIND: Final = "Dockerfile"
_DIRECTIVE: Final = re.compile(r"(?:#|//)[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(.+?)[ \t]*")
_ASSIGNED: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(\"[^\"]*\"|'[^']*'|\S*)")
# The innermost variable: nothing inside its braces opens another.
_VARIABLE: Final = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+])([^${}]*))?\})")
# A word that opens a here-document, as BuildKit matches it: on the word with its quotes, from its first character.
_HEREDOC: Final = re.compile(r"\d*<<(-?)([^<]+)", re.DOTALL)
_HAS_HEREDOC: Final = frozenset({"RUN", "COPY", "ADD"})
# How often variables in one image are replaced before it counts as a template: defaults may name each other.
_REPLACEMENTS: Final = 100


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its name in upper case, the rest as one line, and the line it starts on."""

    name: str
    rest: str
    line: int


@dataclass(slots=True)
class _Build:
    """What is known on the way down the file."""

    source: Source
    args: dict[str, str | None] = field(default_factory=dict)
    stages: list[str] = field(default_factory=list)


def dockerfile_images(text: str, source: Source, *, inline: bool = False) -> Iterator[Result]:
    """Give the images of a Dockerfile in the order written. `inline`: it stands in a file, all on `source.line`."""
    build = _Build(source)
    directives, escape = _directives(text)
    if "syntax" in directives:
        image, line = directives["syntax"]
        yield _image(image.split()[0], "syntax", source.line if inline else line, build)
    for instruction in instructions(text, escape=escape):
        line = source.line if inline else instruction.line
        if isinstance(instruction, Unfinished):
            yield source.not_evaluated("dockerfile_syntax", instruction.reason, line)
        else:
            yield from _instruction_images(instruction, line, build)
    if not build.stages:
        yield source.not_evaluated("dockerfile_syntax", "no FROM in this Dockerfile")


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A here-document that never ends: BuildKit refuses the file, and what stands in it is not an instruction."""

    reason: str
    line: int


def instructions(text: str, *, escape: str = "\\") -> Iterator[Instruction | Unfinished]:
    """Cut a Dockerfile into instructions, in order."""
    lines = text.removeprefix("\ufeff").split("\n")
    continued = re.compile(re.escape(escape) + r"[ \t]*\Z")
    at = 0
    while at < len(lines):
        start, parts, open_ended = at, list[str](), True
        while open_ended and at < len(lines):
            line = lines[at].rstrip("\r")
            at += 1
            if line.lstrip().startswith("#") or (parts and not line.strip()):
                continue
            joined = continued.sub("", line)
            open_ended = joined != line
            if not parts:
                start = at
            parts.append(joined)
        name, _, rest = "".join(parts).strip().partition(" ")
        name, tab, more = name.partition("\t")
        if not name:
            continue
        found = Instruction(name.upper(), f"{more}{tab}{rest}".strip(), start)
        yield found
        for word, strip_tabs in _heredocs(found):
            at = _end_of_heredoc(lines, at, word, strip_tabs=strip_tabs)
            if at > len(lines):
                yield Unfinished(f"the here-document {word!r} never ends", start)


def _heredocs(found: Instruction) -> Iterator[tuple[str, bool]]:
    name, rest = found.name, found.rest
    while name == "ONBUILD":
        name, _, rest = rest.partition(" ")
        name, rest = name.upper(), rest.lstrip()
    if name not in _HAS_HEREDOC or "<<" not in rest or rest.startswith("["):
        return
    for word in _words(rest):
        match = _HEREDOC.fullmatch(word)
        end = _unquoted(match[2]) if match else ""
        if match and end:
            yield end, bool(match[1])


def _end_of_heredoc(lines: list[str], at: int, word: str, *, strip_tabs: bool) -> int:
    while at < len(lines):
        line = lines[at].rstrip("\r")
        at += 1
        if (line.lstrip("\t") if strip_tabs else line) == word:
            return at
    return at + 1


def _words(text: str) -> Iterator[str]:
    """Words of a shell line with their quotes kept; blanks inside quotes and `${…}` do not end one.

    Whatever is left open runs to the end of the line, so that it opens no here-document: taking one instruction too
    many for an instruction is safe, taking one for text would hide it.
    """
    word: list[str] = []
    quote = before = ""
    braces = 0
    for char in text:
        if char in " \t" and not (quote or braces or before == "\\"):
            if word:
                yield "".join(word)
                word = []
            before = ""
            continue
        word.append(char)
        if before == "\\" and quote != "'":
            before = ""
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "{" and before == "$":
            braces += 1
        elif char == "}" and braces:
            braces -= 1
        before = char
    if word:
        yield "".join(word)


def _unquoted(word: str) -> str:
    return word.replace('"', "").replace("'", "")


def _directives(text: str) -> tuple[dict[str, tuple[str, int]], str]:
    """Parser directives (name → value, line), which end at the first line that is none, and the escape character."""
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if number == 1 and line.startswith("#!"):
            continue
        match = _DIRECTIVE.fullmatch(line.strip("\r").strip())
        if match is None or match[1].lower() in found:
            break
        found[match[1].lower()] = (match[2], number)
    escape = found.get("escape", ("\\", 0))[0]
    return found, "`" if escape == "`" else "\\"


def _instruction_images(instruction: Instruction, line: int, build: _Build) -> Iterator[Result]:
    name, rest = instruction.name, instruction.rest
    while name == "ONBUILD":
        name, _, rest = rest.partition(" ")
        name, rest = name.upper(), rest.lstrip()
    if name == "FROM":
        yield from _from(rest, line, build)
    elif name == "ARG" and not build.stages:
        _declare(rest, build)
    elif name in {"COPY", "ADD"}:
        for flag in _flags(rest):
            if flag.startswith("--from="):
                yield from _borrowed(flag.removeprefix("--from="), "COPY --from", line, build)
    elif name == "RUN":
        for flag in _flags(rest):
            if flag.startswith("--mount="):
                yield from _mounted(flag.removeprefix("--mount="), line, build)


def _from(rest: str, line: int, build: _Build) -> Iterator[Result]:
    words = [word for word in rest.split() if not word.startswith("--")]
    named = len(words) == 3 and words[1].upper() == "AS"
    if len(words) != 1 and not named:
        yield build.source.not_evaluated("dockerfile_syntax", f"FROM {rest[:200]} names no single image", line)
        build.stages.append("")
        return
    image = _expanded(words[0], build.args)
    stage = words[2].lower() if named else ""
    shown = image if image is not None else words[0]
    if shown.lower() not in build.stages and shown != "scratch":
        yield _image(shown, words[2] if named else str(len(build.stages)), line, build, unknown=image is None)
    build.stages.append(stage)


def _declare(rest: str, build: _Build) -> None:
    """Take the defaults of an `ARG` in front of the first `FROM`; each may name the ones before it."""
    for word in _words(rest):
        match = _ASSIGNED.fullmatch(word)
        if match is None:
            build.args.setdefault(word, None)
        else:
            build.args[match[1]] = _expanded(match[2], build.args)


def _borrowed(image: str, what: str, line: int, build: _Build) -> Iterator[Result]:
    """An image that `COPY` or `RUN` takes files from, unless it is a stage by name or number."""
    image = _unquoted(image)
    if image and not image.isdecimal() and image.lower() not in build.stages and image != "scratch":
        yield _image(image, what, line, build)


def _mounted(options: str, line: int, build: _Build) -> Iterator[Result]:
    for option in _unquoted(options).split(","):
        key, _, value = option.partition("=")
        if key.strip().lower() == "from":
            yield from _borrowed(value.strip(), "RUN --mount", line, build)


def _flags(rest: str) -> Iterator[str]:
    for word in _words(rest):
        if not word.startswith("--"):
            return
        yield word


def _expanded(word: str, args: dict[str, str | None]) -> str | None:
    """Put in what the arguments' defaults say; None when one has none."""
    text = _unquoted(word)
    for _ in range(_REPLACEMENTS):
        match = _VARIABLE.search(text)
        if match is None:
            return None if "$" in text else text
        if len(text) > LONGEST:
            return None
        value = _value(match, args)
        if value is None:
            return None
        text = text[: match.start()] + value + text[match.end() :]
    return None


def _value(match: re.Match[str], args: dict[str, str | None]) -> str | None:
    value = args.get(match[1] or match[2])
    operator, other = match[3], match[4]
    if operator is None:
        return value
    given = bool(value) if operator.startswith(":") else value is not None
    if operator.endswith("-"):
        return value if given else other
    return other if given else ""


def _image(image: str, container: str, line: int, build: _Build, *, unknown: bool = False) -> Result:
    if unknown:
        reason = f"FROM {image[:200]} depends on an argument without a default"
        return build.source.not_evaluated("template", reason, line)
    return image_result(image, build.source, Place.DOCKERFILE, kind=KIND, name="", container=container, line=line)
