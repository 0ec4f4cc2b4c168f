/* Where a station is: the rule by which all nodes come to agree about it (core/associations.py, core/database.py).
 *
 * One station, NODES access points, one datum: version (seqno, value), where the value is the node that claims the
 * station, or GONE. Links are reliable and keep their order (TCP); a cut loses what is under way. The environment does
 * what it likes, as often as its budgets allow; what the nodes do has no budget. Every state in which nothing more will
 * happen by itself is judged.
 *
 *   R1 adopt      the incoming version is above mine: take it, flood it to all but the sender
 *   R2 push back  the incoming version is below mine: send mine to the sender (a C node: only if its seqno is older)
 *   R3 raise      mixed fleets: a tie (one seqno, two values) that nothing decides for 5 s gets a new seqno
 *   A1 arrived    a station is authorised here: claim it, also if it is mine already
 *   A2 left       it is not here any more: withdraw, if it is mine
 *   A3 lost       it is here, and the datum has become somebody else's: ping
 *   A4 tie won    it is here and mine, and another claim of the same seqno has lost to mine: ping (at an address)
 *   A5 unfounded  it is not here, and the datum names me: withdraw
 *   A6 answered   the ping is answered: claim; not answered: it is not here (hostapd is told), withdraw if it is mine
 *
 * Beyond these the model has what the code does in its own way:
 *   HELLOS        at connection both sides say a digest of what is alive and no tombstone; if they are equal nothing is
 *                 sent, else everything is
 *   DIGESTS       instead of everything only what differs: the node with the smaller id begins, DIGESTS (1 to 3)
 *                 summaries lead down to a list of what is alive; who lacks something of it asks for it
 *   LIMITED       claims and withdrawals wait for a token, any time; a claim that waits is dropped when another node's
 *                 claim arrives (whatever has been seen of the station was before), and the station is asked
 *   FALSE_ACKS    a radio acknowledges a POLL_STA also to an access point that it has left. POLL_STA asks where nobody
 *                 contests, and where no address of the station is known; in a contest it is believed once an arrival
 *   NO_ADDRESS    no address of the station is known
 *   REFRESHES     a claim that is due for renewal is pinged first (without an address it is just renewed)
 *   LISTS         an arrival is only found in hostapd's list, later: it is pinged and not claimed
 *   RESTARTS      of the agent: the database is empty, the list stays, ghosts on it too
 *   REBOOTS       of the machine: nobody is associated any more
 *   EXPIRIES      a copy runs out where its owner does not refresh it: below every digest, still a floor for the order
 *
 * Budgets: MOVES, CUTS (the last node is cut off), RESTARTS, REBOOTS, LISTS, REFRESHES, LEAVES (the station goes away),
 * FORGETS (tombstones forgotten early), EXPIRIES, DEAF (a live station does not answer), LATE (a ping takes an answer
 * to an earlier one for its own). LINE: nodes in a line instead of all linked. C_NODES: a mask of nodes that run the C
 * daemon of 2021, whose comparison of lifetimes may come out either way.
 * Ablations: NO_R2, NO_A1 (no new claim for what is mine), NO_A3, NO_A4, NO_A5, NO_A6 (no claim on an answer),
 * POLL_TIES (A4 polls, and believes it), POLL_CONTESTS (every ping polls), POLL_ALWAYS (without an address it is believed
 * each time), EAGER_RAISE (R3 at once), PUSH_TIES (R2 to a C node at a tie).
 * Judged: states without activity (unless UNJUDGED), SEQNO_MAX, and with RECLAIMS_MAX the answers to pings that
 * lead to claims after the environment's last act. LIVE: the formula that agreement is reached and stays.
 */
