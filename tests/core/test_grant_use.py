"""Grants beside what is used: nothing that is granted is needed, nothing that is used is unused."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.cluster import Namespace, NamespaceSelection
from portreeve.core.desired import Grant
from portreeve.core.grant_use import EXAMPLES, Needed, Registries, Told, Unused, Use, compare
from portreeve.core.people import NOBODY
from portreeve.core.policy import Delivery, Registry
from portreeve.core.reference import UnsafeReference, keys, parse, parse_prefix

PREFIXES = {
    "harbor": "harbor.example.com",
    "harbor-shop": "harbor.example.com/shop",
    "hub": "docker.io",
    "any": "*.example.com",
}
REGISTRIES = Registries([Registry(name, "generic", parse_prefix(text)) for name, text in PREFIXES.items()])
SPACES = [Namespace(name) for name in ("kube-system", "pay", "shop")]


def grant(registry: str, *namespaces: str, owner: str = "access a") -> Grant:
    return Grant(owner, registry, "", NamespaceSelection(names=namespaces), NOBODY, Delivery())


def told(*uses: Use, complete: bool = True, **annotated: tuple[str, ...]) -> Told:
    return Told("prod", SPACES, uses, annotated, complete)


API = "harbor.example.com/shop/api:1"


def test_the_narrowest_registry_is_needed_and_any_that_covers_is_enough() -> None:
    use = Use("shop", "Deployment/api", API)
    assert compare(told(use), [], REGISTRIES)[0] == [
        Needed("prod", "shop", "harbor-shop", 1, ("Deployment/api",), (API,))
    ]
    for name in ("harbor", "harbor-shop", "any"):
        assert compare(told(use), [grant(name, "shop")], REGISTRIES) == ([], [])
    assert compare(told(use), [grant("hub", "shop")], REGISTRIES)[0] != []


def test_a_name_of_one_word_is_of_docker_hub_and_what_cannot_be_read_is_of_nobody() -> None:
    needed, _ = compare(told(Use("shop", "Pod/a", "nginx"), Use("shop", "Pod/a", "UPPER/case")), [], REGISTRIES)
    assert [(one.registry, one.uses) for one in needed] == [("hub", 1)]


def test_namespaces_of_the_cluster_itself_need_nothing_and_have_nothing_unused() -> None:
    use = Use("kube-system", "DaemonSet/proxy", API)
    assert compare(told(use), [grant("hub", "kube-system")], REGISTRIES) == ([], [])


def test_what_grants_is_named_each_time() -> None:
    grants = [grant("hub", "pay", "shop", owner="policy p"), grant("hub", "pay", owner="access b")]
    assert compare(told(Use("shop", "Pod/a", "nginx")), grants, REGISTRIES)[1] == [
        Unused("prod", "pay", "hub", "access b"),
        Unused("prod", "pay", "hub", "policy p"),
    ]


def test_before_everything_is_told_nothing_is_unused() -> None:
    assert compare(told(complete=False), [grant("hub", "shop")], REGISTRIES) == ([], [])


def test_an_annotation_is_a_use() -> None:
    needed, unused = compare(told(shop=("hub", "harbor", "nobodys")), [grant("hub", "shop")], REGISTRIES)
    assert (needed, unused) == ([Needed("prod", "shop", "harbor", 0)], [])


def test_of_many_uses_the_first_are_named() -> None:
    (needed,), _ = compare(told(*(Use("shop", f"Pod/{n:02}", "nginx") for n in range(9))), [], REGISTRIES)
    assert (needed.uses, len(needed.owners), needed.images) == (9, EXAMPLES, ("nginx",))


NAMES = st.sampled_from(["pay", "shop"])
USES = st.builds(
    Use, NAMES, st.sampled_from(["Pod/a", "Pod/b"]), st.sampled_from([API, "nginx", "harbor.example.com/x", "A/b"])
)
GRANTS = st.builds(grant, st.sampled_from([*PREFIXES]), NAMES)


def covers(registry: str, image: str) -> bool:
    """As the whole match is said to be, told once more."""
    try:
        return parse_prefix(PREFIXES[registry]).key in keys(parse(image))
    except UnsafeReference:
        return False


NARROWEST = ("harbor-shop", "harbor", "hub", "any")
"""Registries in the order in which they are needed: paths before hosts, hosts before wildcards."""


@given(st.lists(USES, max_size=6), st.lists(GRANTS, max_size=4))
def test_each_use_is_granted_or_needed_and_each_grant_used_or_unused(uses: list[Use], grants: list[Grant]) -> None:
    needed, unused = compare(told(*uses), grants, REGISTRIES)
    for namespace in ("pay", "shop"):
        granted = {one.registry for one in grants if namespace in one.namespaces.names}
        covering = [
            [name for name in NARROWEST if covers(name, use.image)] for use in uses if use.namespace == namespace
        ]
        missing = {names[0] for names in covering if names and not granted & set(names)}
        assert {one.registry for one in needed if one.namespace == namespace} == missing
        idle = granted - {name for names in covering for name in names}
        assert {one.registry for one in unused if one.namespace == namespace} == idle
