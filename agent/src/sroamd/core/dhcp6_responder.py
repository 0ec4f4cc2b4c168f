"""Stateless DHCPv6, where it is configured: RFC 8415 section 18.3.6. It tells what router advertisements tell, and NTP
servers, to clients that look for it there; addresses it has none.

All nodes are one server: they have the same identifier, made from what they have in common.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from ipaddress import IPv6Address

from sroamd import constants
from sroamd.config import Config
from sroamd.core.allowance import Allowance
from sroamd.core.effects import SendDhcp6
from sroamd.core.events import Dhcp6Received
from sroamd.core.turn import State, Turn
from sroamd.wire import dhcpv6
from sroamd.wire.dhcpv6 import Dhcp6Message
from sroamd.wire.domains import encode_domains

DUID_UUID = b"\0\4"  # RFC 6355
ADDRESS_OPTIONS = frozenset((dhcpv6.OPTION_IA_NA, dhcpv6.OPTION_IA_TA, dhcpv6.OPTION_IA_PD))


class Dhcp6Responder:
    def __init__(self, state: State) -> None:
        self._state = state
        self._answers = Allowance(constants.RA_SOLICITED_BURST, constants.RA_SOLICITED_INTERVAL)
        self.counters: Counter[str] = Counter()
        self.config_changed()

    def config_changed(self) -> None:
        config = self._state.config
        self._enabled = config.dhcp6.stateless
        self._server_id = server_id(config)
        self._told = dict(_told(config))

    def received(self, turn: Turn, event: Dhcp6Received) -> None:
        """Heard as DHCPv4 is: of a station that is authorised on this very interface."""
        station, request = event.source, event.message
        if self._state.present.get(station) != event.interface:
            self.counters["dhcp6.unauthorised"] += 1
        elif not self._enabled or not self._is_for_us(request):
            self.counters["dhcp6.ignored"] += 1
        elif not self._answers.take(station, turn.now):
            self.counters["dhcp6.rate-limited"] += 1
        else:
            self.counters["dhcp6.replied"] += 1
            gateway = self._state.config.network.ipv6_gateway
            turn.said.append(SendDhcp6(event.interface, station, gateway, event.source_ip, self._reply(request)))

    def _is_for_us(self, request: Dhcp6Message) -> bool:
        """RFC 8415 section 16.12: no other server's, and no addresses are asked for."""
        return (
            request.kind == dhcpv6.INFORMATION_REQUEST
            and request.options.get(dhcpv6.OPTION_SERVER_ID, self._server_id) == self._server_id
            and ADDRESS_OPTIONS.isdisjoint(request.options)
        )

    def _reply(self, request: Dhcp6Message) -> Dhcp6Message:
        options = {dhcpv6.OPTION_SERVER_ID: self._server_id}
        if dhcpv6.OPTION_CLIENT_ID in request.options:
            options[dhcpv6.OPTION_CLIENT_ID] = request.options[dhcpv6.OPTION_CLIENT_ID]
        options.update((code, self._told[code]) for code in request.option_request if code in self._told)
        return Dhcp6Message(dhcpv6.REPLY, request.transaction, options)


def server_id(config: Config) -> bytes:
    """A DUID-UUID, the same on all nodes of the network and at all times (RFC 8415 section 11)."""
    network = config.network
    seed = f"DHCPv6 {network.ipv4_prefix} {network.ipv4_gateway} {network.ipv6_gateway}"
    uuid = bytearray(sha256(seed.encode()).digest()[:16])
    uuid[6] = uuid[6] & 0x0F | 0x80  # version 8: our own way (RFC 9562 section 5.8)
    uuid[8] = uuid[8] & 0x3F | 0x80
    return DUID_UUID + bytes(uuid)


def _told(config: Config) -> Iterator[tuple[int, bytes]]:
    network = config.network
    servers, clocks = (
        [address for address in each if isinstance(address, IPv6Address)]
        for each in (network.nameservers, network.ntp_servers)
    )
    if servers:
        yield dhcpv6.OPTION_DNS, b"".join(server.packed for server in servers)
    if network.search:
        yield dhcpv6.OPTION_DOMAIN_LIST, encode_domains(network.search)
    if clocks:
        yield dhcpv6.OPTION_NTP, dhcpv6.encode_ntp(clocks)
    if network.captive_portal:
        yield dhcpv6.OPTION_CAPTIVE_PORTAL, network.captive_portal.encode()
    yield dhcpv6.OPTION_INFORMATION_REFRESH_TIME, constants.DHCP6_REFRESH.to_bytes(4, "big")
