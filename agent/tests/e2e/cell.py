"""One access point for many attacks: the real hostapd and agent, a bystander, and an attacker with a raw socket.

corr ── bb0 ap wlan0 ── air (a bridge, whose stations do not hear each other) ┬─ home: the bystander
                                                                              └─ den: the attacker
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

from lab.image import image
from sroamd import cli
from sroamd.cli import ask
from tests.e2e.bystander import CORRESPONDENT, RunDelay
from tests.e2e.fleet import STALL_MS, TRIES, eventually, tell
from tests.e2e.netns import Namespace, namespace
from tests.e2e.real_hostapd import Phones, RealHostapd, unpack
from tests.wifi.role import render

AP_MAC = "02:00:00:00:00:01"
BYSTANDER_MAC = "02:00:00:00:01:01"
ATTACKER_MAC = "02:00:00:00:02:02"
ACCOMPLICE_MAC = "02:00:00:00:02:03"
NEWCOMER_MAC = "02:00:00:00:02:04"
CROWD_MACS = tuple(f"02:00:00:00:03:{number:02x}" for number in range(30))
EXCHANGE_MAX = 0.1  # s, the bystander's worst (C01 to C25)
EXCHANGES_MIN, PINGS_MIN = 5, 25  # measured at least
PATIENCE = 20.0
MTU = 4000
LATE = 1.0  # s that a ping may be under way

CONFIG = """
[node]
name = "ap1"
state_dir = "{directory}/state"
[network]
ipv4_prefix = "192.0.2.0/24"
ipv6_prefix = "2001:db8:44::/48"
ipv4_gateway = "192.0.2.1"
ipv6_gateway = "fe80::1"
nameservers = ["192.0.2.53"]
[[interface]]
name = "wlan0"
stations = "hostapd"
hostapd_socket = "{hostapd}"
[control]
socket = "{directory}/control.sock"
"""


@dataclass
class Device:
    """Something with a MAC and a raw socket; what tests.e2e.air takes for a station."""

    namespace: str
    mac: str
    wire: socket.socket

    def send_frame(self, frame: bytes) -> None:
        """As often as it takes: a full queue is no obstacle to an attacker."""
        while True:
            try:
                self.wire.send(frame)
                return
            except (BlockingIOError, OSError) as error:
                if error.errno != 105:  # ENOBUFS
                    raise

    def named(self, mac: str) -> Device:
        """The same place, another MAC."""
        return Device(self.namespace, mac, self.wire)


class Radio(Protocol):
    """A hostapd, and the way to be let in by it."""

    @property
    def path(self) -> Path: ...

    def join(self, namespace: str, mac: str) -> None: ...

    def close(self) -> None: ...


class RealRadio:
    """Debian's hostapd, driver=wired, and supplicants that log in."""

    def __init__(self, directory: Path, namespace: str) -> None:
        self._hostapd = RealHostapd(unpack(image(), directory / "unpacked"), directory, namespace)
        self._phones: dict[str, Phones] = {}
        self.path = self._hostapd.path
        self._hostapd.start()

    def join(self, namespace: str, mac: str) -> None:
        self._phones.setdefault(namespace, Phones(namespace, "wlan0")).join(mac)

    def close(self) -> None:
        for phones in self._phones.values():
            phones.close()
        self._hostapd.end()


class Stopwatch:
    """From now on, less the time in which the machine had no processor for the agent, or for us."""

    def __init__(self, delay: RunDelay) -> None:
        self._delay = delay
        self._before = delay.total()
        self._start = time.monotonic()

    def until(self, at: float) -> float:
        """Seconds to this moment of time.monotonic()."""
        took = at - self._start
        return took - min(self._delay.total() - self._before, took)


@dataclass(frozen=True)
class Undisturbed:
    """What the bystander has measured. `exchanges`: (all of it, what the machine kept the agent from running for)."""

    exchanges: tuple[tuple[float | None, float], ...]
    pings: int
    lost: int

    @property
    def worst(self) -> float:
        """The worst exchange, less the time in which no processor was there for the agent. Infinite if one failed."""
        return max(float("inf") if took is None else took - waited for took, waited in self.exchanges)

    @property
    def worst_on_the_clock(self) -> float:
        return max(float("inf") if took is None else took for took, _ in self.exchanges)

    @property
    def paused(self) -> float:
        """For how long the machine kept the agent from running during an exchange that failed."""
        return max((waited for took, waited in self.exchanges if took is None), default=0.0)


