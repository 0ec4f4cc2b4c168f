/* How long a version lives, on a ring: does a refresh end, or is it passed round for ever? (core/database.py)
 *
 * Three nodes in a ring hold one version; what they have is the seconds that it will live. A copy that travels does not
 * age. Node 0 has just refreshed it to LIFE and tells both neighbours. A copy of the same version is taken, and passed on,
 * if it promises more than SLACK seconds beyond what is held. What is sent has HOP_COST seconds less than what is held.
 *
 *   SLACK 0, HOP_COST 0    the C daemon: a copy that takes a second or more round the ring is news again, and the
 *                          version never ends
 *   SLACK 1, HOP_COST 0    ends only where no copy travels longer than SLACK
 *   any SLACK, HOP_COST 1  ends: each time round costs three seconds
 *
 * Judged: cycles (each is a flood that never ends) and that a copy never promises more than LIFE.
 */
#ifndef SLACK
#define SLACK 0
#endif
#ifndef HOP_COST
#define HOP_COST 0
#endif
#ifndef LIFE
#define LIFE 4
#endif
#define NEXT(i) (((i) + 1) % 3)
#define BEFORE(i) (((i) + 2) % 3)

chan clockwise[3] = [6] of { byte };    /* from node i to NEXT(i) */
chan counter[3] = [6] of { byte };      /* from node i to BEFORE(i) */
byte left[3];
byte told;

#define SENT(i) (left[i] > HOP_COST -> left[i] - HOP_COST : 0)
#define TAKES(i) \
  if \
  :: told > 0 && told > left[i] + SLACK -> \
     left[i] = told; assert(told <= LIFE); \
     printf("node %d takes %d s and passes it on\n", i, told)
#define RECEIVES(i) \
  :: len(clockwise[BEFORE(i)]) > 0 -> d_step { clockwise[BEFORE(i)]?told; TAKES(i); clockwise[i]!SENT(i) :: else fi; told = 0 } \
  :: len(counter[NEXT(i)]) > 0 -> d_step { counter[NEXT(i)]?told; TAKES(i); counter[i]!SENT(i) :: else fi; told = 0 }
#define AGES(i) left[i] = (left[i] > 0 -> left[i] - 1 : 0)

active proctype world() {
  d_step { left[0] = LIFE; clockwise[0]!SENT(0); counter[0]!SENT(0) }
end:
  do
  RECEIVES(0)
  RECEIVES(1)
  RECEIVES(2)
  :: left[0] + left[1] + left[2] > 0 -> d_step { AGES(0); AGES(1); AGES(2);
       printf("-- a second passes: %d %d %d left\n", left[0], left[1], left[2]) }
  od
}
