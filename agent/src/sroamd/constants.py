"""Every limit and timer of the core, with its source. Times are in seconds.

"flooding" is the design of the replicated database, "routing" that of the routes; docs/architecture.md retells both.
"""

# Associations (flooding section 6)
ASSOCIATION_LIFE = 5400  # as in the C daemon
ASSOCIATION_REFRESH = 1800  # three chances within ASSOCIATION_LIFE, spread by REFRESH_SPREAD
REFRESH_SPREAD = 0.1
ASSOCIATION_HOLD = 600  # an expired claim or a tombstone stays a floor for the seqno; much longer than any clock skew
TOMBSTONE_LIFE = 600

# How often the association of one station may get a new version (core.claim_limit). A version may still meet one that
# is ASSOCIATION_LIFE + ASSOCIATION_HOLD older, and the two must lie less than 2^15 apart: 4 a second are 24,000.
CLAIM_RATE = 4
CLAIM_BURST = 8  # a station that walks through a building never gets there
CLAIM_RESERVE = 4  # tokens that a withdrawal leaves: while a station bounces, where it is matters, and not where it was

# What one datum may change at the word of peers, beyond which they are not heard (core.churn): twice what the claims of
# one station can come to, since each may meet its rival of the same seqno.
CHURN_RATE = 2 * CLAIM_RATE
CHURN_BURST = 32
CHURN_REST = 2.0  # s: far longer than a copy travels on live connections

# Stations that two nodes claim from each other, each with an answer in its hand: a cloned MAC. After RECLAIM_FREE
# claims in a row the station is asked again only after 1, 2, 4 .. 60 s, until it arrives or leaves, or there was peace
# for RECLAIM_QUIET.
RECLAIM_FREE = 4
RECLAIM_WAIT_MIN = 1.0
RECLAIM_WAIT_MAX = 60.0
RECLAIM_QUIET = 60.0
CONFLICTS_MAX = 128  # stations of which a node remembers how they were contested
CONFLICT_RIVALS_MAX = 8  # nodes that are counted one by one in each
CONFLICT_OVER = 180.0  # without a claim for so long it is over: each side waits RECLAIM_WAIT_MAX for its turn, and asks
CONFLICT_KEEP = 3600.0  # and is remembered for an operator who comes later
EVIDENCE_INTERVAL = 30.0  # between two versions of the evidence that a node floods of one station
EVIDENCE_LIFE = 300  # it is told again long before, as long as there is a conflict
EVIDENCE_MAX = 2_048  # records of evidence in the database, of all nodes

# Leases
LEASE_LIFE = 1800  # DHCPv4 default; T1 and T2 as in RFC 2131 section 4.4.5
LEASE_LIFE_MAX = 86400  # what a receiver believes at most
LEASE_HOLD = 7 * 86400  # an expired lease is remembered, so that its station finds its address again
LEASE_GRACE = 60  # an expired address is not given to another before this: longer than skew plus SLACK
OFFER_LIFE = 60  # a flooded offer, so that two APs do not offer one address; longer than any client's REQUEST takes
# Between flooding a choice that is new and telling the station: another node may be offering the same to another
# station at this very moment, and then one of the two chooses again. Far longer than a flood takes, also on a busy AP,
# and enough for an awake station's answer to an ARP probe; a dozing one's may come later, up to the ACK.
CONTEST_TIME = 0.1
# While less than half of a pool is left, a station that takes nothing is offered something new so many times, for one
# that passes by and is back after a while; then once in that time.
OFFERS_BURST = 3
OFFER_INTERVAL = 1800
# After a start, before anything new is given out: the peers' dump may say whose it is. What is known is served at once.
SYNC_TIME = 2.0
# Versions of one station's leases: so many at once, then one in that time. Two versions that exist at one time must lie
# less than 2^15 apart (core.seqno): (LEASE_LIFE_MAX + LEASE_HOLD) / 30 s = 23,040.
LEASE_VERSIONS_BURST = 16
LEASE_VERSION_INTERVAL = 30
DECLINE_LIFE = 1800  # quarantine of a declined address: as long as whoever uses it may have a lease from elsewhere
# Declines of a station that are believed: so many at once, then one in that time. Longer than the quarantine: what one
# station can keep from all others is bounded.
DECLINES_MAX = 3
DECLINE_INTERVAL = 3600
# How a pool is searched. In a pool that is taken by half, 16 steps in a row meet a free place 65535 times of 65536.
WALK_LONG = 16
WALK_STEPS = (
    1024  # beyond, what is left is looked up: 1 ms, and with 299 of 300 nodes cut off 97 % find a place of ours
)
VACANCIES_MAX = 1 << 18  # places of a pool that are kept: more than DATABASE_MAX, so larger pools never run full
LEAST_RECENT_OF = 16  # free places of a walk that were others' before, of which the longest unused is given
POOL_ALARM = 10  # percent of a pool: operators are warned when less is left
SHORTAGE_INTERVAL = 60.0  # between two warnings, and between two errors
SQUATTED_TIME = 600.0  # given to nobody: a station without a lease of it uses the address
# The same of what only its route shows. So long that its holder renews it meanwhile at least as often as we count the
# seqno up by offering and avoiding it: its lease is the newer version when its node is heard again.
ROUTED_AVOIDED_TIME = 3600.0
# Addresses for which a station without their leases is believed: so many at once, then one in that time, or it could
# take all. Longer than SQUATTED_TIME, so no more of them are avoided at one time.
SQUATS_MAX = 4
SQUAT_INTERVAL = 900.0
# Between a lease's loss to another station and what is done about it: the winner's association, which says whether it
# is anywhere, may come after its lease. Longer than a repair of the database takes, short against a renewal.
LOSS_DELAY = 1.0

