"""Transports: each module sends a Request through one HTTP library and gives the whole answer."""
