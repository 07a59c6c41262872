"""Everything that a control plane leaves behind, as bytes: what it answered, logged, printed, raised, and stored."""

from __future__ import annotations

import gzip
import io
import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from sqlalchemy import NullPool, create_engine, select, text
from sqlalchemy.engine import make_url
from starlette.responses import JSONResponse

from portreeve.errors import PortreeveError
from portreeve.server.database.tables import METADATA
from portreeve.server.http import problems
from tests.tools.postgres import PostgresServer

Sink = tuple[str, bytes]


class Recorder:
    """What leaves the process while it works. Each answer, log record and traceback is kept as it is."""

    def __init__(self) -> None:
        self.answers: list[Sink] = []
        self.log = io.StringIO()
        self.tracebacks: list[Sink] = []

    async def answered(self, response: httpx2.Response) -> None:
        """As a hook of the client."""
        await response.aread()
        name = f"response {response.request.method} {response.request.url.path}"
        head = "\n".join(f"{field}: {value}" for field, value in response.headers.items())
        self.answers.append((f"{name} {response.status_code} body", response.content))
        self.answers.append((f"{name} {response.status_code} headers", head.encode()))

    @contextmanager
    def recording(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Record all loggers, the chattiest level of each, and the traceback behind every answer to a failure."""
        handler = logging.StreamHandler(self.log)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        # What the test's own client logs is no part of the server.
        handler.addFilter(lambda record: not record.name.startswith(("httpx", "httpcore")))
        root = logging.getLogger()
        levels = {name: logging.getLogger(name).level for name in ("", "sqlalchemy.engine", "sqlalchemy.pool")}
        for name in levels:
            # Statements with their parameters; DEBUG adds each row, which the tables are searched for anyway.
            logging.getLogger(name).setLevel(logging.INFO if name == "sqlalchemy.engine" else logging.DEBUG)
        root.addHandler(handler)
        answer = problems.answer

        def raised(error: PortreeveError, request: str) -> JSONResponse:
            if error.handling.http_status >= 500:  # what a log would have; other failures are answers
                self.tracebacks.append((f"traceback {error.code}", traceback.format_exc().encode(errors="replace")))
            shown = "".join(traceback.format_exception(error)) + error.diagnostics() + repr(error)
            self.tracebacks.append((f"error {error.code}", shown.encode(errors="replace")))
            return answer(error, request)

        monkeypatch.setattr(problems, "answer", raised)
        try:
            yield
        finally:
            root.removeHandler(handler)
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)

    def sinks(self) -> Iterator[Sink]:
        """All of it."""
        yield from self.answers
        yield from self.tracebacks
        yield "log", self.log.getvalue().encode(errors="replace")


def tables(url: str) -> Iterator[Sink]:
    """Every cell of every table, as values: a column's bytes are searched as they are, and may be opened."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        for table in METADATA.sorted_tables:
            for row in connection.execute(select(table)):
                yield from ((f"table {table.name}", _cell(value)) for value in row if value is not None)


def _cell(value: Any) -> bytes:
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return json.dumps(value, ensure_ascii=False, default=str).encode()


def files(url: str, postgres: PostgresServer | None) -> Iterator[Sink]:
    """Every byte of the database's files, with its write-ahead log."""
    if postgres is None:
        main = Path(str(make_url(url).database))
        yield from ((f"file {file.name}", file.read_bytes()) for file in sorted(main.parent.glob(f"{main.name}*")))
        return
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("checkpoint")
    data = postgres.directory / "data"
    for file in sorted(data.rglob("*")):
        if file.is_file():
            yield f"file {file.relative_to(data)}", file.read_bytes()


def backup(url: str, directory: Path, postgres: PostgresServer | None) -> Iterator[Sink]:
    """A backup as an operator makes it, and the same one compressed."""
    if postgres is None:
        copy = directory / "backup"
        copy.unlink(missing_ok=True)
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("vacuum into :copy"), {"copy": str(copy)})
        yield "backup", copy.read_bytes()
        yield "backup, compressed", gzip.compress(copy.read_bytes(), 1)
        return
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        for table in METADATA.sorted_tables:
            with connection.cursor().copy(f'copy "{table.name}" to stdout'.encode()) as rows:
                content = b"".join(bytes(row) for row in rows)
            yield f"backup {table.name}", content
            yield f"backup {table.name}, compressed", gzip.compress(content, 1)
