"""A real PostgreSQL server for tests: ready in about a second, an empty database in a few hundredths, gone after.

    with PostgresServer(programs) as server, server.database() as url:
        engine = create_engine(url)

It listens on a free port of 127.0.0.1; its files and its socket are in one temporary directory; its superuser has a
random password, so that nobody else on the machine gets in. Text sorts by code point and the clock is UTC.

Leaves out: where the programs come from (components.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.tools.components import Postgres
from tests.tools.memory import in_memory
from tests.tools.process import Process, free_ports

if TYPE_CHECKING:
    import psycopg  # 0.2 s, which only the tests that use it should pay

START_TIMEOUT_S = 60.0
"""initdb took 0.8 s and the start 0.2 s on an idle machine; tests also run beside compilers."""

STOP_TIMEOUT_S = 20.0
"""0.1 s was measured; a checkpoint on a busy disk may take its time."""

START_ATTEMPTS = 3
"""A free port may be taken by another process before ours listens on it."""

ABANDONED_AFTER_S = 60.0
"""A directory younger than this may belong to a run that has not locked it yet."""

SUPERUSER = "portreeve"
PREFIX = "portreeve-postgres-"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "autovacuum": "off",  # databases live for one test; it would only compete for the cores
    "dynamic_shared_memory_type": "mmap",  # in the directory, so that a killed server leaves nothing elsewhere
    "max_wal_size": "128MB",  # instead of 1 GB: the directory may be in memory
    "shared_buffers": "32MB",
    "jit": "off",  # saves loading LLVM
    "timezone": "UTC",
}
UNSAFE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For data that does not outlive its process."""


class PostgresFailed(Exception):
    """The server did not start or stop. The message ends with the ends of its logs."""


