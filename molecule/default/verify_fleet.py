"""The fleet that Molecule has converged, under traffic: an upgrade in place, a release that fails, a roam.

    verify_fleet.py DIRECTORY

DIRECTORY is that of `fleet`. Prints what it found, and fails with the first thing that is not as it should be.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from fleet import Fleet, dying_slowly, must
from verify_role import verify_role

from lab.deploy import recap
from lab.station import Station
from lab.topology import CORRESPONDENT_IPV4, GATEWAY_IPV4, STATION_IPV4
from lab.traffic import Report, Traffic
from lab.walk import addresses

SETTLE = 2.0  # seconds after a roam or a restart that still belong to it
ANNOUNCED = 5.0  # seconds within which a new route of one host is known to another
ROAM_MS = 1000.0  # the longest silence of a roam
RATE = 100.0  # packets per second, direction and family
IP_RECVERR = 11  # linux/in.h
NEW_SECRET = "a-secret-that-nobody-may-read"
HOSTS = ("ap1", "ap2", "srv1")


def figures(report: Report) -> str:
    sent = sum(flow.sent for flow in report.flows)
    return f"{report.lost} of {sent} packets lost, longest silence {report.silence_ms:.0f} ms"


def verify_roam(station: Station, traffic: Traffic) -> None:
    before = addresses(station)
    for ap in ("ap2", "ap1"):
        roam = station.roam(ap)
        time.sleep(SETTLE)
        report = traffic.report(roam.started)
        print(f"roam to {ap}: {figures(report)}")
        must(report.silence_ms <= ROAM_MS, f"a roam took longer than {ROAM_MS:.0f} ms: {report}")
        must(addresses(station) == before, f"addresses were {before} and are {addresses(station)}")


def verify_upgrade(fleet: Fleet, station: Station, traffic: Traffic) -> None:
    """Every agent is replaced and restarted. Routes stay, so there is nothing that this should cost."""
    before, old = addresses(station), {host: fleet.release(host) for host in HOSTS}
    _, output = fleet.play("--tags", "agent,verify", *fleet.with_agent(fleet.agent(fleet.version)))
    restarts = [fleet.restart(host) for host in HOSTS]
    window = min(stopped for stopped, _ in restarts), max(ready for _, ready in restarts) + SETTLE
    report = traffic.report(*window)
    print(f"upgrade, all agents restarted within {window[1] - window[0] - SETTLE:.1f} s: {figures(report)}")
    must(report.lost == 0, f"the upgrade cost packets: {report}")
    must(report.survived, f"the upgrade cost a connection: {report.connections}")
    must(addresses(station) == before, f"addresses were {before} and are {addresses(station)}")
    for host in HOSTS:
        must(recap(output)[host]["changed"] > 0, f"{host}: nothing changed")
        must(fleet.status(host)["node"]["version"] == fleet.version, f"{host} runs {fleet.status(host)['node']}")
        kept = fleet.lab.run(host, ["ls", "/opt/sroamd/releases"]).stdout
        must(old[host] in kept.split(), f"{host}: the release before is gone, there is {kept}")


def verify_rollback(fleet: Fleet, traffic: Traffic) -> None:
    """A release that accepts its configuration and then dies at once, where the station is: the old one comes back."""
    good = fleet.release("ap1")
    broken = fleet.agent(f"{fleet.version}.1")
    service = broken / "src/sroamd/daemon/main.py"
    service.write_text(service.read_text().replace("    logs.configure(", "    sys.exit(7)\n    logs.configure("))
    started = time.monotonic()
    limits = ("--limit", "ap1", "--tags", "agent", "--extra-vars", "sroamd_health_timeout=5")
    with dying_slowly(fleet, "ap1"):
        status, output = fleet.play(*limits, *fleet.with_agent(broken), check=False)
    report = traffic.report(started)
    print(f"a release that does not start, and the way back: {figures(report)}")
    must(status != 0, "a release that does not start was taken for a good one")
    must("runs again, with its configuration" in output, output[output.find("fatal: [ap1]") :][:1500])
    must(fleet.release("ap1") == good, f"ap1 has {fleet.release('ap1')}, not {good}")
    must(fleet.status("ap1")["healthy"] is True, fleet.status("ap1"))
    must(report.lost == 0, f"the failed upgrade cost packets: {report}")


def verify_flooding_port(fleet: Fleet, station: Station) -> None:
    """What a station sends to the flooding port is dropped: at its own access point, and on the way to another node."""
    node = fleet.lab.topology.node("ap2")
    dial = "import socket, sys; socket.create_connection((sys.argv[1], 4444), 1)"
    for address in (str(GATEWAY_IPV4), str(node.router_ipv4), str(node.router_ipv6)):
        said = fleet.lab.run(station.name, [sys.executable, "-c", dial, address], check=False)
        must("TimeoutError" in said.stderr, f"the flooding port of {address} answered a station: {said}")
        reached = fleet.lab.run(station.name, ["busybox", "ping", "-c", "1", "-W", "2", address], check=False)
        must(reached.returncode == 0, f"a station cannot ping {address}: {reached.stdout}")
    rules = fleet.lab.run("ap1", ["nft", "--json", "list", "table", "inet", "sroamd"]).stdout
    expressions = [each["rule"]["expr"] for each in json.loads(rules)["nftables"] if "rule" in each]
    dropped = [part["counter"]["packets"] for expr in expressions for part in expr if "counter" in part]
    must(sum(count > 0 for count in dropped) == 3, f"each of three rules should have dropped something: {dropped}")
    print(f"a station at the flooding port: {sum(dropped)} packets dropped by ap1")


def verify_source_guard(fleet: Fleet, station: Station) -> None:
    """What the station sends from an address of its own choice ends at its access point, and is counted there."""
    row = fleet.where("ap1", station.mac)
    sets = fleet.lab.run("ap1", ["nft", "list", "table", "inet", "sroamd-guard"]).stdout
    for address in (*row["ipv4"], *(prefix.partition("/")[0] for prefix in row["ipv6"])):
        must(f'"wlan0" . {station.mac} . {address}' in sets, f"{address} of the station is not permitted:\n{sets}")
    foreign = str(STATION_IPV4[-3])
    fleet.lab.run(station.name, ["ip", "address", "add", f"{foreign}/32", "dev", "wlan0"])
    ping = ["busybox", "ping", "-c", "3", "-W", "1", "-I", foreign, str(GATEWAY_IPV4)]
    said = fleet.lab.run(station.name, ping, check=False)
    fleet.lab.run(station.name, ["ip", "address", "delete", f"{foreign}/32", "dev", "wlan0"])
    must(said.returncode != 0, f"{foreign} was answered, though nobody has leased it: {said.stdout}")
    dropped = fleet.where("ap1", station.mac)["dropped"] - row["dropped"]
    must(dropped >= 3, f"three packets from {foreign}, and {dropped} counted")
    print(f"a station with a foreign address: {dropped} packets dropped by ap1")


def verify_gateway(fleet: Fleet) -> None:
    """srv1 announces its default route, even one as ifupdown makes it; packets for no station end there."""
    way = ["default", "via", str(CORRESPONDENT_IPV4.ip), "dev", "lan0"]
    fleet.lab.run("srv1", ["ip", "route", "add", *way])
    asked = time.monotonic()
    while not (told := fleet.lab.run("ap1", ["ip", "route", "show", "default", "proto", "babel"]).stdout):
        must(time.monotonic() - asked < ANNOUNCED, "ap1 has not heard of the default route of srv1")
        time.sleep(0.05)
    nobody = STATION_IPV4[-2]
    asks = "import socket, sys; s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(2); s.connect((sys.argv[1], 9))"
    hears_of_errors = f"s.setsockopt(socket.IPPROTO_IP, {IP_RECVERR}, 1)"
    script = f"{asks}; {hears_of_errors}; s.send(b''); s.recv(1)"
    said = fleet.lab.run("corr", [sys.executable, "-c", script, str(nobody)], check=False)
    must("No route to host" in said.stderr, f"nobody says that there is no station {nobody}: {said}")
    fleet.lab.run("srv1", ["ip", "route", "delete", *way])
    print(f"the default route of srv1 on ap1 after {time.monotonic() - asked:.1f} s: {told.strip()}")


def verify_secrecy(fleet: Fleet) -> None:
    """A changed secret, at the highest verbosity and with differences: neither the old nor the new one is told."""
    old = json.loads(fleet.inventory.read_text())["all"]["vars"]["sroamd_eap_users"]
    changes = {"sroamd_eap_users": [{"name": "phone", "password": NEW_SECRET}], "sroamd_restart_hostapd": False}
    variables = fleet.work / "secret.json"
    variables.write_text(json.dumps(changes))
    _, output = fleet.play("--tags", "hostapd", "--check", "--diff", "-vvv", "--extra-vars", f"@{variables}")
    must(recap(output)["ap1"]["changed"] == 1, f"the new secret is no change: {recap(output)}")
    must("hostapd waits for its next restart" in output, "nobody says that hostapd was not restarted")
    for secret in [NEW_SECRET, *(f'"{user["password"]}"' for user in old)]:
        must(secret not in output, f"the output tells a secret: {output[max(0, output.find(secret) - 300) :][:600]}")
    print("a changed secret: seen as a change, and told nowhere")


def verify_nothing_to_change(fleet: Fleet) -> None:
    _, output = fleet.play("--check", "--diff", *fleet.upgraded)
    must(all(counts["changed"] == 0 for counts in recap(output).values()), f"--check sees changes: {recap(output)}")
    print("--check --diff afterwards: nothing to change")


def main(work: Path) -> None:
    fleet = Fleet.converged(work)
    with Station(fleet.lab, "sta1") as station:
        station.roam("ap1")
        station.dhcp()
        station.wait_for_prefix()
        verify_flooding_port(fleet, station)
        verify_source_guard(fleet, station)
        print(f"station: {', '.join(str(address) for address in addresses(station))}")
        with Traffic(station, rate=RATE) as traffic:
            verify_upgrade(fleet, station, traffic)
            verify_rollback(fleet, traffic)
            verify_roam(station, traffic)
    verify_gateway(fleet)
    verify_secrecy(fleet)
    verify_role(fleet)
    verify_nothing_to_change(fleet)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
