"""A second verifier, written from docs/spec/audit.md alone, says of every export what ours says.

It shares no code with ours: the tree is computed anew for each checkpoint, from the definition.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from dataclasses import replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from portreeve.core.audit_export import event_line
from portreeve.core.audit_verify import Result, verify
from tests.core.exports import KEY, STRANGER, export, log, trust

LOG = log(40)
LINES = export(LOG, 4)


def root(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return hashlib.sha256(b"\0" + leaves[0] if leaves else b"").digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()


def second_reader(lines: list[bytes], key: str) -> str:
    """`intact`, `tampered` or `incomplete`."""
    leaves: list[bytes] = []
    covered = -1
    for line in lines:
        value = json.loads(line)
        if value["type"] == "event":
            if value["event"]["sequence"] != len(leaves):
                return "tampered"
            leaves.append(json.dumps(value["event"], sort_keys=True, separators=(",", ":")).encode())
            continue
        size = int(value["checkpoint"].split("\n")[1])
        if size != len(leaves) or size <= covered or not _signed(value["checkpoint"], key, root(leaves)):
            return "tampered"
        covered = size
    return "intact" if covered == len(leaves) else "incomplete"


def _signed(note: str, key: str, expected: bytes) -> bool:
    body, _, signatures = note.partition("\n\n")
    name, key_id, public = key.split("+", 2)
    if body.split("\n")[2] != base64.b64encode(expected).decode():
        return False
    for line in signatures.splitlines():
        _, signer, value = line.split(" ")
        raw = base64.b64decode(value)
        if (signer, raw[:4].hex()) == (name, key_id):
            try:
                Ed25519PublicKey.from_public_bytes(base64.b64decode(public)[1:]).verify(raw[4:], f"{body}\n".encode())
            except InvalidSignature:
                return False
            return True
    return False


def agreed(lines: list[bytes]) -> Result:
    ours = verify(lines, trust()).result
    assert second_reader(lines, str(KEY.verifier)) == ours
    return ours


def test_both_read_a_whole_export_alike() -> None:
    assert agreed(LINES) is Result.INTACT
    assert agreed(LINES[:-1]) is Result.INCOMPLETE
    assert agreed([]) is Result.INCOMPLETE
    assert agreed(export(LOG, 4, STRANGER)) is Result.TAMPERED


def test_both_find_whole_lines_that_were_changed_dropped_repeated_or_moved() -> None:
    chance = random.Random(9162)
    results = []
    for _ in range(300):
        lines = list(LINES)
        for _ in range(chance.randrange(1, 3)):
            at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
            match chance.randrange(5):
                case 0:
                    del lines[at]
                case 1:
                    lines.insert(at, lines[other])
                case 2:
                    lines[at], lines[other] = lines[other], lines[at]
                case 3:
                    number = chance.randrange(len(LOG))
                    lines[at] = event_line(replace(LOG[number], request=f"forged-{number}"))
                case _:
                    lines = lines[: at + 1]
        results.append(agreed(lines))
    assert set(results) == set(Result)
