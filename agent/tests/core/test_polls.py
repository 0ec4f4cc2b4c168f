"""What the acknowledgement of a poll is worth: a radio gives it to every access point on its channel."""

from __future__ import annotations

from ipaddress import IPv6Address

from sroamd import constants
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.datum import association_key
from sroamd.wire.icmpv6 import RouterSolicitation
from tests.core.harness import ALICE, GATEWAY6, Lab, id_of

LINK_LOCAL = IPv6Address("fe80::107")


def seqno_of(lab: Lab, number: int) -> int:
    datum = lab[number].node.database.get(association_key(ALICE))
    assert datum is not None
    return datum.seqno


def owners(lab: Lab) -> list[bytes | None]:
    return [host.owner(ALICE, lab.now) for host in lab.hosts]


def test_ping_for_a_renewal_asks_by_every_means_there_is() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab.do(1, ev.RouterSolicited("wlan0", ALICE, LINK_LOCAL, RouterSolicitation(ALICE)))
    lab[1].forget()
    lab.wait(constants.ASSOCIATION_REFRESH * (1 + constants.REFRESH_SPREAD))
    assert lab[1].all(do.PollStation) == [do.PollStation("wlan0", ALICE)]
    asked = lab[1].all(do.SendNeighborSolicitation)
    assert asked == [do.SendNeighborSolicitation("wlan0", ALICE, GATEWAY6, LINK_LOCAL)]


def test_acknowledgements_on_one_channel_do_not_keep_a_station_that_has_left() -> None:
    """Seen with real radios: both nodes got one for each poll, and claimed the station from each other for ever."""
    lab = Lab(2)
    lab.one_channel = True
    lab.join(1, ALICE)
    lab.lease(1, ALICE)
    before = seqno_of(lab, 1)
    lab.join(2, ALICE)
    lab.wait(1)
    assert lab[1].all(do.Disassociate) == [do.Disassociate("wlan0", ALICE)]
    assert owners(lab) == [id_of(2)] * 2
    assert seqno_of(lab, 1) == before + 1


def test_acknowledgements_of_a_station_without_any_address_are_believed_once() -> None:
    lab = Lab(2)
    lab.one_channel = True
    lab.join(1, ALICE)
    lab.join(2, ALICE)
    lab.wait(5)
    assert owners(lab) == [id_of(2)] * 2
    assert seqno_of(lab, 1) <= 3
    assert lab[1].all(do.Disassociate) == [do.Disassociate("wlan0", ALICE)]
    assert lab[2].all(do.Disassociate) == []
    # It comes back to the first node, and that begins anew.
    lab.join(1, ALICE)
    lab.wait(5)
    assert owners(lab) == [id_of(1)] * 2
    assert lab[2].all(do.Disassociate) == [do.Disassociate("wlan0", ALICE)]
