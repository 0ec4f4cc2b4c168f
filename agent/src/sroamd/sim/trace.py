"""What happened, in words; and a hash of it, so that two runs can be compared without keeping either."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from enum import Enum
from hashlib import blake2b

_FIELDS: dict[type, tuple[str, ...]] = {}
_QUIET = frozenset({"Tick"})


def words(value: object) -> str:
    """The same text in every process: sets sorted, octets in hexadecimal, dataclasses by name and field values."""
    kind = type(value)
    if kind is str:
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, frozenset | set):
        return "{" + " ".join(sorted(map(words, value))) + "}"
    if isinstance(value, dict):
        return "{" + " ".join(f"{words(key)}:{words(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "(" + " ".join(map(words, value)) + ")"
    names = _FIELDS.get(kind)
    if names is None:
        names = _FIELDS[kind] = tuple(f.name for f in fields(value)) if hasattr(value, "__dataclass_fields__") else ()
    if names:
        return f"{kind.__name__}({' '.join(words(getattr(value, name)) for name in names)})"
    return str(value)


class Trace:
    """`say` prints each line, if given. Lines are hashed as they come and not kept."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._hash = blake2b(digest_size=16)
        self._say = say
        self.lines = 0

    def event(self, now: float, who: str, event: object) -> None:
        self._line(f"{now:12.6f} {who:<8} {words(event)}", type(event).__name__ in _QUIET)

    def effect(self, now: float, who: str, effect: object) -> None:
        self._line(f"{now:12.6f} {who:<8}   -> {words(effect)}", False)

    def world(self, now: float, text: str) -> None:
        """Something that the world does to the nodes."""
        self._line(f"{now:12.6f} ** {text}", False)

    @property
    def digest(self) -> str:
        """32 hexadecimal digits."""
        return self._hash.hexdigest()

    def _line(self, line: str, quiet: bool) -> None:
        self.lines += 1
        self._hash.update(line.encode())
        if self._say is not None and not quiet:
            self._say(line)
