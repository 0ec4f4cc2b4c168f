"""What is checked: each configuration of each model, and what is expected of it.

Budgets bound only what the environment does, never what the nodes do (see the models' heads for the names).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Judged(Enum):
    """How spin looks: at all states; at all states, nearest first; for cycles; at the model's formula."""

    STATES = auto()
    SHORTEST = auto()
    CYCLES = auto()
    FORMULA = auto()


@dataclass(frozen=True, slots=True)
class Configuration:
    """`found`: part of what spin says when it finds the counterexample that is expected; empty: verified is expected.

    `steps`: what happens in the counterexample, in this order, perhaps among other things. `bitstate`: states are
    remembered by their hashes only, and for some minutes, so that "no error found" is all that can be said.
    """

    name: str
    model: str
    options: str
    judged: Judged = Judged.STATES
    found: str = ""
    steps: tuple[str, ...] = ()
    large: bool = False
    bitstate: bool = False

    @property
    def defines(self) -> list[str]:
        return [f"-D{option}" for option in self.options.split()]


VIOLATED = "assertion violated"  # which assertion: the steps say
CYCLE = "non-progress cycle"
ENDLESS = "assertion violated (seqno["  # SEQNO_MAX: claims above claims without end
DUEL = ("not meant for it", "AP1 claims (4,AP1)", "AP2 claims")


def agree(name: str, options: str, *, large: bool = False, bitstate: bool = False) -> Configuration:
    """In every state in which nothing more happens by itself: all databases equal and true, one route."""
    return Configuration(f"associations: {name}", "associations", options, large=large, bitstate=bitstate)


def ends(name: str, options: str, *, large: bool = False) -> Configuration:
    """No cycle: whatever the environment has done, the nodes come to rest."""
    return Configuration(f"ends: {name}", "associations", f"{options} UNJUDGED", Judged.CYCLES, large=large)


def reaches(name: str, options: str, *, large: bool = False) -> Configuration:
    """The formula: at last all databases are equal and true, and stay so. No fairness is assumed."""
    return Configuration(f"reaches: {name}", "associations", f"{options} UNJUDGED LIVE", Judged.FORMULA, large=large)


def leases(name: str, options: str, *, judged: Judged = Judged.STATES, large: bool = False) -> Configuration:
    """At rest every station has its own address, and all nodes say so; connected nodes never give one out twice."""
    options += " UNJUDGED" if judged is Judged.CYCLES else ""
    return Configuration(f"leases: {name}", "leases", options, judged, large=large)


def broken(
    name: str,
    model: str,
    options: str,
    *steps: str,
    judged: Judged = Judged.SHORTEST,
    found: str = VIOLATED,
    large: bool = False,
) -> Configuration:
    """The model must fail, and like this."""
    return Configuration(name, model, options, judged, found, steps, large)


def endless(name: str, model: str, options: str, *steps: str, found: str = CYCLE) -> Configuration:
    return Configuration(name, model, options, Judged.CYCLES, found, steps)


