"""What the simulated cluster claims an API server does: one suite for the simulated one and for the real one.

    class TestSimulated(ClusterContract):
        @pytest.fixture
        def cluster(self) -> ...        # a `Cluster` with one namespace, in which there is the ServiceAccount `default`

Requests are the agent's own (`core.agent_messages`), so that what is asked, preconditions included, is what an agent
asks. People act through methods whose names say what somebody did. Where the two answers differ, the simulated cluster
is wrong.

Sources: kubernetes.md 2.4 and 3.2 to 3.4; Kubernetes, "Server-Side Apply", "API concepts"; RFC 6902.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from portreeve.core.agent_messages import (
    ApplySecret,
    Changed,
    Deleted,
    DeleteSecret,
    Outcome,
    PatchServiceAccount,
    ReadSecret,
    ReadServiceAccount,
    Request,
)
from portreeve.core.credential import AuthEntry, CredentialRef
from portreeve.core.observation import (
    MANAGER,
    OWNER_LABEL,
    PULL_SECRET,
    AccountSeen,
    Kind,
    NamespaceSeen,
    SecretSeen,
    Seen,
    facts,
    supersedes,
)
from tests.simulation.cluster import login

KEY = "registry.example.com/team/"
OURS: Mapping[str, str] = dict([OWNER_LABEL])
NOTHING: Mapping[str, str] = {}
US = frozenset({MANAGER})
OTHER_UID = "00000000-0000-0000-0000-000000000000"
Answered = tuple[Outcome, SecretSeen | AccountSeen | None]


def entry(version: int, key: str = KEY) -> AuthEntry:
    return AuthEntry(key, CredentialRef("c", version), login("c", version))


class Cluster(Protocol):
    """An agent's rights in `namespace`, and those of somebody else."""

    namespace: str

    async def carry_out(self, request: Request) -> Answered: ...
    async def items(self, kind: Kind, at: str = "") -> tuple[Seen, ...]:
        """A list of what is in the namespace, of now or of a version."""

    async def events(self, kind: Kind, after: str, count: int | None = None) -> list[tuple[Changed | Deleted, int]]:
        """What a watch says after a version, each with its own version: so many, or up to the first deletion."""

    # Somebody else
    async def creates_secret(self, *entries: AuthEntry, opaque: bool = False) -> None:
        """A Secret of our name."""

    async def edits_secret(self) -> None:
        """Writes something else into it."""

    async def touches_secret(self) -> None:
        """Adds an annotation."""

    async def adds_to_secret(self) -> None:
        """Puts a second key beside ours."""

    async def strips_secret(self) -> None:
        """Takes our label off."""

    async def freezes_secret(self) -> None:
        """Makes it immutable."""

    async def deletes_secret(self) -> None: ...
    async def writes_account(self, name: str, *pull_secrets: str, labels: dict[str, str] | None = None) -> None:
        """Creates or replaces it."""

    async def applies_account(self, name: str) -> None:
        """Applies its list as it is, under a name of his own."""

    async def deletes_account(self, name: str) -> None: ...
    async def begins_to_delete_namespace(self) -> None:
        """From now on it is ending, and something in it keeps it from being gone."""

    async def deletes_namespace(self) -> None:
        """Until it is gone."""

    async def creates_namespace(self) -> None:
        """Again; waits for the ServiceAccount `default`."""


@dataclass
class Agent:
    """Asks, and expects an outcome."""

    cluster: Cluster

    async def applies(self, *entries: AuthEntry, uid: str = "", version: str = "") -> Answered:
        return await self.cluster.carry_out(ApplySecret(self.cluster.namespace, uid, version, entries))

    async def applied(self, *entries: AuthEntry, over: SecretSeen | None = None) -> SecretSeen:
        uid, version = (over.uid, over.resource_version) if over else ("", "")
        outcome, seen = await self.applies(*entries, uid=uid, version=version)
        assert outcome is Outcome.DONE
        assert isinstance(seen, SecretSeen)
        return seen

    async def secret(self) -> SecretSeen | None:
        outcome, seen = await self.cluster.carry_out(ReadSecret(self.cluster.namespace))
        assert outcome is (Outcome.NOT_FOUND if seen is None else Outcome.DONE)
        assert seen is None or isinstance(seen, SecretSeen)
        return seen

    async def there(self) -> SecretSeen:
        seen = await self.secret()
        assert seen is not None
        return seen

    async def deletes(self, uid: str, version: str) -> Outcome:
        outcome, seen = await self.cluster.carry_out(DeleteSecret(self.cluster.namespace, uid, version))
        assert seen is None
        return outcome

    async def account(self, name: str = "default") -> AccountSeen:
        outcome, seen = await self.cluster.carry_out(ReadServiceAccount(self.cluster.namespace, name))
        assert outcome is Outcome.DONE
        assert isinstance(seen, AccountSeen)
        return seen

    async def patches(self, seen: AccountSeen, *, attach: bool) -> Answered:
        return await self.cluster.carry_out(
            PatchServiceAccount(
                self.cluster.namespace, seen.name, attach, seen.resource_version, seen.pull_secrets, seen.tracked
            )
        )

    async def attaches(self, name: str = "default") -> AccountSeen:
        outcome, seen = await self.patches(await self.account(name), attach=True)
        assert outcome is Outcome.DONE
        assert isinstance(seen, AccountSeen)
        return seen

    async def space(self) -> NamespaceSeen:
        (seen,) = await self.cluster.items(Kind.NAMESPACE)
        assert isinstance(seen, NamespaceSeen)
        return seen


