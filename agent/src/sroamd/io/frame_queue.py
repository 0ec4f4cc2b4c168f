"""Frames that wait to be looked at, a turn for each station: who sends many waits for itself, and nobody else does."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from sroamd.addresses import Mac
from sroamd.constants import FRAMES_WAITING_MAX

Frame = TypeVar("Frame")


class FrameQueue(Generic[Frame]):
    """Of one interface. Frames of one source keep their order."""

    def __init__(self) -> None:
        self._waiting: dict[Mac, deque[Frame]] = {}  # in the order of their turns
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, source: Mac, frame: Frame) -> bool:
        """Whether there was room."""
        if self._count >= FRAMES_WAITING_MAX:
            return False
        self._count += 1
        self._waiting.setdefault(source, deque()).append(frame)
        return True

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
