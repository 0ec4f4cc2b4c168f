"""Who sends many frames waits for itself."""

from __future__ import annotations

import pytest

from sroamd.addresses import Mac
from sroamd.constants import FRAMES_WAITING_MAX
from sroamd.io.frame_queue import FrameQueue

LOUD, OTHER, THIRD = (Mac(bytes((2, 0, 0, 0, 0, number))) for number in (7, 8, 9))


def test_each_source_has_its_turn_and_its_frames_keep_their_order() -> None:
    queue: FrameQueue[str] = FrameQueue()
    for name in ("a1", "a2", "a3"):
        assert queue.put(LOUD, name)
    assert queue.put(OTHER, "b1")
    assert queue.take() == "a1"
    assert queue.put(THIRD, "c1")
    assert [queue.take() for _ in range(len(queue))] == ["b1", "a2", "c1", "a3"]
    with pytest.raises(IndexError):
        queue.take()


def test_so_many_wait_at_most() -> None:
    queue: FrameQueue[int] = FrameQueue()
    assert [queue.put(LOUD, number) for number in range(FRAMES_WAITING_MAX + 1)].count(False) == 1
    assert len(queue) == FRAMES_WAITING_MAX
    queue.take()
    assert queue.put(OTHER, 1)
    queue.clear()
    assert len(queue) == 0
