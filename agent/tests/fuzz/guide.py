"""Which inputs are worth damaging further: those that have led a parser where none before them has been.

Steps from line to line are watched with `sys.settrace`, which makes an input ten times as slow. So a share of the
inputs is watched and grows the corpus, and the others are made from what it has become.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from types import CodeType, FrameType
from typing import Any

import sroamd
from sroamd.wire.cursor import DecodeError
from tests.fuzz.damage import damaged
from tests.fuzz.parsers import Parser

SOURCE = sroamd.__path__[0]
CORPUS_MAX = 1000  # inputs

Step = tuple[CodeType, int, int]


class Trail:
    """The steps from line to line within the functions of the agent, of all inputs so far."""

    def __init__(self) -> None:
        self.steps: set[Step] = set()

    @contextmanager
    def watched(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, _event: str, _argument: Any) -> Callable[..., Any] | None:
        code = frame.f_code
        if not code.co_filename.startswith(SOURCE):
            return None
        steps, last = self.steps, 0

        def step(frame: FrameType, _event: str, _argument: Any) -> Callable[..., Any]:
            nonlocal last
            line = frame.f_lineno
            steps.add((code, last, line))
            last = line
            return step

        return step


def corpus(parser: Parser, rng: Random, inputs: int, rearm: Callable[[], None] = lambda: None) -> list[bytes]:
    """The seeds, and of `inputs` that are made from them and from one another those that got further.

    `rearm` is called now and then, so that somebody may see that it goes on. What makes the parser raise anything but
    DecodeError is the last of them: it is judged, and found again, by others.
    """
    kept, trail = list(parser.seeds), Trail()
    parser.forget()  # what is remembered is not gone through again, and would seem to be no step
    for number in range(len(kept) + inputs):
        is_seed = number < len(parser.seeds)
        octets = kept[number] if is_seed else damaged(rng, kept)
        before = len(trail.steps)
        if number % 100 == 0:
            rearm()
        try:
            with trail.watched():
                parser.judge(octets)
        except DecodeError:
            pass
        except Exception:
            kept.append(octets)
            break
        if len(trail.steps) > before and not is_seed and len(kept) < CORPUS_MAX:
            kept.append(octets)
    return kept
