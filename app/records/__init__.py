"""Things that the directory itself does not hold: services register them, for policies that speak about them."""
