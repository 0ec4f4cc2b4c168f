"""docs/protocol.md says what the code does: its timers and limits, its examples in octets, the models that it names."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest

from sroamd import constants
from sroamd.addresses import Mac, NodeId
from sroamd.core.fingerprints import bucket_of, fingerprint
from sroamd.core.pools import Pool
from sroamd.core.ring import Ring
from sroamd.wire import census, datum, flood, summary
from sroamd.wire.datum import association_key, ipv4_lease_key, lease_prefix
from sroamd.wire.flood import Hello, Update, encode_hello, encode_update

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/protocol.md").read_text()
MODELS = (ROOT / "agent/tests/model/configurations.py").read_text()

STATION = Mac(bytes.fromhex("020000000107"))
NODES = tuple(NodeId(bytes.fromhex(f"020000fffe00000{number}")) for number in (1, 2, 3))

# What no other node can tell: how this implementation treats its own kernel, its own stations' frames, its own log, and
# what it tells stations beside their addresses.
OWN_AFFAIRS = re.compile(
    "ADOPT_TIME|ANNOUNCE_AT|AVOIDED_MAX|DECISIONS_|DEMOTED_BLIND_TIME|DIRECT_|EVENT_QUEUE_MAX|FRAMES_|GUARD_|MUTE|"
    "NODE_CORRECTION|RA_|POOL_ALARM|REINSTALL_|ROUTE_|SHORTAGE_|STATION_FRAMES_|VACANCIES_MAX|"
    "DHCP6_|FORMER_PREFIXES_MAX|NAMESERVERS_MAX|OPTIONS_MAX|ROUTES_MAX|SEARCH_MAX|V6ONLY_"
)


def rows_of(section: str) -> list[list[str]]:
    """The cells of all table rows between the heading that begins so and the next of its kind."""
    part = re.split(r"^## ", TEXT.split(f"\n## {section}")[1], flags=re.MULTILINE)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]


def limits() -> dict[str, float]:
    """What section 13 says, by name."""
    rows = (row for row in rows_of("13") if row[0].startswith("`"))
    return {row[0].strip("`"): float(row[1].replace(",", "")) for row in rows}


@pytest.mark.parametrize(("name", "value"), limits().items())
def test_a_timer_or_limit_is_as_the_document_says(name: str, value: float) -> None:
    assert getattr(constants, name) == value


def test_no_timer_or_limit_of_the_protocol_is_missing() -> None:
    names = {name for name in vars(constants) if name.isupper() and not OWN_AFFAIRS.match(name)}
    assert names - limits().keys() == set()


def test_the_examples_in_octets_are_what_the_code_sends() -> None:
    key, value = association_key(STATION), bytes(NODES[0])
    digest = fingerprint(key, 5, value).to_bytes(8, "big")

    assert encode_update(Update(5, 5400, key, value)).hex() in TEXT
    assert f"{digest.hex()}, in bucket {bucket_of(key)}\n" in TEXT
    assert encode_hello(Hello(NODES[0], 3, digest, 1, "ap1", repairs=True)).hex() in TEXT


@pytest.mark.parametrize(
    ("pool", "places"), [(IPv4Network("192.0.2.0/24"), 4), (IPv6Network("2001:db8:44::/48"), 3)], ids=str
)
def test_the_walks_begin_as_the_document_says(pool: IPv4Network | IPv6Network, places: int) -> None:
    of = Pool.of(pool)
    prefixes = [lease_prefix(of.key(place)) for place in list(of.walk(STATION))[:places]]
    if isinstance(pool, IPv4Network):
        said = [str(prefixes[0].network_address), *(f".{prefix.network_address.packed[3]}" for prefix in prefixes[1:])]
    else:
        said = list(map(str, prefixes))

    assert ", ".join(said) in " ".join(TEXT.split())


def test_the_ring_is_divided_as_the_document_says() -> None:
    pool = IPv4Network("192.0.2.0/24")
    owners = [Ring(NODES).owner(ipv4_lease_key(pool[number])) for number in (77, 79, 81)]

    assert [owner[7] for owner in owners] == [3, 1, 2]
    assert "192.0.2.77, .79 and .81 that is :03, :01 and :02" in " ".join(TEXT.split())


def test_every_type_has_its_row() -> None:
    messages = {
        value for module in (flood, summary, census) for name, value in vars(module).items() if name[:4] == "TLV_"
    }
    keys = {datum.IPV4_LEASE, datum.IPV6_LEASE, datum.ASSOCIATION, datum.NODE, datum.EVIDENCE, datum.LINKS}
    keys.add(datum.HOSTNAME)

    assert messages == {int(row[0]) for row in rows_of("3") if row[0].isdigit()}
    assert keys == {int(row[0].split()[0]) for row in rows_of("4") if row[0][0].isdigit()}


def test_every_configuration_of_a_model_that_is_named_exists() -> None:
    named = [
        row[0] for row in rows_of("15") if len(row) == 4 and row[1].replace(",", "").isdigit() and row[2].isdigit()
    ]

    assert named
    assert [name for name in named if f'"{name}"' not in MODELS] == []
