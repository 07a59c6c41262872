"""Bodies that JSON readers disagree on, made by rule from RFC 8259 and RFC 7493 (I-JSON), none from a published suite.

Each has a name, its bytes, and whether a strict reader must take it ("yes"), must refuse it ("no") or may do either.
Refused as well is what only I-JSON forbids: half surrogate pairs, a key twice, numbers that a double cannot hold.
"""

# ruff: noqa: E501 -- a list of texts reads better in long lines

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple


class Case(NamedTuple):
    """One body."""

    name: str
    data: bytes
    expected: str


def _listed(group: str, expected: str, *texts: str | bytes) -> Iterator[Case]:
    for number, text in enumerate(texts):
        yield Case(f"{group}-{number:03}", text if isinstance(text, bytes) else text.encode(), expected)


def _numbers() -> Iterator[Case]:
    good = (
        "0 -0 1 -1 10 123456789 0.5 -0.5 1.25 1e5 1E5 1e+5 1e-5 1.5e10 -1.5E-10 0e0 0.0 1e308 2.2250738585072014e-308"
    )
    good += (
        " 9007199254740993 -9223372036854775808 9223372036854775807 5e-324 1e-400 0.1e1 20e1 1.0000000000000000000001"
    )
    yield from _listed("number", "yes", *(f"[{one}]" for one in good.split()))
    bad = (
        "01 -01 00 +1 .5 -.5 5. -5. 1.e3 1e 1e+ 1e- 1E 1e1.5 1e1e1 --1 -+1 - + . e e1 0x1F 0b1 0o7 1_000 1,000.0,, 1 2"
    )
    bad += " Infinity -Infinity +Infinity NaN -NaN nan inf Inf -inf 1f 1d 1L 1n ¼ １ ١ 1.2.3 0-1 1/2 1%"
    yield from _listed("no-number", "no", *(f"[{one}]" for one in bad.split() if one not in {"1", "2"}), "[1 2]")
    yield from _listed(
        "huge", "no", f"[{'9' * 20}]", f"[-{'9' * 40}]", f"[{'1' * 5000}]", "[1e309]", "[-1e309]", "[1e999999999]",
        f"[1{'0' * 400}.5]", f'{{"a":{"7" * 100_000}}}',
    )  # fmt: skip
    yield from _listed("large", "either", "[18446744073709551615]", "[9999999999999999999]", f"[0.{'1' * 5000}]")


def _strings() -> Iterator[Case]:
    for letter in '"\\/bfnrt':
        yield Case(f"escape-{ord(letter):02x}", f'["\\{letter}"]'.encode(), "yes")
    for code in range(0x20, 0x7F):
        if chr(code) not in '"\\/bfnrtu':
            yield Case(f"no-escape-{code:02x}", f'["\\{chr(code)}"]'.encode(), "no")
    for code in range(0x20):
        yield Case(f"control-{code:02x}", b'["a' + bytes([code]) + b'b"]', "no")
    points = "0041 00e9 20AC fffd FFFF 0000 001f 007f 0085 2028 2029 200b 202e feff fdd0 e000"
    yield from _listed("point", "yes", *(f'["\\u{point}"]' for point in points.split()), '["\\ud83d\\ude00"]')
    yield from _listed("raw", "yes", '["é"]', '["€"]', '["😀"]', '["\x7f"]', '["\u2028"]', '["\u202e"]', '["\ufeff"]')
    bad = r'["\u"] ["\u1"] ["\u12"] ["\u123"] ["\u12g4"] ["\u+123"] ["\U0041"] ["\x41"] ["\u{41}"] ["\u 041"] ["\u00e"]'
    yield from _listed("no-point", "no", *bad.replace(r"\u 041", r"\u~041").split())
    halves = r'["\ud800"] ["\udfff"] ["\udbff"] ["\ude00\ud83d"] ["\ud83d\ud83d"] ["\ud83dx"] ["\ud83d\n"] {"\ud800":1}'
    yield from _listed("half", "no", *halves.split(), '{"a":{"b":["\\udc00"]}}')
    yield from _listed("open", "no", '["a', '["a]', '["', '"', '["\\"]', '["\\', '["\\u00', "['a']", "[`a`]", '["a"b"]')
    yield Case("open-quotes", b'"' + b'\\"' * 60_000, "no")
    yield Case("open-backslashes", b'["' + b"\\" * 99_999, "no")
    yield Case("many-quotes", b"[" + b'"",' * 60_000, "no")


