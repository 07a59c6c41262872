"""Bytes to documents: exact lines, every bad input told, nothing unbounded."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portreeve.core.manifests import Located, LocatedMapping
from portreeve.wire.document import Broken, Document, Item, ReadLimits, WithoutImages
from portreeve.wire.yaml import read_documents


def read(text: str | bytes, *, json: bool = False) -> list[Item]:
    return list(read_documents(text.encode() if isinstance(text, str) else text, json=json))


def values(text: str | bytes, *, json: bool = False) -> list[object]:
    """The value of each document; of what is broken its line and code."""
    shown: list[object] = []
    for item in read(text, json=json):
        if isinstance(item, Document):
            shown.append(item.value)
        else:
            shown.append(f"{item.line} {item.code}" if isinstance(item, Broken) else f"{item.line} definition")
    return shown


def test_scalars_stay_text() -> None:
    assert values("a: 1\nb: true\nc: 2020-01-01\nd:\n- ~\n- 1:20\n") == [
        {"a": "1", "b": "true", "c": "2020-01-01", "d": ["~", "1:20"]}
    ]


def test_an_image_carries_its_line_and_whether_it_is_plain() -> None:
    [document] = read("# c\n---\nspec:\n  image: nginx\n  reference: 'null'\n")
    assert isinstance(document, Document)
    assert isinstance(document.value, LocatedMapping)
    spec = document.value["spec"]
    assert (document.line, spec.line) == (3, 4)
    image, reference = spec["image"], spec["reference"]
    assert isinstance(image, Located)
    assert (image.line, image.plain, reference.line, reference.plain) == (4, True, 5, False)


def test_lines_go_on_through_documents() -> None:
    items = read("a: 1\n--- # x\n\nb: 2\n...\n# c\n---\nimage: x\n")
    assert [item.line for item in items] == [1, 4, 8]


def test_an_alias_is_the_same_object() -> None:
    [value] = values("a: &x {b: 1}\nc: *x\n")
    assert isinstance(value, dict)
    assert value["a"] is value["c"]


def test_an_alias_for_an_image_has_the_line_of_the_alias() -> None:
    [value] = values("x: &i nginx\n\nimage: *i\n")
    assert isinstance(value, dict)
    assert value["image"].line == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b: &b {x: 1, y: 2}\nc:\n  <<: *b\n  x: 3\n", {"y": "2", "x": "3"}),
        ("b: &b {x: 1}\nd: &d {x: 2, z: 3}\nc: {<<: [*b, *d]}\n", {"x": "1", "z": "3"}),
        ("b: &b {x: 1}\nd: &d {<<: *b, y: 2}\nc: {<<: *d}\n", {"x": "1", "y": "2"}),
    ],
)
def test_merge_keys_give_what_is_not_given(text: str, expected: object) -> None:
    [value] = values(text)
    assert isinstance(value, dict)
    assert value["c"] == expected


def test_a_merge_behind_the_key_it_also_gives_is_told() -> None:
    [early] = read("b: &b {image: evil}\nc:\n  image: good\n  <<: *b\n")
    [late] = read("b: &b {image: evil}\nc:\n  <<: *b\n  image: good\n")
    assert isinstance(early, Document)
    assert isinstance(late, Document)
    assert (early.late_merge, late.late_merge) == (4 - 1, 0)


BAD = [
    ("unclosed flow", "a: [\n", "2 yaml_syntax"),
    ("bad indent", "a: 1\n b: 2\n", "2 yaml_syntax"),
    ("tab", "a:\n\tb: 1\n", "2 yaml_syntax"),
    ("unknown alias", "a: *b\n", "1 yaml_syntax"),
    ("unknown tag handle", "a: !x!y z\n", "1 yaml_syntax"),
    ("duplicate", "a: 1\nb: 2\na: 3\n", "3 duplicate_key"),
    ("duplicate, quoted", 'a: 1\n"\\x61": 3\n', "2 duplicate_key"),
    ("duplicate, by alias", "a: &k a\n*k : 3\n", "2 duplicate_key"),
    ("duplicate, deep", "x:\n- {a: 1, a: 2}\n", "2 duplicate_key"),
    ("merge of text", "<<: x\n", "2 yaml_syntax"),
    ("merge of a list of text", "<<: [x]\n", "2 yaml_syntax"),
    ("list as key", "? [a]\n: b\n", "1 yaml_key"),
    ("list as key, by alias", "x: &x [a]\n*x : b\n", "2 yaml_key"),
    ("base64", "image: !!binary bmdpbng=\n", "1 yaml_tag"),
    ("object", "a: !!python/object/apply:os.system [x]\n", "1 yaml_tag"),
    ("set", "!!set {a}\n", "1 yaml_tag"),
    ("alias in itself", "a: &a [*a]\n", "1 alias_bomb"),
    ("alias in itself, deep", "a: &a\n  b:\n  - c: *a\n", "3 alias_bomb"),
    ("deep flow", "[" * 100_000, "1 too_deep"),
    ("deep flow of mappings", "{a: " * 100_000, "1 too_deep"),
    ("deep sequences", "- " * 100_000, "1 too_deep"),
    ("deep keys", "? " * 100_000, "1 yaml_key"),
    ("deep blocks", "".join(" " * i + "a:\n" for i in range(1000)), "201 too_deep"),
    ("NUL", "a: b\n\0c\n", "2 binary"),
    ("program", b"\x7fELF\x02\x01\x01\x00", "1 binary"),
    ("control character", "a: b\nc: \x01\n", "2 binary"),
    ("Latin-1", b"a: b\nc: \xe9\n", "2 encoding"),
    ("surrogate in UTF-8", b"a: \xed\xa0\x80\n", "1 encoding"),
    ("half of UTF-16", b"\xff\xfea", "0 encoding"),
    ("UTF-32", b"\xff\xfe\0\0a\0\0\0", "1 binary"),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_input_is_told_with_its_line(text: str | bytes, expected: str) -> None:
    assert values(text) == [expected]


def test_the_message_says_what_libyaml_found_and_where() -> None:
    [broken] = read("a: b\n{{ end }}\nc: d\n")
    assert isinstance(broken, Broken)
    assert "a template is read after it is rendered" in broken.reason
    [broken] = read("a: b\nc: ]\n")
    assert isinstance(broken, Broken)
    assert (broken.line, broken.column) == (2, 4)
    assert "did not find expected node content" in broken.reason


def test_good_documents_around_a_broken_one_are_read() -> None:
    text = "a: 1\n---\nb: 'open\n---\nc: |\n  text\n---\n{x: y\n---\nd: 4\n"
    assert values(text) == [{"a": "1"}, "4 yaml_syntax", {"c": "text\n"}, "9 yaml_syntax", {"d": "4"}]


def test_what_stands_in_front_of_an_error_is_read() -> None:
    assert values("{a: 1}\n{b: 2}\n") == [{"a": "1"}, "2 yaml_syntax"]


def test_markers_inside_indented_text_do_not_cut() -> None:
    assert values("a: |\n  ---\n  b\n ---\n") == ["4 yaml_syntax"]
    assert values("a: |\n  ---\n  b\nc: '\n ---'\n") == [{"a": "---\nb\n", "c": " ---"}]


def test_directives_stay_with_their_document() -> None:
    assert values("%YAML 1.1\n# c\n---\na: 1\n...\n%TAG ! tag:x,2020:\n---\nb: 2\n") == [{"a": "1"}, {"b": "2"}]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029"])
def test_every_line_break_of_yaml_cuts_documents(line_break: str) -> None:
    found = values(line_break.join(["a: 1", "---", "b: 2", "...", "c: 3", ""]))
    assert [value for value in found if isinstance(value, dict)] == [{"a": "1"}, {"b": "2"}, {"c": "3"}]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_understood(encoding: str) -> None:
    assert values("a: é\n---\nb: 2\n".encode(encoding)) == [{"a": "é"}, {"b": "2"}]


def test_empty_documents_are_left_out() -> None:
    assert values("---\n---\n# c\n---\n...\n\n") == []
    assert values("") == []


POD = "apiVersion: v1\n kind: Pod\n"


@pytest.mark.parametrize(
    "text",
    [
        "kind: ConfigMap\n---x: |\n  kind: Pod\n",
        "a: 1\n--- |\n kind: Pod\n",
        "a: 1\n--- >\n kind: Pod\n",
        "a: 1\n--- &a\nkind: Pod\n",
        "a: 1\n--- !x\nkind: Pod\n",
        "a: 1\n--- {kind: Pod}\n",
        "a: 1\n---\rx: |\n kind: Pod\n",
        "a: 1\n--- # c\u2028x: |\n kind: Pod\n",
        "a: 1\n-----BEGIN\n",
    ],
)
def test_a_marker_that_kubectl_reads_otherwise_is_told(text: str) -> None:
    assert "2 document_marker" in values(text)


def test_plain_markers_are_not_told() -> None:
    assert values("a: 1\n---\nb: 2\n--- # Source: x\nc: 3\n---  \r\nd: 4\n---") == [
        {"a": "1"},
        {"b": "2"},
        {"c": "3"},
        {"d": "4"},
    ]


# --- JSON


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": [1, true, null, "x\\/\\ud83d\\ude00"], "b": {}}', [{"a": ["1", "true", "null", "x/😀"], "b": {}}]),
        ('\t{\t"a"\n:\n[]}\n', [{"a": []}]),
        ('{"a": 1}\n{"b": 2}', [{"a": "1"}, {"b": "2"}]),
        ("[]", [[]]),
        ('"x"', ["x"]),
        ("", []),
        ('{"a": 1,\n "a": 2}', ["2 duplicate_key"]),
        ('{"a": 1,\n "\\u0061": 2}', ["2 duplicate_key"]),
        ('{"a":\n NaN}', ["2 json_value"]),
        ('{"a":\n -Infinity}', ["2 json_value"]),
        ('{"a":\n "\\ud83d"}', ["2 json_value"]),
        ("[" * 100_000, ["1 too_deep"]),
        ('{"a":' * 100_000, ["1 too_deep"]),
        ('{"a": 1,}', ["1 json_syntax"]),
        ("[1,]", ["1 json_syntax"]),
        ("[1 2]", ["1 json_syntax"]),
        ("{1: 2}", ["1 json_syntax"]),
        ('{"a"}', ["1 json_syntax"]),
        ('{"a": 01}', ["1 json_syntax"]),
        ('{"a": .5}', ["1 json_syntax"]),
        ('{"a": +1}', ["1 json_syntax"]),
        ('{"a": tru}', ["1 json_syntax"]),
        ("{'a': 1}", ["1 json_syntax"]),
        ('{"a": 1} // c', [{"a": "1"}, "1 json_syntax"]),
        ('{"a":\n "b\nc"}', ["2 json_syntax"]),
        ('{"a": "b', ["1 json_syntax"]),
        ('{"a": [1}', ["1 json_syntax"]),
        ("{", ["1 json_syntax"]),
        (b'{"a": "\xff"}', ["1 encoding"]),
    ],
)
def test_json_is_strict(text: str | bytes, expected: list[object]) -> None:
    assert values(text, json=True) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": "\\ud83d\\ude00"}', [{"a": "😀"}]),
        ('{"a": NaN}', ["1 json_value"]),
        ('{"a": 1, "a": 2}', ["1 duplicate_key"]),
        ("{a: b}", [{"a": "b"}]),
        ("[a, b]\n---\nc: d\n", [["a", "b"], {"c": "d"}]),
        ("{{ if }}\n", ["1 yaml_key"]),
    ],
)
def test_a_file_that_begins_like_json_is_json_if_it_can_be(text: str, expected: list[object]) -> None:
    assert values(text) == expected


def test_json_has_lines() -> None:
    [document] = read('\n{"spec":\n{\n"image": "nginx",\n"reference": null}}', json=True)
    assert isinstance(document, Document)
    assert isinstance(document.value, dict)
    spec = document.value["spec"]
    assert (document.line, spec.line, spec["image"].line, spec["image"].plain) == (2, 3, 4, False)
    assert (spec["reference"].line, spec["reference"].plain) == (5, True)


# --- bounds


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines)


MERGE_BOMB = "a0: &a0 {x: 1, y: 2}\n" + "\n".join(
    f"a{i}: &a{i} {{<<: *a{i - 1}, k{i}: {{z: *a{i - 1}, w: *a{i - 1}}}}}" for i in range(1, 40)
)


@pytest.mark.parametrize(
    "text", [bomb(9), MERGE_BOMB, "a: &a {}\nb: [" + "*a," * 200_000 + "]"], ids=["list", "merge", "flat"]
)
def test_an_alias_bomb_is_refused(text: str) -> None:
    [found] = values(text)
    assert str(found).endswith(" alias_bomb")


def test_harmless_aliases_are_not_refused() -> None:
    [value] = values("a: &a {x: 1}\nb: [" + "*a," * 1000 + "]")
    assert isinstance(value, dict)
    assert len(value["b"]) == 1000


@pytest.mark.parametrize("name", ["alias bomb", "deep"])
def test_bad_input_takes_little_memory(name: str) -> None:
    script = textwrap.dedent(
        """
        import resource, sys
        from portreeve.wire.yaml import read_documents
        list(read_documents(b"a: 1"))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        items = list(read_documents(sys.stdin.buffer.read()))
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(items[0].code, grown // 1024)
        """
    )
    text = bomb(9) if name == "alias bomb" else "[" * 100_000
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=text.encode(),
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": source},
    )
    code, grown_mib = done.stdout.split()
    assert code.decode() in {"alias_bomb", "too_deep"}
    assert int(grown_mib) < 64


def test_the_depth_is_a_setting() -> None:
    assert [type(item) for item in read_documents(b"[[x]]", limits=ReadLimits(depth=2))] == [Document]
    assert [type(item) for item in read_documents(b"[[x]]", limits=ReadLimits(depth=1))] == [Broken]


# --- CustomResourceDefinitions

HEAD = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
DEFINITION = f"{HEAD}metadata:\n  name: x\nspec:\n  a: |\n    kind: Pod\n# c\nstatus: {{}}\n"


@pytest.mark.parametrize(
    "text",
    [
        DEFINITION,
        f"# licence\n\n---\n# c\n{DEFINITION}",
        "kind: CustomResourceDefinition\napiVersion: apiextensions.k8s.io/v1beta1\nmetadata:\n  a: b\n",
    ],
)
def test_a_definition_is_not_parsed(text: str) -> None:
    [item] = read(text)
    assert isinstance(item, WithoutImages)


def test_a_definition_does_not_hide_its_neighbours() -> None:
    assert values(f"a: 1\n---\n{DEFINITION}---\nb: 2\n") == [{"a": "1"}, "2 definition", {"b": "2"}]


HIDDEN = [
    DEFINITION + "kind: Pod\n",
    DEFINITION + '"kind": Pod\n',
    DEFINITION + "'kind': Pod\n",
    DEFINITION + "? kind\n: Pod\n",
    DEFINITION + "&a kind: Pod\n",
    DEFINITION + "!!str kind: Pod\n",
    DEFINITION + "<<: {kind: Pod}\n",
    DEFINITION + "items: [{kind: Pod}]\n",
    DEFINITION + "\tkind: Pod\n",
    DEFINITION + "x: 1\rkind: Pod\n",
    DEFINITION.replace("  name: x\n", "  name: x\rkind: Pod\n"),
    DEFINITION.replace("  name: x\n", "  name: x\x85kind: Pod\n"),
    DEFINITION.replace("  name: x\n", "  name: x\u2028kind: Pod\n"),
    DEFINITION.replace("  name: x\n", "  name: x\u2029kind: Pod\n"),
    DEFINITION.replace("# c\n", "# c\u2029kind: Pod\n"),
    DEFINITION + "\ufeffkind: Pod\n",
    DEFINITION + "---x: |\n  kind: Pod\n",
    DEFINITION + "} kind: Pod\n",
    "# c\rkind: Pod\n" + DEFINITION,
    "# c\u2028kind: Pod\n" + DEFINITION,
    '"\n' + DEFINITION + '": 1\nkind: Pod\n',
    "'\n" + DEFINITION + "'\n",
    "--- '\n" + DEFINITION + "'\n",
    "--- |\n" + DEFINITION,
    "--- &a\n" + DEFINITION,
    "{\n" + DEFINITION + "}\n",
    HEAD + "  x\nmetadata: 1\n",
    HEAD + "# c\nmetadata: 1\n" + "kind: Pod\n",
    HEAD.replace("Definition\n", "Definition\n  x\n") + "metadata: 1\n",
    HEAD.replace("kind: C", "kind: |\n  C") + "metadata: 1\n",
    HEAD.replace("kind: C", "kind: &x C") + "metadata: 1\n",
    HEAD.replace("/v1\n", "/v1\n  x\n") + "metadata: 1\n",
    HEAD + "kind: Pod\nmetadata: 1\n",
    "kind: Pod\n" + HEAD + "metadata: 1\n",
    " kind: Pod\n" + HEAD + "metadata: 1\n",
    "x:\n" + HEAD + "metadata: 1\n",
    HEAD.replace("/v1\n", "/v1 # c\rkind: Pod\n") + "metadata: 1\n",
]


# The same hiding places behind the head of a kind that is parsed for its syntax alone.
HIDDEN += [
    text.replace("apiextensions.k8s.io/v1", "v1").replace("CustomResourceDefinition", "ConfigMap") for text in HIDDEN
]


@pytest.mark.parametrize("text", HIDDEN)
def test_nothing_hides_behind_the_head_of_a_definition(text: str) -> None:
    assert not any(isinstance(item, WithoutImages) for item in read(text))


ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: x}\nrules:\n"


def test_an_object_of_a_kind_without_a_pod_is_parsed_for_its_syntax_alone() -> None:
    [item] = read(ROLE + "- apiGroups: ['']\n  verbs: [get]\n")
    assert isinstance(item, WithoutImages)


@pytest.mark.parametrize(
    ("tail", "line"),
    [
        ("- a: 'open\n", 6),
        ("- [1, 2\n", 6),
        ("- a: b: c\n", 5),
        ("- " * 100_000 + "a\n", 5),
        ("- " + "[" * 100_000 + "\n", 5),
        ("- {" * 100_000 + "\n", 5),
        ("- \x01\n", 5),
    ],
)
def test_a_broken_object_of_such_a_kind_is_told_with_its_line(tail: str, line: int) -> None:
    (broken,) = [item for item in read(ROLE + tail) if isinstance(item, Broken)]
    assert broken.line == line


@pytest.mark.parametrize("kind", ["Pod", "List", "ConfigMapList", "Deployment", "PodTemplate"])
def test_a_kind_that_can_hold_a_pod_is_never_passed_over(kind: str) -> None:
    [item] = read(f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: x}}\n")
    assert isinstance(item, Document)


# --- laws

PIECES = [
    "---",
    "\n",
    "\r",
    "\u2028",
    " ",
    "a",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    "|",
    "&a ",
    "*a",
    "<<",
    "!!x ",
]
PIECES += ["%", "\\u", "#", ",", "...", "\0", "\t", "? ", "1", "\ufeff", HEAD]


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=40).map(lambda p: "".join(p).encode())
    ),
    st.booleans(),
)
def test_no_bytes_raise(data: bytes, json: bool) -> None:
    for item in read_documents(data, json=json):
        assert isinstance(item, Document | WithoutImages | Broken)
        assert item.line >= 0


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([piece for piece in PIECES if piece != "\0"]), max_size=30).map("".join))
def test_a_pod_in_front_is_found_whatever_follows_it(tail: str) -> None:
    items = read("kind: Pod\nspec: {image: x}\n---\n" + tail)
    assert any(isinstance(item, Document) and item.value == {"kind": "Pod", "spec": {"image": "x"}} for item in items)
