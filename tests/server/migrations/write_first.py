"""The first migration, from the tables. Until the first release it is written anew whenever they change:

    python -m tests.server.migrations.write_first

Afterwards it stays as it is, and a change of the tables is a migration of its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.operations.ops import DowngradeOps, UpgradeOps
from sqlalchemy import create_engine

from portreeve.server.database import columns
from portreeve.server.database.migrate import script_directory
from portreeve.server.database.tables import METADATA

FIRST = Path(script_directory().versions) / "0001_first.py"

TYPES = {"NAME": columns.Name, "JSON": columns.Json, "NUMBER": columns.Number, "BYTES": columns.Bytes}
"""Types by the names that the migration gives them; it does not follow the columns when they change later."""

PAGE = '''"""The first schema.

Until the first release this is written by `python -m tests.server.migrations.write_first`, from the tables.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision = None

NAME: Final[TypeEngine[Any]] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
JSON: Final[TypeEngine[Any]] = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
NUMBER: Final[TypeEngine[Any]] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BYTES: Final[TypeEngine[Any]] = sa.LargeBinary()
MOMENT: Final[TypeEngine[Any]] = sa.BigInteger()


def upgrade() -> None:
    """From an empty database."""
    {upgrade}


def downgrade() -> None:
    """Back to an empty database: everything in it is lost."""
    {downgrade}
'''


def page() -> str:
    """The migration's text."""
    with create_engine("sqlite://").connect() as connection:
        script = produce_migrations(MigrationContext.configure(connection), METADATA)
    assert script.upgrade_ops is not None
    assert script.downgrade_ops is not None
    return _formatted(
        PAGE.replace("{upgrade}", _code(script.upgrade_ops)).replace("{downgrade}", _code(script.downgrade_ops))
    )


def _code(operations: UpgradeOps | DowngradeOps) -> str:
    lines = render_python_code(operations, render_item=_item).splitlines()
    return "\n".join(line for line in lines if not line.strip().startswith("#")).strip()


def _item(kind: str, item: Any, _: Any) -> str | Literal[False]:
    if kind != "type":
        return False
    if isinstance(item, columns.Moment):
        return "MOMENT"
    return next((name for name, known in TYPES.items() if item is known), False)


def _formatted(text: str) -> str:
    command = [str(Path(sys.executable).with_name("ruff")), "format", "--stdin-filename", str(FIRST), "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    FIRST.write_text(page(), encoding="utf-8")