def _encodings() -> Iterator[Case]:
    good = '{"kind":"é😀"}'
    yield Case("bom-8", b"\xef\xbb\xbf" + good.encode(), "no")
    for encoding in (
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "utf-32-le",
        "utf-32-be",
        "latin-1",
        "utf-7",
        "cp037",
    ):
        data = good.replace("😀", "").encode(encoding) if encoding in {"latin-1", "cp037"} else good.encode(encoding)
        yield Case(f"encoded-{encoding}", data, "either" if encoding == "utf-7" else "no")
    broken = (
        "80 bf c0 c080 c1bf c2 e0 e080 e08080 e28228 eda080 edbfbf edb080eda080 f0 f080 f0808080 f08282ac f4908080 f5808080"
        " f8 f888808080 fc fc8480808080 fe ff fffe feff c328 e282 f09f98 e9 a0a1 c3c3 f0288cbc f0908c28"
    )
    for text in broken.split():
        yield Case(f"no-utf8-{text}", b'["' + bytes.fromhex(text) + b'"]', "no")
        yield Case(f"no-utf8-outside-{text}", b"[" + bytes.fromhex(text) + b"]", "no")
    yield from _listed("null-bytes", "no", b"\x00", b"[\x00]", b"[1]\x00", b"\x00[1]", b'{"a"\x00:1}', b"[1,\x00 2]")


def _shapes() -> Iterator[Case]:
    good = "[] {} [1] [1,2] [[]] [{}] {\"\":0} {\"a\":[]} {\"a\":{\"a\":1}} true false null 0 \"\" [null,true,false]"  # fmt: skip
    yield from _listed("shape", "yes", *good.split(), " [ 1 , 2 ] ", "\t\n\r [\t\n\r ]\t\n\r ", '{ "a" : 1 , "b" : 2 }')
    bad = (
        "[ ] ] [ { } }{ ][ [1 1] [1,] [,1] [1,,2] [,] {,} {\"a\"} {\"a\":} {\"a\":1,} {\"a\":1,,\"b\":2} {\"a\" 1} {:1}"
        " {1:1} {a:1} {'a':1} {null:1} {\"a\":1]] [1} [1]] {}} [[] {{}} {\"a\":1\"b\":2} [1:2] {\"a\",\"b\"} [] [][] {}{} [1]x"
        " x[1] True TRUE tru nul nulll fals none None undefined [undefined] <a/> a: - # // () (1) [1;2] {\"a\"=1} @ $ * &a !a"
    )  # fmt: skip
    allowed = {"[]"}
    joined = ["[ ] ]", *(one for one in bad.split() if one not in allowed and one != "{}")]
    yield from _listed("no-shape", "no", *dict.fromkeys(joined))
    spaces = ["\x0b", "\x0c", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u3000", "\u200b", "\ufeff", "\x1c"]
    yield from _listed("no-space", "no", *(f"[{one}1]" for one in spaces), *(f"[1]{one}" for one in spaces))
    comments = [
        "/*",
        "a",
        "*/[1]",
        "[1]//a",
        "[1,/**/2]",
        "[1]#a",
        "<!--a-->[1]",
        "[1/*]",
        "*/1",
        "[1] // a\n",
        "# a\n[1]",
        "--a\n[1]",
    ]
    yield from _listed("no-comment", "no", *comments)
    yield from _listed("nothing", "no", " ", "\n", "\t\r\n ")


def _keys() -> Iterator[Case]:
    twice = (
        '{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '{"":1,"":2}', '{"a":{"b":1,"b":2}}', '[{"a":1,"b":2,"a":1}]',
        '{"kind":"Team","kind":"User"}', '{"😀":1,"\\ud83d\\ude00":1}', '{"a":1,"a":1,"a":1}',
        '{"metadata":{"name":"a","name":"b"}}',
    )  # fmt: skip
    yield from _listed("twice", "no", *twice)
    near = (
        '{"a":1,"A":2}',
        '{"a":1,"a ":2}',
        '{"é":1,"e\u0301":2}',
        '{"ſ":1,"s":2}',
        '{"__proto__":1,"constructor":2}',
    )
    yield from _listed("near", "yes", *near)


def _depths() -> Iterator[Case]:
    yield Case("deep-40", b"[" * 40 + b"]" * 40, "yes")
    for depth in (41, 1_000, 100_000):
        yield Case(f"deep-list-{depth}", b"[" * depth + b"]" * depth, "no")
        yield Case(f"deep-open-{depth}", b"[" * depth, "no")
        yield Case(f"deep-map-{depth}", b'{"a":' * depth + b"1" + b"}" * depth, "no")
        yield Case(f"deep-mixed-{depth}", b'[{"a":' * depth + b"1" + b"}]" * depth, "no")
    yield Case("deep-in-text", b'["' + b"[" * 100_000 + b'"]', "yes")
    yield Case("wide", b"[" + b"0," * 100_000 + b"0]", "yes")
    yield Case("closing", b"]" * 100_000, "no")


def _cut() -> Iterator[Case]:
    """A document, cut behind each of its bytes."""
    whole = (
        '{"kind":"Team","metadata":{"name":"cut","labels":{"a":"é\\u0041"}},"spec":{"a":[1.5e3,true,null]}}'.encode()
    )
    for end in range(1, len(whole)):
        yield Case(f"cut-{end:03}", whole[:end], "no")


CASES: Final = tuple(
    case for part in (_numbers, _strings, _encodings, _shapes, _keys, _depths, _cut) for case in part()
)
