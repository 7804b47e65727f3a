/* What is promised, held against what happens. Each promise is an assertion that bears its name. */

/* R1: nobody else may hold a successor of what I present; a second spend is reported. R2: my claim is in the store.
 * R8: nobody has told the record that it is dead. */
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

/* R3: who lost its claim takes the place of no token but the one that it spent, or of a dead one. */
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

/* R2: what the server gave and we received stays, until it is spent, dead, or another sign-in takes its place. */
inline judge_kept(me) {
    if
    :: stage[me] == RENEWED ->
        R2_kept = (r_gen > generation[answered[me]] || r_token == answered[me] || has_spare(answered[me]) || is_spent(answered[me]));
        assert(R2_kept)
    :: else
    fi
}

/* R2: a token is handed out once it is in the store, or it is said that it could not be saved. */
inline judge_publish(me) {
    if
    :: stage[me] == RENEWED ->
        R2_saved_before_used = (in_store[answered[me]] || r_gen > generation[answered[me]]);
        assert(R2_saved_before_used)
    :: else
    fi
}

#define would_do(t) ((t) != NONE && spendable(t))

/* A late answer killed what is in the record; it takes the place once it is saved. */
#define is_about_to_mend(holder) (late[holder] && answered[holder] != NONE && generation[answered[holder]] == r_gen && \
    spendable(answered[holder]))

/* R8: nobody is asked to sign in while the record holds what would do. R9: nor without a reason. */
inline judge_login_required() {
    if
    :: r_out && r_token == NONE
    :: else ->
        R8_not_dead = !would_do(r_token) && !among_spares(would_do);
        assert(R8_not_dead);
        R9_not_lost = (excused[r_gen] || somebody(is_about_to_mend));
        assert(R9_not_lost)
    fi
}
