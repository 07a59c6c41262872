"""What `portreeve check` found last on this machine: kept by the command line, shown by the control plane's first page.

Theory of operation
-------------------
One file of one user, `$XDG_STATE_HOME/portreeve/last-check.json`, mode 0600, put in its place in one step. Whoever
writes it has judged already; nothing is judged here. Counts are exact; of findings those are kept that somebody has to
look at, the worst first, as many as have room. Each text is made printable and cut, so that the file is small whatever
was checked.

Whoever reads it believes nothing: another user's file, one that others may write, one that is too large, of another
form or of a time to come counts for none, and the reason is told.

Left out: a history, and any lock: of two runs at once the later one counts. Values of Secrets and of variables, which
are no findings; a login in front of an image's host is struck out.

Sources: XDG Base Directory Specification 0.8; RFC 8259.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from portreeve.wire.reports.text import printable

FILE: Final = "last-check.json"
FORM: Final = 1
"""Of the file; another one is not read."""

MOST_FINDINGS: Final = 200
MOST_OTHERS: Final = 50
"""Findings, and of sources and of what was not evaluated as many as these."""

MAX_TEXT: Final = 600
"""Characters of one text. A canonical reference has at most 520 (`core.reference`)."""

MAX_BYTES: Final = 4 << 20
"""Of the file. 200 findings of usual length have 100 KB; all else has less than 3 MiB, whatever is in it."""

AHEAD: Final = timedelta(minutes=5)
"""As far may a clock have been set back since."""

_OTHERS_WRITE: Final = 0o022


@dataclass(frozen=True, slots=True)
class Found:
    """An image use. `verdict` is "" where nothing was judged, `canonical` where the name cannot be read safely."""

    file: str
    line: int
    kind: str
    namespace: str
    name: str
    container: str
    image: str
    canonical: str
    verdict: str
    why: str
    fix: str
    pinned: bool
    moving: bool


@dataclass(frozen=True, slots=True)
class Missed:
    """What could not be evaluated."""

    file: str
    line: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class From:
    """A source, and how often it is used."""

    source: str
    uses: int
    distinct: int
    by_digest: int


@dataclass(frozen=True, slots=True)
class Totals:
    """All counts, over everything that was found. `moving` have no tag or ":latest"."""

    uses: int
    distinct: int
    objects: int
    allowed: int
    denied: int
    unknown: int
    unjudged: int
    not_evaluated: int
    unpinned: int
    moving: int
    unreadable: int
    sources: int


@dataclass(frozen=True, slots=True)
class LastCheck:
    """One run. `policy` and `policy_files` are empty where none was given; `options` are those that chose what to read
    and by which policy."""

    at: datetime
    directory: str
    paths: tuple[str, ...]
    options: tuple[str, ...]
    policy: str
    stage: str
    policy_files: tuple[str, ...]
    exit_code: int
    totals: Totals
    findings: tuple[Found, ...]
    not_evaluated: tuple[Missed, ...]
    sources: tuple[From, ...]


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is no such run, or none that can be believed: why; "" if there is just none."""

    reason: str


def file_of(environment: Mapping[str, str]) -> Path | None:
    """Where it is kept, by the variables; None if they lead nowhere."""
    base, home = environment.get("XDG_STATE_HOME", ""), environment.get("HOME", "")
    if Path(base).is_absolute():
        return Path(base) / "portreeve" / FILE
    return Path(home) / ".local/state/portreeve" / FILE if Path(home).is_absolute() else None


def unlogged(image: str) -> str:
    """An image as written, without a user, password or token that somebody wrote into it.

    No readable name has a login, so that more may be struck out than was one.
    """
    scheme, slashes, rest = image.partition("//")
    if not slashes:
        scheme, rest = "", image
    name, at, digest = rest.rpartition("@")
    if not digest.startswith("sha"):
        name, at, digest = rest, "", ""
    login, found, host = name.rpartition("@")
    if found and (slashes or ":" in login or "/" in host):
        return f"{scheme}{slashes}…@{host}{at}{digest}"
    return image


