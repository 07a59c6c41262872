"""Too much, too slowly, or not at all."""

from __future__ import annotations

import gzip
import zlib

from portreeve.oci.manifests import OCI_INDEX
from tests.fakes.hostile.answers import always, once, served, streamed
from tests.fakes.hostile.asks import BLOB, GOOD, MIB, blob_of_unknown_size, huge_blob, manifest, referrers, tags
from tests.fakes.hostile.registry import Behaviour, says


def floods() -> list[Behaviour]:
    """Too much, too slowly, or not at all."""
    start = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    chunk = b"10000\r\n" + b"[" * 65536 + b"\r\n"
    packed = gzip.compress(b"\0" * 10 * MIB)
    deep = b"[" * 100_000 + b"]" * 100_000
    return [
        Behaviour(
            "endless chunks", tags, "answer_too_large", streamed(start + b"transfer-encoding: chunked\r\n\r\n", chunk)
        ),
        Behaviour("endless body", tags, "answer_too_large", streamed(start + b"\r\n", b" " * 65536)),
        Behaviour("endless refusal", tags, "answer_too_large", streamed(b"HTTP/1.1 500 No\r\n\r\n", b" " * 65536)),
        Behaviour("endless headers", tags, "no_answer", streamed(start, b"x-a: " + b"b" * 1000 + b"\r\n")),
        Behaviour("one endless header", tags, "no_answer", streamed(start + b"x-a: ", b"b" * 65536)),
        Behaviour(
            "300 headers",
            tags,
            "answer_too_large",
            always(start + b"x-a: b\r\n" * 300 + b"content-length: 2\r\n\r\n{}"),
        ),
        Behaviour(
            "endless interim answers",
            tags,
            "budget_spent",
            streamed(b"", b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" * 500),
        ),
        Behaviour(
            "a gigabyte announced", tags, "answer_too_large", always(says(200, b"{}", content_length=str(10**9)))
        ),
        Behaviour("10^400 bytes announced", tags, "no_answer", always(says(200, b"{}", content_length="9" * 400))),
        Behaviour(
            "a gigabyte of a blob", blob_of_unknown_size, "answer_too_large", streamed(start + b"\r\n", b" " * 65536)
        ),
        Behaviour("a blob that is said to be huge", huge_blob, "answer_too_large", always(says(200, BLOB))),
        Behaviour("a manifest of 5 MiB", manifest, "answer_too_large", served(b" " * 5 * MIB + GOOD.content)),
        Behaviour("slow headers", tags, "budget_spent", streamed(b"HTTP/1.1 200 OK\r\nx-a: ", b"b", 0.05)),
        Behaviour("slow body", tags, "budget_spent", streamed(start + b"content-length: 9999\r\n\r\n", b" ", 0.05)),
        Behaviour("slow status line", tags, "budget_spent", streamed(b"H", b"", 0.05)),
        Behaviour("slow TLS", tags, "budget_spent", always(b""), port="silent"),
        Behaviour("nothing", tags, "no_answer", always(b"")),
        Behaviour("half an answer", tags, "no_answer", once(says(200, b'{"tags": [', content_length="400"))),
        Behaviour(
            "more than was announced", tags, "", always(says(200, b'{"tags": []}' + b"x" * 5000, content_length="12"))
        ),
        Behaviour("two lengths", tags, "no_answer", always(says(200, b"{}", content_length="2\r\ncontent-length: 3"))),
        Behaviour("length and chunks", tags, "no_answer", once(says(200, b"{}", transfer_encoding="chunked"))),
        Behaviour("negative length", tags, "no_answer", always(says(200, b"{}", content_length="-1"))),
        Behaviour("not HTTP", tags, "no_answer", always(b"220 mail.example.com ESMTP\r\n\r\n")),
        Behaviour("HTTP/2 without being asked", tags, "no_answer", always(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
        Behaviour("another protocol", tags, "no_answer", always(says(101, upgrade="websocket", connection="upgrade"))),
        Behaviour("a zero in a header", tags, "no_answer", always(start + b"x-a: \0\r\n\r\n")),
        Behaviour("gzip bomb", tags, "answer_encoding", always(says(200, packed, content_encoding="gzip"))),
        Behaviour(
            "gzip in gzip",
            tags,
            "answer_encoding",
            always(says(200, gzip.compress(packed), content_encoding="gzip, gzip")),
        ),
        Behaviour(
            "deflate bomb",
            tags,
            "answer_encoding",
            always(says(200, zlib.compress(b"\0" * MIB), content_encoding="deflate")),
        ),
        Behaviour("zstd", tags, "answer_encoding", always(says(200, b"\x28\xb5\x2f\xfd", content_encoding="zstd"))),
        Behaviour("br", tags, "answer_encoding", always(says(200, b"x", content_encoding="br"))),
        Behaviour(
            "gzip for transfer",
            tags,
            "no_answer",
            always(says(200, packed, transfer_encoding="gzip", content_length="")),
        ),
        Behaviour("gzip that nobody mentions", tags, "answer_not_json", always(says(200, packed))),
        Behaviour("deep nesting", tags, "answer_too_large", always(says(200, deep))),
        Behaviour(
            "a million empty lists", tags, "answer_too_large", always(says(200, b"[" + b"[]," * 1_000_000 + b"[]]"))
        ),
        Behaviour(
            "a million referrers",
            referrers,
            "answer_too_large",
            served(b'{"manifests":[' + b"{}," * 1_000_000 + b"{}]}", OCI_INDEX),
        ),
    ]
