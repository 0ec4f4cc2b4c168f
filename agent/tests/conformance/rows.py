"""What the standards ask of a DHCPv4 server and of an IPv6 router for stations, and what stations may do to them, a row
each: docs/conformance.md.

A test that shows a row carries `@pytest.mark.conformance("ID")`; where its name begins with an ID, that is the row.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """`source`: RFCs and sections, for people. `weight`: M for MUST, S for SHOULD, P for our own policy.

    `note`: what the tests leave open, or what stands in the way of a row that has none.
    """

    id: str
    what: str
    source: str
    weight: str
    note: str = ""


FRAMING = (
    Row("r2131_2_op", "what is not a BOOTREQUEST over Ethernet with a cookie is dropped", "2131 §2, §3; 2132 §2", "P"),
    Row(
        "r2131_41_end",
        "options end with 255, padding is skipped, an overrun drops the message",
        "2131 §4.1; 2132 §3.1, §3.2",
        "M",
    ),
    Row("r2131_41_overload", "`file`, then `sname`, are read where option 52 says so", "2131 §4.1; 2132 §9.3", "M"),
    Row("r3396_concat", "repeated options are joined in order, long ones split on output", "3396 §5 to §7", "M"),
    Row("r2132_914_min", "a client identifier has 2 octets or more", "2132 §9.14", "M"),
    Row("r2132_910_max", "a reply fits option 57, 576 octets without it", "2131 §2; 2132 §9.10", "M"),
    Row("r2131_41_bcast", "where a reply goes: `ciaddr`, broadcast flag, `yiaddr`", "2131 §4.1", "S"),
    Row("r2131_41_srcport", "from port 67 and the server's address, on the station's interface only", "2131 §4.1", "M"),
    Row(
        "r2132_97_sid",
        "the server identifier is in every reply, and every access point answers for it",
        "2132 §9.7; 2131 §4.3.1",
        "M",
    ),
    Row("r2131_t3_fields", "fields and options as in table 3", "2131 §4.3.1", "M"),
    Row("r2132_98_prl", "requested options in the order of the request", "2132 §9.8", "M"),
    Row("r6842_3_echo", "the client identifier is echoed in every reply", "6842 §3", "M"),
    Row(
        "r4361_63_duid",
        "a client identifier is opaque; leases are the MAC's, which is what hostapd proves",
        "4361 §6.1, §6.3; 2131 §4.2",
        "M",
    ),
    Row("r3442_121", "a /32 netmask comes with a route to the gateway first", "3442", "M"),
)

SERVER = (
    Row("r2131_431_current", "DISCOVER: the address that it has", "2131 §4.3.1", "S"),
    Row("r2131_431_previous", "DISCOVER: the address that it had, if free", "2131 §4.3.1", "S"),
    Row("r2131_431_requested", "DISCOVER: the address that it asks for, if free", "2131 §4.3.1", "S"),
    Row(
        "r2131_431_pool",
        "DISCOVER: else one of the pool; never network, broadcast, gateway, declined",
        "2131 §4.3.1",
        "S",
    ),
    Row("r2131_431_nopool", "DISCOVER: none is left: silence and an alarm", "2131 §4.3.1", "P"),
    Row("r2131_431_time", "option 51 within limits; T1 < T2 < lease", "2131 §4.3.1, §4.4.5", "M"),
    Row("r2131_431_nobind", "DISCOVER and OFFER move nobody, make no route and no durable lease", "", "P"),
    Row("r2131_432_selecting_ok", "our offer is taken: ACK, when it is on disk", "2131 §3.1, §4.3.2", "M"),
    Row(
        "r2131_432_selecting_other",
        "another server's is taken: silence, and the offer is free",
        "2131 §3.1",
        "M",
    ),
    Row("r2131_432_selecting_taken", "what was offered is another's by now: NAK", "2131 §3.1", "S"),
    Row("r2131_432_initreboot_ok", "INIT-REBOOT with its own address, at any access point: ACK", "2131 §4.3.2", "M"),
    Row("r2131_432_initreboot_wrongnet", "INIT-REBOOT outside our prefix: NAK", "2131 §4.3.2", "S"),
    Row("r2131_432_initreboot_wrongip", "INIT-REBOOT with another address than its own: NAK", "2131 §4.3.2", "S"),
    Row("r2131_432_initreboot_unknown", "INIT-REBOOT without a record: silence", "2131 §4.3.2", "M"),
    Row("r2131_432_renew_ok", "RENEWING: ACK to `ciaddr`, and the lease is extended", "2131 §4.3.2", "S"),
    Row("r2131_432_renew_anywhere", "RENEWING where another access point gave it out: ACK", "", "P"),
    Row("r2131_432_rebind", "REBINDING: unknown is silence, known and wrong is NAK", "2131 §4.3.2", "S"),
    Row("r2131_432_renew_afterloss", "after a restart, until the database is back: silence, never NAK", "", "P"),
    Row("r2131_432_nak_bcast", "a NAK is broadcast", "2131 §4.3.2", "M"),
    Row(
        "r2131_432_malformed",
        "both server identifier and `ciaddr`, or no address at all: silence",
        "2131 §4.3.2; §4.3.6, table 4",
        "M",
    ),
    Row("r2131_433_decline", "DECLINE from who holds it: quarantine, and the operator is told", "2131 §4.3.3", "M"),
    Row("r2131_434_release", "RELEASE from who holds it: free, remembered, no reply, route out", "2131 §4.3.4", "S"),
    Row("r2131_435_inform", "INFORM: options to `ciaddr`, no lease, no times", "2131 §4.3.5", "M"),
    Row("r2131_43_other", "messages that are not for a server: silence", "2131 §4.3", "M"),
    Row("r2131_31_xid", "xid, flags, `giaddr` and `chaddr` are copied", "2131 §4.3.1, table 3", "M"),
    Row("r2131_31_secs", "whatever `secs` says: everybody is answered at once", "2131 §2", "P"),
)

MODERN = (
    Row(
        "r8925_33",
        "option 108 where it is asked for and IPv6-only service is on; it takes nothing of the pool",
        "8925 §3.3, §3.4",
        "M",
        "the offer is of 0.0.0.0; who confirms an address from before is told with its ACK",
    ),
    Row(
        "r8910_21",
        "option 114 and RA option 37, one portal, only if configured",
        "8910 §2.1, §2.3",
        "M",
    ),
    Row("r8910_unres", "the URN that says that there is no portal", "8910 §2", "S"),
    Row("r3203_6704", "FORCERENEW is neither sent nor believed", "3203; 6704 §3", "M"),
    Row("r4702_fqdn", "option 81 is bounded, answered, and has no effect on a DNS", "4702 §2, §4", "M"),
    Row("r4039_3", "rapid commit: only if enabled and asked for; the ACK is as durable as any", "4039 §3, §3.1", "M"),
    Row("r2563_116", "option 116 is answered only by policy", "2563 §2.3; 8925 §3.3.1", "P"),
)

ROUTER = (
    Row("r4861_611_rs", "a solicitation is believed only if it is valid", "4861 §6.1.1", "M"),
    Row("r6980_5_frag", "fragmented neighbour discovery is ignored", "6980 §5", "M"),
    Row(
        "r4861_42_src",
        "advertisements are from the link-local address, hop limit 255, checksum right",
        "4861 §4.2, §6.1.2",
        "M",
    ),
    Row("r4861_621_vars", "intervals and lifetimes within the bounds of the RFC", "4861 §6.2.1; 8319 §4", "M"),
    Row(
        "r4861_624_initial",
        "the first three advertisements at most 16 s apart",
        "4861 §6.2.4",
        "S",
        "to each station that arrives, and to all after a change",
    ),
    Row(
        "r4861_626_delay",
        "an answer to a solicitation is delayed by up to 0.5 s, by chance",
        "4861 §6.2.6",
        "M",
        "not so here: each goes in a frame to one station, which has no other router, at once",
    ),
    Row(
        "r4861_626_rate",
        "advertisements to all nodes are 3 s apart",
        "4861 §6.2.6",
        "M",
        "for each station, since each is sent its own: three at once, then three in 3 s",
    ),
    Row(
        "r4861_625_final",
        "no lifetime 0 at a stop: the next access point is the same router; but where the service ends for good",
        "4861 §6.2.5",
        "P",
    ),
    Row("r4861_627_consist", "all nodes advertise the same to one station", "4861 §6.2.7", "S"),
    Row("r7772_unicast", "few advertisements, to one station each; router lifetime 45 to 90 min", "7772 §5.1", "S"),
    Row("r8273_4_flags", "A=1, L=0, M=0; the prefix goes to its station only", "8273 §4; 6085", "M"),
    Row("r8273_isol", "no station ever hears of another's prefix", "8273 §4", "M"),
    Row("r8273_5_nud", "a prefix is not another's while its valid lifetime may still run", "8273 §5; 4862 §5.5.3", "S"),
    Row("r4862_553_2h", "a prefix that is given up is deprecated, with preferred lifetime 0", "4862 §5.5.3 (e)", "M"),
    Row("r4862_54_dad", "a solicitation from :: is answered: its link-layer source is known", "4861 §6.2.6", "P"),
    Row(
        "r8106_51",
        "RDNSS and DNSSL: lifetimes, lengths, padding",
        "8106 §5.1 to §5.3",
        "S",
    ),
    Row("r4191_23", "routes in advertisements: length, preference, lifetime", "4191 §2.3", "M"),
    Row("r8781_4", "the NAT64 prefix in advertisements, its scaled lifetime", "8781 §4", "M"),
    Row("r8415_1836", "stateless DHCPv6: what is configured and asked for, and both identifiers", "8415 §18.3.6", "M"),
    Row("r8415_1612", "an Information-request for another server, or for addresses, is ignored", "8415 §16.12", "M"),
    Row("r4861_726_na", "unsolicited NA: R=1, S=0, O=1, with the link-layer address", "4861 §7.2.6", "S"),
    Row(
        "r9131_router",
        "the router learns from a host's unsolicited NA",
        "9131",
        "S",
        "Linux before 5.19 cannot: it holds the first packet until it has asked",
    ),
    Row("r6059_dna", "a host that probes its router by unicast NS and RS is answered at once", "6059", "P"),
    Row(
        "r4436_dna",
        "a host that probes the gateway by ARP at its former access point's MAC keeps its address",
        "4436",
        "P",
        "by DHCP: nobody answers for a MAC that is not here, and INIT-REBOOT is acknowledged at once",
    ),
    Row("r5227_23_ann", "the gateway is announced to who arrives, as an ARP request, repeated", "5227 §2.3, §3", "S"),
    Row("r5227_211_probe", "a client's probe for its own new address gets no answer from us", "5227 §2.1", "M"),
    Row(
        "r7113",
        "stations cannot hide advertisements or DHCPv6 behind extension headers",
        "6105; 7113 §2",
        "S",
    ),
)

ATTACKS = (
    Row("c01", "starvation: DISCOVERs of invented clients, or from who is not associated, get nothing", "", "P"),
    Row("c02", "starvation by associated stations: what is only offered is no lease, and comes back", "", "P"),
    Row("c03", "DHCP in the name of a station at another access point changes nothing", "", "P"),
    Row("c04", "a router solicitation in the name of another changes nothing", "", "P"),
    Row("c05", "nobody releases another's address", "", "P"),
    Row("c06", "a storm of DECLINEs takes three addresses of a station and hour at most", "", "P"),
    Row("c07", "malformed frames: no crash, no hang, no growth, no answer", "", "P"),
    Row("c08", "option bombs: cheap, and answers are no longer than the client takes", "", "P"),
    Row("c09", "reflection: nothing is sent to a third party", "", "P"),
    Row("c10", "host names are octets: they write to no terminal, log or page", "", "P"),
    Row("c11", "a station claims the gateway's addresses in ARP or ND", "", "P"),
    Row("c12", "a station claims another's address in ARP or ND", "", "P"),
    Row("c13", "a station sends from addresses that are not its own", "", "P"),
    Row("c14", "a rogue DHCP server or router among the stations", "", "P"),
    Row("c15", "stations reach each other by way of the access point though isolated", "", "P"),
    Row("c16", "a frame to everybody that holds a packet to one", "", "P"),
    Row("c17", "one MAC at two access points: both asked, claims few, evidence for operators", "", "P"),
    Row(
        "c18",
        "stations that come and go without end: bounded, and others unaffected",
        "",
        "P",
        "where each is, is flooded eight times at once, then four times a second",
    ),
    Row("c19", "a flood of solicitations: few advertisements, little work", "", "P"),
    Row("c20", "an option of length 0 in ND is refused at once", "", "P"),
    Row("c21", "the neighbour table is exhausted by scans", "", "P"),
    Row("c22", "a new MAC for each association: leases and prefixes come back, shortage is told before", "", "P"),
    Row("c23", "MACs of groups, of nobody, of ourselves are no station's", "", "P"),
    Row("c24", "long frames, fragments, tags, bad checksums leave no state", "", "P"),
    Row("c25", "copies of one message: one lease, the same answers", "", "P"),
)

GROUPS = {
    "DHCPv4: framing": FRAMING,
    "DHCPv4: what a client asks": SERVER,
    "DHCPv4: options since then": MODERN,
    "IPv6: neighbour discovery and router advertisements": ROUTER,
    "Attacks by stations": ATTACKS,
}
ROWS = {row.id: row for rows in GROUPS.values() for row in rows}