#ifndef NODES
#define NODES 3
#endif
#ifndef MOVES
#define MOVES 2
#endif
#ifndef CUTS
#define CUTS 0
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#ifndef REBOOTS
#define REBOOTS 0
#endif
#ifndef LISTS
#define LISTS 0
#endif
#ifndef REFRESHES
#define REFRESHES 0
#endif
#ifndef LEAVES
#define LEAVES 0
#endif
#ifndef FORGETS
#define FORGETS 0
#endif
#ifndef EXPIRIES
#define EXPIRIES 0
#endif
#ifndef DEAF
#define DEAF 0
#endif
#ifndef LATE
#define LATE 0
#endif
#ifndef DIGESTS
#define DIGESTS 0
#endif
#if DIGESTS > 0
#define HELLOS
#endif
#ifndef C_NODES
#define C_NODES 0
#endif
#ifndef SEQNO_MAX
#define SEQNO_MAX 40
#endif
#define ROOM 2                          /* updates under way on a link; more only mark the key dirty */

#define GONE 0
#define OLD_HEAP 99                     /* what a C node stores where it allocates and does not copy */
#define NOBODY NODES
#define ME(a) ((a) + 1)                 /* the value that names node a, and the place of its station */

/* Kinds of message: a version; "this is my digest" at connection, and below it, DIGESTS times; "this is what I have"; "send
 * me that". DEAD: added to UPDATE, a version with remaining lifetime 0. */
#define UPDATE 0
#define HELLO 1
#define SUMMARY 2
#define LIST (SUMMARY + DIGESTS)
#define WANTED 9
#define DEAD 100

/* The ping. An answer has come, but has not been looked at: to ARP, or only a radio's acknowledgement. */
#define NONE 0
#define ASKED 1
#define ANSWERED 2
#define ACKNOWLEDGED 3
#define SILENT 4

#ifdef LINE
#define LINKED(i, j) ((i) - (j) == 1 || (j) - (i) == 1)
#else
#define LINKED(i, j) ((i) != (j))
#endif
#define IS_C(i) ((C_NODES >> (i)) & 1)
#define BESIDE_C(i) (((i) != 0 && LINKED(i, 0) && IS_C(0)) || ((i) != 1 && LINKED(i, 1) && IS_C(1)) \
                     || (NODES > 2 && (i) != 2 && LINKED(i, 2) && IS_C(2)))
#define LINK(i, j) ((i) * NODES + (j))
#define CONNECTED(i, j) (LINKED(i, j) && !(is_cut && ((i) == NODES - 1 || (j) == NODES - 1)))

chan wire[NODES * NODES] = [ROOM + 3] of { byte, byte, byte };  /* kind, seqno, value */
bool dirty[NODES * NODES];              /* the peer has yet to be told what is held when there is room */
bool ungreeted[NODES * NODES];          /* connected, Hello not yet said: nothing is sent before it */

byte seqno[NODES], value[NODES];        /* the version held */
bool known[NODES], expired[NODES];
bool present[NODES];                    /* hostapd lists the station as authorised */
byte ping[NODES];
bool polled[NODES];                     /* the ping under way has sent a POLL_STA */
bool contested[NODES];                  /* it asks because another node claims the station */
bool believed[NODES];                   /* an acknowledgement alone has been believed since it arrived here */
bool waiting[NODES];                    /* a claim waits for its token */
bool tied[NODES];                       /* R3 is under way */

byte place = 0;                         /* of the station: ME(a), or 0 */
bool away = false;                      /* it has left the network */
bool is_cut = false;
byte moves, cuts, restarts, reboots, lists, refreshes, leaves, forgets, expiries, deaf, late;

byte peer, kind, in_seqno, in_value;    /* of one step */
bool changed, conflict;

#ifdef RECLAIMS_MAX
byte reclaims;
#define ENVIRONMENT reclaims = 0
#define RECLAIM reclaims++; assert(reclaims <= RECLAIMS_MAX)
#else
#define ENVIRONMENT skip
#define RECLAIM skip
#endif

/* ---- flooding ---- */

#define DIGEST_SEQNO(a) (ALIVE(a) -> seqno[a] : 0)
#define DIGEST_VALUE(a) (ALIVE(a) -> value[a] : GONE)
#define ALIVE(a) (known[a] && !expired[a] && value[a] != GONE)
#define LIFE(a) (expired[a] -> DEAD : 0)

