"""The fleet that all end-to-end tests share: real access points, asked over their control sockets and by `ip`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, TypeVar

from lab.errors import LabError, execute
from lab.lab import Lab
from lab.station import Station, roam_all
from lab.topology import CORRESPONDENT_IPV4, CORRESPONDENT_IPV6
from lab.traffic import Report
from lab.walk import addresses
from sroamd.cli import Unreachable, ask

APS = ("ap1", "ap2", "ap3")
STATIONS = 60  # that come and go together
INSIDER = 61  # one more, without a DHCP client: it is let in, and says what it likes
OWN_TABLE = "47"  # looked up before main
OUTSIDER = 62  # one that never is let in
SETTLED_WITHIN = 30.0  # on a busy machine; what must be quicker has a limit of its own

T = TypeVar("T")

STALL_MS = 60.0  # senders send every 10 ms
TRIES = 4
MEASURED: list[str] = []


def tell(figures: str) -> None:
    """Something measured, for whoever reads the end of the test run."""
    MEASURED.append(figures)


def undisturbed(measure: Callable[[], T], report: Callable[[T], Report]) -> T:
    """Measure again, TRIES times in all, where the machine itself stood still meanwhile: a sender that sends nothing
    for longer than STALL_MS has been stopped by whoever else uses the processors, and the silence is not ours.
    """
    for _ in range(TRIES - 1):
        found = measure()
        stalled = report(found).machine_stalled_ms
        if stalled <= STALL_MS:
            return found
        tell(f"(the machine stood still for {stalled:.0f} ms: measured again)")
    return measure()


def eventually(what: Callable[[], T], within: float, every: float = 0.05) -> T:
    """Call `what` until it raises no AssertionError, LabError or Unreachable; its value, or else its last error."""
    deadline = time.monotonic() + within
    while True:
        try:
            return what()
        except (AssertionError, LabError, Unreachable):
            if time.monotonic() > deadline:
                raise
        time.sleep(every)


@dataclass(frozen=True, slots=True)
class HostRoute:
    """A route to one address (or one /64) in an access point's main table, or in the agent's own."""

    prefix: str
    protocol: str
    interface: str
    metric: int


class Fleet:
    """Operates the running lab. Stations are made on first use and live as long as the session."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._stations: dict[str, Station] = {}
        self._configured: set[str] = set()

    # -- access points ------------------------------------------------------------------------------------------

    def run(self, node: str, *argv: str, check: bool = True, stdin: str = "", timeout: float | None = 60.0) -> str:
        """What a command inside a node printed."""
        return self.lab.run(node, argv, check=check, stdin=stdin, timeout=timeout).stdout

    def ip(self, node: str, *words: str) -> list[dict[str, Any]]:
        """The answer of `ip -j` in a node's network namespace, asked from outside: quicker than from within."""
        namespace = f"{self.lab.topology.prefix}-{node}"
        listed: list[dict[str, Any]] = json.loads(execute(["ip", "-n", namespace, "-j", *words]).stdout or "[]")
        return listed

    def ask(self, ap: str, topic: str, argument: str | None = None) -> Any:
        """The agent's own answer. Raises Unreachable while it is down, AssertionError if it has none."""
        leader = self.lab.machine(ap).leader()
        if leader is None:
            raise Unreachable(f"{ap} is off")
        reply = ask(f"/proc/{leader}/root/run/sroamd/control.sock", topic, argument)
        assert "result" in reply, f"{ap}: {topic} {argument}: {reply}"
        return reply["result"]

    def counters(self, ap: str) -> dict[str, int]:
        found: dict[str, int] = self.ask(ap, "status")["counters"]
        return found

    def counter(self, ap: str, name: str) -> int:
        return self.counters(ap).get(name, 0)

    def pid(self, ap: str, unit: str = "sroamd") -> int:
        """The unit's main process as the node numbers it; AssertionError if there is none."""
        pid = int(self.run(ap, "systemctl", "show", "--property=MainPID", "--value", unit).strip() or 0)
        assert pid, f"{ap}: {unit} does not run"
        return pid

    def journal(self, ap: str, unit: str = "sroamd", since: float = 0.0) -> str:
        """What a unit has logged since a moment of time.time()."""
        return self.run(ap, "journalctl", "--quiet", "--no-pager", f"--unit={unit}", f"--since=@{since:.3f}", "-ocat")

    def routes(self, ap: str) -> list[HostRoute]:
        """All routes to a single station's address or prefix, both families."""
        found: list[HostRoute] = []
        for family in ("-4", "-6"):
            for entry in self.ip(ap, family, "-N", "route", "show", "table", "all"):
                prefix = entry["dst"]
                if entry.get("table") in (None, OWN_TABLE) and prefix != "default" and is_of_a_station(prefix):
                    metric = entry.get("metric", 0)
                    found.append(HostRoute(prefix, str(entry.get("protocol")), entry.get("dev", ""), metric))
        return found

    def here(self, ap: str) -> set[str]:
        """The prefixes that this access point says are its own stations': protocol 44."""
        return {route.prefix for route in self.routes(ap) if route.protocol == "44"}

    # -- the database -------------------------------------------------------------------------------------------

    def database(self, ap: str) -> list[tuple[str, str, str, int]]:
        """All living records as (kind, key, value, seqno), in the order of their keys."""
        records = self.ask(ap, "database")
        return [(each["kind"], each["key"], each["value"], each["seqno"]) for each in records if each["remaining"] > 0]

    def assert_agreement(self, aps: Sequence[str] = APS) -> None:
        """The access points hold the same living records, and the same digest of their octets."""
        held = [self.database(ap) for ap in aps]
        for ap, records in zip(aps[1:], held[1:], strict=True):
            differing = sorted(set(records) ^ set(held[0]))
            assert not differing, f"{aps[0]} and {ap} differ in {differing[:6]} and {max(0, len(differing) - 6)} more"
        digests = {self.ask(ap, "status")["digest"] for ap in aps}
        assert len(digests) == 1, f"equal records, different digests: {digests}"

    def assert_well(self, aps: Sequence[str] = APS) -> None:
        """Each agent is healthy and floods with both others."""
        for ap in aps:
            status = self.ask(ap, "status")
            assert status["healthy"], f"{ap}: {status['problems']}"
            assert status["peers"] == len(APS) - 1, f"{ap} has {status['peers']} peers"

    def wait_until_well(self, within: float = SETTLED_WITHIN) -> None:
        """Everybody is healthy, connected, and of one mind."""
        eventually(self.assert_well, within)
        eventually(self.assert_agreement, within)

    def claims_of(self, station: Station) -> int:
        """The highest number that a version of its association has on any access point."""
        key = ("association", station.mac)
        return max((record[3] for ap in APS for record in self.database(ap) if record[:2] == key), default=0)

    # -- stations -----------------------------------------------------------------------------------------------

    def station(self, number: int) -> Station:
        name = f"sta{number}"
        if name not in self._stations:
            self._stations[name] = Station(self.lab, name)
        return self._stations[name]

    def joined(self, number: int, ap: str) -> Station:
        """The station with its addresses at this access point, wherever it was; its DHCP client runs."""
        return self.all_joined([(number, ap)])[0]

    def all_joined(self, wanted: Iterable[tuple[int, str]]) -> list[Station]:
        """As `joined`, for several at once."""
        places = [(self.station(number), ap) for number, ap in wanted]
        moves = [(station, ap) for station, ap in places if self.whereabouts(station) != ap]
        if moves:
            roam_all(moves)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._configure, [station for station, _ in places]))
        eventually(lambda: self.assert_places(places), SETTLED_WITHIN)
        return [station for station, _ in places]

    def whereabouts(self, station: Station) -> str | None:
        """The access point that the fleet says the station is at, by the word of ap1."""
        reply = ask(self._socket("ap1"), "where", station.mac)
        result = reply.get("result")
        return result["node"] if isinstance(result, dict) and result["node"] else None

    def assert_at(self, station: Station, ap: str) -> None:
        """Every access point names this one, and it alone has the routes of the station's addresses."""
        self.assert_places([(station, ap)])

    def assert_places(self, places: Sequence[tuple[Station, str]]) -> None:
        """The same for several stations at once."""
        wanted = routes_wanted(places)
        every = set().union(*wanted.values())
        for each in APS:
            named = {found["station"]: found["node"] for found in self.ask(each, "stations")}
            for station, ap in places:
                found = named.get(station.mac)
                assert found == ap, f"{each} says that {station.name} is at {found}, not {ap}"
            routed = every & self.here(each)
            wrong, missing = sorted(routed - wanted[each]), sorted(wanted[each] - routed)
            assert routed == wanted[each], f"{each}: wrong routes {wrong}, missing {missing}"

    def close(self) -> None:
        """Stop all stations' clients and supplicants."""
        for station in self._stations.values():
            station.close()

    def _configure(self, station: Station) -> None:
        """Let it get what it has not got yet."""
        if station.name not in self._configured:
            station.dhcp(timeout=SETTLED_WITHIN)
            self._configured.add(station.name)
        station.dhcp_client.wait_for("bound", timeout=SETTLED_WITHIN)
        station.wait_for_prefix(timeout=SETTLED_WITHIN)

    def _socket(self, ap: str) -> str:
        return f"/proc/{self.lab.machine(ap).leader()}/root/run/sroamd/control.sock"


def prefixes_of(station: Station) -> set[str]:
    """The host routes that a station needs, as `ip route` writes them: 192.0.2.77 and 2001:db8:44:1::/64."""
    ipv4, prefix = addresses(station)
    assert ipv4, f"{station.name} has no IPv4 address"
    assert prefix, f"{station.name} has no IPv6 prefix"
    return {ipv4, prefix}


def routes_wanted(places: Sequence[tuple[Station, str]]) -> dict[str, set[str]]:
    """The host routes of each access point's own stations."""
    wanted: dict[str, set[str]] = {ap: set() for ap in APS}
    for station, ap in places:
        wanted[ap] |= prefixes_of(station)
    return wanted


def assert_reaches(station: Station, *destinations: str) -> None:
    """One echo each from these addresses, by default the correspondent's two."""
    for destination in destinations or (str(CORRESPONDENT_IPV4.ip), str(CORRESPONDENT_IPV6.ip)):
        station.run("busybox", "ping", "-q", "-c1", "-W1", destination)


def is_of_a_station(prefix: str) -> bool:
    network = ip_network(prefix)
    return network.prefixlen == (32 if network.version == 4 else 64) and not network.is_link_local
