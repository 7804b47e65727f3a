/* The promises. Each is an assertion with the promise's number in its name. */

/* R1: no other process may hold a successor of the token that is sent; a second spend is reported. R2: the claim is in
 * the store. R8: the record does not know that the token was refused. */
inline judge_send(me) {
    R1_alone = true;
    other = 0;
    do
    :: other < P ->
        if
        :: other != me && spends[other] == spends[me] && !late[other] &&
           (stage[other] == ASKING || stage[other] == ANSWERED || stage[other] == RENEWED) -> R1_alone = false
        :: else
        fi;
        other++
    :: else -> break
    od;
    assert(R1_alone);
    R1_reported = (repeats[me] || !used[spends[me]]);
    assert(R1_reported);
    R2_claimed = (r_gen > generation[spends[me]] || (c_owner == me && c_spends == spends[me] && !c_lost));
    assert(R2_claimed);
}

inline judge_claim(me) {
    R8_dead_once = !told_dead[spends[me]];
    assert(R8_dead_once);
#if !GRACE
    R9_present_token_first = !(used[spends[me]] && is_usable && can_renew(r_token));
    assert(R9_present_token_first);
    R1_not_in_vain = !(used[spends[me]] && heir_stored[spends[me]] && !ended[generation[spends[me]]]);
    assert(R1_not_in_vain);
#endif
}

/* R3: a process whose claim lapsed replaces only the token that it spent, or a dead one. */
inline judge_replaced(me, s) {
    R3_not_back = (c_owner == me || (c_owner == NONE && (r_token == NONE || r_token == s || r_marked)));
    assert(R3_not_back)
}

inline judge_stored(me) {
    R3_newer_sign_in = (r_token == NONE || generation[r_token] == r_gen);
    assert(R3_newer_sign_in);
    if
    :: stage[me] == RENEWED && (r_token == answered[me] || has_spare(answered[me])) ->
        in_store[answered[me]] = true;
#if !GRACE
        heir_stored[spends[me]] = true
#endif
    :: stage[me] == SIGNED_IN && r_token == answered[me] -> in_store[answered[me]] = true
    :: else
    fi
}

/* R2: a received token is kept until it is spent or dead, or until another sign-in replaces it. */
inline judge_kept(me) {
    if
    :: stage[me] == RENEWED ->
        R2_kept = (r_gen > generation[answered[me]] || r_token == answered[me] || has_spare(answered[me]) || is_spent(answered[me]));
        assert(R2_kept)
    :: else
    fi
}

/* R2: a token is handed out after it was stored, or after its failed save was reported. */
inline judge_publish(me) {
    if
    :: stage[me] == RENEWED ->
        R2_saved_before_used = (in_store[answered[me]] || r_gen > generation[answered[me]]);
        assert(R2_saved_before_used)
    :: else
    fi
}

#define works(t) ((t) != NONE && spendable(t))

/* A late answer revoked the token in the record; its own token replaces that one once it is saved. */
#define will_repair(holder) (late[holder] && answered[holder] != NONE && generation[answered[holder]] == r_gen && \
    spendable(answered[holder]))

/* R8: no sign-in is asked for while the record holds a token that works. R9: no sign-in is lost without an excuse. */
inline judge_login_required() {
    if
    :: r_out && r_token == NONE
    :: else ->
        R8_not_dead = !works(r_token) && !among_spares(works);
        assert(R8_not_dead);
        R9_not_lost = (excused[r_gen] || any_holder(will_repair));
        assert(R9_not_lost)
    fi
}