inline tell(a, b) {
  if
  :: !CONNECTED(a, b) || ungreeted[LINK(a, b)] -> skip
  :: else ->
     if
     :: len(wire[LINK(a, b)]) < ROOM -> wire[LINK(a, b)]!UPDATE + LIFE(a),seqno[a],value[a]
     :: else -> dirty[LINK(a, b)] = true
     fi
  fi
}
inline tell_dirty(a, b) {
  if
  :: dirty[LINK(a, b)] && len(wire[LINK(a, b)]) < ROOM ->
     dirty[LINK(a, b)] = false;
     if
     :: known[a] -> wire[LINK(a, b)]!UPDATE + LIFE(a),seqno[a],value[a]
     :: else
     fi
  :: else
  fi
}
inline flood(a, sender) {
  peer = 0;
  do
  :: peer < NODES ->
     if
     :: peer != sender -> tell(a, peer)
     :: else
     fi;
     peer++
  :: else -> break
  od;
  peer = 0
}
inline publish(a, new_value) {
  if
  :: known[a] -> seqno[a] = seqno[a] + 1
  :: else -> seqno[a] = 0; known[a] = true
  fi;
  assert(seqno[a] < SEQNO_MAX);
  value[a] = new_value; expired[a] = false; tied[a] = false;
  flood(a, NOBODY)
}

/* ---- associations: our own rule ---- */

