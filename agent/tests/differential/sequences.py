"""What clients do, made from a seed: the same for every server, so addresses are named by what they are to a client."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from random import Random

CLIENTS = 2  # of a sequence, which know each other's addresses
STEPS = (4, 10)  # of a sequence that is made by chance
LEASE_MOST = 1800  # s, what the servers are configured with; the least that they give is in `servers`


class Address(Enum):
    """Of the client that sends, unless it says otherwise."""

    OWN = "its own"  # that it has, or had last
    OFFERED = "what was offered to it"
    OTHERS = "the other client's"
    FREE = "a free one"
    SECOND = "another free one"
    OUTSIDE = "one of another network"
    SERVERS = "the server's own"


class Kind(Enum):
    DISCOVER = "DISCOVER"
    SELECT = "REQUEST (SELECTING)"
    REBOOT = "REQUEST (INIT-REBOOT)"
    RENEW = "REQUEST (RENEWING)"
    REBIND = "REQUEST (REBINDING)"
    CONFUSED = "REQUEST (server identifier and ciaddr)"
    EMPTY = "REQUEST (no address)"
    INFORM = "INFORM"
    DECLINE = "DECLINE"
    RELEASE = "RELEASE"


@dataclass(frozen=True, slots=True)
class Step:
    """One message. `right`: the server identifier is the server's own. `identity`: 0 the MAC only, else a client
    identifier, of which each client has two. `others_identity`: it uses the other client's identifier."""

    kind: Kind
    who: int = 0
    address: Address | None = None
    right: bool = True
    identity: int = 0
    others_identity: bool = False
    wanted: tuple[int, ...] | None = (1, 3, 6)
    lease_time: int | None = None
    broadcast: bool = False
    max_size: int | None = None

    def __str__(self) -> str:
        said = [f"client {self.who}: {self.kind.value}"]
        if self.address:
            said.append(f"for {self.address.value}")
        if not self.right:
            said.append("of another server")
        if self.identity:
            said.append(f"as identity {self.identity}{' of the other client' if self.others_identity else ''}")
        if self.lease_time is not None:
            said.append(f"for {self.lease_time} s")
        if self.broadcast:
            said.append("broadcast flag")
        if self.wanted != (1, 3, 6):
            said.append(f"wants {self.wanted}")
        if self.max_size:
            said.append(f"takes {self.max_size} octets")
        return ", ".join(said)


@dataclass(frozen=True, slots=True)
class Sequence:
    """`number` tells it from the others of its run: MACs, transaction ids and free addresses come from it."""

    number: int
    steps: tuple[Step, ...]
    name: str = ""


JOIN = (Step(Kind.DISCOVER), Step(Kind.SELECT, address=Address.OFFERED))
PEER = tuple(replace(step, who=1) for step in JOIN)