class MachinePaused(AssertionError):
    """An exchange failed while the agent was not allowed to run: what came meanwhile found no room in its queue."""


class Outlier(AssertionError):
    """An exchange was slow. An attack that holds the agent up does so each time; a disk of the machine, once."""


def measured_again(test: Callable[..., None]) -> Callable[..., None]:
    """TRIES times in all, where the machine itself may have stood still: what is measured once says nothing then."""

    @functools.wraps(test)
    def tried(*arguments: Any, **fixtures: Any) -> None:
        for _ in range(TRIES - 1):
            try:
                return test(*arguments, **fixtures)
            except (MachinePaused, Outlier) as reason:
                tell(f"({reason}: measured again)")
        return test(*arguments, **fixtures)

    return tried


class Cell:
    """In the session.s cell all of these are authorised: `attacker`, `accomplice`, `newcomer` and the `crowd`."""

    def __init__(self, spaces: dict[str, Namespace], radio: Radio, directory: Path) -> None:
        self.spaces = spaces
        self.radio = radio
        self.directory = directory
        den = spaces["den"]
        with den.entered():
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        wire.bind(("wlan0", 0))
        self.attacker = Device(den.name, ATTACKER_MAC, wire)
        self.accomplice = self.attacker.named(ACCOMPLICE_MAC)
        self.newcomer = self.attacker.named(NEWCOMER_MAC)
        self.crowd = [self.attacker.named(mac) for mac in CROWD_MACS]
        self.agent: subprocess.Popen[bytes] | None = None
        self._bystander: subprocess.Popen[bytes] | None = None
        self._errors = directory / "bystander.err"

    # -- the agent

    def start_agent(self) -> None:
        config = self.directory / "sroamd.toml"
        config.write_text(CONFIG.format(directory=self.directory, hostapd=self.radio.path))
        self.agent = self.spaces["ap"].agent(config)
        eventually(self._assert_healthy, PATIENCE)

    def _assert_healthy(self) -> None:
        assert self.asked("status")["healthy"], self.log()

    @property
    def pid(self) -> int:
        assert self.agent is not None
        return self.agent.pid

    def asked(self, topic: str, argument: str | None = None) -> Any:
        """The agent's answer. Raises Unreachable while there is none."""
        return ask(str(self.directory / "control.sock"), topic, argument)["result"]

    def counters(self) -> dict[str, int]:
        found: dict[str, int] = self.asked("status")["counters"]
        return found

    def counted(self, name: str) -> int:
        return self.counters().get(name, 0)

    def records(self) -> set[tuple[str, str, str]]:
        """Of its database, the living: (kind, key, value)."""
        return {(each["kind"], each["key"], each["value"]) for each in self.asked("database") if each["remaining"] > 0}

    def routes(self) -> set[str]:
        """To stations that are here."""
        found: set[str] = set()
        for family in ("-4", "-6"):
            found |= {each["dst"] for each in json.loads(self.spaces["ap"].ip(f"-j {family} route show proto 44"))}
        return found

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="surrogateescape")

    def sroamctl(self, *arguments: str) -> str:
        """What an operator sees."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            cli.main(["--socket", str(self.directory / "control.sock"), *arguments])
        return printed.getvalue()

    def cpu(self) -> float:
        """Seconds of a processor that the agent has used: the first figure of schedstat, of all threads."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def memory(self) -> int:
        """Resident octets of the agent."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stopwatch(self) -> Stopwatch:
        return Stopwatch(RunDelay((self.pid, os.getpid())))

    def join(self, *macs: str) -> None:
        """These log in from the den."""
        for mac in macs:
            self.radio.join(self.spaces["den"].name, mac)
        eventually(lambda: self.assert_here(*macs), PATIENCE)

    def assert_here(self, *macs: str) -> None:
        assert set(macs) <= {each["station"] for each in self.asked("stations")}

    # -- the bystander

    def start_bystander(self) -> None:
        home = self.spaces["home"]
        self.radio.join(home.name, BYSTANDER_MAC)
        program = Path(__file__).with_name("bystander.py")
        command = ["ip", "netns", "exec", home.name, sys.executable, str(program), str(self._notes), str(self.pid)]
        with self._errors.open("ab") as errors:
            self._bystander = subprocess.Popen(command, stderr=errors)
        eventually(self._assert_measures, PATIENCE)
        self._bystander.send_signal(signal.SIGSTOP)

    @property
    def _notes(self) -> Path:
        return self.directory / "bystander.log"

    def _told(self) -> list[dict[str, Any]]:
        text = self._notes.read_text() if self._notes.exists() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def _assert_measures(self) -> None:
        kinds = {record["kind"] for record in self._told()}
        assert {"ready", "exchange", "pong"} <= kinds, f"{kinds}: {self._errors.read_text()}"

    @property
    def bystanders_address(self) -> str:
        return str(next(record["address"] for record in self._told() if record["kind"] == "ready"))

    def measured(self, start: float, end: float) -> Undisturbed:
        """Of what the bystander began between two moments of time.monotonic()."""
        told = self._told()
        pongs = {(each["family"], each["number"]) for each in told if each["kind"] == "pong"}
        began = [each for each in told if start <= each.get("at", -1.0) <= end]
        pings = [(each["family"], each["number"]) for each in began if each["kind"] == "ping"]
        exchanges = tuple((each["took"], each["waited"]) for each in began if each["kind"] == "exchange")
        return Undisturbed(exchanges, len(pings), len(set(pings) - pongs))

    @contextmanager
    def undisturbed(self, what: str) -> Iterator[None]:
        """The bystander's DHCP and pings go on meanwhile, its lease, prefix and routes stay, and the agent lives."""
        before = {record for record in self.records() if BYSTANDER_MAC in record}
        routes = {str(ip_address(self.bystanders_address))}
        start = time.monotonic()
        with self._bystander_at_work():
            yield
            assert self.agent is not None
            assert self.agent.poll() is None, self.log()
            end = eventually(lambda: self._measured_enough(start), PATIENCE)
            found = self._settled(start, end)
        tell(
            f"{what}: worst exchange {found.worst * 1000:.0f} ms ({found.worst_on_the_clock * 1000:.0f} on the clock) "
            f"of {len(found.exchanges)}, {found.lost} of {found.pings} pings lost"
        )
        assert found.lost == 0
        if found.paused * 1000 > STALL_MS:
            raise MachinePaused(f"the machine kept the agent waiting for {found.paused * 1000:.0f} ms")
        if found.worst == float("inf"):
            raise AssertionError("an exchange failed")
        if found.worst > EXCHANGE_MAX:
            raise Outlier(f"an exchange of {found.worst * 1000:.0f} ms")
        assert before <= self.records()
        assert routes <= self.routes()

    @contextmanager
    def _bystander_at_work(self) -> Iterator[None]:
        """It costs a twentieth of a processor, and other tests measure too."""
        assert self._bystander is not None
        self._bystander.send_signal(signal.SIGCONT)
        try:
            yield
        finally:
            self._bystander.send_signal(signal.SIGSTOP)

    def _measured_enough(self, start: float) -> float:
        now = time.monotonic()
        found = self.measured(start, now)
        assert len(found.exchanges) >= EXCHANGES_MIN
        assert found.pings >= 2 * PINGS_MIN
        return now

    def _settled(self, start: float, end: float) -> Undisturbed:
        """What is under way arrives, or is given up."""
        deadline = time.monotonic() + LATE
        while (found := self.measured(start, end)).lost and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def stop(self) -> None:
        for process in (self._bystander, self.agent):
            if process is not None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        self.attacker.wire.close()


