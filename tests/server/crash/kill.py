"""Dying at one statement: the process kills itself with SIGKILL before or after the k-th thing it tells the database.

A thing is a statement, with BEGIN and savepoints, or a commit. A commit has no event behind it in SQLAlchemy, so the
dialect's own function is wrapped. Nothing runs after SIGKILL: no handler, no rollback, no flush.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from sqlalchemy import Engine, event

BEFORE, AFTER = "before", "after"


@dataclass
class KillPoint:
    """Counts what is told to the database of these engines from when it is `armed`. `at` 0 kills nothing."""

    at: int
    moment: str
    armed: bool = False
    count: int = 0
    commits: list[int] = field(default_factory=list)

    def watch(self, engine: Engine) -> None:
        """Count what this engine does, too."""

        @event.listens_for(engine, "before_cursor_execute")
        def _before(*told: Any) -> None:
            self._reached(BEFORE)

        @event.listens_for(engine, "after_cursor_execute")
        def _after(*told: Any) -> None:
            self._reached(AFTER)

        commit: Callable[[Any], None] = engine.dialect.do_commit

        def committed(connection: Any) -> None:
            self._reached(BEFORE)
            commit(connection)
            if self.armed:
                self.commits.append(self.count)
            self._reached(AFTER)

        engine.dialect.do_commit = committed  # type: ignore[assignment,method-assign] # of this engine's dialect alone

    def _reached(self, moment: str) -> None:
        if not self.armed:
            return
        self.count += moment == BEFORE
        if (self.count, moment) == (self.at, self.moment):
            die()


def die() -> NoReturn:
    """End as a machine without power does, as far as this process can tell."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL cannot be survived")
