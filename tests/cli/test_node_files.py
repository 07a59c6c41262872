"""`portreeve render --format containerd|k3s|crio|podman|openshift`: what is written, and what is not."""

from __future__ import annotations

import io
import json
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from portreeve.cli.main import run as run_arguments
from tests.cli.program import Outcome

EXACT = """\
apiVersion: portreeve.io/v1
kind: RegistryPolicy
metadata: {name: nodes}
spec:
  restrict:
    stage: deny
    allowedSources:
      - {prefix: harbor.example.com, scope: Global}
      - {prefix: quay.io/team, scope: Global}
"""
LESS = EXACT.replace("      - {prefix: quay.io/team, scope: Global}\n", "")
CRIO = ("render", "-p", "nodes.yaml", "--format", "crio", "--directory", "etc")
CONTAINERD = ("render", "-p", "nodes.yaml", "--format", "containerd", "--directory", "etc", "--allow-wider")


@dataclass
class Program:
    """The command line without a process of its own: what is tested here are files."""

    folder: Path
    streams: pytest.CaptureFixture[str]

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return name

    def run(self, *arguments: str) -> Outcome:
        self.streams.readouterr()
        code = run_arguments(arguments)
        return Outcome(code, *self.streams.readouterr())


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    monkeypatch.chdir(tmp_path)
    return Program(tmp_path, capsys)


def test_a_folder_is_written_once_and_left_alone_when_nothing_has_changed(program: Program) -> None:
    program.write("nodes.yaml", EXACT)
    first, second = program.run(*CRIO), program.run(*CRIO)
    assert (first.code, second.code) == (0, 0)
    assert "containers/policy.json" in first.out
    assert "a node spares no system namespace" in first.err
    assert first.out.count("written") == 4
    assert second.out.count("unchanged") == 4
    policy = json.loads((program.folder / "etc/containers/policy.json").read_text())
    assert set(policy["transports"]["docker"]) == {"harbor.example.com", "quay.io/team"}
    kept = json.loads((program.folder / "etc/portreeve-files.json").read_text())
    assert kept["policy"] == "nodes"
    assert any("Does not verify signatures" in line for line in kept["files"]["containers/policy.json"]["about"])


def test_what_would_allow_more_is_not_written_unless_that_is_wanted(program: Program) -> None:
    program.write("nodes.yaml", EXACT)
    refused = program.run(*CONTAINERD[:-1])
    assert (refused.code, refused.out) == (3, "")
    assert "wider: all of quay.io is opened to every pod of the node, the policy allows quay.io/team" in refused.err
    assert "--allow-wider" in refused.err
    assert not (program.folder / "etc").exists()
    accepted = program.run(*CONTAINERD)
    assert accepted.code == 0
    assert "wider: all of quay.io" in accepted.err


def test_a_host_that_is_not_allowed_any_more_loses_its_file(program: Program) -> None:
    program.write("nodes.yaml", EXACT)
    program.run(*CONTAINERD)
    program.write("nodes.yaml", LESS)
    done = program.run(*CONTAINERD)
    assert "containerd/certs.d/quay.io/hosts.toml             removed" in done.out
    assert not (program.folder / "etc/containerd/certs.d/quay.io/hosts.toml").exists()


def test_files_of_others_are_left_alone_without_force(program: Program) -> None:
    program.write("nodes.yaml", EXACT)
    theirs = program.folder / program.write("etc/containers/policy.json", '{"default": []}')
    refused = program.run(*CRIO)
    assert refused.code == 2
    assert "file_not_ours" in refused.err
    assert "containers/policy.json: was not written by portreeve" in refused.err
    assert theirs.read_text() == '{"default": []}'
    assert not (program.folder / "etc/crio").exists()
    assert program.run(*CRIO, "--force").code == 0
    assert "reject" in theirs.read_text()