# Names of stations
HOSTNAME_MAX = 63  # octets that are kept of one; a label has no more (RFC 1035 section 2.3.4)
HOSTNAMES_MAX = 50_000  # in the database: a quarter of it
HOSTNAMES_BURST = 4  # versions of one station's: so many at once, then one in that time
HOSTNAME_INTERVAL = 600

# The log of decisions about DHCP: so many lines of each station at once, then one in that time; so many of all at once,
# then so many a second, 130 MB a day at most; and how often it is said how many are missing.
DECISIONS_BURST_EACH = 20
DECISIONS_INTERVAL_EACH = 10.0
DECISIONS_BURST = 1_000
DECISIONS_RATE = 10.0
DECISIONS_REPORT = 60.0

# Node data
NODE_LIFE = 5400
NODE_REFRESH = 1800
NODE_HOLD = 7 * 86400  # as long as a lease: while leases of a node that is cut off may live, it is reckoned with
# Two nodes with one id (a copied memory card) correct each other's record: twice at once, then after 5, 10 .. 600 s.
NODE_CORRECTIONS_FREE = 2
NODE_CORRECTION_MIN = 5.0
NODE_CORRECTION_MAX = 600.0

# Merge
# Beside C nodes, which never forget a version (flooding, M8) and say nothing when they refuse an older one: what is
# expired stays a floor so long, unless the table is half full, and a station that comes back begins above it.
C_FLOOR_HOLD = 30 * 86400
SLACK = 30  # the same version with a longer life counts as a refresh only beyond this: ends every echo
RAISE_DELAY = 5.0  # before a tie with a C node is broken by a new seqno; far longer than a flood and a ping take
HOP_COST = 1  # a lifetime loses this much at each hop
LIFE_MAX_WIRE = 0x7FFFFFFF  # the C daemon takes the field as a signed int

# Pings: is the station still here?
PING_TRIES = 3
PING_INTERVAL = 0.2  # a station that dozes between two packets answers within a beacon interval or two
PING_TIMEOUT = PING_TRIES * PING_INTERVAL
# Where no other node claims it there is no hurry, and with its screen off a phone may hear every tenth beacon (1.02 s).
PING_TRIES_ALONE = 10
PING_ADDRESSES_MAX = 4  # of its IPv4 addresses, the lowest first, at which a station is asked

# Announcements to a station that has just been authorised. hostapd says so up to 28 ms before the kernel lets frames
# through (lab, section 9), so the first may be lost.
ANNOUNCE_AT = (0.0, 0.01, 0.05, 0.2)

# Router advertisements
RA_INTERVAL = 1200  # less than half of every lifetime below
RA_ROUTER_LIFETIME = 3600  # RFC 7772 section 4: 45 to 90 minutes
RA_PREFERRED_LIFETIME = 3600
RA_VALID_LIFETIME = 7200  # RFC 4862 section 5.5.3 (e): less than two hours would not be honoured when shortened
# A new prefix is leased for so much longer than it is advertised, so that a walk of its station floods no lease. Not
# for more, since many stations come once, with a MAC of chance, and their prefixes are to be free again soon.
PREFIX_MARGIN = 300
# RFC 4861 section 6.2.4: the first three, also after a change of what they say, at most 16 s apart.
RA_INITIAL = 3
RA_INITIAL_INTERVAL = 3.0
RA_CHANGED_WITHIN = 5.0  # after a reload all stations are told anew, one after the other
RA_SOLICITED_INTERVAL = 3.0  # at most one solicited answer a station in this time, after the burst
RA_SOLICITED_BURST = 3

