"""Schools and colleges."""