def test_a_file_that_somebody_changed_is_theirs(program: Program) -> None:
    program.write("nodes.yaml", EXACT)
    program.run(*CRIO)
    conf = program.folder / "etc/containers/registries.conf"
    conf.write_text(conf.read_text() + "# mine\n")
    program.write("nodes.yaml", LESS)
    refused = program.run(*CRIO)
    assert refused.code == 2
    assert "was changed since" in refused.err
    assert conf.read_text().endswith("# mine\n")


def test_no_link_is_followed_and_no_list_leads_outside(program: Program) -> None:
    program.write("nodes.yaml", EXACT)
    outside = program.folder / program.write("outside.json", "{}")
    (program.folder / "etc/containers").mkdir(parents=True)
    (program.folder / "etc/containers/policy.json").symlink_to(outside)
    assert "symbolic link" in program.run(*CRIO).err
    (program.folder / "etc/containers/policy.json").unlink()
    listed = {
        "files": {"../outside.json": {"sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}
    }
    program.write("etc/portreeve-files.json", json.dumps(listed))
    assert program.run(*CRIO).code == 0
    assert outside.read_text() == "{}"


def test_a_hosts_file_of_somebody_else_is_said(program: Program) -> None:
    program.write("nodes.yaml", EXACT)
    program.write("etc/containerd/certs.d/evil.example/hosts.toml", "")
    done = program.run(*CONTAINERD)
    assert "not ours: containerd/certs.d/evil.example is read as well" in done.err


def test_one_file_goes_to_standard_output_and_several_need_a_place(program: Program) -> None:
    program.write("nodes.yaml", EXACT)
    arguments = ("render", "-p", "nodes.yaml", "--allow-wider", "--format")
    k3s = program.run(*arguments, "k3s", "--mirror", "registry.k8s.io=harbor.example.com/k8s")
    assert k3s.code == 0
    assert yaml.safe_load(k3s.out)["mirrors"]["registry.k8s.io"] == {"endpoint": ["https://harbor.example.com/v2/k8s"]}
    assert program.run(*arguments, "podman").code == 2
    everything = program.run(*arguments, "containerd", "-o", "json").json
    contents = {file["path"]: tomllib.loads(file["content"]) for file in everything["files"]}
    assert contents["containerd/certs.d/_default/hosts.toml"]["capabilities"] == ["push"]
    assert {gap["width"] for gap in everything["gaps"]} == {"wider"}


def test_an_archive_is_the_same_bytes_for_the_same_policy(program: Program) -> None:
    program.write("nodes.yaml", EXACT)
    arguments = ("render", "-p", "nodes.yaml", "--format", "podman", "--archive")
    assert program.run(*arguments, "one.tar").code == 0
    assert program.run(*arguments, "two.tar").code == 0
    one = (program.folder / "one.tar").read_bytes()
    assert one == (program.folder / "two.tar").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(one)) as tar:
        assert tar.getnames() == ["containers/registries.conf", "containers/policy.json", "portreeve-files.json"]
    assert program.run(*arguments, "one.tar").code == 2


def test_what_a_node_cannot_do_is_refused(program: Program) -> None:
    program.write("nodes.yaml", EXACT.replace("stage: deny", "stage: warn"))
    assert "node_files_need_deny" in program.run(*CRIO).err
    program.write("nodes.yaml", EXACT)
    outcome = program.run("render", "-p", "nodes.yaml", "--directory", "etc")
    assert (outcome.code, Path(program.folder / "etc").exists()) == (2, False)
    assert "--directory is for node files" in outcome.err


def test_what_allows_less_is_written_and_said_with_exit_code_3(program: Program) -> None:
    own = EXACT + "      - {prefix: ghcr.io/shop, scope: {namespaces: [shop]}}\n"
    program.write("nodes.yaml", own)
    arguments = ("render", "-p", "nodes.yaml", "--format", "podman", "--directory", "etc")
    done = program.run(*arguments)
    assert done.code == 3
    assert "narrower: ghcr.io/shop in shop only is left out" in done.err
    assert (program.folder / "etc/containers/policy.json").exists()
    assert program.run(*arguments, "--allow-incomplete").code == 0
