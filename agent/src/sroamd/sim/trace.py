"""What happened, in words; and a hash of it, so that two runs can be compared without keeping either."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import blake2b
from typing import Any

from sroamd.core.effects import SendUpdates
from sroamd.core.events import UpdatesReceived
from sroamd.wire.flood import Update

_QUIET = frozenset({"Tick"})
_KEPT_MAX = 20_000


def words(value: object) -> str:
    """The same text in every process: sets sorted, octets in hexadecimal, dataclasses by name and field values."""
    return _WRITERS.get(type(value), _write_other)(value)


def _write_other(value: Any) -> str:
    kind = type(value)
    if isinstance(value, bytes):
        writer: Callable[[Any], str] = bytes.hex
    elif isinstance(value, Enum):
        writer = _enum
    elif is_dataclass(kind):
        writer = _dataclass_writer(kind)
    else:
        writer = str
    _WRITERS[kind] = writer
    return writer(value)


def _enum(value: Enum) -> str:
    return value.name


def _dict(value: dict[object, object]) -> str:
    return "{" + " ".join(f"{words(key)}:{words(item)}" for key, item in value.items()) + "}"


def _set(value: frozenset[object]) -> str:
    return "{" + " ".join(sorted(map(words, value))) + "}"


def _tuple(value: tuple[object, ...]) -> str:
    return "(" + " ".join(map(words, value)) + ")"


def _dataclass_writer(kind: type) -> Callable[[Any], str]:
    names, title = tuple(field.name for field in fields(kind)), kind.__name__

    def write(value: object) -> str:
        return f"{title}({' '.join([words(getattr(value, name)) for name in names])})"

    return write


def _update(update: Update) -> str:
    return f"{update.key.hex()}={update.seqno}/{update.value.hex()}/{update.lifetime}"


def _updates(event: UpdatesReceived | SendUpdates) -> str:
    """Most of a run's lines. One flush sends the same updates to many, so they are kept for a while."""
    text = _kept.get(event.updates)
    if text is None:
        if len(_kept) > _KEPT_MAX:
            _kept.clear()
        text = _kept[event.updates] = " ".join(map(_update, event.updates))
    return f"{type(event).__name__}({event.peer} {text})"


_kept: dict[tuple[Update, ...], str] = {}
_WRITERS: dict[type, Callable[[Any], str]] = {
    str: str,
    bytes: bytes.hex,
    float: "{:.6f}".format,
    int: str,
    tuple: _tuple,
    list: _tuple,
    dict: _dict,
    frozenset: _set,
    set: _set,
    UpdatesReceived: _updates,
    SendUpdates: _updates,
}


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
