"""sroamctl check while databases move: what only moves is no difference, and who stands still differs."""

from __future__ import annotations

import pytest

from sroamd.core.check_result import Difference, Standing, Version
from sroamd.wire.flood import Update
from tests.core.checking import begin, ended, questions, standings
from tests.core.harness import Lab, mac

IN_STEP, DIFFERS = Standing.IN_STEP, Standing.DIFFERS


def test_stations_that_never_rest_are_no_difference() -> None:
    """All the time something is under way in both directions: no two digests are ever the same, and all is well."""
    lab = Lab(3)
    for number in range(10):
        lab.join(1, mac(number))
    lab.wait(5)
    lab[1].forget()
    lab.hold(1, 2)
    lab.hold(2, 3)
    result = None
    for step in range(600):  # each 10 ms what is under way in one direction arrives, and something new sets out
        for number in range(10):
            lab.join(1 + number % 2 * 2, mac(number))
        if not step:
            begin(lab)
        lab.wait(0.01)
        for a, b in ((3, 2), (2, 1)) if step % 2 else ((1, 2), (2, 3)):
            lab.release(a, b)
            lab.held.add((a, b))
        result = ended(lab)
        if result is not None:
            break
    assert result is not None
    assert result.in_step, result
    assert [one for one in questions(lab[1].effects, 2) if one.depth == 3]
    assert result.looks > 1


def version(seqno: int, value: bytes = b"v", remaining: int = 1000) -> Version:
    return Version(seqno.to_bytes(7, "big") + value[:1], seqno, value, remaining)


OLD, NEW, GONE = version(1), version(2), version(2, b"")
EXPIRED, EXPIRES = version(2, remaining=0), version(2, remaining=50)


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        ((NEW, OLD), (NEW, OLD), False),
        ((OLD, NEW), (OLD, NEW), False),
        ((NEW, None), (NEW, None), False),
        ((None, NEW), (None, NEW), False),
        ((NEW, OLD), (version(3), NEW), True),
        ((NEW, OLD), (version(9), version(8)), True),
        ((OLD, NEW), (version(3), version(4)), True),
        ((OLD, None), (NEW, OLD), True),
        ((NEW, OLD), (version(3), OLD), False),
        ((NEW, OLD), (version(3), GONE), False),
        ((GONE, OLD), (version(3), GONE), True),
        ((NEW, OLD), (NEW, EXPIRED), False),
        ((EXPIRES, None), (version(3), None), True),
        ((version(65535), None), (version(1), version(0)), True),
    ],
)
def test_a_key_has_moved_if_each_side_has_reached_what_the_other_had(
    before: tuple[Version | None, Version | None], now: tuple[Version | None, Version | None], moved: bool
) -> None:
    assert Difference(b"k", *now).has_moved_since(Difference(b"k", *before)) is moved


def test_a_node_that_stands_still_while_the_others_move_differs() -> None:
    """Its link swallows updates: Hellos and the census get through."""
    lab = Lab(3)
    for number in range(20):
        lab.join(1, mac(number))
    lab.wait(5)
    deaf = lab[3].node
    merge = deaf.database.merge
    deaf.database.merge = lambda update, now: merge(Update(0, 0, b"\xc9", b""), now)  # type: ignore[method-assign]
    lab[1].forget()
    for step in range(100):
        lab.join(1 + step % 2, mac(step % 19))
        lab.wait(0.05)
        if step == 5:
            begin(lab)
    result = ended(lab)
    assert result is not None
    assert standings(result) == {2: IN_STEP, 3: DIFFERS}
