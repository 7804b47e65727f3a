"""The renewal protocol on trial: seeded histories of crashes, pauses, outages and stepped clocks, judged as they go."""
