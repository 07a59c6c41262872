"""A canary is planted in every sink that turns objects into text or bytes; it must come out of none."""

from __future__ import annotations

import base64
import copy
import dataclasses
import io
import json
import logging
import marshal
import operator
import pickle
import pprint
import string
import sys
import traceback
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pydantic
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.pretty import pretty_repr

from portreeve.core import secret as module
from portreeve.core.secret import HIDDEN, SecretValue

CANARY = "c4n4ry-7f3d9e"
SECRET = SecretValue(CANARY)


@dataclass(frozen=True, slots=True)
class Holder:
    name: str
    secret: SecretValue


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    secret: SecretValue


HOLDER = Holder("r", SECRET)
MODEL = Model(secret=SECRET)


def logged() -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    record = logging.LogRecord("x", logging.INFO, "f", 1, "%s %r %(a)s", None, None)
    record.msg, record.args = "%s %r", (SECRET, HOLDER)
    handler.handle(record)
    return stream.getvalue()


def traced() -> str:
    local = SECRET
    try:
        raise ValueError(f"failed with {local}")
    except ValueError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def traced_inside() -> str:
    """A refusal's own traceback, with the locals of every frame of ours."""
    try:
        len(SECRET)
    except TypeError as error:
        return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    return ""


def pydantic_error() -> str:
    try:
        pydantic.TypeAdapter(int).validate_python(SECRET)
    except pydantic.ValidationError as error:
        return str(error)
    return ""


def inspected() -> str:
    console = Console(file=io.StringIO(), width=200)
    with console.capture() as capture:
        from rich import inspect

        inspect(SECRET, console=console, all=True, private=True, dunder=True)
    return capture.get()


SHOWS: dict[str, Callable[[], object]] = {
    "repr": lambda: repr(SECRET),
    "str": lambda: str(SECRET),
    "f-string": lambda: f"{SECRET}",
    "f-string repr": lambda: f"{SECRET!r}",
    "format with a spec": lambda: f"{SECRET:>40}",
    "percent": lambda: "%s %r %a" % (SECRET, SECRET, SECRET),  # noqa: UP031 (a sink of its own)
    "str.format of the slot": lambda: "{._held}".format(SECRET),  # noqa: UP032 (a sink of its own)
    "template": lambda: string.Template("$a").substitute(a=SECRET),
    "ascii": lambda: ascii(SECRET),
    "dataclass": lambda: repr(HOLDER),
    "container": lambda: repr({"a": [SECRET]}),
    "pprint": lambda: pprint.pformat({"a": HOLDER}),
    "rich": lambda: pretty_repr(HOLDER),
    "rich inspect": inspected,
    "exception": lambda: repr(ValueError(SECRET)) + str(ValueError(SECRET)),
    "traceback with locals": traced,
    "traceback of a refusal": traced_inside,
    "log": logged,
    "json with default=str": lambda: json.dumps({"a": SECRET}, default=str),
    "json with default=repr": lambda: json.dumps({"a": SECRET}, default=repr),
    "pydantic repr": lambda: repr(MODEL) + str(MODEL),
    "pydantic dump": lambda: repr(MODEL.model_dump()),
    "pydantic dump with a fallback": lambda: MODEL.model_dump_json(fallback=str),
    "pydantic error": pydantic_error,
    "dir": lambda: repr([(name, getattr(SECRET, name, None)) for name in dir(SECRET)]),
    "doc": lambda: repr(SECRET.__doc__),
    "size": lambda: sys.getsizeof(SECRET),
    "truth": lambda: bool(SECRET),
}

