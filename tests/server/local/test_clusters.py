"""Which clusters are kept from here: what the settings say, what is refused before anything is made, and the key."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from portreeve.errors import Conflict, Invalid, PortreeveError, Stalled
from portreeve.server import settings
from portreeve.server.local.clusters import Reached, reached
from portreeve.server.settings import LocalCluster, Settings
from tests.server.local.kubeconfig import kubeconfig, written
from tests.server.program import Machine


def now() -> datetime:
    return datetime(2026, 11, 20, tzinfo=UTC)


def found(directory: Path, *clusters: LocalCluster, database: str = "", **inherited: str) -> tuple[Reached, ...]:
    told = Settings(directory / "data", directory / "keys", database, local_clusters=clusters)
    return reached(told, inherited, now)


def test_the_setting_names_environments_and_files() -> None:
    text = "dev=/etc/kube/dev, prod=/etc/kube/eks:arn:aws:eks:eu-west-1:1:cluster/prod"
    read = settings.read({"PORTREEVE_SERVER_LOCAL_CLUSTERS": text}, Path("/data"))
    assert read.local_clusters == (
        LocalCluster("dev", Path("/etc/kube/dev")),
        LocalCluster("prod", Path("/etc/kube/eks"), "arn:aws:eks:eu-west-1:1:cluster/prod"),
    )
    for wrong in ("dev", "dev=", "dev=:context"):
        with pytest.raises(Invalid, match="LOCAL_CLUSTERS"):
            settings.read({"PORTREEVE_SERVER_LOCAL_CLUSTERS": wrong}, Path("/data"))


def test_the_key_is_made_once_apart_from_the_data_and_for_us_alone(tmp_path: Path) -> None:
    cluster = LocalCluster("dev", kubeconfig(tmp_path))
    (first,), (second,) = found(tmp_path, cluster), found(tmp_path, cluster)
    assert first.key.sealing_key == second.key.sealing_key
    assert (tmp_path / "keys/local-dev.key").stat().st_mode & 0o777 == 0o600
    assert first.directory.stat().st_mode & 0o777 == 0o700
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []
    (other,) = found(tmp_path, LocalCluster("west", kubeconfig(tmp_path)))
    assert other.key.sealing_key != first.key.sealing_key


def test_what_cannot_be_kept_is_refused_before_a_key_is_made(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path)
    good, elsewhere = LocalCluster("dev", file), "postgresql://nobody@127.0.0.1:1/nothing"
    refused: list[tuple[str, tuple[LocalCluster, ...], str]] = [
        ("local_needs_embedded", (good,), elsewhere),
        ("local_cluster", (good, good), ""),
        ("local_cluster", (LocalCluster("../dev", file),), ""),
        ("local_cluster", (LocalCluster("dev", tmp_path / "a:b"),), ""),
        ("kubeconfig_context", (good, LocalCluster("west", file, "nowhere")), ""),
        ("kubeconfig_file", (LocalCluster("dev", tmp_path / "missing"),), ""),
    ]
    for code, clusters, database in refused:
        with pytest.raises(PortreeveError) as caught:
            found(tmp_path, *clusters, database=database)
        assert caught.value.code == code
        assert isinstance(caught.value, Conflict | Invalid)
    assert not (tmp_path / "keys").exists()


def test_nothing_is_made_where_nothing_is_kept_from_here(tmp_path: Path) -> None:
    assert found(tmp_path, database="postgresql://nobody@127.0.0.1:1/nothing") == ()
    assert list(tmp_path.iterdir()) == []


async def test_a_plugin_inherits_nothing_of_ours(tmp_path: Path) -> None:
    """The settings may hold the password of a database; what a cloud's tool needs is there."""
    program = tmp_path / "plugin"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, os\n"
        "shown = ','.join(sorted(name for name in os.environ if name.startswith(('PORTREEVE', 'CLOUD'))))\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1', 'kind': 'ExecCredential',"
        " 'status': {'token': shown}}))\n"
    )
    program.chmod(0o700)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program)}}
    (cluster,) = found(
        tmp_path, LocalCluster("dev", written(tmp_path, user)), PORTREEVE_SERVER_DATABASE="x", CLOUD_PROFILE="y"
    )
    identity = await cluster.connection.identity.current()
    assert identity.token is not None
    assert identity.token.reveal() == b"CLOUD_PROFILE"


def test_a_damaged_key_is_not_replaced(tmp_path: Path) -> None:
    """What is sealed for it may still be wanted; a person puts it back, or takes it away."""
    cluster = LocalCluster("dev", kubeconfig(tmp_path))
    found(tmp_path, cluster)
    key = tmp_path / "keys/local-dev.key"
    key.write_bytes(key.read_bytes()[:40])
    with pytest.raises(Invalid) as caught:
        found(tmp_path, cluster)
    assert caught.value.code == "sealing_key"
    key.unlink()
    key.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Stalled) as stalled:
        found(tmp_path, cluster)
    assert stalled.value.code == "sealing_key_file"


@pytest.mark.wide
def test_the_program_refuses_half_of_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "home")
    done = machine.run("--kubeconfig", str(kubeconfig(tmp_path)))
    assert (done.returncode, done.stdout) == (2, "")
    assert "--kubeconfig and --environment belong together" in done.stderr
    assert not machine.keys.exists()
