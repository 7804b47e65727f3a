"""The renewal protocol as pure functions: the record, the next step for it, and the effect of an answer."""
