"""Frames that wait to be looked at, a turn for each station: who sends many waits for itself, and nobody else does."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from sroamd.constants import FRAMES_OF_STATION_WAITING_MAX, FRAMES_WAITING_MAX

Frame = TypeVar("Frame")


class FrameQueue(Generic[Frame]):
    """Of one interface. Frames of one source, the octets of a MAC, keep their order."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, deque[Frame]] = {}  # in the order of their turns
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, source: bytes, frame: Frame) -> bool:
        """False: there was no room, and one is lost. It is not that of a source of which nothing waits, as long as the
        one whose turn is last has several.
        """
        is_lost = (
            self._count >= FRAMES_WAITING_MAX or len(self._waiting.get(source, ())) >= FRAMES_OF_STATION_WAITING_MAX
        )
        if is_lost:
            last = next(reversed(self._waiting))
            if source in self._waiting or len(self._waiting[last]) == 1:
                return False
            self._waiting[last].pop()
            self._count -= 1
        self._count += 1
        frames = self._waiting.get(source)
        if frames is None:
            self._waiting[source] = deque((frame,))
        else:
            frames.append(frame)
        return not is_lost

    def take(self) -> Frame:
        """The next one. IndexError if there is none."""
        source = next(iter(self._waiting), None)
        if source is None:
            raise IndexError("no frame waits")
        frames = self._waiting.pop(source)
        frame = frames.popleft()
        self._count -= 1
        if frames:
            self._waiting[source] = frames
        return frame

    def clear(self) -> None:
        self._waiting.clear()
        self._count = 0
