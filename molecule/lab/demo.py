"""`make demo`: three bare machines become a roaming fleet, and a station walks through it.

Exit status: 0 addresses and connections survived the walk, 1 they did not or something failed, 2 this machine cannot.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

from . import walk as walking
from .deploy import run_playbook
from .errors import LabError
from .image import image
from .inventory import write_inventory
from .lab import Lab, destroy
from .outage import Direction
from .preflight import preflight
from .records import Family
from .station import Station
from .topology import fleet
from .traffic import Traffic
from .walk import Stage, Walk

PREFIX = "demo"
APS = ("ap1", "ap2", "ap3")
RATE = 100
_FLOWS = tuple((direction, family) for family in Family for direction in (Direction.UP, Direction.DOWN))


class Progress:
    """Says what is being done and how long it took; on a terminal also the step within it, in place."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._number = 0
        self._began_at = time.monotonic()
        self._terminal = sys.stdout.isatty()

    def begin(self, what: str) -> None:
        self._number += 1
        self._began_at = time.monotonic()
        print(f"[{self._number}/{self._steps}] {what}", flush=True)

    def detail(self, what: str) -> None:
        if self._terminal:
            print(f"\r\x1b[K      {what[:70]}", end="", flush=True)

    def done(self, what: str = "done") -> None:
        start = "\r\x1b[K" if self._terminal else ""
        print(f"{start}      {what} ({time.monotonic() - self._began_at:.0f} s)", flush=True)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--down", action="store_true", help="remove what KEEP=1 left up")
    arguments = parser.parse_args(argv)
    missing = preflight()
    if missing:
        print("This machine cannot run the demo:", file=sys.stderr)
        print("\n".join(f"- {sentence}" for sentence in missing), file=sys.stderr)
        print("`make demo SIM=1` shows the same walk in the simulator, on any machine.", file=sys.stderr)
        return 2
    if arguments.down:
        destroy(PREFIX)
        return 0
    keep = os.environ.get("KEEP", "") not in ("", "0")
    lab = Lab(fleet(prefix=PREFIX, aps=len(APS), stations=1))
    try:
        return _demo(lab)
    except LabError as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    finally:
        if keep:
            _say_what_is_left(lab)
        else:
            lab.destroy()


def _demo(lab: Lab) -> int:
    progress = Progress(5)
    progress.begin("Base image of Debian and its packages (built once, then kept)")
    made_of = image()
    progress.done()
    progress.begin(f"Fleet: {', '.join(APS)} with systemd, a Babel router with a correspondent behind it, a station")
    lab.create(made_of)
    progress.done()
    inventory = lab.state / "inventory.json"
    write_inventory(inventory, lab)
    progress.begin(f"ansible-playbook -i {inventory} playbooks/site.yml")
    run_playbook("site.yml", inventory, on_task=progress.detail)
    progress.done()
    with Station(lab, "sta1") as station:
        progress.begin("The station joins at ap1: 802.1X at hostapd, DHCP, router advertisement")
        station.attach("ap1")
        station.login()
        station.dhcp()
        station.wait_for_prefix()
        progress.done("{} and {}".format(*walking.addresses(station)))
        steps = walking.round_trip(APS)
        progress.begin(f"It walks, {len(steps)} roams, with {RATE} packets/s each way over IPv4 and IPv6, and TCP")
        with Traffic(station, rate=RATE) as traffic:
            time.sleep(1)
            walk = walking.walk(station, traffic, steps, lambda roam: progress.detail(f"now at {roam.ap}"))
        progress.done()
    print()
    return report(walk)


def report(walk: Walk) -> int:
    """Print the table and the verdict; the exit status."""
    header = (
        f"{'time':>6}  {'AP':<4} {'IPv4 address':<15} {'IPv6 prefix':<24} {'lost up/down':>12}  longest silence, ms"
    )
    print(header)
    print(" " * len(header[: header.index("longest")]) + f"{'IPv4 up/down':>14}{'IPv6 up/down':>16}")
    start = walk.stages[0].roam.started
    for stage in walk.stages:
        print(_row(stage, start))
    for direction, family in _FLOWS:
        silences = walk.silences(direction, family)
        median, longest = statistics.median(silences), max(silences)
        arrow = "station -> correspondent" if direction is Direction.UP else "correspondent -> station"
        print(f"IPv{family.value} {arrow}: longest silence of a roam: median {median:.0f} ms, worst {longest:.0f} ms")
    kept, tcp = walk.kept_addresses, walk.whole.survived
    print(
        f"\n{'OK' if walk.survived else 'FAILED'}: {walk.ipv4_before} and {walk.prefix_before} "
        f"{'stayed' if kept else 'did NOT stay'} through {len(walk.stages)} roams; the TCP connections "
        f"{'survived' if tcp else 'did NOT survive'}."
    )
    return 0 if walk.survived else 1


def _row(stage: Stage, start: float) -> str:
    cells = [f"{stage.silence_ms(direction, family):.0f}" for direction, family in _FLOWS]
    lost = f"{stage.lost(Direction.UP)} / {stage.lost(Direction.DOWN)}"
    return (
        f"{stage.roam.started - start:6.1f}  {stage.roam.ap:<4} {stage.ipv4 or '-':<15} {stage.prefix or '-':<24} "
        f"{lost:>12}  {cells[0] + ' / ' + cells[1]:>14}{cells[2] + ' / ' + cells[3]:>16}"
    )


def _say_what_is_left(lab: Lab) -> None:
    inventory = Path(lab.state / "inventory.json")
    print(
        f"\nThe fleet is still up. From the top of the repository, as root:\n"
        f"  PYTHONPATH=molecule python3 -m lab shell --prefix {PREFIX} ap1      a shell on ap1: try sroamctl status\n"
        f"  .venv/bin/ansible-playbook -i {inventory} playbooks/status.yml\n"
        f"  make demo-down                                        removes it"
    )


if __name__ == "__main__":
    sys.exit(main())