@contextmanager
def cell(directory: Path, radio: Callable[[Path, str], Radio] | None = None) -> Iterator[Cell]:
    """Set up, with the bystander at work; gone at the end. With the real hostapd, unless told otherwise."""
    with ExitStack() as stack:
        spaces = {name: stack.enter_context(namespace()) for name in ("ap", "air", "corr", "home", "den")}
        _lay_cables(spaces)
        station_side = (radio or RealRadio)(directory, spaces["ap"].name)
        stack.callback(station_side.close)
        _set_up_access_point(spaces["ap"])
        made = Cell(spaces, station_side, directory)
        stack.callback(made.stop)
        made.start_agent()
        made.start_bystander()
        yield made


def _lay_cables(spaces: dict[str, Namespace]) -> None:
    air, ap = spaces["air"], spaces["ap"]
    air.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
    air.ip("link add air type bridge forward_delay 0 mcast_snooping 0 group_fwd_mask 8")
    air.ip("link set air up")
    for name, mac in (("ap", AP_MAC), ("home", BYSTANDER_MAC), ("den", "02:00:00:00:02:01")):
        air.ip(f"link add {name} type veth peer name wlan0 address {mac} netns {spaces[name].name}")
        air.ip(f"link set {name} master air up")
        # Where a MAC is, an access point knows by its association, and not by what anybody sends.
        air.ip(f"link set {name} type bridge_slave learning off isolated {'off' if name == 'ap' else 'on'}")
    air.run(f"bridge fdb add {AP_MAC} dev ap master static")
    air.run(f"bridge fdb add {BYSTANDER_MAC} dev home master static")
    spaces["den"].sysctl("net.ipv6.conf.wlan0.disable_ipv6", 1)  # the attacker says only what the test says
    spaces["home"].sysctl("net.ipv6.conf.wlan0.dad_transmits", 0)
    ap.ip(f"link add bb0 type veth peer name bb0 netns {spaces['corr'].name}")
    for name in ("ap", "den"):  # frames longer than any that the agent takes get as far as it
        air.ip(f"link set {name} mtu {MTU}")
        spaces[name].ip(f"link set wlan0 mtu {MTU}")
    for name in ("ap", "home"):
        spaces[name].ip("link set wlan0 up")
    spaces["den"].ip("link set wlan0 up promisc on")
    for name, last in (("ap", "1"), ("corr", "9")):
        spaces[name].ip("link set bb0 up")
        for address, length in zip(CORRESPONDENT, (24, 64), strict=True):
            spaces[name].ip(f"addr add {address[:-1]}{last}/{length} dev bb0 {'nodad' if ':' in address else ''}")
            if name == "corr":
                spaces[name].ip(f"route add default via {address[:-1]}1")


