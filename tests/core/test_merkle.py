"""The Merkle tree against published vectors, against the definition as written, and against mangled proofs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core import merkle
from portreeve.core.merkle import Frontier, leaf_hash, node_hash
from portreeve.errors import Invalid

# Leaves, roots and proofs of the eight-leaf tree of the Certificate Transparency reference code, as published in
# github.com/transparency-dev/merkle, proof/verify_test.go (leaf numbers there count from one).
LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [bytes.fromhex(text) for text in (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)]  # fmt: skip
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
G = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
INCLUSION = [
    (0, 1, []),
    (0, 8, [A, B, C]),
    (5, 8, [D, E, ROOTS[4].hex()]),
    (2, 3, [ROOTS[2].hex()]),
    (1, 5, [ROOTS[1].hex(), B, D]),
]
CONSISTENCY = [
    (1, 1, []),
    (1, 8, [A, B, C]),
    (6, 8, [F, E, ROOTS[4].hex()]),
    (2, 5, [B, D]),
    (6, 7, [F, G, ROOTS[4].hex()]),
]
LARGEST = 65
MANY = [bytes([number]) for number in range(LARGEST)]


class Tree:
    """A tree with its stored subtrees, grown leaf by leaf."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.frontier = Frontier()
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.roots = [self.frontier.root]
        for leaf in map(leaf_hash, leaves):
            self.nodes |= {(node.level, node.index): node.hash for node in self.frontier.added(leaf)}
            self.frontier = self.frontier.append(leaf)
            self.roots.append(self.frontier.root)

    def read(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]


REFERENCE = Tree(LEAVES)
GROWN = Tree(MANY)


def split(count: int) -> int:
    return max(power for power in (1 << exponent for exponent in range(8)) if power < count)


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as written."""
    if len(leaves) < 2:
        return leaf_hash(leaves[0]) if leaves else merkle.EMPTY_ROOT
    k = split(len(leaves))
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1, as written."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    """RFC 6962, section 2.1.2, as written."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole=whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], whole=False), naive_root(leaves[:k])]


def test_the_hashers_are_the_published_ones() -> None:
    # github.com/transparency-dev/merkle, rfc6962/rfc6962_test.go.
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


def test_roots_are_the_published_ones() -> None:
    assert REFERENCE.roots == ROOTS


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_inclusion_proofs_are_the_published_ones(index: int, size: int, proof: list[str]) -> None:
    made = merkle.inclusion_proof(REFERENCE.read, index, size)
    assert [one.hex() for one in made] == proof
    merkle.verify_inclusion(leaf_hash(LEAVES[index]), index, size, made, ROOTS[size])


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_consistency_proofs_are_the_published_ones(old: int, new: int, proof: list[str]) -> None:
    made = merkle.consistency_proof(REFERENCE.read, old, new)
    assert [one.hex() for one in made] == proof
    merkle.verify_consistency(old, new, made, ROOTS[old], ROOTS[new])


def test_every_tree_up_to_65_leaves_is_as_defined() -> None:
    for size in range(LARGEST + 1):
        leaves = MANY[:size]
        assert GROWN.roots[size] == naive_root(leaves)
        for index in range(size):
            proof = merkle.inclusion_proof(GROWN.read, index, size)
            assert list(proof) == naive_path(index, leaves)
            merkle.verify_inclusion(leaf_hash(leaves[index]), index, size, proof, GROWN.roots[size])


def test_every_pair_of_trees_up_to_65_leaves_is_shown_consistent() -> None:
    for new in range(LARGEST + 1):
        for old in range(new + 1):
            proof = merkle.consistency_proof(GROWN.read, old, new)
            assert list(proof) == (naive_subproof(old, MANY[:new], whole=True) if old else [])
            merkle.verify_consistency(old, new, proof, GROWN.roots[old], GROWN.roots[new])


def refused(verify: Callable[..., object], *arguments: Any) -> bool:
    """Whether it raises Invalid; any other exception leaves."""
    try:
        verify(*arguments)
    except Invalid:
        return True
    return False


def flipped(value: bytes, bit: int) -> bytes:
    return (int.from_bytes(value) ^ (1 << bit)).to_bytes(len(value))


def manglings(proof: tuple[bytes, ...], other: bytes) -> Iterator[tuple[bytes, ...]]:
    """Every flipped bit, removal, insertion, exchange, shortened and lengthened hash."""
    for at, one in enumerate(proof):
        for bit in range(256):
            yield (*proof[:at], flipped(one, bit), *proof[at + 1 :])
        yield (*proof[:at], *proof[at + 1 :])
        yield (*proof[:at], one[:-1], *proof[at + 1 :])
        yield (*proof[:at], one + b"\0", *proof[at + 1 :])
        for second in range(at + 1, len(proof)):
            swapped = list(proof)
            swapped[at], swapped[second] = swapped[second], swapped[at]
            yield tuple(swapped)
    for at in range(len(proof) + 1):
        for extra in (other, b"", bytes(32), *proof[:1]):
            yield (*proof[:at], extra, *proof[at:])
    if len(proof) > 1:
        yield proof[::-1]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8, 13, 64, 65])
