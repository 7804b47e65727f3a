"""The renewal protocol as pure functions: the record, what to do with it, and what an answer means."""
