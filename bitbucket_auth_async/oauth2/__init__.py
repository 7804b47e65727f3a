"""OAuth 2.0 as values and pure functions, without I/O and without a clock."""
