/* The renewal protocol: holders that share one record, a server that rotates, and faults at any moment.
 *
 * docs/explanation/protocol.md says what this model leaves out, and why. Switches, given by -D:
 *   GRACE=0        a strict server: a second use of a refresh token revokes the sign-in
 *   LAST_PAIR_WINS a second use within the grace period revokes the token of the first
 *   P, T, G        how many holders, tokens that some part still mentions, and sign-ins and sign-outs
 *   BUG_…          one seeded bug
 */
#ifndef GRACE
#define GRACE 1
#endif
#ifndef PERIODS
#define PERIODS GRACE
#endif
#ifndef P
#define P 2
#endif
#ifndef T
#define T 5
#endif
#ifndef G
#define G 2
#endif

#define NONE 15
#define GONE 14 /* the owner of a claim whose process is dead: a new process has a new name */

#include "server.pml"
#include "record.pml"
#include "judge.pml"
#include "places.pml"
#include "holder.pml"

/* Time and chance. A period is half the grace period: 300 s. In it, a holder without faults reads the record (every
 * 200 s), sees a claim for a whole lease (60 s), and has sent a request (30 s). */
proctype world() {
    do
    :: d_step { r_token != NONE && age != EXPIRED -> age++ }
    :: d_step { stray != NONE && room() -> present(stray); stray = NONE; tidy() }
    :: d_step { stray != NONE -> stray = NONE; tidy() } /* it never arrives */
    :: d_step { !ended[r_gen] && !r_out -> end(r_gen); tidy() } /* the person revokes the grant */
#if PERIODS
    :: d_step { a_healthy_holder_has_looked -> pass() }
#endif
    od
}

init {
    atomic {
        begin();
        run world();
        byte who = 0;
        do
        :: who < P -> run holder(who); who++
        :: else -> break
        od
    }
}
