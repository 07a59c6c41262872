"""Files to image uses: found, told apart, rendered, and nothing dropped in silence."""

from __future__ import annotations

import io
import os
import shutil
import socket
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portreeve.core.manifests import ImageUse, NotEvaluated, Place, Result
from portreeve.workspace import Counts, Reading, WorkspaceLimits, read
from portreeve.workspace.render import NotRendered, run

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\nspec:\n  containers:\n  - name: c\n    image: nginx\n"
COMPOSE = "services:\n  web:\n    image: nginx\n"
WORKFLOW = "on: push\njobs:\n  a:\n    container: node\n"


def manifests() -> Path:
    """The published manifests: beside the repository, or where PORTREEVE_DATA says."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    found = Path(os.environ.get("PORTREEVE_DATA", beside)) / "manifests"
    if not found.is_dir():
        pytest.skip(f"NO MANIFESTS at {found}: set PORTREEVE_DATA to check against published ones")
    return found


def put(root: Path, **files: str) -> None:
    for name, text in files.items():
        put_at(root, name, text)


def put_at(root: Path, name: str, text: str | bytes) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def reading(*paths: object, limits: WorkspaceLimits | None = None, tools: bool = False) -> Reading:
    which = shutil.which if tools else lambda _name: None
    return read([str(path) for path in paths], limits=limits, which=which)


def shown(results: Reading, root: Path) -> list[str]:
    """File, line and image or code of each result."""
    return [f"{Path(os.path.relpath(one.file, root))}:{one.line} {name(one)}" for one in results]


def name(one: Result) -> str:
    return one.image if isinstance(one, ImageUse) else one.code


def codes(*paths: object) -> list[str]:
    return [name(one) for one in reading(*paths)]


def test_a_walk_reads_each_kind_of_file_in_order(tmp_path: Path) -> None:
    for path, text in {
        "b/pod.yaml": POD,
        "b/x.json": '{"kind": "Pod", "spec": {"containers": [{"image": "j"}]}}',
        "a/compose.yml": COMPOSE,
        "a/stack.yaml": COMPOSE,
        "Dockerfile": "FROM alpine\n",
        "c/api.dockerfile": "FROM alpine\n",
        "c/Dockerfile.dev": "FROM alpine\n",
        "c/Containerfile": "FROM alpine\n",
        "c/Dockerfile.dockerignore": "x\n",
        ".github/workflows/ci.yml": WORKFLOW,
        "c/flow.yaml": WORKFLOW,
        "values.yaml": "image: x\n",
        "package.json": "{}",
        "notes.txt": POD,
        ".git/pod.yaml": POD,
        ".hidden/pod.yaml": POD,
        "node_modules/m/pod.yaml": POD,
    }.items():
        put_at(tmp_path, path, text)
    results = reading(tmp_path)
    assert shown(results, tmp_path) == [
        ".github/workflows/ci.yml:4 node",
        "Dockerfile:1 alpine",
        "a/compose.yml:3 nginx",
        "a/stack.yaml:3 nginx",
        "b/pod.yaml:8 nginx",
        "b/x.json:1 j",
        "c/Containerfile:1 alpine",
        "c/Dockerfile.dev:1 alpine",
        "c/api.dockerfile:1 alpine",
        "c/flow.yaml:4 node",
    ]
    assert results.counts == Counts(files=12, documents=12, objects=2, unrecognised=2)


def test_places_are_told(tmp_path: Path) -> None:
    put_at(tmp_path, "compose.yaml", COMPOSE)
    put_at(tmp_path, "d/Dockerfile", "FROM a")
    put_at(tmp_path, "w.yaml", WORKFLOW)
    places = [one.place for one in reading(tmp_path) if isinstance(one, ImageUse)]
    assert places == [Place.COMPOSE, Place.DOCKERFILE, Place.WORKFLOW]


def test_a_named_file_with_nothing_to_judge_is_told(tmp_path: Path) -> None:
    assert codes(put_at(tmp_path, "values.yaml", "a: 1\n")) == ["not_recognised"]
    assert codes(put_at(tmp_path, "empty.yaml", "# nothing\n")) == ["not_recognised"]
    assert codes(put_at(tmp_path, "mixed.yaml", POD + "---\na: 1\n")) == ["nginx", "not_recognised"]
    assert codes(put_at(tmp_path, "notes.txt", POD)) == ["nginx"]


def test_standard_input_is_read_and_bounded() -> None:
    results = list(read(["-"], io.BytesIO(POD.encode()), namespace="shop"))
    assert results == [ImageUse("nginx", Place.CONTAINERS, "-", 8, "Pod", "shop", "p", "c")]
    small = WorkspaceLimits(file_bytes=10)
    assert [name(one) for one in read(["-"], io.BytesIO(POD.encode()), limits=small)] == ["too_large"]
    assert [name(one) for one in read(["-"])] == ["not_found"]


def test_results_come_while_reading(tmp_path: Path) -> None:
    put(tmp_path, **{"a.yaml": POD, "b.yaml": POD})
    results = reading(tmp_path)
    next(iter(results))
    assert results.counts.files == 1


BAD = [
    ("broken.yaml", "a: [\n", "yaml_syntax"),
    ("twice.yaml", "kind: Pod\nkind: ConfigMap\n", "duplicate_key"),
    ("twice.json", '{"kind": "Pod", "kind": "x"}', "duplicate_key"),
    (
        "bomb.yaml",
        "a: &a [" + "x," * 1000 + "]\n" + "".join(f"b{i}: &b{i} [*a,*a]\n" for i in range(5000)),
        "alias_bomb",
    ),
    ("deep.yaml", "[" * 100_000, "too_deep"),
    ("deep2.yaml", "- " * 100_000, "too_deep"),
    ("deep.json", "[" * 100_000, "json:quiet"),
    ("deep2.json", '{"kind":' * 100_000, "too_deep"),
    ("nan.json", '{"kind": NaN}', "json_value"),
    ("binary.yaml", b"\x00\x01\x02", "binary"),
    ("latin.yaml", b"kind: \xe9\n", "encoding"),
    ("Dockerfile.latin", b"FROM \xe9\n", "encoding"),
    ("Dockerfile.binary", b"FROM \0\n", "binary"),
    ("Dockerfile.empty", "", "dockerfile_syntax"),
    ("template.yaml", POD.replace("nginx", "'{{ x }}'"), "template"),
    ("missing.yaml", POD.replace("nginx", ""), "image_missing"),
    ("shape.yaml", "apiVersion: apps/v1\nkind: Deployment\n", "shape"),
    ("merge.yaml", POD + "x: &x {apiVersion: v2}\n<<: *x\n", "late_merge"),
    ("marker.yaml", POD + "---x: |\n  kind: Pod\n", "document_marker"),
]


@pytest.mark.parametrize(("file", "text", "code"), BAD, ids=[case[0] for case in BAD])
def test_bad_input_in_a_walk_is_told(tmp_path: Path, file: str, text: str | bytes, code: str) -> None:
    put_at(tmp_path, file, text)
    found = codes(tmp_path)
    assert (code in found) if code != "json:quiet" else (found == [])


def test_a_broken_document_leaves_the_others(tmp_path: Path) -> None:
    path = put_at(tmp_path, "m.yaml", f"{POD}---\na: [\n---\n{POD}")
    results = list(reading(path))
    assert [name(one) for one in results] == ["nginx", "yaml_syntax", "nginx"]
    assert isinstance(results[1], NotEvaluated)
    assert (results[1].line, results[1].reason.startswith(f"{path}:11:1: ")) == (11, True)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert codes(tmp_path) == ["too_large"]


def test_paths_that_are_no_files_are_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert codes(tmp_path / "none.yaml") == ["not_found"]
    assert codes("a\0b") == ["unreadable"]
    assert codes(tmp_path / "pipe.yaml") == ["not_a_file"]
    assert codes("/dev/zero") == ["not_a_file"]
    assert codes(tmp_path) == ["not_a_file"]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "s.yaml"))
        assert codes(tmp_path / "s.yaml") == ["not_a_file"]


def test_an_unreadable_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_at(tmp_path, "a.yaml", POD)

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert [name(one) for one in reading(tmp_path)] == ["unreadable"]


def test_an_unreadable_directory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    assert codes(tmp_path) == ["unreadable"]


def test_links_neither_loop_nor_leave_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put_at(tmp_path, "outside/pod.yaml", POD)
    put_at(root, "d/pod.yaml", POD)
    (root / "d" / "loop").symlink_to(root)
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "out.yaml").symlink_to(tmp_path / "outside" / "pod.yaml")
    (root / "gone.yaml").symlink_to(root / "nothing.yaml")
    (root / "same.yaml").symlink_to(root / "d" / "pod.yaml")
    assert shown(reading(root), root) == [
        "d/pod.yaml:8 nginx",
        "gone.yaml:0 unreadable",
        "out:0 outside_root",
        "out.yaml:0 outside_root",
        "same.yaml:8 nginx",
    ]
    assert codes(root / "out.yaml") == ["nginx"]


# --- charts and kustomizations


def test_a_chart_that_is_not_rendered_is_told_once(tmp_path: Path) -> None:
    put_at(tmp_path, "chart/Chart.yaml", "apiVersion: v2\nname: x\n")
    put_at(tmp_path, "chart/templates/pod.yaml", "{{ if }}\n")
    put_at(tmp_path, "chart/charts/sub/Chart.yaml", "apiVersion: v2\nname: y\n")
    put_at(tmp_path, "chart/values.yaml", "a: 1\n")
    put_at(tmp_path, "pod.yaml", POD)
    assert shown(reading(tmp_path), tmp_path) == ["chart/Chart.yaml:0 chart_not_rendered", "pod.yaml:8 nginx"]


def test_a_chart_is_rendered_by_helm(tmp_path: Path) -> None:
    put_at(tmp_path, "chart/Chart.yaml", "apiVersion: v2\nname: x\n")
    helm = put_at(tmp_path, "bin/helm", f"#!/bin/sh\ncat <<'EOF'\n---\n# Source: x\n{POD}EOF\n")
    helm.chmod(0o755)
    results = read([str(tmp_path / "chart")], which=lambda tool: str(helm) if tool == "helm" else None)
    assert shown(results, tmp_path) == ["chart/Chart.yaml:10 nginx"]


def kustomization(root: Path) -> None:
    put_at(
        root,
        "kustomization.yaml",
        "resources: [pod.yaml]\nimages: [{name: nginx, newTag: '9'}]\ncommonLabels: {x: other.yaml}\n",
    )
    put_at(root, "pod.yaml", POD)
    put_at(root, "other.yaml", POD)


def test_a_kustomization_that_is_not_rendered_is_told_once(tmp_path: Path) -> None:
    kustomization(tmp_path)
    assert shown(reading(tmp_path), tmp_path) == [
        "kustomization.yaml:0 kustomization_not_rendered",
        "other.yaml:8 nginx",
    ]


@pytest.mark.skipif(
    not (shutil.which("kubectl") or shutil.which("kustomize")), reason="NO kubectl AND NO kustomize on PATH"
)
def test_a_kustomization_is_rendered_and_its_files_are_not_read_twice(tmp_path: Path) -> None:
    kustomization(tmp_path)
    results = list(reading(tmp_path, tools=True))
    assert [name(one) for one in results] == ["nginx:9", "nginx"]
    assert [Path(one.file).name for one in results] == ["kustomization.yaml", "other.yaml"]
    assert [name(one) for one in reading(tmp_path / "kustomization.yaml", tools=True)] == ["nginx:9"]


@pytest.mark.skipif(
    not (shutil.which("kubectl") or shutil.which("kustomize")), reason="NO kubectl AND NO kustomize on PATH"
)
def test_a_kustomization_that_fails_says_why(tmp_path: Path) -> None:
    put_at(tmp_path, "kustomization.yaml", "resources: [none.yaml]\n")
    [found] = reading(tmp_path, tools=True)
    assert isinstance(found, NotEvaluated)
    assert (found.code, "none.yaml" in found.reason) == ("kustomization_not_rendered", True)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("sleep 60 & sleep 60", "longer than"),
        ("yes", "more than"),
        ("echo no >&2; exit 3", "failed with 3: no"),
    ],
)
def test_a_tool_is_bounded(script: str, reason: str) -> None:
    found = run(["/bin/sh", "-c", script], timeout_s=0.3 if "sleep" in script else 30, size_bytes=1000)
    assert isinstance(found, NotRendered)
    assert reason in found.reason


def test_a_tool_that_does_not_start_is_told() -> None:
    found = run(["/nonexistent/helm"], timeout_s=1, size_bytes=10)
    assert found == NotRendered("helm did not start: No such file or directory")


# --- published manifests and laws


def test_published_manifests_give_the_counts_of_the_design() -> None:
    results = reading(manifests() / "argo-cd-install.yaml")
    found = list(results)
    assert (len(found), results.counts.objects) == (10, 59)
    assert {one.image for one in found if isinstance(one, ImageUse)} == {
        "quay.io/argoproj/argocd:latest",
        "ghcr.io/dexidp/dex:v2.45.1",
        "public.ecr.aws/docker/library/redis:8.10.1-alpine",
    }
    [redis] = [one.line for one in found if isinstance(one, ImageUse) and one.container == "redis"]
    assert redis == 32755


def test_published_manifests_are_all_evaluated() -> None:
    results = list(reading(manifests()))
    assert len(results) == 40
    assert all(isinstance(one, ImageUse) for one in results)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_raise_and_never_vanish(data: bytes) -> None:
    results = read(["-"], io.BytesIO(data))
    assert list(results) or results.counts.objects
