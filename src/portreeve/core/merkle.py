"""A Merkle tree over SHA-256 as RFC 6962 defines it: append, root, proofs, and their verification.

Leaves and nodes are hashed under different prefixes, so that no node can be passed off as a leaf (RFC 6962, section
2.1). What has to be kept to go on appending is one hash for each full subtree, at most 63 (`Frontier`). Proofs are
made from stored hashes of full subtrees (`Read`), which `Frontier.added` names as they become full, and are verified by
the algorithms of RFC 9162, sections 2.1.3.2 and 2.1.4.2.

Left out: storage, and what a leaf means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from portreeve.errors import Invalid

HASH_BYTES: Final = 32
MAX_SIZE: Final = (1 << 63) - 1
"""Sizes are signed 64-bit integers in every database that may hold them."""
MAX_PROOF_HASHES: Final = 64
"""A tree of MAX_SIZE leaves is 63 levels high; a consistency proof has one hash more."""
EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over its two children."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Node:
    """A full subtree: 2**level leaves, the first of which is index * 2**level."""

    level: int
    index: int
    hash: bytes


Read = Callable[[int, int], bytes]
"""(level, index) → the hash of that full subtree."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that appending needs: the size and the hashes of the full subtrees, the widest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        _refuse_size(self.size)
        if len(self.peaks) != self.size.bit_count():
            raise Invalid("merkle_frontier", f"a tree of {self.size} leaves has {self.size.bit_count()} full subtrees")
        _refuse_hashes(self.peaks)

    def added(self, leaf: bytes) -> tuple[Node, ...]:
        """The subtrees that become full with the next leaf, from the leaf upwards. `leaf` is its hash."""
        _refuse_hashes((leaf,))
        nodes = [Node(0, self.size, leaf)]
        for left in reversed(self.peaks):
            right = nodes[-1]
            if not right.index & 1:
                break
            nodes.append(Node(right.level + 1, right.index >> 1, node_hash(left, right.hash)))
        return tuple(nodes)

    def append(self, leaf: bytes) -> Frontier:
        """The tree with one leaf more. `leaf` is its hash."""
        nodes = self.added(leaf)
        return Frontier(self.size + 1, (*self.peaks[: len(self.peaks) - len(nodes) + 1], nodes[-1].hash))

    @property
    def root(self) -> bytes:
        """The root of the whole tree."""
        if not self.peaks:
            return EMPTY_ROOT
        found = self.peaks[-1]
        for left in reversed(self.peaks[:-1]):
            found = node_hash(left, found)
        return found


def inclusion_proof(read: Read, index: int, size: int) -> tuple[bytes, ...]:
    """The proof that leaf `index` is in the tree of the first `size` leaves, from the leaf upwards.

    Source: RFC 6962, section 2.1.1, PATH.
    """
    _refuse_size(size)
    _refuse_size(index)
    if index >= size:
        raise Invalid("merkle_range", f"leaf {index} is not in a tree of {size} leaves")
    start, end, path = 0, size, list[bytes]()
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_root(read, middle, end))
            end = middle
        else:
            path.append(_root(read, start, middle))
            start = middle
    return tuple(reversed(path))


def consistency_proof(read: Read, old: int, new: int) -> tuple[bytes, ...]:
    """The proof that the tree of `new` leaves begins with that of `old`; empty when nothing has to be shown.

    Source: RFC 6962, section 2.1.2, SUBPROOF.
    """
    _refuse_size(new)
    _refuse_size(old)
    if old > new:
        raise Invalid("merkle_range", f"a tree of {new} leaves does not begin with one of {old}")
    if old in {0, new}:
        return ()
    start, end, path = 0, new, list[bytes]()
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_root(read, middle, end))
            end = middle
        else:
            path.append(_root(read, start, middle))
            start = middle
    # The old tree itself is known to whoever verifies; a subtree inside of it is not.
    known = () if start == 0 else (_root(read, start, end),)
    return (*known, *reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """See that the leaf of that hash is at `index` of the tree of `size` leaves with that root.

    Raises:
        Invalid: `merkle_proof_malformed` when it cannot be a proof, `merkle_proof_wrong` when it proves another thing.
    Source: RFC 9162, section 2.1.3.2.
    """
    _refuse_proof(proof, leaf, root, index, size)
    if index >= size:
        raise _wrong()
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if not last:
            raise _wrong()
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            at, last = _up_to_right_child(at, last)
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last or found != root:
        raise _wrong()


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """See that the tree of `new` leaves with `new_root` begins with the tree of `old` leaves with `old_root`.

    Every tree begins with the empty one; its proof is empty.

    Raises:
        Invalid: `merkle_proof_malformed` when it cannot be a proof, `merkle_proof_wrong` when it proves another thing.
    Source: RFC 9162, section 2.1.4.2.
    """
    _refuse_proof(proof, old_root, new_root, old, new)
    if old > new or (not proof) != (old in {0, new}):
        raise _wrong()
    if not proof:
        if old_root != (new_root if old == new else EMPTY_ROOT) or (not new and new_root != EMPTY_ROOT):
            raise _wrong()
        return
    path = (old_root, *proof) if old.bit_count() == 1 else tuple(proof)
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    was = now = path[0]
    for sibling in path[1:]:
        if not last:
            raise _wrong()
        if at & 1 or at == last:
            was, now = node_hash(sibling, was), node_hash(sibling, now)
            at, last = _up_to_right_child(at, last)
        else:
            now = node_hash(now, sibling)
        at, last = at >> 1, last >> 1
    if last or was != old_root or now != new_root:
        raise _wrong()


def _up_to_right_child(at: int, last: int) -> tuple[int, int]:
    """Pass the levels at which the last node of a tree that is not full has no sibling."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def _root(read: Read, start: int, end: int) -> bytes:
    """The root over the leaves from `start` to before `end`, a range that splitting gave."""
    count = end - start
    if count.bit_count() == 1:
        level = count.bit_length() - 1
        return read(level, start >> level)
    middle = start + _split(count)
    return node_hash(_root(read, start, middle), _root(read, middle, end))


def _refuse_proof(proof: Sequence[bytes], first: bytes, second: bytes, *sizes: int) -> None:
    for size in sizes:
        _refuse_size(size)
    if type(proof) not in {tuple, list} or len(proof) > MAX_PROOF_HASHES:
        raise Invalid("merkle_proof_malformed", f"a proof is a list of at most {MAX_PROOF_HASHES} hashes")
    _refuse_hashes((first, second, *proof))


def _refuse_size(size: int) -> None:
    if type(size) is not int or not 0 <= size <= MAX_SIZE:
        raise Invalid("merkle_proof_malformed", f"a size or index is an integer from 0 to {MAX_SIZE}")


def _refuse_hashes(hashes: Sequence[bytes]) -> None:
    if any(type(one) is not bytes or len(one) != HASH_BYTES for one in hashes):
        raise Invalid("merkle_proof_malformed", f"a hash has {HASH_BYTES} bytes")


def _wrong() -> Invalid:
    return Invalid("merkle_proof_wrong", "the proof does not lead to the root", hint="ask for the proof again")
