"""Answers of the agent as text for people: aligned columns, nothing that could steer a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network

from sroamd.printable import printable

NOTHING = "-"
GAP = "  "
DURATIONS = frozenset({"remaining", "since", "heard", "expires"})  # keys whose values are seconds

_ADDRESS_KINDS = frozenset({"ipv4", "ipv6"})
_LEASE_COLUMNS = ("address", "station", "hostname", "expires", "state", "where")
_ROUTE_COLUMNS = ("prefix", "kind", "station", "node", "via", "why", "since")


def table(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows of a flat list; the columns are the keys that occur, in the order of their first occurrence."""
    if not rows:
        return "none"
    columns = list(dict.fromkeys(key for row in rows for key in row))
    header = [printable(column).upper().replace("_", " ") for column in columns]
    cells = [[cell(column, row.get(column)) for column in columns] for row in rows]
    numeric = [all(_is_number(row.get(column)) for row in rows) for column in columns]
    return "\n".join(_aligned([header, *cells], numeric))


def routes(rows: Iterable[Mapping[str, object]]) -> str:
    """A table in the order of the prefixes, IPv4 first, with the way in one column and in the words of ip(8)."""
    listed = sorted(rows, key=lambda row: _place(str(row.get("prefix"))))
    return table([{column: row.get(column) for column in _ROUTE_COLUMNS} | {"via": _via(row)} for row in listed])


def leases(rows: Iterable[Mapping[str, object]]) -> str:
    """A table in the order of the addresses and prefixes, IPv4 first."""
    listed = sorted(rows, key=lambda row: _place(str(row.get("address"))))
    return table([{column: row.get(column) for column in _LEASE_COLUMNS} for row in listed])


def stations(rows: Iterable[Mapping[str, object]]) -> str:
    """A table in the order of the MACs."""
    return table(sorted(rows, key=lambda row: str(row.get("station"))))


def database(rows: Iterable[Mapping[str, object]]) -> str:
    """A table by kind of record; addresses and prefixes come first, and in their order."""
    return table(sorted(rows, key=_record_place))


def _record_place(row: Mapping[str, object]) -> tuple[bool, str, tuple[int, bytes], str]:
    kind, key = str(row.get("kind")), str(row.get("key"))
    is_address = kind in _ADDRESS_KINDS
    try:
        place = _place(key) if is_address else (0, b"")
    except ValueError:
        place = (0, b"")  # octets of a key that is not as it should be
    return not is_address, kind, place, key


def _place(prefix: str) -> tuple[int, bytes]:
    network = ip_network(prefix)
    return network.version, network.network_address.packed


def _via(row: Mapping[str, object]) -> str | None:
    interface, gateway = row.get("interface"), row.get("gateway")
    if interface is None:
        return None
    return f"dev {interface}" if gateway is None else f"{gateway} dev {interface}"


def fields(record: Mapping[str, object]) -> str:
    """One record, a line for each key."""
    names = [printable(key).replace("_", " ") for key in record]
    values = [cell(key, value) for key, value in record.items()]
    return "\n".join(_aligned(list(map(list, zip(names, values, strict=True))), [False, False]))


def status(answer: Mapping[str, object]) -> str:
    """The answer to "status": health first, what is wrong in sentences, counters last."""
    node, counters, problems = answer.get("node"), answer.get("counters"), answer.get("problems")
    told = {"health": "ok" if answer.get("healthy") else "NOT WELL"}
    if isinstance(node, Mapping):
        told = {"node": GAP.join(cell(key, value) for key, value in node.items()), **told}
    for key, value in answer.items():
        if key == "peers" and "peers_configured" in answer:
            told[key] = f"{cell(key, value)} of {cell(key, answer['peers_configured'])} configured"
        elif key not in ("node", "healthy", "problems", "counters", "peers_configured"):
            told[key] = cell(key, value)
    parts = [fields(told)]
    if isinstance(problems, list) and problems:
        parts.append("problems:\n" + _indented(cell("", problem) for problem in problems))
    if isinstance(counters, Mapping) and counters:
        rows = [[printable(name), cell(name, value)] for name, value in counters.items()]
        parts.append("counters:\n" + _indented(_aligned(rows, [False, True])))
    return "\n\n".join(parts)


def cell(key: str, value: object) -> str:
    """One value, on one line, without control characters."""
    if value is None or value == "" or value == []:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key in DURATIONS and isinstance(value, int | float):
        return duration(value)
    if isinstance(value, list):
        return ", ".join(cell("", item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{printable(str(name))}={cell(str(name), item)}" for name, item in value.items())
    return printable(str(value))


def duration(seconds: float) -> str:
    """Two units at most: 45s, 29m58s, 1h30m, 6d23h."""
    sign, left = ("-", -seconds) if seconds < 0 else ("", seconds)
    whole = int(left)
    if whole < 60:
        return f"{sign}{whole}s"
    for size, name, smaller, smaller_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{sign}{whole // size}{name}" + (f"{rest}{smaller_name}" if rest else "")
    raise AssertionError(seconds)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _aligned(rows: Sequence[Sequence[str]], to_the_right: Sequence[bool]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        GAP.join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, to_the_right, strict=True)
        ).rstrip()
        for row in rows
    ]


def _indented(lines: Iterable[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)
