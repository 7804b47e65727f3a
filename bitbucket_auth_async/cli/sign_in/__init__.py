"""Signing in from the command line."""
