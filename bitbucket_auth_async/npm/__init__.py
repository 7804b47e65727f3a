"""`get_access_token`, the npm package's one call, and its hooks."""