inline claim_now(a) {
  publish(a, ME(a));
  printf("      AP%d claims (%d,AP%d)\n", a + 1, seqno[a], a + 1)
}
inline claim(a) {
#ifdef LIMITED
  waiting[a] = true
#else
  claim_now(a)
#endif
}
#define MINE(a) (ALIVE(a) && value[a] == ME(a))
inline withdraw_now(a) {
  publish(a, GONE);
  printf("      AP%d withdraws (%d,gone)\n", a + 1, seqno[a])
}
inline withdraw(a) {                    /* if LIMITED, it is done later, if it is still due: UNFOUNDED */
#ifndef LIMITED
  withdraw_now(a)
#else
  skip
#endif
}
inline stop_ping(a) { ping[a] = NONE; polled[a] = false; contested[a] = false }
#ifdef NO_ADDRESS
#define POLLS(a, contest) true
#elif defined(POLL_CONTESTS)
#define POLLS(a, contest) true
#elif defined(POLL_TIES)
#define POLLS(a, contest) MINE(a)
#else
#define POLLS(a, contest) (MINE(a) && !(contest))
#endif
/* A ping that is restarted takes an answer of the right kind that has come already for its own: answers bear no tag. */
inline start_ping(a, contest) {
  contested[a] = contest;
  polled[a] = POLLS(a, contest);
  if
  :: ping[a] == ANSWERED || (ping[a] == ACKNOWLEDGED && polled[a]) -> skip
  :: else -> ping[a] = ASKED
  fi
}
inline arrived(a) {                     /* A1 */
  present[a] = true; believed[a] = false;
  stop_ping(a);
#ifdef NO_A1
  if
  :: MINE(a) -> skip
  :: else -> claim(a)
  fi
#else
  claim(a)
#endif
}
inline absent(a) {                      /* A2 */
  present[a] = false; believed[a] = false; waiting[a] = false;
  stop_ping(a);
  if
  :: MINE(a) -> withdraw(a)
  :: else
  fi
}
inline react(a) {                       /* the datum has changed */
  if
#ifndef NO_A3
  :: present[a] && ALIVE(a) && !MINE(a) -> waiting[a] = false; start_ping(a, true)
  :: present[a] && !ALIVE(a) && !waiting[a] -> start_ping(a, false)
#endif
#ifndef NO_A5
  :: !present[a] && MINE(a) -> withdraw(a)
#endif
  :: else
  fi
}
/* A4 asks nothing where only an acknowledgement could answer. */
#if defined(NO_ADDRESS) && !defined(POLL_TIES)
#define ASKS_TIES false
#else
#define ASKS_TIES true
#endif
inline merge(a, sender) {
  if
  :: !known[a] ->
     if
     :: kind == UPDATE -> known[a] = true; changed = true
     :: else                            /* expired and unknown: it must not come back */
     fi
  :: known[a] && (in_seqno > seqno[a] || (in_seqno == seqno[a] && in_value > value[a])) ->
     conflict = in_seqno == seqno[a]; changed = true
  :: known[a] && in_seqno == seqno[a] && in_value == value[a] ->
     if
     :: expired[a] && kind == UPDATE -> changed = true         /* it lives longer there */
     :: else
     fi
  :: else ->
     conflict = in_seqno == seqno[a];
#ifndef NO_R2
     if
#ifndef PUSH_TIES
     :: IS_C(sender) && conflict -> skip
#endif
     :: else -> tell(a, sender)
     fi;
#endif
#ifndef NO_A4
     if
     :: conflict && in_value != GONE && present[a] && MINE(a) && ASKS_TIES -> start_ping(a, true)
     :: else
     fi
#else
     skip
#endif
  fi;
  if
  :: changed ->
     seqno[a] = in_seqno; value[a] = in_value; expired[a] = (kind != UPDATE); tied[a] = false;
     flood(a, sender)
  :: else
  fi;
  printf("      AP%d receives (%d,AP%d) from AP%d: now (%d,AP%d)\n", a + 1, in_seqno, in_value, sender + 1,
         seqno[a], value[a]);
#if C_NODES > 0
  if
  :: conflict && BESIDE_C(a) -> tied[a] = true
  :: else
  fi;
#endif
  if
  :: changed -> react(a)
  :: else
  fi
}
inline reclaim(a) {                     /* A6, fresh evidence */
  stop_ping(a);
#ifndef NO_A6
  RECLAIM;
  claim(a)
#endif
}
inline expel(a) {                       /* A6, no answer: hostapd disassociates it; a live station must join again */
  printf("      AP%d: no answer\n", a + 1);
  if
  :: place == ME(a) -> place = 0; printf("      AP%d disassociates the live station\n", a + 1)
  :: else
  fi;
  absent(a)
}
#if defined(POLL_ALWAYS) || defined(POLL_CONTESTS)
#define BELIEVES(a) true
#elif defined(POLL_TIES)
#define BELIEVES(a) (MINE(a) || !ALIVE(a) || !believed[a])
#else
#define BELIEVES(a) (!believed[a] || !(contested[a] || (ALIVE(a) && !MINE(a))))
#endif
inline ping_over(a) {
  if
  :: ping[a] == SILENT -> expel(a)
  :: ping[a] == ANSWERED -> printf("      AP%d: answered\n", a + 1); reclaim(a)
  :: else ->                            /* an acknowledgement that is not believed: the ping goes on, and ends in silence */
     printf("      AP%d: acknowledged\n", a + 1);
     if
     :: BELIEVES(a) ->
        believed[a] = believed[a] || contested[a] || (ALIVE(a) && !MINE(a));
        reclaim(a)
     :: else -> ping[a] = SILENT
     fi
  fi
}

/* ---- the C daemon: lease.c update_association and flush_association, flood.c update_datum, from reading them ---- */

