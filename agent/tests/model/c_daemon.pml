/* The rule of the C daemon of 2021, from reading its flood.c, lease.c, sroamd.c: what goes wrong, as counterexamples.
 *
 * One station, NODES access points, one datum, reliable links. It is the best case for the rule: all clocks are equal, so
 * that `born`, the second in which a lifetime was set, is all that there is to compare (all lifetimes are equal too).
 *
 *   claim     the datum is mine: only its lifetime is extended. It is another's, or gone: seqno + 1
 *   withdraw  the datum is mine: seqno + 1, gone
 *   merge     newer seqno: take it. Same version: take the longer lifetime. Same seqno, other value: if mine lives longer,
 *             keep it in silence; else "they win": take the *lifetime*, and flood my value on. Where the lengths differ the
 *             value is resized and not filled: a tombstone becomes 8 octets of old heap, a claim a tombstone
 *   conflict  a station that is here while the datum names another is disassociated at once, unasked
 *
 * Topologies: LINE, RING (of four), or all linked. Budgets: MOVES, TICKS (seconds), CUTS, RESTARTS, RENEWALS (DHCP).
 * SETTLED: the station moves only when nothing is under way. CONFLICT: begin with a ring in conflict.
 * FIX_COPY: "they win" copies the value. FIX_STRICT: and wins only if its lifetime is longer.
 * Judged: ALWAYS_KIND (no live station is disassociated), NO_OLD_HEAP; and when nothing is under way any more:
 * AGREE (all databases are equal), ONE_ROUTE (at most one node routes).
 */
#ifndef NODES
#define NODES 2
#endif
#ifndef MOVES
#define MOVES 2
#endif
#ifndef TICKS
#define TICKS 1
#endif
#ifndef CUTS
#define CUTS 0
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#ifndef RENEWALS
#define RENEWALS 0
#endif
#define ROOM 8
#define GONE 0
#define OLD_HEAP 99
#define NOBODY NODES
#ifdef LINE
#define LINKED(i, j) ((i) - (j) == 1 || (j) - (i) == 1)
#elif defined(RING)
#define LINKED(i, j) (((i) + 1) % NODES == (j) || ((j) + 1) % NODES == (i))
#else
#define LINKED(i, j) ((i) != (j))
#endif
#define CONNECTED(i, j) (LINKED(i, j) && !(is_cut && ((i) == NODES - 1 || (j) == NODES - 1)))
#define LINK(i, j) ((i) * NODES + (j))

chan wire[NODES * NODES] = [ROOM] of { byte, byte, byte };  /* seqno, value, born */
byte seqno[NODES], value[NODES], born[NODES];
bool known[NODES], present[NODES];
byte id[NODES];                         /* a random one at each start */
byte place = 0;                         /* of the station: node + 1, or 0 */
byte second = 1, next_id = NODES + 1;
byte moves, cuts, restarts, renewals;
bool is_cut = false;
byte peer, in_seqno, in_value, in_born;
bool changed, conflict;

inline flood(a, sender) {
  peer = 0;
  do
  :: peer < NODES ->
     if
     :: CONNECTED(a, peer) && peer != sender -> wire[LINK(a, peer)]!seqno[a],value[a],born[a]
     :: else
     fi;
     peer++
  :: else -> break
  od;
  peer = 0
}
inline claim(a) {
  present[a] = true;
  if
  :: known[a] && value[a] == id[a] -> skip
  :: known[a] && value[a] != id[a] -> seqno[a] = seqno[a] + 1
  :: else -> known[a] = true; seqno[a] = 0
  fi;
  value[a] = id[a]; born[a] = second;
  printf("      AP%d claims: (%d,%d)\n", a + 1, seqno[a], value[a]);
  flood(a, NOBODY)
}
inline withdraw(a) {
  present[a] = false;
  if
  :: known[a] && value[a] == id[a] ->
     seqno[a] = seqno[a] + 1; value[a] = GONE; born[a] = second;
     printf("      AP%d withdraws: (%d,gone)\n", a + 1, seqno[a]);
     flood(a, NOBODY)
  :: else
  fi
}
#ifdef FIX_STRICT
#define I_WIN(a) (born[a] >= in_born)
#else
#define I_WIN(a) (born[a] > in_born)
#endif
inline they_win(a) {
#ifdef FIX_COPY
  value[a] = in_value;
#else
  if
  :: value[a] == GONE -> value[a] = OLD_HEAP
  :: value[a] != GONE && in_value == GONE -> value[a] = GONE
  :: else                               /* the value is not copied */
  fi;
#endif
  born[a] = in_born; changed = true
}
inline disassociate(a) {
#ifdef ALWAYS_KIND
  assert(place != a + 1);
#endif
  printf("      AP%d disassociates its station\n", a + 1);
  present[a] = false;
  if
  :: place == a + 1 -> place = 0
  :: else
  fi;
  if
  :: conflict -> withdraw(a)
  :: else
  fi
}
inline merge(a, sender) {
  if
  :: !known[a] || in_seqno > seqno[a] ->
     known[a] = true; seqno[a] = in_seqno; value[a] = in_value; born[a] = in_born; changed = true
  :: known[a] && in_seqno < seqno[a] -> skip
  :: known[a] && in_seqno == seqno[a] && in_value == value[a] ->
     if
     :: born[a] < in_born -> born[a] = in_born; changed = true
     :: else
     fi
  :: else ->
     conflict = true;
     if
     :: I_WIN(a) -> skip
     :: else -> they_win(a)
     fi
  fi;
  printf("      AP%d receives (%d,%d) of second %d from AP%d: now (%d,%d) of second %d\n", a + 1, in_seqno, in_value,
         in_born, sender + 1, seqno[a], value[a], born[a]);
#ifdef NO_OLD_HEAP
  assert(value[a] != OLD_HEAP);
#endif
  if
  :: changed ->
     if
     :: value[a] != GONE && present[a] && value[a] != id[a] -> disassociate(a)
     :: else
     fi;
     flood(a, sender)
  :: else
  fi;
  changed = false; conflict = false
}
inline dump(a, b) {
  if
  :: known[a] -> wire[LINK(a, b)]!seqno[a],value[a],born[a]
  :: else
  fi
}
inline connect(a) {
  peer = 0;
  do
  :: peer < NODES ->
     if
     :: CONNECTED(a, peer) -> dump(a, peer); dump(peer, a)
     :: else
     fi;
     peer++
  :: else -> break
  od;
  peer = 0
}
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
     peer++
  :: else -> break
  od;
  peer = 0
}