def _scripts() -> Iterator[tuple[str, tuple[Step, ...]]]:
    """Each state of a client by name, so that whatever the seed is, it is there."""
    for kind in (Kind.RENEW, Kind.REBIND, Kind.REBOOT):
        for address in (Address.OWN, Address.OTHERS, Address.FREE, Address.OUTSIDE, Address.SERVERS):
            yield f"{kind.value} by a client that is known, {address.value}", (*JOIN, *PEER, Step(kind, 0, address))
        for address in (Address.OTHERS, Address.FREE, Address.OUTSIDE, Address.SERVERS):
            yield f"{kind.value} by a client that is unknown, {address.value}", (*PEER, Step(kind, 0, address))
    for address in (Address.OTHERS, Address.FREE, Address.OUTSIDE, Address.SERVERS):
        yield f"DISCOVER, {address.value}", (*PEER, Step(Kind.DISCOVER, 0, address))
        yield f"SELECTING, {address.value}", (*PEER, Step(Kind.DISCOVER), Step(Kind.SELECT, 0, address))
    yield (
        "INIT-REBOOT with what was offered",
        (Step(Kind.DISCOVER, 0, Address.FREE), Step(Kind.REBOOT, 0, Address.FREE)),
    )
    yield "INIT-REBOOT with something else", (Step(Kind.DISCOVER), Step(Kind.REBOOT, 0, Address.FREE))
    yield "offer of another server taken", (Step(Kind.DISCOVER), Step(Kind.SELECT, 0, Address.OFFERED, right=False))
    yield "DISCOVER again, with a lease", (*JOIN, Step(Kind.DISCOVER), Step(Kind.SELECT, 0, Address.OFFERED))
    yield "DISCOVER for another address, with a lease", (*JOIN, Step(Kind.DISCOVER, 0, Address.FREE))
    yield "DISCOVER again, after a DECLINE", (JOIN[0], Step(Kind.DECLINE, 0, Address.FREE), JOIN[0])
    yield "DISCOVER again, for another address", (JOIN[0], Step(Kind.DISCOVER, 0, Address.FREE))
    yield "server identifier and ciaddr", (*JOIN, Step(Kind.CONFUSED, 0, Address.OWN))
    yield "REQUEST without an address", (*JOIN, Step(Kind.EMPTY))
    for right in (True, False):
        release = Step(Kind.RELEASE, 0, Address.OWN, right=right)
        yield "RELEASE, and back", (*JOIN, release, *JOIN)
        yield "RELEASE, and INIT-REBOOT", (*JOIN, release, Step(Kind.REBOOT, 0, Address.OWN))
        yield "RELEASE, and the other asks for it", (*JOIN, release, Step(Kind.DISCOVER, 1, Address.OTHERS))
        decline = Step(Kind.DECLINE, 0, Address.OWN, right=right)
        yield "DECLINE, and another", (*JOIN, decline, *JOIN)
        yield "DECLINE, and the same", (*JOIN, decline, Step(Kind.REBOOT, 0, Address.OWN))
    release = Step(Kind.RELEASE, 0, Address.OWN)
    yield "RELEASE, and back for another address", (*JOIN, release, Step(Kind.DISCOVER, 0, Address.FREE))
    yield (
        "RELEASE of the other's",
        (*JOIN, *PEER, Step(Kind.RELEASE, 0, Address.OTHERS), Step(Kind.RENEW, 1, Address.OWN)),
    )
    yield (
        "DECLINE of the other's",
        (*JOIN, *PEER, Step(Kind.DECLINE, 0, Address.OTHERS), Step(Kind.RENEW, 1, Address.OWN)),
    )
    for address in (Address.OWN, Address.FREE, Address.OUTSIDE):
        yield f"INFORM, {address.value}", (*JOIN, Step(Kind.INFORM, 0, address), Step(Kind.RENEW, 0, Address.OWN))
    yield "INFORM of a stranger", (Step(Kind.INFORM, 0, Address.FREE),)
    yield "INFORM without an address", (Step(Kind.INFORM),)
    for seconds in (1, 60, 90, 600, LEASE_MOST, 2 * LEASE_MOST, 0xFFFFFFFF):
        yield f"{seconds} s wanted", tuple(replace(step, lease_time=seconds) for step in JOIN)
    for wanted in (None, (), (6, 3, 1), (51, 58, 59, 54), (1, 3, 6, 15, 28, 42, 121, 252)):
        yield f"{wanted} wanted", tuple(replace(step, wanted=wanted) for step in JOIN)
    yield (
        "broadcast flag",
        (*(replace(step, broadcast=True) for step in JOIN), Step(Kind.RENEW, 0, Address.OWN, broadcast=True)),
    )
    yield "broadcast flag and NAK", (*JOIN, Step(Kind.REBOOT, 0, Address.OUTSIDE, broadcast=True))
    yield "small packets", tuple(replace(step, max_size=300) for step in JOIN)
    named = tuple(replace(step, identity=1) for step in JOIN)
    yield (
        "client identifier",
        (*named, Step(Kind.RENEW, 0, Address.OWN, identity=1), Step(Kind.REBOOT, 0, Address.OUTSIDE, identity=1)),
    )
    yield "another client identifier", (*named, Step(Kind.DISCOVER, identity=2))
    yield "another client identifier renews", (*named, Step(Kind.RENEW, 0, Address.OWN, identity=2))
    yield "no client identifier any more", (*named, Step(Kind.DISCOVER))
    yield "no client identifier any more, INIT-REBOOT", (*named, Step(Kind.REBOOT, 0, Address.OWN))
    stolen = Step(Kind.DISCOVER, 1, identity=1, others_identity=True)
    yield "the client identifier of another", (*named, stolen)
    yield "the client identifier of another renews", (*named, replace(stolen, kind=Kind.RENEW, address=Address.OTHERS))


