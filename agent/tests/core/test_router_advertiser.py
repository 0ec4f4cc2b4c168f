"""A /64 for each station, told to it alone: RFC 4861, RFC 8273."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address

import pytest

from sroamd import constants
from sroamd.addresses import Mac
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.wire.icmpv6 import RouterSolicitation, decode_packet, encode_packet
from tests.core.harness import ALICE, BOB, GATEWAY6, POOL6, SERVERS, Lab, mac

UNSPECIFIED = IPv6Address("::")
LINK_LOCAL = IPv6Address("fe80::107")


def solicit(
    lab: Lab, station: Mac, *, number: int = 1, source: IPv6Address = LINK_LOCAL, option: Mac | None = None
) -> list[do.SendRouterAdvertisement]:
    before = len(told(lab, number))
    lab.do(number, ev.RouterSolicited("wlan0", station, source, RouterSolicitation(option)))
    return told(lab, number)[before:]


def told(lab: Lab, number: int = 1) -> list[do.SendRouterAdvertisement]:
    return lab[number].all(do.SendRouterAdvertisement)


def test_router_is_advertised_at_association_and_once_more_when_frames_get_through() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    assert len(told(lab)) == 1
    lab.wait(0.19)
    assert len(told(lab)) == 1
    lab.wait(0.02)
    assert len(told(lab)) == 2


@pytest.mark.spec("RFC 8273", "4")
@pytest.mark.conformance("r8273_4_flags")
def test_r8273_4_flags_autonomous_not_on_link_not_managed() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    (sent,) = told(lab)
    content = sent.advertisement
    (prefix,) = content.prefixes
    assert (prefix.on_link, prefix.autonomous) == (False, True)
    assert (content.managed, content.other) == (False, False)
    assert (prefix.prefix.prefixlen, prefix.prefix.subnet_of(POOL6)) == (64, True)
    assert (prefix.valid, prefix.preferred, content.lifetime) == (7200, 3600, 3600)
    assert (sent.interface, sent.station, sent.source) == ("wlan0", ALICE, GATEWAY6)
    assert (content.mtu, content.source_link_layer) == (None, Mac(b"\x02\0\0\xee\0\x01"))
    assert (content.rdnss, content.rdnss_lifetime) == ((SERVERS[1],), 3600)


def test_advertisement_survives_the_wire() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    (sent,) = told(lab)
    packet = encode_packet(sent.source, IPv6Address("ff02::1"), sent.advertisement)
    assert decode_packet(packet).message == sent.advertisement


@pytest.mark.spec("RFC 8273", "4")
@pytest.mark.conformance("r8273_isol")
def test_r8273_isol_no_station_is_told_anothers_prefix() -> None:
    lab = Lab(2)
    for number in range(30):
        lab.join(1 + number % 2, mac(number))
    for number in range(30):
        lab.join(2 - number % 2, mac(number))
    prefixes: dict[Mac, set[object]] = {}
    for host in lab.hosts:
        for sent in host.all(do.SendRouterAdvertisement):
            prefixes.setdefault(sent.station, set()).update(p.prefix for p in sent.advertisement.prefixes)
    assert [len(found) for found in prefixes.values()] == [1] * 30
    assert len(set.union(*prefixes.values())) == 30


@pytest.mark.spec("RFC 4861", "6.2.7")
@pytest.mark.conformance("r4861_627_consist")
def test_r4861_627_consist_all_nodes_say_the_same_but_for_the_link_layer_address() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.wait(constants.CONTEST_TIME)
    lab.join(2, ALICE)
    (one,), (other,) = told(lab, 1), told(lab, 2)
    assert one.advertisement.source_link_layer != other.advertisement.source_link_layer
    assert replace(one.advertisement, source_link_layer=None) == replace(other.advertisement, source_link_layer=None)


# -- solicitations


@pytest.mark.spec("RFC 4861", "6.2.6")
@pytest.mark.parametrize("source", [LINK_LOCAL, UNSPECIFIED], ids=["link-local", "unspecified, during DAD"])
@pytest.mark.parametrize("option", [None, ALICE], ids=["no option", "own address"])
@pytest.mark.conformance("r4862_54_dad")
def test_r4862_54_dad_and_others_are_answered(source: IPv6Address, option: Mac | None) -> None:
    lab = Lab()
    lab.join(1, ALICE)
    (answer,) = solicit(lab, ALICE, source=source, option=option)
    assert answer.station == ALICE


@pytest.mark.conformance("c04")
def test_c04_solicitation_in_anothers_name_is_ignored_and_counted() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab.join(1, BOB)
    assert solicit(lab, BOB, option=ALICE) == []
    assert solicit(lab, mac(1)) == []
    assert lab[1].node.counters["ra.unauthorised"] == 2


def test_solicitation_at_a_node_where_the_station_is_not_is_ignored() -> None:
    lab = Lab(2)
    lab.join(2, ALICE)
    assert solicit(lab, ALICE, number=1) == []
    assert lab[2].node.database.alive == lab[1].node.database.alive


@pytest.mark.conformance("r4861_626_rate", "c19")
def test_c19_solicitations_are_rate_limited_per_station() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab.join(1, BOB)
    answers = [len(solicit(lab, ALICE)) for _ in range(50)]
    assert sum(answers) == constants.RA_SOLICITED_BURST
    assert lab[1].node.counters["ra.rate-limited"] == 50 - constants.RA_SOLICITED_BURST
    assert len(solicit(lab, BOB)) == 1
    lab.wait(constants.RA_SOLICITED_INTERVAL + 0.1)
    assert len(solicit(lab, ALICE)) == 1


def test_solicitations_over_the_limit_are_not_remembered() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    for _ in range(1000):
        solicit(lab, ALICE)
    assert len(lab[1].node.router_advertiser._answered[ALICE]) == constants.RA_SOLICITED_BURST


def test_stations_long_gone_take_no_memory() -> None:
    lab = Lab()
    for number in range(50):
        lab.join(1, mac(number))
        solicit(lab, mac(number))
        lab.leave(1, mac(number))
    lab.wait(2 * constants.RA_INTERVAL)
    assert lab[1].node.router_advertiser._answered == {}


# -- before the disk


def test_prefix_is_on_disk_before_its_station_hears_of_it() -> None:
    lab = Lab()
    lab[1].disk_is_slow = True
    lab.join(1, ALICE)
    assert told(lab) == []
    (stored,) = [stored for stored in lab[1].all(do.StoreLeases) if stored.ticket is not None]
    lab.do(1, ev.LeasesStored(stored.ticket))
    assert len(told(lab)) == 1


def test_solicitation_before_the_prefix_is_on_disk_waits_too() -> None:
    lab = Lab()
    lab[1].disk_is_slow = True
    lab.join(1, ALICE)
    solicit(lab, ALICE)
    lab.wait(0.5)
    assert told(lab) == []
    for ticket in list(lab[1].unwritten):
        lab.do(1, ev.LeasesStored(ticket))
    assert len(told(lab)) == 1


def test_station_that_leaves_before_the_disk_is_done_is_told_nothing() -> None:
    lab = Lab()
    lab[1].disk_is_slow = True
    lab.join(1, ALICE)
    lab.leave(1, ALICE)
    lab.do(1, ev.LeasesStored(lab[1].unwritten[-1]))
    assert told(lab) == []


def test_station_that_comes_back_while_its_prefix_is_being_written_is_told() -> None:
    lab = Lab()
    lab[1].disk_is_slow = True
    lab.join(1, ALICE)
    lab.leave(1, ALICE)
    lab.join(1, ALICE)
    lab.do(1, ev.LeasesStored(lab[1].unwritten[-1]))
    lab.wait(0.3)
    assert len(told(lab)) >= 2


# -- for how long


@pytest.mark.spec("RFC 7772", "")
@pytest.mark.conformance("r7772_unicast")
def test_it_is_advertised_again_before_half_of_any_lifetime() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab.wait(1)
    at = lab.now
    for _ in range(10):
        count = len(told(lab))
        while len(told(lab)) == count:
            lab.wait(10)
        latest = told(lab)[-1].advertisement
        shortest = min(latest.lifetime, latest.prefixes[0].preferred, latest.prefixes[0].valid, latest.rdnss_lifetime)
        assert lab.now - at < shortest / 2
        at = lab.now


@pytest.mark.conformance("r8273_5_nud")
def test_lease_always_outlives_what_the_station_was_told() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    for _ in range(200):
        lab.wait(200)
        (key,) = lab[1].node.database.leases_of(ALICE)
        datum = lab[1].node.database.get(key)
        assert datum is not None
        assert datum.remaining(lab.now) > constants.RA_VALID_LIFETIME - 1.2 * constants.RA_INTERVAL
    assert len({p.prefix for sent in told(lab) for p in sent.advertisement.prefixes}) == 1


def test_roam_floods_no_lease() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.wait(60)
    for host in lab.hosts:
        host.forget()
    lab.join(2, ALICE)
    flooded = {u.key[0] for host in lab.hosts for sent in host.all(do.SendUpdates) for u in sent.updates}
    assert flooded == {2}


def test_station_keeps_its_prefix_after_its_lease_has_run_out() -> None:
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.wait(constants.CONTEST_TIME)
    first = told(lab)[0].advertisement.prefixes
    lab.leave(1, ALICE)
    lab.wait(2 * constants.RA_VALID_LIFETIME + 600)
    lab.join(2, ALICE)
    lab.wait(constants.CONTEST_TIME)
    assert told(lab, 2)[0].advertisement.prefixes == first


@pytest.mark.spec("RFC 4861", "6.2.5")
@pytest.mark.conformance("r4861_625_final")
def test_r4861_625_final_no_advertisement_ever_has_lifetime_zero() -> None:
    """Defect 20 of the C daemon: its last word makes all its stations drop their router."""
    lab = Lab(2)
    lab.join(1, ALICE)
    lab.wait(5000)
    lab.join(2, ALICE)
    lab.do(2, ev.StopRequested())
    lab.leave(2, ALICE)
    for host in lab.hosts:
        for sent in host.all(do.SendRouterAdvertisement):
            assert sent.advertisement.lifetime == 3600
            assert all(prefix.valid and prefix.preferred for prefix in sent.advertisement.prefixes)


def test_no_router_is_advertised_to_one_who_has_left() -> None:
    lab = Lab()
    lab.join(1, ALICE)
    lab.leave(1, ALICE)
    lab[1].forget()
    lab.wait(3 * constants.RA_INTERVAL)
    assert told(lab) == []


@pytest.mark.conformance("c22")
def test_c22_exhausted_prefixes_are_reported() -> None:
    lab = Lab()
    network = replace(lab[1].config.network, ipv6_prefix=next(POOL6.subnets(new_prefix=63)))
    lab.do(1, ev.ConfigReloaded(replace(lab[1].config, network=network)))
    for number in range(3):
        lab.join(1, mac(number))
    assert len({sent.station for sent in told(lab)}) == 2
    assert lab[1].node.counters["ra.pool-exhausted"] == 1
    assert do.Level.ERROR in [note.level for note in lab[1].all(do.Note)]
