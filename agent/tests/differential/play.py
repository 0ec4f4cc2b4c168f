"""Playing sequences to a server, many side by side, and taking down what it answers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

from tests.differential import message
from tests.differential.message import EVERYBODY, NOBODY, Reply, Request
from tests.differential.sequences import CLIENTS, Address, Kind, Sequence, Step
from tests.differential.servers import SERVER, Server

OUTSIDE = IPv4Address("172.31.0.9")
OTHER_SERVER = IPv4Address("10.0.0.2")
_FREE = int(IPv4Address("10.255.0.0"))  # at the end of the pool; Kea begins at its beginning
_FREE_EACH = 2

# A server is silent if it does not answer before it has answered the next message of another client, and this later:
# longer than we wait whether another node contests an offer (CONTEST_TIME).
GRACE = 0.3
_BARRIER_MAC = bytes.fromhex("0200000000fe")
_BARRIER_ADDRESS = IPv4Address("10.0.0.9")
_BARRIERS, _BARRIER_WITHIN = 10, 2.0
PACE = 0.001  # between two messages: none must be lost in a buffer

_TYPES = {
    Kind.DISCOVER: message.DISCOVER,
    Kind.INFORM: message.INFORM,
    Kind.DECLINE: message.DECLINE,
    Kind.RELEASE: message.RELEASE,
}


@dataclass
class Client:
    """What a client knows: the address that it has or had last, and what was offered to it last."""

    number: int  # of its sequence
    who: int
    own: IPv4Address | None = None
    offered: IPv4Address | None = None

    @property
    def mac(self) -> bytes:
        return b"\x02\x00" + self.number.to_bytes(3, "big") + bytes((self.who + 1,))

    def identifier(self, identity: int) -> bytes:
        return b"\x00" + f"phone-{self.number}-{self.who}-{identity}".encode()

    def free(self, second: bool) -> IPv4Address:
        return IPv4Address(_FREE + _FREE_EACH * (CLIENTS * self.number + self.who) + second)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a step: all replies (none, mostly one), and what the addresses in them are to the client."""

    request: Request
    asked_for: IPv4Address | None
    own: IPv4Address | None
    offered: IPv4Address | None
    others: IPv4Address | None
    replies: tuple[Reply, ...] = ()


@dataclass
class Air:
    """The clients' end of the cable to one server."""

    server: Server
    holders: dict[IPv4Address, bytes] = field(default_factory=dict)
    frames: list[bytes] = field(default_factory=list)  # of the server's messages
    _socket: socket.socket | None = None
    _heard: defaultdict[int, list[Reply]] = field(default_factory=lambda: defaultdict(list))
    _news: dict[int, asyncio.Event] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _barrier: asyncio.Future[None] | None = None
    _barriers: itertools.count[int] = field(default_factory=lambda: itertools.count(0xF0000000))

    async def open(self, sequences: Iterable[Sequence]) -> None:
        """Start the server, let it know whom to answer, and hear what it says from then on."""
        self.holders[_BARRIER_ADDRESS] = _BARRIER_MAC
        self.server.start([_BARRIER_MAC, *_macs(sequences)])
        await self.server.ready()
        with self.server.clients.entered():
            opened = self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
        opened.bind(("cli0", 3))
        opened.setblocking(False)
        asyncio.get_running_loop().add_reader(opened, self._read, opened)

    def _send(self, frame: bytes) -> None:
        assert self._socket is not None
        self._socket.send(frame)

    def close(self) -> None:
        """Stop the server."""
        self.server.stop()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    async def ask(self, request: Request) -> tuple[Reply, ...]:
        """All that answers it."""
        news = self._news[request.xid] = asyncio.Event()
        async with self._turn:
            self._send(request.frame())
            await asyncio.sleep(PACE)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), GRACE)
        if not news.is_set():
            await self._everything_read()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), GRACE)
        return tuple(self._heard[request.xid])

    def late(self, request: Request) -> tuple[Reply, ...]:
        """All that has answered it until now."""
        return tuple(self._heard[request.xid])

    async def _everything_read(self) -> None:
        """Until the server has read all that was sent so far."""
        if self._barrier is not None:
            await self._barrier  # it was sent before, perhaps
        if self._barrier is None:
            self._barrier = asyncio.ensure_future(self._ask_barrier())
        await self._barrier

    async def _ask_barrier(self) -> None:
        """The server answers an INFORM, whoever asks."""
        try:
            for _ in range(_BARRIERS):
                xid = next(self._barriers)
                news = self._news[xid] = asyncio.Event()
                self._send(_inform(xid).frame())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), _BARRIER_WITHIN)
                    return
            raise AssertionError(f"{self.server.name} does not answer any more")
        finally:
            self._barrier = None

    def _read(self, opened: socket.socket) -> None:
        while True:
            try:
                frame, address = opened.recvfrom(4096)
            except BlockingIOError:
                return
            if address[2] == socket.PACKET_OUTGOING:
                continue
            if answer := message.arp_reply(frame, self.holders):
                opened.send(answer)
            elif reply := message.read_reply(frame):
                self._heard[reply.xid].append(reply)
                self.frames.append(frame)
                if news := self._news.get(reply.xid):
                    news.set()


