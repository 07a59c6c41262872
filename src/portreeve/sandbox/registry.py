"""Docker's registry with TLS and passwords, as a configuration.

Passwords are kept as bcrypt, which is all that the registry takes and which Python has not: the C library has it on
every Linux that distributions ship.

Sources: distribution, docs/configuration.md; crypt(5), "bcrypt".
"""

from __future__ import annotations

import ctypes
import ctypes.util
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from portreeve.core.secret import SecretValue
from portreeve.errors import Stalled

_ALPHABET: Final = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_COST: Final = "05"
"""The least that is common. Passwords are long and random here, and live as long as the sandbox."""


def configuration(
    port: int,
    storage: Path,
    *,
    certificate: tuple[Path, Path] | None,
    auth: Mapping[str, Any],
    read_only: bool = False,
) -> dict[str, Any]:
    """Of a registry on loopback that keeps images in a folder; JSON is YAML.

    Args:
        certificate: with its key; None: without TLS.
        auth: how it wants to be asked; empty: not at all.
    """
    http: dict[str, Any] = {"addr": f"127.0.0.1:{port}", "secret": secrets.token_hex(16)}
    if certificate is not None:
        http["tls"] = {"certificate": str(certificate[0]), "key": str(certificate[1])}
    kept: dict[str, Any] = {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}}
    if read_only:
        kept["maintenance"] = {"readonly": {"enabled": True}}
    found = {"version": "0.1", "log": {"level": "warn"}, "storage": kept, "http": http}
    return {**found, "auth": dict(auth)} if auth else found


def by_passwords(file: Path) -> dict[str, Any]:
    """As `auth` of a configuration. The registry reads the file anew when it has changed."""
    return {"htpasswd": {"realm": "portreeve sandbox", "path": str(file)}}


def htpasswd(logins: Mapping[str, SecretValue]) -> str:
    """The file of passwords; user → password.

    Raises:
        Stalled: `bcrypt_missing`.
    """
    return "".join(f"{user}:{_bcrypt(password)}\n" for user, password in logins.items())


def _bcrypt(password: SecretValue) -> str:
    # 21 characters of 6 bits, and one of the four that hold the last two bits of 128.
    salt = "".join(secrets.choice(_ALPHABET) for _ in range(21)) + secrets.choice(".Oeu")
    try:
        library = ctypes.CDLL(ctypes.util.find_library("crypt") or None)
        crypt = library.crypt
    except (OSError, AttributeError):
        raise _no_bcrypt() from None
    crypt.restype, crypt.argtypes = ctypes.c_char_p, (ctypes.c_char_p, ctypes.c_char_p)
    found: bytes | None = crypt(password.reveal(), f"$2y${_COST}${salt}".encode())
    if found is None or not found.startswith(b"$2y$"):
        raise _no_bcrypt()
    return found.decode("ascii")


def _no_bcrypt() -> Stalled:
    return Stalled("bcrypt_missing", "the C library of this machine does not make bcrypt, which the registry asks for")
