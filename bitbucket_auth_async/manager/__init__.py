"""TokenManager and TokenManagerPool, and the parts that only they need."""
