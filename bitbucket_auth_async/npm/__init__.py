"""The npm package's one call and its hooks."""
