"""Clocks, event loops, threads, process identity, private files and settings."""
