"""Records: resources outside the directory, which services register for their policies."""