SCRIPTS = tuple(Sequence(number, steps, name) for number, (name, steps) in enumerate(_scripts()))


def sequences(seed: int, count: int) -> Iterator[Sequence]:
    """The scripts first, then by chance; `count` in all."""
    yield from SCRIPTS[:count]
    for number in range(len(SCRIPTS), count):
        yield Sequence(number, tuple(_Chance(Random(f"{seed}/{number}")).steps()), f"seed {seed}")


@dataclass
class _Chance:
    """Clients that mostly do what is next, and sometimes something else."""

    random: Random
    has: list[str] = field(default_factory=lambda: ["nothing"] * CLIENTS)
    identity: list[int] = field(default_factory=list)

    def steps(self) -> Iterator[Step]:
        self.identity = [self.random.choice((0, 0, 1)) for _ in range(CLIENTS)]
        for _ in range(self.random.randint(*STEPS)):
            who = self.random.choice((0, 0, 1))
            step = self._details(self._usual(who) if self.random.random() < 0.75 else self._odd(who))
            self._follow(step)
            yield step

    def _usual(self, who: int) -> Step:
        if self.has[who] == "nothing":
            return Step(Kind.DISCOVER, who, self.random.choice((None, None, Address.FREE)))
        if self.has[who] == "offer":
            return Step(Kind.SELECT, who, Address.OFFERED)
        kinds = (
            Kind.RENEW,
            Kind.RENEW,
            Kind.REBIND,
            Kind.REBOOT,
            Kind.RELEASE,
            Kind.DISCOVER,
            Kind.INFORM,
            Kind.DECLINE,
        )
        kind = self.random.choice(kinds)
        return Step(kind, who, None if kind is Kind.DISCOVER else Address.OWN)

    def _odd(self, who: int) -> Step:
        kind = self.random.choice([kind for kind in Kind if kind not in (Kind.EMPTY, Kind.CONFUSED)])
        address = self.random.choice((Address.OTHERS, Address.FREE, Address.SECOND, Address.OUTSIDE, Address.SERVERS))
        right = self.random.random() < 0.7
        return Step(kind, who, address, right)

    def _details(self, step: Step) -> Step:
        chance = self.random.random
        return replace(
            step,
            identity=self.identity[step.who],
            wanted=tuple(self.random.sample((1, 3, 6, 15, 28, 51, 58, 59), self.random.randint(1, 8))),
            lease_time=self.random.choice((120, 600, 3600)) if chance() < 0.2 else None,
            broadcast=chance() < 0.25,
            max_size=self.random.choice((576, 1472)) if chance() < 0.2 else None,
        )

    def _follow(self, step: Step) -> None:
        match step.kind:
            case Kind.DISCOVER:
                self.has[step.who] = "offer"
            case Kind.SELECT if step.right and step.address is Address.OFFERED and self.has[step.who] == "offer":
                self.has[step.who] = "lease"
            case Kind.SELECT | Kind.RELEASE | Kind.DECLINE:
                self.has[step.who] = "nothing"
