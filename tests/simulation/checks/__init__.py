"""Checks of the promises R1 to R9 against what happens in a history."""
