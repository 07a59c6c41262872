"""`portreeve images` and `portreeve explain`: the inventory, and why one image is judged as it is."""

from __future__ import annotations

import csv
import io

import pytest

from portreeve.cli.trace import trace
from portreeve.core.reference import parse
from tests.cli.conftest import BROKEN, POLICY
from tests.cli.program import Program

pytestmark = pytest.mark.wide


def test_each_image_is_listed_once(program: Program) -> None:
    done = program.run("images", "app.yaml")
    assert done.code == 0
    assert done.out.splitlines() == [
        "IMAGE                            USES  FILES  FIRST",
        "docker.io/library/nginx:latest      2      1  app.yaml:9",
        "harbor.example.com/shop/api:1.4     1      1  app.yaml:12",
    ]


def test_names_are_one_a_line(program: Program) -> None:
    assert program.run("images", "app.yaml", "-o", "name").out.splitlines() == [
        "docker.io/library/nginx:latest",
        "harbor.example.com/shop/api:1.4",
    ]


def test_csv_has_a_header_unless_not_wanted(program: Program) -> None:
    rows = list(csv.DictReader(io.StringIO(program.run("images", "app.yaml", "-o", "csv").out)))
    assert [(row["image"], row["uses"], row["written"]) for row in rows] == [
        ("docker.io/library/nginx:latest", "2", "nginx"),
        ("harbor.example.com/shop/api:1.4", "1", "harbor.example.com/shop/api:1.4"),
    ]
    assert len(program.run("images", "app.yaml", "-o", "csv", "--no-headers").out.splitlines()) == 2


def test_what_cannot_be_read_safely_is_said(program: Program) -> None:
    program.write("id.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
                  "spec: {containers: [{name: c, image: deadbeef}]}\n")  # fmt: skip
    assert "deadbeef (cannot be read safely)" in program.run("images", "id.yaml").out
    assert program.run("images", "id.yaml", "-o", "json").json["images"][0]["canonical"] is None


def test_what_was_not_evaluated_goes_to_standard_error(program: Program) -> None:
    program.write("broken.yaml", BROKEN)
    done = program.run("images", "broken.yaml", "app.yaml", "-o", "json")
    assert done.code == 3
    assert len(done.json["images"]) == 2
    assert len(done.json["notEvaluated"]) == 1
    assert "not evaluated: broken.yaml:" in done.err


def test_why_shows_each_step_and_each_use(program: Program) -> None:
    done = program.run("images", "app.yaml", "--why", "nginx", "-p", "policy.yaml", "-n", "shop")
    assert done.code == 0
    for part in (
        "there is no '/': a name alone is an official image of docker.io  →  host docker.io",
        "one segment on docker.io means library/  →  path library/nginx",
        "neither tag nor digest: the tag is latest  →  tag latest",
        "canonical  docker.io/library/nginx:latest",
        "  docker.io/library\n",
        "used in    2 places",
        "app.yaml:9  Deployment api  nginx",
        "verdict    DENY in namespace shop (policy prod-sources, generation 1, stage deny)",
    ):
        assert part in done.out


def test_explain_gives_the_whole_answer(program: Program) -> None:
    done = program.run("explain", "harbor.example.com/shop/api:1.4", "-n", "shop", "-p", "policy.yaml")
    assert done.code == 0
    assert "  harbor.example.com/shop   ← allowed by spec.restrict.allowedSources[0]" in done.out
    assert "verdict    ALLOW in namespace shop" in done.out
    denied = program.run("explain", "harbor.example.com/other/api", "-n", "shop", "-p", "policy.yaml")
    assert denied.code == 1
    assert "nearest: harbor.example.com/shop (spec.restrict.allowedSources[0])" in denied.out


def test_explain_reads_the_policy_from_the_environment(program: Program) -> None:
    done = program.run("explain", "nginx", "-n", "shop", "-o", "json", env={"PORTREEVE_POLICY": "policy.yaml"})
    assert done.code == 1
    assert done.json["verdict"] == "DENY"
    assert done.json["keys"] == ["docker.io/library/nginx/", "docker.io/library/", "docker.io/"]


@pytest.mark.parametrize(("stage", "code"), [("deny", 1), ("warn", 0), ("audit", 0)])
def test_explain_exits_by_what_would_be_refused(program: Program, stage: str, code: int) -> None:
    program.write("policy.yaml", POLICY.replace("stage: deny", f"stage: {stage}"))
    assert program.run("explain", "nginx", "-p", "policy.yaml").code == code


def test_explain_in_a_system_namespace_is_audit(program: Program) -> None:
    done = program.run("explain", "nginx", "-n", "kube-system", "-p", "policy.yaml")
    assert done.code == 0
    assert "DENY in namespace kube-system (policy prod-sources, generation 1, stage audit)" in done.out


def test_what_cannot_be_read_is_explained_as_denied(program: Program) -> None:
    done = program.run("explain", "sha256:" + "a" * 64, "-p", "policy.yaml")
    assert done.code == 1
    assert "bare image id" in done.out


def test_an_object_is_not_mistaken_in_silence(program: Program) -> None:
    done = program.run("explain", "deploy/api", "-p", "policy.yaml")
    assert (done.code, "read as an object; the image of that name is docker.io/deploy/api" in done.err) == (2, True)
    assert (
        "canonical  docker.io/deploy/api:latest"
        in program.run("explain", "docker.io/deploy/api", "-p", "policy.yaml").out
    )


READABLE = [
    "nginx",
    "nginx@sha256:" + "0" * 64,
    "index.docker.io/nginx:1",
    "docker.io/nginx",
    "docker.io/library/nginx",
    "acme/app:v1",
    "library/nginx",
    "localhost/x",
    "localhost:5000/x/y:1",
    "Registry.Example.COM/a/b",
    "registry.example.com:443/a:1@sha256:" + "0" * 64,
]


@pytest.mark.parametrize("image", READABLE)
def test_the_steps_end_at_the_canonical_form(image: str) -> None:
    """The last words of the steps name host, path, and tag or digest of what the parser says."""
    reference = parse(image)
    host, path, version = (step.result for step in trace(image).steps)
    assert host == f"host {reference.host}"
    assert path == f"path {reference.path}"
    assert (reference.digest or reference.tag or "") in version


@pytest.mark.parametrize("image", READABLE)
def test_a_rule_is_told_only_where_it_was_used(image: str) -> None:
    rules = " ".join(step.rule for step in trace(image).steps)
    short = ("nginx", "index.docker.io/nginx", "docker.io/nginx")
    assert ("means library/" in rules) is image.startswith(short)
    assert ("the tag is latest" in rules) is (parse(image).tag == "latest" and "latest" not in image)
