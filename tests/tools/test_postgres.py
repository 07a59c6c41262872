"""The test database server itself: what the other tests take for granted about it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

from tests.tools import postgres as module
from tests.tools.cluster import wait_until
from tests.tools.postgres import PostgresFailed, PostgresServer

ROOT = Path(__file__).parents[2]
LISTENING = "0A"


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def test_server_answers_over_sqlalchemy(postgres_database: str) -> None:
    engine = create_engine(postgres_database)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()


def test_two_databases_do_not_see_each_others_tables(postgres: PostgresServer) -> None:
    count = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    with postgres.database() as first, postgres.database() as second:
        with connect(first) as connection:
            connection.execute("CREATE TABLE grants (name text)")
            assert connection.execute(count).fetchone() == (1,)
        with connect(second) as connection:
            assert connection.execute(count).fetchone() == (0,)


def test_database_is_dropped_while_somebody_is_connected(postgres: PostgresServer) -> None:
    with postgres.database() as url:
        left_open = connect(url)
    with pytest.raises(psycopg.OperationalError):
        left_open.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        connect(url)


def test_server_listens_on_loopback_only(postgres: PostgresServer) -> None:
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path("/proc/net", table).read_text().splitlines()[1:]]
    addresses = {
        row[1].split(":")[0] for row in rows if row[1].endswith(f":{postgres.port:04X}") and row[3] == LISTENING
    }
    assert addresses == {f"{int.from_bytes(bytes([127, 0, 0, 1]), sys.byteorder):08X}"}


def test_nobody_gets_in_without_the_password(postgres: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host="127.0.0.1", port=postgres.port, user="portreeve", dbname="postgres", password="guessed")


def test_committed_rows_survive_a_crash_and_others_do_not(durable_postgres: PostgresServer) -> None:
    server = durable_postgres
    with server.database() as url:
        with connect(url) as connection:
            connection.execute("CREATE TABLE events (number int)")
            connection.execute("INSERT INTO events VALUES (1)")
        unfinished = connect(url)
        unfinished.execute("BEGIN")
        unfinished.execute("INSERT INTO events VALUES (2)")
        server.crash()
        assert processes_in(server.directory) == []
        with pytest.raises(psycopg.OperationalError):
            unfinished.execute("COMMIT")
        server.restart()
        with connect(url) as connection:
            assert connection.execute("SELECT number FROM events").fetchall() == [(1,)]
            assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_restart_keeps_port_and_rows(postgres: PostgresServer, postgres_database: str) -> None:
    with connect(postgres_database) as connection:
        connection.execute("CREATE TABLE events (number int)")
    before = postgres.pid
    postgres.restart()
    assert postgres.pid != before
    with connect(postgres_database) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)


def test_exit_leaves_no_process_and_no_file(postgres: PostgresServer) -> None:
    with PostgresServer(postgres.programs) as server:
        directory = server.directory
        busy = connect(server.url())
        assert "postgres" in processes_in(directory)
    assert processes_in(directory) == []
    assert not directory.exists()
    busy.close()


def test_failed_start_quotes_the_log_and_leaves_nothing(postgres: PostgresServer) -> None:
    programs = dataclasses.replace(postgres.programs, server=postgres.programs.initdb)  # which is no server
    server = PostgresServer(programs)
    with pytest.raises(PostgresFailed, match=r"does not answer(?s:.*)exit code 1(?s:.*)initdb: "), server:
        pass
    assert not server.directory.exists()


def test_server_dies_with_the_process_that_started_it(postgres: PostgresServer) -> None:
    """Also where interrupts are ignored, as they are in a background job, and with somebody connected."""
    directory = killed_run()
    wait_until(lambda: processes_in(directory) == [], "the server to end")
    shutil.rmtree(directory)


def test_directory_of_a_killed_run_is_removed_by_a_later_one(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = killed_run()
    wait_until(lambda: processes_in(directory) == [], "the server to end")
    hours_ago = time.time() - 2 * module.ABANDONED_AFTER_S
    os.utime(directory, (hours_ago, hours_ago))
    os.utime(postgres.directory, (hours_ago, hours_ago))
    module._remove_abandoned(directory.parent)
    assert not directory.exists()
    assert postgres.directory.exists(), "what is in use stays"


def killed_run() -> Path:
    """The directory of a server whose tests were killed."""
    script = textwrap.dedent(
        """
        import os, signal
        import psycopg
        from tests.tools.components import find_postgres
        from tests.tools.postgres import PostgresServer
        for each in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(each, signal.SIG_IGN)
        with PostgresServer(find_postgres()) as server:
            connection = psycopg.connect(server.conninfo())
            print(server.directory, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        cwd=ROOT,
        env=environment,
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    return Path(killed.stdout.strip())


def processes_in(directory: Path) -> list[str]:
    """The names of the processes that work in a directory or below it."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "cwd").readlink().is_relative_to(directory):
                found.append((process / "comm").read_text().strip())
        except OSError:
            continue  # it ended meanwhile
    return found
