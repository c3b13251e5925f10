"""HTTP: bodies, keys, addresses, and errors as responses."""