inline c_claim(a) {
  present[a] = true;
  if
  :: known[a] && value[a] == ME(a) -> flood(a, NOBODY)
  :: else -> publish(a, ME(a))
  fi;
  printf("      AP%d(C) claims (%d,AP%d)\n", a + 1, seqno[a], a + 1)
}
inline c_absent(a) {
  present[a] = false;
  if
  :: known[a] && value[a] == ME(a) -> withdraw(a)
  :: else
  fi
}
inline c_merge(a, sender) {             /* at a tie the remaining lifetimes decide, either way */
  if
  :: !known[a] || in_seqno > seqno[a] ->
     known[a] = true; seqno[a] = in_seqno; value[a] = in_value; changed = true
  :: known[a] && in_seqno == seqno[a] && in_value != value[a] -> conflict = true               /* "we win" */
  :: known[a] && in_seqno == seqno[a] && in_value != value[a] -> conflict = true; changed = true; /* "they win" */
     if
     :: value[a] == GONE -> value[a] = OLD_HEAP
     :: in_value == GONE -> value[a] = GONE
     :: else                            /* the value is not copied */
     fi
  :: else
  fi;
  printf("      AP%d(C) receives (%d,AP%d) from AP%d: now (%d,AP%d)\n", a + 1, in_seqno, in_value, sender + 1,
         seqno[a], value[a]);
  if
  :: changed ->
     if
     :: value[a] != GONE && present[a] && value[a] != ME(a) ->
        present[a] = false;
        if
        :: place == ME(a) -> place = 0; printf("      AP%d(C) disassociates the live station\n", a + 1)
        :: else
        fi;
        if
        :: conflict -> c_absent(a)
        :: else
        fi
     :: else
     fi;
     flood(a, sender)
  :: else
  fi
}

/* ---- connections ---- */

inline clear_links(a) {
  peer = 0;
  do
  :: peer < NODES ->
     do
     :: len(wire[LINK(a, peer)]) > 0 -> wire[LINK(a, peer)]?_,_,_
     :: else -> break
     od;
     do
     :: len(wire[LINK(peer, a)]) > 0 -> wire[LINK(peer, a)]?_,_,_
     :: else -> break
     od;
     dirty[LINK(a, peer)] = false; dirty[LINK(peer, a)] = false;
     ungreeted[LINK(a, peer)] = false; ungreeted[LINK(peer, a)] = false;
     peer++
  :: else -> break
  od;
  peer = 0
}
inline dump(a, b) {
  if
  :: known[a] && !expired[a] -> tell(a, b)
  :: else
  fi
}
#ifdef HELLOS
#define SAYS_HELLO true
#else
#define SAYS_HELLO false
#endif
inline connect(a) {
  peer = 0;
  do
  :: peer < NODES ->
     if
     :: CONNECTED(a, peer) && SAYS_HELLO && !IS_C(a) && !IS_C(peer) ->
        ungreeted[LINK(a, peer)] = true; ungreeted[LINK(peer, a)] = true
     :: CONNECTED(a, peer) && !(SAYS_HELLO && !IS_C(a) && !IS_C(peer)) -> dump(a, peer); dump(peer, a)
     :: else
     fi;
     peer++
  :: else -> break
  od;
  peer = 0
}
#define DIFFERS(a) (in_seqno != DIGEST_SEQNO(a) || in_value != DIGEST_VALUE(a))
inline compare(a, b) {                  /* a Hello, summary, list or wish has come from b */
  if
  :: kind == HELLO && DIFFERS(a) && DIGESTS == 0 -> dump(a, b)
  :: kind == HELLO && DIFFERS(a) && DIGESTS > 0 ->
     if
     :: a < b -> wire[LINK(a, b)]!SUMMARY,DIGEST_SEQNO(a),DIGEST_VALUE(a)
     :: else
     fi
  :: kind > HELLO && kind < LIST && DIFFERS(a) -> wire[LINK(a, b)]!kind + 1,DIGEST_SEQNO(a),DIGEST_VALUE(a)
  :: kind == LIST && DIFFERS(a) ->
     if
     :: ALIVE(a) -> tell(a, b)
     :: else
     fi;
     if
     :: in_value != GONE -> wire[LINK(a, b)]!WANTED,in_seqno,in_value
     :: else
     fi
  :: kind == WANTED && !DIFFERS(a) -> tell(a, b)
  :: else
  fi
}

/* ---- what is judged ---- */

