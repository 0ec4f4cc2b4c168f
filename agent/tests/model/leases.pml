/* Who has which address: leases on two nodes (core/leases.py, core/dhcp_server.py; prefixes go the same way).
 *
 * Two access points, AP1 with MAC1, AP2 with MAC2, and three addresses: 0 is the first candidate of both stations, 1 the
 * second of MAC1, 2 the second of MAC2. A datum is address -> version (seqno, MAC), and alive or expired. An expired one
 * is remembered: its station finds its address again, and it stays a floor for the order. Merging is that of
 * associations.pml: the greatest (seqno, MAC) wins, who sends something lower is told.
 *
 *   choose    the station's own address, else its first candidate that is free: unknown, its own, or expired for longer
 *             than GRACE with its holder associated nowhere
 *   contest   a choice of what is not alive is flooded as an offer, and told after CONTEST_TIME if it still stands. Here
 *             that time is a message that goes to the other node and back behind the offer, or the cut of the link
 *   renew     the datum names the station: seqno + 1. It names another: NAK
 *   lost      a station's address has become another's: it is disassociated once and asks again (INIT-REBOOT)
 *   SYNC      after a restart nothing new is chosen before the peer has told what it knows
 *   store     what was acknowledged is on disk; offers are not
 *   withdraw  (WITHDRAWS) an offer that ends without having been taken is published as nobody's, expired, seqno + 1; who
 *             holds a lease of it says so, above that (KEEPS)
 *
 * GRACE is longer than the skew of copies and any way through the network: it is over only where no other node holds that
 * very version alive, and what its holder said before that has arrived.
 * Budgets: CUTS, RESTARTS (with the disk), WIPES (without), RENEWALS, LEAVES (a station goes away), FORGETS.
 * DIGESTS: at connection only what differs in living versions is sent, instead of everything alive.
 * Ablations: NO_GRACE, NO_CONTEST, NO_SYNC, NO_ORDER (a tie is not broken), NO_R2, TOLD_AT_ONCE (an expired lease
 * is acknowledged without a contest). RECLAIMS: a loss is settled later; who lost an
 * address to a holder that is nowhere takes it back.
 * Judged: states without activity (unless UNJUDGED); and with CONNECTED always: nodes whose databases have met since the
 * last cut never give one address to two stations.
 */
#ifndef CUTS
#define CUTS 0
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#ifndef WIPES
#define WIPES 0
#endif
#ifndef RENEWALS
#define RENEWALS 0
#endif
#ifndef LEAVES
#define LEAVES 0
#endif
#ifndef FORGETS
#define FORGETS 0
#endif
#ifndef SEQNO_MAX
#define SEQNO_MAX 20
#endif
#define ADDRESSES 3
#define ROOM 3                          /* leases under way; more only mark the key dirty */

#define MARK_ROOM 12                    /* nothing waits behind a mark */

#define LEASE 0                         /* address, seqno, MAC; kind EXPIRED: with remaining lifetime 0 */
#define EXPIRED 1
#define STATION 2                       /* -, present, MAC */
#define MARK 3                          /* comes back as ECHO: everything sent before it has arrived */
#define ECHO 4

chan wire[2] = [12] of { byte, byte, byte, byte };  /* from AP i to AP 1 - i */
#define AT(a, d) ((a) * ADDRESSES + (d))
#define OTHER(a) (1 - (a))
#define MAC_AT(a) ((a) + 1)

bool known[6], expired[6], over[6], offered[6], dirty[6];  /* over: expired for longer than GRACE */
byte seqno[6], holder[6];
bool here[6];                           /* AT(a, MAC): associated somewhere, as AP a knows; MAC 0 is nobody */
byte contest[2];                        /* 0 none, 1 under way, 2 over */
byte chosen[2];
bool settled[2];
bool is_cut = false, merged = true;

bool on[3], sure[3];                    /* the station is associated; it uses its address */
byte has[3];                            /* address + 1 that it uses or remembers */

byte cuts, restarts, wipes, renewals, leaves, forgets;
byte kind, in_address, in_seqno, in_mac, d, x;

#define ALIVE(i) (known[i] && !expired[i])
#define NAMES(i, m) (known[i] && holder[i] == (m))

