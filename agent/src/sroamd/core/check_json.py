"""What `sroamctl check` is told: a check's progress and its result, JSON-ready, with names instead of ids."""

from __future__ import annotations

from sroamd.core.check_result import CheckProgress, CheckResult, Difference, NodeResult, Standing, Version
from sroamd.core.nodes import Nodes
from sroamd.core.turn import State
from sroamd.core.words import kind_of, meaning, subject

Object = dict[str, object]


def progress_json(progress: CheckProgress) -> Object:
    return {
        "look": progress.look,
        "nodes": progress.nodes,
        "answered": progress.answered,
        "in_step": progress.in_step,
    }


def result_json(state: State, nodes: Nodes, result: CheckResult) -> Object:
    """`alone`: peers are configured, and yet no other node is known, so nothing could be compared."""
    alone = not result.nodes and bool(state.config.flood.peers)
    return {
        "in_step": result.in_step and not alone,
        "alone": alone,
        "node": {"name": state.config.node.name, "id": str(state.node_id)},
        "records": result.records,
        "digest": result.digest.hex(),
        "looks": result.looks,
        "seconds": round(result.seconds, 1),
        "left_out": result.left_out,
        "nodes": [_node(nodes, one) for one in result.nodes],
    }


def _node(nodes: Nodes, one: NodeResult) -> Object:
    return {
        "node": nodes.name(one.node),
        "id": str(one.node),
        "state": one.standing.value,
        "known": one.renewed_ago is not None,
        "renewed_ago": one.renewed_ago,
        "records": one.records,
        "differences": [_difference(nodes, each) for each in one.differences],
        "more": one.more and one.standing is Standing.DIFFERS,
    }


def _difference(nodes: Nodes, difference: Difference) -> Object:
    key = difference.key
    return {
        "kind": kind_of(key),
        "key": subject(key),
        "here": _version(nodes, key, difference.ours),
        "there": _version(nodes, key, difference.theirs),
    }


def _version(nodes: Nodes, key: bytes, version: Version | None) -> Object | None:
    if version is None:
        return None
    value = meaning(nodes, key, version.value)
    return {"value": value, "seqno": version.seqno, "remaining": version.remaining}
