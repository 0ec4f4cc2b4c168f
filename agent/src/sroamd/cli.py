"""sroamctl: asks the agent of this machine, by way of its control socket.

Exit status: 0 ok, 1 not found, not healthy or not in step, 2 wrong usage, 3 the agent cannot be reached.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from collections.abc import Callable, Sequence

from sroamd import __version__, check_text, tables
from sroamd.printable import printable

DEFAULT_SOCKET = "/run/sroamd/control.sock"
TIMEOUT = 10.0  # seconds of silence

EXIT_OK, EXIT_NO, EXIT_USAGE, EXIT_UNREACHABLE = 0, 1, 2, 3
EXIT_INTERRUPTED = 130  # as shells say it of SIGINT

_COMMANDS = {
    "status": "is this node well? its counters",
    "stations": "all stations of the roaming domain, and where they are",
    "where": "where one station is",
    "leases": "who has which address and prefix, until when, and what is reserved",
    "database": "all records that are flooded",
    "peers": "the nodes that this one floods with",
    "routes": "the host routes that this node has installed, why, and since when",
    "conflicts": "stations that several nodes claim, and what each has seen of them",
    "check": "do all nodes hold the same database, and has the kernel the routes that follow from it?",
}
# By topic, what of the answer decides the exit status.
_VERDICTS = {"status": "healthy", "check": "well", "repair": "well"}
_PAGES: dict[str, Callable[[dict[str, object]], str]] = {
    "status": tables.status,
    "check": check_text.result,
    "repair": check_text.result,
}
_TABLES = {
    "stations": tables.stations,
    "database": tables.database,
    "routes": tables.routes,
    "leases": tables.leases,
}
_KINDS = ("here", "demoted", "direct")
_STATION_HELP = "MAC, IPv4 address, or any IPv6 address in the station's prefix"
_ROUTES_STATION_HELP = f"{_STATION_HELP}; or a prefix, for all routes within it; default: all"
_LEASES_STATION_HELP = "MAC, an address, or a prefix for all within it; default: all"
_ROUTES_HELP = """\
The host routes that this node believes are in its kernel, a line for each, in the order of their prefixes.

  prefix   an address of a station (a /32), or its prefix (a /64)
  kind     here     the station is authorised on an interface of this node; Babel announces the route
           demoted  it was, and has left; for some seconds its packets are forwarded, and Babel announces the way badly
           direct   it is at another node, towards which this node forwards without waiting for Babel
  station  who holds the lease, or held it last
  node     where the route says that the station is
  via      the next hop; of direct routes, what the way to that node is at this moment
  why      what the route follows from, and how long it will stay if that is known
  since    how long it has been of this kind, as far as the running agent knows

What the kernel really has is another matter: see sroamctl check."""
_ROUTES_NOTES = """\
examples:
  sroamctl routes --kind demoted
  sroamctl routes 192.0.2.7
  sroamctl routes --kind direct 2001:db8:44::/48
  sroamctl --json routes | jq -r '.[] | select(.node == "ap3") | .prefix'"""
_LEASES_HELP = """\
Who has which IPv4 address and which IPv6 /64, as all nodes know it, in the order of the addresses.

  address   an IPv4 address, or a /64
  station   who holds the lease, or for whom it is reserved
  hostname  what the station calls itself, or its reserved name; control characters are escaped
  expires   when the lease ends; with --expired also how long ago one ended that is remembered for its station
  state     offered   not taken yet; ends within a minute if it is not
            bound     leased
            expired   over; its station gets it again if nobody else has got it meanwhile
            declined  given to nobody for a while: a station has said, or a probe shown, that somebody uses it
            reserved  kept for this station, which has no lease of it now
  where     the node where the station is, if it is anywhere"""
_LEASES_NOTES = """\
examples:
  sroamctl leases 02:00:00:00:01:07
  sroamctl leases 192.0.2.7
  sroamctl leases --expired 192.0.2.0/25
  sroamctl --json leases | jq -r '.[] | select(.state == "declined") | .address'"""
_CHECK_HELP = """\
Ask all nodes, through one another, whether they hold the same database as this one; and compare the routes that follow
from this node's database with those that the agent has installed and with those that its kernel has.

A node whose digest is not ours is asked for parts of it until the records that differ are found. Records move all the
time, so what differs is looked at again, up to three times a second apart, and only what one node has not taken over
from the other by then counts; what expires within a minute does not. If all is well the answer takes a moment, and if
a node does not answer about five seconds.

Each other node is one of
  in step    it holds the same
  differs    the records are named, with the version here and there: value, seqno, remaining life
  no answer  its record is known here, but it is down, cut off, or behind a C daemon, which passes no questions on

A route of this node that is not as it should be twice, a second apart, is one of
  missing    the kernel has none
  wrong      the kernel has another, of a protocol of ours: of another kind, or by another way
  stray      the kernel has one of a protocol of ours that follows from nothing
  underived  what the agent has installed is not what its database implies: a fault of the agent

Likewise the nexthop objects that direct routes share: missing, wrong or stray."""
_REPAIR_HELP = (
    "mend this node's routes in the kernel: install and remove what differs, and look again; touches nothing else"
)
_CHECK_NOTES = """\
exit status:
  0  every node that is known here has answered and is in step, and this node's routes are right (with --repair: by now)
  1  a node differs or does not answer, or a route is not right
  3  the agent of this machine cannot be reached

