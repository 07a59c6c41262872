"""What the vault asks of whoever holds a master key: a file, a variable, a key management service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from portreeve.core.secret import SecretValue
from portreeve.errors import Invalid, Stalled


class MasterKey(Protocol):
    """One master key, which may never be in this process at all."""

    @property
    def key_id(self) -> str:
        """Which key it is; another key has another id."""

    def wrap(self, key: SecretValue, *, context: bytes) -> bytes:
        """`key` encrypted, bound to `context`.

        Raises:
            Denied, Stalled, Unavailable: as for `unwrap`.
        """

    def unwrap(self, wrapped: bytes, *, context: bytes) -> SecretValue:
        """What was wrapped.

        Raises:
            Stalled: other key, other context, or changed bytes.
            Denied: the service that holds the key refuses our credential.
            Unavailable: it does not answer.
        """


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """The master key that wraps, and those that only unwrap until nothing needs them any more."""

    current: MasterKey
    retiring: tuple[MasterKey, ...] = ()

    def __post_init__(self) -> None:
        if len(set(self.ids)) != len(self.ids):
            raise Invalid(
                "master_key_twice",
                f"a master key is configured twice: {', '.join(self.ids)}",
                hint="name each key once, as the current one or as a retiring one",
            )

    @property
    def ids(self) -> tuple[str, ...]:
        """All key ids, the current one first."""
        return (self.current.key_id, *(key.key_id for key in self.retiring))

    def named(self, key_id: str) -> MasterKey:
        """The key of this id.

        Raises:
            Stalled: it is not configured.
        """
        for key in (self.current, *self.retiring):
            if key.key_id == key_id:
                return key
        raise Stalled(
            "master_key_missing",
            f"stored values need the master key {key_id}; configured: {', '.join(self.ids)}",
            hint="configure that key too, as a retiring one, or restore it from its own backup",
        )
