"""What is known of a route whose signature was looked at before is what FastAPI finds out by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, routing
from fastapi.dependencies.models import Dependant

from portreeve.server.app import application, build
from portreeve.server.http.guard import GuardedRoute
from portreeve.server.settings import Settings
from portreeve.vault import aead
from portreeve.vault.key_providers import LocalMasterKey
from portreeve.vault.ports import MasterKeys
from portreeve.vault.signing import generate
from tests.server import analysed


def built(folder: Path) -> FastAPI:
    settings = Settings(data=folder, database=f"sqlite:///{folder / 'portreeve.db'}")
    return application(build(settings, MasterKeys(LocalMasterKey(aead.new_key())), generate()))


def told(dependant: Dependant) -> Iterator[tuple[str, Any]]:
    """All that it holds, but for which function of the same code it is of."""
    for one in fields(dependant):
        value = getattr(dependant, one.name)
        if one.name == "dependencies":
            yield one.name, [[*told(inner)] for inner in value]
        elif one.name == "call":
            yield one.name, value.__code__
        elif one.name.endswith("_params"):
            yield one.name, [(field.name, field.mode, repr(field.field_info)) for field in value]
        else:
            yield one.name, value


def routes(app: FastAPI) -> list[GuardedRoute]:
    return [route for route in app.routes if isinstance(route, GuardedRoute)]


def test_it_is_what_fastapi_finds_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built(tmp_path)
    known = len(analysed._dependants)
    again = routes(built(tmp_path))
    assert len(analysed._dependants) == known >= 190, "what is not known again is looked at each time"
    monkeypatch.setitem(vars(routing), "get_dependant", analysed._look)
    monkeypatch.setitem(vars(routing), "get_typed_return_annotation", analysed._look_at_answer)
    alone = routes(built(tmp_path))
    for mine, theirs in zip(again, alone, strict=True):
        assert mine.dependant.call is mine.endpoint
        assert [*told(mine.dependant)] == [*told(theirs.dependant)]
        assert (mine.unique_id, mine.response_model) == (theirs.unique_id, theirs.response_model)


def test_handlers_of_one_code_with_other_defaults_or_annotations_are_two() -> None:
    def made(default: Any, annotation: Any = "int") -> Any:
        def handler(limit=default):  # type: ignore[no-untyped-def]
            return limit

        handler.__annotations__ = {"limit": annotation}
        return handler

    assert analysed._same(made(1)) == analysed._same(made(1))
    assert len({analysed._same(made(one)) for one in (1, True, 2, "1", None)}) == 5
    assert analysed._same(made(1)) != analysed._same(made(1, "str"))
    assert analysed._same(made(1, int)) is analysed._same(made(object())) is None
