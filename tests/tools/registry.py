"""Real registries for tests: Docker's, with htpasswd, with tokens or open; and go-containerregistry's with referrers.

    with DockerRegistry(program, Access.HTPASSWD) as registry:
        registry.origin       # https://127.0.0.1:PORT
        registry.authority    # PEM, its CA bundle

Each listens on a free port of 127.0.0.1 and keeps its files in one temporary directory. With tokens there is a small
token server of ours beside it, whose key's certificate the registry trusts.

Leaves out: where the programs come from (components.py).
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import socket
import tempfile
import time
from contextlib import ExitStack, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from portreeve.sandbox.registry import by_passwords, configuration
from tests.tools.certificates import CertificateAuthority
from tests.tools.loopback import Answer, Asked, Says, answering
from tests.tools.process import Process, free_ports

START_TIMEOUT_S = 30.0
"""0.1 s was measured; tests also run beside compilers."""

START_ATTEMPTS = 3
"""A free port may be taken by another process before ours listens on it."""

USER, PASSWORD = "portreeve", "registry-password-1"
BCRYPT = "$2y$05$abcdefghijklmnopqrstuurll8UgPLh3aedURAqZbpEzxSpQrnxse"
"""Of PASSWORD, with a fixed salt: htpasswd files of the registry take bcrypt only, which Python has not."""

READER, READER_PASSWORD = "reader", "registry-password-2"
"""Whom the token server lets pull and nothing else."""

NARROW, NARROW_PASSWORD, NARROW_PATH = "narrow", "registry-password-3", "narrow/"
"""Whom it lets pull below this path and nowhere else."""

SERVICE, ISSUER = "portreeve test registry", "portreeve test tokens"


class Access(StrEnum):
    """How a registry wants to be asked."""

    OPEN = "open"
    HTPASSWD = "htpasswd"
    TOKEN = "token"


class RegistryFailed(Exception):
    """It did not start. The message ends with the end of its log."""


class _Listening:
    """A server program on a free port, started on entry and removed on exit. Start it from a thread that lives on."""

    def __init__(self, program: Path, *, tls: bool) -> None:
        self.program, self.tls = program, tls
        self._process: Process | None = None

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="portreeve-registry-"))
        try:
            authority = CertificateAuthority(self.directory)
            self.certificate, self.key = authority.issue("server", "registry", hosts=("127.0.0.1", "localhost"))
            self.authority = authority.file.read_text()
            self._prepare(authority)
            for _ in range(START_ATTEMPTS):
                (self.port,) = free_ports(1)
                if self._start():
                    return self
            assert self._process is not None
            raise RegistryFailed(f"it does not answer on port {self.port}\n{self._process.tail()}")
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self._process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def origin(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def _prepare(self, authority: CertificateAuthority) -> None:
        """What has to be there before it starts."""

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _start(self) -> bool:
        self._process = process = Process(self._command(), self.directory)
        deadline = time.monotonic() + START_TIMEOUT_S
        while process.exit_code() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return process.exit_code() is None
            time.sleep(0.01)
        process.stop()
        return False


class ReferrersRegistry(_Listening):
    """go-containerregistry's `pkg/registry`: open, in memory, with the referrers API."""

    def _command(self) -> list[str]:
        command = [str(self.program), "-listen", f"127.0.0.1:{self.port}"]
        return [*command, "-cert", str(self.certificate), "-key", str(self.key)] if self.tls else command


class DockerRegistry(_Listening):
    """Docker's registry.

    Attributes: storage (its files), tokens (the token server; None without).
    """

    def __init__(self, program: Path, access: Access, *, tls: bool = True) -> None:
        super().__init__(program, tls=tls)
        self.access = access
        self.tokens: TokenServer | None = None
        self._stack = ExitStack()

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        super().__exit__(*error)

    @property
    def storage(self) -> Path:
        return self.directory / "storage"

    @property
    def realm(self) -> str:
        """The address of the token service, "" without."""
        return self.tokens.realm if self.tokens else ""

    def _prepare(self, authority: CertificateAuthority) -> None:
        (self.directory / "htpasswd").write_text(f"{USER}:{BCRYPT}\n")
        if self.access is Access.TOKEN:
            self.tokens = self._stack.enter_context(TokenServer(authority, (self.certificate, self.key)))

    def _command(self) -> list[str]:
        # JSON is YAML.
        (self.directory / "config.yml").write_text(json.dumps(self._configuration()))
        return [str(self.program), "serve", str(self.directory / "config.yml")]

    def _configuration(self) -> dict[str, Any]:
        certificate = (self.certificate, self.key) if self.tls else None
        auth: dict[str, Any] = {}
        if self.access is Access.HTPASSWD:
            auth = by_passwords(self.directory / "htpasswd")
        if self.tokens is not None:
            told = {"realm": self.tokens.realm, "service": SERVICE, "issuer": ISSUER}
            auth = {"token": {**told, "rootcertbundle": str(self.directory / "ca.crt")}}
        return configuration(self.port, self.storage, certificate=certificate, auth=auth)


class TokenServer:
    """Gives tokens for logins and scopes, as Docker's specification says. `asked` has every request."""

    def __init__(self, authority: CertificateAuthority, certificate: tuple[Path, Path]) -> None:
        signer, key = authority.issue("tokens", "portreeve test tokens")
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        self._key = loaded
        pem = signer.read_text().replace("-----BEGIN CERTIFICATE-----", "").replace("-----END CERTIFICATE-----", "")
        self._chain = ["".join(pem.split())]
        self._certificate = certificate
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._server = self._stack.enter_context(answering(self._answer, certificate=self._certificate))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def realm(self) -> str:
        return f"{self._server.url}/token"

    @property
    def asked(self) -> list[Asked]:
        return self._server.asked

    def _answer(self, asked: Asked) -> Answer:
        name, rights = self._who(asked.headers.get("authorization", ""))
        if not rights:
            return Says(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}')
        query = parse_qs(urlsplit(asked.path).query)
        scopes = [
            one for one in query.get("scope", []) if name != NARROW or one.startswith(f"repository:{NARROW_PATH}")
        ]
        access = [grant for scope in scopes if (grant := self._grant(scope, rights))]
        return Says(200, json.dumps({"token": self._token(name, access), "expires_in": 300}).encode())

    def _who(self, authorization: str) -> tuple[str, frozenset[str]]:
        name, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if (name, password) == (USER, PASSWORD):
            return name, frozenset({"pull", "push", "delete", "*"})
        pulls = {(READER, READER_PASSWORD), (NARROW, NARROW_PASSWORD)}
        return (name, frozenset({"pull"})) if (name, password) in pulls else ("", frozenset())

    def _grant(self, scope: str, rights: frozenset[str]) -> dict[str, Any] | None:
        kind, name, actions = scope.split(":")
        allowed = [action for action in actions.split(",") if action in rights]
        return {"type": kind, "name": name, "actions": allowed} if allowed else None

    def _token(self, name: str, access: list[dict[str, Any]]) -> str:
        now = int(time.time())
        header = {"typ": "JWT", "alg": "ES256", "x5c": self._chain}
        claims = {"iss": ISSUER, "sub": name, "aud": SERVICE, "iat": now, "nbf": now - 60, "exp": now + 300}
        signed = f"{_encoded(header)}.{_encoded({**claims, 'jti': secrets.token_hex(8), 'access': access})}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _encoded(value: dict[str, Any]) -> str:
    return _base64url(json.dumps(value).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
