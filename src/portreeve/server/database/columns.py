"""Column types that mean the same on SQLite and on PostgreSQL.

Source of the differences: SQLAlchemy, "SQLite" and "PostgreSQL" dialects; measured again by tests/server/test_columns.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import JSON, BigInteger, Dialect, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

Name: Final[TypeEngine[str]] = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that sorts by code point on both engines; a locale's order ignores dashes and would break paging."""

Json: Final[TypeEngine[Any]] = JSON().with_variant(JSONB(), "postgresql")
"""Plain values. Never a secret: what is stored here may be shown."""

Number: Final[TypeEngine[int]] = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on both; SQLite counts rows by an INTEGER alone."""

Bytes: Final[TypeEngine[bytes]] = LargeBinary()


class Moment(TypeDecorator[datetime]):
    """A time in UTC, as microseconds since 1970: SQLite would give back a naive one, and compare it as text."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - signature
        """UTC microseconds; a naive time is a mistake of the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time has a zone")
        delta = value - _EPOCH
        return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - signature
        """An aware time in UTC."""
        if value is None:
            return None
        seconds, microseconds = divmod(value, 1_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
