"""A simulated fleet lives through seeded histories of crashes, outages and wrong clocks; promises are checked."""
