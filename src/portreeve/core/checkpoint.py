"""Checkpoints: a log's origin, size and root as a signed note, and the keys that sign them, as text.

    portreeve.example.com/audit
    300
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — portreeve.example.com/audit Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q…

Theory of operation. A checkpoint is three lines, a blank line, and at least one signature of the three lines. A key is
known by its name together with a hash of it (the key id); signatures of unknown keys are ignored, as witnesses may add
theirs, but one of a known key must verify. We read less than the specification allows: no extension lines, and the
name of the key is the origin, so that a checkpoint of another log cannot stand in.

Left out: the signature algorithm itself, which comes in as `Verify` (`portreeve.vault.notes`).
Source: c2sp.org/tlog-checkpoint, c2sp.org/signed-note; the text form of keys is that of golang.org/x/mod/sumdb/note.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from portreeve.core.merkle import HASH_BYTES, MAX_SIZE
from portreeve.errors import Invalid

ED25519: Final = b"\x01"
"""The signature type. Source: c2sp.org/signed-note, Signature types."""
PUBLIC_KEY_BYTES: Final = 32
KEY_ID_BYTES: Final = 4
MAX_SIGNATURES: Final = 16
"""As many as every verifier must accept. Source: c2sp.org/signed-note, Format."""
MAX_NOTE_BYTES: Final = 16_384
MAX_SIGNATURE_BYTES: Final = 512
"""Ours have 64 bytes; witnesses may use others, which are passed over."""

Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, message, signature) → whether it is the key's Ed25519 signature. Raises nothing."""

# Printable ASCII without space and plus; the specification allows more, no log needs it.
_ORIGIN: Final = re.compile(r"[!-*,-~]{1,200}")
_KEY_ID: Final = re.compile("[0-9a-f]{8}")
_SIZE: Final = re.compile("0|[1-9][0-9]{0,18}")
_MARK: Final = "\u2014 "


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log `origin` had `size` leaves and this root."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        _check_origin(self.origin)
        if type(self.size) is not int or not 0 <= self.size <= MAX_SIZE:
            raise _malformed("its size is not a number of leaves")
        if type(self.root) is not bytes or len(self.root) != HASH_BYTES:
            raise _malformed(f"its root does not have {HASH_BYTES} bytes")

    @property
    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line: the key's name and id, and the signature."""

    name: str
    key_id: bytes
    value: bytes

    def __post_init__(self) -> None:
        _check_origin(self.name)
        if len(self.key_id) != KEY_ID_BYTES or not 0 < len(self.value) <= MAX_SIGNATURE_BYTES:
            raise _malformed("a signature has the wrong length")

    def __str__(self) -> str:
        return f"{_MARK}{self.name} {b64encode(self.key_id + self.value).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint and its signatures, of which none has been verified yet."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.signatures) <= MAX_SIGNATURES:
            raise _malformed(f"it has none or more than {MAX_SIGNATURES} signatures")

    def __str__(self) -> str:
        return f"{self.checkpoint.body}\n{''.join(map(str, self.signatures))}"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public Ed25519 key with the name of the log that it signs for. Its text is name+id+key."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        if type(self.name) is not str or not _ORIGIN.fullmatch(self.name):
            raise _key("its name is empty, too long, or holds spaces, a plus or letters outside ASCII")
        if type(self.public) is not bytes or len(self.public) != PUBLIC_KEY_BYTES:
            raise _key(f"an Ed25519 key has {PUBLIC_KEY_BYTES} bytes")

    @property
    def key_id(self) -> bytes:
        """What signature lines know the key by. Source: c2sp.org/signed-note, Signatures."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(ED25519 + self.public).decode()}"


def parse_key(text: str) -> VerifierKey:
    """Read the text of a verifier key.

    Raises:
        Invalid: `audit_key`.
    """
    # A base64 text may hold plus signs itself, so only the first two separate.
    name, key_id, encoded = [*text.split("+", 2), "", ""][:3]
    if name == "PRIVATE":
        raise _key("this is a private key; verifying takes the public one, and a private one must not be passed around")
    raw = _decoded(encoded)
    if raw is None or not _KEY_ID.fullmatch(key_id):
        raise _key("it is not NAME+ID+KEY, with 8 lower-case hexadecimal digits and base64")
    if raw[:1] != ED25519:
        raise _key("it is not an Ed25519 key")
    key = VerifierKey(name, raw[1:])
    if key.key_id.hex() != key_id:
        raise _key("its id does not belong to its name and key; it was mistyped or cut")
    return key


def parse(data: bytes) -> Note:
    """Read a note. Nothing in it may be believed before `opened` has verified it.

    Raises:
        Invalid: `audit_checkpoint`.
    """
    if len(data) > MAX_NOTE_BYTES:
        raise _malformed(f"it is longer than {MAX_NOTE_BYTES:,} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as wrong:
        raise _malformed("it is not UTF-8") from wrong
    lines = text.split("\n")
    if len(lines) < 6 or lines[3] or lines[-1]:
        raise _malformed("it is not three lines, a blank one, and signatures, each ending in a line break")
    origin, size, root = lines[:3]
    if not _SIZE.fullmatch(size):
        raise _malformed("its size is not a number of leaves")
    return Note(Checkpoint(origin, int(size), _decoded(root) or b""), tuple(map(_signature, lines[4:-1])))


def opened(note: Note, keys: Sequence[VerifierKey], verify: Verify) -> Checkpoint:
    """The checkpoint of a note, once a trusted key is seen to have signed it.

    Raises:
        Invalid: `audit_signature`: no trusted key signed, or a signature of one is wrong.
    """
    checkpoint = note.checkpoint
    message = checkpoint.body.encode()
    known = {(key.name, key.key_id): key for key in keys if key.name == checkpoint.origin}
    trusted = [(known.get((one.name, one.key_id)), one.value) for one in note.signatures]
    results = [verify(key.public, message, value) for key, value in trusted if key]
    if not results:
        raise Invalid("audit_signature", f"no trusted key of {checkpoint.origin} has signed the checkpoint")
    if not all(results):
        raise Invalid("audit_signature", f"the signature of {checkpoint.origin} on the checkpoint is wrong")
    return checkpoint


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_MARK).partition(" ")
    raw = _decoded(encoded)
    if not line.startswith(_MARK) or not space or raw is None:
        raise _malformed("a signature line is not a dash, a name and base64")
    return Signature(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])


def _decoded(text: str) -> bytes | None:
    """Base64 in its one canonical spelling: stray bits at the end would let a text change unseen."""
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        return None
    return raw if b64encode(raw).decode() == text else None


def _check_origin(text: str) -> None:
    if type(text) is not str or not _ORIGIN.fullmatch(text):
        raise _malformed("a name is empty, too long, or holds spaces, a plus or letters outside ASCII")


def _malformed(why: str) -> Invalid:
    return Invalid("audit_checkpoint", f"not a checkpoint: {why}", hint="docs/spec/audit.md shows one")


def _key(why: str) -> Invalid:
    return Invalid("audit_key", f"not a verifier key: {why}", hint="docs/spec/audit.md shows one")
