"""The simulator's connections are as reliable as TCP: a world that garbles what nodes say proves nothing of them."""

from __future__ import annotations

from sroamd.core.events import Event, UpdatesReceived
from sroamd.wire.flood import Update
from tests.sim.stage import Stage

KEY = bytes((200, 0, 0, 0, 0, 0, 0, 0, 1))


def test_what_was_on_its_way_when_a_connection_went_mute_arrives_before_what_was_said_since() -> None:
    """Found by seed 24731: octets of two messages were mixed, and the peer waited for the end of one that has none."""
    stage = Stage(link_delay=0.05)
    connection, sender = next(iter(stage.ap(1).connections.values()))
    receiver = stage.ap(2)
    heard: list[Event] = []
    receiver.deliver = heard.append  # type: ignore[method-assign]
    for seqno in range(20):
        connection.send(sender, (Update(seqno, 60, KEY, b"x"),))
        stage.run(0.01)
        if seqno == 10:
            connection.hold()
    stage.run(5.0)
    assert 0 < len(heard) < 10
    connection.release()
    stage.run(5.0)
    said = [update.seqno for event in heard if isinstance(event, UpdatesReceived) for update in event.updates]
    assert said == list(range(20))
