/* One manager in one process: renewer.py, step by step. Between any two steps it may be stopped, be slow or die. */

mtype = { IDLE, DECIDED, CLAIMED, ASKING, ANSWERED, RENEWED, REFUSED, LOST, UNDONE, SIGNED_IN, SIGNED_OUT };

mtype stage[P];     /* from RENEWED on: what happened, and is not known to be in the store yet (Ledger._pending) */
byte spends[P];     /* the refresh token that it is about to present, or has presented */
byte answered[P];   /* what came for it, or by a sign-in; NONE: it was refused */
byte number[P];     /* generation of a sign-out that is not in the store yet */
bool repeats[P];    /* it says that this is a second spend */
bool late[P];       /* more time has passed since it claimed than a lease less a request */
byte latest;        /* number of the latest sign-in or sign-out */

/* What is judged, and no part of the protocol. */
bool well[P];       /* nothing has befallen it in this period */
bool looked[P];     /* and it has looked, and found nothing to do */

hidden byte R1_alone, R1_reported, R1_not_in_vain, R2_claimed, R2_saved_before_used, R2_kept, R3_not_back;
hidden byte R3_newer_sign_in, R8_not_dead, R8_dead_once, R9_not_lost, R9_present_token_first;

#ifdef BUG_A_LEASE_SHORTER_THAN_THE_REQUEST
#define LEASE_IS_OVER(owner) true
#else
#define LEASE_IS_OVER(owner) late[owner]
#endif
#ifdef STRAYS
#define STRAY(me) stray = spends[me]
#else
#define STRAY(me) skip
#endif

inline rest(me) {
    stage[me] = IDLE;
    spends[me] = NONE;
    answered[me] = NONE;
    repeats[me] = false;
    late[me] = late[me] && c_owner == me
}

#if PERIODS
#define befalls(me) well[me] = false; looked[me] = false
#define has_looked(me) looked[me] = well[me]
#define is_restless(me) (well[me] && !looked[me])
#else
#define befalls(me) skip
#define has_looked(me) skip
#define is_restless(me) false
#endif

/* Load the record, and decide. */
#define may_look(me) (stage[me] == IDLE && (!current[me] || acts(me) || (is_restless(me) && c_owner == NONE)) && wakes(me))

inline decided(me) {
    stage[me] = DECIDED;
    spends[me] = candidate;
    repeats[me] = is_spent(candidate) || (c_spends == candidate && in_doubt(me))
}

inline look(me) {
    current[me] = true;
    if
    :: !acts(me) && c_owner == NONE -> has_looked(me)
    :: !acts(me) && c_owner != NONE
    :: else ->
        choose(me);
        if
        :: candidate != NONE -> decided(me)
        :: candidate == NONE && is_usable -> has_looked(me)
        :: else -> judge_login_required(); has_looked(me)
        fi
    fi
}

inline put_claim(me) {
    c_doubt = (c_spends == spends[me] && in_doubt(me));
    c_owner = me;
    c_spends = spends[me];
    c_lost = false;
    late[me] = false;
    judge_claim(me);
    written()
}

/* Swap the claim in: it is there and we know it; it is there and we were not told; it is not there. */
inline claim(me) {
    if
    :: current[me] -> d_step { put_claim(me); current[me] = true; stage[me] = CLAIMED }
    :: current[me] -> d_step { put_claim(me); rest(me); befalls(me) }
    :: d_step { rest(me); befalls(me); current[me] = false }
#ifdef BUG_SAVE_WITHOUT_VERSION
    :: d_step { !current[me] -> put_claim(me); current[me] = true; stage[me] = CLAIMED }
#elif defined(BUG_WHO_LOSES_THE_CLAIM_SPENDS_ALL_THE_SAME)
    :: d_step { !current[me] -> late[me] = false; stage[me] = CLAIMED }
#else
    :: d_step { !current[me] -> rest(me) }
#endif
    fi
}

/* The last look at the clock, and the first byte. */
inline send(me) {
    if
#ifndef BUG_WHO_WAS_HELD_UP_SENDS_ALL_THE_SAME
    :: late[me] -> rest(me)
#endif
    :: else -> judge_send(me); stage[me] = ASKING; current[me] = false
    fi
}

inline receive(me) {
    if
    :: answered[me] == NONE -> stage[me] = REFUSED
    :: else ->
        stage[me] = RENEWED;
#ifdef BUG_PUBLISH_BEFORE_SAVE
        judge_publish(me)
#endif
    fi
}

/* No answer came: because the request never left, was lost, is still on its way, or because its answer was lost. */
inline give_up(me) {
    if
    :: stage[me] == ASKING -> stage[me] = UNDONE
    :: stage[me] == ASKING -> stage[me] = LOST
#ifdef STRAYS
    :: stage[me] == ASKING && stray == NONE -> stray = spends[me]; stage[me] = LOST
#endif
#ifdef BUG_A_LOST_ANSWER_IS_TAKEN_FOR_NONE_SENT
    :: stage[me] == ANSWERED -> lose(me); stage[me] = UNDONE
#elif defined(BUG_A_TORN_DOWN_REQUEST_LEAVES_NO_NOTE)
    :: stage[me] == ANSWERED -> lose(me); rest(me)
#else
    :: stage[me] == ANSWERED -> lose(me); stage[me] = LOST
#endif
    fi;
    d_step { befalls(me); tidy() }
}

