"""Following the stored log: every leaf, every copied column and every node is what the tree before it makes of it.

Signing walks what is new, so that nothing is signed that this process has not hashed itself; once after each start all
of it is walked. Left out: what a walk cannot know, that the log was cut off or replaced as a whole (`kept`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from portreeve.core.audit import decode
from portreeve.core.merkle import Frontier, Read, leaf_hash
from portreeve.errors import Invalid
from portreeve.server.audit import store
from portreeve.server.audit.journal import columns, damaged
from portreeve.server.audit.store import Stored
from portreeve.server.database.engine import Database


async def walked(database: Database, start: Frontier, end: int, roots: dict[int, bytes] | None = None) -> Frontier:
    """The tree of the first `end` events, grown from `start`. Into `roots` goes the root at each size that it names.

    Raises:
        Stalled: `audit_damaged`: something on the way was changed.
    """
    tree = start
    async for batch in store.batches(database, start.size, end):
        upto = min(tree.size + store.BATCH, end)
        async with database.reader.connect() as connection:
            nodes = await store.nodes(connection, tree.size, upto)
        # A batch takes about 20 ms, in which others want to be answered.
        tree = await asyncio.to_thread(followed, tree, batch, nodes, upto, {} if roots is None else roots)
    return tree


def followed(
    tree: Frontier, batch: Sequence[Stored], nodes: Mapping[tuple[int, int], bytes], end: int, roots: dict[int, bytes]
) -> Frontier:
    """The tree behind a batch that ends before `end`."""
    for stored in batch:
        number = tree.size
        if stored.sequence != number:
            raise damaged(f"event {number} is missing")
        try:
            event = decode(stored.leaf)
        except Invalid:
            raise damaged(f"the leaf of event {number} is no event") from None
        if event.sequence != number or columns(event) != stored.columns:
            raise damaged(f"event {number} is not what its columns say")
        leaf = leaf_hash(stored.leaf)
        for node in tree.added(leaf):
            if nodes.get((node.level, node.index)) != node.hash:
                raise damaged(f"the node at level {node.level}, position {node.index} is not what is below it")
        tree = tree.append(leaf)
        if tree.size in roots:
            roots[tree.size] = tree.root
    if tree.size != end:
        raise damaged(f"event {tree.size} is missing")
    return tree


def grown(read: Read, size: int) -> Frontier:
    """The tree of the first `size` leaves, from its stored full subtrees."""
    peaks, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            peaks.append(read(level, start >> level))
            start += 1 << level
    return Frontier(size, tuple(peaks))
