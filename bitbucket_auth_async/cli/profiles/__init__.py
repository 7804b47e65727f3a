"""Profiles: named sign-ins, their files, and access to their tokens."""
