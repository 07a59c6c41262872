"""Hostile texts in every field that takes text, in paths, parameters and headers.

Never a failure of the server; what is stored comes back as it was sent, and no table, document or header breaks.
Source: threats API-10 and API-12.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from copy import deepcopy
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import yaml
from sqlalchemy import select

from portreeve.server.database.tables import AUDIT_EVENTS
from portreeve.server.documents.kinds import BY_PLURAL, KINDS
from portreeve.wire.schemas import schema
from tests.cases.hostile_strings import STRINGS
from tests.server.plane import document, running
from tests.server.scene import Scene, documents, set_up

pytestmark = pytest.mark.asyncio(loop_scope="module")

Path = tuple[str, ...]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
LONGEST_IN_A_URL = 1_500
"""Characters; what is longer the client itself refuses to send once it is escaped."""

CANONICAL = {"host", "path", "prefix", "image", "expiresAt"}
"""Fields that are stored as references name them, and so may come back in another form."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    directory = tmp_path_factory.mktemp("hostile")
    async with running(f"sqlite:///{directory / 'portreeve.db'}", directory) as plane:
        yield await set_up(plane)


def writable(node: Mapping[str, Any], whole: Mapping[str, Any], path: Path = ()) -> Iterator[Path]:
    """Every place in a kind's schema that takes a text of one's own. "[]" is an entry, "*" a key of one's own."""
    if "$ref" in node:
        node = whole["$defs"][node["$ref"].rpartition("/")[2]]
    for inner in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from writable(inner, whole, path)
    if node.get("type") == "string" and not {"enum", "const"} & set(node):
        yield path
    for name, inner in node.get("properties", {}).items():
        if (*path, name) not in {("status",), ("apiVersion",), ("kind",)}:
            yield from writable(inner, whole, (*path, name))
    if isinstance(node.get("items"), Mapping):
        yield from writable(node["items"], whole, (*path, "[]"))
    if isinstance(node.get("additionalProperties"), Mapping):
        yield (*path, "*")
        yield from writable(node["additionalProperties"], whole, (*path, "key"))


def with_text(document: Mapping[str, Any], path: Path, text: str, number: int) -> dict[str, Any]:
    """The document under a name of its own, with the text at a place."""
    made: Any = deepcopy(dict(document))
    made["metadata"]["name"] = f"hostile-{number}"
    at = made
    for step, following in zip(path, (*path[1:], None), strict=True):
        if following is None:
            value: Any = text
        elif following == "[]":
            value = [*at[step]][:1] if step != "[]" and isinstance(at.get(step), list) else []
        else:
            value = at.get(step) if isinstance(at, dict) and isinstance(at.get(step), dict) else {}
        if step == "[]":
            at[:] = [value if following is None else (at[0] if at and isinstance(at[0], dict) else value)]
            at = at[0]
        elif step == "*":
            at[text] = "value"
        else:
            at[step] = value
            at = value
    return dict(made)


def found_at(document: Any, path: Path) -> Any:
    """What stands at a place."""
    for step in path:
        if step == "[]":
            document = document[0] if document else None
        elif step == "*":
            return next(iter(document), None) if document else None
        else:
            document = document.get(step) if isinstance(document, Mapping) else None
    return document


FIELDS = [
    (plural, path)
    for plural, kind in BY_PLURAL.items()
    for path in dict.fromkeys(writable(schema(kind.name), schema(kind.name)))
]
QUICK = {("teams", ("spec", "title")), ("teams", ("metadata", "labels", "*")), ("users", ("metadata", "name"))}

TURNS = 3


def texts_for(plural: str, path: Path) -> list[tuple[int, str]]:
    """Numbered. Metadata are one model for all kinds, so that kinds take turns: each text meets some of them."""
    numbered = [*enumerate(STRINGS)]
    if path[0] != "metadata" or (plural, path) in QUICK:
        return numbered
    return numbered[[*BY_PLURAL].index(plural) % TURNS :: TURNS]


def _parameter(field: tuple[str, Path]) -> Any:
    marks = [] if field in QUICK else [pytest.mark.slow]
    return pytest.param(*field, id=f"{field[0]}-{'.'.join(field[1])}", marks=marks)


async def test_there_are_many_of_them_and_every_kind_takes_some() -> None:
    assert len(STRINGS) >= 500
    # Settings, of which there is one, have a test of their own below.
    assert {plural for plural, _ in FIELDS} | {"settings"} == {kind.plural for kind in KINDS.values()}


async def test_metadata_are_one_model_and_every_text_meets_some_kinds() -> None:
    ours = [plural for plural, path in FIELDS if path == ("metadata", "name")]
    models = [schema(BY_PLURAL[plural].name) for plural in ours]
    assert all(one["$defs"]["MetadataModel"] == models[0]["$defs"]["MetadataModel"] for one in models)
    for path in {path for _, path in FIELDS if path[0] == "metadata"}:
        met = [text for plural in ours if plural not in {"teams", "users"} for _, text in texts_for(plural, path)]
        assert set(met) == set(STRINGS)


async def test_the_settings_keep_every_text_as_it_is(scene: Scene) -> None:
    texts = [text for text in STRINGS if text.strip() and not any("\ud800" <= one <= "\udfff" for one in text)]
    assert len(texts) > 400
    body = document("Settings", "platform", selectorLabels=texts)
    stored = await scene.root.get("/api/v1/settings")
    headers = {"If-Match": stored.headers["ETag"]} if "ETag" in stored.headers else {}
    answer = await scene.root.put("/api/v1/settings", json=body, headers=headers)
    assert answer.status_code in {200, 201}, answer.text[:300]
    assert (await scene.root.get("/api/v1/settings")).json()["spec"]["selectorLabels"] == texts


