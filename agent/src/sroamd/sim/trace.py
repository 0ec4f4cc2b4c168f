"""What happened: a hash of it in every run, so that two runs can be compared without keeping either; words on demand.

The hash is over the time, node and kind of every event, the kinds of its effects, and what the world does to the nodes,
in order. That is cheap, so that many seeds can be run, and two runs that differ in anything soon differ in it. Only a
replay writes out the contents, which takes ten times as long and changes nothing.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import blake2b
from typing import Any, get_args

from sroamd.core.effects import Effect, SendUpdates
from sroamd.core.events import Event, Tick, UpdatesReceived
from sroamd.wire.flood import Update

KIND = {kind: number for number, kind in enumerate((*get_args(Event), *get_args(Effect)))}
NODES_MAX = 1 << 16
_CHUNK = 8192  # numbers that wait to be hashed


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
    return f"{type(event).__name__}({event.peer} {' '.join(map(_update, event.updates))})"


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
    """`say` is called with each line, if given."""

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._hash = blake2b(digest_size=16)
        self._numbers: list[float] = []
        self._say = say
        self.lines = 0  # events, and what the world did

    def event(self, now: float, index: int, name: str, event: Event) -> None:
        """The node of that number and name handles an event."""
        self.lines += 1
        self._numbers += (now, index + NODES_MAX * KIND[type(event)])
        if len(self._numbers) > _CHUNK:
            self._hash_numbers()
        if self._say is not None and type(event) is not Tick:
            self._say(f"{now:12.6f} {name:<8} {words(event)}")

    def effects(self, now: float, name: str, effects: Sequence[Effect]) -> None:
        """What it does then."""
        self._numbers += [KIND[type(effect)] for effect in effects]
        if self._say is not None:
            for effect in effects:
                self._say(f"{now:12.6f} {name:<8}   -> {words(effect)}")

    def world(self, now: float, text: str) -> None:
        """Something that the world does to the nodes."""
        self.lines += 1
        self._hash_numbers()
        line = f"{now:12.6f} ** {text}"
        self._hash.update(line.encode())
        if self._say is not None:
            self._say(line)

    @property
    def digest(self) -> str:
        """32 hexadecimal digits."""
        self._hash_numbers()
        return self._hash.hexdigest()

    def _hash_numbers(self) -> None:
        if self._numbers:
            self._hash.update(array("d", self._numbers).tobytes())
            self._numbers.clear()
