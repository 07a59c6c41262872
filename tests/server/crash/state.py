"""What a database holds after a kill, judged by itself: nothing torn, everything opens, every change recorded.

`examined` reads every table through a new control plane and checks what must hold whatever happened. It returns the
state as plain values without ciphertexts and what hangs on them, so that two runs can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Engine, NullPool, create_engine, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portreeve.core.audit import decode
from portreeve.core.merkle import Frontier, leaf_hash
from portreeve.server.app import Server
from portreeve.server.database.tables import METADATA
from portreeve.server.documents import store
from portreeve.server.documents.snapshot import CredentialRow

Rows = list[dict[str, Any]]
State = Mapping[str, Rows]

UNLIKE: Final = {
    "credential_versions": {"envelope"},
    "owner_keys": {"wrapped"},
    "desired_states": {"document"},
    "agent_keys": {"sealing_key"},
}
"""Columns that differ from run to run: ciphertexts, and what is signed over them."""


async def examined(server: Server) -> State:
    """The state of the database, after everything in it was checked."""
    held = _tables(server.settings.database)
    check_audit(held)
    check_changes(held)
    async with server.database.reader.connect() as connection:
        await check_credentials(server, connection, held)
        head = held["audit_head"][0]["revision"]
        assert (await store.load(connection, head)).revision == head
    return {
        name: [{column: value for column, value in row.items() if column not in UNLIKE.get(name, ())} for row in rows]
        for name, rows in held.items()
    }


def _tables(url: str) -> dict[str, Rows]:
    """Everything, read without the code that is under test; and without its threads, which take most of the time."""
    with _engine(url).connect() as connection:
        queries = {table.name: select(table).order_by(*table.primary_key.columns) for table in METADATA.sorted_tables}
        return {
            name: [dict(row._mapping) for row in connection.execute(query).all()] for name, query in queries.items()
        }


@lru_cache(maxsize=2)
def _engine(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool)


def check_audit(held: State) -> None:
    """The tree is that of its leaves: every node, no other, and the head; each event is what its columns say."""
    tree, nodes = Frontier(), {}
    for number, row in enumerate(held["audit_events"]):
        event = decode(bytes(row["leaf"]))
        assert (row["sequence"], event.sequence) == (number, number)
        named = (str(event.action), str(event.target.kind), event.target.name, str(event.outcome), event.request)
        assert named == tuple(row[name] for name in ("action", "kind", "name", "outcome", "request"))
        added = tree.added(leaf_hash(bytes(row["leaf"])))
        nodes.update({(node.level, node.index): node.hash for node in added})
        tree = tree.append(added[0].hash)
    (head,) = held["audit_head"]
    assert (head["size"], bytes(head["peaks"])) == (tree.size, b"".join(tree.peaks))
    assert {(row["level"], row["position"]): bytes(row["hash"]) for row in held["audit_nodes"]} == nodes


def check_changes(held: State) -> None:
    """Revisions have no gap and end at the head's; each document is at the version of its last change."""
    (head,) = held["audit_head"]
    assert [row["revision"] for row in held["changes"]] == list(range(1, head["revision"] + 1))
    last = {(row["kind"], row["name"]): row for row in held["changes"]}
    documents = {(row["kind"], row["name"]): row for row in held["documents"]}
    for key, row in documents.items():
        assert (row["version"], row["revision"]) == (last[key]["version"], last[key]["revision"])
    others = {store.CREDENTIAL, store.OBSERVATION}
    there = {key for key, row in last.items() if row["verb"] != "deleted" and key[0] not in others}
    assert there == set(documents)


async def check_credentials(server: Server, connection: AsyncConnection, held: State) -> None:
    """Every ciphertext opens where it lies with a key that lies here, and each credential has its present version."""
    keeper = server.credentials.keeper
    there = {(row["id"], row["version"]): row for row in held["credential_versions"]}
    rows = {row["id"]: row for row in held["credentials"]}
    assert {name for name, _ in there} == set(rows)
    for row in rows.values():
        assert (row["id"], row["version"]) in there
    for (name, version), sealed in there.items():
        row = rows[name]
        assert sealed["owner"] == row["owner"]
        found = CredentialRow(row["registry"], row["purpose"], name, row["owner"], row["version"], row["expires_at"])
        await keeper.open(connection, found, version)


async def secret(server: Server, registry: str) -> str:
    """The present secret of a registry."""
    row = (await server.documents.snapshot()).credentials[registry, "pull"]
    async with server.database.reader.connect() as connection:
        return (await server.credentials.keeper.open(connection, row)).reveal().decode()
