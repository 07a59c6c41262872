"""The client against our fake, Docker's registry (passwords, tokens) and go-containerregistry's: one suite for all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from portreeve.core.credential import Login
from portreeve.core.secret import SecretValue
from portreeve.oci.model import Scheme
from portreeve.transport.address_rules import AddressRules
from portreeve.transport.budget import Budget
from portreeve.transport.exchange import AsyncExchange
from portreeve.transport.outward import Outward
from portreeve.transport.trust import Trust
from tests.fakes.registry import FakeRegistry
from tests.oci.behaviour import Behaviour, Exchanges, Subject
from tests.tools.registry import (
    PASSWORD,
    READER,
    READER_PASSWORD,
    USER,
    Access,
    DockerRegistry,
    ReferrersRegistry,
)

LOGIN, READING = Login(USER, SecretValue(PASSWORD)), Login(READER, SecretValue(READER_PASSWORD))
LOOPBACK = AddressRules.of(["127.0.0.0/8"])


def faked(fake: FakeRegistry) -> Exchanges:
    @asynccontextmanager
    async def exchange(budget: Budget) -> AsyncIterator[AsyncExchange]:
        yield fake

    return exchange


def over_tls(origin: str, authority: str) -> Exchanges:
    @asynccontextmanager
    async def exchange(budget: Budget) -> AsyncIterator[AsyncExchange]:
        async with Outward(origin, Trust(ca_bundle=authority), LOOPBACK, budget) as outward:
            yield outward

    return exchange


class TestOpenFake(Behaviour):
    @pytest.fixture
    def subject(self) -> Subject:
        fake = FakeRegistry()
        return Subject(fake.origin, faked(fake), Scheme.NONE)


class TestBasicFake(Behaviour):
    @pytest.fixture
    def subject(self) -> Subject:
        fake = FakeRegistry(Scheme.BASIC, {USER: PASSWORD}, {READER: READER_PASSWORD}, referrers_api=False)
        return Subject(fake.origin, faked(fake), Scheme.BASIC, LOGIN, READING, referrers_api=False)


class TestTokenFake(Behaviour):
    @pytest.fixture
    def subject(self) -> Subject:
        realm = "https://auth.example.com/token"
        fake = FakeRegistry(Scheme.BEARER, {USER: PASSWORD}, {READER: READER_PASSWORD}, realm=realm)
        return Subject(fake.origin, faked(fake), Scheme.BEARER, LOGIN, READING, [realm])


@pytest.mark.slow
class TestDockerWithPasswords(Behaviour):
    @pytest.fixture
    def subject(self, docker_registry: Callable[[Access], DockerRegistry]) -> Subject:
        registry = docker_registry(Access.HTPASSWD)
        return Subject(
            registry.origin,
            over_tls(registry.origin, registry.authority),
            Scheme.BASIC,
            LOGIN,
            referrers_api=False,
            deletes_tags=False,
        )


@pytest.mark.slow
class TestDockerWithTokens(Behaviour):
    @pytest.fixture
    def subject(self, docker_registry: Callable[[Access], DockerRegistry]) -> Subject:
        registry = docker_registry(Access.TOKEN)
        return Subject(
            registry.origin,
            over_tls(registry.origin, registry.authority),
            Scheme.BEARER,
            LOGIN,
            READING,
            [registry.realm],
            referrers_api=False,
            deletes_tags=False,
        )


@pytest.mark.slow
class TestReferrers(Behaviour):
    @pytest.fixture
    def subject(self, referrers_registry: ReferrersRegistry) -> Subject:
        return Subject(
            referrers_registry.origin,
            over_tls(referrers_registry.origin, referrers_registry.authority),
            Scheme.NONE,
        )
