"""The answer to `sroamctl check`, and how far it is, for somebody who has been woken up."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

from sroamd.printable import printable
from sroamd.tables import duration

WIDTH = 100
SHOWN_MAX = 20  # differences of one node
RENEWED_EVERY = 33 * 60  # seconds: a node that runs says again who it is within that time

Object = Mapping[str, Any]

_KINDS = {"ipv4": "lease", "ipv6": "lease", "association": "station", "node": "node", "evidence": "evidence on"}


def progress(answer: Object) -> str:
    """One line."""
    return (
        f"look {answer['look']}: {answer['answered']} of {answer['nodes']} nodes have answered, "
        f"{answer['in_step']} are in step"
    )


def result(answer: Object) -> str:
    """What needs a hand first: nodes that differ, then those that do not answer; the others on one line."""
    nodes: list[Object] = answer["nodes"]
    by_state: dict[str, list[Object]] = {"differs": [], "no answer": [], "in step": []}
    for node in nodes:
        by_state[node["state"]].append(node)
    differing, silent, equal = by_state.values()
    parts = [_headline(answer, len(nodes), len(differing), len(silent))]
    parts += [_differing(node, answer["records"]) for node in differing]
    parts += [_silent(node) for node in silent]
    if equal:
        parts.append(_paragraph("in step: " + ", ".join(map(_name, equal))))
    if answer["left_out"]:
        parts.append(f"{answer['left_out']} more nodes are known here and were not asked: more than a fleet has.")
    advice = _advice(bool(differing), bool(silent))
    return "\n\n".join([*parts, *advice])


def _headline(answer: Object, count: int, differing: int, silent: int) -> str:
    asker = printable(answer["node"]["name"])
    if answer["alone"]:
        return f"{asker} knows no other node, although peers are configured: see sroamctl peers."
    if not count:
        return f"{asker} knows no other node: nothing to compare with."
    others = f"{count} other node{'s' if count > 1 else ''}"
    took = f"({answer['records']} records, {answer['seconds']:g} s)"
    if answer["in_step"]:
        return f"All in step: {asker} and {others} hold the same database {took}."
    found = []
    if differing:
        found.append(f"{differing} differ{'' if differing > 1 else 's'}")
    if silent:
        found.append(f"{silent} {'do' if silent > 1 else 'does'} not answer")
    return f"NOT IN STEP: {asker} has compared its database with {others}: {', '.join(found) or 'not all'} {took}."


def _differing(node: Object, records_here: int) -> str:
    lines = [f"{_name(node)} differs. It holds {node['records']} records, this node {records_here}."]
    differences: list[Object] = node["differences"]
    for each in differences[:SHOWN_MAX]:
        lines.append(f"  {_subject(each)}")
        lines.append(f"    here   {_version(each, each['here'])}")
        lines.append(f"    there  {_version(each, each['there'])}")
    if node["more"] or len(differences) > SHOWN_MAX:
        lines.append("  and more that is not shown" if differences else "  In what, could not be found out in time.")
    return "\n".join(lines)


def _subject(difference: Object) -> str:
    kind = printable(difference["kind"])
    return f"{_KINDS.get(kind, f'record of type {kind}')} {printable(difference['key'])}"


def _version(difference: Object, version: Object | None) -> str:
    if version is None:
        return "nothing"
    value = printable(version["value"]) or "(empty)"
    if difference["kind"] in ("ipv4", "ipv6") and value != "declined":
        value = f"of {value}"
    elif difference["kind"] == "association" and value != "gone":
        value = f"at {value}"
    left = f"{duration(version['remaining'])} left" if version["remaining"] else "expired"
    return f"{value}, seqno {version['seqno']}, {left}"


def _silent(node: Object) -> str:
    ago = node["renewed_ago"]
    why = "It answered once and then no more: the way to it is bad." if node["records"] is not None else None
    if why is None and ago is not None and ago > RENEWED_EVERY:
        why = (
            f"It last said who it is {duration(ago)} ago, and does so at least every {duration(RENEWED_EVERY)} while "
            "it can: it is off, or has long been cut off. It is forgotten after 90 minutes."
        )
    elif why is None:
        said = "" if ago is None else f"It said who it is {duration(ago)} ago. "
        why = said + (
            "It has gone down since, is cut off, or is only reached through a C daemon, which passes no questions on: "
            "then ask there."
        )
    return f"{_name(node)} does not answer.\n" + _paragraph(why, "  ")


def _advice(differing: bool, silent: bool) -> list[str]:
    advice = []
    if differing:
        advice.append(
            "Nodes repair such differences themselves within a minute. Ask again then; if it stays, restart sroamd on "
            "the node that differs (stations do not notice) and keep its journal."
        )
    if silent:
        advice.append("Where a node does not answer, see sroamctl peers there and here, and systemctl status sroamd.")
    return [_paragraph(" ".join(advice))] if advice else []


def _name(node: Object) -> str:
    name = printable(node["node"])
    return name if node["known"] else f"{name} (not in this node's database)"


def _paragraph(text: str, indent: str = "") -> str:
    lines = wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return "\n".join(lines)
