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
    if "routes" in answer:
        return f"look {answer['look']} at the routes: {answer['routes']} compared"
    return (
        f"look {answer['look']}: {answer['answered']} of {answer['nodes']} nodes have answered, "
        f"{answer['in_step']} are in step"
    )


def result(answer: Object) -> str:
    """The fleet, then this node's routes."""
    return f"{fleet(answer)}\n\n{routes(answer['node'], answer['routes'])}"


def fleet(answer: Object) -> str:
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


def routes(node: Object, answer: Object) -> str:
    """What has been mended, what is still wrong, what is right."""
    faults, mended = answer["faults"], answer["mended"]
    name, took = printable(node["name"]), f"({answer['seconds']:g} s)"
    parts = []
    if mended:
        parts.append("\n".join([f"MENDED in the kernel of {name}:", *(_fault(one) for one in mended[:SHOWN_MAX])]))
    if faults:
        head = f"NOT RIGHT: the kernel of {name} has other routes than it should {took}."
        parts.append("\n".join([head, *(_fault(one) for one in faults[:SHOWN_MAX])]))
    hidden = sum(max(0, len(listed) - SHOWN_MAX) for listed in (faults, mended))
    if hidden:
        parts.append(f"and {hidden} more that are not shown")
    if answer["more"]:
        parts.append("NOT ALL was looked at, since so much is wrong: run it again.")
    elif not faults:
        parts.append(
            f"Routes of {name} are right: the {answer['kernel']} that it should have are in its kernel {took}."
        )
    if faults and mended:
        parts.append(
            _paragraph("What could not be mended is refused by the kernel, or put back by somebody: see the log.")
        )
    elif faults:
        parts.append("sroamctl check --repair mends that, and touches nothing else.")
    return "\n\n".join(parts)


def _fault(fault: Object) -> str:
    what = "nexthop " if fault["what"] == "nexthop" else ""
    lines = [f"  {fault['fault']:<9} {what}{printable(fault['subject'])}"]
    if fault["installed"] != fault["wanted"]:
        lines.append(f"    installed {_or_nothing(fault['installed'])}")
    lines.append(f"    wanted    {_or_nothing(fault['wanted'])}")
    lines.append(f"    kernel    {_or_nothing(fault['kernel'])}")
    return "\n".join(lines)


def _or_nothing(text: str | None) -> str:
    return "nothing" if text is None else printable(text)


def _name(node: Object) -> str:
    name = printable(node["node"])
    return name if node["known"] else f"{name} (not in this node's database)"


def _paragraph(text: str, indent: str = "") -> str:
    lines = wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
    return "\n".join(lines)
