"""The parts of a start by themselves: the data directory and its lock, the keys, who may be let in from elsewhere."""

from __future__ import annotations

import os
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert

from portreeve.core.estate import Key
from portreeve.core.secret import SecretValue
from portreeve.errors import Conflict, Invalid, NotFound, PortreeveError, Stalled
from portreeve.server import data_directory, first_start, keys, settings, start
from portreeve.server.app import Server, utc_now
from portreeve.server.data_directory import Holder
from portreeve.server.database.engine import connect
from portreeve.server.database.migrate import to_head
from portreeve.server.database.tables import KEY_CHECKS, OWNER_KEYS, PASSWORDS
from portreeve.server.database.writer import Transaction
from portreeve.server.people.links import Link
from portreeve.server.settings import Settings
from portreeve.vault import key_providers
from portreeve.vault.ports import MasterKeys
from tests.server.plane import NOW, Plane, document


def test_a_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    made = tmp_path / "data"
    data_directory.prepare(made)
    assert made.stat().st_mode & 0o777 == 0o700
    data_directory.prepare(made)


@pytest.mark.parametrize("mode", [0o701, 0o740, 0o777])
def test_a_directory_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(mode)
    with pytest.raises(Invalid, match=f"{mode:04o}"):
        data_directory.prepare(tmp_path / "data")


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(Invalid) as caught:
        data_directory.prepare(tmp_path / "data")
    assert caught.value.code == "data_directory"


def test_a_lock_is_had_by_one_and_names_them(tmp_path: Path) -> None:
    database = tmp_path / "portreeve.db"
    assert data_directory.holder(database) is None
    held = data_directory.lock(database)
    held.tell("http://127.0.0.1:1")
    assert data_directory.holder(database) == Holder(os.getpid(), "http://127.0.0.1:1")
    with pytest.raises(Conflict, match=f"process {os.getpid()} uses"):
        data_directory.lock(database)
    held.release()
    assert data_directory.holder(database) is None
    data_directory.lock(database).release()


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "portreeve.db.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Invalid):
        data_directory.lock(tmp_path / "portreeve.db")
    assert not (tmp_path / "elsewhere").exists()


@pytest.fixture
def told(database_url: str, tmp_path: Path) -> Settings:
    (tmp_path / "data").mkdir(mode=0o700)
    return Settings(data=tmp_path / "data", keys=tmp_path / "keys", database=database_url)


async def started(told: Settings, **environment: str) -> MasterKeys:
    """As a start does it."""
    database = connect(told.database_url)
    try:
        found = await keys.verified(database, told, environment, utc_now)
        await to_head(database)
        await keys.remember(database, found)
    finally:
        await database.close()
    return found


async def test_the_first_start_makes_the_key_and_later_ones_take_it(told: Settings) -> None:
    first = await started(told)
    assert (await started(told)).current.key_id == first.current.key_id
    assert told.keys is not None
    assert (told.keys / "master.key").stat().st_mode & 0o777 == 0o600


async def test_a_start_that_was_killed_before_it_stored_the_check_goes_on_with_its_key(told: Settings) -> None:
    database = connect(told.database_url)
    made = await keys.verified(database, told, {}, utc_now)
    await database.close()
    assert (await started(told)).current.key_id == made.current.key_id


async def test_a_key_is_made_once_even_if_its_file_is_lost(told: Settings) -> None:
    await started(told)
    assert told.keys is not None
    (told.keys / "master.key").unlink()
    with pytest.raises(Stalled) as caught:
        await started(told)
    assert caught.value.code == "master_key_missing"
    assert list(told.keys.iterdir()) == []


async def test_a_new_key_is_taken_with_the_old_one_retiring_and_not_without(told: Settings, tmp_path: Path) -> None:
    old = (await started(told)).current.key_id
    assert told.keys is not None
    other = tmp_path / "other.key"
    key_providers.create_file(other)
    alone = replace(told, master_key=f"file:{other}")
    with pytest.raises(Stalled, match=old):
        await started(alone)
    both = replace(alone, retiring_keys=(f"file:{told.keys / 'master.key'}",))
    await started(both)
    assert (await started(alone)).current.key_id != old, "nothing is wrapped with the old one any more"