examples:
  sroamctl check
  sroamctl check --repair
  sroamctl --json check | jq '.nodes[] | select(.state != "in step")'
  sroamctl --json check | jq -r '.routes.faults[].prefix'"""


class Unreachable(Exception):
    """Why there was no answer."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    topic = "repair" if getattr(options, "repair", False) else options.command
    try:
        with _Ticker(enabled=sys.stderr.isatty()) as ticker:
            reply = ask(options.socket, topic, _argument(options), ticker.show)
        return _report(reply, topic, as_json=options.json)
    except Unreachable as error:
        print(f"sroamctl: cannot reach sroamd at {printable(options.socket)}: {error}", file=sys.stderr)
        return EXIT_UNREACHABLE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


Reply = dict[str, object]


def _ignore(_progress: object) -> None:
    pass


def ask(path: str, topic: str, argument: str | None = None, on_progress: Callable[[object], None] = _ignore) -> Reply:
    """One question to the agent that listens at `path`; its whole reply. Raises Unreachable with what to do.

    An answer that takes its time is told in between how far it is.
    """
    request = {"topic": topic} if argument is None else {"topic": topic, "argument": argument}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(path)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as answer:
                while "progress" in (reply := _parsed(answer.readline())):
                    on_progress(reply["progress"])
    except PermissionError:
        raise Unreachable("permission denied; use sudo, or join the group sroamd") from None
    except TimeoutError:
        raise Unreachable(f"no answer within {TIMEOUT:.0f} s; see systemctl status sroamd") from None
    except OSError as error:
        raise Unreachable(f"{error.strerror or error}; see systemctl status sroamd") from None
    if reply.get("code") == "busy":
        raise Unreachable(f"{printable(str(reply.get('error')))}; try again")
    return reply


def _parsed(line: bytes) -> Reply:
    try:
        reply = json.loads(line)
    except ValueError:
        reply = None
    if not isinstance(reply, dict) or not line.endswith(b"\n"):
        raise Unreachable("its answer broke off; see systemctl status sroamd")
    return reply


class _Ticker:
    """One line on the terminal, written anew with each progress, and gone at the end."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._shown = False

    def __enter__(self) -> _Ticker:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._shown:
            self._write("")

    def show(self, progress: object) -> None:
        if self._enabled and isinstance(progress, dict):
            self._shown = True
            self._write(check_text.progress(progress))

    def _write(self, text: str) -> None:
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _argument(options: argparse.Namespace) -> str | None:
    words = ["expired" if getattr(options, "expired", False) else None]
    words += [getattr(options, name, None) for name in ("kind", "station")]
    return " ".join(word for word in words if word is not None) or None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sroamctl", description="Ask the sroamd of this machine.")
    parser.add_argument("--socket", default=DEFAULT_SOCKET, metavar="PATH", help=f"default {DEFAULT_SOCKET}")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument("--version", action="version", version=f"sroamctl {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in _COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        match name:
            case "check":
                _explain(command, _CHECK_HELP, _CHECK_NOTES)
                command.add_argument("--repair", action="store_true", help=_REPAIR_HELP)
            case "routes":
                _explain(command, _ROUTES_HELP, _ROUTES_NOTES)
                command.add_argument("--kind", choices=_KINDS, help="only routes of this kind")
                command.add_argument("station", metavar="STATION|PREFIX", nargs="?", help=_ROUTES_STATION_HELP)
            case "leases":
                _explain(command, _LEASES_HELP, _LEASES_NOTES)
                command.add_argument("--expired", action="store_true", help="also those that are over and remembered")
                command.add_argument("station", metavar="STATION|PREFIX", nargs="?", help=_LEASES_STATION_HELP)
            case "where":
                command.add_argument("station", metavar="STATION", help=_STATION_HELP)
            case "conflicts":
                command.add_argument("station", metavar="STATION", nargs="?", help=f"{_STATION_HELP}; default: all")
            case _:
                pass
    return parser


def _explain(command: argparse.ArgumentParser, text: str, notes: str) -> None:
    command.description, command.epilog = text, notes
    command.formatter_class = argparse.RawDescriptionHelpFormatter


def _report(reply: dict[str, object], topic: str, *, as_json: bool) -> int:
    if "result" not in reply:
        print(f"sroamctl: {printable(str(reply.get('error', 'no result')))}", file=sys.stderr)
        return EXIT_USAGE if reply.get("code") in ("unknown", "bad-request") else EXIT_NO
    result = reply["result"]
    print(json.dumps(result, indent=2) if as_json else _text(topic, result), flush=True)
    well = result.get(_VERDICTS[topic], True) if topic in _VERDICTS and isinstance(result, dict) else True
    return EXIT_OK if well else EXIT_NO


def _text(topic: str, result: object) -> str:
    if isinstance(result, list) and all(isinstance(row, dict) for row in result):
        return _TABLES.get(topic, tables.table)(result)
    if isinstance(result, dict):
        return _PAGES.get(topic, tables.fields)(result)
    return tables.cell("", result)


if __name__ == "__main__":
    sys.exit(main())
