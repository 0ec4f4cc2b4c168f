"""Command line of the lab: `python3 -m lab --help`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from ipaddress import IPv4Network
from pathlib import Path

from .cache import say
from .errors import LabError
from .image import image, judges
from .inventory import write_inventory
from .lab import Lab, destroy, prefixes
from .machine import ENVIRONMENT
from .preflight import preflight
from .topology import Kind, fleet


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit status: 0 done, 1 it failed, 2 wrong usage (argparse)."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except (LabError, KeyError, ValueError) as error:
        # str() of a KeyError quotes its text.
        print(f"lab: {error.args[0] if error.args else error}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m lab",
        description="Fleets of access points with real systemd, in network namespaces of this machine.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    prefixed = argparse.ArgumentParser(add_help=False)
    prefixed.add_argument("--prefix", default="lab", help="name of the lab, part of all its names (default: lab)")

    create = commands.add_parser("create", parents=[prefixed], help="make a fleet, removing an old one of that name")
    create.add_argument("--aps", type=int, default=3, help="access points ap1, ap2, ... (default: 3)")
    create.add_argument("--stations", type=int, default=1, help="stations sta1, sta2, ... (default: 1)")
    create.add_argument("--servers", type=int, default=0, help="flooding servers srv1, srv2, ... (default: 0)")
    create.add_argument("--gateway", action="store_true", help="the world is behind srv1, not behind a plain router")
    create.add_argument("--management", type=IPv4Network, help="management /24 (default: follows from the prefix)")
    create.add_argument("--inventory", type=Path, help="write the Ansible inventory here")
    create.set_defaults(run=_create)

    remove = commands.add_parser("destroy", parents=[prefixed], help="remove a lab; needs nothing that create wrote")
    remove.set_defaults(run=_destroy)

    status = commands.add_parser("status", help="list the labs of this machine, and which nodes are on")
    status.set_defaults(run=_status)

    shell = commands.add_parser("shell", parents=[prefixed], help="a shell, or a command, inside a node")
    shell.add_argument("node")
    shell.add_argument("command", nargs=argparse.REMAINDER, help="default: an interactive shell")
    shell.set_defaults(run=_shell)

    for name, text in (("off", "pull a node's plug"), ("on", "switch a node on again")):
        power = commands.add_parser(name, parents=[prefixed], help=text)
        power.add_argument("node", nargs="+")
        power.set_defaults(run=_power, on=name == "on")

    build = commands.add_parser("image", help="build the cached trees: base, package feed, judges of the agent")
    build.set_defaults(run=_image)
    check = commands.add_parser("preflight", help="say what this machine lacks for a lab")
    check.set_defaults(run=_preflight)
    return parser


def _create(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    lab = Lab(
        fleet(
            prefix=arguments.prefix,
            aps=arguments.aps,
            stations=arguments.stations,
            servers=arguments.servers,
            management=arguments.management,
            gateway=arguments.gateway,
        )
    )
    lab.create()
    if arguments.inventory:
        write_inventory(arguments.inventory, lab)
    say(f"{len(lab.topology.nodes)} nodes up after {time.monotonic() - started:.1f} s")
    return 0


def _destroy(arguments: argparse.Namespace) -> int:
    destroy(arguments.prefix)
    return 0


def _status(_: argparse.Namespace) -> int:
    for prefix in prefixes():
        try:
            lab = Lab.running(prefix)
        except LabError:
            print(f"{prefix}  incomplete: destroy it, or create it again")
            continue
        stations = len(lab.topology.of_kind(Kind.STATION))
        print(f"{prefix}  management {lab.topology.management}, {stations} stations")
        for node in lab.topology.nodes:
            if node.kind.boots:
                power = "on" if lab.is_on(node.name) else "off"
                address = str(lab.topology.management_address(node).ip) if node.has_management else "-"
                print(f"  {node.name:<6} {node.kind.value:<7} {power:<4} {address}")
    return 0


def _shell(arguments: argparse.Namespace) -> int:
    lab = Lab.running(arguments.prefix)
    words = lab.enter(arguments.node, arguments.command or ["bash", "-i"])
    if lab.topology.node(arguments.node).kind.boots:
        os.execvpe(words[0], words, {**ENVIRONMENT, "TERM": os.environ.get("TERM", "dumb")})
    os.execvp(words[0], words)


def _power(arguments: argparse.Namespace) -> int:
    lab = Lab.running(arguments.prefix)
    if arguments.on:
        lab.power_on(*arguments.node)
    else:
        lab.power_off(*arguments.node)
    return 0


def _image(_: argparse.Namespace) -> int:
    made = image()
    print(made.base)
    print(made.feed)
    print(judges())
    return 0


def _preflight(_: argparse.Namespace) -> int:
    missing = preflight()
    print("\n".join(missing) if missing else "nothing is missing")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
