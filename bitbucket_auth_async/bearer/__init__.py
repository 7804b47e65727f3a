"""Bearers: each module puts the token on the caller's own requests (RFC 6750), for one HTTP library."""
