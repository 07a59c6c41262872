"""A value that can be carried and delivered, and not be seen.

Theory of operation
-------------------
"Write-only is a type": a credential travels as a `SecretValue`, and every generic way of turning an object into text
or bytes either refuses or shows a constant. `reveal()` is the only way out, so a search for that word finds every
place that handles plaintext.

The bytes are held by a closure in a private slot: whatever walks attributes or slots (debuggers, crash reporters,
serialisers of arbitrary objects) finds a function and not the value.

Left out: erasure. Python cannot guarantee that memory is wiped, and a local variable that held the plaintext before it
was wrapped is not protected by this class. `gc` and the closure's own cell reach the value for whoever runs code in
this process; that is not the attacker this class is for.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final, NoReturn, final

HIDDEN: Final = "SecretValue(hidden)"


@final
class SecretValue:
    """Bytes that only `reveal()` gives back; text is taken as UTF-8."""

    __slots__ = ("_held",)

    _held: Callable[[], bytes]

    def __init__(self, value: bytes | str) -> None:
        if not isinstance(value, bytes | str):
            raise TypeError(f"a secret is made of bytes or text, not of {type(value).__name__}")
        plain = value.encode() if isinstance(value, str) else value
        object.__setattr__(self, "_held", lambda: plain)

    def reveal(self) -> bytes:
        """The plaintext. Each call of this name is a place to review."""
        return self._held()

    def equals_in_constant_time(self, other: SecretValue) -> bool:
        """Whether both hold the same bytes; the time taken tells at most their lengths."""
        return hmac.compare_digest(self._held(), other._held())

    def __repr__(self) -> str:
        return HIDDEN

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def __bool__(self) -> bool:
        """Always true, also when empty: emptiness is decided where a value is read, before it is wrapped."""
        return True

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret does not change; make a new one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a secret does not change; make a new one")

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("SecretValue has no subclasses; one could be shown")

    def __eq__(self, other: object) -> NoReturn:
        _refuse("compared with ==; there is equals_in_constant_time")

    __hash__ = None  # type: ignore[assignment]  # a hash in a log is an oracle for short secrets

    def __lt__(self, other: object) -> NoReturn:
        _refuse("ordered")

    __le__ = __gt__ = __ge__ = __lt__

    def __len__(self) -> NoReturn:  # noqa: PLE0303 (refusing is the point)
        _refuse("measured")

    def __iter__(self) -> NoReturn:
        _refuse("iterated")

    def __contains__(self, item: object) -> NoReturn:
        _refuse("searched")

    def __getitem__(self, index: object) -> NoReturn:
        _refuse("indexed")

    def __bytes__(self) -> NoReturn:  # noqa: PLE0308 (refusing is the point)
        _refuse("turned into bytes; there is reveal")

    def __copy__(self) -> NoReturn:
        _refuse("copied; pass it on as it is")

    def __deepcopy__(self, memo: object) -> NoReturn:
        _refuse("copied; pass it on as it is")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        _refuse("pickled")

    def __reduce__(self) -> NoReturn:
        _refuse("pickled")

    def __getstate__(self) -> NoReturn:
        _refuse("pickled")


def _refuse(what: str) -> NoReturn:
    raise TypeError(f"a secret cannot be {what}")
