"""The rules by which the kernel looks up our own table just before `main`, one for each IP version.

They carry our protocol. Whoever removes one hides every direct route, so it is made again; but not so often that
two who disagree would keep each other busy.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections import Counter
from collections.abc import Callable

from sroamd import constants
from sroamd.io import netlink
from sroamd.io.netlink import NetlinkError
from sroamd.io.request_socket import RequestSocket

log = logging.getLogger(__name__)

# linux/fib_rules.h. The header of a rule has the shape of a route's, with the action in place of its type.
_FRA_PRIORITY = 6
_FRA_TABLE = 15
_FRA_PROTOCOL = 21
_TO_TABLE = 1  # FR_ACT_TO_TBL

PAUSE = 1.0  # s between two repairs

_FAMILIES = (socket.AF_INET, socket.AF_INET6)

Later = Callable[[float, Callable[[], None]], object]


class RouteRules:
    """`now`: a clock in seconds. `later`: calls something after so many."""

    def __init__(self, now: Callable[[], float], later: Later) -> None:
        self._now = now
        self._later = later
        self._socket = RequestSocket()
        self._held = self._waiting = False
        self._ready_at = 0.0
        self.counters: Counter[str] = Counter()

    def close(self) -> None:
        self._socket.close()
        self._held = False

    def hold(self) -> None:
        """Have both from now on. Raises OSError where the kernel refuses."""
        self._make()
        self._held = True

    def restore(self) -> None:
        """One may be gone: make it again, sooner or later."""
        if not self._held or self._waiting:
            return
        wait = self._ready_at - self._now()
        if wait > 0:
            self._waiting = True
            self._later(wait, self._restore)
        else:
            self._restore()

    def _restore(self) -> None:
        self._waiting = False
        if not self._held:
            return
        self._ready_at = self._now() + PAUSE
        try:
            made = self._make()
        except OSError as error:
            log.error("routes are not looked up: %s", error)
            self.restore()
            return
        if made:
            self.counters["rule.restored"] += made
            log.warning("somebody removed a rule that looks up table %d; made it again", constants.ROUTE_TABLE)

    def _make(self) -> int:
        """How many of them were not there."""
        refused = self._socket.send([request(self._socket.next(), family) for family in _FAMILIES])
        for reason in refused.values():
            if reason.errno == errno.EOPNOTSUPP:
                raise NetlinkError(errno.EOPNOTSUPP, "the kernel has no rules (CONFIG_IP_MULTIPLE_TABLES)")
            if reason.errno != errno.EEXIST:
                raise reason
        return len(_FAMILIES) - len(refused)


def is_ours(body: bytes) -> bool:
    """Whether a message is of one of our rules, or of one that does the same."""
    if len(body) < netlink.RTMSG.size:
        return False
    table = netlink.RTMSG.unpack_from(body)[4]
    found = netlink.attributes(body, netlink.RTMSG.size)
    return netlink.u32(found.get(_FRA_TABLE), table) == constants.ROUTE_TABLE


def request(sequence: int, family: int) -> bytes:
    """Exclusively: the kernel would make a second one just like it."""
    body = netlink.RTMSG.pack(family, 0, 0, 0, constants.ROUTE_TABLE, 0, 0, _TO_TABLE, 0)
    body += netlink.attribute(_FRA_PRIORITY, netlink.U32.pack(constants.ROUTE_RULE_PRIORITY))
    body += netlink.attribute(_FRA_PROTOCOL, bytes((constants.ROUTE_PROTOCOL_DIRECT,)))
    flags = netlink.NLM_F_ACK | netlink.NLM_F_CREATE | netlink.NLM_F_EXCL
    return netlink.request(netlink.RTM_NEWRULE, flags, sequence, body)
