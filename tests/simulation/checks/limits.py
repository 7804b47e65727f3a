"""Times in seconds that the protocol promises, repeated here so that a change in the code is noticed."""

MOMENT = 0.001
"""Shorter times count as zero: times are sums of floats."""
LEASE = 60.0
"""A claim is valid for this long."""
GRACE = 600.0
"""A server with a grace period accepts a spent refresh token for this long."""
DEADLINE = 90.0
"""A caller waits at most this long, and an error is shared for at most this long."""
CLOSING = 36.0
"""Closing takes at most this long."""
SHORTEST_CLOSING = 35.0
"""After this long, closing may interrupt a request."""
PATIENCE = 35.0
"""A token that is valid for longer than this is still valid after the leeway and a slow answer."""
SHARED_READ = 12.0
"""A read of the store may take this long, and its result is then shared with later callers."""
SAVING = 90.0
"""A process that reaches the store again has saved its token after this long: a rest, and the store's time limit."""
REPAIR = 430.0
"""A process without faults repairs a renewal that another process left unfinished within this time.

It looks every 200 s; a lease takes 60 s, rests after outages up to 75 s, a token request 30 s; callers come every 25 s.
"""
REMEMBERED_RENEWALS = 4
"""A record knows the refresh tokens that its last renewals spent."""
