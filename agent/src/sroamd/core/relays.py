"""What a leaf passes on, and when.

The peers of a leaf (an access point that dials two servers, say) flood with one another, so all of them tell it the
same, a moment apart. If it passed on at once what the first one says, every server would hear of every change from
every access point. So it waits for RELAY_WAIT: a peer that has said the same by then knows it.
"""

from __future__ import annotations

from sroamd import constants
from sroamd.core.agenda import Job
from sroamd.core.events import PeerId
from sroamd.core.turn import State


class Relays:
    """`waiting`: by key, the soonest first, when it is passed on, and which peers have said the version held."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.waiting: dict[bytes, tuple[float, tuple[PeerId, ...]]] = {}

    def wait(self, key: bytes, origin: PeerId, now: float) -> None:
        """`origin` has said something new."""
        self.forget(key)
        self.waiting[key] = now + constants.RELAY_WAIT, (origin,)
        self._state.agenda.set_earlier(Job.RELAY, None, now + constants.RELAY_WAIT)

    def forget(self, key: bytes) -> None:
        """All are told something newer at once."""
        self.waiting.pop(key, None)

    def known(self, key: bytes, peer_id: PeerId, peers: int) -> None:
        """A peer, one of so many, has the version that is held."""
        waiting = self.waiting.get(key)
        if waiting is None or peer_id in waiting[1]:
            return
        due_at, known = waiting
        if len(known) + 1 >= peers:
            del self.waiting[key]
        else:
            self.waiting[key] = due_at, (*known, peer_id)

    def due(self, now: float) -> dict[bytes, tuple[PeerId, ...]]:
        """The keys whose time has come, and who knows them. They wait no more."""
        due: dict[bytes, tuple[PeerId, ...]] = {}
        for key, (due_at, known) in self.waiting.items():
            if due_at > now:
                self._state.agenda.set(Job.RELAY, None, due_at)
                break
            due[key] = known
        for key in due:
            del self.waiting[key]
        return due
