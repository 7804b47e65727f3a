/* The one record in the store, and the pure decisions on it: renewal/decide.py and renewal/settle.py. */

#define FRESH 0
#define STALE 1 /* valid, and due for renewal */
#define EXPIRED 2
#define SPARES (T - 1)

byte r_gen;          /* Record.generation */
bool r_out;          /* signed_out */
byte r_token;        /* token */
byte r_spare[SPARES]; /* spares, newest first */
byte r_spent;        /* spent, one bit for each token */
bool r_marked;       /* refused: the mark; it always concerns the current token */
byte c_owner;        /* claim.owner; NONE: no claim */
byte c_spends;
bool c_doubt;        /* claim.doubt_since is not None */
bool c_lost;
byte age;            /* of the access token that came with r_token */

#if P == 2
#define any_holder(is) (is(0) || is(1))
#elif P == 3
#define any_holder(is) (is(0) || is(1) || is(2))
#endif

/* What each holder knows of the record. A version is random and never repeats, so only one thing matters about the
 * version that was read: whether it is still the newest. */
bool current[P];
bool lapsed[P];      /* it has seen this claim for a whole lease */

hidden byte candidate, kept;
hidden byte changed;

#define is_spent(t) ((r_spent >> (t)) & 1)
#if T == 3
#define among_spares(is) (is(r_spare[0]) || is(r_spare[1]))
#define has_spare(t) (r_spare[0] == (t) || r_spare[1] == (t))
#elif T == 4
#define among_spares(is) (is(r_spare[0]) || is(r_spare[1]) || is(r_spare[2]))
#define has_spare(t) (r_spare[0] == (t) || r_spare[1] == (t) || r_spare[2] == (t))
#elif T == 5
#define among_spares(is) (is(r_spare[0]) || is(r_spare[1]) || is(r_spare[2]) || is(r_spare[3]))
#define has_spare(t) (r_spare[0] == (t) || r_spare[1] == (t) || r_spare[2] == (t) || r_spare[3] == (t))
#elif T == 6
#define among_spares(is) (is(r_spare[0]) || is(r_spare[1]) || is(r_spare[2]) || is(r_spare[3]) || is(r_spare[4]))
#define has_spare(t) (r_spare[0] == (t) || r_spare[1] == (t) || r_spare[2] == (t) || r_spare[3] == (t) || r_spare[4] == (t))
#endif

/* decide.py: another process may be receiving a successor. */
#ifdef BUG_A_REQUEST_IS_REPEATED_WHILE_THE_OWNER_LIVES
#define is_live(me) false
#else
#define is_live(me) (c_owner != NONE && c_owner != me && !c_lost && !lapsed[me])
#endif

/* decide.py: the token of a claim that is not live may have been spent. */
#ifdef BUG_A_LAPSED_CLAIM_LEAVES_NO_DOUBT
#define in_doubt(me) (c_owner != NONE && c_doubt)
#else
#define in_doubt(me) (c_owner != NONE && (c_doubt || c_lost || c_owner != me))
#endif

#define is_usable (r_token != NONE && age != EXPIRED)
#ifdef BUG_A_STRICT_SERVER_IN_DOUBT_IS_ASKED_AT_ONCE
#define is_due(me) (in_doubt(me) || age == STALE)
#else
#define is_due(me) (in_doubt(me) -> GRACE : age == STALE)
#endif

#ifdef BUG_A_NEW_TOKEN_KEEPS_THE_MARK
#define can_renew(t) (!r_marked)
#else
#define can_renew(t) (!(r_marked && (t) == r_token))
#endif

/* The record's token needs an action: `decide` returns neither Use nor Wait. */
#define acts(me) (!is_live(me) && !(is_usable && !is_due(me)))

/* A manager with a valid token reads the store too (token_cache.py). */
#ifdef BUG_THE_STORE_IS_NOT_READ_WHILE_THE_TOKEN_IS_VALID
#define wakes(me) (r_token == NONE || age != FRESH)
#else
#define wakes(me) true
#endif

/* decide.py: the current token unless it was refused, then the spares. A strict server gets unspent tokens first; a
 * server with a grace period gets the token in doubt first. */
inline choose(me) {
    candidate = NONE;
    each = SPARES;
    do
    :: each > 0 ->
        each--;
        if
        :: r_spare[each] != NONE && can_renew(r_spare[each]) -> candidate = r_spare[each]
        :: else
        fi
    :: else -> break
    od;
    if
    :: r_token != NONE && can_renew(r_token) -> candidate = r_token
    :: else
    fi;
#if GRACE && !defined(BUG_A_SPARE_IN_DOUBT_WAITS)
    if
    :: in_doubt(me) && c_spends != NONE && has_spare(c_spends) -> candidate = c_spends
    :: else
    fi;
#endif
#if !GRACE && !defined(BUG_A_STRICT_SERVER_IS_SENT_A_SPENT_TOKEN)
    if
    :: candidate != NONE && is_spent(candidate) ->
        each = SPARES;
        do
        :: each > 0 ->
            each--;
            if
            :: r_spare[each] != NONE && can_renew(r_spare[each]) && !is_spent(r_spare[each]) ->
                candidate = r_spare[each]
            :: else
            fi
        :: else -> break
        od
    :: else
    fi;
#endif
}

