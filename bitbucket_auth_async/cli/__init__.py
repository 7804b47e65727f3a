"""Programs for people: arguments in, an exit code out."""
