/* The authorization server: each refresh token that some part still mentions, in one of T places. */

byte generation[T]; /* its sign-in; 0: the place is free */
byte heir[T];       /* the token that was last issued for it */
bool used[T];
bool dead[T];
byte left[T];       /* periods of its grace that are left after its first use */
bool ended[G + 1];  /* sign-ins that the person or a strict server has ended */
byte stray;         /* a refresh token on its way to the server; its sender no longer waits for the answer */

/* For the judge only, not part of the protocol. */
bool in_store[T];   /* a store has held it */
bool heir_stored[T];
bool told_dead[T];  /* the record knows that the server refused it */
bool excused[G + 1]; /* the sign-in may be lost: an answer for one of its tokens was lost for good */

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

/* Issue a token of sign-in g; `answer` is its place. */
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

/* Send t to the token endpoint; `answer` is a new token, or NONE for invalid_grant. */
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