def test_a_mangled_inclusion_proof_is_refused(size: int) -> None:
    root = GROWN.roots[size]
    for index in {0, 1, size // 2, size - 1} & set(range(size)):
        leaf, proof = leaf_hash(MANY[index]), merkle.inclusion_proof(GROWN.read, index, size)
        for mangled in manglings(proof, root):
            assert mangled == proof or refused(merkle.verify_inclusion, leaf, index, size, mangled, root)
        for bit in range(256):
            assert refused(merkle.verify_inclusion, flipped(leaf, bit), index, size, proof, root)
            assert refused(merkle.verify_inclusion, leaf, index, size, proof, flipped(root, bit))
        for wrong in set(range(-1, 70)) - {index}:
            assert refused(merkle.verify_inclusion, leaf, wrong, size, proof, root)


@pytest.mark.parametrize(("old", "new"), [(1, 2), (1, 8), (2, 5), (3, 7), (4, 8), (6, 7), (6, 8), (13, 64), (64, 65)])
def test_a_mangled_consistency_proof_is_refused(old: int, new: int) -> None:
    was, now = GROWN.roots[old], GROWN.roots[new]
    proof = merkle.consistency_proof(GROWN.read, old, new)
    for mangled in manglings(proof, was):
        assert mangled == proof or refused(merkle.verify_consistency, old, new, mangled, was, now)
    for bit in range(256):
        assert refused(merkle.verify_consistency, old, new, proof, flipped(was, bit), now)
        assert refused(merkle.verify_consistency, old, new, proof, was, flipped(now, bit))
    assert refused(merkle.verify_consistency, new, old, proof, now, was)
    assert refused(merkle.verify_consistency, old, new, proof, now, was)
    for wrong in set(range(-1, 70)) - {old}:
        assert refused(merkle.verify_consistency, wrong, new, proof, was, now)


@pytest.mark.parametrize(
    ("old", "new", "proof", "was", "now"),
    [
        (0, 0, (), ROOTS[1], ROOTS[1]),
        (0, 1, (), ROOTS[1], ROOTS[1]),
        (0, 0, (), ROOTS[0], ROOTS[1]),
        (1, 1, (), ROOTS[1], ROOTS[2]),
        (1, 1, (ROOTS[1],), ROOTS[1], ROOTS[1]),
        (0, 1, (ROOTS[1],), ROOTS[0], ROOTS[1]),
        (1, 2, (), ROOTS[1], ROOTS[2]),
        (2, 1, (), ROOTS[2], ROOTS[1]),
    ],
)
def test_trivial_sizes_take_no_other_roots_and_no_proof(
    old: int, new: int, proof: tuple[bytes, ...], was: bytes, now: bytes
) -> None:
    assert refused(merkle.verify_consistency, old, new, proof, was, now)


hostile = st.one_of(
    st.integers(), st.binary(max_size=40), st.none(), st.text(max_size=4), st.floats(), st.booleans(),
    st.lists(st.one_of(st.binary(min_size=32, max_size=32), st.binary(max_size=40), st.none()), max_size=80),
)  # fmt: skip


@given(hostile, hostile, hostile, hostile, hostile)
def test_nothing_but_invalid_leaves_on_hostile_input(a: Any, b: Any, c: Any, d: Any, e: Any) -> None:
    refused(merkle.verify_inclusion, a, b, c, d, e)
    refused(merkle.verify_consistency, a, b, c, d, e)


@given(st.integers(0, merkle.MAX_SIZE), st.integers(0, merkle.MAX_SIZE), st.lists(st.binary(min_size=32, max_size=32)))
def test_no_size_takes_long_or_verifies_by_chance(first: int, second: int, proof: list[bytes]) -> None:
    assert refused(merkle.verify_inclusion, ROOTS[3], first, second, proof, ROOTS[2])
    assert refused(merkle.verify_consistency, first, second, proof, ROOTS[3], ROOTS[2])


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=200), st.data())
def test_proofs_of_any_tree_hold(leaves: list[bytes], data: st.DataObject) -> None:
    tree = Tree(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    old = data.draw(st.integers(0, len(leaves)))
    proof = merkle.inclusion_proof(tree.read, index, len(leaves))
    merkle.verify_inclusion(leaf_hash(leaves[index]), index, len(leaves), proof, tree.frontier.root)
    between = merkle.consistency_proof(tree.read, old, len(leaves))
    merkle.verify_consistency(old, len(leaves), between, tree.roots[old], tree.frontier.root)
    assert len(tree.frontier.peaks) == len(leaves).bit_count()
    assert len(tree.nodes) < 2 * len(leaves)


@given(st.lists(st.binary(max_size=4), max_size=40), st.lists(st.binary(max_size=4), max_size=40))
def test_roots_are_equal_only_for_equal_leaves(some: list[bytes], others: list[bytes]) -> None:
    assert (Tree(some).frontier.root == Tree(others).frontier.root) == (some == others)


@pytest.mark.parametrize(("size", "peaks"), [(1, ()), (3, (ROOTS[1],)), (0, (ROOTS[1],)), (1, (b"short",)), (-1, ())])
def test_a_state_that_is_no_tree_is_refused(size: int, peaks: tuple[bytes, ...]) -> None:
    assert refused(Frontier, size, peaks)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (8, 8), (-1, 8)])
def test_no_proof_is_made_outside_of_the_tree(index: int, size: int) -> None:
    assert refused(merkle.inclusion_proof, REFERENCE.read, index, size)
    assert refused(merkle.consistency_proof, REFERENCE.read, size + 1, size)
