"""Images of a Dockerfile."""

from __future__ import annotations

import pytest

from portreeve.core.dockerfile import dockerfile_images
from portreeve.core.manifests import ImageUse, Source

CASES = [
    ("one stage", "FROM alpine:3\n", ["1 0 alpine:3"]),
    ("lower case, tabs", "from\talpine\tas\tbuild\n", ["1 build alpine"]),
    ("platform", "FROM --platform=$BUILDPLATFORM golang AS b\n", ["1 b golang"]),
    ("earlier stage", "FROM a AS Base\nFROM base\nFROM BASE AS x\n", ["1 Base a"]),
    ("a later stage is an image", "FROM b\nFROM a AS b\n", ["1 0 b", "2 b a"]),
    ("a number in FROM is an image", "FROM a\nFROM 0\n", ["1 0 a", "2 1 0"]),
    ("scratch", "FROM scratch\nCOPY x /\n", []),
    ("argument", "ARG V=3\nFROM alpine:$V\n", ["2 0 alpine:3"]),
    ("arguments on each other", 'ARG R="r.example" V=3\nARG I=$R/a:${V}\nFROM ${I}\n', ["3 0 r.example/a:3"]),
    ("default in use", "ARG V\nFROM a:${V:-1} AS x\nFROM b:${W-2}\n", ["2 x a:1", "3 1 b:2"]),
    ("alternative", "ARG D=1\nFROM a${D:+-debug}\nFROM b${E:+-debug}\n", ["2 0 a-debug", "3 1 b"]),
    ("nested default", "FROM ${A:-${B:-c}}\n", ["1 0 c"]),
    ("no default", "ARG V\nFROM a:$V\n", ["2 template"]),
    ("unknown", "FROM $X\n", ["1 template"]),
    ("argument of a stage is another", "FROM a\nARG V=1\nFROM b:$V\n", ["1 0 a", "3 template"]),
    ("pattern", "ARG V=1\nFROM a:${V#x}\n", ["2 template"]),
    (
        "growing",
        "ARG A0=xx\n" + "".join(f"ARG A{i}=$A{i - 1}$A{i - 1}\n" for i in range(1, 40)) + "FROM $A39\n",
        ["41 template"],
    ),
    ("endless", "ARG A=${B:-$A}\nFROM $A\n", ["2 template"]),
    ("quoted", 'FROM "alpine:3"\n', ["1 0 alpine:3"]),
    ("continued", "FROM \\\n  # why\n\n  alpine \\\n  AS x\nRUN y\n", ["1 x alpine"]),
    ("escape directive", "# escape=`\nFROM a\nRUN c:\\\nFROM b `\n AS x\n", ["2 0 a", "4 x b"]),
    ("a comment ends the directives", "# hello\n# escape=`\nFROM a\nRUN x \\\nFROM b\n", ["3 0 a"]),
    ("syntax", "# syntax=docker/dockerfile:1\nFROM a\n", ["1 syntax docker/dockerfile:1", "2 0 a"]),
    ("CR LF", "FROM a\r\nRUN x \\\r\n y\r\nFROM b\r\n", ["1 0 a", "4 1 b"]),
    ("byte order mark", "\ufeffFROM a\n", ["1 0 a"]),
    (
        "copy from",
        "FROM a AS x\nCOPY --link --from=b:1 / /\nCOPY --from=X / /\nCOPY --from=0 / /\n",
        ["1 x a", "2 COPY --from b:1"],
    ),
    ("copy without from", "FROM a\nCOPY x --from=b\n", ["1 0 a"]),
    ("copy from a variable", "FROM a\nCOPY --from=$X / /\n", ["1 0 a", "2 template"]),
    (
        "mount",
        "FROM a AS x\nRUN --network=none --mount=type=bind,from=b,source=/x c\nRUN --mount=from=x c\n",
        ["1 x a", "2 RUN --mount b"],
    ),
    (
        "on build",
        "FROM a\nONBUILD COPY --from=b / /\nonbuild run --mount=from=c x\n",
        ["1 0 a", "2 COPY --from b", "3 RUN --mount c"],
    ),
    ("here-document", "FROM a\nRUN <<EOF\nFROM no\nEOF\nFROM b\n", ["1 0 a", "5 1 b"]),
    ("here-document with tabs", "FROM a\nRUN cat <<-'E'\n\tFROM no\n\tE\nFROM b\n", ["1 0 a", "5 1 b"]),
    ("two here-documents", "FROM a\nCOPY <<A <<B /x/\nFROM no\nA\nFROM no\nB\nFROM b\n", ["1 0 a", "7 1 b"]),
    ("quoted, so no here-document", "FROM a\nRUN echo 'x <<EOF y'\nFROM b\n", ["1 0 a", "3 1 b"]),
    ("in quotes from the start", 'FROM a\nRUN echo "<<EOF"\nFROM b\n', ["1 0 a", "3 1 b"]),
    ("shift is no here-document", "FROM a\nRUN echo $((1<<EOF))\nFROM b\n", ["1 0 a", "3 1 b"]),
    ("inside a variable", 'FROM a\nRUN echo ${a:- <<"ARG x" }\nFROM b\nARG x\n', ["1 0 a", "3 1 b"]),
    ("escaped quotes", 'FROM a\nRUN echo \\" <<E \\"\nFROM no\nE\n', ["1 0 a"]),
    ("left open", 'FROM a\nRUN echo "x <<E\nFROM b\nARG E\n', ["1 0 a", "3 1 b"]),
    ("exec form has none", 'FROM a\nRUN ["cat", "<<EOF"]\nFROM b\n', ["1 0 a", "3 1 b"]),
    ("a label has none", "FROM a\nLABEL x <<EOF\nFROM b\n", ["1 0 a", "3 1 b"]),
    ("endless here-document", "FROM a\nRUN <<EOF\nFROM b\n", ["1 0 a", "2 dockerfile_syntax"]),
    ("template", "FROM {{x}}\n", ["1 template"]),
    ("two images", "FROM a b\n", ["1 dockerfile_syntax"]),
    ("nothing", "", ["1 dockerfile_syntax"]),
    ("only comments", "# FROM a\n", ["1 dockerfile_syntax"]),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_dockerfile_gives_its_images(text: str, expected: list[str]) -> None:
    results = dockerfile_images(text, Source("Dockerfile", 1))
    shown = [
        f"{one.line} {one.container} {one.image}" if isinstance(one, ImageUse) else f"{one.line} {one.code}"
        for one in results
    ]
    assert shown == expected
