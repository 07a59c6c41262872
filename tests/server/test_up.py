"""`portreeve up` as a process: what it makes, what it refuses, how it ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from portreeve.server.protocol import MAX_HEAD_BYTES
from tests.server.program import Machine, below, mode

LINK = re.compile(r"(http://127\.0\.0\.1:\d+)/login#t=([A-Za-z0-9_-]{43})")
OURS = {
    ".config/portreeve/keys/agents.pem",
    ".config/portreeve/keys/audit.key",
    ".config/portreeve/keys/master.key",
    ".config/portreeve/keys/signing.key",
    ".local/share/portreeve/checkpoints.txt",
    ".local/share/portreeve/portreeve.db",
    ".local/share/portreeve/portreeve.db-shm",
    ".local/share/portreeve/portreeve.db-wal",
    ".local/share/portreeve/portreeve.db.lock",
}

pytestmark = pytest.mark.wide


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "home")


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """A machine that keeps its data in each of the databases."""
    if request.param == "sqlite":
        yield Machine(tmp_path / "home")
        return
    url = request.getfixturevalue("postgres_database")
    yield Machine(tmp_path / "home", PORTREEVE_SERVER_DATABASE=url)


def test_the_first_start_writes_a_link_and_the_second_none(either: Machine) -> None:
    with either.up() as running:
        found = LINK.fullmatch(running.link())
        assert found is not None
        assert found[1] == running.address
        assert (running.get("/healthz").json(), running.get("/readyz").json()) == ({"status": "ok"}, {"status": "ok"})
        assert running.stop() == 0
        # After its end: the link is read from another stream, and what was said before it may still be unread.
        assert "registry logins; nothing was contacted" in "\n".join(running.err)
    with either.up("-v") as running:
        assert running.stop() == 0
        assert running.out == []
        said = "\n".join(running.err)
        assert "set up already" in said
        assert re.search(r"started in \d+\.\d s", said)


def test_it_makes_no_file_elsewhere_and_none_that_others_may_read(machine: Machine) -> None:
    with machine.up() as running:
        running.get("/readyz")
        limits = Path(f"/proc/{running.process.pid}/limits").read_text()
        assert re.search("Max core file size +0 ", limits), "a core would hold what is secret"
        # A file that is just being made has another name for a moment.
        assert {name for name in below(machine.home) if "/.audit.key-" not in name} <= OURS
        assert running.stop() == 0
    assert below(machine.home) <= OURS
    for folder, modes in ((machine.data, {"600", "700"}), (machine.keys, {"600", "700"})):
        assert {mode(path) for path in [folder, *folder.iterdir()]} <= modes
    assert mode(machine.keys / "master.key") == "600"


def test_a_link_is_made_beside_a_running_server_and_for_a_stopped_one(either: Machine) -> None:
    with either.up() as running:
        port = running.address.rpartition(":")[2]
        beside = either.run("--link", "--port", port)
        assert beside.returncode == 0, beside.stderr
        found = LINK.fullmatch(beside.stdout.strip())
        assert found is not None
        assert found[1] == running.address
        assert found[2] not in running.link()
        # It still writes, behind the event that the other process has written.
        assert running.get("/readyz").status_code == 200
        assert running.stop() == 0
    stopped = either.run("--link")
    assert LINK.fullmatch(stopped.stdout.strip()), stopped.stderr


def test_a_running_server_is_found_by_its_lock(machine: Machine) -> None:
    with machine.up() as running:
        found = LINK.fullmatch(machine.run("--link").stdout.strip())
        assert found is not None
        assert found[1] == running.address


def test_only_hashes_of_links_are_stored_and_each_has_an_event(machine: Machine) -> None:
    with machine.up() as running:
        token = running.link().partition("#t=")[2]
        machine.run("--link")
        assert running.stop() == 0
        said = "\n".join(running.err)
    with sqlite3.connect(machine.data / "portreeve.db") as database:
        actions = [row[0] for row in database.execute("SELECT action FROM audit_events ORDER BY sequence")]
        links = database.execute("SELECT count(*) FROM sign_in_links").fetchone()
    assert actions == ["user.create", "role.grant", "sign_in_link.create", "sign_in_link.create"]
    assert links == (1,), "a new link makes the last one void"
    assert token not in said
    assert token.encode() not in b"".join(path.read_bytes() for path in machine.data.iterdir())


def test_without_a_database_there_is_no_link(machine: Machine) -> None:
    done = machine.run("--link")
    assert (done.returncode, done.stdout, below(machine.home)) == (2, "", set())
    assert done.stderr.startswith("not_set_up: ")


@pytest.fixture
def set_up(either: Machine) -> Machine:
    with either.up() as running:
        assert running.stop() == 0
    return either


def test_a_wrong_master_key_does_not_start(set_up: Machine) -> None:
    """F-40."""
    made = subprocess.run(["openssl", "rand", "-base64", "32"], capture_output=True, text=True, check=True).stdout
    (set_up.keys / "master.key").write_text(made)
    before = contents(set_up)
    done = set_up.run("--port", "0")
    assert done.returncode == 2
    assert done.stderr.startswith("master_key_missing: stored values need the master key local-")
    assert contents(set_up) == before


def test_without_the_master_key_it_does_not_start_and_makes_no_new_one(set_up: Machine) -> None:
    """F-41."""
    (set_up.keys / "master.key").unlink()
    before = contents(set_up)
    done = set_up.run("--port", "0")
    assert (done.returncode, contents(set_up)) == (2, before)
    assert done.stderr.startswith("master_key_missing: there is no master key file at ")


def contents(machine: Machine) -> dict[str, bytes]:
    """All files but what names the last process."""
    names = [name for name in below(machine.home) if not name.endswith((".lock", "-shm", "-wal"))]
    return {name: (machine.home / name).read_bytes() for name in names}


def test_a_key_in_a_variable_needs_no_file(machine: Machine) -> None:
    key = subprocess.run(["openssl", "rand", "-base64", "32"], capture_output=True, text=True, check=True).stdout
    variables = {"PORTREEVE_SERVER_MASTER_KEY": "env:THE_KEY", "THE_KEY": key.strip()}
    with machine.up(**variables) as running:
        assert running.stop() == 0
    assert not (machine.keys / "master.key").exists()
    assert machine.run("--port", "0").stderr.startswith("master_key_missing: ")


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"PORTREEVE_SERVER_KEYS": "{home}/.local/share/portreeve/keys"}, "master_key_place"),
        ({"PORTREEVE_SERVER_MASTER_KEY": "file:{home}/.local/share/portreeve/k"}, "master_key_place"),
        ({"PORTREEVE_SERVER_MASTER_KEY": "canary"}, "master_key_uri"),
        ({"PORTREEVE_SERVER_DATABSE": "x"}, "settings_invalid"),
        ({"PORTREEVE_SERVER_DATABASE": "mysql://root:canary@127.0.0.1/x"}, "database_url"),
        ({"PORTREEVE_SERVER_DATABASE": "postgresql://root:canary@127.0.0.1:1/x"}, "database_unavailable"),
    ],
)
def test_settings_that_cannot_be_used_are_named(machine: Machine, variables: dict[str, str], code: str) -> None:
    done = machine.run("--port", "0", **{name: text.format(home=machine.home) for name, text in variables.items()})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{code}: ")
    assert "canary" not in done.stderr
    assert not (machine.keys / "master.key").exists()


def test_two_processes_never_have_one_directory(machine: Machine) -> None:
    with machine.up() as running:
        done = machine.run("--port", "0")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"data_in_use: process {running.process.pid} uses ")
        assert running.get("/readyz").status_code == 200
        running.process.send_signal(signal.SIGKILL)
        running.collected()
    with machine.up() as running:
        assert running.stop() == 0


def test_a_port_that_is_taken_is_named_before_anything_is_made(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = machine.run("--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert done.stderr.startswith("address_in_use: 127.0.0.1, port ")
    assert not (machine.data / "portreeve.db").exists()


def test_a_directory_of_others_is_refused(machine: Machine) -> None:
    machine.data.mkdir(parents=True)
    machine.data.chmod(0o755)
    done = machine.run("--port", "0")
    assert (done.returncode, done.stderr.partition(":")[0]) == (2, "data_directory")
    assert mode(machine.data) == "755"
    assert not any(machine.data.iterdir())


@pytest.mark.parametrize(("by", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_order(machine: Machine, by: signal.Signals, code: int) -> None:
    with machine.up() as running, httpx2.Client(trust_env=False) as client:
        client.get(f"{running.address}/healthz")  # a connection that stays open
        assert running.stop(by) == code
        assert not [line for line in running.err if "exception" in line]
    assert not (machine.data / "portreeve.db-wal").exists(), "the last connection closes the database"


def test_an_ignored_interrupt_stays_ignored(machine: Machine) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with machine.up() as running:
            running.process.send_signal(signal.SIGINT)
            assert running.get("/readyz").status_code == 200
            assert running.stop() == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_machines_are_let_in_only_by_who_said_so(machine: Machine) -> None:
    for arguments, code in (
        ((), "exposed_without_tls"),
        (("--behind-proxy",), "exposed_without_admin"),
    ):
        done = machine.run("--host", "0.0.0.0", "--port", "0", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"{code}: ")


def test_it_does_tls_itself(machine: Machine, tmp_path: Path) -> None:
    files = certificate_files(tmp_path)
    with machine.up(**files) as running:
        assert running.address.startswith("https://127.0.0.1:")
        found = httpx2.get(f"{running.address}/healthz", verify=False, trust_env=False)
        assert found.json() == {"status": "ok"}


def certificate_files(folder: Path) -> dict[str, str]:
    certificate, key = folder / "tls.crt", folder / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return {"PORTREEVE_SERVER_TLS_CERTIFICATE": str(certificate), "PORTREEVE_SERVER_TLS_KEY": str(key)}


def test_logs_are_lines_of_json_that_tell_the_route_and_nothing_of_the_path(machine: Machine) -> None:
    with machine.up() as running:
        headers = {"Authorization": "Bearer prt_canary", "Cookie": "canary=1"}
        httpx2.post(f"{running.address}/api/v1/teams?q=canary", json={"canary": 1}, headers=headers, trust_env=False)
        httpx2.get(f"{running.address}/api/v1/teams/canary", headers=headers, trust_env=False)
        httpx2.get(f"{running.address}/canary", headers=headers, trust_env=False)
        assert running.stop() == 0
        lines = [json.loads(line) for line in running.err if line.startswith("{")]
    told = [(line["method"], line["route"], line["status"]) for line in lines if line["event"] == "request"]
    assert told == [("POST", "/api/v1/teams", 401), ("GET", "/api/v1/teams/{name}", 401), ("GET", "", 404)]
    assert all(set(line) >= {"request", "ms", "principal", "timestamp", "level"} for line in lines)
    assert "canary" not in "\n".join(running.err)


def test_a_head_without_an_end_is_not_kept(machine: Machine) -> None:
    with machine.up() as running:
        port = int(running.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
            received = b""
            try:
                for _ in range(64):
                    client.sendall(b"a" * MAX_HEAD_BYTES)
                received = client.recv(64)
            except (BrokenPipeError, ConnectionResetError):
                received = b"HTTP/1.1 400 "
        assert received.startswith(b"HTTP/1.1 400 ")
        assert running.get("/healthz").headers.get("server") is None
