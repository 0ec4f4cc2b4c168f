"""sroamctl: asks the agent of this machine, by way of its control socket.

Exit status: 0 ok, 1 not found or not healthy, 2 wrong usage, 3 the agent cannot be reached.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from collections.abc import Sequence

from sroamd import __version__, tables
from sroamd.printable import printable

DEFAULT_SOCKET = "/run/sroamd/control.sock"
TIMEOUT = 10.0  # seconds of silence

EXIT_OK, EXIT_NO, EXIT_USAGE, EXIT_UNREACHABLE = 0, 1, 2, 3

_COMMANDS = {
    "status": "is this node well? its counters",
    "stations": "all stations of the roaming domain, and where they are",
    "where": "where one station is",
    "database": "all records that are flooded",
    "peers": "the nodes that this one floods with",
    "routes": "the host routes that this node has installed",
    "conflicts": "stations that several nodes claim, and what each has seen of them",
}
_STATION_HELP = "MAC, IPv4 address, or any IPv6 address in the station's prefix"


class Unreachable(Exception):
    """Why there was no answer."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        reply = ask(options.socket, options.command, getattr(options, "station", None))
        return _report(reply, options.command, as_json=options.json)
    except Unreachable as error:
        print(f"sroamctl: cannot reach sroamd at {printable(options.socket)}: {error}", file=sys.stderr)
        return EXIT_UNREACHABLE
    except BrokenPipeError:
        # The reader (head, less) has seen enough; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


def ask(path: str, topic: str, argument: str | None) -> dict[str, object]:
    """One question to the agent that listens at `path`; its whole reply. Raises Unreachable with what to do."""
    request = {"topic": topic} if argument is None else {"topic": topic, "argument": argument}
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(path)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as answer:
                line = answer.readline()
    except PermissionError:
        raise Unreachable("permission denied; use sudo, or join the group sroamd") from None
    except TimeoutError:
        raise Unreachable(f"no answer within {TIMEOUT:.0f} s; see systemctl status sroamd") from None
    except OSError as error:
        raise Unreachable(f"{error.strerror or error}; see systemctl status sroamd") from None
    try:
        reply = json.loads(line)
    except ValueError:
        reply = None
    if not isinstance(reply, dict) or not line.endswith(b"\n"):
        raise Unreachable("its answer broke off; see systemctl status sroamd")
    if reply.get("code") == "busy":
        raise Unreachable(f"{printable(str(reply.get('error')))}; try again")
    return reply


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sroamctl", description="Ask the sroamd of this machine.")
    parser.add_argument("--socket", default=DEFAULT_SOCKET, metavar="PATH", help=f"default {DEFAULT_SOCKET}")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument("--version", action="version", version=f"sroamctl {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, purpose in _COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        if name == "where":
            command.add_argument("station", metavar="STATION", help=_STATION_HELP)
        elif name == "conflicts":
            command.add_argument("station", metavar="STATION", nargs="?", help=f"{_STATION_HELP}; default: all")
    return parser


def _report(reply: dict[str, object], topic: str, *, as_json: bool) -> int:
    if "result" not in reply:
        print(f"sroamctl: {printable(str(reply.get('error', 'no result')))}", file=sys.stderr)
        return EXIT_USAGE if reply.get("code") in ("unknown", "bad-request") else EXIT_NO
    result = reply["result"]
    print(json.dumps(result, indent=2) if as_json else _text(topic, result), flush=True)
    unwell = topic == "status" and isinstance(result, dict) and result.get("healthy") is False
    return EXIT_NO if unwell else EXIT_OK


def _text(topic: str, result: object) -> str:
    if isinstance(result, list) and all(isinstance(row, dict) for row in result):
        return tables.table(result)
    if isinstance(result, dict):
        return tables.status(result) if topic == "status" else tables.fields(result)
    return tables.cell("", result)


if __name__ == "__main__":
    sys.exit(main())
