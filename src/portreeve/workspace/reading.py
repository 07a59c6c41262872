"""Read what a user points at into image uses, file by file, as they are found.

Which reader a file gets is told by its name and, for YAML and JSON, by what each document holds. Nothing given is
dropped in silence: what cannot be judged is a NotEvaluated, but a file that a walk came upon and that holds no
Kubernetes object, Compose file or workflow (a `values.yaml`, a `package.json`) is only counted.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from portreeve.core.compose import compose_images, is_compose
from portreeve.core.dockerfile import dockerfile_images
from portreeve.core.manifests import (
    LocatedMapping,
    NotEvaluated,
    Result,
    Source,
    flatten,
    is_kubernetes,
    object_images,
)
from portreeve.core.workflow import is_workflow, workflow_images
from portreeve.wire.document import Broken, Document, ReadLimits, WithoutImages
from portreeve.wire.yaml import read_documents
from portreeve.workspace.render import NotRendered, render_chart, render_kustomization
from portreeve.workspace.walk import CHART, Directory, Found, Unusable, is_dockerfile, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_COMPOSE_NAME: Final = re.compile(r"(?:docker-)?compose(?:[.-].*)?\.ya?ml", re.IGNORECASE)
# Fields of a kustomization whose texts are paths of objects or of what changes objects; the files that generators turn
# into text (configMapGenerator) are not among them, nor is any field that loads nothing and could name a file to hide.
_MEMBER_LISTS: Final = (
    "resources",
    "bases",
    "components",
    "crds",
    "configurations",
    "generators",
    "transformers",
    "validators",
    "patchesStrategicMerge",
)
_MEMBER_PATHS: Final = ("patches", "patchesJson6902", "replacements")
# A broken JSON file without these texts (a tsconfig with comments) can hold no object that names an image.
_OBJECT_TEXTS: Final = (b"kind", b"image", b"services", b"\\u")


class _FileReader(Enum):
    """What a file's name says about its documents."""

    BY_CONTENT = auto()
    COMPOSE = auto()
    WORKFLOW = auto()


@dataclass(frozen=True, slots=True)
class WorkspaceLimits:
    """How much is read and how long is waited."""

    file_bytes: int = 64 << 20
    """Bytes of one file, of standard input and of what a tool renders; larger is reported as not evaluated."""
    render_s: float = 60.0
    """Seconds for one chart or kustomization; one that fetches over a slow line takes tens of seconds."""
    document: ReadLimits = field(default_factory=ReadLimits)
    """How much one document may ask for."""


@dataclass(slots=True)
class Counts:
    """What has been read so far. `unrecognised`: files of a walk without any object, service or job."""

    files: int = 0
    documents: int = 0
    objects: int = 0
    unrecognised: int = 0