def write(file: Path, check: LastCheck, environment: Mapping[str, str]) -> None:
    """Put the run in the place of the one before, for this user alone.

    A home that is not there is not made: whoever has none is to be left none.

    Raises:
        OSError: it cannot be kept.
    """
    home = Path(environment.get("HOME", ""))
    if not file.parent.is_dir():
        if file.is_relative_to(home) and not home.is_dir():
            raise FileNotFoundError(str(home))
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # mkstemp makes the file with mode 0600.
    descriptor, draft = tempfile.mkstemp(prefix=f".{FILE}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(_written(check))
        Path(draft).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(draft).unlink()
        raise


def _written(check: LastCheck) -> bytes:
    few = replace(
        check,
        paths=check.paths[:MOST_OTHERS],
        options=check.options[:MOST_OTHERS],
        policy_files=check.policy_files[:MOST_OTHERS],
        findings=(),
        not_evaluated=check.not_evaluated[:MOST_OTHERS],
        sources=check.sources[:MOST_OTHERS],
    )
    whole = _cut(asdict(few) | {"form": FORM, "at": check.at.astimezone(UTC).isoformat(timespec="seconds")})
    room = MAX_BYTES - len(json.dumps(whole))
    for one in check.findings[:MOST_FINDINGS]:
        finding = _cut(asdict(one))
        room -= len(json.dumps(finding)) + len(", ")
        if room < 0:
            break
        whole["findings"].append(finding)
    return json.dumps(whole).encode()


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value, MAX_TEXT)
    if isinstance(value, Mapping):
        return {key: _cut(one) for key, one in value.items()}
    return [_cut(one) for one in value] if isinstance(value, list | tuple) else value


def read(file: Path | None, now: datetime) -> LastCheck | Nothing:
    """The run that was kept, or why there is none. `now` is UTC, aware. Nothing makes it fail."""
    if file is None:
        return Nothing("neither HOME nor XDG_STATE_HOME is set")
    content = _content(file)
    if isinstance(content, Nothing):
        return content
    try:
        check = _parsed(json.loads(content))
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        # The reader's own message would quote what stands there.
        return Nothing("it is damaged, or of another version: check again")
    return Nothing("its time lies ahead of this machine's clock") if check.at > now + AHEAD else check


def _content(file: Path) -> bytes | Nothing:
    try:
        # A pipe of that name would keep us waiting; a link may lead to what is not ours.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return Nothing("")
    except (OSError, ValueError) as error:
        return Nothing(f"it cannot be read: {getattr(error, 'strerror', None) or 'its name is no path'}")
    held = os.fstat(descriptor)
    if refused := _refused(held):
        os.close(descriptor)
        return Nothing(refused)
    try:
        with os.fdopen(descriptor, "rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        return Nothing(f"it cannot be read: {error.strerror}")
    return content if len(content) <= MAX_BYTES else Nothing(f"it is larger than {MAX_BYTES:,} bytes")


def _refused(held: os.stat_result) -> str:
    """Why what stands there cannot be ours; "" where it can."""
    if not stat.S_ISREG(held.st_mode):
        return "it is not a file"
    if held.st_uid != os.geteuid():
        return "it belongs to another user"
    return "others may write it" if held.st_mode & _OTHERS_WRITE else ""


Shape = TypeVar("Shape", Found, Missed, From, Totals)


def _parsed(value: Any) -> LastCheck:
    if not isinstance(value, dict) or value["form"] != FORM:
        raise ValueError
    at = datetime.fromisoformat(_text(value["at"]))
    if at.tzinfo is None:
        raise ValueError
    return LastCheck(
        at=at.astimezone(UTC),
        directory=_text(value["directory"]),
        paths=_texts(value["paths"]),
        options=_texts(value["options"]),
        policy=_text(value["policy"]),
        stage=_text(value["stage"]),
        policy_files=_texts(value["policy_files"]),
        exit_code=_count(value["exit_code"]),
        totals=_record(Totals, value["totals"]),
        findings=tuple(_record(Found, one) for one in _rows(value["findings"], MOST_FINDINGS)),
        not_evaluated=tuple(_record(Missed, one) for one in _rows(value["not_evaluated"], MOST_OTHERS)),
        sources=tuple(_record(From, one) for one in _rows(value["sources"], MOST_OTHERS)),
    )


def _record(shape: type[Shape], value: Any) -> Shape:
    """One of the flat records, each field of its own type."""
    readers: Mapping[str, Callable[[Any], Any]] = {"str": _text, "int": _count, "bool": _flag}
    return shape(**{one.name: readers[str(one.type)](value[one.name]) for one in fields(shape)})


def _rows(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value[:most]


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, _rows(value, MOST_OTHERS)))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    # Cut where it was written; an escape makes ten characters of one, so more are taken here.
    return printable(value, 10 * MAX_TEXT + 1)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
        raise ValueError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value
