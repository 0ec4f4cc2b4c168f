"""Who sends many frames waits for itself."""

from __future__ import annotations

import pytest

from sroamd.addresses import Mac
from sroamd.constants import FRAMES_OF_STATION_WAITING_MAX, FRAMES_WAITING_MAX
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


def test_so_many_of_one_source_wait_at_most() -> None:
    queue: FrameQueue[int] = FrameQueue()
    most = FRAMES_OF_STATION_WAITING_MAX
    assert [queue.put(LOUD, number) for number in range(most + 1)] == [True] * most + [False]
    assert queue.put(OTHER, 0)
    assert len(queue) == most + 1


def test_who_has_nothing_waiting_takes_the_place_of_one_who_has_much() -> None:
    """So many loud ones that the whole queue is theirs."""
    queue: FrameQueue[str] = FrameQueue()
    each = FRAMES_OF_STATION_WAITING_MAX
    crowd = [Mac(bytes((2, 0, 0, 0, 1, number))) for number in range(FRAMES_WAITING_MAX // each)]
    for number in range(each):
        assert all(queue.put(source, f"{number}") for source in crowd)
    assert len(queue) == FRAMES_WAITING_MAX
    assert not queue.put(OTHER, "a newcomer's"), "one of the crowd's is lost"
    assert not queue.put(OTHER, "and its second, which is lost")
    assert not queue.put(crowd[0], "one more")
    assert len(queue) == FRAMES_WAITING_MAX
    assert "a newcomer's" in [queue.take() for _ in range(len(crowd) + 1)], "in the first round"
    queue.clear()
    assert len(queue) == 0


def test_where_everybody_has_one_waiting_nobody_loses_it() -> None:
    queue: FrameQueue[int] = FrameQueue()
    for number in range(FRAMES_WAITING_MAX):
        assert queue.put(Mac(number.to_bytes(6, "big")), number)
    assert not queue.put(LOUD, 0)
    assert [queue.take() for _ in range(FRAMES_WAITING_MAX)] == list(range(FRAMES_WAITING_MAX))
