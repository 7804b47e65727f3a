"""Output, exit codes and progress on a terminal."""
