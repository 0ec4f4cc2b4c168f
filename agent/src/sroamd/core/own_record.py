"""What this node says of itself: its name and router addresses, and its link-local addresses on the backbone.

Whatever else the database comes to say of us, by a former self or by a node with our id, is contradicted.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

from sroamd import constants
from sroamd.core.agenda import Job
from sroamd.core.backoff import Backoffs
from sroamd.core.effects import Level
from sroamd.core.turn import State, Turn
from sroamd.wire.datum import NodeRecord, encode_links, links_key, node_key


class OwnRecord:
    def __init__(self, state: State) -> None:
        self._state = state
        self._links: bytes | None = None  # as they are published; None: not known yet
        self._corrections: Backoffs[None] = Backoffs(
            free=constants.NODE_CORRECTIONS_FREE,
            first=constants.NODE_CORRECTION_MIN,
            longest=constants.NODE_CORRECTION_MAX,
            quiet=2 * constants.NODE_CORRECTION_MAX,
        )
        self._contradiction: NodeRecord | None = None  # what was said of us last that is not true

    def publish(self, turn: Turn) -> None:
        """Say who we are: at the start, when it changes, and long before it expires."""
        for key, value in self._truth():
            if value or not self._is_said(key, value, turn.now):
                turn.publish(key, value, constants.NODE_LIFE)
        due = turn.now + self._state.spread(constants.NODE_REFRESH, constants.REFRESH_SPREAD)
        self._state.agenda.set(Job.REFRESH_NODE, None, due)

    def links_listed(self, turn: Turn, addresses: frozenset[IPv6Address]) -> None:
        self._links = encode_links(addresses)
        key = links_key(self._state.node_id)
        if not self._is_said(key, self._links, turn.now):
            turn.publish(key, self._links, constants.NODE_LIFE)

    def refresh_due(self, turn: Turn) -> None:
        if self._is_contradicted(turn.now):
            self._correct(turn)
        else:
            self.publish(turn)

    def twin(self, now: float) -> str | None:
        """For people: who else has our id. A former self of ours is contradicted once or twice, a twin does it back."""
        if self._corrections.count(None, now) <= constants.NODE_CORRECTIONS_FREE:
            return None
        record = self._contradiction
        if record is None:
            return "unnamed"
        addresses = (str(address) for address in (record.router_ipv4, record.router_ipv6) if address is not None)
        return " ".join((repr(record.name), *addresses))

    def changed(self, turn: Turn) -> None:
        """A datum about us has changed or expired."""
        if not self._is_contradicted(turn.now):
            return
        datum = self._state.database.live(node_key(self._state.node_id), turn.now)
        self._contradiction = NodeRecord.decode(datum.value) if datum is not None and datum.value else None
        self._correct(turn)

    def _truth(self) -> Iterator[tuple[bytes, bytes]]:
        """Key and value of each datum about us."""
        node = self._state.config.node
        yield node_key(self._state.node_id), NodeRecord(node.name, node.router_ipv4, node.router_ipv6).encode()
        if self._links is not None:
            yield links_key(self._state.node_id), self._links

    def _is_said(self, key: bytes, value: bytes, now: float) -> bool:
        datum = self._state.database.live(key, now)
        return value == (datum.value if datum is not None else b"")

    def _is_contradicted(self, now: float) -> bool:
        return not all(self._is_said(key, value, now) for key, value in self._truth())

    def _correct(self, turn: Turn) -> None:
        """What a former self said of us is not true any more; or another node has our id, and does the same to us."""
        ready_at = self._corrections.ready_at(None, turn.now)
        if ready_at > turn.now:
            self._state.agenda.set_earlier(Job.REFRESH_NODE, None, ready_at)
            return
        self._corrections.done(None, turn.now)
        twin = self.twin(turn.now)
        if twin is not None:
            turn.note(Level.ERROR, f"another node has the id of this one, {self._state.node_id}: {twin}")
        else:
            turn.note(Level.WARNING, "this node's record was not true (of a former self?) and is corrected")
        self.publish(turn)
