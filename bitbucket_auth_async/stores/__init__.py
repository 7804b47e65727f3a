"""Where records rest: one module for each kind of store, named after it."""
