"""Python's garbage collector, kept from stopping the process for long.

With 30,000 stations it would look at 440,000 objects in one go, 130 to 240 ms of work. Nearly all of them are freed by
their reference counts; the collector is for cycles, and those die young (a connection with its task and its exception).
So it looks soon, while there is little that is new, and then no more at what has lived that long. A cycle that forms
among such objects, as when a connection ends that was open for hours, is found when everything is looked at again,
every six hours: else whoever makes connections without end could fill the memory.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

INTERVAL = 1.0
ENOUGH = 3  # collections of the second generation, each of which leaves at most 7,700 objects to look at
EVERYTHING = 6 * 3600  # in how many intervals everything is looked at again

Later = Callable[[float, Callable[[], None]], object]


def tend(later: Later, rounds: int = 0) -> None:
    """Now, and every INTERVAL seconds from now on. `rounds`: since everything was looked at."""
    if rounds >= EVERYTHING:
        gc.unfreeze()
        rounds = 0
    if not rounds or gc.get_count()[2] >= ENOUGH:
        gc.collect()
        gc.freeze()
    later(INTERVAL, lambda: tend(later, rounds + 1))