SMALL = (
    agree("2 nodes, 3 moves, cut", "NODES=2 MOVES=3 CUTS=1"),
    agree("2 nodes, 3 moves, restart, a list instead of an event", "NODES=2 MOVES=3 RESTARTS=1 LISTS=1"),
    agree("2 nodes, 2 moves, cut, reboot, deaf, forgotten", "NODES=2 MOVES=2 CUTS=1 REBOOTS=1 DEAF=1 FORGETS=1"),
    agree("2 nodes, 3 moves, late answers, deaf", "NODES=2 MOVES=3 LATE=2 DEAF=1"),
    agree("2 nodes, 2 moves, cut, copy runs out, goes away", "NODES=2 MOVES=2 CUTS=1 EXPIRIES=1 LEAVES=1"),
    agree("line, 2 moves, cut", "NODES=3 LINE MOVES=2 CUTS=1"),
    agree("triangle, 1 move, cut", "NODES=3 MOVES=1 CUTS=1"),
    agree("without the half of A1 that is for what is mine: 2 nodes, 3 moves, cut", "NODES=2 MOVES=3 CUTS=1 NO_A1"),
    agree("without A4 and A5: 2 nodes, 3 moves, cut, reboot", "NODES=2 MOVES=3 CUTS=1 REBOOTS=1 NO_A4 NO_A5"),
    agree("claims wait: 2 nodes, 2 moves, cut, false acks", "NODES=2 MOVES=2 CUTS=1 LIMITED FALSE_ACKS"),
    agree("false acks: 2 nodes, 3 moves, refresh", "NODES=2 MOVES=3 FALSE_ACKS REFRESHES=1"),
    agree("no address known: 2 nodes, 3 moves, cut", "NODES=2 MOVES=3 CUTS=1 FALSE_ACKS NO_ADDRESS"),
    agree("digests, then everything: 2 nodes, 3 moves, cut", "NODES=2 MOVES=3 CUTS=1 HELLOS"),
    agree("digests: 2 nodes, 3 moves, cut", "NODES=2 MOVES=3 CUTS=1 DIGESTS=1"),
    agree("digests, whole descent: 2 nodes, 2 moves, cut, reboot", "NODES=2 MOVES=2 CUTS=1 REBOOTS=1 DIGESTS=3"),
    agree("digests: 2 nodes, 2 moves, 2 cuts, copy runs out", "NODES=2 MOVES=2 CUTS=2 EXPIRIES=1 DIGESTS=1"),
    agree("digests: line, 2 moves, cut", "NODES=3 LINE MOVES=2 CUTS=1 DIGESTS=1"),
    agree("mixed: 2 nodes, 1 C, 3 moves, cut", "NODES=2 C_NODES=2 MOVES=3 CUTS=1"),
    agree("mixed: line, C at an end, 2 moves", "NODES=3 LINE C_NODES=4 MOVES=2"),
    agree("mixed: line, C in the middle, 2 moves", "NODES=3 LINE C_NODES=2 MOVES=2"),
    agree("mixed: line, C at both ends, 2 moves", "NODES=3 LINE C_NODES=5 MOVES=2"),
    ends("2 nodes, 3 moves, deaf, late answer", "NODES=2 MOVES=3 DEAF=1 LATE=1"),
    ends("line, 2 moves, cut", "NODES=3 LINE MOVES=2 CUTS=1"),
    ends("claims wait: 2 nodes, 2 moves, cut", "NODES=2 MOVES=2 CUTS=1 LIMITED"),
    ends("false acks: 2 nodes, 3 moves, refresh", "NODES=2 MOVES=3 FALSE_ACKS REFRESHES=1"),
    ends("no address known: 2 nodes, 3 moves, cut", "NODES=2 MOVES=3 CUTS=1 FALSE_ACKS NO_ADDRESS"),
    ends("digests: 2 nodes, 2 moves, cut", "NODES=2 MOVES=2 CUTS=1 DIGESTS=1"),
    reaches("2 nodes, 2 moves, cut, restart", "NODES=2 MOVES=2 CUTS=1 RESTARTS=1"),
    reaches("digests: 2 nodes, 2 moves, cut", "NODES=2 MOVES=2 CUTS=1 DIGESTS=1"),
    leases("cut, renewal", "CUTS=1 RENEWALS=1 CONNECTED"),
    leases("a station goes away, renewal", "LEAVES=1 RENEWALS=1 CONNECTED"),
    leases("offers withdrawn: a station goes away, renewal", "LEAVES=1 RENEWALS=1 CONNECTED WITHDRAWS KEEPS"),
    leases("digests: cut, renewal", "CUTS=1 RENEWALS=1 CONNECTED DIGESTS"),
    leases("without GRACE: a station goes away, renewal", "LEAVES=1 RENEWALS=1 CONNECTED NO_GRACE"),
    leases("losses settled later, some taken back: cut, renewal", "CUTS=1 RENEWALS=1 RECLAIMS"),
    leases("without its disk, and without SYNC", "WIPES=1 NO_SYNC CONNECTED"),
    leases("ends: cut, renewal", "CUTS=1 RENEWALS=1", judged=Judged.CYCLES),
    Configuration("lifetimes: a refresh ends", "lifetimes", "SLACK=1 HOP_COST=1", Judged.CYCLES),
    Configuration("lifetimes: a refresh ends, no slack", "lifetimes", "HOP_COST=1", Judged.CYCLES),
)