/* ---- flooding ---- */

inline put_on_wire(a, address) {
  wire[a]!(expired[AT(a, address)] -> EXPIRED : LEASE),address,seqno[AT(a, address)],holder[AT(a, address)]
}
inline tell(a, address) {
  if
  :: is_cut -> skip
  :: !is_cut && len(wire[a]) < ROOM -> put_on_wire(a, address)
  :: else -> dirty[AT(a, address)] = true
  fi
}
inline tell_dirty(a, room) {
  d = 0;
  do
  :: d < ADDRESSES && len(wire[a]) < room && dirty[AT(a, d)] -> dirty[AT(a, d)] = false; put_on_wire(a, d); d++
  :: d < ADDRESSES && !(len(wire[a]) < room && dirty[AT(a, d)]) -> d++
  :: d >= ADDRESSES -> break
  od;
  d = 0
}
inline tell_station(a) {
  if
  :: is_cut -> skip
  :: else -> wire[a]!STATION,0,here[AT(a, MAC_AT(a))],MAC_AT(a)
  fi
}
inline withdraw(a, address) {           /* an offer of this node has ended */
  seqno[AT(a, address)] = seqno[AT(a, address)] + 1; holder[AT(a, address)] = 0;
  expired[AT(a, address)] = true; over[AT(a, address)] = false; offered[AT(a, address)] = false;
  printf("      AP%d withdraws address %d: (%d, nobody)\n", a + 1, address, seqno[AT(a, address)]);
  tell(a, address)
}
inline publish(a, address, mac) {
  if
  :: known[AT(a, address)] -> seqno[AT(a, address)] = seqno[AT(a, address)] + 1
  :: else -> known[AT(a, address)] = true; seqno[AT(a, address)] = 0
  fi;
  assert(seqno[AT(a, address)] < SEQNO_MAX);
  holder[AT(a, address)] = mac; expired[AT(a, address)] = false; over[AT(a, address)] = false; offered[AT(a, address)] = false;
  printf("      AP%d publishes address %d -> (%d, MAC%d)\n", a + 1, address, seqno[AT(a, address)], mac);
  tell(a, address)
}
#ifdef NO_ORDER
#define ABOVE (in_seqno > seqno[x])
#else
#define ABOVE (in_seqno > seqno[x] || (in_seqno == seqno[x] && in_mac > holder[x]))
#endif
#define HELD(m) (has[m] - 1)
#define LOST(a, m) (on[m] && sure[m] && known[AT(a, HELD(m))] && holder[AT(a, HELD(m))] != (m))
#ifdef RECLAIMS
#define RECLAIMABLE(a, m) (expired[AT(a, HELD(m))] || !here[AT(a, holder[AT(a, HELD(m))])])
#else
#define RECLAIMABLE(a, m) false
#endif
inline lost(a, m) {
  if
  :: LOST(a, m) && RECLAIMABLE(a, m) -> printf("AP%d takes it back for MAC%d\n", a + 1, m); publish(a, HELD(m), m)
  :: LOST(a, m) && !RECLAIMABLE(a, m) -> sure[m] = false; printf("MAC%d has lost its address and is disassociated\n", m)
  :: else
  fi
}
inline merge(a) {
  x = AT(a, in_address);
  if
  :: !known[x] && kind == LEASE ->
     known[x] = true; seqno[x] = in_seqno; holder[x] = in_mac; offered[x] = false
#ifdef KEEPS
  :: known[x] && ABOVE && in_mac == 0 && !expired[x] && !offered[x] ->
     seqno[x] = in_seqno; publish(a, in_address, holder[x])
  :: known[x] && ABOVE && !(in_mac == 0 && !expired[x] && !offered[x]) ->
     seqno[x] = in_seqno; holder[x] = in_mac; expired[x] = (kind == EXPIRED); over[x] = false; offered[x] = false
#else
  :: known[x] && ABOVE -> seqno[x] = in_seqno; holder[x] = in_mac; expired[x] = (kind == EXPIRED); over[x] = false; offered[x] = false
#endif
  :: known[x] && in_seqno == seqno[x] && in_mac == holder[x] ->
     if
     :: kind == LEASE -> expired[x] = false; over[x] = false
     :: else
     fi
#ifndef NO_R2
  :: known[x] && !ABOVE && !(in_seqno == seqno[x] && in_mac == holder[x]) -> tell(a, in_address)
#endif
  :: else
  fi;
  printf("      AP%d receives address %d -> (%d, MAC%d)%s: now (%d, MAC%d)\n", a + 1, in_address, in_seqno, in_mac, kind,
         seqno[x], holder[x]);
#ifndef RECLAIMS
  lost(a, MAC_AT(a));
#endif
  x = 0
}
#define MEET merged = merged || (!is_cut && len(wire[0]) == 0 && len(wire[1]) == 0)
inline receive(a) {
  wire[OTHER(a)]?kind,in_address,in_seqno,in_mac;
  tell_dirty(OTHER(a), ROOM);
  if
  :: kind == STATION -> here[AT(a, in_mac)] = in_seqno
  :: kind == MARK -> tell_dirty(a, MARK_ROOM); wire[a]!ECHO,0,0,0
  :: kind == ECHO -> settled[a] = true; contest[a] = (contest[a] > 0 -> 2 : 0)
  :: else -> merge(a)
  fi;
  MEET;
  kind = 0; in_address = 0; in_seqno = 0; in_mac = 0
}

