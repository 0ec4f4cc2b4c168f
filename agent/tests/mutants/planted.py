"""Bugs that somebody could make, each with the tests that must find it.

`defect` names the defect of the C daemon that it brings back (docs/protocol.md lists them). The tests are named by
file: which test of the file finds it is for `plant.py` to show.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bug:
    """In `file` (below src/sroamd) `right`, which is there once, becomes `wrong`; then `tests` (below tests) fail."""

    name: str
    what: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]
    defect: str = ""


ASSOCIATIONS = ("core/test_associations.py", "core/test_counterexamples.py", "core/test_pings.py")
DATABASE = ("core/test_database.py", "core/test_database_laws.py")
LEASES = ("core/test_leases.py", "core/test_dhcp_server.py", "core/test_dhcp_request.py", "core/test_contest.py")
PEERING = ("core/test_peering.py", "core/test_hello.py")
REPAIR = ("core/test_repair.py",)
ROUTES = ("core/test_routes.py", "core/test_routes_kernel.py")
FLOOD = ("wire/test_flood.py", "wire/test_robustness.py")

BUGS = (
    # -- the order of versions
    Bug(
        "half-the-ring-is-nobodys",
        "at a distance of 2^15 each side believes itself newer",
        "core/seqno.py",
        "        return seqno > than_seqno\n",
        "        return True\n",
        ("core/test_seqno.py",),
        "M6",
    ),
    Bug(
        "ties-are-nobodys",
        "of two versions of one seqno neither wins",
        "core/seqno.py",
        "        return value > than_value\n",
        "        return False\n",
        ("core/test_seqno.py", *DATABASE),
        "M3",
    ),
    Bug(
        "ties-are-everybodys",
        "of two versions of one seqno the one that comes last wins: the sides swap, and in a ring it never ends",
        "core/seqno.py",
        "        return value > than_value\n",
        "        return value != than_value\n",
        ("core/test_seqno.py", "core/test_counterexamples.py"),
        "M4",
    ),
    Bug(
        "seqno-does-not-wrap",
        "the seqno after 65535 is 65536",
        "core/seqno.py",
        "    return (seqno + 1) % MODULUS\n",
        "    return seqno + 1\n",
        ("core/test_seqno.py", *DATABASE),
    ),
    # -- merging
    Bug(
        "losing-value-is-kept",
        "who loses takes over seqno and lifetime, but not the value",
        "core/database.py",
        "        self._put(incoming, now)\n        return Replaced(incoming, held, tie)\n",
        "        incoming = Datum(held.key, incoming.seqno, held.value, incoming.expires_at)\n"
        "        self._put(incoming, now)\n        return Replaced(incoming, held, tie)\n",
        DATABASE,
        "M1",
    ),
    Bug(
        "tombstone-becomes-a-claim",
        "a tombstone of the same seqno beats a claim, or the claim that was held comes back",
        "core/database.py",
        "        if not is_newer(incoming.seqno, incoming.value, held.seqno, held.value):\n",
        "        last = b'\\xff' * 9\n"
        "        if not is_newer(incoming.seqno, incoming.value or last, held.seqno, held.value or last):\n",
        (*DATABASE, "core/test_counterexamples.py"),
        "M2",
    ),
    Bug(
        "any-longer-life-is-a-refresh",
        "the same version with a second more is passed on, so it goes round for ever",
        "core/database.py",
        "incoming.expires_at <= held.expires_at + constants.SLACK",
        "incoming.expires_at <= held.expires_at",
        (*DATABASE, "core/test_counterexamples.py"),
        "M5",
    ),
    Bug(
        "hops-cost-nothing",
        "a copy of a version has as much life left as the original: two copies can feed each other",
        "core/peering.py",
        "datum.remaining(now) - constants.HOP_COST",
        "datum.remaining(now)",
        PEERING,
        "M5",
    ),
    Bug(
        "stale-is-not-answered",
        "a peer that sends something older is not told: a node that lost its state keeps a losing claim",
        "core/node.py",
        "                    turn.owed.append((peer_id, held.key))\n",
        "                    pass\n",
        ("core/test_counterexamples.py", *PEERING, "core/test_node.py"),
        "M7",
    ),
    Bug(
        "ties-are-pushed-back-to-c",
        "a C node is told of a tie that it lost, floods its own again, and so on",
        "core/node.py",
        "if peer.is_ours or not tie:",
        "if peer.is_ours or tie or not tie:",
        (*PEERING, "core/test_node.py"),
    ),
    Bug(
        "nothing-expires",
        "what has expired is remembered for ever",
        "core/database.py",
        "        if forget_at > now:\n            return forget_at\n",
        "        if forget_at > now or datum.value:\n            return forget_at\n",
        DATABASE,
        "M8",
    ),
    Bug(
        "the-forgotten-comes-back",
        "an expired version of an unknown key is taken in: zombies",
        "core/database.py",
        "            if life == 0:\n                return Same()",
        "            if life < 0:\n                return Same()",
        DATABASE,
        "M8",
    ),
    Bug(
        "expired-is-forgotten-at-once",
        "without HOLD an older version that still travels resurrects what has expired",
        "core/database.py",
        "    return _HOLD.get(key[0], constants.ASSOCIATION_HOLD)",
        "    return 0",
        DATABASE,
    ),
    Bug(
        "long-lives-go-negative",
        "a lifetime of 2^31 s or more is sent, which the C daemon takes for the past",
        "wire/flood.py",
        "min(update.lifetime, LIFETIME_MAX)",
        "update.lifetime",
        FLOOD,
        "M9",
    ),
    Bug(
        "renewal-keeps-its-seqno",
        "a version of our own has the seqno of the one before: peers take a longer life for an echo",
        "core/database.py",
        "Datum(key, 0 if held is None else following(held.seqno), value, now + life)",
        "Datum(key, 0 if held is None else held.seqno, value, now + life)",
        (*DATABASE, "core/test_associations.py"),
        "M10",
    ),
    Bug(
        "length-is-truncated",
        "key and value of more than 248 octets go out with a length of one octet",
        "wire/flood.py",
        "KEY_AND_VALUE_MAX = 248",
        "KEY_AND_VALUE_MAX = 249",
        FLOOD,
        "M11",
    ),
    # -- where stations are
    Bug(
        "return-is-no-claim",
        "a station that comes back to the node that the database names is not claimed again",
        "core/associations.py",
        "        self._quarrels.forgive(station)\n        self._claim(turn, station)\n        return True\n",
        "        if not self.names_us(station, turn.now):\n"
        "            self._claim(turn, station)\n        return True\n",
        ASSOCIATIONS,
        "A1",
    ),
    Bug(
        "foreign-claim-disassociates",
        "a claim of another node throws the station out, unasked",
        "core/associations.py",
        '            self._contest(turn, station, NodeId(owner), "another node claims it")\n',
        "            turn.broken.append(Disassociate(self._state.present[station], station))\n"
        "            self._absent(turn, station)\n",
        ASSOCIATIONS,
        "A2",
    ),
    Bug(
        "foreign-claim-is-not-asked-about",
        "a station that another node claims is left there, though it is here",
        "core/associations.py",
        '            self._contest(turn, station, NodeId(owner), "another node claims it")\n',
        "            pass\n",
        ASSOCIATIONS,
    ),
    Bug(
        "tombstone-is-believed",
        "a station that is here stays unclaimed when the database says that it is nowhere",
        "core/associations.py",
        '                self._ask(turn, station, "it is nowhere, says the database", None)\n',
        "                pass\n",
        ASSOCIATIONS,
        "A5",
    ),
    Bug(
        "absence-means-something-too-early",
        "claims of a former self are withdrawn before hostapd has said who is here",
        "core/associations.py",
        "            if owner == self._state.node_id and self.all_listed:\n",
        "            if owner == self._state.node_id:\n",
        (*ASSOCIATIONS, "core/test_routes_kernel.py"),
        "A3",
    ),
    Bug(
        "departure-is-never-withdrawn",
        "a station that has left stays in the database",
        "core/associations.py",
        "        if self.names_us(station, turn.now):\n            self._withdraw(turn, station)\n\n    def _withdraw(",
        "\n    def _withdraw(",
        ASSOCIATIONS,
        "A6",
    ),
    Bug(
        "late-departure-withdraws",
        "a departure that is noticed after the roam withdraws the new node's claim",
        "core/associations.py",
        "        turn.touch(station)\n        if self.names_us(station, turn.now):\n            self._withdraw(turn",
        "        turn.touch(station)\n        if True:\n            self._withdraw(turn",
        (*ASSOCIATIONS, "core/test_routes.py"),
        "A4",
    ),
    Bug(
        "ties-won-are-not-verified",
        "who wins a tie does not ask whether the station really is here",
        "core/node.py",
        "                if tie and held.key[0] == ASSOCIATION:\n",
        "                if not tie and held.key[0] == ASSOCIATION:\n",
        ASSOCIATIONS,
    ),
    Bug(
        "acknowledgements-decide",
        "a POLL_STA answer is believed against another claim as often as it comes",
        "core/associations.py",
        "            if station in self._acknowledged:\n                return\n",
        "",
        (*ASSOCIATIONS, "core/test_polls.py"),
    ),
    # -- leases
    Bug(
        "nobody-looks-who-has-it",
        "an address that another station holds is given out",
        "core/leases.py",
        "        if datum is None or datum.value == station:\n            return True\n",
        "        if datum is None or datum.value != station:\n            return True\n",
        LEASES,
        "L1",
    ),
    Bug(
        "walk-is-chance",
        "each node tries the addresses in an order of its own",
        "core/pools.py",
        'start, step = int.from_bytes(digest[:8], "big") % self.size, int.from_bytes(digest[8:16], "big") | 1',
        "start, step = id(digest) % self.size, 1",
        LEASES,
        "L3",
    ),
    Bug(
        "gateway-is-given-out",
        "the pool has the gateway's address in it",
        "core/leases.py",
        "            and address != self._state.config.network.ipv4_gateway\n",
        "",
        LEASES,
        "L3",
    ),
    Bug(
        "wish-is-ignored",
        "after a loss of the database everybody is renumbered",
        "core/leases.py",
        "if requested is not None and self.in_pool(requested)",
        "if requested is not None and not self.in_pool(requested)",
        LEASES,
        "L4",
    ),
    Bug(
        "no-grace",
        "an address is given to another the moment it expires",
        "core/leases.py",
        "datum.expires_at + constants.LEASE_GRACE > now",
        "datum.expires_at > now",
        LEASES,
    ),
    Bug(
        "loser-is-told-nothing",
        "who loses its address to another station is not told",
        "core/node.py",
        "                    self.losses.lost(turn, old, datum)\n",
        "                    pass\n",
        ("core/test_losses.py",),
        "L6",
    ),
    Bug(
        "acknowledged-before-it-is-on-disk",
        "a power loss takes a lease that its station was told of",
        "core/tickets.py",
        "self._waiting[0][0] <= upto",
        "self._waiting[0][0] <= upto + 1",
        LEASES,
        "L7",
    ),
    # -- routes
    Bug(
        "late-lease-makes-no-route",
        "a lease that arrives after the station is not routed",
        "core/turn.py",
        "            self.touched.add(datum.key)\n",
        "            pass\n",
        (*ROUTES, "core/test_node.py"),
        "A8",
    ),
    Bug(
        "routes-are-not-demoted",
        "a station that has moved loses its old route at once, and Babel takes 80 s",
        "core/routes.py",
        "            if installed.kind is not RouteKind.HERE:\n                return None\n",
        "            return None\n",
        ROUTES,
    ),
    Bug(
        "start-ignores-the-kernel",
        "routes that a crash left in the kernel stay there",
        "core/routes.py",
        "            self._adopted = set(self.installed)\n",
        "            self.installed.clear()\n",
        ROUTES,
        "A10",
    ),
    Bug(
        "invented-leases-are-routed",
        "a peer can make us announce the gateway by a lease that it invents",
        "core/routes.py",
        "if interface is not None and in_force and self._is_ours(prefix):",
        "if interface is not None and in_force:",
        ROUTES,
    ),
    # -- peers
    Bug(
        "no-dump",
        "a peer that connects is not told what there is",
        "core/peering.py",
        "        peer.outbox.dump()\n",
        "",
        PEERING,
    ),
    Bug(
        "comparison-ends-halfway",
        "of two databases that differ the buckets are found, and what the peer lacks in them is not sent",
        "core/repair.py",
        "        peer.outbox.owe(key for key, short in ours if short not in known)\n",
        "",
        REPAIR,
    ),
    Bug(
        "nothing-is-asked-for",
        "a node that learns what it lacks does not ask for it",
        "core/repair.py",
        "        if missing:\n",
        "        if not missing:\n",
        REPAIR,
    ),
    Bug(
        "sender-is-told-its-own-news",
        "an update goes back to the peer that it came from",
        "core/peering.py",
        "                if peer_id != origin:\n                    peer.outbox.add(key)\n",
        "                if True:\n                    peer.outbox.add(key)\n",
        PEERING,
    ),
    Bug(
        "silence-is-never-death",
        "a peer that says nothing is believed to be there for ever",
        "core/peering.py",
        "turn.now - peer.heard_at > dead_time",
        "turn.now - peer.heard_at > 1e9",
        PEERING,
        "T4",
    ),
    Bug(
        "half-a-tlv-survives",
        "what was half received stays in front of what comes next",
        "wire/flood.py",
        "        self._pending = data[at:]\n        return messages\n",
        "        self._pending = data[at - 1 :] if at < end else b''\n        return messages\n",
        FLOOD,
        "T3",
    ),
    Bug(
        "oneself-is-a-peer",
        "a node listens to another that has its id",
        "core/peering.py",
        "        if hello.node_id == self._state.node_id:\n",
        "        if hello.node_id is None:\n",
        PEERING,
        "T8",
    ),
    # -- packets from stations
    Bug(
        "chaddr-decides",
        "a DHCP packet is believed whatever its Ethernet source is",
        "core/dhcp_server.py",
        " or message.chaddr != event.source:",
        ":",
        ("core/test_dhcp_other.py",),
        "A11",
    ),
)
