"""Syslog and CEF lines: one line for an event, whatever its names are, and every field reads back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portreeve.core.audit import Actor, Event, ObjectKind, Outcome, Target, Via, ViaKind, decode, escaped
from portreeve.wire.syslog import cef, rfc5424
from tests.core.events import event, events

LINE = re.compile(
    r'<(?P<pri>\d+)>1 (?P<time>\S+) (?P<host>\S+) portreeve - (?P<id>\S+) '
    r'\[portreeve@32473(?P<params>(?: [A-Za-z]+="(?:[^"\\\]]|\\["\\\]])*")+)\] (?P<message>[ -~]+)'
)  # fmt: skip
PARAM = re.compile(r' ([A-Za-z]+)="((?:[^"\\\]]|\\["\\\]])*)"')
HEADER = re.compile(r"CEF:0((?:\|(?:[^|\\]|\\[|\\])*){6})\|(.*)", re.DOTALL)
EXTENSION = re.compile(r"(?:^| )([A-Za-z0-9]+)=((?:[^=\\]|\\[=\\])*?)(?=(?: [A-Za-z0-9]+=)|$)")


def params(line: str) -> dict[str, str]:
    found = LINE.fullmatch(line)
    assert found, line
    return {name: re.sub(r'\\(["\\\]])', r"\1", value) for name, value in PARAM.findall(found["params"])}


def extension(line: str) -> dict[str, str]:
    found = HEADER.fullmatch(line)
    assert found, line
    return {name: re.sub(r"\\([=\\])", r"\1", value) for name, value in EXTENSION.findall(found[2])}


def named(text: str) -> Event:
    name = escaped(text)
    actor = Actor(name, Via(ViaKind.SESSION, "s-1"), name)
    return Event(**{
        field: getattr(event(), field) for field in ("sequence", "time", "action", "outcome", "request", "agent")
    }, actor=actor, target=Target(ObjectKind.USER, name, name, name))  # fmt: skip


PRIORITIES = {Outcome.DONE: "110", Outcome.INTENDED: "110", Outcome.REFUSED: "108", Outcome.FAILED: "107"}
"""Facility 13 (log audit) times 8, and informational, warning or error."""

OUTCOMES = {
    Outcome.DONE: "success",
    Outcome.INTENDED: "intended",
    Outcome.REFUSED: "failure",
    Outcome.FAILED: "failure",
}


@given(events)
def test_a_syslog_line_says_what_the_event_says(one: Event) -> None:
    line = rfc5424(one, hostname="server-1")
    found = LINE.fullmatch(line)
    assert found
    assert decode(found["message"].encode()) == one
    assert found["pri"] == PRIORITIES[one.outcome]
    assert found["id"] == one.action
    assert len(found["id"]) <= 32
    read = params(line)
    assert (read["principal"], read["object"]) == (one.actor.principal, one.target.name)
    assert read.get("onBehalfOf") == one.actor.on_behalf_of
    assert read.get("agent") == (f"{one.agent.id}:{one.agent.generation}" if one.agent else None)


@given(events)
def test_a_cef_line_says_what_the_event_says(one: Event) -> None:
    read = extension(cef(one, version="1.0"))
    assert (read["suser"], read["externalId"]) == (one.actor.principal, str(one.sequence))
    assert read["cs1"] == f"{one.target.kind}/{one.target.name}"
    assert read.get("reason") == one.reason
    assert read["outcome"] == OUTCOMES[one.outcome]


HOSTILE = st.text(st.sampled_from('"\\]|= \n\r\t\x1b\u2028\u0085[<>1a'), min_size=1, max_size=60)


@given(HOSTILE | st.text(st.characters(), min_size=1, max_size=60))
def test_no_name_breaks_a_line_or_adds_a_field(text: str) -> None:
    plain, hostile = named("alice"), named(text)
    for line in (rfc5424(hostile, hostname="h"), cef(hostile, version="1")):
        assert len(line.splitlines()) == 1
        assert not re.search("[\x00-\x1f\x7f-\x9f]", line)
    assert params(rfc5424(hostile, hostname="h")).keys() == params(rfc5424(plain, hostname="h")).keys()
    assert set(params(rfc5424(hostile, hostname="h")).values()) >= {escaped(text)}


@pytest.mark.parametrize("name", ["a|b", "a=b act=forged", "a\\", "a\\|", "x\nCEF:0|", 'q" forged="1', "]", "\\]"])
def test_marks_of_each_format_are_escaped(name: str) -> None:
    one = named(name)
    assert params(rfc5424(one, hostname="h"))["principal"] == escaped(name)
    line = cef(one, version="1|2")
    assert r"|1\|2|" in line
    assert " act=forged" not in line
    assert extension(line)["suser"] == escaped(name)


@pytest.mark.parametrize("host", ["", "two words", "line\nbreak", "x" * 256, "höst"])
def test_what_is_no_host_name_is_sent_as_unknown(host: str) -> None:
    assert rfc5424(event(), hostname=host).split(" ")[2] == "-"


def test_the_lines_of_one_event() -> None:
    one = event(7, refused=True)
    assert rfc5424(one, hostname="server-1").startswith(
        '<108>1 2026-11-20T10:00:07.123456Z server-1 portreeve - policy.update [portreeve@32473 sequence="7" '
        'principal="ci@example.com" onBehalfOf="alice@example.com" via="token:tok-7" action="policy.update" '
    )
    assert cef(one, version="1.0") == (
        "CEF:0|Portreeve|Portreeve|1.0|policy.update|policy.update|6|rt=1795168807123 externalId=7 act=policy.update "
        "outcome=failure suser=ci@example.com cs1Label=object cs1=policy/prod-sources cs2Label=request cs2=req-7 "
        "cs3Label=onBehalfOf cs3=alice@example.com cs4Label=environment cs4=prod-eu cs5Label=project cs5=shop "
        "cs6Label=agent cs6=agent-1:41 reason=source_not_allowed"
    )