/* ---- what a station may have ---- */

#ifdef NO_GRACE
#define OVER(a, i) (expired[AT(a, i)] && !here[AT(a, holder[AT(a, i)])])
#else
#define OVER(a, i) (over[AT(a, i)] && !here[AT(a, holder[AT(a, i)])])
#endif
#define FREE(a, i, m) (!known[AT(a, i)] || holder[AT(a, i)] == (m) || OVER(a, i))
#define OWN_ALIVE(a, i, m) (ALIVE(AT(a, i)) && holder[AT(a, i)] == (m))

inline give(a, address, m) {            /* the ACK */
  publish(a, address, m);
  has[m] = address + 1; sure[m] = true;
  printf("MAC%d has address %d from AP%d\n", m, address, a + 1);
#ifdef CONNECTED
  assert(!merged || !(on[MAC_AT(OTHER(a))] && sure[MAC_AT(OTHER(a))] && has[MAC_AT(OTHER(a))] == address + 1))
#endif
}
inline offer(a, address, m) {
#ifdef NO_CONTEST
  give(a, address, m)
#else
  publish(a, address, m);
  offered[AT(a, address)] = true; chosen[a] = address;
  printf("      AP%d has chosen address %d for MAC%d\n", a + 1, address, m);
  if
  :: is_cut -> contest[a] = 2
  :: else -> contest[a] = 1; tell_dirty(a, MARK_ROOM); wire[a]!MARK,0,0,0
  fi
#endif
}
inline choose(a, m) {
  if
  :: OWN_ALIVE(a, 0, m) -> give(a, 0, m)
  :: !OWN_ALIVE(a, 0, m) && OWN_ALIVE(a, m, m) -> give(a, m, m)
  :: else ->
     if
     :: NAMES(AT(a, 0), m) || (FREE(a, 0, m) && !NAMES(AT(a, m), m)) -> offer(a, 0, m)
     :: else ->
        if
        :: FREE(a, m, m) -> offer(a, m, m)
        :: else -> assert(holder[AT(a, m)] == 0)    /* nobody's, and in its GRACE: it is asked again */
        fi
     fi
  fi
}
#define KNOWS_IT(a, m) (NAMES(AT(a, 0), m) || NAMES(AT(a, m), m))
inline contest_over(a, m) {
  contest[a] = 0;
  if
  :: OWN_ALIVE(a, chosen[a], m) -> give(a, chosen[a], m)
  :: else                               /* another's by now: choose again */
  fi;
  chosen[a] = 0
}
inline asks_again(a, m) {               /* INIT-REBOOT */
  if
#ifdef TOLD_AT_ONCE
  :: NAMES(AT(a, HELD(m)), m) -> give(a, HELD(m), m)
#else
  :: OWN_ALIVE(a, HELD(m), m) -> give(a, HELD(m), m)
#endif
  :: else ->
     if
     :: !FREE(a, HELD(m), m) -> has[m] = 0; printf("MAC%d: NAK\n", m)
     :: else -> x = HELD(m); has[m] = 0; offer(a, x, m); x = 0
     fi
  fi
}

