"""Bearers: each module adds the token to the caller's own requests (RFC 6750), for one HTTP library."""
