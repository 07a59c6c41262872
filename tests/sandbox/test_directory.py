"""The directory of a sandbox: one holder at a time, and nothing removed that is not a sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from portreeve.errors import Conflict, Invalid, NotFound
from portreeve.sandbox import start
from portreeve.sandbox.directory import STATE, Directory, held, look, variables
from portreeve.sandbox.processes import Process


def test_what_is_known_is_known_again(tmp_path: Path) -> None:
    with held(tmp_path / "s", new=True) as made:
        made.ports = {"plane": 1}
        made.missing = {"kubectl": "none"}
        made.started("plane", Process(7, "boot/1"))
        made.did("pushed")
    found = look(tmp_path / "s")
    assert (found.ports, found.missing, found.done) == ({"plane": 1}, {"kubectl": "none"}, ["pushed"])
    assert found.processes == {"plane": Process(7, "boot/1")}
    assert not found.is_running("plane")
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700


def test_two_do_not_hold_it_at_once_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    with held(tmp_path / "s", new=True), pytest.raises(Conflict) as busy, held(tmp_path / "s", new=False):
        pass
    assert busy.value.code == "sandbox_busy"
    assert [one.name for one in tmp_path.iterdir()] == ["s"]
    with held(tmp_path / "s", new=False):
        pass


def test_a_directory_with_something_else_in_it_is_neither_used_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("dear")
    tmp_path.chmod(0o700)
    with pytest.raises(Invalid) as refused, held(tmp_path, new=True):
        pass
    assert refused.value.code == "sandbox_directory"
    with pytest.raises(NotFound):
        start.down(tmp_path)
    assert (tmp_path / "letters").read_text() == "dear"


def test_one_that_others_may_look_into_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir(mode=0o755)
    with pytest.raises(Invalid), held(tmp_path / "s", new=True):
        pass


@pytest.mark.parametrize("content", ["", "[]", '{"ports": {}}', '{"ports": {"plane": "x"}}'])
def test_a_state_that_is_not_ours_is_refused_and_stays(tmp_path: Path, content: str) -> None:
    (tmp_path / STATE).write_text(content)
    with pytest.raises(Invalid) as refused:
        start.down(tmp_path)
    assert refused.value.code == "sandbox_directory"
    assert (tmp_path / STATE).read_text() == content


def test_where_there_is_none_that_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(NotFound) as missing:
            start.down(path)
        assert missing.value.code == "sandbox_missing"


def test_a_shell_is_told_of_no_cluster_where_there_is_none(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    directory.ports = {"plane": 1}
    assert "KUBECONFIG" not in variables(directory)
    assert variables(directory)["REGISTRY"] == "registry.example.com"
    directory.ports = {"plane": 1, "apiserver": 2, "registry": 3}
    assert variables(directory)["KUBECONFIG"] == str(tmp_path / "kubeconfig")
    assert variables(directory)["REGISTRY"] == "127.0.0.1:3"


def test_what_is_cleared_is_as_new_and_still_held(tmp_path: Path) -> None:
    with held(tmp_path / "s", new=True) as made:
        made.ports = {"plane": 1}
        made.folder("keys")
        made.did("prepared")
        made.clear()
        assert [one.name for one in made.path.iterdir()] == [STATE]
        assert not look(made.path).is_done("prepared")
        with pytest.raises(Conflict), held(tmp_path / "s", new=True):
            pass