BROKEN = (
    # Without one of the rules the model fails: so it can fail, and the rule is needed.
    broken("without R2: a forgotten tombstone wins", "associations", "NODES=2 REBOOTS=1 FORGETS=1 NO_R2", "forgets"),
    broken("without A3: a ghost keeps the station", "associations", "NODES=2 NO_A3", "AP2 claims"),
    broken("without A6: nobody claims it back", "associations", "NODES=2 NO_A6", "answered"),
    broken("without R2: a lease that ran out on one side", "leases", "CUTS=1 LEAVES=1 NO_R2", "cut", "connected again"),
    broken(
        "without contest: one address twice",
        "leases",
        "CONNECTED NO_CONTEST",
        "MAC1 has address 0",
        "MAC2 has address 0",
    ),
    endless(
        "a tie of leases that nobody decides", "leases", "CUTS=1 NO_ORDER UNJUDGED", "START OF CYCLE", "AP2 receives"
    ),
    endless(
        "POLL_STA believed in a contest",
        "associations",
        "NODES=2 FALSE_ACKS POLL_CONTESTS UNJUDGED",
        *DUEL,
        found=ENDLESS,
    ),
    endless(
        "POLL_STA believed in a tie", "associations", "NODES=2 FALSE_ACKS POLL_TIES UNJUDGED", *DUEL, found=ENDLESS
    ),
    endless(
        "POLL_STA believed each time, no address known",
        "associations",
        "NODES=2 FALSE_ACKS NO_ADDRESS POLL_ALWAYS UNJUDGED",
        *DUEL,
        found=ENDLESS,
    ),
    endless(
        "POLL_STA believed in a tie, no address known",
        "associations",
        "NODES=2 FALSE_ACKS NO_ADDRESS POLL_TIES UNJUDGED",
        *DUEL,
        found=ENDLESS,
    ),
    # The C daemon's rule, and what would not repair it (docs/protocol.md names them likewise).
    broken(
        "CE1 two nodes route for ever",
        "c_daemon",
        "NODES=3 LINE MOVES=3 RENEWALS=1 ONE_ROUTE",
        "AP3 receives (0,1) of second 1 from AP2: now (0,3)",
        "AP2 receives (0,3) of second 1 from AP3: now (0,1)",
        "DHCP renewal at AP1",
    ),
    broken("CE2 old heap for a tombstone", "c_daemon", "NO_OLD_HEAP", "AP1 withdraws: (1,gone)", "now (1,99)"),
    broken("CE3 a live station is thrown out", "c_daemon", "MOVES=3 ALWAYS_KIND", "AP1 disassociates"),
    broken(
        "CE4 a heal throws a live station out",
        "c_daemon",
        "MOVES=3 CUTS=1 SETTLED ALWAYS_KIND",
        "AP2 is cut off",
        "connected again",
        "disassociates",
    ),
    broken(
        "CE5 a restart throws a live station out",
        "c_daemon",
        "RESTARTS=1 SETTLED ALWAYS_KIND",
        "AP1 restarts",
        "AP1 disassociates",
    ),
    endless("CE6 a flood that never ends", "c_daemon", "NODES=4 RING CONFLICT", "START OF CYCLE", "AP4 receives"),
    broken("CE7 copying the value is not enough", "c_daemon", "FIX_COPY AGREE", "withdraws", "now (1,0)", "now (1,2)"),
    broken("CE7 nor is a strict comparison", "c_daemon", "FIX_COPY FIX_STRICT AGREE", "now (0,2)", "now (0,1)"),
    endless("CE8 a refresh that never ends", "lifetimes", "", "START OF CYCLE", "passes it on"),
    endless("CE8 nor with slack alone", "lifetimes", "SLACK=1", "START OF CYCLE", "passes it on"),
    broken(
        "CE9 raising a tie at once duels with the owner",
        "associations",
        "NODES=3 LINE C_NODES=4 EAGER_RAISE",
        "raises the tie",
        "raises the tie",
        judged=Judged.STATES,
        found=ENDLESS,
    ),
    endless(
        "CE9 answering a C node's tie goes round for ever",
        "associations",
        "NODES=3 C_NODES=4 PUSH_TIES UNJUDGED",
        "station joins",
        "AP3(C) receives",
    ),
    broken(
        "CE10 a C node in the middle refuses in silence",
        "associations",
        "NODES=3 LINE C_NODES=2 FORGETS=1",
        "AP3 forgets",
        "AP3 claims (0,AP3)",
        "AP2(C) receives (0,AP3) from AP3: now (1,AP0)",
    ),
    broken("two C nodes side by side", "associations", "NODES=3 LINE C_NODES=3", "(C) receives", "(C) receives"),
)

