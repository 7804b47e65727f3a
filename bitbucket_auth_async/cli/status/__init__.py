"""`status`: the state of a profile and its token."""