#define EMPTY(i, j) (len(wire[LINK(i, j)]) == 0 && !ungreeted[LINK(i, j)])
#define AT_REST(a) (ping[a] == NONE && !waiting[a] && !UNFOUNDED(a))
#ifdef LIMITED
#define UNFOUNDED(a) (!present[a] && MINE(a))
#else
#define UNFOUNDED(a) false
#endif
/* A C node repairs itself at the next DHCP renewal, ours at R3. */
#define REPAIRED(a) (!tied[a] && (!IS_C(a) || place != ME(a) || value[a] == ME(a)))
#define SAME(i, j) ((seqno[i] == seqno[j] && value[i] == value[j] && known[i] == known[j]) || (!ALIVE(i) && !ALIVE(j)))
#if NODES == 2
#define SILENCE (EMPTY(0, 1) && EMPTY(1, 0) && AT_REST(0) && AT_REST(1) && !is_cut)
#define REPAIRED_ALL (REPAIRED(0) && REPAIRED(1))
#define AGREE SAME(0, 1)
#define ROUTES (present[0] + present[1])
#define NAMED(p) (value[0] == (p) && value[1] == (p))
#else
#define SILENCE (EMPTY(0, 1) && EMPTY(1, 0) && EMPTY(0, 2) && EMPTY(2, 0) && EMPTY(1, 2) && EMPTY(2, 1) \
                 && AT_REST(0) && AT_REST(1) && AT_REST(2) && !is_cut)
#define REPAIRED_ALL (REPAIRED(0) && REPAIRED(1) && REPAIRED(2))
#define AGREE (SAME(0, 1) && SAME(1, 2) && SAME(0, 2))
#define ROUTES (present[0] + present[1] + present[2])
#define NAMED(p) (value[0] == (p) && value[1] == (p) && value[2] == (p))
#endif

/* ---- what can happen ---- */

#if C_NODES > 0
#define STEP atomic
#define MERGE(i, j) if :: IS_C(j) -> c_merge(j, i) :: else -> merge(j, i) fi
#define ARRIVED(a) if :: IS_C(a) -> c_claim(a) :: else -> arrived(a) fi
#define LEFT(a) if :: IS_C(a) -> c_absent(a) :: else -> absent(a) fi
#else
#define STEP d_step
#define MERGE(i, j) merge(j, i)
#define ARRIVED(a) arrived(a)
#define LEFT(a) absent(a)
#endif

#define RECEIVES(i, j) \
  :: len(wire[LINK(i, j)]) > 0 && !ungreeted[LINK(j, i)] -> STEP { \
       wire[LINK(i, j)]?kind,in_seqno,in_value; tell_dirty(i, j); \
       if :: kind % DEAD == UPDATE -> MERGE(i, j) :: else -> compare(j, i) fi; \
       kind = 0; in_seqno = 0; in_value = 0; changed = false; conflict = false } \
  :: ungreeted[LINK(i, j)] -> d_step { \
       ungreeted[LINK(i, j)] = false; wire[LINK(i, j)]!HELLO,DIGEST_SEQNO(i),DIGEST_VALUE(i) }

/* A station that was disassociated joins again, wherever it likes. */
#define MAY_JOIN (moves < MOVES || (place == 0 && moves > 0 && !away))
#define JOINS(a) \
  if :: moves < MOVES -> moves++ :: else fi; place = ME(a); away = false; ENVIRONMENT; printf("station joins AP%d\n", a + 1)

#ifdef NO_ADDRESS
#define ANSWER ACKNOWLEDGED
#else
#define ANSWER ANSWERED
#endif
#define ACCESS_POINT(a) \
  :: MAY_JOIN && place != ME(a) -> STEP { JOINS(a); ARRIVED(a) } \
  :: present[a] && place != ME(a) -> STEP { ENVIRONMENT; printf("AP%d sees the departure\n", a + 1); LEFT(a) } \
  :: ping[a] == ASKED -> d_step { if :: place == ME(a) -> ping[a] = ANSWER :: else -> ping[a] = SILENT fi } \
  :: ping[a] >= ANSWERED -> STEP { ping_over(a) }

