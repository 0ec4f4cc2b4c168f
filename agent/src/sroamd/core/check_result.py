"""What a check finds: whether all nodes hold the same database, and if one does not, which versions differ."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sroamd.addresses import NodeId
from sroamd.core.seqno import is_newer

# Copies of one version may expire SLACK and a second a hop apart, so what is about to expire is no difference.
EXPIRES_SOON = 60


@dataclass(frozen=True, slots=True)
class Version:
    """One of a key. `remaining`: seconds. The value may be cut; the fingerprint is that of the whole."""

    fingerprint: bytes
    seqno: int
    value: bytes
    remaining: int

    @property
    def matters(self) -> bool:
        """It is in force, it says something, and it will for a while."""
        return bool(self.value) and self.remaining > EXPIRES_SOON


@dataclass(frozen=True, slots=True)
class Difference:
    """Two nodes' versions of one key. None: not held."""

    key: bytes
    ours: Version | None
    theirs: Version | None

    @property
    def matters(self) -> bool:
        ours, theirs = self.ours, self.theirs
        if ours is not None and theirs is not None and ours.fingerprint == theirs.fingerprint:
            return (ours.matters and theirs.remaining == 0) or (theirs.matters and ours.remaining == 0)
        return any(version is not None and version.matters for version in (ours, theirs))

    def has_moved_since(self, before: Difference) -> bool:
        """Each side has by now what the other had then (or something newer): it is on its way, and nothing is wrong."""
        return _has_reached(self.theirs, before.ours) and _has_reached(self.ours, before.theirs)


def _has_reached(now: Version | None, other_then: Version | None) -> bool:
    if other_then is None:
        return True
    if now is None:
        return other_then.remaining <= EXPIRES_SOON
    if now.fingerprint == other_then.fingerprint:
        return now.remaining > 0 or other_then.remaining <= EXPIRES_SOON
    return is_newer(now.seqno, now.value, other_then.seqno, other_then.value)


class Standing(Enum):
    IN_STEP = "in step"
    DIFFERS = "differs"
    NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class NodeResult:
    """`records`: how many it holds, None if it did not answer. `more`: not all of what differs was looked at.

    `renewed_ago`: seconds since it last said who it is, None where its record is not known here.
    """

    node: NodeId
    standing: Standing
    records: int | None
    renewed_ago: int | None
    differences: tuple[Difference, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`left_out`: nodes beyond the limit, which were not asked. `records` and `digest` are this node's, at the end."""

    looks: int
    seconds: float
    records: int
    digest: bytes
    nodes: tuple[NodeResult, ...]
    left_out: int

    @property
    def in_step(self) -> bool:
        return not self.left_out and all(one.standing is Standing.IN_STEP for one in self.nodes)


@dataclass(frozen=True, slots=True)
class CheckProgress:
    """How far a check is: of `nodes` so many have answered, and so many are found to be in step."""

    look: int
    nodes: int
    answered: int
    in_step: int
