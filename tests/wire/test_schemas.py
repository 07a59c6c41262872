from __future__ import annotations

import jsonschema
import pytest

from portreeve.wire.documents import MODELS
from portreeve.wire.schemas import schema, schemas


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_every_kind_has_a_sound_schema(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(kind))
    assert schema(kind)["title"] == kind


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_schemas_refuse_unknown_fields(kind: str) -> None:
    levels = {kind: schema(kind)} | schema(kind)["$defs"]
    # What the control plane answers may grow; a reader passes over what it does not know.
    closed = {name: level for name, level in levels.items() if not name.endswith("StatusModel")}
    assert all(level["additionalProperties"] is False for level in closed.values() if level["type"] == "object")


def test_an_unknown_kind_has_no_schema() -> None:
    with pytest.raises(KeyError):
        schema("Deployment")
    assert "Deployment" not in schemas()
