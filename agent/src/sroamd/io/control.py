"""The operator's socket: one JSON request on a line, one JSON answer on a line.

    {"topic": "where", "argument": "192.0.2.7"}      ->  {"result": {...}}
    {"topic": "where", "argument": "192.0.2.99"}     ->  {"error": "...", "code": "not-found"}

A question whose answer takes its time ("check") is told how far it is, on lines before the result's:

    {"topic": "check"}     ->  {"progress": {...}}  ...  {"result": {...}}

Codes: not-found, unknown (no such topic), bad-request, busy, internal. A client may ask again on the same connection.
It can only ask: nothing that is said here changes anything, but for "repair", which is "check" and mends this node's
routes in the kernel where they are not as they should be.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import stat
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from itertools import islice
from pathlib import Path

from sroamd.core.status import NotFound, UnknownTopic

log = logging.getLogger(__name__)

LINE_MAX = 4096  # octets of a request
CLIENTS_MAX = 16
IDLE_TIMEOUT = 30.0  # seconds to the next request
WRITE_TIMEOUT = 10.0  # seconds for a client to take the next piece
PIECE_SIZE = 32 * 1024  # characters encoded and written before everything else has its turn
PIECE_RECORDS = 200  # records encoded in one go
MODE = 0o660

Reply = dict[str, object]
Answer = Callable[[str, str | None], object]
SlowAnswer = Callable[[], AsyncGenerator[Reply, None]]


class BadRequest(ValueError):
    """The line is not a request."""


class ControlServer:
    """`answer(topic, argument)` gives the result, JSON-ready and not touched afterwards.

    It may raise core.status.NotFound and UnknownTopic. `slow`: by topic, what gives replies one after another, the
    result last. `start` raises OSError if somebody listens at `path` already, or something else than a socket stands
    there.
    """

    def __init__(self, path: str, answer: Answer, slow: Mapping[str, SlowAnswer] | None = None) -> None:
        self.counters: Counter[str] = Counter()
        self._path = path
        self._answer = answer
        self._slow = slow or {}
        self._server: asyncio.Server | None = None
        self._identity: tuple[int, int] | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        listener = _listening_socket(self._path)
        self._identity = _identity(self._path)
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=LINE_MAX)

    async def stop(self) -> None:
        """Cut all clients; remove the socket, unless another has taken its place."""
        if self._server is not None:
            self._server.close()
        for client in list(self._clients):
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        if self._identity is not None and _identity(self._path) == self._identity:
            Path(self._path).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            if len(self._clients) >= CLIENTS_MAX:
                self.counters["control.busy"] += 1
                await _write(writer, {"error": f"{CLIENTS_MAX} clients are connected already", "code": "busy"})
                return
            self._clients.add(task)
            while await self._serve_one(reader, writer):
                pass
        except (OSError, TimeoutError):
            self.counters["control.cut"] += 1
        except asyncio.CancelledError:
            pass  # the end of the daemon; asyncio's own callback would take it for an error
        except Exception:
            log.exception("an answer breaks off")  # elements of a long one are made while it is written
        finally:
            self._clients.discard(task)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; False when there will be no other."""
        try:
            async with asyncio.timeout(IDLE_TIMEOUT):
                line = await reader.readline()
        except ValueError:
            self.counters["control.bad_requests"] += 1
            await _write(writer, {"error": f"a request has at most {LINE_MAX} octets", "code": "bad-request"})
            return False
        if not line:
            return False
        async with aclosing(self._replies(line)) as replies:
            async for reply in replies:
                await _write(writer, reply)
        return True

    async def _replies(self, line: bytes) -> AsyncGenerator[Reply, None]:
        """The last one is the answer."""
        self.counters["control.requests"] += 1
        try:
            topic, argument = parse_request(line)
            if topic not in self._slow:
                yield {"result": self._answer(topic, argument)}
                return
            async with aclosing(self._slow[topic]()) as replies:
                async for reply in replies:
                    yield reply
        except BadRequest as error:
            self.counters["control.bad_requests"] += 1
            yield {"error": str(error), "code": "bad-request"}
        except NotFound as error:
            yield {"error": str(error), "code": "not-found"}
        except UnknownTopic as error:
            yield {"error": str(error), "code": "unknown"}
        except Exception:
            log.exception("cannot answer %r", line)
            yield {"error": "internal error; it is in the log", "code": "internal"}


def parse_request(line: bytes) -> tuple[str, str | None]:
    """Topic and argument of a request. Raises BadRequest with the reason."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise BadRequest("the request is not JSON on one line") from None
    if not isinstance(request, dict) or not request.keys() <= {"topic", "argument"}:
        raise BadRequest('a request is an object with "topic" and perhaps "argument"')
    topic, argument = request.get("topic"), request.get("argument")
    if not isinstance(topic, str) or not isinstance(argument, str | None):
        raise BadRequest("topic and argument are strings")
    return topic, argument


def encode(value: object) -> Iterator[str]:
    """JSON in pieces, each of a few milliseconds at most, however many records there are."""
    if isinstance(value, list | Iterator):
        opening, elements = "[", iter(value)
        while records := list(islice(elements, PIECE_RECORDS)):
            yield opening + json.dumps(records, separators=(",", ":"))[1:-1]
            opening = ","
        yield "]" if opening == "," else "[]"
    elif isinstance(value, dict):
        opening = "{"
        for key, inner in value.items():
            yield f"{opening}{json.dumps(key)}:"
            yield from encode(inner)
            opening = ","
        yield "}" if value else "{}"
    else:
        yield json.dumps(value)


async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    waiting: list[str] = []
    size = 0
    for piece in encode(reply):
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE_SIZE:
            await _send(writer, "".join(waiting))
            waiting, size = [], 0
    await _send(writer, "".join(waiting) + "\n")


async def _send(writer: asyncio.StreamWriter, text: str) -> None:
    writer.write(text.encode())
    async with asyncio.timeout(WRITE_TIMEOUT):
        await writer.drain()
    await asyncio.sleep(0)  # drain does not wait where the client is quick


def _listening_socket(path: str) -> socket.socket:
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        # The file takes its mode from the socket, less the umask: it is at no moment open to more than it shall be.
        os.fchmod(listener.fileno(), MODE)
        listener.bind(path)
        os.chmod(path, MODE)
    except OSError:
        listener.close()
        raise
    return listener


def _remove_stale(path: str) -> None:
    """Remove the socket of a process that was killed."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise FileExistsError(f"{path} is there, and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # its queue is full, so somebody is there
    raise FileExistsError(f"another process listens at {path}")


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