class ClusterContract:
    """See the module."""

    @pytest.fixture
    def agent(self, cluster: Cluster) -> Agent:
        return Agent(cluster)

    # Reading

    async def test_a_secret_that_is_not_there_is_not_found(self, agent: Agent) -> None:
        assert await agent.secret() is None

    async def test_a_read_brings_logins_and_a_list_brings_none(self, agent: Agent, cluster: Cluster) -> None:
        hollow = AuthEntry("other.example.com/", CredentialRef("d", 1), None)
        written = await agent.applied(entry(3), hollow)
        read = await agent.there()
        assert read == written
        assert read.logins is not None
        assert {key: one.username for key, one in read.logins.items()} == {KEY: "c-3"}
        (listed,) = await cluster.items(Kind.SECRET)
        assert listed == read
        assert isinstance(listed, SecretSeen)
        assert listed.logins is None

    # Server-side apply

    async def test_an_apply_makes_what_is_not_there(self, agent: Agent) -> None:
        seen = await agent.applied(entry(1))
        assert (seen.labels, seen.managers, seen.entries) == (OURS, US, facts((entry(1),)))
        assert (seen.immutable, seen.terminating, seen.marked) == (False, False, True)

    async def test_an_apply_with_preconditions_does_not_make_what_is_not_there(self, agent: Agent) -> None:
        assert await agent.applies(entry(1), uid=OTHER_UID, version="1") == (Outcome.CONFLICT, None)
        assert await agent.secret() is None

    async def test_an_apply_over_one_that_was_deleted_makes_nothing(self, agent: Agent, cluster: Cluster) -> None:
        first = await agent.applied(entry(1))
        await cluster.deletes_secret()
        answer = await agent.applies(entry(2), uid=first.uid, version=first.resource_version)
        assert answer == (Outcome.CONFLICT, None)
        assert await agent.secret() is None

    async def test_an_apply_changes_the_content_of_the_object(self, agent: Agent) -> None:
        first = await agent.applied(entry(1))
        second = await agent.applied(entry(2), over=first)
        assert (second.uid, second.entries) == (first.uid, facts((entry(2),)))
        assert supersedes(second, first)
        assert second.managers == US

    async def test_an_apply_without_a_change_keeps_the_version(self, agent: Agent) -> None:
        first = await agent.applied(entry(1))
        assert await agent.applied(entry(1), over=first) == first
        assert await agent.applied(entry(1)) == first

    async def test_an_apply_on_an_earlier_version_is_a_conflict(self, agent: Agent) -> None:
        first = await agent.applied(entry(1))
        second = await agent.applied(entry(2), over=first)
        answer = await agent.applies(entry(3), uid=first.uid, version=first.resource_version)
        assert answer == (Outcome.CONFLICT, None)
        assert await agent.there() == second

    async def test_an_apply_on_an_earlier_version_is_a_conflict_also_without_a_change(self, agent: Agent) -> None:
        first = await agent.applied(entry(1))
        second = await agent.applied(entry(2), over=first)
        answer = await agent.applies(entry(2), uid=first.uid, version=first.resource_version)
        assert answer == (Outcome.CONFLICT, None)
        assert await agent.there() == second

    async def test_an_apply_on_another_uid_changes_nothing(self, agent: Agent) -> None:
        """The version is looked at first; where it is right, another UID is a field that cannot be changed."""
        first = await agent.applied(entry(1))
        answers = [await agent.applies(entry(2), uid=OTHER_UID, version=one) for one in ("1", first.resource_version)]
        assert answers == [(Outcome.CONFLICT, None), (Outcome.REFUSED, None)]
        assert await agent.there() == first

    async def test_an_apply_over_one_that_was_made_anew_is_a_conflict(self, agent: Agent, cluster: Cluster) -> None:
        first = await agent.applied(entry(1))
        await cluster.deletes_secret()
        second = await agent.applied(entry(1))
        assert second.uid != first.uid
        answer = await agent.applies(entry(2), uid=first.uid, version=first.resource_version)
        assert answer == (Outcome.CONFLICT, None)
        assert await agent.there() == second

    # Somebody else's Secret

    async def test_an_apply_over_the_content_of_somebody_else_is_a_conflict(
        self, agent: Agent, cluster: Cluster
    ) -> None:
        await cluster.creates_secret(entry(7))
        theirs = await agent.there()
        assert not theirs.marked
        assert MANAGER not in theirs.managers
        assert await agent.applies(entry(1)) == (Outcome.CONFLICT, None)
        answer = await agent.applies(entry(1), uid=theirs.uid, version=theirs.resource_version)
        assert answer == (Outcome.CONFLICT, None)
        assert await agent.there() == theirs

    async def test_an_apply_of_the_same_content_is_shared_without_a_word(self, agent: Agent, cluster: Cluster) -> None:
        await cluster.creates_secret(entry(1))
        theirs = await agent.there()
        shared = await agent.applied(entry(1))
        assert shared.uid == theirs.uid
        assert supersedes(shared, theirs)
        assert shared.managers == theirs.managers | {MANAGER}
        assert len(shared.managers) == 2
        assert (shared.labels, shared.marked) == (OURS, False)

    async def test_an_apply_over_another_type_is_a_conflict(self, agent: Agent, cluster: Cluster) -> None:
        """By force it would be 422, as a type cannot be changed; without, it is a field of somebody else's."""
        await cluster.creates_secret(entry(1), opaque=True)
        theirs = await agent.there()
        assert await agent.applies(entry(1)) == (Outcome.CONFLICT, None)
        assert await agent.there() == theirs

    # What somebody does to ours

    async def test_content_that_somebody_edits_is_his(self, agent: Agent, cluster: Cluster) -> None:
        first = await agent.applied(entry(1))
        await cluster.edits_secret()
        edited = await agent.there()
        assert supersedes(edited, first)
        assert (edited.uid, edited.labels, edited.marked) == (first.uid, OURS, False)
        assert MANAGER in edited.managers
        assert len(edited.managers) == 2
        answer = await agent.applies(entry(2), uid=edited.uid, version=edited.resource_version)
        assert answer == (Outcome.CONFLICT, None)
        assert await agent.there() == edited

    async def test_what_somebody_adds_beside_ours_leaves_it_ours(self, agent: Agent, cluster: Cluster) -> None:
        first = await agent.applied(entry(1))
        await cluster.touches_secret()
        touched = await agent.there()
        assert supersedes(touched, first)
        assert replace(touched, resource_version=first.resource_version) == first
        await cluster.adds_to_secret()
        added = await agent.there()
        assert supersedes(added, touched)
        assert replace(added, resource_version=first.resource_version) == first
        assert (await agent.applied(entry(2), over=added)).marked

    async def test_a_label_that_somebody_takes_off_is_gone(self, agent: Agent, cluster: Cluster) -> None:
        first = await agent.applied(entry(1))
        await cluster.strips_secret()
        stripped = await agent.there()
        assert supersedes(stripped, first)
        assert (stripped.labels, stripped.managers, stripped.marked) == (NOTHING, US, False)
        assert stripped.entries == first.entries

    async def test_one_that_was_made_immutable_is_refused_a_change_and_nothing_else(
        self, agent: Agent, cluster: Cluster
    ) -> None:
        await agent.applied(entry(1))
        await cluster.freezes_secret()
        frozen = await agent.there()
        assert (frozen.immutable, frozen.marked) == (True, True)
        answer = await agent.applies(entry(2), uid=frozen.uid, version=frozen.resource_version)
        assert answer == (Outcome.REFUSED, None)
        assert await agent.applied(entry(1), over=frozen) == frozen
        assert await agent.deletes(frozen.uid, frozen.resource_version) is Outcome.DONE

    # Deleting

    async def test_a_deletion_names_uid_and_version(self, agent: Agent) -> None:
        first = await agent.applied(entry(1))
        second = await agent.applied(entry(2), over=first)
        assert await agent.deletes(OTHER_UID, second.resource_version) is Outcome.CONFLICT
        assert await agent.deletes(second.uid, first.resource_version) is Outcome.CONFLICT
        assert await agent.there() == second
        assert await agent.deletes(second.uid, second.resource_version) is Outcome.DONE
        assert await agent.secret() is None
        assert await agent.deletes(second.uid, second.resource_version) is Outcome.NOT_FOUND

    # ServiceAccounts

    async def test_our_entry_is_put_behind_the_others_and_taken_away_alone(
        self, agent: Agent, cluster: Cluster
    ) -> None:
        await cluster.writes_account("builder", "theirs", "more", labels={"ci": "yes"})
        before = await agent.account("builder")
        assert (before.pull_secrets, before.labels) == (("theirs", "more"), {"ci": "yes"})
        outcome, attached = await agent.patches(before, attach=True)
        assert outcome is Outcome.DONE
        assert isinstance(attached, AccountSeen)
        assert (attached.uid, attached.pull_secrets) == (before.uid, ("theirs", "more", PULL_SECRET))
        assert supersedes(attached, before)
        outcome, detached = await agent.patches(attached, attach=False)
        assert outcome is Outcome.DONE
        assert isinstance(detached, AccountSeen)
        assert detached.pull_secrets == before.pull_secrets

    async def test_a_list_that_is_empty_is_begun_and_left_empty(self, agent: Agent) -> None:
        before = await agent.account()
        assert before.pull_secrets == ()
        _, attached = await agent.patches(before, attach=True)
        assert isinstance(attached, AccountSeen)
        assert attached.pull_secrets == (PULL_SECRET,)
        _, detached = await agent.patches(attached, attach=False)
        assert isinstance(detached, AccountSeen)
        assert detached.pull_secrets == ()
        outcome, again = await agent.patches(detached, attach=True)
        assert outcome is Outcome.DONE
        assert again == await agent.account()

    @pytest.mark.parametrize("attach", [True, False])
    async def test_a_patch_of_an_earlier_version_changes_nothing(
        self, agent: Agent, cluster: Cluster, attach: bool
    ) -> None:
        await cluster.writes_account("builder", *(() if attach else ("theirs", PULL_SECRET)))
        before = await agent.account("builder")
        await cluster.writes_account("builder", "new", *before.pull_secrets)
        after = await agent.account("builder")
        assert await agent.patches(before, attach=attach) == (Outcome.CONFLICT, None)
        assert await agent.account("builder") == after

    @pytest.mark.parametrize("attach", [True, False])
    async def test_a_patch_of_another_list_changes_nothing_whatever_the_version(
        self, agent: Agent, cluster: Cluster, attach: bool
    ) -> None:
        await cluster.writes_account("builder", "theirs")
        before = await agent.account("builder")
        other = replace(before, pull_secrets=("theirs", "more", PULL_SECRET))
        assert await agent.patches(other, attach=attach) == (Outcome.CONFLICT, None)
        assert await agent.account("builder") == before

    async def test_an_entry_that_is_put_in_twice_stands_twice(self, agent: Agent, cluster: Cluster) -> None:
        """Nothing but our own looking keeps it from that."""
        await cluster.writes_account("builder", PULL_SECRET)
        before = await agent.account("builder")
        outcome, after = await agent.patches(before, attach=True)
        assert outcome is Outcome.DONE
        assert isinstance(after, AccountSeen)
        assert after.pull_secrets == (PULL_SECRET, PULL_SECRET)

    # Who holds the list

    async def test_of_an_account_that_began_with_a_name_alone_nobody_is_recorded(
        self, agent: Agent, cluster: Cluster
    ) -> None:
        """As of `default` of each namespace. Our patch begins it: else nothing shows that the entry is ours."""
        bare = await agent.account()
        assert (bare.tracked, bare.held) == (False, False)
        await cluster.writes_account("default", "theirs", PULL_SECRET)
        by_hand = await agent.account()
        assert (by_hand.tracked, by_hand.held) == (False, False)
        await cluster.writes_account("default", "theirs")
        ours = await agent.attaches()
        assert (ours.pull_secrets, ours.tracked, ours.held) == (("theirs", PULL_SECRET), True, True)
        assert await agent.account() == ours

    async def test_without_a_beginning_our_patch_of_such_a_one_shows_nothing(self, agent: Agent) -> None:
        bare = await agent.account()
        _, patched = await agent.patches(replace(bare, tracked=True), attach=True)
        assert isinstance(patched, AccountSeen)
        assert (patched.pull_secrets, patched.tracked, patched.held) == ((PULL_SECRET,), False, False)

    async def test_of_an_account_that_began_with_fields_whoever_changes_the_list_holds_it(
        self, agent: Agent, cluster: Cluster
    ) -> None:
        await cluster.writes_account("builder", "theirs", PULL_SECRET)
        by_hand = await agent.account("builder")
        assert (by_hand.tracked, by_hand.held) == (True, False)
        await cluster.writes_account("builder", "theirs")
        assert (await agent.attaches("builder")).held

    @pytest.mark.parametrize("name", ["default", "builder"])
    async def test_whoever_rewrites_the_list_after_us_holds_it_alone(
        self, agent: Agent, cluster: Cluster, name: str
    ) -> None:
        if name == "builder":
            await cluster.writes_account(name, "theirs", labels={"ci": "yes"})
        ours = await agent.attaches(name)
        await cluster.writes_account(name, *ours.pull_secrets, labels=dict(ours.labels))
        assert (await agent.account(name)).shows_ours, "the same list again is no change"
        await cluster.writes_account(name, *ours.pull_secrets, labels={"ci": "no"})
        assert (await agent.account(name)).shows_ours, "what else changes is none of the list"
        await cluster.writes_account(name, "more", *ours.pull_secrets)
        edited = await agent.account(name)
        assert (edited.attached, edited.held) == (True, False)
        _, removed = await agent.patches(edited, attach=False)
        assert isinstance(removed, AccountSeen)
        assert (removed.attached, removed.held) == (False, True)
        await cluster.writes_account(name, *edited.pull_secrets)
        assert not (await agent.account(name)).held, "what somebody puts in again is his"

    @pytest.mark.parametrize("name", ["default", "builder"])
    async def test_whoever_applies_the_list_as_it_is_shares_it(self, agent: Agent, cluster: Cluster, name: str) -> None:
        if name == "builder":
            await cluster.writes_account(name, labels={"ci": "yes"})
        ours = await agent.attaches(name)
        await cluster.applies_account(name)
        shared = await agent.account(name)
        assert supersedes(shared, ours)
        assert (shared.attached, shared.tracked, shared.held) == (True, True, False)
        _, removed = await agent.patches(shared, attach=False)
        assert isinstance(removed, AccountSeen)
        assert not removed.attached
        assert (await agent.attaches(name)).held

    async def test_a_list_that_nobody_was_recorded_of_is_whose_who_applies_it(
        self, agent: Agent, cluster: Cluster
    ) -> None:
        await cluster.writes_account("default", PULL_SECRET)
        await cluster.applies_account("default")
        seen = await agent.account()
        assert (seen.tracked, seen.held) == (True, False)

    async def test_a_list_that_is_emptied_is_nobodys(self, agent: Agent, cluster: Cluster) -> None:
        await cluster.writes_account("builder", labels={"ci": "yes"})
        for name, tracked in (("default", False), ("builder", True)):
            _, emptied = await agent.patches(await agent.attaches(name), attach=False)
            assert isinstance(emptied, AccountSeen)
            assert (emptied.pull_secrets, emptied.tracked, emptied.held) == ((), tracked, False)
            assert (await agent.attaches(name)).held

    async def test_a_service_account_that_is_not_there_is_not_found(self, agent: Agent, cluster: Cluster) -> None:
        await cluster.writes_account("builder")
        before = await agent.account("builder")
        await cluster.deletes_account("builder")
        assert await agent.patches(before, attach=True) == (Outcome.NOT_FOUND, None)
        assert await cluster.carry_out(ReadServiceAccount(cluster.namespace, "builder")) == (Outcome.NOT_FOUND, None)

    async def test_a_service_account_that_was_made_anew_is_another_one(self, agent: Agent, cluster: Cluster) -> None:
        await cluster.writes_account("builder")
        before = await agent.account("builder")
        await cluster.deletes_account("builder")
        await cluster.writes_account("builder")
        after = await agent.account("builder")
        assert after.uid != before.uid
        assert supersedes(after, before)
        assert await agent.patches(before, attach=True) == (Outcome.CONFLICT, None)

    # Namespaces

    async def test_in_a_namespace_that_ends_nothing_is_made(self, agent: Agent, cluster: Cluster) -> None:
        before, first = await agent.space(), await agent.applied(entry(1))
        await cluster.writes_account("builder")
        await cluster.begins_to_delete_namespace()
        ending = await agent.space()
        assert (ending.uid, before.terminating, ending.terminating) == (before.uid, False, True)
        assert supersedes(ending, before)
        if (left := await agent.secret()) is not None:
            # Until the controller comes to it.
            assert left == first
            await agent.deletes(left.uid, left.resource_version)
        assert await agent.applies(entry(1)) == (Outcome.GONE, None)
        assert await agent.secret() is None

    async def test_a_namespace_takes_everything_along_and_is_another_one_when_it_is_made_again(
        self, agent: Agent, cluster: Cluster
    ) -> None:
        """One test of what would be four: a real namespace takes five seconds to go."""
        before, account, secret = await agent.space(), await agent.account(), await agent.applied(entry(1))
        await cluster.deletes_namespace()
        assert [await cluster.items(kind) for kind in (Kind.NAMESPACE, Kind.SECRET, Kind.ACCOUNT)] == [(), (), ()]
        assert await agent.applies(entry(1)) == (Outcome.NOT_FOUND, None)
        assert await agent.secret() is None
        await cluster.creates_namespace()
        after = await agent.space()
        assert after.uid != before.uid
        assert supersedes(after, before)
        assert not after.terminating
        assert (await agent.account()).uid != account.uid
        assert await agent.secret() is None
        *told, (last, _) = await cluster.events(Kind.NAMESPACE, before.resource_version)
        changes = [event.seen for event, _ in told if isinstance(event, Changed)]
        # It is told to be ending before it is gone; controllers write into its status how far they are.
        assert {(seen.uid, getattr(seen, "terminating", None)) for seen in changes} == {(before.uid, True)}
        assert last == Deleted(Kind.NAMESPACE, cluster.namespace, cluster.namespace, before.uid)
        (gone, _), *_ = await cluster.events(Kind.SECRET, secret.resource_version)
        assert gone == Deleted(Kind.SECRET, cluster.namespace, PULL_SECRET, secret.uid)

    # Lists and watches

    async def test_a_list_of_an_earlier_version_is_how_it_was(self, agent: Agent, cluster: Cluster) -> None:
        first = await agent.applied(entry(1))
        second = await agent.applied(entry(2), over=first)
        await agent.deletes(second.uid, second.resource_version)
        assert await cluster.items(Kind.SECRET) == ()
        assert await cluster.items(Kind.SECRET, first.resource_version) == (first,)
        assert await cluster.items(Kind.SECRET, second.resource_version) == (second,)

    async def test_a_watch_tells_each_change_once_and_in_order(self, agent: Agent, cluster: Cluster) -> None:
        first = await agent.applied(entry(1))
        second = await agent.applied(entry(2), over=first)
        await agent.applied(entry(2), over=second)
        await cluster.touches_secret()
        third = await agent.there()
        await agent.deletes(third.uid, third.resource_version)
        fourth = await agent.applied(entry(4))
        told = await cluster.events(Kind.SECRET, first.resource_version, 4)
        ns = cluster.namespace
        assert [event for event, _ in told] == [
            Changed(second),
            Changed(third),
            Deleted(Kind.SECRET, ns, PULL_SECRET, first.uid),
            Changed(fourth),
        ]
        versions = [version for _, version in told]
        assert versions == sorted(set(versions))
        assert versions[0] == int(second.resource_version)
        assert versions[2] > int(third.resource_version)
        assert versions[3] == int(fourth.resource_version)

    async def test_a_watch_of_service_accounts_tells_of_patches(self, agent: Agent, cluster: Cluster) -> None:
        before = await agent.account()
        _, after = await agent.patches(before, attach=True)
        await cluster.deletes_account("default")
        told = await cluster.events(Kind.ACCOUNT, before.resource_version, 2)
        assert isinstance(after, AccountSeen)
        assert [event for event, _ in told] == [
            Changed(after),
            Deleted(Kind.ACCOUNT, cluster.namespace, "default", before.uid),
        ]

    async def test_versions_are_of_one_order_for_all_kinds(self, agent: Agent, cluster: Cluster) -> None:
        """What makes an object that was made anew later than the one before it."""
        first = await agent.applied(entry(1))
        await cluster.writes_account("builder")
        account = await agent.account("builder")
        second = await agent.applied(entry(2), over=first)
        assert int(first.resource_version) < int(account.resource_version) < int(second.resource_version)
