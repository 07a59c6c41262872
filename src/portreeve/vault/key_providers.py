"""Master keys that this machine holds: from a file, or from an environment variable.

Both hold one line: 32 random bytes in base64. A password is no key and is refused as far as it can be told.

A file is preferred: other processes of the same user, crash reports and `docker inspect` show environments. The file
belongs neither into the database's directory nor into its backup.

Left out: key management services; `transit` and `aws_kms` are further implementations of `ports.MasterKey`.
"""

from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portreeve.core.secret import SecretValue
from portreeve.errors import Conflict, Invalid, PortreeveError, Stalled
from portreeve.vault import aead
from portreeve.vault.binding import encoded

VARIABLE: Final = "PORTREEVE_MASTER_KEY"

_MAX_FILE_BYTES: Final = 256
"""A key file has 45; one byte more than this is never read."""

_GENERATE: Final = "make one with: openssl rand -base64 32"


@dataclass(frozen=True, slots=True, eq=False)
class LocalMasterKey:
    """A master key in this process. Its id is a part of the key's hash, so another key has another id."""

    key: SecretValue

    @property
    def key_id(self) -> str:
        """`local-` and 64 bits of SHA-256. They tell nothing of a key of 256 random bits."""
        return "local-" + hashlib.sha256(encoded("key id", self.key.reveal())).hexdigest()[:16]

    def wrap(self, key: SecretValue, *, context: bytes) -> bytes:
        """`key` encrypted, bound to `context`."""
        return aead.encrypt(self.key, key, context)

    def unwrap(self, wrapped: bytes, *, context: bytes) -> SecretValue:
        """What was wrapped; Stalled with other key, context or bytes."""
        return aead.decrypt(self.key, wrapped, context)


def from_file(path: Path) -> LocalMasterKey:
    """The master key in `path`.

    Raises:
        Invalid: the file is a link, may be read by others, is none of ours, or holds no key.
        Stalled: it is not there.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise Stalled(
            "master_key_missing", f"there is no master key file at {path}", hint="restore it; a new key opens nothing"
        ) from None
    except OSError as error:
        raise _unopened(path, error) from None
    try:
        _refuse_unsafe(path, os.fstat(descriptor))
        text = os.read(descriptor, _MAX_FILE_BYTES + 1)
    finally:
        os.close(descriptor)
    return LocalMasterKey(_parsed(text, str(path)))


def from_environment(environment: Mapping[str, str], name: str = VARIABLE) -> LocalMasterKey:
    """The master key in the variable `name`.

    Raises:
        Invalid: it holds no key.
        Stalled: it is not set.
    """
    text = environment.get(name, "")
    if not text:
        raise Stalled("master_key_missing", f"the variable {name} is not set", hint="set it, or name a key file")
    return LocalMasterKey(_parsed(text.encode(), name))


def create_file(path: Path) -> LocalMasterKey:
    """A new random master key, written to `path` for its owner alone and made durable before it is returned.

    Raises:
        Conflict: something is there already; it is never replaced.
        Invalid: the file cannot be written.
    """
    key = aead.new_key()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Conflict(
            "master_key_exists", f"{path} exists", hint="use it, or name another file; a lost key opens nothing"
        ) from None
    except OSError as error:
        raise _unopened(path, error) from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(base64.b64encode(key.reveal()) + b"\n")
        file.flush()
        os.fsync(descriptor)
    _sync_directory(path.parent)
    return LocalMasterKey(key)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unopened(path: Path, error: OSError) -> PortreeveError:
    if error.errno == errno.ELOOP:
        return Invalid(
            "master_key_file",
            f"{path} is a symbolic link",
            hint="name the file itself; for a Secret mounted in a pod, mount the key with subPath",
        )
    return Invalid("master_key_file", f"{path} cannot be opened: {error.strerror}", hint="see that we may read it")


def _refuse_unsafe(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Invalid("master_key_file", f"{path} is not a regular file", hint="name a file that holds the key")
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise Invalid("master_key_file", f"{path} has mode {mode:04o}; others may use it", hint=f"chmod 600 {path}")
    if status.st_uid not in {os.geteuid(), 0}:
        raise Invalid(
            "master_key_file",
            f"{path} belongs to user {status.st_uid}, we run as {os.geteuid()}",
            hint=f"chown {os.geteuid()} {path}",
        )


def _parsed(text: bytes, where: str) -> SecretValue:
    """32 bytes out of base64. The message does not quote what was found."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != aead.KEY_BYTES:
        raise Invalid("master_key_malformed", f"{where} does not hold 32 bytes in base64", hint=_GENERATE)
    if all(0x20 <= byte < 0x7F for byte in key) or len(set(key)) < aead.KEY_BYTES // 4:
        # 32 random bytes are all printable once in 10^13, and have fewer than 8 different values still less often.
        raise Invalid(
            "master_key_malformed", f"{where} holds a password or a pattern, not a random key", hint=_GENERATE
        )
    return SecretValue(key)