@dataclass(slots=True)
class Reading:
    """The results of one run, once: iterate it, then look at `counts` (they grow on the way)."""

    paths: Sequence[str]
    stdin: BinaryIO | None
    namespace: str
    limits: WorkspaceLimits
    which: Callable[[str], str | None]
    counts: Counts = field(default_factory=Counts)
    _consumed: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Result]:
        """Give image uses and what was not evaluated, in the order of the paths, then of names, then of lines."""
        for path in self.paths:
            if path == "-":
                yield from self._stdin()
                continue
            for entry in walk(Path(path)):
                if isinstance(entry, Unusable):
                    yield NotEvaluated(str(entry.path), 0, entry.code, entry.reason)
                elif isinstance(entry, Directory):
                    yield from self._directory(entry)
                elif entry.named or not self._is_consumed(entry.path):
                    yield from self._file(entry)

    def _stdin(self) -> Iterator[Result]:
        if self.stdin is None:
            yield NotEvaluated("-", 0, "not_found", "no standard input was given")
            return
        data = self.stdin.read(self.limits.file_bytes + 1)
        if len(data) > self.limits.file_bytes:
            yield _too_large("-", self.limits.file_bytes)
            return
        self.counts.files += 1
        yield from self._documents(data, "-", named=True)

    def _file(self, found: Found) -> Iterator[Result]:
        name = str(found.path)
        data = _read_file(found.path, self.limits.file_bytes)
        if isinstance(data, NotEvaluated):
            yield data
            return
        self.counts.files += 1
        if is_dockerfile(found.path.name):
            yield from self._dockerfile(data, name)
        else:
            yield from self._documents(data, name, named=found.named)

    def _dockerfile(self, data: bytes, name: str) -> Iterator[Result]:
        self.counts.documents += 1
        if b"\0" in data:
            yield NotEvaluated(name, 0, "binary", "it holds a NUL byte: this is not a text file")
            return
        try:
            text = data.decode()
        except UnicodeDecodeError as wrong:
            line = data.count(b"\n", 0, wrong.start) + 1
            yield NotEvaluated(name, line, "encoding", f"not UTF-8: {wrong.reason}")
            return
        yield from dockerfile_images(text, Source(name, 1, self.namespace))

    def _documents(self, data: bytes, name: str, *, named: bool) -> Iterator[Result]:
        """Read one YAML or JSON file; documents of no kind we read are quiet unless the file was named."""
        is_json = name.lower().endswith(".json")
        path = Path(name)
        reader = _FileReader.WORKFLOW if path.parts[-3:-1] == (".github", "workflows") else _FileReader.BY_CONTENT
        reader = _FileReader.COMPOSE if _COMPOSE_NAME.fullmatch(path.name) else reader
        recognised = broken = 0
        unknown: list[int] = []
        for item in read_documents(data, json=is_json, limits=self.limits.document):
            if isinstance(item, Broken):
                broken += 1
                if named or not is_json or any(text in data for text in _OBJECT_TEXTS):
                    yield _not_evaluated(item, name)
                continue
            self.counts.documents += 1
            if isinstance(item, WithoutImages):
                recognised += 1
                self.counts.objects += 1
                continue
            results = self._recognised(item, name, reader)
            if results is None:
                unknown.append(item.line)
                continue
            recognised += 1
            yield from results
        if named:
            for line in unknown:
                yield NotEvaluated(name, line, "not_recognised", _NOT_RECOGNISED)
            if not (recognised or broken or unknown):
                yield NotEvaluated(name, 0, "not_recognised", "the file holds no document")
        elif not recognised:
            self.counts.unrecognised += 1

    def _recognised(self, item: Document, name: str, reader: _FileReader) -> Iterator[Result] | None:
        """The results of one document, or None when it is nothing that names images."""
        source = Source(name, item.line, self.namespace)
        if reader is _FileReader.WORKFLOW:
            return workflow_images(item.value, source)
        if is_kubernetes(item.value):
            return self._objects(item, source)
        if reader is _FileReader.COMPOSE or is_compose(item.value):
            return compose_images(item.value, source)
        return workflow_images(item.value, source) if is_workflow(item.value) else None

    def _objects(self, item: Document, source: Source) -> Iterator[Result]:
        if item.late_merge:
            yield source.not_evaluated("late_merge", _LATE_MERGE, item.late_merge)
        assert isinstance(item.value, LocatedMapping)
        for found in flatten(item.value, source):
            if isinstance(found, NotEvaluated):
                yield found
            else:
                self.counts.objects += 1
                yield from object_images(*found)

    def _directory(self, entry: Directory) -> Iterator[Result]:
        """Render a chart or a kustomization; what it is made of is not read a second time as files."""
        if self._is_consumed(entry.path):
            return
        chart = entry.marker.name == CHART
        render = render_chart if chart else render_kustomization
        self._consume(entry, chart=chart)
        output = render(
            entry.path, self.which, timeout_s=self.limits.render_s, size_bytes=self.limits.file_bytes
        )  # fmt: skip
        name = str(entry.marker)
        if isinstance(output, NotRendered):
            code = "chart_not_rendered" if chart else "kustomization_not_rendered"
            yield NotEvaluated(name, 0, code, output.reason)
            return
        self.counts.files += 1
        yield from self._documents(output, name, named=False)

    def _consume(self, entry: Directory, *, chart: bool) -> None:
        """Note what belongs to a rendered directory: a chart's templates and subcharts, a kustomization's own files."""
        if chart:
            members = ["templates", "charts", "values.yaml", "values.schema.json", "Chart.lock"]
        else:
            members = _members(entry.marker, self.limits)
        for member in members:
            self._consumed[os.path.normpath(entry.path / member)] = str(entry.marker)

    def _is_consumed(self, path: Path) -> bool:
        whole = Path(os.path.normpath(path))
        return any(str(part) in self._consumed for part in (whole, *whole.parents))


_NOT_RECOGNISED: Final = "no Kubernetes object, Compose file or workflow"
_LATE_MERGE: Final = "a merge key (<<) stands behind a key that it also gives; readers disagree on which one counts"


def read(
    paths: Sequence[str],
    stdin: BinaryIO | None = None,
    *,
    namespace: str = "default",
    limits: WorkspaceLimits | None = None,
    which: Callable[[str], str | None] = shutil.which,
) -> Reading:
    """Read files, directories and standard input ("-") into image uses; results stream as files are read.

    Args:
        paths: as the user named them; they come back so in `ImageUse.file`.
        stdin: what "-" reads.
        namespace: of objects that name none.
        which: finds helm, kustomize and kubectl; give `lambda name: None` to render nothing.
    """
    return Reading(paths, stdin, namespace, limits or WorkspaceLimits(), which)


def _too_large(name: str, limit: int) -> NotEvaluated:
    return NotEvaluated(name, 0, "too_large", f"larger than {limit} bytes, the size limit for one file")


def _read_file(path: Path, limit: int) -> bytes | NotEvaluated:
    """A regular file's bytes. Opened without waiting, then looked at: a path may change in between."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return NotEvaluated(str(path), 0, "not_a_file", "it is not a regular file")
            if status.st_size > limit:
                return _too_large(str(path), limit)
            return file.read()
    except OSError as error:
        return NotEvaluated(str(path), 0, "unreadable", error.strerror or str(error))


def _not_evaluated(item: Broken, name: str) -> NotEvaluated:
    """Name the place in full where it is known, so that an editor can jump to it."""
    where = f"{name}:{item.line}:{item.column}: " if item.column else ""
    return NotEvaluated(name, item.line, item.code, where + item.reason)


def _members(marker: Path, limits: WorkspaceLimits) -> list[str]:
    """Paths that a kustomization loads objects and changes from, those under its own directory."""
    data = _read_file(marker, limits.file_bytes)
    if isinstance(data, NotEvaluated):
        return []
    names: list[object] = []
    for item in read_documents(data, limits=limits.document):
        value = item.value if isinstance(item, Document) else None
        if isinstance(value, dict):
            names += (name for field in _MEMBER_LISTS for name in _list(value.get(field)))
            entries = (entry for field in _MEMBER_PATHS for entry in _list(value.get(field)))
            names += (entry.get("path") for entry in entries if isinstance(entry, dict))
    texts = (os.path.normpath(name) for name in names if isinstance(name, str) and name and "\n" not in name)
    return [text for text in texts if text != "." and not text.startswith(("..", "/"))]


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