def _macs(sequences: Iterable[Sequence]) -> list[bytes]:
    return [Client(sequence.number, who).mac for sequence in sequences for who in range(CLIENTS)]


def _inform(xid: int) -> Request:
    return Request(
        *(message.INFORM, xid, _BARRIER_MAC, False, _BARRIER_ADDRESS, EVERYBODY, None, _BARRIER_ADDRESS),
        options={message.WANTED: b"\1"},
    )


async def play(air: Air, sequence: Sequence) -> list[Answer | None]:
    """An answer for each step; None where the step speaks of an address that this server has not given."""
    clients = [Client(sequence.number, who) for who in range(CLIENTS)]
    answers: list[Answer | None] = []
    for number, step in enumerate(sequence.steps):
        me, other = clients[step.who], clients[1 - step.who]
        address = _resolve(step.address, me, other)
        if step.address is not None and address is None:
            answers.append(None)
            continue
        request = _request(step, sequence.number << 8 | number, me, other, address, air.server.mac)
        if request.ciaddr != NOBODY:
            air.holders[request.ciaddr] = me.mac
        asked_for = address if message.REQUESTED in request.options or request.ciaddr != NOBODY else None
        replies = await air.ask(request)
        answers.append(Answer(request, asked_for, me.own, me.offered, other.own, replies))
        _learn(me, step, address, replies)
    # What came after its time tells as well.
    return [answer and replace(answer, replies=air.late(answer.request)) for answer in answers]


def _resolve(address: Address | None, me: Client, other: Client) -> IPv4Address | None:
    match address:
        case Address.OWN:
            return me.own
        case Address.OFFERED:
            return me.offered
        case Address.OTHERS:
            return other.own
        case Address.FREE | Address.SECOND:
            return me.free(address is Address.SECOND)
        case Address.OUTSIDE:
            return OUTSIDE
        case Address.SERVERS:
            return SERVER
        case None:
            return None


def _request(
    step: Step, xid: int, me: Client, other: Client, address: IPv4Address | None, server_mac: bytes
) -> Request:
    options: dict[int, bytes] = {}
    server = (SERVER if step.right else OTHER_SERVER).packed
    ciaddr, unicast = NOBODY, False
    match step.kind:
        case Kind.DISCOVER | Kind.REBOOT:
            if address is not None:
                options[message.REQUESTED] = address.packed
        case Kind.SELECT | Kind.DECLINE:
            assert address is not None
            options |= {message.REQUESTED: address.packed, message.SERVER: server}
        case Kind.RENEW | Kind.REBIND | Kind.INFORM:
            ciaddr, unicast = address or NOBODY, step.kind is Kind.RENEW
        case Kind.RELEASE | Kind.CONFUSED:
            ciaddr, unicast = address or NOBODY, step.kind is Kind.RELEASE
            options[message.SERVER] = server
        case Kind.EMPTY:
            pass
    if step.identity:
        options[message.CLIENT] = (other if step.others_identity else me).identifier(step.identity)
    if step.kind not in (Kind.DECLINE, Kind.RELEASE):
        if step.wanted:
            options[message.WANTED] = bytes(step.wanted)
        if step.max_size is not None:
            options[message.MAX_SIZE] = step.max_size.to_bytes(2, "big")
        if step.lease_time is not None and step.kind is not Kind.INFORM:
            options[message.LEASE_TIME] = step.lease_time.to_bytes(4, "big")
    return Request(
        kind=_TYPES.get(step.kind, message.REQUEST),
        xid=xid,
        mac=me.mac,
        broadcast=step.broadcast,
        source=ciaddr,
        destination=SERVER if unicast else EVERYBODY,
        server_mac=server_mac if unicast else None,
        ciaddr=ciaddr,
        options=options,
    )


def _learn(me: Client, step: Step, address: IPv4Address | None, replies: tuple[Reply, ...]) -> None:
    kind = replies[0].kind if replies else "silence"
    if kind == "OFFER":
        me.offered = replies[0].yiaddr
    elif kind == "ACK" and step.kind is not Kind.INFORM:
        me.own, me.offered = replies[0].yiaddr, None
    elif step.kind is Kind.DECLINE and address == me.own:
        me.own = None
