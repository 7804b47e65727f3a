/* The authorization server: every refresh token that anybody still knows of, in one of T places. */

byte generation[T]; /* the sign-in it belongs to; 0: the place is free */
byte heir[T];       /* what was issued for it last */
bool used[T];
bool dead[T];
byte left[T];       /* periods of its grace that are left, once it is used */
bool ended[G + 1];  /* sign-ins that the person, or a strict server, has ended */
byte stray;         /* a refresh token on its way to the server, for whose answer nobody waits any more */

/* What is judged, and no part of the protocol. */
bool in_store[T];   /* a store has held it */
bool heir_stored[T];
bool told_dead[T];  /* the record has been told that the server refused it */
bool excused[G + 1]; /* the sign-in may be lost: what the server gave for one of its tokens has been lost for good */

hidden byte answer, each, other;

#define spendable(t) (!dead[t] && !ended[generation[t]] && (!used[t] || (GRACE && (!PERIODS || left[t] > 0))))

#define free(t) (generation[t] == 0)
#if T == 3
#define room() (free(0) || free(1) || free(2))
#elif T == 4
#define room() (free(0) || free(1) || free(2) || free(3))
#elif T == 5
#define room() (free(0) || free(1) || free(2) || free(3) || free(4))
#elif T == 6
#define room() (free(0) || free(1) || free(2) || free(3) || free(4) || free(5))
#endif

/* Issue a token of sign-in g; its place is in `answer`. */
inline issue(g) {
    answer = 0;
    do
    :: generation[answer] != 0 -> answer++
    :: else -> break
    od;
    generation[answer] = g
}

inline end(g) {
    ended[g] = true;
    excused[g] = true
}

/* The token endpoint is presented t, and says what it says in `answer`: a new token, or NONE for invalid_grant. */
inline present(t) {
    if
    :: !spendable(t) ->
        answer = NONE;
        if
        :: !GRACE && used[t] -> end(generation[t])
        :: else
        fi
    :: else ->
        issue(generation[t]);
#ifdef LAST_PAIR_WINS
        if
        :: heir[t] != NONE -> dead[heir[t]] = true
        :: else
        fi;
        heir[t] = answer;
#endif
#if PERIODS
        if
        :: !used[t] -> left[t] = 2
        :: else
        fi;
#endif
        used[t] = true;
    fi
}