class PostgresServer:
    """A server, started on entry and removed on exit.

    Start it from a thread that lives as long as it should: see `Process`.

    Args:
        programs: from `find_postgres`.
        fsync: whether what is committed reaches the disk. Tests of what a crash leaves want it.

    Attributes: port, directory (removed on exit).
    """

    def __init__(self, programs: Postgres, *, fsync: bool = False) -> None:
        self.programs = programs
        self._fsync = fsync
        self._settings = SETTINGS if fsync else {**SETTINGS, **UNSAFE_SETTINGS}
        self._password = secrets.token_hex(16)
        self._databases = 0
        self._process: Process | None = None

    def __enter__(self) -> Self:
        parent = self._parent()
        _remove_abandoned(parent)
        self.directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)).resolve()  # as the kernel names it
        self._data = self.directory / "data"
        self._lock = _locked(self.directory)
        try:
            self._initialise()
            self._start_on_free_port()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self._end(signal.SIGQUIT)  # immediate: what it would still write is removed anyway
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)
            os.close(self._lock)

    @property
    def pid(self) -> int | None:
        """The postmaster's; None while it is stopped."""
        return None if self._process is None else self._process.pid

    def url(self, database: str = "postgres") -> str:
        """For SQLAlchemy, sync and async."""
        return self.conninfo(database).replace("postgresql:", "postgresql+psycopg:", 1)

    def conninfo(self, database: str = "postgres") -> str:
        """For psycopg itself and other clients of libpq."""
        return f"postgresql://{SUPERUSER}:{self._password}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The URL of a fresh database, which is dropped afterwards whoever is still connected to it.

        Args:
            template: the database that it is a copy of; nobody may be connected to that. template0 is empty, and of
                the server's two it is the one that nobody can be connected to.
        """
        self._databases += 1
        name = f"test_{self._databases}"
        self._administer(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            if self._process is not None:  # a test may have stopped it; then the database goes with the directory
                self._administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def stop(self) -> None:
        """Shut it down in order: connections are ended, what is in memory is written."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Kill all its processes at once, as a machine that loses power does; only what the disk has is left.

        Without a `restart`, 56 bytes of System V shared memory stay behind until the machine's next start.
        """
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again on the same data and port; after a crash it recovers first. Stops it if it runs."""
        self.stop()
        self._start()

    def _administer(self, statement: str) -> None:
        with self._connect() as connection:
            connection.execute(statement.encode())

    def _connect(self) -> psycopg.Connection:
        import psycopg

        return psycopg.connect(self.conninfo(), autocommit=True, connect_timeout=10)

    def _parent(self) -> Path:
        """Where the directory goes: into memory, unless what reaches the disk matters."""
        # A database is 300 files. ext4 avoids the inodes of files just removed, so each run there is slower than the
        # last: 0.02 s became 0.3 s per database after a few runs; in memory it stays 0.02 s.
        return (None if self._fsync else in_memory()) or Path(tempfile.gettempdir())

    def _initialise(self) -> None:
        """Make the directories and the cluster's files."""
        self.directory.chmod(0o711)  # another user's server goes through it to its own two directories
        password = self.directory / "password"
        password.touch(mode=0o600)
        password.write_text(self._password)
        for directory in (self._data, self.directory / "socket"):
            directory.mkdir(mode=0o700)
        if self.programs.user is not None:
            for path in (self._data, self.directory / "socket", password):
                shutil.chown(path, self.programs.user)
        initdb = self._run(
            [
                str(self.programs.initdb),
                f"--pgdata={self._data}",
                f"--username={SUPERUSER}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
                "--no-instructions",
            ]
        )
        try:
            _wait(lambda: initdb.exit_code() is not None, START_TIMEOUT_S)
        finally:
            initdb.stop()
            password.unlink()
        if initdb.exit_code() != 0:
            raise PostgresFailed(f"initdb did not succeed\n{initdb.tail()}")

    def _start_on_free_port(self) -> None:
        for attempt in range(1, START_ATTEMPTS + 1):
            (self.port,) = free_ports(1)
            try:
                self._start()
                return
            except PostgresFailed as error:
                if "Address already in use" not in str(error) or attempt == START_ATTEMPTS:
                    raise

    def _start(self) -> None:
        settings = {**self._settings, "port": self.port, "unix_socket_directories": self.directory / "socket"}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = process = self._run([str(self.programs.server), "-D", str(self._data), *flags])
        _wait(lambda: process.exit_code() is not None or self._answers(), START_TIMEOUT_S)
        if process.exit_code() is not None or not self._answers():
            self._end(signal.SIGQUIT)
            raise PostgresFailed(f"postgres does not answer on port {self.port}\n{process.tail()}")

    def _run(self, command: list[str]) -> Process:
        # When the tests are killed the server ends as if told to at once: a killed one would leave shared memory.
        environment = {"TZ": "UTC", "LC_ALL": "C"}
        user = self.programs.user
        return Process(command, self.directory, environment, user=user, death_signal=signal.SIGQUIT)

    def _answers(self) -> bool:
        import psycopg

        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        """Signal the postmaster, and see all its processes gone. Nothing happens while it is stopped."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.exit_code() is None:
            os.kill(process.pid, how)
            _wait(lambda: process.exit_code() is not None, STOP_TIMEOUT_S)
        process.stop()
        # Its children are told by its death; one that is busy must not go on to commit something first.
        if not _wait(lambda: not _kill_all_in(self._data), STOP_TIMEOUT_S):
            raise PostgresFailed(f"processes of postgres are left in {self._data}\n{process.tail()}")


def _wait(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _kill_all_in(directory: Path) -> int:
    """Kill the processes whose working directory it is, as that of each PostgreSQL process is its data directory.

    Returns: how many there were.
    """
    killed = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):  # it is another user's, or ended meanwhile
            process = os.pidfd_open(int(entry.name))  # before the look: a number may pass to another process
            try:
                if (entry / "cwd").readlink() == directory:
                    signal.pidfd_send_signal(process, signal.SIGKILL)
                    killed += 1
            finally:
                os.close(process)
    return killed


def _locked(directory: Path) -> int:
    """A descriptor that holds the lock of a directory. The kernel lets go of it when we end, however that happens.

    Raises:
        OSError: another process holds it, or the directory is not ours to read.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_abandoned(parent: Path) -> None:
    """Remove what killed runs left behind: 40 MB each. Theirs is no server any more: it ends with its run."""
    for directory in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # it is in use, another user's, or gone
            status = directory.lstat()
            if status.st_uid != os.geteuid() or time.time() - status.st_mtime < ABANDONED_AFTER_S:
                continue
            lock = _locked(directory)
            shutil.rmtree(directory, ignore_errors=True)
            os.close(lock)