def _set_up_access_point(ap: Namespace) -> None:
    """As the role does it. hostapd is up already: its start takes addresses away."""
    itself = SimpleNamespace(name="ap1", router_ipv4="198.51.100.1", router_ipv6="2001:db8:ff::1")
    settings = render("sysctl.conf.j2", itself, [itself])  # type: ignore[arg-type]
    arguments = ["ip", "netns", "exec", ap.name, "sysctl", "--quiet", "--ignore", "--load=-"]
    subprocess.run(arguments, check=True, input=settings, text=True, capture_output=True)
    ap.ip("addr replace 192.0.2.1/32 dev wlan0")
    ap.ip("addr replace fe80::1/64 dev wlan0 nodad")


def flood(device: Device, frames: Sequence[bytes], rate: float | None = None) -> float:
    """Send all of them, as fast as it goes or so many a second; the seconds that it took."""
    start = time.monotonic()
    for number, frame in enumerate(frames):
        if rate is not None and (ahead := start + number / rate - time.monotonic()) > 0.001:
            time.sleep(ahead)
        device.send_frame(frame)
    return time.monotonic() - start


def resting(figure: Callable[[], object], quiet: float = 0.15, within: float = PATIENCE) -> None:
    """Wait until it has not changed for a while: what was sent has been worked off."""
    deadline = time.monotonic() + within
    last, since = figure(), time.monotonic()
    while time.monotonic() - since < quiet and time.monotonic() < deadline:
        time.sleep(0.02)
        with contextlib.suppress(OSError):
            if (now := figure()) != last:
                last, since = now, time.monotonic()
