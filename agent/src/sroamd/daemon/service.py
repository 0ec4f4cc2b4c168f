"""Builds the adapters around a node, starts and stops them in order, and answers signals and questions.

Order of the start: what the disk knows, what the kernel has, then the world may speak. Stopping leaves the routes of
our stations where they are (unless told otherwise), so that they keep their traffic while the daemon restarts. Direct
routes would mislead meanwhile: the service manager removes them, and the next start does too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from sroamd import config_file
from sroamd.addresses import NodeId
from sroamd.config import Config, IpAddress, IpNetwork
from sroamd.core import status
from sroamd.core.events import ConfigReloaded, LeasesLoaded, StopRequested
from sroamd.core.node import Node
from sroamd.daemon import collector, dropped, reload
from sroamd.daemon.checking import check
from sroamd.daemon.dump import Dump
from sroamd.daemon.runtime import Runtime
from sroamd.io.babel import BabelPrompter
from sroamd.io.check_desk import CheckDesk
from sroamd.io.control import ControlServer
from sroamd.io.executor import Executor, Observer, Process
from sroamd.io.guard import SourceGuard
from sroamd.io.hostapd import HostapdMonitor
from sroamd.io.kernel_reader import KernelReader
from sroamd.io.notify import Notifier
from sroamd.io.packet_socket import PacketSockets
from sroamd.io.peer_admission import host_address
from sroamd.io.peer_transport import PeerTransport
from sroamd.io.route_places import places
from sroamd.io.route_rules import RouteRules
from sroamd.io.route_socket import RouteSocket
from sroamd.io.rtnetlink import KernelWatch
from sroamd.io.store import Store
from sroamd.printable import printable

log = logging.getLogger(__name__)


class Counted(Protocol):
    @property
    def counters(self) -> Counter[str]: ...


class Service:
    """One daemon. Made in a running loop; raises OSError or sqlite3.Error where it cannot begin.

    With `observe` it has an id of its own and neither store, routes, packet sockets, listening port nor control
    socket, so it can run beside the daemon that does the work.
    """

    def __init__(self, config: Config, config_path: Path, *, observe: bool, trace: bool) -> None:
        self._config = config
        self._config_path = config_path
        self._observe = observe
        self._notifier = Notifier()
        names = [interface.name for interface in config.interfaces]
        where = places(announced=config.routes.announced)
        self._watch = KernelWatch(names, shared=[config.network.ipv6_gateway], where=where)
        self._store = None if observe else Store(Path(config.node.state_dir))
        self._executor: Executor | Observer | None = None
        self._runtime = Runtime(Node(config, self._node_id(), random.Random()), trace=trace)
        emit = self._runtime.emit
        flood = replace(config.flood, listen=None) if observe else config.flood
        prefixes, gateways = _stations_side(config)
        self._peers = PeerTransport(flood, names, emit, client_prefixes=prefixes, gateways=gateways)
        self._packets = PacketSockets([] if observe else names, config.network.ipv4_gateway, self._watch.lookup, emit)
        self._babel = BabelPrompter(() if observe else config.babel.interfaces, *_router_addresses(config))
        self._routes = None if observe else RouteSocket(self._watch.index_of, where)
        self._rules = None if observe else RouteRules(self._runtime.now, self._runtime.later)
        self._guard = None if observe else SourceGuard(config)
        self._reader = KernelReader(self._watch.meaning, emit)
        self._checks = CheckDesk(emit)
        slow = {
            name: partial(check, self._checks, self._runtime.node, repair=name == "repair")
            for name in ("check", "repair")
        }
        self._control = None if observe else ControlServer(config.control.socket, self._answer, slow)
        self._dump = Dump(self._answer)
        directory = str(Path(config.control.socket).parent)
        self._access_points = {
            interface.name: HostapdMonitor(interface.name, interface.hostapd_socket, directory, emit)
            for interface in config.interfaces
        }

    async def run(self) -> int:
        """Until it is told to stop, or a bug ends it. Returns the exit status."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        loop.add_signal_handler(signal.SIGINT, self._terminate)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        loop.add_signal_handler(signal.SIGUSR1, self._dump.begin)
        try:
            await self._start()
            return await self._runtime.ended
        finally:
            await self._stop()

    # -- start and stop

    def _node_id(self) -> NodeId:
        if self._store is None:
            return NodeId(b"\x02" + os.urandom(7))
        return self._config.node.id or self._store.node_id(self._watch.burnt_in_macs(), self._watch.radio_mac())

    def _make_executor(self) -> Executor | Observer:
        process = Process(later=self._runtime.later, stop=self._runtime.end)
        if self._routes is None or self._store is None or self._guard is None:
            return Observer(watch=self._watch, peers=self._peers, emit=self._runtime.emit, process=process)
        return Executor(
            routes=self._routes,
            watch=self._watch,
            guard=self._guard,
            reader=self._reader,
            peers=self._peers,
            frames=self._packets,
            access_points=self._access_points,
            store=self._store,
            checks=self._checks,
            process=process,
        )

    async def _start(self) -> None:
        emit = self._runtime.emit
        emit(LeasesLoaded(() if self._store is None else self._store.load()))
        if self._store is not None:
            self._store.start(emit)
        self._executor = self._make_executor()
        self._runtime.begin(self._executor)
        if self._routes is not None and self._rules is not None:
            self._watch.follow(self._routes.known, self._routes.direct, self._routes.port)
            self._watch.on_rules(self._rules.restore)
            self._rules.hold()
            self._routes.take_over()
            self._watch.on_link(self._packets.refresh)
        self._watch.start(emit)
        if self._guard is not None:
            self._guard.start(emit)
        if self._control is not None:
            await self._control.start()
        self._babel.start()
        await self._peers.start()
        for access_point in self._access_points.values():
            access_point.start()
        node = self._runtime.node.state
        log.info("node %s, id %s, is ready", printable(node.config.node.name), node.node_id)
        self._notifier.ready(self._status_line())
        self._ping_watchdog()
        collector.tend(self._runtime.later)

    async def _stop(self) -> None:
        """Whatever of it was started. The store comes last: what the others have led to is still written."""
        self._notifier.stopping()
        self._runtime.end()
        self._dump.stop()
        for access_point in self._access_points.values():
            access_point.stop()
        self._babel.stop()
        await self._peers.stop()
        if self._control is not None:
            await self._control.stop()
        self._packets.close()
        self._reader.close()
        self._watch.close()
        if self._guard is not None:
            await self._guard.close(remove=self._config.node.flush_on_exit)
        for part in (self._routes, self._rules):
            if part is not None:
                part.close()
        if self._store is not None:
            self._store.close()

    def _ping_watchdog(self) -> None:
        """From the loop, so that it stops when the loop does."""
        interval = self._notifier.watchdog_interval
        if interval is not None:
            self._notifier.alive(self._status_line())
            self._runtime.later(interval, self._ping_watchdog)

    # -- signals

    def _terminate(self) -> None:
        log.info("stopping")
        self._runtime.emit(StopRequested())

    def _reload(self) -> None:
        self._notifier.reloading()
        try:
            loaded = config_file.load(self._config_path)
        except config_file.ConfigError as error:
            for problem in error.problems:
                log.error("not reloaded: %s", problem)
        else:
            self._adopt(loaded)
        self._notifier.ready(self._status_line())

    def _adopt(self, loaded: Config) -> None:
        self._config, waiting = reload.adopt(self._config, loaded)
        if waiting:
            log.warning("reloaded; new values of %s wait for a restart", ", ".join(waiting))
        else:
            log.info("reloaded")
        flood = replace(self._config.flood, listen=None) if self._observe else self._config.flood
        names = [interface.name for interface in self._config.interfaces]
        prefixes, gateways = _stations_side(self._config)
        self._peers.reconfigure(flood, names, client_prefixes=prefixes, gateways=gateways)
        if self._guard is not None:
            self._guard.reconfigure(self._config)
        self._runtime.emit(ConfigReloaded(self._config))

    # -- questions

    def _answer(self, topic: str, argument: str | None) -> status.Json | Iterator[status.Json]:
        """For the control socket. Raises status.NotFound and status.UnknownTopic."""
        node, now = self._runtime.node, self._runtime.now()
        answer = status.report(node, topic, argument, now)
        if topic == "status" and isinstance(answer, dict):
            answer["counters"] = dict(sorted(self._counters().items()))
        if topic == "stations" and isinstance(answer, Iterator) and self._guard is not None:
            return dropped.of_all(answer, self._guard, dropped.Known(node, now))
        if topic == "where" and not isinstance(answer, Iterator) and self._guard is not None:
            return dropped.of_one(answer, self._guard)
        return answer

    def _counters(self) -> Counter[str]:
        """The core's and every adapter's."""
        always: list[Counted] = [self._runtime, self._runtime.node, self._watch, self._packets, self._peers]
        perhaps: list[Counted | None] = [
            self._babel,
            self._executor,
            self._guard,
            self._routes,
            self._rules,
            self._store,
            self._control,
        ]
        total: Counter[str] = Counter()
        for part in [*always, *perhaps, *self._access_points.values()]:
            if part is not None:
                total.update(part.counters)
        if self._guard is not None:
            total.update(self._guard.reasons())
        return total

    def _status_line(self) -> str:
        node = self._runtime.node
        return f"{len(node.state.present)} stations, {len(node.peering.peers)} peers, {node.database.alive} records"


def _stations_side(config: Config) -> tuple[tuple[IpNetwork, ...], tuple[IpAddress, ...]]:
    """The prefixes and the addresses from which no peer may come."""
    network = config.network
    prefixes: list[IpNetwork] = [network.ipv4_prefix, network.ipv6_prefix, *network.former_ipv6_prefixes]
    return tuple(prefixes), (network.ipv4_gateway, network.ipv6_gateway)


def _router_addresses(config: Config) -> tuple[list[IpAddress], list[IpAddress]]:
    """This node's own, and those of the peers that it dials."""
    own = [address for address in (config.node.router_ipv6, config.node.router_ipv4) if address is not None]
    peers = [host_address(host) for host, _ in config.flood.peers]
    return list(own), [address for address in peers if not address.is_link_local]