# What stations are told beside their addresses. An advertisement with all of it fits 1280 octets, and a DHCP reply of
# 576 holds what its client cannot do without.
NAMESERVERS_MAX = 16
FORMER_PREFIXES_MAX = 4  # of the configuration; and those of one station that an advertisement deprecates
SEARCH_MAX = 255  # octets of a search list, in one option 119
ROUTES_MAX = 8
OPTIONS_MAX = 32  # DHCP options by number
DHCP6_REFRESH = 3600  # s after which a DHCPv6 client asks again; RFC 8415 section 7.6: 600 or more
V6ONLY_WAIT_MIN = 300  # RFC 8925 section 3.4

# Routes (routing section 1)
ROUTE_PROTOCOL_HERE = 44
ROUTE_PROTOCOL_DEMOTED = 45
ROUTE_PROTOCOL_DIRECT = 47
ROUTE_METRIC = 64
# A table of our own for what Babel is not to see, and the rule by which it is looked up just before `main` (32766).
ROUTE_TABLE = 47
ROUTE_RULE_PRIORITY = 32765
DEMOTED_TIME = 10.0  # the better route must have reached everybody before the bad one is withdrawn
DEMOTED_TIME_MIN = 0.5  # where the station has moved on meanwhile: Babel has told everybody, and we are in its way
# Where no safe next hop towards the new AP is known, packets are lost here for so long: Babel with a hello interval of
# 0.2 s has told everybody of a demotion by then (p50 134, p95 196, most 218 ms).
DEMOTED_BLIND_TIME = 0.2
# A route that somebody else removes is installed again at once so often, then after 1, 2, 4, 8, 10 s.
REINSTALL_FREE = 5
REINSTALL_WAIT_MIN = 1.0
REINSTALL_WAIT_MAX = 10.0  # an interface that flaps ends up with its routes so soon
REINSTALL_QUIET = 60.0
# Direct routes that become possible many at once, as a node with its stations does: so many stations in one reaction,
# some milliseconds of work, and a pause between two in which a roam has its turn.
DIRECT_SLICE = 50
DIRECT_PAUSE = 0.001
ADOPT_TIME = 10.0  # after a start, a kernel route that nothing explains yet is kept so long: the peers' dump may

# Peers
HELLO_INTERVAL = 3.0
PEER_DEAD_TIME = 10.0
SILENT_HELLOS = 1.5  # so many intervals without a word, and another connection with the same node is preferred
HELLO_WAIT = 0.5  # a node of ours says Hello at once, so who has said nothing by then is the C daemon: it gets a dump
# Updates in one write to a peer, and octets in one read from it: some milliseconds of work, between which stations are
# served. The next batch waits until the peer has taken the last.
DUMP_BATCH = 200
PEER_READ_SIZE = 2048
RELAY_WAIT = 0.2  # s: what one peer of a leaf says another has said by then, too, unless the two do not hear each other
DUMP_LIST_MAX = 2000  # data that are listed at once for a dump; a larger table is walked over, bucket by bucket

