"""The doctor: checks everything that a sign-in depends on."""
