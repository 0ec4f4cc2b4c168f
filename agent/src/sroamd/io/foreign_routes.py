"""Host routes that are not ours, to what is about to be given to a station."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from sroamd.core.events import Event, ForeignRouteFound
from sroamd.core.values import Prefix
from sroamd.io import netlink
from sroamd.io.kernel_query import KernelQuery

WAITING_MAX = 256  # prefixes that the kernel has not answered about; of more, the oldest is nobody's concern any more


class ForeignRoutes:
    """Emits ForeignRouteFound. A prefix that the kernel does not answer about (OSError) waits for `settle`."""

    def __init__(self, query: KernelQuery) -> None:
        self.emit: Callable[[Event], None] = lambda event: None
        self._query = query
        self._waiting: deque[Prefix] = deque(maxlen=WAITING_MAX)

    def find(self, prefix: Prefix) -> None:
        self._waiting.append(prefix)
        self.settle()

    def settle(self) -> None:
        """Ask about all that wait."""
        while self._waiting:
            prefix = self._waiting[0]
            is_there = self._is_there(prefix)
            self._waiting.popleft()
            if is_there:
                self.emit(ForeignRouteFound(prefix))

    def _is_there(self, prefix: Prefix) -> bool:
        """Whether packets into the prefix take a route of just this prefix that is not ours."""
        route = self._query.route_to(prefix.network_address)
        if route is None or route.prefix != prefix or route.kind != netlink.RTN_UNICAST:
            return False
        return route.protocol not in netlink.OUR_PROTOCOLS