#define DEAF_AT(a) \
  :: ping[a] == ASKED && place == ME(a) && deaf < DEAF -> d_step { deaf++; ENVIRONMENT; ping[a] = SILENT }
#define LATE_AT(a) \
  :: ping[a] == ASKED && place != ME(a) && late < LATE -> d_step { late++; ENVIRONMENT; ping[a] = ANSWERED }
#define FALSE_ACK_AT(a) \
  :: ping[a] == ASKED && place != ME(a) && place != 0 && polled[a] -> d_step { \
       ping[a] = ACKNOWLEDGED; printf("      AP%d gets an acknowledgement that is not meant for it\n", a + 1) }
#define TOKEN_AT(a) \
  :: waiting[a] -> d_step { waiting[a] = false; claim_now(a) } \
  :: UNFOUNDED(a) -> d_step { withdraw_now(a) }
#define REFRESH_AT(a) \
  :: refreshes < REFRESHES && present[a] && MINE(a) && ping[a] == NONE -> d_step { \
       refreshes++; ENVIRONMENT; printf("AP%d: the claim is due for renewal\n", a + 1); \
       if :: ADDRESSLESS -> claim(a) :: else -> start_ping(a, false) fi }
/* Who is found has no route in the kernel, which an earlier self of this agent would have left. */
#define FOUND(a) \
  present[a] = true; believed[a] = false; stop_ping(a); \
  if :: ADDRESSLESS -> claim(a) :: else -> start_ping(a, (ALIVE(a) && !MINE(a))) fi
#define LIST_AT(a) \
  :: lists < LISTS && MAY_JOIN && place != ME(a) && !present[a] && !IS_C(a) -> d_step { lists++; JOINS(a); \
       printf("      AP%d finds it in the list\n", a + 1); FOUND(a) }
/* Who is on the list, and has its route in the kernel or no known address, is claimed; the others are pinged. */
#define RESTART_AT(a) \
  :: restarts < RESTARTS && moves > 0 -> STEP { restarts++; ENVIRONMENT; printf("AP%d restarts\n", a + 1); \
       clear_links(a); conflict = MINE(a); FORGET_ALL(a); \
       if \
       :: IS_C(a) && place == ME(a) -> c_claim(a); clear_links(a) \
       :: IS_C(a) && place != ME(a) -> present[a] = false \
       :: !IS_C(a) && present[a] && (conflict || ADDRESSLESS) -> arrived(a); clear_links(a) \
       :: !IS_C(a) && present[a] && !(conflict || ADDRESSLESS) -> FOUND(a) \
       :: else \
       fi; \
       conflict = false; connect(a) }
#define REBOOT_AT(a) \
  :: reboots < REBOOTS && moves > 0 -> STEP { reboots++; ENVIRONMENT; printf("AP%d reboots\n", a + 1); \
       clear_links(a); FORGET_ALL(a); present[a] = false; \
       if :: place == ME(a) -> place = 0 :: else fi; \
       connect(a) }
#define FORGET_ALL(a) \
  known[a] = false; seqno[a] = 0; value[a] = GONE; expired[a] = false; stop_ping(a); believed[a] = false; \
  waiting[a] = false; tied[a] = false
#define FORGET_AT(a) \
  :: forgets < FORGETS && known[a] && !ALIVE(a) && !IS_C(a) && NOTHING_DIRTY(a) -> d_step { forgets++; ENVIRONMENT; \
       printf("AP%d forgets what is dead\n", a + 1); known[a] = false; seqno[a] = 0; value[a] = GONE; expired[a] = false; \
       react(a) }
#define NOTHING_DIRTY(a) (!dirty[LINK(a, 0)] && !dirty[LINK(a, 1)] && !(NODES > 2 && dirty[LINK(a, NODES - 1)]))
/* A copy runs out where its owner is cut off, restarted, or owner no more. */
#define OWNER(a) (value[a] - 1)
#define APART(i, j) (is_cut && ((i) == NODES - 1) != ((j) == NODES - 1))
#define REFRESHED(a) (present[OWNER(a)] && ALIVE(OWNER(a)) && value[OWNER(a)] == value[a] && !APART(a, OWNER(a)))
#define EXPIRE_AT(a) \
  :: expiries < EXPIRIES && ALIVE(a) && !REFRESHED(a) && !IS_C(a) -> d_step { expiries++; ENVIRONMENT; expired[a] = true; \
       printf("AP%d: (%d,AP%d) runs out\n", a + 1, seqno[a], value[a]); react(a) }
