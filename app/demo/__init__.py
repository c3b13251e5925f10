"""People and places that are not real: the cast, which tests and tables name, and the crowd."""
