"""From a request to a recorded decision. Knows no HTTP."""
