"""Profiles: which control planes the user has signed in to, in one file that nobody else may read.

    current: default
    profiles:
      default: {server: https://portreeve.example.com, token: prt_…}

The file is `profiles.yaml` beside the settings. A profile is never called a context: that word is kubeconfig's.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from portreeve.cli import paths
from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid

FILE: Final = "profiles.yaml"
FIRST: Final = "default"
"""The name of a profile that was given none."""

_NAME: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True)
class Profile:
    """One control plane, and who the user is to it."""

    server: str
    token: SecretValue | None = None
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Profiles:
    """All of them by name; `current` is used where none is named."""

    current: str = ""
    by_name: Mapping[str, Profile] = field(default_factory=dict)

    def of_server(self, url: str) -> Profile | None:
        """The profile of a control plane: the current one, if it is one of several."""
        found = [name for name, profile in self.by_name.items() if profile.server == url]
        name = self.current if self.current in found else next(iter(sorted(found)), None)
        return None if name is None else self.by_name[name]

    def signed_in(self, name: str, profile: Profile) -> Profiles:
        """With this one, which becomes the current."""
        return replace(self, current=name, by_name={**self.by_name, name: profile})


def path() -> Path:
    """Where the file is."""
    return paths.config() / FILE


def check_name(name: str) -> None:
    """See that a profile can be called so.

    Raises:
        Invalid: `profile_name`.
    """
    if not _NAME.fullmatch(name):
        raise Invalid("profile_name", f"{name!r} cannot be a profile's name", hint="letters, digits, dots and dashes")


def read() -> Profiles:
    """The profiles of the file; none where there is no file.

    Raises:
        Invalid: `profiles_readable`: others may read the tokens in it. `profiles_invalid`: it is not what we write.
    """
    file = path()
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return Profiles()
    with os.fdopen(descriptor, "rb") as stream:
        mode = os.fstat(descriptor).st_mode
        if mode & _OTHERS:
            raise Invalid("profiles_readable", f"{file} may be read by others", hint=f"chmod 600 {file}")
        return _parsed(stream.read(), file)


def _parsed(content: bytes, file: Path) -> Profiles:
    from portreeve.wire.document import Document
    from portreeve.wire.yaml import read_documents

    values = [item.value for item in read_documents(content) if isinstance(item, Document)]
    whole = values[0] if len(values) == 1 and isinstance(values[0], dict) else {}
    entries = whole.get("profiles")
    if not isinstance(entries, dict) or not all(
        isinstance(one, dict) and one.get("server") for one in entries.values()
    ):
        hint = "delete it and sign in again: portreeve login SERVER"
        raise Invalid("profiles_invalid", f"{file} holds no profiles", hint=hint)
    return Profiles(str(whole.get("current", "")), {str(name): _profile(one) for name, one in entries.items()})


def _profile(entry: Mapping[str, Any]) -> Profile:
    token = str(entry.get("token") or "")
    return Profile(str(entry["server"]), SecretValue(token) if token else None, str(entry.get("caFile") or ""))


def write(profiles: Profiles) -> Path:
    """Write the file in one step, so that only this user may read it; where it is."""
    from portreeve.wire.text import as_yaml

    file = path()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    entries = {name: _entry(profile) for name, profile in sorted(profiles.by_name.items())}
    # mkstemp makes the file with mode 0600: the token is at no time in a file that others may open.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{FILE}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(as_yaml({"current": profiles.current, "profiles": entries}))
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return file


def _entry(profile: Profile) -> dict[str, str]:
    held = {"server": profile.server, "caFile": profile.ca_file}
    if profile.token is not None:
        held["token"] = profile.token.reveal().decode()
    return {name: text for name, text in held.items() if text}
