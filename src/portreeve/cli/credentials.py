"""Secrets of registries on their way through the command line: from where a document says, to the control plane.

A secret comes by a variable, a file, standard input or a credential helper, never as the value of a flag, which every
process list and shell history would keep. It is wrapped as soon as it is read, and leaves by `put` alone.

Source: the protocol of docker-credential-helpers: `get` with the server on standard input answers JSON with Secret.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, NotFound, PortreeveError, Stalled

if TYPE_CHECKING:
    from portreeve.client import Client

MAX_SECRET_BYTES: Final = 65_536
"""A service account's key file has 2.4 KB."""
HELPER_TIMEOUT_S: Final = 30.0
DOCKER_HUB_SERVER: Final = "https://index.docker.io/v1/"
"""Under this name every helper keeps Docker Hub."""

_HELPER: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a secret is found: `kind` is env, file, stdin or helper; `host` is whose secret a helper is asked for."""

    kind: str
    value: str = ""
    host: str = ""

    def __str__(self) -> str:
        return "standard input" if self.kind == "stdin" else f"{self.kind} {self.value}"

    def for_host(self, host: str) -> Source:
        """The same place, for the secret of this host."""
        return replace(self, host=DOCKER_HUB_SERVER if host == "docker.io" else host)


@dataclass(frozen=True, slots=True)
class Credential:
    """One credential that a document wants to be set."""

    registry: str
    purpose: str
    source: Source
    expires_at: str | None = None


def named_in(document: Mapping[str, Any], name: str) -> Iterator[Credential]:
    """The credentials that a document says the secrets of; its shape has been checked."""
    spec = document.get("spec") if document.get("kind") == "Registry" else None
    for entry in (spec or {}).get("credentials") or ():
        for kind, value in (entry.get("credentialFrom") or {}).items():
            source = Source(str(kind), str(value)).for_host(str((spec or {})["host"]))
            expires = entry.get("expiresAt")
            yield Credential(name, str(entry["purpose"]), source, str(expires) if expires else None)


def source_of(*, stdin: bool, file: str | None, env: str | None, helper: str | None) -> Source:
    """The source that flags name.

    Raises:
        Invalid: `usage`: there is not exactly one.
    """
    named = [("stdin", "true")] if stdin else []
    named += [(kind, value) for kind, value in (("file", file), ("env", env), ("helper", helper)) if value]
    if len(named) != 1:
        hint = "--secret-stdin, --from-file, --from-env or --from-helper"
        raise Invalid("usage", "a secret comes from exactly one place", hint=hint)
    return Source(*named[0])


def check(wanted: Sequence[Credential], *, stdin_taken: bool) -> None:
    """See that every secret can be found, before anything is changed; none is read.

    Raises:
        Invalid, NotFound: naming the first that cannot.
    """
    readers = [one for one in wanted if one.source.kind == "stdin"]
    if len(readers) + stdin_taken > 1:
        hint = "take the documents, or all secrets but one, from files"
        raise Invalid("usage", "standard input can be read once", hint=hint)
    for one in wanted:
        problem = _missing(one.source)
        if problem:
            where = f"the secret of Registry/{one.registry} ({one.purpose})"
            raise NotFound("credential_source", f"{where} cannot be read: {problem}", hint="see its credentialFrom")


def _missing(source: Source) -> str | None:
    match source.kind:
        case "env":
            return None if os.environ.get(source.value) else f"the variable {source.value} is not set"
        case "file":
            return None if Path(source.value).is_file() else f"there is no file {source.value}"
        case "helper":
            return None if _helper(source.value) else f"docker-credential-{source.value} is not on the PATH"
        case _:
            return None


def resolve(source: Source) -> SecretValue:
    """The secret.

    Raises:
        Invalid, NotFound, Stalled: naming the source and never what it holds.
    """
    match source.kind:
        case "env":
            return _wrapped(os.environ.get(source.value, "").encode(errors="surrogateescape"), source)
        case "file":
            with Path(source.value).open("rb") as stream:
                return _wrapped(stream.read(MAX_SECRET_BYTES + 3), source)
        case "helper":
            return _helped(source)
        case _:
            return _wrapped(sys.stdin.buffer.read(MAX_SECRET_BYTES + 3), source)


def _wrapped(content: bytes, source: Source) -> SecretValue:
    """The secret without the one line break that editors and echo put behind it."""
    plain = content.removesuffix(b"\n").removesuffix(b"\r")
    if not plain:
        raise Invalid("credential_empty", f"{source} holds no secret", hint="an empty secret signs in nowhere")
    if len(plain) > MAX_SECRET_BYTES:
        raise Invalid("credential_too_large", f"{source} holds more than {MAX_SECRET_BYTES:,} bytes")
    try:
        plain.decode()
    except UnicodeDecodeError:
        # No cause: it would carry the bytes.
        raise Invalid("credential_not_text", f"{source} does not hold text (not shown)", hint="UTF-8") from None
    return SecretValue(plain)


def _helper(name: str) -> str | None:
    return shutil.which(f"docker-credential-{name}") if _HELPER.fullmatch(name) else None


def _helped(source: Source) -> SecretValue:
    import json

    program = _helper(source.value)
    if program is None:
        raise NotFound("credential_source", f"docker-credential-{source.value} is not on the PATH")
    try:
        done = subprocess.run(  # noqa: S603 -- a program that the user named, with fixed arguments and no shell
            [program, "get"], input=source.host.encode(), capture_output=True, timeout=HELPER_TIMEOUT_S, check=False
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError):
        answer = None
    secret = answer.get("Secret") if isinstance(answer, dict) else None
    if not isinstance(secret, str):
        # What a helper writes may hold a secret, so none of it is repeated.
        message = f"docker-credential-{source.value} gave no secret for {source.host}"
        raise Stalled("credential_helper", message, hint=f"echo {source.host} | docker-credential-{source.value} get")
    return _wrapped(secret.encode(), source)


def put(
    client: Client, wanted: Credential, secret: SecretValue, *, rotate: bool = False, overlap_s: int | None = None
) -> Mapping[str, Any]:
    """Set or rotate a credential; what is told of it. A rotation keeps the version before for so many seconds."""
    path = f"/api/v1/registries/{quote(wanted.registry, safe='')}/credentials/{wanted.purpose}"
    body: dict[str, Any] = {"secret": secret.reveal().decode()}
    if overlap_s is not None:
        body["overlapSeconds"] = overlap_s
    if wanted.expires_at:
        body["expiresAt"] = wanted.expires_at
    answer = client.change("POST" if rotate else "PUT", f"{path}/rotate" if rotate else path, body)
    return answer.body if isinstance(answer.body, Mapping) else {}


def put_all(client: Client, wanted: Sequence[Credential]) -> list[dict[str, Any]]:
    """Set each; what was set. The documents are stored by then, and an error says so.

    Raises:
        PortreeveError: of the first that could not be set.
    """
    return _put_each(client, wanted, lambda one: resolve(one.source))


def put_resolved(client: Client, wanted: Credential, secret: SecretValue) -> list[dict[str, Any]]:
    """As `put_all`, of one secret that was read before anything was stored."""
    return _put_each(client, [wanted], lambda _: secret)


def put_all_resolved(client: Client, wanted: Sequence[tuple[Credential, SecretValue]]) -> list[dict[str, Any]]:
    """As `put_all`, of secrets that were read before anything was stored."""
    secrets = dict(wanted)
    return _put_each(client, [credential for credential, _ in wanted], secrets.__getitem__)


def _put_each(
    client: Client, wanted: Sequence[Credential], secret_of: Callable[[Credential], SecretValue]
) -> list[dict[str, Any]]:
    done: list[dict[str, Any]] = []
    for one in wanted:
        try:
            put(client, one, secret_of(one))
        except PortreeveError as error:
            left = ", ".join(f"{each.registry} ({each.purpose})" for each in wanted[len(done) :])
            error.message += f"; the documents are stored, these secrets are not: {left}"
            raise
        done.append({"registry": one.registry, "purpose": one.purpose, "from": str(one.source)})
    return done
