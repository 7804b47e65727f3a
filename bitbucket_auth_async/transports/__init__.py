"""Transports: each module sends a Request through one HTTP library and returns the complete Response."""
