"""What an agent keeps: its keys, its certificate, whom it trusts, and the last document that it believed.

Everything lies in one directory that is for its owner alone, each file with mode 0600 and written whole: under another
name first, to the disk, then renamed. Whoever reads finds the old file or the new one. Key and certificate are one
file, so that no crash leaves one of them without the other; the key of a renewal is written down before it is asked
for, so that an answer which was lost can be asked for again.

Copying the directory makes a second holder of one identity; both are then shut out (`core.agent_identity`).
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from portreeve.core.secret import SecretValue
from portreeve.errors import Conflict, Invalid, NotFound
from portreeve.vault import agent_keys, sealing
from portreeve.vault.sealing import OpeningKey

ENROLMENT: Final = "enrolment.json"
TRUST: Final = "trust.pem"
IDENTITY: Final = "identity.pem"
NEXT_KEY: Final = "next.pem"
SEALING: Final = "sealing.key"
DOCUMENT: Final = "document.json"
MAX_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Enrolled:
    """Where this agent belongs. `signing_key` is the control plane's, pinned when the agent enrolled."""

    server: str
    environment: str
    uid: str
    cluster: str
    signing_key: bytes


class StateDirectory:
    """The directory. It is made where there is none."""

    def __init__(self, path: Path) -> None:
        """
        Raises:
            Invalid: `state_directory`: it cannot be made, belongs to somebody else, or is open to others.
        """
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = path.stat()
        except OSError as error:
            raise _unusable(path, f"cannot be made: {error.strerror}") from None
        if status.st_uid != os.geteuid():
            raise _unusable(path, "belongs to somebody else")
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise _unusable(path, "may be used by others; chmod 700 it")

    @property
    def identity(self) -> Path:
        """The file of certificate and key, for TLS."""
        return self.path / IDENTITY

    @property
    def is_enrolled(self) -> bool:
        """Whether an agent has enrolled with this directory."""
        return (self.path / ENROLMENT).exists()

    def enrolled(self) -> Enrolled:
        """Where this agent belongs.

        Raises:
            NotFound: `not_enrolled`. Invalid: `state_directory`.
        """
        data = self._read(ENROLMENT)
        if data is None:
            raise NotFound(
                "not_enrolled", f"no agent has enrolled with {self.path}", hint="portreeve-agent enrol --server URL"
            )
        try:
            found = json.loads(data)
            key = base64.b64decode(found["signingKey"], validate=True)
            return Enrolled(found["server"], found["environment"], found["uid"], found["cluster"], key)
        except (ValueError, KeyError, TypeError):
            raise _unusable(self.path, f"holds a {ENROLMENT} that cannot be read") from None

    def enrol(self, enrolled: Enrolled, certificate: str, trust: str) -> None:
        """Keep what a join has answered; the file that says so is written last."""
        key = self.next_key()
        self.accept(key, certificate, trust)
        text = {
            "server": enrolled.server,
            "environment": enrolled.environment,
            "uid": enrolled.uid,
            "cluster": enrolled.cluster,
            "signingKey": base64.b64encode(enrolled.signing_key).decode("ascii"),
        }
        self._write(ENROLMENT, json.dumps(text).encode())

    def refuse_enrolled(self) -> None:
        """See that nobody has enrolled with this directory.

        Raises:
            Conflict: `already_enrolled`.
        """
        if self.is_enrolled:
            raise Conflict(
                "already_enrolled",
                f"an agent has enrolled with {self.path}",
                hint="portreeve-agent run goes on with it; name an empty directory with --state for another one",
            )

    def next_key(self) -> SecretValue:
        """The key that the next certificate is for: the one written down, or a new one, written down first."""
        held = self._read(NEXT_KEY)
        if held is not None:
            return SecretValue(held)
        made = agent_keys.generate()
        self._write(NEXT_KEY, made.reveal())
        return made

    def accept(self, key: SecretValue, certificate: str, trust: str) -> None:
        """Take the next certificate and its key in the place of those before.

        Raises:
            Invalid: `agent_key`: the certificate is for another key.
        """
        if not agent_keys.belongs(key, certificate):
            raise Invalid("agent_key", "the certificate that was answered is for another key")
        self._write(TRUST, trust.encode("ascii"))
        self._write(IDENTITY, key.reveal() + certificate.encode("ascii"))
        with contextlib.suppress(FileNotFoundError):
            (self.path / NEXT_KEY).unlink()

    def held(self) -> tuple[SecretValue, str]:
        """Key and certificate.

        Raises:
            Invalid: `agent_key`.
        """
        data = self._read(IDENTITY) or b""
        key, mark, certificate = data.partition(b"-----BEGIN CERTIFICATE-----")
        if not mark or not agent_keys.belongs(SecretValue(key), (mark + certificate).decode("ascii", "replace")):
            raise Invalid("agent_key", f"{self.identity} holds no certificate with its key", hint="enrol anew")
        return SecretValue(key), (mark + certificate).decode("ascii")

    def trust(self) -> str:
        """Whom this agent trusts, in PEM."""
        return (self._read(TRUST) or b"").decode("ascii", "replace")

    def opening_key(self) -> OpeningKey:
        """The key that credentials are sealed for; made where there is none.

        Raises:
            Invalid: `sealing_key`.
        """
        held = self._read(SEALING)
        if held is not None:
            return sealing.read_private(SecretValue(held))
        made = sealing.generate()
        self._write(SEALING, sealing.private_bytes(made).reveal())
        return made

    def document(self) -> bytes | None:
        """The last document that was believed, as it came."""
        return self._read(DOCUMENT)

    def keep_document(self, data: bytes) -> None:
        """Remember a document before anything is done with it."""
        self._write(DOCUMENT, data)

    def _read(self, name: str) -> bytes | None:
        try:
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                return file.read(MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self.path / name, f"cannot be read: {error.strerror}") from None

    def _write(self, name: str, data: bytes) -> None:
        """Put a file in the place of the one before, at once and on the disk."""
        draft = self.path / f".{name}.new"
        try:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path / name)
            directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            raise _unusable(self.path / name, f"cannot be written: {error.strerror}") from None


def _unusable(path: Path, why: str) -> Invalid:
    return Invalid("state_directory", f"{path} {why}", hint="name a directory of the agent's own with --state")
