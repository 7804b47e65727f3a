"""Profiles: named sign-ins, their files, secrets and tokens."""
