"""Where Kea and dnsmasq agree and we do otherwise, and why."""

from __future__ import annotations

from collections.abc import Callable

from sroamd import constants
from tests.differential.compare import Difference, Reason
from tests.differential.sequences import Address, Kind

Where = Callable[[Difference], bool]
REQUESTS = (Kind.SELECT, Kind.REBOOT, Kind.RENEW, Kind.REBIND)
NOT_OURS = (Address.OUTSIDE, Address.SERVERS)


def _answers(theirs: str, ours: str, *kinds: Kind) -> Where:
    return lambda one: (one.aspect, one.theirs, one.ours) == ("answer", theirs, ours) and one.step.kind in kinds


def _offers(theirs: str, ours: str) -> Where:
    return lambda one: (one.aspect, one.theirs, one.ours) == ("yiaddr", theirs, ours) and one.step.kind is Kind.DISCOVER


def _both(*conditions: Where) -> Where:
    return lambda one: all(condition(one) for condition in conditions)


def _released(one: Difference) -> bool:
    return any(step.kind is Kind.RELEASE and step.right for step in one.before)


def _offered(one: Difference) -> bool:
    """The last that the client has done is to ask for it."""
    asked = [step for step in one.before if step.who == one.step.who and step.kind in (Kind.DISCOVER, Kind.SELECT)]
    return bool(asked) and asked[-1].kind is Kind.DISCOVER and one.step.address in (asked[-1].address, Address.OFFERED)


def _hardly_older(one: Difference) -> bool:
    """The lease is a few seconds old, as sequences are."""
    seconds = [int(said.removesuffix(" s")) for said in (one.theirs, one.ours) if said.endswith(" s")]
    return (
        one.aspect == "option 51"
        and len(seconds) == 2
        and 0 < seconds[0] - seconds[1] <= constants.LEASE_VERSION_INTERVAL
    )


def _of_another_identity(one: Difference) -> bool:
    mine = {(step.identity, step.others_identity) for step in (*one.before, one.step) if step.who == one.step.who}
    return len(mine) > 1 or one.step.others_identity


REASONS = (
    Reason(
        "NAK instead of silence: an address that is none of our pool",
        "There is no other server behind our radio, which silence would leave the word to; and whoever comes with it "
        "from another network asks for a new one at once, instead of when its lease is over.",
        "2131 section 4.3.2: on the wrong network it should be told with a DHCPNAK",
        _both(_answers("silence", "NAK", *REQUESTS), lambda one: one.step.address in NOT_OURS),
    ),
    Reason(
        "NAK instead of silence: an unknown client that comes back with an address of another one",
        "The rule of silence is for servers that do not know of each other's leases. All of ours do: the address is "
        "somebody else's, and the sooner the client leaves it the better.",
        "2131 section 4.3.2: no record of this client",
        _both(_answers("silence", "NAK", Kind.REBOOT, Kind.REBIND), lambda one: one.step.address is Address.OTHERS),
    ),
    Reason(
        "NAK instead of ACK: an address that was not offered",
        "The client must ask for what was offered. Otherwise one station could take one address after the other.",
        "2131 section 4.3.2: DHCPREQUEST generated during SELECTING state",
        _both(_answers("ACK", "NAK", Kind.SELECT), lambda one: one.step.address is not Address.OFFERED),
    ),
    Reason(
        "silence instead of ACK: a REQUEST with a server identifier and with ciaddr",
        "It belongs to no state of a client.",
        "2131 section 4.3.2, table 4",
        _answers("ACK", "silence", Kind.CONFUSED),
    ),
    Reason(
        "ACK instead of silence: INIT-REBOOT after RELEASE",
        "What was released is remembered for its station, and still nobody else's.",
        "2131 section 4.3.4: retain a record for reuse",
        _both(_answers("silence", "ACK", Kind.REBOOT, Kind.REBIND), _released),
    ),
    Reason(
        "ACK instead of silence: INIT-REBOOT with what was offered",
        "It is held for this station, on all access points.",
        "2131 section 4.3.2: no record of this client",
        _both(_answers("silence", "ACK", Kind.REBOOT), _offered),
    ),
    Reason(
        "after RELEASE, the same address again",
        "A former address, if it is free, comes first.",
        "2131 section 4.3.1",
        _both(_offers("one of the pool", "its own"), _released),
    ),
    Reason(
        "after RELEASE, the same address again, whatever the client asks for",
        "A former address, if it is free, comes before the one that is asked for.",
        "2131 section 4.3.1",
        _both(_offers("what it asks for", "its own"), _released),
    ),
    Reason(
        "an address that has just been released is not given to another client",
        "The news may still be on its way to other access points, and its station may come back.",
        "2131 section 2.2: least recently used first",
        _both(_offers("the other client's", "one of the pool"), _released),
    ),
    Reason(
        "DISCOVER again: the same offer",
        "An offer is known to all access points and held for its station.",
        "2131 section 3.1: the server should not reuse what it has offered",
        _offers("one of the pool", "what was offered"),
    ),
    Reason(
        "DISCOVER again, for another address: the same offer",
        "One offer at a time for one station, or it could keep many addresses from others.",
        "2131 section 4.3.1",
        _offers("what it asks for", "what was offered"),
    ),
    Reason(
        "ACK instead of NAK: another client identifier",
        "A lease is the MAC's, which is what hostapd proves.",
        "2131 section 4.2",
        _both(_answers("NAK", "ACK", *REQUESTS), _of_another_identity),
    ),
    Reason(
        "the same address: another client identifier",
        "A lease is the MAC's, which is what hostapd proves.",
        "2131 section 4.2",
        _both(_offers("one of the pool", "its own"), _of_another_identity),
    ),
    Reason(
        "NAK instead of ACK: the client identifier of another MAC",
        "Whoever says another's client identifier would take its address otherwise.",
        "2131 section 4.2",
        _both(_answers("ACK", "NAK", *REQUESTS), _of_another_identity),
    ),
    Reason(
        "an address of its own: the client identifier of another MAC",
        "The same.",
        "2131 section 4.2",
        _both(_offers("the other client's", "one of the pool"), _of_another_identity),
    ),
    Reason(
        "the lease time that remains, if the lease is hardly older than that",
        "Each extension is flooded to all access points and written to all disks.",
        "2131 section 4.3.1",
        _hardly_older,
    ),
    Reason(
        "requested options in the order of the request",
        "As the RFC wants it.",
        "2132 section 9.8",
        lambda one: (one.aspect, one.ours) == ("order", "as wanted"),
    ),
    Reason(
        "option 121 though it was not asked for",
        "It is what the operator has configured for all; who does not know it ignores it.",
        "2131 section 4.3.1",
        lambda one: (one.aspect, one.theirs) == ("option 121", "absent") and 121 not in (one.step.wanted or ()),
    ),
)  # fmt: skip
