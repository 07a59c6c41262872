"""Master keys from files and variables: made for their owner alone, refused when others may read them."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest

from portreeve.core.secret import SecretValue
from portreeve.errors import Conflict, Invalid, PortreeveError, Stalled
from portreeve.vault import aead
from portreeve.vault.key_providers import VARIABLE, LocalMasterKey, create_file, from_environment, from_file

TEXT = base64.b64encode(aead.new_key().reveal()).decode()


def written(path: Path, text: str = TEXT, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def refusal(path: Path) -> PortreeveError:
    with pytest.raises(PortreeveError) as why:
        from_file(path)
    assert why.value.hint
    return why.value


def test_a_file_is_made_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    before = os.umask(0)
    try:
        made = create_file(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert from_file(path).key.equals_in_constant_time(made.key)
    assert from_file(path).key_id == made.key_id


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    path = written(tmp_path / "key")
    with pytest.raises(Conflict) as why:
        create_file(path)
    assert why.value.code == "master_key_exists"
    assert path.read_text() == TEXT


def test_a_file_is_not_made_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Conflict):
        create_file(tmp_path / "key")
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as why:
        create_file(tmp_path / "no" / "key")
    assert why.value.code == "master_key_file"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o602, 0o604, 0o610, 0o601, 0o666, 0o777, 0o440])
def test_a_mode_that_lets_others_in_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    error = refusal(written(tmp_path / "key", mode=mode))
    assert error.code == "master_key_file"
    assert f"{mode:04o}" in error.message
    assert error.hint == f"chmod 600 {tmp_path / 'key'}"


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_mode_for_the_owner_alone_is_taken(tmp_path: Path, mode: int) -> None:
    assert base64.b64encode(from_file(written(tmp_path / "key", mode=mode)).key.reveal()).decode() == TEXT


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(written(tmp_path / "key"))
    error = refusal(tmp_path / "link")
    assert error.code == "master_key_file"
    assert "symbolic link" in error.message


def test_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert refusal(tmp_path / "folder").code == "master_key_file"
    assert refusal(tmp_path / "pipe").code == "master_key_file"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "key")
    os.chown(path, 12345, -1)
    assert "12345" in refusal(path).message


def test_a_missing_file_is_no_invitation_to_make_one(tmp_path: Path) -> None:
    error = refusal(tmp_path / "key")
    assert (type(error), error.code) == (Stalled, "master_key_missing")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        TEXT[:-4],
        TEXT + TEXT,
        base64.b64encode(b"x" * 31).decode(),
        base64.b64encode(b"\x00" * 32).decode(),
        base64.b64encode(b"correct horse battery staple, ok").decode(),
        "correct horse battery staple",
        base64.b64encode(os.urandom(64)).decode(),
        os.urandom(32).hex(),
        "A" * 100_000,
    ],
    ids=[
        "empty",
        "blank",
        "short",
        "twice",
        "31 bytes",
        "zeros",
        "words in base64",
        "words",
        "64 bytes",
        "hex",
        "huge",
    ],
)
def test_what_is_no_key_is_refused_without_being_quoted(tmp_path: Path, text: str) -> None:
    error = refusal(written(tmp_path / "key", text))
    assert (type(error), error.code) == (Invalid, "master_key_malformed")
    assert not text.strip() or text.strip() not in error.diagnostics()
    assert error.__context__ is None


def test_a_variable_holds_the_same_line() -> None:
    assert base64.b64encode(from_environment({VARIABLE: TEXT + "\n"}).key.reveal()).decode() == TEXT
    assert from_environment({"OTHER": TEXT}, "OTHER").key_id == from_environment({VARIABLE: TEXT}).key_id


@pytest.mark.parametrize(("value", "code"), [("", "master_key_missing"), ("abc", "master_key_malformed")])
def test_a_variable_without_a_key_is_refused(value: str, code: str) -> None:
    with pytest.raises(PortreeveError) as why:
        from_environment({VARIABLE: value})
    assert why.value.code == code


def test_another_key_has_another_id_which_does_not_hold_it() -> None:
    ids = {LocalMasterKey(aead.new_key()).key_id for _ in range(100)}
    assert len(ids) == 100
    key = LocalMasterKey(SecretValue(base64.b64decode(TEXT)))
    assert key.key_id.removeprefix("local-") not in key.key.reveal().hex()


def test_a_local_key_unwraps_what_it_wrapped_in_the_same_context() -> None:
    key = from_environment({VARIABLE: TEXT})
    wrapped = key.wrap(SecretValue("x"), context=b"a")
    assert key.unwrap(wrapped, context=b"a").reveal() == b"x"
    with pytest.raises(Stalled):
        key.unwrap(wrapped, context=b"b")