/* ---- connections, restarts ---- */

inline clear_wires() {
  do
  :: len(wire[0]) > 0 -> wire[0]?_,_,_,_
  :: len(wire[1]) > 0 -> wire[1]?_,_,_,_
  :: len(wire[0]) + len(wire[1]) == 0 -> break
  od;
  d = 0;
  do
  :: d < 6 -> dirty[d] = false; d++
  :: else -> break
  od;
  d = 0
}
#define DIFFER(i) (ALIVE(i) != ALIVE(3 + (i)) || (ALIVE(i) && (seqno[i] != seqno[3 + (i)] || holder[i] != holder[3 + (i)])))
inline dump(a) {                        /* where stations are goes first */
  tell_station(a);
  d = 0;
  do
  :: d < ADDRESSES ->
     if
#ifdef DIGESTS
     :: known[AT(a, d)] && DIFFER(d) -> tell(a, d)
#else
     :: ALIVE(AT(a, d)) -> tell(a, d)
#endif
     :: else
     fi;
     d++
  :: else -> break
  od;
  d = 0
}
inline connect() { dump(0); dump(1); MEET }
inline mark(a) {
  if
  :: is_cut -> settled[a] = true; contest[a] = (contest[a] > 0 -> 2 : 0)
  :: !is_cut && (!settled[a] || contest[a] == 1) -> tell_dirty(a, MARK_ROOM); wire[a]!MARK,0,0,0
  :: else
  fi
}
inline restart(a, m) {
  clear_wires();
  contest[a] = 0; chosen[a] = 0;
  here[AT(a, MAC_AT(OTHER(a)))] = false;
#ifdef NO_SYNC
  settled[a] = true;
#else
  settled[a] = false;
#endif
  if
  :: is_cut -> settled[a] = true
  :: else -> connect(); mark(a); mark(OTHER(a))
  fi
}

#ifdef WITHDRAWS
#define WITHDRAWN true
#else
#define WITHDRAWN false
#endif
#ifdef RECLAIMS
#define LATER true
#else
#define LATER false
#endif
#define STATION_STEPS(a, m) \
  :: on[m] && has[m] == 0 && contest[a] == 0 && (settled[a] || KNOWS_IT(a, m)) -> d_step { choose(a, m) } \
  :: on[m] && has[m] > 0 && !sure[m] && contest[a] == 0 && (settled[a] || NAMES(AT(a, HELD(m)), m)) -> d_step { asks_again(a, m) } \
  :: on[m] && has[m] == 0 && contest[a] == 2 -> d_step { contest_over(a, m) } \
  :: !on[m] && contest[a] == 2 -> d_step { contest[a] = 0; chosen[a] = 0 } \
  :: LOST(a, m) && LATER -> d_step { lost(a, m) } \
  :: on[m] && sure[m] && !known[AT(a, HELD(m))] -> d_step { has[m] = 0; sure[m] = false; printf("MAC%d: runs out\n", m) } \
  :: on[m] && sure[m] && NAMES(AT(a, HELD(m)), m) && renewals < RENEWALS -> d_step { renewals++; \
       printf("MAC%d renews\n", m); publish(a, HELD(m), m) } \
  :: !on[m] -> d_step { on[m] = true; here[AT(a, m)] = true; printf("MAC%d comes\n", m); tell_station(a) } \
  :: on[m] && leaves < LEAVES -> d_step { leaves++; on[m] = false; sure[m] = false; here[AT(a, m)] = false; \
       printf("MAC%d goes away\n", m); tell_station(a) }

#define NODE_STEPS(a) \
  :: restarts < RESTARTS -> d_step { restarts++; printf("AP%d restarts with its disk\n", a + 1); \
       d = 0; do :: d < ADDRESSES -> if :: offered[AT(a, d)] -> known[AT(a, d)] = false; FORGET(AT(a, d)) :: else fi; d++ \
              :: else -> break od; d = 0; restart(a, MAC_AT(a)) } \
  :: wipes < WIPES -> d_step { wipes++; printf("AP%d restarts without its disk\n", a + 1); \
       d = 0; do :: d < ADDRESSES -> known[AT(a, d)] = false; FORGET(AT(a, d)); d++ \
              :: else -> break od; d = 0; restart(a, MAC_AT(a)) }