/* What the server gave is gone for good. A strict server leaves nothing to repeat it with. A request that was late by
 * then may have come after another's, and have killed what that one got. */
#if !GRACE
#define IS_LOST_FOR_GOOD(me) true
#elif defined(LAST_PAIR_WINS)
#define IS_LOST_FOR_GOOD(me) late[me]
#else
#define IS_LOST_FOR_GOOD(me) false
#endif
inline lose(me) {
    if
    :: answered[me] != NONE && !in_store[answered[me]] && IS_LOST_FOR_GOOD(me) -> excused[generation[answered[me]]] = true
    :: else
    fi;
    answered[me] = NONE
}

/* Settle on the record as it is now, and swap it in. */
inline settle(me) {
    if
    :: stage[me] == RENEWED -> settle_renewed(me, answered[me], spends[me])
    :: stage[me] == SIGNED_IN ->
        changed = (r_gen < generation[answered[me]]);
        if
        :: changed -> begin_anew(generation[answered[me]]); r_token = answered[me]; age = FRESH
        :: else
        fi
    :: stage[me] == SIGNED_OUT ->
        changed = (r_gen < number[me] && !(r_out && r_token == NONE && c_owner == NONE));
        if
        :: changed -> begin_anew(number[me]); r_out = true
        :: else
        fi
    :: else -> settle_failed(me, stage[me], spends[me])
    fi;
    if
    :: changed -> judge_stored(me); written()
    :: else
    fi
}

inline begin_anew(g) {
    R3_newer_sign_in = (r_gen < g);
    assert(R3_newer_sign_in);
    r_gen = g;
    r_out = false;
    r_token = NONE;
    no_spares();
    r_spent = 0;
#ifndef BUG_A_MARK_OUTRANKS_A_TOKEN
    r_marked = false;
#endif
    age = EXPIRED;
    unclaim()
}

#define settling(me) (stage[me] != IDLE && stage[me] != DECIDED && stage[me] != CLAIMED && stage[me] != ASKING && stage[me] != ANSWERED)

inline save(me) {
    if
    :: d_step { settle(me); judge_kept(me); current[me] = true; judge_publish(me); number[me] = 0; rest(me); tidy() }
    :: d_step { settle(me); current[me] = false; befalls(me); tidy() } /* unconfirmed */
    :: d_step { /* not written */
        current[me] = false; befalls(me);
#ifdef BUG_WHAT_COULD_NOT_BE_SAVED_IS_FORGOTTEN
        number[me] = 0; rest(me); tidy()
#endif
      }
    fi
}

/* The process dies; another takes its place. */
inline crash(me) {
    if
    :: stage[me] == ASKING && stray == NONE -> STRAY(me)
    :: true
    fi;
    d_step {
        if
        :: c_owner == me -> c_owner = GONE
        :: else
        fi;
        lose(me);
        number[me] = 0;
        rest(me);
        befalls(me);
        current[me] = false; lapsed[me] = false;
        tidy()
    }
}

proctype holder(byte me) {
    do
    :: d_step { may_look(me) -> look(me) }
    :: d_step { /* it has seen this claim for a whole lease, which outlasts a request of its owner */
        stage[me] == IDLE && c_owner < P && c_owner != me && !c_lost && current[me] && !lapsed[me] && LEASE_IS_OVER(c_owner) -> lapsed[me] = true }
    :: d_step { stage[me] == IDLE && c_owner == GONE && !c_lost && current[me] && !lapsed[me] -> lapsed[me] = true }
    :: atomic { stage[me] == DECIDED -> claim(me) }
    :: d_step { stage[me] == CLAIMED -> send(me) }
    :: d_step { stage[me] == ASKING && room() -> present(spends[me]); answered[me] = answer; stage[me] = ANSWERED; tidy() }
    :: d_step { stage[me] == ANSWERED -> receive(me) }
    :: atomic { stage[me] == ASKING || stage[me] == ANSWERED -> give_up(me) }
    :: atomic { settling(me) -> save(me) }
#if PERIODS
    /* A 401 for a token that is fresh: get_token(rejected=…) forces a renewal. */
    :: d_step { stage[me] == IDLE && current[me] && r_token != NONE && age == FRESH && !acts(me) && !is_live(me) ->
        choose(me);
        if
        :: candidate != NONE -> decided(me)
        :: else
        fi }
#endif
    /* what befalls it */
    :: d_step { !late[me] && (c_owner == me || stage[me] == ASKING || stage[me] == ANSWERED || stage[me] == RENEWED) ->
        late[me] = true; befalls(me) }
    :: atomic { stage[me] != IDLE || c_owner == me -> crash(me) }
    /* what people do */
    :: d_step { stage[me] == IDLE && latest < G && room() ->
        latest++; issue(latest); answered[me] = answer; stage[me] = SIGNED_IN }
    :: d_step { latest < G && (stage[me] == IDLE || settling(me)) ->
        latest++; lose(me); rest(me); number[me] = latest; stage[me] = SIGNED_OUT; tidy() }
    od
}
