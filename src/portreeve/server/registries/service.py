"""What has to happen to what was found of a registry when the registry changes."""

from __future__ import annotations

from dataclasses import replace

from portreeve.core.estate import Key
from portreeve.server.database.writer import Transaction
from portreeve.server.documents import store as documents
from portreeve.server.documents.proposal import Outcome
from portreeve.server.http.caller import Acting
from portreeve.server.registries import store


class Forget:
    """A follower: what was found of a registry that is gone, or that is reached in another way now, goes with it."""

    async def follow(self, transaction: Transaction, caller: Acting, found: Outcome) -> None:  # noqa: ARG002 - protocol
        """As `documents.service.Follower`."""
        for change in found.changes:
            if change.key.kind != "Registry" or change.before is None:
                continue
            if change.after is not None and change.after.spec == change.before.spec:
                continue
            name, revision = change.key.name, transaction.next_revision()
            await store.forget(transaction.connection, name)
            key = Key(documents.CHECK, name)
            await documents.note(transaction.connection, revision, key, "deleted", 0, transaction.now)
            transaction.snapshot = replace(transaction.snapshot.without_check(name), revision=revision)
