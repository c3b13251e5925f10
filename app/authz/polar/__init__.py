"""The Polar language: its text as data, its names, and what its traces say. Knows nothing of facts or of oso."""
