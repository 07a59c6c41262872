"""The files a user points at: found, read, rendered by their own tools; nothing is decided here."""

from portreeve.workspace.reading import Counts, Reading, WorkspaceLimits, read

__all__ = ["Counts", "Reading", "WorkspaceLimits", "read"]