REFUSES: dict[str, Callable[[], object]] = {
    "==": lambda: SecretValue(CANARY) == SECRET,
    "!=": lambda: SECRET != CANARY,
    "== of dataclasses": lambda: Holder("r", SecretValue(CANARY)) == Holder("r", SecretValue(CANARY)),
    "hash": lambda: hash(SECRET),
    "hash of a dataclass": lambda: hash(HOLDER),
    "set": lambda: {SECRET},
    "dict key": lambda: {SECRET: 1},
    "lt": lambda: operator.lt(SECRET, SECRET),
    "le": lambda: operator.le(SECRET, SECRET),
    "gt": lambda: operator.gt(SECRET, SECRET),
    "ge": lambda: operator.ge(SECRET, SECRET),
    "sorted": lambda: sorted([SECRET, SecretValue("b")]),
    "len": lambda: len(SECRET),
    "iter": lambda: iter(SECRET),
    "unpack": lambda: [*SECRET],
    "in": lambda: 99 in SECRET,
    "index": lambda: SECRET[0],
    "bytes": lambda: bytes(SECRET),
    "bytearray": lambda: bytearray(SECRET),
    "memoryview": lambda: memoryview(SECRET),  # type: ignore[arg-type]
    "add": lambda: "a" + SECRET,  # type: ignore[operator]
    "join": lambda: "".join([SECRET, "a"]),  # type: ignore[list-item]  # noqa: FLY002 (a sink of its own)
    "int": lambda: int(SECRET),  # type: ignore[call-overload]
    "copy": lambda: copy.copy(SECRET),
    "deepcopy": lambda: copy.deepcopy(SECRET),
    "deepcopy of a holder": lambda: copy.deepcopy(HOLDER),
    "asdict": lambda: dataclasses.asdict(HOLDER),
    "astuple": lambda: dataclasses.astuple(HOLDER),
    "json": lambda: json.dumps({"a": SECRET}),
    "json key": lambda: json.dumps({"a": HOLDER}),
    "json with vars": lambda: json.dumps(SECRET, default=vars),
    "vars": lambda: vars(SECRET),
    "marshal": lambda: marshal.dumps(SECRET),  # type: ignore[arg-type]
    "yaml": lambda: yaml.dump({"a": SECRET}),
    "yaml safe": lambda: yaml.safe_dump({"a": SECRET}),
    "base64": lambda: base64.b64encode(SECRET),  # type: ignore[arg-type]
    "reduce": SECRET.__reduce__,
    "getstate": SECRET.__getstate__,
    "pydantic json": MODEL.model_dump_json,
    "pydantic json mode": lambda: MODEL.model_dump(mode="json"),
    "pydantic deep copy": lambda: MODEL.model_copy(deep=True),
    "pydantic adapter": lambda: pydantic.TypeAdapter(Any).dump_json(SECRET),
    "pydantic without leave": lambda: pydantic.create_model("M", secret=(SecretValue, ...)),
    "set attribute": lambda: setattr(SECRET, "_held", lambda: b""),
    "new attribute": lambda: setattr(SECRET, "other", 1),
    "delete attribute": lambda: delattr(SECRET, "_held"),
    "subclass": lambda: types.new_class("Shown", (SecretValue,)),
    **{f"pickle {n}": partial(pickle.dumps, SECRET, n) for n in range(pickle.HIGHEST_PROTOCOL + 1)},
}


def shows(text: str) -> bool:
    forms = [CANARY, CANARY.encode().hex(), base64.b64encode(CANARY.encode()).decode(), repr(list(CANARY.encode()))]
    return any(form.rstrip("=") in text for form in forms)


@pytest.mark.parametrize("sink", SHOWS)
def test_a_sink_shows_a_constant(sink: str) -> None:
    assert not shows(str(SHOWS[sink]()))


@pytest.mark.parametrize("sink", REFUSES)
def test_a_sink_refuses_and_does_not_quote(sink: str) -> None:
    with pytest.raises(
        (TypeError, ValueError, AttributeError, yaml.YAMLError, pydantic.errors.PydanticUserError)
    ) as why:
        REFUSES[sink]()
    told = "".join(traceback.TracebackException.from_exception(why.value, capture_locals=False).format())
    assert not shows(told.replace("SecretValue(CANARY)", ""))


def test_msgspec_refuses_if_it_is_there() -> None:
    msgspec = pytest.importorskip("msgspec", reason="not a dependency; refuses natively")
    for encode in (msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins):
        with pytest.raises(TypeError):
            encode({"a": SECRET})


def test_the_guard_sees_a_leak() -> None:
    assert shows(repr(CANARY))
    assert shows(json.dumps(base64.b64encode(CANARY.encode()).decode()))


def test_an_instance_has_no_dict_and_no_weak_references() -> None:
    assert not hasattr(SECRET, "__dict__")
    assert not hasattr(SECRET, "__weakref__")


def test_the_text_is_the_same_for_every_secret() -> None:
    assert repr(SecretValue("")) == repr(SECRET) == str(SECRET) == f"{SECRET:x}" == HIDDEN


def test_an_empty_secret_is_true_as_any_other() -> None:
    assert SecretValue("")


def test_another_type_is_refused_without_being_quoted() -> None:
    with pytest.raises(TypeError, match="bytes or text, not of int") as why:
        SecretValue(271828)  # type: ignore[arg-type]
    assert "271828" not in str(why.value)


@given(st.binary())
def test_reveal_gives_back_the_bytes(value: bytes) -> None:
    assert SecretValue(value).reveal() == value


@given(st.binary(max_size=4), st.binary(max_size=4))
def test_the_named_comparison_compares(left: bytes, right: bytes) -> None:
    assert SecretValue(left).equals_in_constant_time(SecretValue(right)) is (left == right)


def test_text_is_taken_as_utf8() -> None:
    assert SecretValue("ü").reveal() == "ü".encode()


def test_no_method_but_reveal_returns_bytes() -> None:
    public = {name for name in vars(module.SecretValue) if not name.startswith("_")}
    assert public == {"reveal", "equals_in_constant_time"}
