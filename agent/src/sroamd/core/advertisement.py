"""What a router advertisement says: RFC 4861 section 4.2, RFC 8273 section 4.

It is the same on all nodes (RFC 4861 section 6.2.7), and what is not one station's is made once, when the configuration
is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv6Address, IPv6Network

from sroamd.addresses import Mac
from sroamd.config import Config
from sroamd.wire.icmpv6 import Nat64Prefix, PrefixInformation, RouteInformation, RouterAdvertisement

HOP_LIMIT = 64


@dataclass(frozen=True, slots=True)
class Content:
    """`everybodys`: an advertisement without prefixes. `pool`: where these come from. `valid`, `preferred`: for so many
    seconds a station's own is."""

    everybodys: RouterAdvertisement
    pool: IPv6Network
    valid: int
    preferred: int

    @classmethod
    def of(cls, config: Config) -> Content:
        """A service that is withdrawn leaves nothing but valid addresses, which would be valid for two hours anyway
        (RFC 4862 section 5.5.3 (e))."""
        ra, network = config.ra, config.network
        life = 0 if ra.withdraw else ra.router_lifetime
        advertisement = RouterAdvertisement(
            hop_limit=HOP_LIMIT,
            managed=False,
            other=config.dhcp6.stateless,  # RFC 4861 section 4.2
            lifetime=life,
            mtu=network.mtu,
            rdnss=tuple(server for server in network.nameservers if isinstance(server, IPv6Address)),
            rdnss_lifetime=life,
            search=network.search,
            routes=tuple(RouteInformation(route.prefix, route.preference, life) for route in ra.routes),
            nat64=() if ra.nat64_prefix is None else (Nat64Prefix(ra.nat64_prefix, life),),
            captive_portal=network.captive_portal,
        )
        return cls(advertisement, network.ipv6_prefix, ra.valid_lifetime, 0 if ra.withdraw else ra.preferred_lifetime)

    def for_station(
        self, router: Mac | None, prefix: IPv6Network, given_up: Iterable[tuple[IPv6Network, int]]
    ) -> RouterAdvertisement:
        """`given_up`: prefixes that it has had, each with the seconds for which connections may use it still."""
        own = PrefixInformation(prefix, on_link=False, autonomous=True, valid=self.valid, preferred=self.preferred)
        others = (replace(own, prefix=each, valid=valid, preferred=0) for each, valid in given_up)
        return replace(self.everybodys, source_link_layer=router, prefixes=(own, *others))