async def test_keys_that_stored_values_need_must_be_there(told: Settings, tmp_path: Path) -> None:
    old = await started(told)
    database = connect(told.database_url)
    async with database.writer.begin() as connection:
        row = {"owner": "", "epoch": 1, "master_key": old.current.key_id, "wrapped": b"x", "created_at": NOW}
        await connection.execute(insert(OWNER_KEYS).values(**row))
    await database.close()
    other = tmp_path / "other.key"
    key_providers.create_file(other)
    with pytest.raises(Stalled, match=old.current.key_id):
        await started(replace(told, master_key=f"file:{other}"))


async def test_a_key_of_the_same_name_with_another_value_is_noticed(told: Settings) -> None:
    found = await started(told)
    database = connect(told.database_url)
    async with database.writer.begin() as connection:
        await connection.execute(KEY_CHECKS.update().values(value=found.current.wrap(SecretValue("x"), context=b"")))
    await database.close()
    with pytest.raises(Stalled) as caught:
        await started(told)
    assert caught.value.code == "master_key_wrong"


async def test_of_two_first_starts_with_two_keys_one_is_refused(told: Settings, tmp_path: Path) -> None:
    first, second = connect(told.database_url), connect(told.database_url)
    mine = await keys.verified(first, told, {}, utc_now)
    other = await keys.verified(second, replace(told, keys=tmp_path / "other"), {}, utc_now)
    await to_head(first)
    await keys.remember(first, mine)
    with pytest.raises(Stalled, match=mine.current.key_id):
        await keys.remember(second, other)
    await first.close()
    await second.close()


@pytest.mark.parametrize("place", ["keys", "deep/keys", "../data/keys"])
async def test_a_key_beside_the_database_is_refused(told: Settings, place: str) -> None:
    with pytest.raises(Invalid) as caught:
        await started(replace(told, keys=told.data / place))
    assert caught.value.code == "master_key_place"
    link = told.data.parent / "link"
    link.symlink_to(told.data)
    with pytest.raises(Invalid):
        await started(replace(told, master_key=f"file:{link}/k"))


@pytest.mark.parametrize(
    ("host", "fits"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("192.0.2.1", False), ("::", False), ("example.com", False), ("127.0.0.1.example.com", False)],
)  # fmt: skip
async def test_only_loopback_needs_nothing_more(plane: Plane, host: str, fits: bool) -> None:
    server = replace(plane.server, settings=replace(plane.server.settings, host=host))
    assert (await refused(server, behind_proxy=False)) == (None if fits else "exposed_without_tls")


async def refused(server: Server, *, behind_proxy: bool) -> str | None:
    try:
        await start._refuse_exposed(server, behind_proxy=behind_proxy)
    except PortreeveError as error:
        return error.code
    return None


async def test_others_are_let_in_once_an_administrator_has_a_password(plane: Plane, tmp_path: Path) -> None:
    exposed = replace(plane.server.settings, host="192.0.2.1")
    with_tls = replace(exposed, tls_certificate=tmp_path / "tls.crt")
    proxied, own = replace(plane.server, settings=exposed), replace(plane.server, settings=with_tls)
    await plane.put(document("User", "somebody"))
    await issued_first(plane)
    await password(plane, "somebody")
    assert await refused(proxied, behind_proxy=True) == "exposed_without_admin"
    provided = replace(plane.server, settings=replace(exposed, oidc_file="oidc.yaml"))
    assert await refused(provided, behind_proxy=True) is None
    await plane.put(document("User", "boss"), document("Team", "bosses", members=["boss"]))
    await plane.put(document("RoleBinding", "b", role="platform-admin", subjects={"teams": ["bosses"]}))
    await password(plane, "boss")
    assert await refused(proxied, behind_proxy=True) is None
    assert await refused(own, behind_proxy=False) is None
    assert await refused(proxied, behind_proxy=False) == "exposed_without_tls"


async def password(plane: Plane, user: str) -> None:
    async def job(transaction: Transaction) -> None:
        row = {name: user for name in PASSWORDS.columns.keys() if name != "updated_at"}  # noqa: SIM118 -- no mapping
        await transaction.connection.execute(insert(PASSWORDS).values(**row, updated_at=NOW))

    await plane.server.writer.run(job)


async def issued_first(plane: Plane) -> Link | None:
    async def job(transaction: Transaction) -> Link | None:
        return await first_start.first_link(transaction, "http://127.0.0.1:1", plane.server.new_id)

    return await plane.server.writer.run(job)


