"""The options of a reply: RFC 2131 section 4.3.1 table 3, in the client's order (RFC 2132 section 9.8), but for the
subnet mask, which must come before the router (RFC 2132 section 3.3).

What no request changes is made once, when the configuration is loaded. Mask, router, routes and name servers go to all
clients; everything else to those that list it, and to those that list nothing at all; IPv6-only to those that list it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network

from sroamd.config import Config, IpAddress
from sroamd.wire.dhcpv4 import (
    OPTION_AUTO_CONFIGURE,
    OPTION_CAPTIVE_PORTAL,
    OPTION_CLASSLESS_ROUTES,
    OPTION_CLIENT_ID,
    OPTION_DNS,
    OPTION_DOMAIN_NAME,
    OPTION_DOMAIN_SEARCH,
    OPTION_IPV6_ONLY,
    OPTION_LEASE_TIME,
    OPTION_MTU,
    OPTION_NTP,
    OPTION_PARAMETER_REQUEST_LIST,
    OPTION_RAPID_COMMIT,
    OPTION_REBINDING_TIME,
    OPTION_RENEWAL_TIME,
    OPTION_ROUTER,
    OPTION_SERVER_ID,
    OPTION_SUBNET_MASK,
    DhcpMessage,
    MessageType,
    classless_routes,
)
from sroamd.wire.domains import encode_domains

HOST_MASK = IPv4Address("255.255.255.255")
ON_LINK = IPv4Address(0)
DEFAULT_ROUTE = IPv4Network("0.0.0.0/0")
LISTS_MAX = 128  # parameter request lists that are remembered, with what is said to each
MAY_AUTO_CONFIGURE = b"\1"


class ReplyOptions:
    """Those of one configuration. `server`: its identifier."""

    def __init__(self, config: Config) -> None:
        dhcp4 = config.dhcp4
        self._renew_at, self._rebind_at = dhcp4.renew_at, dhcp4.rebind_at
        self._ipv6_only = None if dhcp4.ipv6_only is None else dhcp4.ipv6_only.to_bytes(4, "big")
        self._auto_configure = None if dhcp4.auto_configure is None else bytes((dhcp4.auto_configure,))
        self._rapid_commit = dhcp4.rapid_commit
        self.server = config.network.ipv4_gateway
        self._server_packed = self.server.packed
        self._for_all = dict(_for_all(config))
        self._unasked = self._for_all | dict(_on_request(config))  # to clients that list nothing
        self._asked = dict(self._unasked)
        if self._ipv6_only is not None:
            self._asked[OPTION_IPV6_ONLY] = self._ipv6_only
        # Devices of one make all have the same list, so a few lists serve nearly all of them.
        self._listed = lru_cache(maxsize=LISTS_MAX)(self._make_listed)

    @property
    def lists_remembered(self) -> int:
        return self._listed.cache_info().currsize

    # -- what the client asks for beside an address

    def wants_no_ipv4(self, request: DhcpMessage) -> bool:
        """It can do without, and here it shall (RFC 8925 section 3.3)."""
        return self._ipv6_only is not None and OPTION_IPV6_ONLY in request.parameter_request_list

    def wants_rapid_commit(self, request: DhcpMessage) -> bool:
        """RFC 4039 section 3: allowed in a DISCOVER only."""
        return self._rapid_commit and request.options.get(OPTION_RAPID_COMMIT) == b""

    def asks_what_to_do_without(self, request: DhcpMessage) -> bool:
        """Whether it may make up a link-local address if it gets none, and we have an answer (RFC 2563 section 2.3)."""
        return self._auto_configure is not None and request.options.get(OPTION_AUTO_CONFIGURE) == MAY_AUTO_CONFIGURE

    # -- replies

    def nak(self, request: DhcpMessage) -> dict[int, bytes]:
        return self._framed(request, {})

    def without_address(self, request: DhcpMessage) -> dict[int, bytes]:
        """Of an offer of 0.0.0.0."""
        options = {}
        if self._auto_configure is not None and self.asks_what_to_do_without(request):
            options[OPTION_AUTO_CONFIGURE] = self._auto_configure
        if self._ipv6_only is not None and self.wants_no_ipv4(request):
            options[OPTION_IPV6_ONLY] = self._ipv6_only
        return self._framed(request, options)

    def parameters(self, request: DhcpMessage, kind: MessageType, life: int) -> dict[int, bytes]:
        """`life` 0: no lease goes with it (the answer to an INFORM)."""
        options = {OPTION_SERVER_ID: self._server_packed}
        if life:
            options[OPTION_LEASE_TIME] = life.to_bytes(4, "big")
            options[OPTION_RENEWAL_TIME] = int(life * self._renew_at).to_bytes(4, "big")
            options[OPTION_REBINDING_TIME] = int(life * self._rebind_at).to_bytes(4, "big")
        if kind is MessageType.ACK and request.message_type is MessageType.DISCOVER:
            options[OPTION_RAPID_COMMIT] = b""  # RFC 4039 section 3.1
        listed = request.options.get(OPTION_PARAMETER_REQUEST_LIST, b"")
        options.update(self._listed(listed, bool(life)))
        return self._with_client_id(request, options)

    def _make_listed(self, listed: bytes, with_lease: bool) -> dict[int, bytes]:
        """What is the same for all clients with this list."""
        options = {OPTION_SUBNET_MASK: self._for_all[OPTION_SUBNET_MASK]}
        known = self._asked if with_lease else self._unasked  # RFC 8925 section 3.3: never without an address of ours
        options.update((code, known[code]) for code in listed if code in known)
        for code, value in (self._for_all if listed else self._unasked).items():
            options.setdefault(code, value)
        return options

    def _framed(self, request: DhcpMessage, options: dict[int, bytes]) -> dict[int, bytes]:
        return self._with_client_id(request, {OPTION_SERVER_ID: self._server_packed, **options})

    def _with_client_id(self, request: DhcpMessage, options: dict[int, bytes]) -> dict[int, bytes]:
        if request.client_id is not None:
            options[OPTION_CLIENT_ID] = request.client_id  # unaltered, in every reply: RFC 6842 section 3
        return options


def _for_all(config: Config) -> Iterator[tuple[int, bytes]]:
    network = config.network
    is_host = config.dhcp4.netmask == "host"
    yield OPTION_SUBNET_MASK, (HOST_MASK if is_host else network.ipv4_prefix.netmask).packed
    yield OPTION_ROUTER, network.ipv4_gateway.packed
    if servers := _packed(network.nameservers):
        yield OPTION_DNS, servers
    yield OPTION_CLASSLESS_ROUTES, classless_routes(_routes(config))
    yield from ((option.code, option.value) for option in config.dhcp4.options if option.always)


def _on_request(config: Config) -> Iterator[tuple[int, bytes]]:
    network = config.network
    if network.domain:
        yield OPTION_DOMAIN_NAME, network.domain.encode()
    if network.search:
        yield OPTION_DOMAIN_SEARCH, encode_domains(network.search)
    if network.mtu is not None:
        yield OPTION_MTU, network.mtu.to_bytes(2, "big")
    if servers := _packed(network.ntp_servers):
        yield OPTION_NTP, servers
    if network.captive_portal:
        yield OPTION_CAPTIVE_PORTAL, network.captive_portal.encode()
    yield from ((option.code, option.value) for option in config.dhcp4.options if not option.always)


def _packed(addresses: tuple[IpAddress, ...]) -> bytes:
    return b"".join(address.packed for address in addresses if isinstance(address, IPv4Address))


def _routes(config: Config) -> Iterator[tuple[IPv4Network, IPv4Address]]:
    """A /32 needs the gateway's own route first. The router option does not count beside these (RFC 3442)."""
    gateway = config.network.ipv4_gateway
    if config.dhcp4.netmask == "host":
        yield IPv4Network(gateway), ON_LINK
    yield DEFAULT_ROUTE, gateway
    yield from ((route.prefix, gateway if route.via is None else route.via) for route in config.dhcp4.routes)
