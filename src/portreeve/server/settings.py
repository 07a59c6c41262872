"""The settings of the control plane: read once, here, from the environment; nothing else reads it.

Each field says its unit and why its default is what it is. A variable is the field's name in capitals behind
`PORTREEVE_`; an unknown `PORTREEVE_SERVER_…` is an error, as a misspelled setting is one that nobody has set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from portreeve.errors import Invalid

SURROUNDINGS: Final = (
    "CONTAINER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_HOST",
    "HOME",
    "KUBECONFIG",
    "REGISTRY_AUTH_FILE",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
)
"""Variables by which clusters, container engines, registry logins and the last check are found. None holds a secret."""


_PUBLIC: Final = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*")
"""Scheme, host, port, and a path whose characters mean nothing in pages, headers or cookies. Source: RFC 3986, 2.3."""


@dataclass(frozen=True, slots=True)
class LocalCluster:
    """An environment whose cluster the control plane keeps itself: the file that it is reached by, and its context.

    `context` is "" for the file's current one. `asked`: it was named on the command line, so somebody is there to hear
    that it cannot be.
    """

    environment: str
    kubeconfig: Path
    context: str = ""
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """What the control plane is told from outside."""

    data: Path
    """Directory of the embedded database and its lock. Created with mode 0700."""

    keys: Path | None = None
    """Directory of keys, apart from `data`: whoever gets a backup of one must not have both. None means `keys` in
    `data`, where no master key is taken from."""

    database: str = field(default="", repr=False)
    """Address of the database; "" means SQLite in `data`. May hold a password, so it is shown nowhere."""

    host: str = "127.0.0.1"
    """Address to listen on. Loopback, until somebody has decided otherwise."""

    port: int = 8420
    """Port to listen on; 0 takes a free one."""

    public_url: str = ""
    """Under which address browsers reach it; "" means `host` and `port`. Cookies and redirects follow it. It may have a
    path, where a proxy shows others on the same host; it ends without a slash."""

    master_key: str = ""
    """URI of the master key; "" means the file `master.key` in `keys`, made at the first start."""

    retiring_keys: tuple[str, ...] = ()
    """URIs of master keys that only unwrap, until nothing needs them any more."""

    allowed_hosts: tuple[str, ...] = field(default=())
    """Further names in the Host header that are answered; others are not, against DNS rebinding."""

    private_addresses: tuple[str, ...] = ()
    """Networks that may be contacted though they are loopback or private; empty means none."""

    tls_certificate: Path | None = None
    """File of the certificate that it shows, and of those behind it, in PEM; None means plain HTTP."""

    tls_key: Path | None = None
    """File of the certificate's private key, in PEM; None means that `tls_certificate` holds it, too."""

    tls_handshakes: int = 32
    """TLS handshakes at once; further connections wait for one to end. Each costs about a millisecond of one core."""

    agents_trust: Path | None = None
    """File of the certificates that agents find behind the public address, in PEM: the only ones that they trust. None
    means what `tls_certificate` says of itself; behind a proxy that ends TLS it has to be named."""

    surroundings: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What other programs on this machine are found by (`SURROUNDINGS`); not set by a variable of ours."""

    local_clusters: tuple[LocalCluster, ...] = ()
    """Environments that are kept from here, without an agent: `ENVIRONMENT=FILE[:CONTEXT]`. Empty, as what a
    kubeconfig names is run with our rights, and is for whoever starts this process to decide."""

    audit_checkpoints: Path | None = None
    """Directory of checkpoints.txt; None means `data`. Best a disk that whoever runs the database cannot write."""

    audit_sinks: tuple[str, ...] = ()
    """URIs of receivers of copies of the audit log (docs/spec/audit.md). What stands here is trusted: private and
    loopback addresses need no entry in `private_addresses`. A comma in one is written %2C."""

    oidc_file: str = ""
    """Path of the file that names identity providers (docs/people.md); "" means none."""

    oidc_create_users: bool = True
    """Whether somebody whom a provider vouches for becomes a user at the first sign-in. They may do nothing by that."""

    metrics: str = "summary"
    """How much `/metrics` tells apart: `summary`, or `detailed`, with series for each exemption, and for images by
    environment (docs/howto/metrics.md)."""

    def __post_init__(self) -> None:
        """See that the public address is one, wherever it comes from: it goes into pages, redirects and cookies."""
        if self.public_url and not _is_public_address(self.public_url):
            wrong = "PORTREEVE_SERVER_PUBLIC_URL is not the address of a server"
            hint = (
                "https://HOST or https://HOST/PATH; the path of letters, digits and . _ ~ - only, and nothing behind it"
            )
            raise Invalid("settings_invalid", wrong, hint=hint)

    @property
    def prefix(self) -> str:
        """The path of the public address; "" for none."""
        return urlsplit(self.public_url).path

    @property
    def keys_directory(self) -> Path:
        """Where keys are."""
        return self.keys or self.data / "keys"

    @property
    def address(self) -> str:
        """What stands before the path in an address of ours."""
        if self.public_url:
            return self.public_url
        scheme = "https" if self.tls_certificate else "http"
        # Who listens on all addresses is reached on this machine by the usual one.
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 -- it is replaced here
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def database_url(self) -> str:
        """Where the database is."""
        return self.database or f"sqlite:///{self.data / 'portreeve.db'}"


def read(environment: Mapping[str, str], data: Path, keys: Path | None = None) -> Settings:
    """The settings in an environment; `data` and `keys` are where files go if it does not say.

    Raises:
        Invalid: `settings_invalid`, naming the variable.
    """
    given = {
        name.removeprefix("PORTREEVE_SERVER_").lower(): value
        for name, value in environment.items()
        if name.startswith("PORTREEVE_SERVER_")
    }
    known = set(Settings.__dataclass_fields__) - {"surroundings"}
    if unknown := sorted(set(given) - known):
        hint = f"known: {', '.join(f'PORTREEVE_SERVER_{name.upper()}' for name in sorted(known))}"
        raise Invalid("settings_invalid", f"PORTREEVE_SERVER_{unknown[0].upper()} is not a setting", hint=hint)
    lists = {
        name: _listed(given.get(name, ""))
        for name in ("retiring_keys", "allowed_hosts", "private_addresses", "audit_sinks")
    }
    return Settings(
        data=Path(given.get("data", "") or data),
        keys=_path(given.get("keys", "")) or keys,
        database=given.get("database", ""),
        host=given.get("host", "127.0.0.1"),
        port=_port(given.get("port", "8420")),
        public_url=given.get("public_url", "").rstrip("/"),
        master_key=given.get("master_key", ""),
        tls_certificate=_path(given.get("tls_certificate", "")),
        tls_key=_path(given.get("tls_key", "")),
        tls_handshakes=_handshakes(given.get("tls_handshakes", "32")),
        agents_trust=_path(given.get("agents_trust", "")),
        surroundings={name: environment[name] for name in SURROUNDINGS if name in environment},
        local_clusters=tuple(_local(one) for one in _listed(given.get("local_clusters", ""))),
        audit_checkpoints=_path(given.get("audit_checkpoints", "")),
        oidc_file=given.get("oidc_file", ""),
        oidc_create_users=_switch("oidc_create_users", given.get("oidc_create_users", "true")),
        metrics=_word("metrics", given.get("metrics", "summary"), ("summary", "detailed")),
        **lists,
    )


def _is_public_address(text: str) -> bool:
    if not _PUBLIC.fullmatch(text):
        return False
    try:
        address = urlsplit(text)
        return bool(address.hostname) and address.port != 0 and not {".", ".."} & set(address.path.split("/"))
    except ValueError:
        return False


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _local(text: str) -> LocalCluster:
    environment, equals, place = text.partition("=")
    # Names of contexts may hold colons, as those of EKS do; the path is what stands before the first.
    file, _, context = place.partition(":")
    if not equals or not file:
        wrong = "PORTREEVE_SERVER_LOCAL_CLUSTERS names an environment without a file, or a file without one"
        raise Invalid("settings_invalid", wrong, hint="ENVIRONMENT=FILE or ENVIRONMENT=FILE:CONTEXT, joined by commas")
    return LocalCluster(environment.strip(), Path(file.strip()), context.strip())


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _switch(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise Invalid("settings_invalid", f"PORTREEVE_SERVER_{name.upper()} is neither true nor false")
    return text == "true"


def _word(name: str, text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise Invalid("settings_invalid", f"PORTREEVE_SERVER_{name.upper()} is none of {', '.join(known)}")
    return text


def _handshakes(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1024):
        raise Invalid("settings_invalid", "PORTREEVE_SERVER_TLS_HANDSHAKES is not a number from 1 to 1024")
    return int(text)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 65536):
        raise Invalid("settings_invalid", "PORTREEVE_SERVER_PORT is not a port", hint="a number from 0 to 65535")
    return int(text)