#define RENEWAL_AT(a) \
  :: IS_C(a) && place == ME(a) && value[a] != ME(a) -> STEP { printf("DHCP renewal at AP%d(C)\n", a + 1); c_claim(a) }
#ifdef EAGER_RAISE
#define RAISES(a) tied[a]
#else
#define RAISES(a) (tied[a] && SILENCE)
#endif
#define RAISE_AT(a) \
  :: RAISES(a) -> d_step { tied[a] = false; \
       if :: known[a] && !expired[a] -> publish(a, value[a]); \
             printf("      AP%d raises the tie: (%d,AP%d)\n", a + 1, seqno[a], value[a]) :: else fi }

#ifdef NO_ADDRESS
#define ADDRESSLESS true
#else
#define ADDRESSLESS false
#endif
#if NODES > 2
#define EVERY(what) what(0) what(1) what(2)
#else
#define EVERY(what) what(0) what(1)
#endif

active proctype world() {
end:
  do
  RECEIVES(0, 1)
  RECEIVES(1, 0)
#if NODES > 2
  RECEIVES(1, 2)
  RECEIVES(2, 1)
#ifndef LINE
  RECEIVES(0, 2)
  RECEIVES(2, 0)
#endif
#endif
  EVERY(ACCESS_POINT)
#if DEAF > 0
  EVERY(DEAF_AT)
#endif
#if LATE > 0
  EVERY(LATE_AT)
#endif
#ifdef FALSE_ACKS
  EVERY(FALSE_ACK_AT)
#endif
#ifdef LIMITED
  EVERY(TOKEN_AT)
#endif
#if REFRESHES > 0
  EVERY(REFRESH_AT)
#endif
#if LISTS > 0
  EVERY(LIST_AT)
#endif
#if RESTARTS > 0
  EVERY(RESTART_AT)
#endif
#if REBOOTS > 0
  EVERY(REBOOT_AT)
#endif
#if FORGETS > 0
  EVERY(FORGET_AT)
#endif
#if EXPIRIES > 0
  EVERY(EXPIRE_AT)
#endif
#if C_NODES > 0
  EVERY(RENEWAL_AT)
  EVERY(RAISE_AT)
#endif
#if LEAVES > 0
  :: leaves < LEAVES && place != 0 -> d_step { leaves++; ENVIRONMENT; place = 0; away = true; printf("station goes away\n") }
#endif
#if CUTS > 0
  :: !is_cut && cuts < CUTS -> d_step { cuts++; ENVIRONMENT; clear_links((NODES - 1)); is_cut = true; printf("AP%d is cut off\n", NODES) }
  :: is_cut -> d_step { is_cut = false; ENVIRONMENT; printf("AP%d is connected again\n", NODES); connect((NODES - 1)) }
#endif
#ifndef UNJUDGED
  :: SILENCE && REPAIRED_ALL && place != 0 -> d_step {
       assert(AGREE);                   /* all databases are equal */
       assert(value[0] == place);       /* and true */
       assert(present[place - 1]);
#if C_NODES == 0
       assert(ROUTES == 1);             /* no ghost: exactly one node routes */
#endif
       skip }
#if LEAVES > 0 && C_NODES == 0
  :: SILENCE && place == 0 && away && ROUTES == 0 -> d_step {
       assert(AGREE);
       assert(!ALIVE(0)) }              /* nobody claims who is nowhere */
#endif
#endif
  od
}

#ifdef LIVE
ltl live { <> [] (place != 0 && NAMED(place) && AGREE && ROUTES == 1) }
#endif
