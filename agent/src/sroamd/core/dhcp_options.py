"""The options of a reply: RFC 2131 section 4.3.1 table 3, in the client's order (RFC 2132 section 9.8), but for the
subnet mask, which must come before the router (RFC 2132 section 3.3)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from sroamd.config import Config
from sroamd.wire.dhcpv4 import (
    OPTION_CLASSLESS_ROUTES,
    OPTION_CLIENT_ID,
    OPTION_DNS,
    OPTION_LEASE_TIME,
    OPTION_REBINDING_TIME,
    OPTION_RENEWAL_TIME,
    OPTION_ROUTER,
    OPTION_SERVER_ID,
    OPTION_SUBNET_MASK,
    DhcpMessage,
    MessageType,
    classless_routes,
)

HOST_MASK = IPv4Address("255.255.255.255")
ON_LINK = IPv4Address(0)
DEFAULT_ROUTE = IPv4Network("0.0.0.0/0")


def reply_options(config: Config, request: DhcpMessage, kind: MessageType, life: int) -> dict[int, bytes]:
    """`life` 0: no lease goes with it (NAK, answer to INFORM)."""
    options = {OPTION_SERVER_ID: config.network.ipv4_gateway.packed}
    if kind is not MessageType.NAK:
        if life:
            options[OPTION_LEASE_TIME] = life.to_bytes(4, "big")
            options[OPTION_RENEWAL_TIME] = (life // 2).to_bytes(4, "big")
            options[OPTION_REBINDING_TIME] = (life * 7 // 8).to_bytes(4, "big")
        offered = _configured(config)
        wanted = [OPTION_SUBNET_MASK, *(code for code in request.parameter_request_list if code in offered)]
        options.update((code, offered[code]) for code in dict.fromkeys([*wanted, *offered]))
    if request.client_id is not None:
        options[OPTION_CLIENT_ID] = request.client_id  # unaltered, in every reply: RFC 6842 section 3
    return options


def _configured(config: Config) -> dict[int, bytes]:
    """What we have to say about the network. A /32 needs the gateway's own route first (RFC 3442)."""
    network = config.network
    gateway = network.ipv4_gateway
    host = config.dhcp4.netmask == "host"
    options = {
        OPTION_SUBNET_MASK: (HOST_MASK if host else network.ipv4_prefix.netmask).packed,
        OPTION_ROUTER: gateway.packed,
    }
    servers = b"".join(server.packed for server in network.nameservers if isinstance(server, IPv4Address))
    if servers:
        options[OPTION_DNS] = servers
    routes = [(DEFAULT_ROUTE, gateway)]
    if host:
        routes.insert(0, (IPv4Network(gateway), ON_LINK))
    options[OPTION_CLASSLESS_ROUTES] = classless_routes(routes)
    return options