@pytest.mark.parametrize(("plural", "path"), [_parameter(field) for field in FIELDS])
async def test_a_field_refuses_a_hostile_text_or_keeps_it_as_it_is(scene: Scene, plural: str, path: Path) -> None:
    own = documents("own").get(plural) or {**documents("other")[plural]}
    bodies = dict(enumerate(with_text(own, path, text, number) for number, text in texts_for(plural, path)))
    refused = await scene.root.post("/api/v1/plans", json={"documents": [*bodies.values()]})
    assert refused.status_code in {201, 404, 422}, refused.text[:500]
    whole(refused)
    if refused.status_code == 422:
        bad = {
            int(number)
            for one in refused.json()["errors"]
            for number in re.findall(r"^documents\[(\d+)\]", one["field"])
        }
        bodies = {number: body for number, body in bodies.items() if number not in bad}
    accepted = [*bodies.items()]
    if not accepted:
        return
    plan = await scene.root.post(
        "/api/v1/plans", json={"documents": [body for _, body in accepted], "force": True, "replace": True}
    )
    whole(plan)
    if plan.status_code == 404:
        return  # it names a registry that is not there, which is answered like one that may not be granted
    assert plan.status_code == 201, plan.text[:500]
    done = await scene.root.post(f"/api/v1/plans/{plan.json()['id']}/confirm")
    assert done.status_code in {200, 409, 422}, done.text[:500]
    whole(done)
    if done.status_code == 200:
        await kept(scene, plural, path, {body["metadata"]["name"]: body for _, body in accepted})
        gone = [{"kind": BY_PLURAL[plural].name, "name": body["metadata"]["name"]} for _, body in accepted]
        away = await scene.root.post("/api/v1/plans", json={"delete": gone, "force": True})
        assert (await scene.root.post(f"/api/v1/plans/{away.json()['id']}/confirm")).status_code == 200


def whole(answer: httpx2.Response) -> None:
    """See that an answer is one JSON text in which nothing controls a terminal, and that its headers are clean."""
    assert answer.headers["content-type"] in {"application/json", "application/problem+json"}
    json.loads(answer.content)
    assert not re.search(rb"[\x00-\x1f]", answer.content)
    for name, value in answer.headers.items():
        assert (name + value).isascii()
        assert (name + value).isprintable()


async def kept(scene: Scene, plural: str, path: Path, sent: Mapping[str, dict[str, Any]]) -> None:
    """See that the stored documents are what was sent, in every form."""
    items = {one["metadata"]["name"]: one for one in (await scene.root.get(f"/api/v1/{plural}.json")).json()}
    for name, body in sent.items():
        assert name in items
        if path[-1] not in CANONICAL and (given := found_at(body, path)) is not None:
            assert found_at(items[name], path) in {given, None}, (name, given)
    table = (await scene.root.get(f"/api/v1/{plural}.csv")).content.decode()
    for row in csv.reader(io.StringIO(table, newline="")):
        assert not any(cell.startswith(FORMULA) for cell in row), row
    text = (await scene.root.get(f"/api/v1/{plural}.yaml")).text
    written = {one["metadata"]["name"]: one for one in yaml.load_all(text, yaml.CSafeLoader)}
    for name in sent:
        assert written[name] == {part: value for part, value in items[name].items() if part != "status"}


@pytest.mark.slow
async def test_hostile_names_parameters_and_headers_are_refused_or_found_to_be_nothing(scene: Scene) -> None:
    async def ask(text: str) -> list[httpx2.Response]:
        get = scene.root.get
        found: list[httpx2.Response] = []
        encoded = "".join(f"%{byte:02X}" for byte in text.encode(errors="surrogatepass"))
        queries = ({"cursor": text}, {"label": text}, {"member": text}, {text: "a"}, {"limit": text})
        found += [await get("/api/v1/teams", params=query) for query in queries]
        found.append(await get("/api/v1/verdict", params={"image": text, "environment": "prod-eu", "namespace": text}))
        if text.strip(".") and "/" not in text:
            found.append(await get(f"/api/v1/teams/{encoded}"))
            found.append(await scene.root.delete(f"/api/v1/teams/{encoded}"))
        sent = text.encode(errors="surrogatepass")
        if not re.search(rb"[\x00\r\n]", sent):
            for header in (
                "If-Match",
                "If-None-Match",
                "Portreeve-Plan",
                "Idempotency-Key",
                "Last-Event-ID",
                "Content-Type",
            ):
                headers = [(b"authorization", scene.root.headers["authorization"].encode()), (header.encode(), sent)]
                found.append(await scene.root.put("/api/v1/teams/no-team", content=b"{}", headers=headers))
        return found

    texts = [text for text in STRINGS if len(text) <= LONGEST_IN_A_URL]
    for start in range(0, len(texts), 50):
        for answers in await asyncio.gather(*map(ask, texts[start : start + 50])):
            for answer in answers:
                assert answer.status_code < 500, (answer.request.url, answer.text)
                whole(answer)


async def test_the_audit_log_holds_nothing_that_controls_a_terminal(scene: Scene) -> None:
    async with scene.plane.server.database.reader.connect() as connection:
        leaves = (await connection.execute(select(AUDIT_EVENTS.c.leaf))).scalars().all()
    assert leaves
    for leaf in leaves:
        assert bytes(leaf).isascii()
        assert not re.search(rb"[\x00-\x1f\x7f]", bytes(leaf))
