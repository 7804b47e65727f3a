/* The start, the passing of time, and forgetting: a token that no part knows any more leaves no trace in the state. */

inline begin() {
    d_step {
        r_gen = 1; latest = 1; r_token = 0; generation[0] = 1; in_store[0] = true; stray = NONE;
        c_owner = NONE; c_spends = NONE;
        no_spares();
        each = 0;
        do
        :: each < T -> heir[each] = NONE; each++
        :: else -> break
        od;
        each = 0;
        do
        :: each < P -> stage[each] = IDLE; spends[each] = NONE; answered[each] = NONE; well[each] = true; each++
        :: else -> break
        od
    }
}

hidden byte place[NONE + 1], next;
hidden byte was_generation[T], was_heir[T], was_left[T], was_spent;
hidden byte was_used[T], was_dead[T], was_in_store[T], was_heir_stored[T], was_told_dead[T];

inline mention(t) {
    if
    :: t != NONE && place[t] == NONE -> place[t] = next; next++
    :: else
    fi
}

/* Forget the tokens that neither the record nor a holder nor a message mentions, and number the others in the order of
 * their mention. States that differ only by these numbers become one state. */
inline tidy() {
    next = 0;
    place[NONE] = NONE;
    each = 0;
    do
    :: each < T -> place[each] = NONE; each++
    :: else -> break
    od;
    mention(r_token);
    each = 0;
    do
    :: each < SPARES -> mention(r_spare[each]); each++
    :: else -> break
    od;
    mention(c_spends);
    each = 0;
    do
    :: each < P -> mention(spends[each]); mention(answered[each]); each++
    :: else -> break
    od;
    mention(stray);
    was_spent = r_spent;
    each = 0;
    do
    :: each < T ->
        was_generation[each] = generation[each]; was_heir[each] = heir[each]; was_left[each] = left[each];
        was_used[each] = used[each]; was_dead[each] = dead[each]; was_told_dead[each] = told_dead[each];
        was_in_store[each] = in_store[each]; was_heir_stored[each] = heir_stored[each];
        generation[each] = 0; heir[each] = NONE; left[each] = 0; used[each] = false; dead[each] = false;
        told_dead[each] = false; in_store[each] = false; heir_stored[each] = false;
        each++
    :: else -> break
    od;
    r_spent = 0;
    each = 0;
    do
    :: each < T ->
        if
        :: place[each] != NONE ->
            generation[place[each]] = was_generation[each];
            told_dead[place[each]] = was_told_dead[each];
            in_store[place[each]] = was_in_store[each];
            r_spent = r_spent | (((was_spent >> each) & 1) << place[each]);
            if
            :: ended[was_generation[each]] || was_generation[each] < r_gen /* its other properties no longer matter */
            :: else ->
                heir[place[each]] = place[was_heir[each]];
                left[place[each]] = was_left[each];
                used[place[each]] = was_used[each];
                dead[place[each]] = was_dead[each];
                heir_stored[place[each]] = was_heir_stored[each]
            fi
        :: else
        fi;
        each++
    :: else -> break
    od;
    r_token = place[r_token];
    c_spends = place[c_spends];
    stray = place[stray];
    each = 0;
    do
    :: each < SPARES -> r_spare[each] = place[r_spare[each]]; each++
    :: else -> break
    od;
    each = 0;
    do
    :: each < P -> spends[each] = place[spends[each]]; answered[each] = place[answered[each]]; each++
    :: else -> break
    od;
    skip /* a d_step may not end in a loop */
}

/* Some holder had no fault in the whole period, and has read the record. */
#ifdef BUG_THE_STORE_IS_NOT_READ_WHILE_THE_TOKEN_IS_VALID
#define has_looked_well(holder) (looked[holder] || (well[holder] && !wakes(holder)))
#else
#define has_looked_well(holder) looked[holder]
#endif
#define a_healthy_holder_has_looked any_holder(has_looked_well)

inline pass() {
    each = 0;
    do
    :: each < T && left[each] > 0 -> left[each]--; each++
    :: each < T && left[each] == 0 -> each++
    :: else -> break
    od;
    each = 0;
    do
    :: each < P -> well[each] = !late[each]; looked[each] = false; each++
    :: else -> break
    od;
    skip
}
