"""One check: this node compares its database with all others', and looks again where they differ.

A look asks everybody for the digests of the whole. Where they are not ours, it goes down the digest tree to the buckets
that differ, at most LIMIT_PER_DEPTH of each depth, and compares what they hold. Data move meanwhile, so a difference
alone means nothing: what one side held at one look, the other must have reached at the next, a second later. A node is
out of step when it has not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from sroamd import constants
from sroamd.addresses import NodeId
from sroamd.core.check_result import CheckProgress, CheckResult, Difference, NodeResult, Standing, Version
from sroamd.core.fingerprints import bucket_of, fingerprint
from sroamd.core.turn import State
from sroamd.wire.census import KEY_MAX, Answer, Held
from sroamd.wire.datum import node_key
from sroamd.wire.summary import DEPTH, DIGEST_SIZE, FAN_OUT

LOOKS = 3
LOOK_INTERVAL = 1.0  # between two looks: far longer than a flood takes
LOOK_TIME_MAX = 5.0
ANSWER_TIME = 1.5  # nothing heard for so long: whoever has not answered does not
LIMIT_PER_DEPTH = 16  # parts of one node's database that one look asks for
OUTSTANDING_MAX = 64
ROOTS_KEPT = 64


@dataclass(slots=True)
class Part:
    """A part of a node's database that is asked for; at the depth of the buckets, what has come of it."""

    node: NodeId
    depth: int
    prefix: int
    held: list[Held] = field(default_factory=list)


@dataclass(slots=True)
class View:
    """What is known of one node. `found`: the differences of this look by key; `before`: those of the one before."""

    records: int | None = None
    in_step: bool = False
    heard: bool = False  # in this look
    looks: int = 0  # in which it was heard
    unanswered: int = 0  # parts that are asked for, or wait to be
    asked: dict[int, set[int]] = field(default_factory=dict)  # prefixes by depth
    is_cut: bool = False  # more differs than was looked at
    found: dict[bytes, Difference] = field(default_factory=dict)
    before: dict[bytes, Difference] = field(default_factory=dict)
    was_complete: bool = False  # the look before
    stuck: dict[bytes, Difference] = field(default_factory=dict)

    def begin(self) -> None:
        self.heard, self.unanswered, self.is_cut = False, 0, False
        self.asked, self.found = {depth: set() for depth in range(1, DEPTH + 1)}, {}

    def conclude(self) -> None:
        """The look is over."""
        if self.in_step or not self.heard:
            return
        complete = not self.unanswered and not self.is_cut
        fresh = {key for key in self.found if key not in self.before}
        self.stuck = {k: d for k, d in self.found.items() if k in self.before and not d.has_moved_since(self.before[k])}
        if complete and not self.stuck:
            # What was equal at the last look and is not now has just changed.
            self.in_step = not fresh or self.was_complete
        self.before, self.was_complete = self.found, complete
        self.looks += 1


