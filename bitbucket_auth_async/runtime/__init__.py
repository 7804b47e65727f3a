"""What the code needs of the running process: clocks, event loops, threads, identity, private files, settings."""