LARGE = (
    agree("2 nodes, 3 moves, everything", "NODES=2 MOVES=3 CUTS=1 REBOOTS=1 DEAF=1 FORGETS=1", large=True),
    agree("line, 3 moves", "NODES=3 LINE MOVES=3", large=True),
    agree("line, 3 moves, cut", "NODES=3 LINE MOVES=3 CUTS=1", large=True),
    agree("line, 2 moves, 2 cuts, reboot", "NODES=3 LINE MOVES=2 CUTS=2 REBOOTS=1", large=True),
    agree("line, 2 moves, cut, restart, a list", "NODES=3 LINE MOVES=2 CUTS=1 RESTARTS=1 LISTS=1", large=True),
    agree("line, 2 moves, deaf, forgotten", "NODES=3 LINE MOVES=2 DEAF=1 FORGETS=1", large=True),
    agree("triangle, 2 moves", "NODES=3 MOVES=2", large=True),
    agree("triangle, 2 moves, cut", "NODES=3 MOVES=2 CUTS=1", large=True),
    agree("triangle, 1 move, cut, reboot", "NODES=3 MOVES=1 CUTS=1 REBOOTS=1", large=True),
    agree("triangle, 2 moves, reboot", "NODES=3 MOVES=2 REBOOTS=1", large=True, bitstate=True),
    agree("triangle, 3 moves", "NODES=3 MOVES=3", large=True, bitstate=True),
    agree("claims wait: line, 2 moves, cut", "NODES=3 LINE MOVES=2 CUTS=1 LIMITED", large=True),
    agree("false acks: line, 2 moves, refresh", "NODES=3 LINE MOVES=2 FALSE_ACKS REFRESHES=1", large=True),
    agree("no address known: line, 2 moves, cut", "NODES=3 LINE MOVES=2 CUTS=1 FALSE_ACKS NO_ADDRESS", large=True),
    agree("digests: line, 2 moves, cut, reboot", "NODES=3 LINE MOVES=2 CUTS=1 REBOOTS=1 DIGESTS=1", large=True),
    agree(
        "digests: line, 2 moves, 2 cuts, copy runs out", "NODES=3 LINE MOVES=2 CUTS=2 EXPIRIES=1 DIGESTS=1", large=True
    ),
    agree(
        "digests, then everything: line, 2 moves, 2 cuts, reboot",
        "NODES=3 LINE MOVES=2 CUTS=2 REBOOTS=1 HELLOS",
        large=True,
    ),
    agree("digests: triangle, 2 moves, cut", "NODES=3 MOVES=2 CUTS=1 DIGESTS=1", large=True, bitstate=True),
    agree("mixed: line, C at an end, 3 moves", "NODES=3 LINE C_NODES=4 MOVES=3", large=True),
    agree("mixed: line, C in the middle, 3 moves", "NODES=3 LINE C_NODES=2 MOVES=3", large=True),
    agree("mixed: line, C in the middle, 2 moves, cut", "NODES=3 LINE C_NODES=2 MOVES=2 CUTS=1", large=True),
    agree("mixed: triangle, 1 C, 2 moves", "NODES=3 C_NODES=4 MOVES=2", large=True),
    ends("2 nodes, 3 moves, everything", "NODES=2 MOVES=3 CUTS=1 REBOOTS=1 DEAF=1 FORGETS=1", large=True),
    ends("line, 3 moves", "NODES=3 LINE MOVES=3", large=True),
    ends("triangle, 2 moves", "NODES=3 MOVES=2", large=True),
    ends("mixed: triangle, 1 C, 2 moves", "NODES=3 C_NODES=4 MOVES=2", large=True),
    ends("digests: line, 2 moves, cut", "NODES=3 LINE MOVES=2 CUTS=1 DIGESTS=1", large=True),
    ends("false acks, claims wait: line, 2 moves", "NODES=3 LINE MOVES=2 FALSE_ACKS LIMITED", large=True),
    reaches("2 nodes, 3 moves, cut, deaf", "NODES=2 MOVES=3 CUTS=1 DEAF=1", large=True),
    reaches("line, 2 moves, cut", "NODES=3 LINE MOVES=2 CUTS=1", large=True),
    reaches("triangle, 2 moves", "NODES=3 MOVES=2", large=True),
    agree("at most 3 reclaims: line, 3 moves", "NODES=3 LINE MOVES=3 RECLAIMS_MAX=3", large=True),
    agree("at most 1 reclaim: triangle, 2 moves", "NODES=3 MOVES=2 RECLAIMS_MAX=1", large=True),
    leases("offers withdrawn: cut, a station goes away", "CUTS=1 LEAVES=1 CONNECTED WITHDRAWS KEEPS", large=True),
    leases("cut, a station goes away twice", "CUTS=1 LEAVES=2 CONNECTED", large=True),
    leases("2 cuts, renewal", "CUTS=2 RENEWALS=1 CONNECTED", large=True),
    leases("cut, renewal, goes away, digests", "CUTS=1 LEAVES=1 RENEWALS=1 CONNECTED DIGESTS", large=True),
    leases("restart with its disk, cut, renewal", "RESTARTS=1 CUTS=1 RENEWALS=1 CONNECTED", large=True),
    leases("restart without its disk, goes away, renewal", "WIPES=1 LEAVES=1 RENEWALS=1 CONNECTED", large=True),
    leases("forgotten, goes away, renewal", "FORGETS=1 LEAVES=1 RENEWALS=1 CONNECTED", large=True),
    broken(
        "an expired lease told at once: one address twice",
        "leases",
        "CONNECTED CUTS=1 LEAVES=2 TOLD_AT_ONCE",
        "connected again",
        "MAC1 has address 0",
        "MAC2 has address 0",
        large=True,
    ),
)

CONFIGURATIONS: tuple[Configuration, ...] = (*SMALL, *BROKEN, *LARGE)
