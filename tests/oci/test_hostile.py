"""A hostile registry gets no credential to another origin, no connection to a forbidden address, and no more than its
budget; and for each thing that it does the client says what it is."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from portreeve.core.credential import Login
from portreeve.core.secret import SecretValue
from portreeve.oci import tokens
from portreeve.oci.asking import Asking, Question
from portreeve.oci.realms import Realm
from portreeve.transport.address_rules import AddressRules
from portreeve.transport.exchange import Request, Response
from tests.fakes.hostile.behaviours import BEHAVIOURS
from tests.fakes.hostile.realms import REALMS_WITH_CREDENTIAL, REALMS_WITHOUT_CREDENTIAL, realms
from tests.fakes.hostile.redirects import redirects
from tests.fakes.hostile.registry import PASSWORD, USER, Behaviour, Hostile
from tests.oci.hostile_run import faults

ROOT = Path(__file__).parents[2]


def test_there_are_enough_behaviours_each_with_a_name_of_its_own() -> None:
    assert len(BEHAVIOURS) >= 80
    assert len(REALMS_WITH_CREDENTIAL) >= 40
    assert len(REALMS_WITHOUT_CREDENTIAL) >= 40
    assert not [name for name, count in Counter(each.name for each in BEHAVIOURS).items() if count > 1]


async def test_no_realm_and_no_redirect_gets_anything(tmp_path: Path) -> None:
    async with Hostile(tmp_path) as hostile:
        for behaviour in [*realms(), *redirects()]:
            outcome = await hostile.run(behaviour)
            assert list(faults(behaviour, outcome)) == [], behaviour.name


@pytest.mark.wide
def test_each_is_called_what_it_is_and_gets_nothing_in_little_memory(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.oci.hostile_run", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{len(BEHAVIOURS)} behaviours, 0 credential bytes elsewhere, 0 forbidden connections" in ran.stdout


def named(name: str) -> Behaviour:
    return next(each for each in BEHAVIOURS if each.name == name)


async def test_the_canary_sees_a_credential_when_realms_are_not_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portreeve.oci.realms.allowed", lambda realm, *given, **more: Realm.of(realm))
    async with Hostile(tmp_path) as hostile:
        outcome = await hostile.run(named("realm https://elsewhere.example.com:{elsewhere}/token"))
    assert outcome.leaked > 0


async def test_the_canary_sees_a_credential_when_redirects_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def following(asking: Asking, question: Question) -> Response:
        answer = await asking.ask(question)
        shown = tokens.basic(Login(USER, SecretValue(PASSWORD)))
        headers: dict[str, str | SecretValue] = {"authorization": shown}
        return await asking._exchange.send(Request("GET", answer.headers["location"], headers))

    monkeypatch.setattr(Asking, "follow", following)
    async with Hostile(tmp_path) as hostile:
        outcome = await hostile.run(named("blob 307 elsewhere"))
    assert outcome.leaked > 0


async def test_the_canary_sees_a_connection_when_addresses_are_not_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AddressRules, "admit", lambda rules, address, **more: address)
    async with Hostile(tmp_path) as hostile:
        outcome = await hostile.run(named("realm for anybody https://127.0.0.3:{forbidden}/token"))
    assert outcome.forbidden > 0
    assert outcome.refused_addresses == ["127.0.0.3"]
