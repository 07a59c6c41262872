"""A stored credential as providers take it, and what of it is delivered to environments.

What is delivered is always a login: the stored secret with its user name where that pulls, or the token that was minted
from it. Left out: minting (`server.refresh`), and sealing for an agent (`server.desired`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portreeve import providers
from portreeve.core.credential import CredentialRef, encode_login
from portreeve.core.policy import Registry
from portreeve.core.secret import SecretValue
from portreeve.errors import Stalled
from portreeve.providers.contract import Place
from portreeve.providers.contract import Stored as StoredCredential
from portreeve.server.credentials.keeper import Keeper
from portreeve.server.database.writer import Transaction
from portreeve.server.documents.proposal import declared
from portreeve.server.documents.snapshot import CredentialRow
from portreeve.server.documents.stored import Stored


def place_of(registry: Stored) -> Place:
    """Where a registry is."""
    assert isinstance(registry.value, Registry)
    return Place(registry.value.prefix.host, registry.value.prefix.path)


def material(
    registry: Stored, row: CredentialRow, secret: SecretValue, entry: Mapping[str, Any] | None = None
) -> StoredCredential:
    """A credential as its provider takes it: what the registry's document declares of it, and its secret.

    `entry` is what the document declared when the secret was the present one.
    """
    entry = declared(registry).get(row.purpose, {}) if entry is None else entry
    parameters = {str(name): str(value) for name, value in entry.get("parameters", {}).items()}
    return StoredCredential(str(entry.get("method", "")), parameters, secret, row.expires_at)


async def deliverable(
    keeper: Keeper, transaction: Transaction, registry: Stored, row: CredentialRow, delivered: CredentialRef
) -> SecretValue:
    """The login that stands for `delivered`, as `core.credential.encode_login` writes it.

    Raises:
        Stalled: it is not stored, or does not open.
        Invalid: its provider has no such way to sign in, or it is none that a pull secret can hold.
    """
    connection, entry = transaction.connection, None
    if row.overlap is not None and row.overlap.version == delivered.version:
        secret, entry = await keeper.open(connection, row, delivered.version), row.overlap.declared
    elif row.registry in transaction.snapshot.estate.minted:
        return await keeper.open_token(connection, row, delivered.version)
    else:
        secret = await keeper.open(connection, row)
    assert isinstance(registry.value, Registry)
    provider = providers.named(registry.value.provider)
    login = provider.login(place_of(registry), material(registry, row, secret, entry))
    if login is None:
        raise Stalled("mint_needed", f"the credential of {row.registry} pulls nothing by itself")
    return encode_login(login)
