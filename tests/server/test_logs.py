"""What a log line holds, and what it never does."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import structlog
from sqlalchemy.exc import IntegrityError

from portreeve.core.secret import SecretValue
from portreeve.errors import Stalled
from portreeve.server import logs
from tests.server.plane import Plane

CANARY = "canary-5f1d"


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """Logs as `portreeve up` writes them; gives what reads the lines written since."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    logs.configure()
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    structlog.reset_defaults()
    root.handlers[:], root.level = before


async def test_an_internal_error_is_logged_under_the_id_that_the_caller_gets(
    plane: Plane, admin: httpx2.AsyncClient, lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        password = CANARY  # noqa: F841 -- a local variable that must not be seen
        raise RuntimeError(f"no answer from https://me:{CANARY}@r.example.com/v2/?token={CANARY}")

    monkeypatch.setattr(plane.server.documents, "visible", broken)
    answer = await admin.get("/api/v1/teams?limit=7")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    failed, answered = lines()
    assert failed["request"] == answered["request"] == answer.headers["X-Request-Id"] == answer.json()["request"]
    assert (failed["event"], failed["route"], failed["principal"]) == ("internal", "/api/v1/teams", "root")
    assert (answered["event"], answered["status"], answered["level"]) == ("request", 500, "info")
    (told,) = failed["exception"]
    assert (told["type"], told["message"]) == ("RuntimeError", "no answer from https://r.example.com/v2/?…")
    assert told["places"][-1].endswith(" broken")
    assert CANARY not in json.dumps([failed, answered])
    assert CANARY not in answer.text


@pytest.mark.parametrize(
    "value",
    [SecretValue("x"), {"a": [SecretValue("x")]}, ("a", {SecretValue: (SecretValue("x"),)})],
)
def test_a_secret_in_a_line_is_refused(lines: Any, value: object) -> None:
    with pytest.raises(TypeError, match="a secret cannot be logged"):
        logs.log.info("event", value=value)
    assert lines() == []


def test_what_is_no_plain_value_is_named_by_its_type(lines: Any) -> None:
    logs.log.info("event", value=object(), error=RuntimeError(CANARY))
    (line,) = lines()
    assert (line["value"], line["error"]) == ("(object)", "(RuntimeError)")


def test_the_text_of_a_statement_and_its_values_are_left_out(lines: Any) -> None:
    try:
        raise IntegrityError(f"INSERT {CANARY}", {"token": CANARY}, ValueError(f"Key (token)=({CANARY}) exists"))
    except IntegrityError as error:
        logs.log.error("internal", exc_info=error)
    (line,) = lines()
    assert line["exception"][0]["message"] == "ValueError"
    assert CANARY not in json.dumps(line["exception"][0])


def test_what_libraries_log_is_a_line_too_and_only_from_warnings_on(lines: Any) -> None:
    logging.getLogger("uvicorn.error").info("started")
    logging.getLogger("asyncio").warning("slow: %s", f"https://r.example.com/?q={CANARY}")
    (line,) = lines()
    assert (line["logger"], line["level"], line["event"]) == ("asyncio", "warning", "slow: https://r.example.com/?…")


def test_a_log_that_nobody_reads_stops_nothing(lines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as broken:
        monkeypatch.setattr("sys.stderr", broken)
        logs.log.info("event")
        monkeypatch.undo()
        with contextlib.suppress(BrokenPipeError):
            broken.close()
    assert lines() == []


def test_exceptions_behind_one_are_told_once_each(lines: Any) -> None:
    inner = ValueError("inner")
    outer = RuntimeError("outer")
    outer.__cause__, inner.__cause__ = inner, outer
    logs.log.error("internal", exc_info=outer)
    (line,) = lines()
    assert [one["message"] for one in line["exception"]] == ["outer", "inner"]


async def test_discovery_is_for_those_who_may_read_settings(plane: Plane, admin: httpx2.AsyncClient) -> None:
    found = await admin.get("/api/v1/discovery")
    assert found.status_code == 200
    assert found.json()["contacted"] is False
    assert set(found.json()) == {"contexts", "engines", "logins", "unread", "contacted"}
    developer = await plane.client("dev", "developer", environments=["a"])
    assert (await developer.get("/api/v1/discovery")).status_code == 403
    assert (await plane.anonymous().get("/api/v1/discovery")).status_code == 401


async def test_health_is_told_to_anybody_and_says_nothing_else(plane: Plane) -> None:
    nobody = plane.anonymous()
    for path in ("/healthz", "/readyz"):
        answer = await nobody.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert answer.headers["Cache-Control"] == "no-store"


async def test_what_somebody_has_to_look_at_makes_it_degraded_and_is_not_told(plane: Plane) -> None:
    async def failing() -> None:
        raise Stalled("audit_rolled_back", CANARY)

    await plane.server.audit.attempt("sign", failing)
    answer = await plane.anonymous().get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "degraded"})


async def test_without_its_database_it_lives_and_is_not_ready(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Any:
        raise OSError(CANARY)

    monkeypatch.setattr(type(plane.server.database.reader), "connect", lambda _: refuse())
    nobody = plane.anonymous()
    answer = await nobody.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
    assert (await nobody.get("/healthz")).status_code == 200


def test_a_logger_that_nobody_has_configured_shows_no_locals_either(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.reset_defaults()

    def failing(secret: str) -> None:
        raise RuntimeError(f"{len(secret)} characters")

    try:
        failing(CANARY)
    except RuntimeError as error:
        logs.task_failed("sweep", error)
    out, err = capsys.readouterr()
    assert "characters" in out + err
    assert CANARY not in out + err
