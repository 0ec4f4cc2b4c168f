"""What stations call themselves: learned, flooded when it changes, bounded, shown without harm."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sroamd import constants
from sroamd.addresses import Mac
from sroamd.config import Reservation
from sroamd.core import effects as do
from sroamd.core import events as ev
from sroamd.core.status import report
from sroamd.wire.datum import HOSTNAME, hostname_key
from sroamd.wire.dhcpv4 import DhcpMessage, MessageType
from sroamd.wire.flood import Update
from tests.core.answers import counted, kind_of
from tests.core.harness import ALICE, BOB, Lab, mac
from tests.core.messages import discover, init_reboot, renew, select
from tests.core.reloading import reload


def called(message: DhcpMessage, name: bytes, option: int = 12) -> DhcpMessage:
    return replace(message, options={**message.options, option: name})


def lab_with_alice(count: int = 2) -> Lab:
    lab = Lab(count)
    lab.join(1, ALICE)
    return lab


def name_at(lab: Lab, number: int, station: Mac = ALICE) -> str | None:
    return lab[number].node.hostnames.of(station, lab.now)


def names_told(lab: Lab) -> int:
    updates = (u for host in lab.hosts for sent in host.all(do.SendUpdates) for u in sent.updates)
    return sum(update.key[0] == HOSTNAME for update in updates)


def test_name_is_known_at_every_node_as_soon_as_the_address_is_acknowledged() -> None:
    lab = lab_with_alice()
    (offer,) = lab.dhcp(1, called(discover(ALICE), b"phone"))
    assert [name_at(lab, number) for number in (1, 2)] == [None, None]
    lab.dhcp(1, called(select(ALICE, offer.message.yiaddr), b"phone"))
    assert [name_at(lab, number) for number in (1, 2)] == ["phone", "phone"]
    assert lab[1].all(do.Note)[-1].text == f"ACK {ALICE}: {offer.message.yiaddr} for 1800 s, phone"


def test_a_roam_tells_no_name_again_and_a_renewal_only_before_it_would_end() -> None:
    lab = lab_with_alice()
    address = lab.lease(1, ALICE)
    lab.dhcp(1, called(renew(ALICE, address), b"phone"))
    for host in lab.hosts:
        host.forget()
    lab.join(2, ALICE)
    assert kind_of(lab.dhcp(2, called(init_reboot(ALICE, address), b"phone"))) == ["ACK"]
    assert names_told(lab) == 0
    for _ in range(12):
        lab.wait(900)
        assert kind_of(lab.dhcp(2, called(renew(ALICE, address), b"phone"))) == ["ACK"]
        assert name_at(lab, 1) == "phone"
    assert 3 <= names_told(lab) <= 6


def test_a_name_that_changes_is_told_and_one_that_is_missing_changes_nothing() -> None:
    lab = lab_with_alice()
    address = lab.lease(1, ALICE)
    for name, known in ((b"one", "one"), (b"two", "two"), (b"", "two")):
        lab.dhcp(1, called(renew(ALICE, address), name) if name else renew(ALICE, address))
        assert name_at(lab, 2) == known


def test_a_name_ends_with_the_lease() -> None:
    lab = lab_with_alice()
    address = lab.lease(1, ALICE)
    lab.dhcp(1, called(renew(ALICE, address), b"phone"))
    lab.leave(1, ALICE)
    lab.wait(constants.LEASE_LIFE - 1)
    assert name_at(lab, 2) == "phone"
    lab.wait(constants.LEASE_LIFE + 2)
    assert name_at(lab, 2) is None
    lab.wait(constants.ASSOCIATION_HOLD)
    assert lab[2].node.database.get(hostname_key(ALICE)) is None


def test_a_station_that_changes_its_name_all_the_time_is_told_of_a_few_times() -> None:
    lab = lab_with_alice()
    address = lab.lease(1, ALICE)
    for number in range(30):
        lab.dhcp(1, called(renew(ALICE, address), b"name%d" % number))
    assert name_at(lab, 2) == f"name{constants.HOSTNAMES_BURST - 1}"
    assert counted(lab, "hostname.limited") == 30 - constants.HOSTNAMES_BURST
    lab.wait(constants.HOSTNAME_INTERVAL)
    lab.dhcp(1, called(renew(ALICE, address), b"last"))
    assert name_at(lab, 2) == "last"


@pytest.mark.conformance("c10")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
        (b"\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        (b"phone\r\nfake log", "phone\\x0d\\x0afake log"),
        (b"nul\0nul", "nul\\x00nul"),
        ("\u202egnp.exe".encode(), "\\u202egnp.exe"),
        (b"\xc2\x9b31m\x9b", "\\x9b31m\\x9b"),
        (b"x" * 255, "x" * 63),
        ("b\u00fccher".encode(), "b\u00fccher"),
        (b"xn--bcher-kva", "xn--bcher-kva"),
    ],
)
def test_c10_names_are_kept_as_octets_and_shown_without_harm(name: bytes, shown: str) -> None:
    lab = lab_with_alice()
    address = lab.lease(1, ALICE)
    lab.dhcp(1, called(renew(ALICE, address), name))
    datum = lab[2].node.database.get(hostname_key(ALICE))
    assert datum is not None
    assert datum.value == name[: constants.HOSTNAME_MAX]
    assert name_at(lab, 2) == shown
    for topic in ("stations", "database", "leases"):
        rows = report(lab[2].node, topic, None, lab.now)
        texts = [str(value) for row in rows for value in row.values()]  # type: ignore[union-attr]
        assert shown in texts
        assert all(text.isprintable() for text in texts)
    assert all(note.text.isprintable() for note in lab[1].all(do.Note))


@pytest.mark.conformance("r4702_fqdn")
def test_r4702_fqdn_is_answered_in_offers_and_acknowledgements_and_kept_as_the_name() -> None:
    lab = lab_with_alice()
    asked = b"\x05\0\0\x05phone\x07example\0"
    (offer,) = lab.dhcp(1, called(discover(ALICE), asked, 81))
    (ack,) = lab.dhcp(1, called(select(ALICE, offer.message.yiaddr), asked, 81))
    assert offer.message.options[81] == ack.message.options[81] == b"\x0e\xff\xff" + asked[3:]
    assert name_at(lab, 2) == "phone.example"
    lab.join(1, BOB)
    (nak,) = lab.dhcp(1, called(renew(BOB, offer.message.yiaddr), asked, 81))
    assert (nak.message.message_type, 81 in nak.message.options) == (MessageType.NAK, False)
    (plain,) = lab.dhcp(1, discover(BOB))
    assert 81 not in plain.message.options


def test_a_reserved_name_is_told_to_who_asks_and_shown_in_place_of_its_own() -> None:
    lab = lab_with_alice()
    reload(lab, reservations=(Reservation(mac=ALICE, hostname="printer"),))
    for wanted, told in ((b"\x01\x0c", b"printer"), (b"\x01", None)):
        (offer,) = lab.dhcp(1, called(called(discover(ALICE), b"own"), wanted, 55))
        assert offer.message.options.get(12) == told
    lab.dhcp(1, called(select(ALICE, offer.message.yiaddr), b"own"))
    assert name_at(lab, 2) == "printer"


def test_names_fill_no_more_than_their_share_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HOSTNAMES_MAX", 3)
    lab = lab_with_alice()
    updates = tuple(Update(0, 3600, hostname_key(mac(number)), b"x") for number in range(5))
    lab.do(1, ev.UpdatesReceived(2, updates))
    assert counted(lab, "flood.hostnames-full") == 2
    address = lab.lease(1, ALICE)
    lab.dhcp(1, called(renew(ALICE, address), b"phone"))
    assert counted(lab, "hostname.full") == 1
    assert name_at(lab, 1) is None


def test_names_that_are_too_long_are_refused_of_peers() -> None:
    lab = lab_with_alice()
    long = Update(0, 3600, hostname_key(BOB), b"x" * (constants.HOSTNAME_MAX + 1))
    lab.do(1, ev.UpdatesReceived(2, (long, Update(0, 3600, hostname_key(BOB)[:-1], b"x"))))
    assert counted(lab, "flood.malformed-datum") == 2
