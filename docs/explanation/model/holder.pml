/* One manager in one process: renewer.py, step by step. Between two steps it may be paused, be slow or die. */

mtype = { IDLE, DECIDED, CLAIMED, ASKING, ANSWERED, RENEWED, REFUSED, LOST, UNDONE, SIGNED_IN, SIGNED_OUT };

mtype stage[P];     /* from RENEWED on: a result that the store has not confirmed yet */
byte spends[P];     /* the refresh token that it has claimed or sent */
byte answered[P];   /* the token that it received for it, or by a sign-in; NONE: refused */
byte number[P];     /* generation of a sign-out that is not stored yet */
bool repeats[P];    /* it reports that this is a second spend */
bool late[P];       /* since its claim, more time has passed than a lease minus a request */
byte latest;        /* number of the latest sign-in or sign-out */

/* For the judge only, not part of the protocol. */
bool well[P];       /* it had no fault in this period */
bool looked[P];     /* and it has read the record and found nothing to do */

hidden byte R1_alone, R1_reported, R1_not_in_vain, R2_claimed, R2_saved_before_used, R2_kept, R3_not_back;
hidden byte R3_newer_sign_in, R8_not_dead, R8_dead_once, R9_not_lost, R9_present_token_first;

#ifdef BUG_THE_LEASE_IS_SHORTER_THAN_THE_REQUEST
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
#define disturbed(me) well[me] = false; looked[me] = false
#define has_looked(me) looked[me] = well[me]
#define must_look(me) (well[me] && !looked[me])
#else
#define disturbed(me) skip
#define has_looked(me) skip
#define must_look(me) false
#endif

/* Load the record and decide. */
#define may_look(me) (stage[me] == IDLE && (!current[me] || acts(me) || (must_look(me) && c_owner == NONE)) && wakes(me))

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

/* Swap the claim in: it is stored and confirmed, or stored without a confirmation, or not stored. */
inline claim(me) {
    if
    :: current[me] -> d_step { put_claim(me); current[me] = true; stage[me] = CLAIMED }
    :: current[me] -> d_step { put_claim(me); rest(me); disturbed(me) }
    :: d_step { rest(me); disturbed(me); current[me] = false }
#ifdef BUG_A_SAVE_DOES_NOT_COMPARE_VERSIONS
    :: d_step { !current[me] -> put_claim(me); current[me] = true; stage[me] = CLAIMED }
#elif defined(BUG_A_LOST_CLAIM_IS_IGNORED)
    :: d_step { !current[me] -> late[me] = false; stage[me] = CLAIMED }
#else
    :: d_step { !current[me] -> rest(me) }
#endif
    fi
}

/* The last look at the clock, and then the first byte of the request. */
inline send(me) {
    if
#ifndef BUG_A_DELAYED_PROCESS_SENDS_ANYWAY
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
#ifdef BUG_A_TOKEN_IS_HANDED_OUT_BEFORE_IT_IS_SAVED
        judge_publish(me)
#endif
    fi
}

/* No answer came: the request was never sent, was lost or is still on its way, or its answer was lost. */
inline give_up(me) {
    if
    :: stage[me] == ASKING -> stage[me] = UNDONE
    :: stage[me] == ASKING -> stage[me] = LOST
#ifdef STRAYS
    :: stage[me] == ASKING && stray == NONE -> stray = spends[me]; stage[me] = LOST
#endif
#ifdef BUG_A_LOST_ANSWER_IS_TAKEN_FOR_NONE_SENT
    :: stage[me] == ANSWERED -> lose(me); stage[me] = UNDONE
#elif defined(BUG_A_CANCELLED_REQUEST_LEAVES_NO_NOTE)
    :: stage[me] == ANSWERED -> lose(me); rest(me)
#else
    :: stage[me] == ANSWERED -> lose(me); stage[me] = LOST
#endif
    fi;
    d_step { disturbed(me); tidy() }
}

/* The token in the answer is lost for good. At a strict server the request cannot be repeated. A request that arrived
 * late may have come after another process's request and have revoked the token of that one. */
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

/* Settle the result on the present record, and swap it in. */
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
#ifndef BUG_A_NEW_TOKEN_KEEPS_THE_MARK
    r_marked = false;
#endif
    age = EXPIRED;
    unclaim()
}

#define settling(me) (stage[me] != IDLE && stage[me] != DECIDED && stage[me] != CLAIMED && stage[me] != ASKING && stage[me] != ANSWERED)

inline save(me) {
    if
    :: d_step { settle(me); judge_kept(me); current[me] = true; judge_publish(me); number[me] = 0; rest(me); tidy() }
    :: d_step { settle(me); current[me] = false; disturbed(me); tidy() } /* unconfirmed */
    :: d_step { /* not written */
        current[me] = false; disturbed(me);
#ifdef BUG_A_FAILED_SAVE_IS_FORGOTTEN
        number[me] = 0; rest(me); tidy()
#endif
      }
    fi
}

/* The process dies; a new one replaces it. */
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
        disturbed(me);
        current[me] = false; lapsed[me] = false;
        tidy()
    }
}

proctype holder(byte me) {
    do
    :: d_step { may_look(me) -> look(me) }
    :: d_step { /* it has seen this claim for a whole lease, which outlasts its owner's request */
        stage[me] == IDLE && c_owner < P && c_owner != me && !c_lost && current[me] && !lapsed[me] && LEASE_IS_OVER(c_owner) -> lapsed[me] = true }
    :: d_step { stage[me] == IDLE && c_owner == GONE && !c_lost && current[me] && !lapsed[me] -> lapsed[me] = true }
    :: atomic { stage[me] == DECIDED -> claim(me) }
    :: d_step { stage[me] == CLAIMED -> send(me) }
    :: d_step { stage[me] == ASKING && room() -> present(spends[me]); answered[me] = answer; stage[me] = ANSWERED; tidy() }
    :: d_step { stage[me] == ANSWERED -> receive(me) }
    :: atomic { stage[me] == ASKING || stage[me] == ANSWERED -> give_up(me) }
    :: atomic { settling(me) -> save(me) }
#if PERIODS
    /* A 401 for a fresh token: get_token(rejected=…) forces a renewal. */
    :: d_step { stage[me] == IDLE && current[me] && r_token != NONE && age == FRESH && !acts(me) && !is_live(me) ->
        choose(me);
        if
        :: candidate != NONE -> decided(me)
        :: else
        fi }
#endif
    /* faults */
    :: d_step { !late[me] && (c_owner == me || stage[me] == ASKING || stage[me] == ANSWERED || stage[me] == RENEWED) ->
        late[me] = true; disturbed(me) }
    :: atomic { stage[me] != IDLE || c_owner == me -> crash(me) }
    /* sign-ins and sign-outs */
    :: d_step { stage[me] == IDLE && latest < G && room() ->
        latest++; issue(latest); answered[me] = answer; stage[me] = SIGNED_IN }
    :: d_step { latest < G && (stage[me] == IDLE || settling(me)) ->
        latest++; lose(me); rest(me); number[me] = latest; stage[me] = SIGNED_OUT; tidy() }
    od
}
