"""A master key named by one line of settings.

====================================================  ==============================================================
`file:/path`                                          a key file, see `key_providers`
`env:NAME`                                            a variable that holds the key
`transit:https://host/v1/<mount>/keys/<name>?…`       the transit engine of Vault or OpenBao, by the address of its key
`awskms:arn:aws:kms:<region>:<account>:key/<id>?…`    AWS KMS, by the ARN of its key
====================================================  ==============================================================

Parameters are `token-file` or `token-env` (one of them), `namespace` and `ca-file` for transit; `endpoint` and
`ca-file` for awskms. AWS credentials are the variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN.

A line that cannot be read is refused without being quoted: somebody may have put a token into it.

Left out: other sources of AWS credentials, such as web identity and the metadata service; percent-escapes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Stalled
from portreeve.transport.addresses import parsed
from portreeve.transport.exchange import Exchange
from portreeve.transport.session import Session
from portreeve.transport.sigv4 import Credentials
from portreeve.vault import key_providers
from portreeve.vault.aws_kms import KmsKey, KmsMasterKey
from portreeve.vault.ports import MasterKey
from portreeve.vault.transit import TransitKey, TransitMasterKey

_VARIABLE: Final = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_PATH: Final = re.compile(r"/(?!/)[^?#%\x00-\x1f]*")
_TRANSIT_PATH: Final = re.compile("/v1/([^?#%]+)/keys/([^/?#%]+)")

_TRANSIT_PARAMETERS: Final = frozenset({"token-file", "token-env", "namespace", "ca-file"})
_AWS_PARAMETERS: Final = frozenset({"endpoint", "ca-file"})

_MAX_TOKEN_BYTES: Final = 8192
"""Vault's longest tokens (batch tokens) take about a kilobyte."""


def master_key(
    uri: str,
    environment: Mapping[str, str],
    *,
    clock: Callable[[], datetime],
    exchange: Exchange | None = None,
) -> MasterKey:
    """The master key that `uri` names; no service is asked yet.

    Args:
        environment: where variables are looked up.
        clock: the present time, UTC and aware; AWS wants it signed.
        exchange: who asks services; when left out a session that trusts `ca-file`, or else this machine's authorities.
    Raises:
        Invalid: the line cannot be read, or what it names cannot be used.
        Stalled: the file or variable that it names is not there.
    """
    scheme, _, rest = uri.partition(":")
    if scheme == "file":
        return key_providers.from_file(_file(rest, "file:/path"))
    if scheme == "env":
        return key_providers.from_environment(environment, _variable(rest, "env:NAME"))
    if scheme == "transit":
        return _transit(rest, environment, exchange)
    if scheme == "awskms":
        return _awskms(rest, environment, clock, exchange)
    raise _unread("its scheme is not known", "begin it with file:, env:, transit: or awskms:")


def _transit(rest: str, environment: Mapping[str, str], exchange: Exchange | None) -> TransitMasterKey:
    address, parameters = _with_parameters(rest, _TRANSIT_PARAMETERS)
    shape = "transit:https://vault.example.com/v1/transit/keys/portreeve?token-file=/run/secrets/vault-token"
    try:
        url = parsed(address)
        path = _TRANSIT_PATH.fullmatch(url.path)
        key = (
            TransitKey(f"{url.scheme}://{url.netloc}", path[1], path[2], parameters.get("namespace", ""))
            if path
            else None
        )
    except Invalid as error:
        raise _unread(error.message, error.hint) from None
    if key is None:
        raise _unread("its address is not that of a key of a transit engine", f"write {shape}")
    token = _token(parameters, environment)
    return TransitMasterKey(key, token, exchange or _session(parameters))


def _token(parameters: Mapping[str, str], environment: Mapping[str, str]) -> Callable[[], SecretValue]:
    """Reads the token anew each time: agents renew the file in place."""
    if ("token-file" in parameters) == ("token-env" in parameters):
        raise _unread("it names no token, or two", "add one of token-file=/path and token-env=NAME")
    if "token-file" in parameters:
        path = _file(parameters["token-file"], "token-file=/path")
        return lambda: _token_in(path)
    name = _variable(parameters["token-env"], "token-env=NAME")
    return lambda: SecretValue(_set(environment, name))


def _token_in(path: Path) -> SecretValue:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_TOKEN_BYTES + 1)
    except OSError as error:
        why = error.strerror or "it is not there"
    else:
        if len(text) <= _MAX_TOKEN_BYTES:
            return SecretValue(text.strip())
        why = f"it has more than {_MAX_TOKEN_BYTES} bytes"
    raise _missing(f"{path} cannot be read: {why}", "see that the agent which writes it runs, and that we may read it")


def _awskms(
    rest: str, environment: Mapping[str, str], clock: Callable[[], datetime], exchange: Exchange | None
) -> KmsMasterKey:
    arn, parameters = _with_parameters(rest, _AWS_PARAMETERS)
    try:
        key = KmsKey(arn, parameters.get("endpoint", ""))
    except Invalid as error:
        raise _unread(error.message, error.hint) from None
    _refuse_unusable(key)
    session_token = environment.get("AWS_SESSION_TOKEN", "")
    credentials = Credentials(
        _set(environment, "AWS_ACCESS_KEY_ID"),
        SecretValue(_set(environment, "AWS_SECRET_ACCESS_KEY")),
        SecretValue(session_token) if session_token else None,
    )
    return KmsMasterKey(key, credentials, exchange or _session(parameters), clock)


def _refuse_unusable(key: KmsKey) -> None:
    try:
        parsed(key.url)
    except Invalid:
        raise _unread("its endpoint is not an address that we talk to", "write endpoint=https://host/") from None


def _session(parameters: Mapping[str, str]) -> Session:
    ca_file = parameters.get("ca-file")
    return Session(ca_file=None if ca_file is None else _file(ca_file, "ca-file=/path"))


def _with_parameters(rest: str, known: frozenset[str]) -> tuple[str, Mapping[str, str]]:
    """What is before the question mark, and name → value of what is behind it."""
    address, mark, query = rest.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&")] if mark else []
    names = [name for name, _, _ in pairs]
    if len(set(names)) != len(names) or not known.issuperset(names) or not all(value for _, _, value in pairs):
        raise _unread(
            "a parameter is not known, stands twice or is empty", f"there are {', '.join(sorted(known))}; each once"
        )
    return address, {name: value for name, _, value in pairs}


def _file(text: str, shape: str) -> Path:
    if _PATH.fullmatch(text) is None:
        raise _unread("a path is not absolute, or has letters that a line of settings cannot hold", f"write {shape}")
    return Path(text)


def _variable(text: str, shape: str) -> str:
    if _VARIABLE.fullmatch(text) is None:
        raise _unread("a variable's name has other letters than A-Z, a-z, 0-9 and _", f"write {shape}")
    return text


def _set(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise _missing(f"the variable {name} is not set", "set it for this process")
    return value


def _unread(why: str, hint: str) -> Invalid:
    return Invalid("master_key_uri", f"the name of a master key cannot be used: {why}", hint=hint)


def _missing(message: str, hint: str) -> Stalled:
    return Stalled("key_service_credential", f"there is no credential for the key service: {message}", hint=hint)