async def test_the_first_administrator_is_made_once(plane: Plane) -> None:
    made = await issued_first(plane)
    assert made is not None
    assert made.user == "admin"
    assert made.address.reveal().startswith(b"http://127.0.0.1:1/login#t=")
    assert await issued_first(plane) is None
    snapshot = await plane.server.documents.snapshot()
    assert {Key("User", "admin"), Key("RoleBinding", "admin")} <= set(snapshot.documents)
    assert list(first_start.administrators(snapshot)) == ["admin"]


async def test_nobody_is_made_where_somebody_is(plane: Plane) -> None:
    await plane.put(document("User", "somebody"))
    assert await issued_first(plane) is None


async def test_a_link_is_for_an_administrator_who_may_sign_in(plane: Plane) -> None:
    async def job(transaction: Transaction) -> Link:
        return await first_start.another_link(transaction, "http://127.0.0.1:1")

    with pytest.raises(NotFound) as caught:
        await plane.server.writer.run(job)
    assert caught.value.code == "no_administrator"
    await plane.put(document("User", "zoe"), document("User", "ann", disabled=True), document("User", "bob"))
    subjects = {"users": ["zoe", "ann"]}
    await plane.put(document("RoleBinding", "b", role="platform-admin", subjects=subjects))
    assert (await plane.server.writer.run(job)).user == "zoe"


def test_a_link_into_tables_of_another_release_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    told = Settings(data=tmp_path)
    sqlite3.connect(tmp_path / "portreeve.db").close()
    with pytest.raises(Conflict) as caught:
        start.link(told)
    assert caught.value.code == "schema_differs"


def test_settings_are_read_from_variables_and_nothing_else_is_taken_along(tmp_path: Path) -> None:
    environment = {
        "HOME": "/home/a", "SECRET": "x", "KUBECONFIG": "k", "PORTREEVE_SERVER_KEYS": "/keys",
        "PORTREEVE_SERVER_TLS_CERTIFICATE": "/c", "PORTREEVE_SERVER_DATABASE": "postgresql://a:canary@h/d",
    }  # fmt: skip
    found = settings.read(environment, tmp_path, tmp_path / "k")
    assert (found.keys_directory, found.tls_certificate) == (Path("/keys"), Path("/c"))
    assert found.surroundings == {"HOME": "/home/a", "KUBECONFIG": "k"}
    assert "canary" not in repr(found)
    assert settings.read({}, tmp_path, tmp_path / "k").keys_directory == tmp_path / "k"
    with pytest.raises(Invalid):
        settings.read({"PORTREEVE_SERVER_SURROUNDINGS": "x"}, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "portreeve.example.com",
        "ftp://p.example.com",
        "https://",
        "https://p.example.com//evil.example",
        "https://p.example.com/a/../b",
        "https://p.example.com/.",
        "https://p.example.com/a?b",
        "https://p.example.com/a#b",
        "https://user:word@p.example.com",
        "https://p.example.com:0",
        "https://p.example.com:99999",
        "https://[::1/a",
        'https://p.example.com/"><script>',
        "https://p.example.com/a;Path=/",
        "https://p.example.com/a\r\nX: y",
        "https://p.example.com/a%2e",
        "https://p.example.com/é",
        " https://p.example.com",
        "https://p.example.com\n",
    ],
)
def test_a_public_address_is_one_or_it_does_not_start(text: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="PUBLIC_URL"):
        settings.read({"PORTREEVE_SERVER_PUBLIC_URL": text}, tmp_path)
    with pytest.raises(Invalid, match="PUBLIC_URL"):
        replace(Settings(data=tmp_path), public_url=text)


def test_every_setting_stands_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs/howto/start.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z_]+)`", page.split("## Settings")[1].split("\n## ")[0]))
    assert named - {"PORTREEVE_SERVER_"} == {name.upper() for name in Settings.__dataclass_fields__} - {"SURROUNDINGS"}


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, "http://127.0.0.1:8420"),
        ({"host": "::1", "port": 1}, "http://[::1]:1"),
        ({"host": "0.0.0.0", "tls_certificate": Path("c")}, "https://127.0.0.1:8420"),
        ({"public_url": "https://p.example.com", "host": "10.0.0.1"}, "https://p.example.com"),
    ],
)
def test_the_address_in_a_link_is_the_one_that_a_browser_here_reaches(given: dict[str, object], address: str) -> None:
    assert start.base(replace(Settings(data=Path()), **given)) == address  # type: ignore[arg-type] # as named
