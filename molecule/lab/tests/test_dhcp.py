"""The lease script, run with a recorder in the place of `ip`, and what the station makes of its notes."""

from __future__ import annotations

import os
import subprocess
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from lab.dhcp import parse_lease

SCRIPT = Path(__file__).parent.parent / "udhcpc.sh"
GRANTED = {
    "interface": "wlan0",
    "ip": "192.0.2.20",
    "mask": "32",
    "router": "192.0.2.1",
    "serverid": "192.0.2.1",
    "lease": "1800",
    "dns": "192.0.2.53 198.51.100.53",
    "staticroutes": "192.0.2.1/32 0.0.0.0 0.0.0.0/0 192.0.2.1",
}


class Client:
    """Calls the script as udhcpc does."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        recorder = directory / "ip"
        recorder.write_text(
            '#!/bin/sh\necho "$*" >>"$LAB_STATE/calls"\n[ "$2" != -o ] || cat "$LAB_STATE/configured"\n'
        )
        recorder.chmod(0o755)
        (directory / "configured").write_text("")

    def event(self, name: str, **options: str) -> list[str]:
        """Run the script for an event; returns the `ip` commands that it gave."""
        (self.directory / "calls").write_text("")
        path = f"{self.directory}:{os.environ['PATH']}"
        environment = {**options, "LAB_STATE": str(self.directory), "PATH": path}
        subprocess.run([SCRIPT, name], env=environment, check=True)
        return (self.directory / "calls").read_text().splitlines()


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path)


def test_a_host_address_is_routed_by_option_121(client: Client) -> None:
    commands = client.event("bound", **GRANTED)
    assert commands[1:] == [
        "-4 address replace 192.0.2.20/32 dev wlan0",
        "-4 route replace 192.0.2.1/32 dev wlan0 scope link src 192.0.2.20",
        "-4 route replace 0.0.0.0/0 via 192.0.2.1 dev wlan0 src 192.0.2.20 onlink",
    ]


def test_without_option_121_the_router_option_counts(client: Client) -> None:
    commands = client.event("bound", **{**GRANTED, "mask": "24", "staticroutes": ""})
    assert commands[-1] == "-4 route replace 0.0.0.0/0 via 192.0.2.1 dev wlan0 src 192.0.2.20 onlink"


def test_an_address_that_stays_is_never_taken_away(client: Client) -> None:
    (client.directory / "configured").write_text("2: wlan0 inet 192.0.2.20/32 scope global wlan0\n")
    assert not [command for command in client.event("renew", **GRANTED) if " del " in command]


def test_an_address_of_an_earlier_lease_goes(client: Client) -> None:
    (client.directory / "configured").write_text("2: wlan0 inet 192.0.2.99/32 scope global wlan0\n")
    assert "-4 address del 192.0.2.99/32 dev wlan0" in client.event("bound", **GRANTED)


def test_the_lease_is_noted_and_read(client: Client) -> None:
    client.event("bound", **GRANTED)
    lease = parse_lease((client.directory / "lease").read_text())
    assert lease.address == IPv4Interface("192.0.2.20/32")
    assert lease.server == IPv4Address("192.0.2.1")
    assert lease.seconds == 1800
    assert lease.routes == (("192.0.2.1/32", "0.0.0.0"), ("0.0.0.0/0", "192.0.2.1"))
    assert lease.nameservers == (IPv4Address("192.0.2.53"), IPv4Address("198.51.100.53"))


def test_a_lost_lease_takes_the_address_along(client: Client) -> None:
    client.event("bound", **GRANTED)
    assert client.event("deconfig", interface="wlan0") == ["-4 address flush dev wlan0 scope global"]
    assert not (client.directory / "lease").exists()
    assert (client.directory / "events").read_text().split() == ["bound", "deconfig"]