#define EMPTY(i, j) (len(wire[LINK(i, j)]) == 0)
#define SAME(i, j) (seqno[i] == seqno[j] && value[i] == value[j])
#if NODES == 2
#define SILENCE (EMPTY(0, 1) && EMPTY(1, 0))
#define EQUAL SAME(0, 1)
#define ROUTES (present[0] + present[1])
#define EVERY(what) what(0) what(1)
#elif NODES == 3
#define SILENCE (EMPTY(0, 1) && EMPTY(1, 0) && EMPTY(0, 2) && EMPTY(2, 0) && EMPTY(1, 2) && EMPTY(2, 1))
#define EQUAL (SAME(0, 1) && SAME(1, 2))
#define ROUTES (present[0] + present[1] + present[2])
#define EVERY(what) what(0) what(1) what(2)
#else
#define SILENCE (EMPTY(0, 1) && EMPTY(1, 0) && EMPTY(1, 2) && EMPTY(2, 1) && EMPTY(2, 3) && EMPTY(3, 2) && EMPTY(3, 0) && EMPTY(0, 3))
#define EQUAL (SAME(0, 1) && SAME(1, 2) && SAME(2, 3))
#define ROUTES (present[0] + present[1] + present[2] + present[3])
#define EVERY(what) what(0) what(1) what(2) what(3)
#endif
#ifdef SETTLED
#define MAY_MOVE SILENCE
#else
#define MAY_MOVE true
#endif

#define RECEIVES(i, j) \
  :: nempty(wire[LINK(i, j)]) -> d_step { wire[LINK(i, j)]?in_seqno,in_value,in_born; merge(j, i); \
       in_seqno = 0; in_value = 0; in_born = 0 }
#define ACCESS_POINT(a) \
  :: MAY_MOVE && (moves < MOVES || (place == 0 && moves > 0)) && place != (a) + 1 -> d_step { \
       moves = (moves < MOVES -> moves + 1 : moves); place = (a) + 1; printf("station joins AP%d\n", (a) + 1); claim(a) } \
  :: present[a] && place != (a) + 1 -> d_step { printf("AP%d sees the departure\n", (a) + 1); withdraw(a) } \
  :: renewals < RENEWALS && moves == MOVES && place == (a) + 1 -> d_step { \
       renewals++; printf("DHCP renewal at AP%d\n", (a) + 1); claim(a) }

active proctype world() {
  d_step {
    peer = 0;
    do
    :: peer < NODES -> id[peer] = peer + 1; peer++
    :: else -> break
    od;
    peer = 0
#ifdef CONFLICT
    ;
    do                                  /* values 1 2 1 2 round the ring, one seqno, one second; a dump is under way */
    :: peer < NODES ->
       known[peer] = true; seqno[peer] = 6; value[peer] = 1 + peer % 2; born[peer] = 1; peer++
    :: else -> break
    od;
    peer = 0; moves = MOVES; place = 1; present[0] = true;
    wire[LINK(0, 1)]!6,1,1
#endif
  }
end:
  do
  RECEIVES(0, 1)
  RECEIVES(1, 0)
#if NODES > 2
  RECEIVES(1, 2)
  RECEIVES(2, 1)
#endif
#if NODES == 3 && !defined(LINE)
  RECEIVES(0, 2)
  RECEIVES(2, 0)
#endif
#if NODES == 4
  RECEIVES(2, 3)
  RECEIVES(3, 2)
  RECEIVES(3, 0)
  RECEIVES(0, 3)
#endif
  EVERY(ACCESS_POINT)
  :: second <= TICKS -> d_step { second++; printf("-- a second passes\n") }
#if CUTS > 0
  :: !is_cut && cuts < CUTS -> d_step { clear_links((NODES - 1)); is_cut = true; cuts++; printf("AP%d is cut off\n", NODES) }
  :: is_cut -> d_step { is_cut = false; printf("AP%d is connected again\n", NODES); connect((NODES - 1)) }
#endif
#if RESTARTS > 0
  :: MAY_MOVE && restarts < RESTARTS && moves > 0 -> d_step {
       restarts++; printf("AP1 restarts\n"); clear_links(0);
       known[0] = false; seqno[0] = 0; value[0] = 0; born[0] = 0; present[0] = false; id[0] = next_id; next_id++;
       if
       :: place == 1 -> claim(0)        /* the station list is read before there are neighbours */
       :: else
       fi;
       clear_links(0); connect(0) }
#endif
#if defined(AGREE) || defined(ONE_ROUTE)
  :: SILENCE && !is_cut && moves == MOVES && place != 0 && renewals == RENEWALS -> d_step {
#ifdef AGREE
       assert(EQUAL);
#endif
#ifdef ONE_ROUTE
       assert(ROUTES <= 1);
#endif
       skip }
#endif
  od
}
