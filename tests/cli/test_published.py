"""The commands of the README on manifests as they are published. The figures are those of the pinned files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.program import Program

HERE = Path(__file__).parents[2]
CANDIDATES = [HERE.parent / "shared/data/manifests", HERE.parents[1] / "shared/data/manifests"]
GIVEN = os.environ.get("PORTREEVE_DATA")
DATA = next((path for path in ([Path(GIVEN)] if GIVEN else CANDIDATES) if path.is_dir()), None)

pytestmark = pytest.mark.skipif(
    DATA is None, reason="NO PUBLISHED MANIFESTS: set PORTREEVE_DATA to their folder to run these"
)

POLICY = """\
apiVersion: portreeve.io/v1
kind: RegistryPolicy
metadata: {name: starter}
spec:
  restrict:
    stage: deny
    allowedSources:
      - {prefix: quay.io/argoproj, scope: Global}
      - {prefix: ghcr.io/dexidp, scope: Global}
"""


def path(name: str = "") -> str:
    assert DATA is not None
    return str(DATA / name)


def test_argo_cd_without_a_policy(program: Program) -> None:
    out = program.run("check", path("argo-cd-install.yaml")).out
    assert out.startswith("10 images in 59 objects (3 distinct)\n")
    assert '! 8 uses have no tag or ":latest"' in out


def test_argo_cd_with_a_policy(program: Program) -> None:
    program.write("starter.yaml", POLICY)
    done = program.run("check", path("argo-cd-install.yaml"), "-p", "starter.yaml", "-n", "argocd")
    lines = done.out.splitlines()
    assert done.code == 1
    assert lines[0].endswith("argo-cd-install.yaml:32755  Deployment/argocd-redis  container redis")
    assert lines[1] == "      public.ecr.aws/docker/library/redis:8.10.1-alpine"
    assert lines[2] == (
        "      not under any allowed source for namespace argocd (policy starter, spec.restrict.allowedSources)"
    )
    assert lines[-1] == "9 allowed · 1 denied · 0 not evaluated        exit 1"


def test_two_commands_from_nothing_to_a_verdict(program: Program) -> None:
    suggested = program.run("suggest", path())
    program.write("suggested.yaml", suggested.out)
    judged = program.run("check", path(), "-p", "suggested.yaml", "-o", "json").json
    assert judged["summary"]["allowed"] + judged["summary"]["denied"] == len(judged["findings"]) == 40
    covered = suggested.err.split(" of ")[0].splitlines()[-1]
    assert judged["summary"]["allowed"] == int(covered)
    denied = {one["canonical"] or one["image"] for one in judged["findings"] if one["verdict"] == "DENY"}
    assert all(
        name.startswith(("docker.io/library/", "public.ecr.aws/docker/", "localhost/", "ko://")) for name in denied
    )


def test_the_same_answer_from_standard_input(program: Program) -> None:
    text = Path(path("argo-cd-install.yaml")).read_text()
    assert program.run("images", "-", "-o", "name", stdin=text).out.splitlines() == [
        "ghcr.io/dexidp/dex:v2.45.1",
        "public.ecr.aws/docker/library/redis:8.10.1-alpine",
        "quay.io/argoproj/argocd:latest",
    ]
