"""What the answers to one message have in common, aspect by aspect, and where Kea and dnsmasq agree and we do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from tests.differential import message
from tests.differential.message import EVERYBODY, NOBODY, Reply
from tests.differential.play import Answer
from tests.differential.sequences import Sequence, Step
from tests.differential.servers import FIRST, LAST, SERVER

SILENCE = "silence"
ABSENT = "absent"
Aspects = Mapping[str, str]

# After one of these differs, the servers know different things, and what follows cannot be compared.
DECISIVE = ("answer", "yiaddr")


@dataclass(frozen=True, slots=True)
class Difference:
    """Kea and dnsmasq both say `theirs` of one aspect of their answer, and we say `ours`."""

    sequence: Sequence
    number: int  # of the step
    aspect: str
    theirs: str
    ours: str

    @property
    def step(self) -> Step:
        return self.sequence.steps[self.number]

    @property
    def before(self) -> tuple[Step, ...]:
        return self.sequence.steps[: self.number]

    def __str__(self) -> str:
        steps = "\n".join(f"    {step}" for step in self.sequence.steps[: self.number + 1])
        where = f"sequence {self.sequence.number} ({self.sequence.name})"
        return f"{where}: {self.aspect}: they {self.theirs}, we {self.ours}; after\n{steps}"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why we differ: `difference`, `why` and `sections` (of RFCs) are for people; `where`: is it that one?"""

    difference: str
    why: str
    sections: str
    where: Callable[[Difference], bool]


@dataclass
class Findings:
    compared: int = 0  # messages
    disagreements: int = 0  # messages that Kea and dnsmasq answer differently in kind
    differences: list[Difference] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # that tshark finds in our messages


def aspects(answer: Answer) -> Aspects:
    if not answer.replies:
        return {"answer": SILENCE}
    reply = answer.replies[0]
    found = {"answer": reply.kind, "replies": str(len(answer.replies))}
    found["yiaddr"] = _meaning(reply.yiaddr, answer)
    found |= _fields(reply, answer)
    found |= {f"option {code}": value for code, value in _options(reply, answer).items()}
    return found


def _meaning(address: IPv4Address, answer: Answer) -> str:
    """What an address is to the client."""
    names = (
        (NOBODY, "none"),
        (answer.own, "its own"),
        (answer.others, "the other client's"),
        (answer.offered, "what was offered"),
        (answer.asked_for, "what it asks for"),
    )
    for known, name in names:
        if address == known:
            return name
    return "one of the pool" if FIRST <= address <= LAST else "none of the pool"


def _fields(reply: Reply, answer: Answer) -> dict[str, str]:
    request = answer.request
    to = {EVERYBODY: "broadcast", request.ciaddr: "ciaddr", reply.yiaddr: "yiaddr"}
    macs = {message.ALL: "broadcast", request.mac: "the client"}
    return {
        "destination": to.get(reply.destination, "nonsense"),
        "link destination": macs.get(reply.to_mac, "nonsense"),
        "source": "the server" if reply.source == SERVER else "nonsense",
        "ports": f"{reply.ports}",
        "op and hardware": f"{reply.op} {reply.hardware} {reply.hops}",
        "secs": f"{reply.secs}",
        "flags": "as they came" if reply.broadcast == request.broadcast else "changed",
        "ciaddr": {NOBODY: "none", request.ciaddr: "as it came"}.get(reply.ciaddr, "nonsense"),
        "siaddr": {NOBODY: "none", SERVER: "the server"}.get(reply.siaddr, "nonsense"),
        "giaddr": "none" if reply.giaddr == NOBODY else "nonsense",
        "chaddr": "as it came" if reply.chaddr == request.mac else "changed",
        "order": _order(reply, answer),
    }


def _order(reply: Reply, answer: Answer) -> str:
    wanted = list(answer.request.options.get(message.WANTED, b""))
    sent = [code for code in reply.options if code in wanted]
    return "as wanted" if sent == [code for code in wanted if code in sent] else "another"


def _options(reply: Reply, answer: Answer) -> dict[int, str]:
    life = reply.number(message.LEASE_TIME)
    found = {code: value.hex() for code, value in reply.options.items()}
    if life is not None:
        found[message.LEASE_TIME] = f"{life} s"
    for code, share in ((message.T1, 1 / 2), (message.T2, 7 / 8)):
        seconds = reply.number(code)
        if seconds is not None and life:  # dnsmasq takes up to a sixteenth off, by chance
            usual = life * (share - 1 / 16) - 1 <= seconds <= life * share
            found[code] = "as usual" if usual else f"{seconds} s"
    if message.CLIENT in reply.options:
        same = reply.options[message.CLIENT] == answer.request.options.get(message.CLIENT)
        found[message.CLIENT] = "as it came" if same else "changed"
    return found


def compare(
    sequence: Sequence, kea: Answers, dnsmasq: Answers, ours: Answers, findings: Findings
) -> Iterator[Difference]:
    """Step by step, until somebody decides something else than the others."""
    for number, (first, second, third) in enumerate(zip(kea, dnsmasq, ours, strict=True)):
        if first is None or second is None or third is None:
            if first is second is third:
                continue
            return
        judges, own = [aspects(first), aspects(second)], aspects(third)
        findings.compared += 1
        for name in sorted({*judges[0], *judges[1], *own}):
            one, other, we = (said.get(name, ABSENT) for said in (*judges, own))
            if one == other != we and (name == "answer" or own["answer"] == judges[0]["answer"] == judges[1]["answer"]):
                yield Difference(sequence, number, name, one, we)
        if judges[0]["answer"] != judges[1]["answer"]:
            findings.disagreements += 1
        if any(said.get(name) != own.get(name) for said in judges for name in DECISIVE):
            return


Answers = list[Answer | None]


def judge(differences: Iterable[Difference], reasons: Iterable[Reason]) -> tuple[list[Difference], list[Reason]]:
    """Differences for which no reason is given, and reasons for differences that there are not."""
    unused = list(reasons)
    reasons = tuple(unused)
    unexplained = []
    for difference in differences:
        found = [reason for reason in reasons if reason.where(difference)]
        if not found:
            unexplained.append(difference)
        unused = [reason for reason in unused if reason not in found]
    return unexplained, unused
