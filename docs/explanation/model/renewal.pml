/* The renewal protocol: holders who share one record, a server that rotates, and what may befall them at any moment.
 *
 * What this model leaves out, and why that does no harm, is in docs/explanation/protocol.md. Switches, by -D:
 *   GRACE=0        a strict server: a second use of a refresh token takes the whole sign-in with it
 *   LAST_PAIR_WINS a second use within the grace kills what the first use gave
 *   P, T, G        how many holders, tokens that anybody still knows of, and sign-ins and sign-outs in all
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
#define GONE 14 /* the owner of a claim whose process has died: a new process has a new name */

#include "server.pml"
#include "record.pml"
#include "judge.pml"
#include "places.pml"
#include "holder.pml"

/* Time, and what nobody chooses. A period is half the grace: 300 s, in which a holder that is well looks (each 200 s
 * at the latest), sees a claim for a whole lease (60 s), and has sent a request (30 s). */
proctype world() {
    do
    :: d_step { r_token != NONE && age != EXPIRED -> age++ }
    :: d_step { stray != NONE && room() -> present(stray); stray = NONE; tidy() }
    :: d_step { stray != NONE -> stray = NONE; tidy() } /* it never arrives */
    :: d_step { !ended[r_gen] && !r_out -> end(r_gen); tidy() } /* the person takes the permission back */
#if PERIODS
    :: d_step { somebody_was_well -> pass() }
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
