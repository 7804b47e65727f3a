"""OAuth 2.0 as values and functions: no I/O, no clock, no Bitbucket."""
