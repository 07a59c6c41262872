"""Texts that break what handles them carelessly: our own list, by the reader that each is meant for."""

# ruff: noqa: E501 -- a list of texts reads better in long lines

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_QUOTES: Final = (
    "' OR '1'='1", "'; DROP TABLE documents; --", '" OR ""="', "1; SELECT pg_sleep(9)", "') UNION SELECT NULL--", "%' --", "\\'; --",
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "'><svg/onload=alert(1)>", "javascript:alert(1)",
    "data:text/html,<b>", "<!--", "-->", "]]>", "<![CDATA[", "&lt;b&gt;", "&#x3c;", "&amp;amp;", "</textarea><b>", "<iframe src=//a>",
    "$(id)", "`id`", "; id", "| id", "&& id", "|| id", "> /tmp/x", "< /dev/null", "$IFS", "${HOME}", "$((1+1))", "\\\n", "!!", "~root", "*",
    "?", "[a-z]*", "{a,b}", "--help", "-rf", "true' || 'a' == 'a", "object.metadata.name", "' + string(1) + '", "%s%s%s%n", "%x", "%d", "{0}",
    "{0.__class__}", "{}", "%(name)s", "${jndi:ldap://127.0.0.1/a}", "${${lower:j}ndi:dns://127.0.0.1}", "${env:PATH}", "{{7*7}}",
    "{% include 'a' %}", "<%= 7*7 %>", "#{7*7}", "${7*7}", "*{7*7}", "@{7*7}", "[[7*7]]", "{{ .Values }}", "{{/*", "!!python/object:os.system",
    "!!binary aGk=", "&anchor a", "*anchor", "<<: *a", "- a", "a: b", "a #b", "# a", "? a", "| ", "> ", "%YAML 1.2", "---", "...", "@a", "`a",
    "!", "!tag a", "'", '"', "''", '""', "\\", "\\\\", "\\u0000", "\\x00", "\\n", "__proto__", "constructor", "__class__", "toString",
)  # fmt: skip
_PAGES: Final = (
    "</script><script>alert(1)</script>", "<math><mtext></p><style><img title=\"</style><img src=x onerror=alert(1)>\">",
    "<svg><animate onbegin=alert(1) attributeName=x>", "java\tscript:alert(1)", "<a href=javascript&colon;alert(1)>a</a>",
    "<img src=\"http://127.0.0.1:1/x.png\">", "<base href=//127.0.0.1:1/>", "<link rel=stylesheet href=//127.0.0.1:1/a.css>",
)  # fmt: skip
"""For what makes pages of texts."""

_FORMULAS: Final = (
    "=1+1", "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "=HYPERLINK(\"http://127.0.0.1\")", "=IMPORTXML(1)", "\"=1",
    "'=1", " =1", "=", "+", "-", "@", "a,=1", "a\n=1", "a\r\n=1", "=a\tb", "\t", "\r", "＝1+1", "\u200b=1", ";=1",
)  # fmt: skip
_PATHS: Final = (
    "../../etc/passwd", "..\\..\\windows", "/etc/passwd", "//a", "./", ".", "..", "...", "a/../b", "%2e%2e%2f", "%252e%252e", "..%c0%af", "%00",
    "file:///etc/passwd", "\\\\a\\b", "C:\\", "CON", "NUL", "aux.txt", "a\x00.txt", "~", "a//b", "?a=b", "#a", "a?b#c", "a;b=c", "%", "%zz", "%0d%0a",
    "%F0%9F%98%80", "+", "a%20b", "a+b",
)  # fmt: skip
_LINES: Final = (
    "a\r\nSet-Cookie: a=b", "a\nb", "a\rb", "a\r\n\r\n<b>", "\n", "\r\n", "a\x0bb", "a\x0cb", "a\x85b", "a\u2028b", "a\u2029b", "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "\x07", "\x08\x08", "a\x7f", "level=error msg=x", '{"a":1}', "id: 1\ndata: x\n\n", "\n: x\n",
)  # fmt: skip
_UNICODE: Final = (
    "é", "e\u0301", "Å", "\u212b", "ﬁ", "fi", "ſ", "K", "\u212a", "ß", "ẞ", "İ", "ı", "Ω", "\u2126", "①", "１２３", "𝒜", "㎏", "가", "\u1100\u1161", "á̂̃̄",
    "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L", "مرحبا", "שלום", "עברית abc", "\u202eabc", "\u202dabc\u202c", "\u2066a\u2069", "\u200ea", "\u200fa", "a\u200bb", "a\u200cb", "a\u200db",
    "\ufeffa", "a\ufeff", "\u2060", "\u00ad", "\u180e", "\u034f", "\ufe0f", "\ufffd", "\uffff", "\ufffe", "\ufdd0", "\ue000", "\U000f0000", "\U0010ffff", "😀", "👩‍👩‍👧‍👦",
    "🇩🇪", "👍🏽", "#️⃣", "\U0001f3f4\U000e0067\U000e007f", "田中さん", "テスト", "测试", "ทดสอบ", "परीक्षण", "аdmin", "ρaypal", "раура1", "adm\u0456n", "\xa0", "\u3000", "\u2003a", " a",
    "a ", " ", "\u1680", "\u0600", "\u06dd", "\U000110bd", "\U000e0001", "\u115f", "\u3164", "\uffa0", "\u17b4",
)  # fmt: skip
_VALUES: Final = (
    "0", "-0", "1", "01", "0x10", "0b1", "0o7", "1e9", "1E400", "1_000", "1,5", ".5", "5.", "NaN", "nan", "Infinity", "-inf", "true", "false", "True", "yes",
    "no", "on", "off", "y", "n", "null", "Null", "NULL", "~", "None", "undefined", "nil", "[]", "[a]", "(a)", "2026-01-01", "2026-01-01T00:00:00Z", "12:30:45", "1:2",
    "0:0:0", "9" * 40, "-1", "+1", "1.0", "1e-5", ".inf", ".NaN", "=", "<<", "0.1.2", "1/2", "50%", "٣", "Ⅷ", "½", "²",
)  # fmt: skip


def _made() -> Iterator[str]:
    for code in (*range(0x20), *range(0x7F, 0xA1)):
        yield f"a{chr(code)}b"
        yield chr(code)
    for code in (
        0x061C,
        0x200B,
        0x200C,
        0x200D,
        *range(0x200E, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
    ):
        yield f"a{chr(code)}b"
        yield chr(code) + "a"
    for length in (64, 254, 256, 1024, 4096, 10_000):
        yield "a" * length
        yield "é" * length
    for word in ("admin", "root", "portreeve", "system:masters"):
        yield f"{word}\x00"
        yield f" {word}"
        yield f"{word}\u200b"
    yield "=" * 1000
    yield "(" * 500 + ")" * 500
    yield "a@" * 500
    yield "\\" * 999
    yield '"' * 999


STRINGS: Final = tuple(dict.fromkeys((*_QUOTES, *_PAGES, *_FORMULAS, *_PATHS, *_LINES, *_UNICODE, *_VALUES, *_made())))
