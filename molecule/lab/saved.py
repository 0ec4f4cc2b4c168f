"""The description of a running lab on disk, so that other processes can operate it."""

from __future__ import annotations

import json
from dataclasses import asdict
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from .errors import LabError
from .image import Image
from .topology import Kind, Link, Node, Topology

_FILE = "lab.json"


def save(directory: Path, topology: Topology, made_of: Image) -> None:
    """Write the description into a lab's state directory."""
    document = {"topology": to_document(topology), "base": str(made_of.base), "feed": str(made_of.feed)}
    (directory / _FILE).write_text(json.dumps(document, indent=1))


def load(directory: Path) -> tuple[Topology, Image]:
    """Read what `save` wrote. Raises LabError when no lab is there."""
    try:
        document = json.loads((directory / _FILE).read_text())
    except FileNotFoundError as missing:
        raise LabError(f"no lab named {directory.name} on this machine") from missing
    return from_document(document["topology"]), Image(Path(document["base"]), Path(document["feed"]))


def to_document(topology: Topology) -> dict[str, Any]:
    """A topology as plain JSON values."""
    nodes = [{**asdict(node), "kind": node.kind.value} for node in topology.nodes]
    return {"prefix": topology.prefix, "management": str(topology.management), "nodes": nodes}


def from_document(document: dict[str, Any]) -> Topology:
    """The inverse of to_document."""
    nodes = tuple(
        Node(node["name"], Kind(node["kind"]), node["number"], tuple(Link(**link) for link in node["links"]))
        for node in document["nodes"]
    )
    return Topology(document["prefix"], IPv4Network(document["management"]), nodes)