class Check:
    """The decisions. `core.checks` gives it nonces, sends what is in `queue`, and calls it in time."""

    def __init__(self, state: State, known: Iterable[NodeId], now: float) -> None:
        nodes = sorted(known)
        self.views = {node: View() for node in nodes[: constants.CENSUS_NODES_MAX]}
        self.left_out = len(nodes) - len(self.views)
        self.queue: deque[Part] = deque()
        self.outstanding: dict[bytes, Part | None] = {}  # by nonce; None: the question to everybody
        self.look = 0
        self._state = state
        self._began_at = now
        self._look_at = now
        self._progress_at = now
        self._roots: deque[bytes] = deque(maxlen=ROOTS_KEPT)  # ours since the look began
        self.resting = True

    # -- looks

    def begin_look(self, nonce: bytes, now: float) -> None:
        """`nonce` is that of the question to everybody."""
        self.look += 1
        self.resting = False
        self._look_at = self._progress_at = now
        self.queue.clear()
        self.outstanding = {nonce: None}
        self._roots.clear()
        self.note_root()
        for view in self.views.values():
            view.begin()

    def note_root(self) -> None:
        """Our own digest may have changed. A node that has what we had a moment ago is in step."""
        root = self._state.database.digest
        if not self._roots or self._roots[-1] != root:
            self._roots.append(root)

    def is_look_over(self, now: float) -> bool:
        waits = self.queue or len(self.outstanding) > 1 or not all(v.heard or v.in_step for v in self.views.values())
        return not waits or now >= min(self._progress_at + ANSWER_TIME, self._look_at + LOOK_TIME_MAX)

    def conclude_look(self) -> bool:
        """Whether that was the last one."""
        self.resting = True
        self.queue.clear()
        self.outstanding.clear()
        for view in self.views.values():
            view.conclude()
        unsettled = [view for view in self.views.values() if not view.in_step]
        late = any(view.looks == 1 for view in unsettled)  # what was seen once only may be on its way
        return not unsettled or self.look >= LOOKS + late

    def next_look_at(self) -> float:
        return self._look_at + LOOK_INTERVAL

    # -- answers

    def answered(self, answer: Answer, now: float) -> bool:
        """Whether it was asked for. What is to be asked next is in the queue."""
        if answer.nonce not in self.outstanding:
            return False
        part = self.outstanding[answer.nonce]
        if part is None:
            return self._root_answered(answer, now)
        if (part.node, part.depth, part.prefix) != (answer.node, answer.depth, answer.prefix):
            return False
        self._progress_at = now
        if part.depth == DEPTH and not self._is_whole(part, answer):
            return True
        del self.outstanding[answer.nonce]
        view = self.views[part.node]
        view.unanswered -= 1
        if part.depth == DEPTH:
            self._compare(view, part, answer.count, now)
        else:
            self._descend(part.node, view, part.depth, part.prefix, answer.digests)
        return True

    def _root_answered(self, answer: Answer, now: float) -> bool:
        view = self.views.get(answer.node)
        if view is None and len(self.views) < constants.CENSUS_NODES_MAX:
            view = self.views[answer.node] = View()
            view.begin()
        if view is None or view.heard or answer.depth != 0:
            return False
        self._progress_at = now
        view.heard, view.records = True, answer.count
        if view.in_step:
            return True
        if _root_of(answer.digests) in self._roots:
            view.in_step = True
            return True
        for bucket in sorted({bucket_of(key) for key in view.before}):  # looked at again, whatever else differs
            self._want(answer.node, view, DEPTH, bucket)
        self._descend(answer.node, view, 0, 0, answer.digests)
        return True

    def _descend(self, node: NodeId, view: View, depth: int, prefix: int, digests: bytes) -> None:
        """Ask for the children that are not like ours."""
        for number, ours in enumerate(self._state.database.digests.children(depth, prefix)):
            if digests[number * DIGEST_SIZE : (number + 1) * DIGEST_SIZE] != ours:
                self._want(node, view, depth + 1, prefix * FAN_OUT + number)

    def _want(self, node: NodeId, view: View, depth: int, prefix: int) -> None:
        asked = view.asked[depth]
        if prefix in asked:
            return
        if len(asked) >= LIMIT_PER_DEPTH:
            view.is_cut = True
            return
        asked.add(prefix)
        view.unanswered += 1
        self.queue.append(Part(node, depth, prefix))

    def _is_whole(self, part: Part, answer: Answer) -> bool:
        """Whether this answer was the last one of the bucket."""
        if answer.held is None:
            return True
        part.held.append(answer.held)
        return len(part.held) >= min(answer.count, constants.CENSUS_BUCKET_MAX)

    def _compare(self, view: View, part: Part, count: int, now: float) -> None:
        if count != len(part.held) or not all(is_of_bucket(held.key, part.prefix) for held in part.held):
            view.is_cut = True  # too many to list, or an answer that contradicts itself
            return
        ours = self._bucket(part.prefix, now)
        theirs = {held.key: Version(held.fingerprint, held.seqno, held.value, held.remaining) for held in part.held}
        for key in sorted(ours.keys() | theirs.keys()):
            difference = Difference(key, ours.get(key), theirs.get(key))
            if difference.matters:
                view.found[key] = difference

    def _bucket(self, bucket: int, now: float) -> dict[bytes, Version]:
        """What we hold of it, under keys as an answer shows them."""
        versions = {}
        database = self._state.database
        for key in database.digests.keys(bucket):
            datum = database.get(key)
            if datum is not None:
                bits = fingerprint(key, datum.seqno, datum.value).to_bytes(DIGEST_SIZE, "big")
                versions[key[:KEY_MAX]] = Version(bits, datum.seqno, datum.value, datum.remaining(now))
        return versions

    # -- what it comes to

    def progress(self) -> CheckProgress:
        answered = sum(view.records is not None for view in self.views.values())
        in_step = sum(view.in_step for view in self.views.values())
        return CheckProgress(self.look, len(self.views), answered, in_step)

    def result(self, now: float) -> CheckResult:
        database = self._state.database
        nodes = tuple(self._result_of(node, view, now) for node, view in sorted(self.views.items()))
        return CheckResult(self.look, now - self._began_at, database.alive, database.digest, nodes, self.left_out)

    def _result_of(self, node: NodeId, view: View, now: float) -> NodeResult:
        record = self._state.database.live(node_key(node), now)
        ago = None if record is None else max(0, constants.NODE_LIFE - record.remaining(now))
        if view.in_step:
            return NodeResult(node, Standing.IN_STEP, view.records, ago)
        if view.looks < 2:  # what was seen but once may have been on its way
            return NodeResult(node, Standing.NO_ANSWER, view.records, ago)
        differences = view.stuck or view.before
        return NodeResult(
            node, Standing.DIFFERS, view.records, ago, tuple(differences.values()), more=not view.was_complete
        )


def is_of_bucket(key: bytes, bucket: int) -> bool:
    """Of a key that has been cut nobody can tell."""
    return len(key) == KEY_MAX or bucket_of(key) == bucket


def _root_of(digests: bytes) -> bytes:
    """The digest of the whole is the XOR of those of its parts."""
    root = 0
    for at in range(0, len(digests), DIGEST_SIZE):
        root ^= int.from_bytes(digests[at : at + DIGEST_SIZE], "big")
    return root.to_bytes(DIGEST_SIZE, "big")