# Comparing databases with a peer (docs/protocol.md)
SUMMARY_MIN = 500  # data; where neither has more, a few writes say it all, and sooner than questions could
SUMMARY_RATIO = 2  # where one holds so many times as much as the other, most would be found to differ anyway
SUMMARY_BATCH = 64  # summaries in one write, at most 17 kB; the next batch waits until the peer has taken it
# Messages of a peer that are answered: at once two repairs of databases that differ in every bucket (each at most 4369
# summaries and 4096 wishes), and one a minute in the long run. A peer that asks without end costs no more than that.
SUMMARY_BURST = 17_000
SUMMARY_RATE = 140.0  # 1/s
# Hellos running with unequal digests before a repair: with nothing new from the peer between, so that nothing is on its
# way; or whatever came, since in a fleet that moves all day long the digests hardly ever agree at one instant.
UNEQUAL_QUIET = 3
UNEQUAL_BUSY = 20
# The same for a peer that must be sent everything: copies of one version may expire SLACK apart, which is no reason.
UNEQUAL_DUMP = int(SLACK / HELLO_INTERVAL) + 2
REPAIR_INTERVAL = 60.0  # at least from one repair to the next, twice as long after each that has changed nothing ...
REPAIR_INTERVAL_MAX = 3600.0  # ... up to this: a table that is full, say, no repair makes equal
# Whoever becomes reachable is dialled within 1.5 s: an attempt that is not answered is given up after DIAL_TIMEOUT (the
# kernel would repeat its first packet ever less often), one that is refused is repeated after DIAL_BACKOFF_MAX.
DIAL_TIMEOUT = 1.0
DIAL_BACKOFF_MIN = 0.25
DIAL_BACKOFF_MAX = 1.0
REDIAL_LATER = 60.0  # before a target is dialled again that has turned out to be a twin, oneself, or to talk nonsense
# The same of a target that is connected already. Who dialled that connection dials it again if it is lost, and so do we
# then, at once: nobody waits for this.
REDIAL_SUPERFLUOUS = 3600.0
TWIN_MEMORY = 300.0  # so long an operator is told of another node with the same id, after it was last met
PEERS_MAX = 512  # accepted: a flooding server has every access point of the fleet
HANDSHAKE_TIMEOUT = 5.0
# Octets that a peer may say: at once a dump of a full table, in the long run 10,000 updates a second, more than 1,000
# nodes make with 100 roams a second. What is beyond waits in the kernels. C daemons in a ring of four can flood one tie
# for ever, 100,000 times a second each (flooding, M4), and would leave no time for stations.
PEER_RECEIVE_BURST = 8 << 20
PEER_RECEIVE_RATE = 1 << 18
# Malformed messages and data of a peer: a mistake now and then does no harm, who says nothing else is cut.
MALFORMED_BURST = 100
MALFORMED_RATE = 10.0  # 1/s
PEER_BUFFER_MAX = 1 << 20  # octets not yet taken by a peer, beyond which it is cut and resynchronised

# The census (sroamctl check). It is a convenience: whatever does not fit into these limits is dropped and counted.
CENSUS_QUESTIONS_MAX = 4096  # questions remembered, so that each is answered once and answers find their way back
CENSUS_QUESTION_LIFE = 10.0  # how long they find it; longer than a look takes
CENSUS_WAYS_MAX = 4096  # nodes of which we remember which peer leads there
# From one peer. A question to everybody costs a message on every link and an answer of every node; one check asks up to
# four of them. A question to one node takes the way that its last answer came, and costs a message a hop.
CENSUS_EVERYBODY_RATE, CENSUS_EVERYBODY_BURST = 8.0, 64
CENSUS_TARGETED_RATE, CENSUS_TARGETED_BURST = 2048.0, 2048
CENSUS_BUCKET_MAX = 256  # data of a bucket that are listed; a full database has 49 in each, so more are no accident
CENSUS_NODES_MAX = 1024  # nodes that answer one question to everybody, and that one check tells apart
CHECKS_MAX = 4  # that run at a time

# Tables (what one node may hold; 256 MB of memory)
DATABASE_MAX = 200_000
# Records of nodes, and as many of their link-local addresses: three times the largest fleet; what is done for each node
# must stay bounded.
NODES_MAX = 1_024
LEASES_OF_STATION_MAX = 64  # what peers may say of one; it has two, and perhaps some of last week's
# Data in one of the 4096 buckets of the digest tree. A full database has 49 in each; whoever searches keys that fall
# into one bucket would make every message about it cost as much as the whole database.
BUCKET_MAX = 1_024
STATIONS_MAX = 2_000
# Frames of one station that are looked at: at once, and in a second. All that it has to say to us is some DHCP, some
# solicitations, and answers to its access point's questions, a few for each of its addresses. Who sends more is not
# heard for MUTE_TIME: the kernel drops its frames.
STATION_FRAMES_BURST = 64
STATION_FRAMES_RATE = 32.0  # 1/s
MUTE_TIME = 1.0
MUTED_MAX = 48  # stations of an interface at one time; each costs every frame two instructions in the kernel
FRAMES_OF_STATION_WAITING_MAX = 32  # or a few stations would fill what is for all
FRAMES_WAITING_MAX = 2_048  # of an interface: a whole hall that returns after a power cut
EVENT_QUEUE_MAX = 10_000

# What the source guard remembers in the kernel (io.guard_rules), in sets whose elements go by themselves; and how many
# it lets pass: in a second, and at once. A packet to an address from which none has come costs a neighbour entry.
GUARD_SENDERS_MAX = 8_192  # stations whose packets are limited, or have been dropped
GUARD_ADDRESSES_MAX = 65_535  # IPv6 addresses that stations have used
GUARD_LINK_LOCALS = 1, 16  # link-local addresses that a station begins to use
GUARD_DISCOVERY = 100, 200  # messages of neighbour discovery of a station
GUARD_SEEN = 10, 100  # addresses that a station begins to send from, and are remembered
GUARD_SCAN = 20, 100  # packets to addresses of a station's prefix from which none has come
