"""Times as documents and requests write them: RFC 3339, whole seconds, with a zone; UTC inside."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final

_RFC_3339: Final = re.compile(
    "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.]0+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def read_time(value: object) -> datetime:
    """A time as UTC. A YAML reader may have made a `datetime` of it already.

    Raises:
        ValueError: with what is wrong, as the end of a sentence.
    """
    if isinstance(value, str) and _RFC_3339.fullmatch(value):
        try:
            value = datetime.fromisoformat(value.upper())
        except ValueError as error:
            raise ValueError("is not a time that exists") from error
    if not isinstance(value, datetime):
        is_date = isinstance(value, date)
        raise ValueError("is a date without a time" if is_date else "is not a time with seconds and a zone")
    if value.tzinfo is None or value.microsecond:
        raise ValueError("has no zone, or fractions of a second")
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is not a time that exists in UTC") from error
