"""What becomes of a test whose real part is missing.

A developer's machine skips it, loudly. Where CI is set, or PORTREEVE_REQUIRE_REAL=1, it fails: a gate that passes for
lack of its subject is no gate.
"""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from tests.tools.components import Missing


def real_parts_required() -> bool:
    return os.environ.get("CI", "").lower() not in ("", "0", "false") or os.environ.get("PORTREEVE_REQUIRE_REAL") == "1"


def give_up(missing: Missing) -> NoReturn:
    """Fail or skip, as the module says."""
    if real_parts_required():
        pytest.fail(str(missing), pytrace=False)
    pytest.skip(f"NOT RUN: {missing}")
