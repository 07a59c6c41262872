"""What kubectl would apply, `check` has read: real kubectl against a real API server, on files made to deceive.

Each file holds an image that a careless reader overlooks. If kubectl gets it to the server, we must have listed it, or
have said that the file was not evaluated.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import textwrap

import pytest
import yaml

from portreeve.core.manifests import ImageUse
from portreeve.workspace import read
from tests.tools.cluster import Cluster

pytestmark = pytest.mark.slow

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: harmless}\n"
HIDDEN = "hidden.example/x"
SPEC = f"spec: {{containers: [{{name: c, image: {HIDDEN}}}]}}\n"
POD = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: hidden}}\n{SPEC}"
ENTRY = "- " + POD.strip().replace("\n", "\n  ") + "\n"
JSON_POD = json.dumps(yaml.safe_load(POD), separators=(",", ":"))
GOOD = "image: ghcr.io/acme/x"
DEFINITION = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\n---\n"
LIST = "apiVersion: v1\nkind: List\nitems:\n"

FILES = {
    "plain": POD,
    "second document": f"{CONFIG}---\n{POD}",
    "marker with comment": f"{CONFIG}--- # next\n{POD}",
    "marker with text": f"{CONFIG}---x: |\n{POD}",
    "marker with block": f"{CONFIG}--- |\n{POD}",
    "items of a ConfigMap": f"{CONFIG}items:\n{ENTRY}",
    "list": LIST + ENTRY,
    "typed list": (LIST + ENTRY).replace("kind: List", "kind: PodList"),
    "list in a list": LIST + textwrap.indent(LIST + ENTRY, "  ").replace("  ", "- ", 1),
    "kind twice": POD.replace("kind: Pod\n", "kind: ConfigMap\nkind: Pod\n"),
    "image twice": POD.replace("image: ", "image: ghcr.io/acme/x, image: "),
    "late merge": POD.replace(f"image: {HIDDEN}", f"image: ghcr.io/acme/x, <<: {{image: {HIDDEN}}}"),
    "alias": f"x-a: &i {HIDDEN}\n" + POD.replace(f"image: {HIDDEN}", "image: *i"),
    "anchor on a map": f"x-a: &s {{containers: [{{name: c, image: {HIDDEN}}}]}}\n" + POD.replace(SPEC, "spec: *s\n"),
    "carriage returns": (CONFIG + "---\n" + POD).replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + POD,
    "json": JSON_POD,
    "json with escapes": JSON_POD.replace("hidden.example", "hidden\\u002eexample"),
    "json key twice": JSON_POD.replace('"image":', '"image":"ghcr.io/acme/x","image":'),
    "folded image": POD.replace(f"image: {HIDDEN}", 'image: "hidden.\\\n    example/x"'),
    "tagged image": POD.replace(f"image: {HIDDEN}", f"image: !!str {HIDDEN}"),
    "own tag": POD.replace(f"image: {HIDDEN}", f"image: !x {HIDDEN}"),
    "quoted kind": POD.replace("kind: Pod", '"kind": "Pod"'),
    "question mark kind": POD.replace("kind: Pod", "? kind\n: Pod"),
    "definition first": DEFINITION + POD,
    "init container": POD.replace("spec: {", f"spec: {{initContainers: [{{name: i, image: {HIDDEN}}}], "),
    "image volume": POD.replace(f"image: {HIDDEN}", GOOD).replace(
        "]}\n", f"], volumes: [{{name: v, image: {{reference: {HIDDEN}}}}}]}}\n"
    ),
}


def test_whatever_kubectl_gets_to_the_server_was_read_or_reported(
    kubernetes: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("NOT RUN: kubectl is not on PATH (Debian package kubernetes-client); it is no part of the product")
    with kubernetes.client() as client:
        client.wait_for("v1", "ServiceAccount", "default", "default")
    command = [kubectl, "--kubeconfig", str(kubernetes.kubeconfig), "apply", "--dry-run=server", "--validate=ignore"]
    overlooked: list[str] = []
    applied: list[str] = []
    for name, text in FILES.items():
        done = subprocess.run(
            [*command, "-f", "-", "-o", "json"], input=text.encode(), capture_output=True, check=False, timeout=60
        )
        results = list(read(["-"], stdin=io.BytesIO(text.encode())))
        seen = any(not isinstance(result, ImageUse) or result.image == HIDDEN for result in results)
        if HIDDEN in done.stdout.decode():
            applied.append(name)
            if not seen:
                overlooked.append(name)
    with capsys.disabled():
        print(f"\nkubectl got {len(applied)} of {len(FILES)} hidden images to the server: {', '.join(applied)}")
    assert overlooked == []
    assert {"plain", "items of a ConfigMap", "late merge", "kind twice"} <= set(applied)
