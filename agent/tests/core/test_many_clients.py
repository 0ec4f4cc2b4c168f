"""200 new clients in a /24, at two access points at one instant: the C daemon refuses a third of them."""

from __future__ import annotations

from ipaddress import IPv4Address
from random import Random

import pytest

from sroamd.addresses import Mac
from sroamd.core import events as ev
from sroamd.core.effects import SendDhcp
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType
from tests.core.harness import Lab, mac
from tests.core.messages import NOWHERE, discover, select

CLIENTS = 200


class Clients:
    """Each at one of the nodes, and no more patient than real ones: a DHCPDISCOVER is repeated after 4 s."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.at = {mac(number): 1 + number % 2 for number in range(CLIENTS)}
        self.leases: dict[Mac, IPv4Address] = {}
        self.heard: list[SendDhcp] = []
        for station, number in self.at.items():
            lab.join(number, station)

    def say(self, message: DhcpMessage) -> None:
        self.lab.do(self.at[message.chaddr], ev.DhcpReceived("wlan0", message.chaddr, NOWHERE, message))

    def hear(self, seconds: float, kind: MessageType) -> list[SendDhcp]:
        self.lab.wait(seconds)
        replies = [sent for host in self.lab.hosts for sent in host.replies()]
        for host in self.lab.hosts:
            host.forget()
        self.heard += replies
        return [sent for sent in replies if sent.message.message_type is kind]

    def all_ask(self, rng: Random) -> None:
        waiting = [station for station in self.at if station not in self.leases]
        rng.shuffle(waiting)
        for station in waiting:
            self.say(discover(station))
        for offer in self.hear(1.0, MessageType.OFFER):
            self.say(select(offer.station, offer.message.yiaddr))
        for ack in self.hear(3.0, MessageType.ACK):
            self.leases[ack.station] = ack.message.yiaddr


@pytest.mark.parametrize("delay", [0.001, 0.03])
def test_200_new_clients_at_two_access_points_at_once_get_200_leases_and_no_refusal(delay: float) -> None:
    """Whoever loses a contest is offered another address in its first exchange."""
    lab = Lab(2)
    lab.delay = delay
    clients = Clients(lab)
    lab.wait(3)
    for host in lab.hosts:
        host.forget()
    clients.all_ask(Random(1))
    assert len(clients.leases) == len(set(clients.leases.values())) == CLIENTS
    assert not [sent for sent in clients.heard if sent.message.message_type is MessageType.NAK]
    lab.wait(3)
    for host in lab.hosts:
        assert all(host.address(station, lab.now) == address for station, address in clients.leases.items())