/* The store has a new version. */
inline written() {
    other = 0;
    do
    :: other < P -> current[other] = false; lapsed[other] = false; other++
    :: else -> break
    od
}

inline no_spares() {
    each = 0;
    do
    :: each < SPARES -> r_spare[each] = NONE; each++
    :: else -> break
    od
}

inline unclaim() {
    c_owner = NONE;
    c_spends = NONE;
    c_doubt = false;
    c_lost = false
}

/* Remove t from the spares. */
inline drop_spare(t) {
    each = 0; kept = 0;
    do
    :: each < SPARES ->
        if
        :: r_spare[each] != t && r_spare[each] != NONE -> r_spare[kept] = r_spare[each]; kept++
        :: else
        fi;
        each++
    :: else -> break
    od;
    do
    :: kept < SPARES -> r_spare[kept] = NONE; kept++
    :: else -> break
    od
}

inline add_spare(t) {
    each = SPARES - 1;
    do
    :: each > 0 -> r_spare[each] = r_spare[each - 1]; each--
    :: else -> break
    od;
    r_spare[0] = t
}

/* settle.py: t, received for s, becomes the current token; a token that it does not replace becomes a spare. */
inline make_current(t, s) {
    r_spent = r_spent | (1 << s);
    other = 0;
    do
    :: other < T ->
        if
        :: is_spent(other) -> drop_spare(other)
        :: else
        fi;
        other++
    :: else -> break
    od;
    drop_spare(s);
    if
    :: r_token != NONE && !r_marked && !is_spent(r_token) -> add_spare(r_token)
    :: else
    fi;
    r_token = t;
    age = FRESH;
    r_out = false;
#ifndef BUG_A_NEW_TOKEN_KEEPS_THE_MARK
    r_marked = false;
#endif
    unclaim()
}

/* settle.py: a renewal; sets `changed`. */
inline settle_renewed(me, t, s) {
    changed = true;
    if
#ifndef BUG_A_RENEWAL_OVERWRITES_A_NEWER_SIGN_IN
    :: r_gen > generation[t] -> changed = false
#endif
    :: else ->
        if
        :: r_token == t -> changed = false
#ifndef BUG_A_TOKEN_RENEWED_SINCE_COMES_BACK
        :: r_token != t && is_spent(t) -> changed = false
#endif
        :: else ->
#ifdef BUG_A_LATE_TOKEN_REPLACES_THE_CURRENT_ONE
            if
            :: true ->
#else
            if
            :: c_owner == me ->
#endif
                judge_replaced(me, s);
                make_current(t, s)
            :: else ->
                /* settle.py: a late renewal */
                if
#ifdef BUG_A_LATE_TOKEN_REPLACES_THE_CURRENT_ONE_IN_DOUBT
                :: (c_owner == NONE || c_lost) && (r_token == NONE || r_token == s || r_marked) ->
#else
                :: c_owner == NONE && (r_token == NONE || r_token == s || r_marked) ->
#endif
                    judge_replaced(me, s);
                    make_current(t, s)
                :: else ->
#ifdef BUG_A_LATE_TOKEN_IS_NOT_KEPT
                    changed = false
#else
                    if
                    :: has_spare(t) -> changed = false
                    :: else -> add_spare(t); r_spent = r_spent | (1 << s)
                    fi
#endif
                fi
            fi
        fi
    fi
}

/* settle.py: a failure; only the claim's present owner may record it. */
inline settle_failed(me, what, s) {
    changed = (c_owner == me && !c_lost);
    if
    :: changed && what == LOST -> c_lost = true; c_doubt = true
    :: changed && what == UNDONE && c_doubt -> c_lost = true
    :: changed && what == UNDONE && !c_doubt -> unclaim()
    :: changed && what == REFUSED ->
        drop_spare(s);
#ifndef BUG_A_REFUSED_TOKEN_IS_NOT_REMEMBERED
        if
        :: r_token == s -> r_marked = true
        :: else
        fi;
#endif
#ifndef BUG_A_TOKEN_REFUSED_SINCE_COMES_BACK
        r_spent = r_spent | (1 << s);
#endif
        told_dead[s] = true;
        unclaim()
    :: else
    fi
}
