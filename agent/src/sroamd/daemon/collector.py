"""Python's garbage collector, kept from stopping the process for long.

With 30,000 stations it would look at 440,000 objects in one go, 130 to 240 ms of work. Nearly all of them are freed by
their reference counts; the collector is for cycles, and those die young (a connection with its task and its exception).
So it looks soon, while there is little that is new, and never again at what has lived that long; a cycle that forms
among such objects is not freed.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

INTERVAL = 1.0
ENOUGH = 3  # collections of the second generation, each of which leaves at most 7,700 objects to look at

Later = Callable[[float, Callable[[], None]], object]


def tend(later: Later) -> None:
    """Now, and every INTERVAL seconds from now on."""
    if gc.get_count()[2] >= ENOUGH:
        gc.collect()
        gc.freeze()
    later(INTERVAL, lambda: tend(later))