#define FORGET(i) seqno[i] = 0; holder[i] = 0; expired[i] = false; over[i] = false; offered[i] = false
#define ALIVE_ELSEWHERE(a, i) \
  (ALIVE(AT(OTHER(a), i)) && holder[AT(OTHER(a), i)] == holder[AT(a, i)] && seqno[AT(OTHER(a), i)] == seqno[AT(a, i)])
/* A copy runs out where the station that uses the address does not renew it. */
#define COPY_STEPS(a, i) \
  :: ALIVE(AT(a, i)) && !(on[holder[AT(a, i)]] && has[holder[AT(a, i)]] == (i) + 1 && !(is_cut && holder[AT(a, i)] != MAC_AT(a))) \
     && !(contest[a] > 0 && chosen[a] == (i)) -> d_step { printf("AP%d: address %d expires\n", a + 1, i); \
       if :: offered[AT(a, i)] && WITHDRAWN -> withdraw(a, i) \
          :: else -> expired[AT(a, i)] = true; offered[AT(a, i)] = false fi } \
  :: expired[AT(a, i)] && !over[AT(a, i)] && (is_cut || (!ALIVE_ELSEWHERE(a, i) && len(wire[OTHER(a)]) == 0)) -> d_step { \
       over[AT(a, i)] = true } \
  :: forgets < FORGETS && known[AT(a, i)] && expired[AT(a, i)] && !dirty[AT(a, i)] -> d_step { forgets++; known[AT(a, i)] = false; \
       FORGET(AT(a, i)); printf("AP%d forgets address %d\n", a + 1, i) }
#define VIEW_STEPS(a) \
  :: is_cut && here[AT(a, MAC_AT(OTHER(a)))] -> d_step { here[AT(a, MAC_AT(OTHER(a)))] = false; \
       printf("AP%d: the claim of MAC%d's place runs out\n", a + 1, MAC_AT(OTHER(a))) }

/* ---- what is judged ---- */

#define SERVED(m) (!on[m] || sure[m])
#define SILENCE (len(wire[0]) == 0 && len(wire[1]) == 0 && !is_cut && contest[0] == 0 && contest[1] == 0 \
                 && SERVED(1) && SERVED(2) && !LOST(0, 1) && !LOST(1, 2) && KNOWN_IF_ON(0, 1) && KNOWN_IF_ON(1, 2))
#define KNOWN_IF_ON(a, m) (!on[m] || known[AT(a, HELD(m))])
#define SAME(i) ((ALIVE(i) && ALIVE(3 + (i)) && seqno[i] == seqno[3 + (i)] && holder[i] == holder[3 + (i)]) \
                 || (!ALIVE(i) || !ALIVE(3 + (i))))
#define HIS(m) (!on[m] || (holder[AT(0, HELD(m))] == (m) && holder[AT(1, HELD(m))] == (m)))

active proctype world() {
  settled[0] = true; settled[1] = true;
end:
  do
  :: len(wire[1]) > 0 -> d_step { receive(0) }
  :: len(wire[0]) > 0 -> d_step { receive(1) }
  STATION_STEPS(0, 1)
  STATION_STEPS(1, 2)
  NODE_STEPS(0)
  NODE_STEPS(1)
  COPY_STEPS(0, 0) COPY_STEPS(0, 1) COPY_STEPS(0, 2) COPY_STEPS(1, 0) COPY_STEPS(1, 1) COPY_STEPS(1, 2)
  VIEW_STEPS(0)
  VIEW_STEPS(1)
  :: !is_cut && cuts < CUTS -> d_step { cuts++; clear_wires(); is_cut = true; merged = false; mark(0); mark(1); printf("cut\n") }
  :: is_cut -> d_step { is_cut = false; printf("connected again\n"); connect() }
#ifndef UNJUDGED
  :: SILENCE -> d_step {
       assert(SAME(0) && SAME(1) && SAME(2));
       assert(!(on[1] && on[2] && has[1] == has[2]));
       assert(HIS(1) && HIS(2));
       skip }
#endif
  od
}
